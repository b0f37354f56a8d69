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
    /// From which sizes on it pays to give space back.
    pub pays: Pays,
}

/// From which sizes on it pays to give space back, in octets. The configuration does not show them:
/// the defaults suit every disk, and simulations make them small.
#[derive(Clone, Copy, Debug)]
pub struct Pays {
    /// A file is written anew if that gives back more than half of it, and more than this.
    pub rewriting: u64,
    /// While a file is written anew, mail that comes in is copied with deliveries waiting if it is
    /// not more than this.
    pub tail: u64,
    /// A dead message becomes a hole if that gives back at least this.
    pub hole: u64,
}

impl Default for Pays {
    fn default() -> Self {
        Self {
            rewriting: 4 << 20,
            tail: 1 << 20,
            hole: 1 << 20,
        }
    }
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
            pays: Pays::default(),
        }
    }
}
