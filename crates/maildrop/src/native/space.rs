//! What of a maildrop's file is needed, and what could be given back.

use super::header::HEADER_LEN;
use super::index::Index;
use super::now_us;
use super::record::{Found, RECORD_LEN};
use crate::settings::NativeSettings;

/// Holes begin and end at multiples of this.
pub(crate) const PAGE: u64 = 4096;

/// The stretch that a dead message can give back without the file being written anew: the whole
/// pages inside its body. Its header and TLVs stay, so the walk from record to record never breaks.
pub(crate) fn hole(found: &Found) -> Option<(u64, u64)> {
    let from = found.body().next_multiple_of(PAGE);
    let to = found.end / PAGE * PAGE;
    (from < to).then_some((from, to))
}

/// Deletions after this moment (µs since 1970) are kept for the operator.
pub(crate) fn grace_cut(settings: &NativeSettings) -> i64 {
    match i64::try_from(settings.grace.as_micros()) {
        // Nothing is kept, whatever the clock said when it was deleted.
        Ok(0) => i64::MAX,
        Ok(grace) => now_us().saturating_sub(grace),
        Err(_) => i64::MIN,
    }
}

impl Index {
    /// Octets of a file that is written anew: the living, and the dead that were deleted after
    /// `cut_us`.
    pub(crate) fn needed(&self, cut_us: i64) -> u64 {
        let kept = self.in_grace(cut_us);
        let deletions = self.graves_after(cut_us).len() as u64 * RECORD_LEN as u64;
        let gone = match self.gone_then(cut_us) {
            0 => 0,
            names => RECORD_LEN as u64 + 8 * names,
        };
        HEADER_LEN as u64 + self.live_space + kept.space + deletions + gone
    }

    /// Whether nothing lives, and nothing was deleted after `cut_us`.
    pub(crate) fn is_vacant(&self, cut_us: i64) -> bool {
        self.live == 0 && self.graves.iter().all(|grave| grave.deleted_us <= cut_us)
    }
}
