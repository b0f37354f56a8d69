//! Settings of the native store.

use std::time::Duration;

use crate::template::Template;

/// Settings of the native store.
#[derive(Clone, Debug)]
pub struct NativeSettings {
    /// Whether tmpfs and the like may hold mail. They forget it at power-off, so a server refuses
    /// them; tests need not.
    pub allow_volatile: bool,
    /// How the unique-ids of new messages look.
    pub unique_id: Template,
    /// How long a deleted message stays where an operator can bring it back; zero: its space is
    /// given back when it pays.
    pub grace: Duration,
    /// Whether messages within that time count against the quota.
    pub grace_in_quota: bool,
    /// Octets that are set aside, so that on a full disk sessions can still delete.
    pub reserve_octets: u64,
    /// Octets of memory for indexes of maildrops that nobody uses now.
    pub index_octets_max: usize,
}

impl Default for NativeSettings {
    fn default() -> Self {
        Self {
            allow_volatile: false,
            unique_id: Template::default(),
            grace: Duration::ZERO,
            grace_in_quota: false,
            reserve_octets: 64 << 20,
            index_octets_max: 256 << 20,
        }
    }
}
