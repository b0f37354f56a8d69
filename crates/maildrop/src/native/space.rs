//! What of a maildrop's file is needed, and what could be given back.

use std::collections::BTreeMap;

use super::bytes::align;
use super::header::HEADER_LEN;
use super::index::{FLAG_HIDDEN, Index};
use super::now_us;
use super::record::{Counters, Found, RECORD_LEN, Ranges, encode_flags, encode_ranges};
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
    /// `cut_us`, with what is said of them behind (`rewrite.rs`). A file that is no longer gives nothing
    /// back, so it is never less than a file has that was just written: a few octets more at most.
    pub(crate) fn needed(&self, cut_us: i64) -> u64 {
        let kept = self.in_grace(cut_us);
        let gone = match self.gone_then(cut_us) {
            0 => 0,
            names => record(8 * names),
        };
        HEADER_LEN as u64 + self.live_space + kept.space + self.said(cut_us) + gone
    }

    /// Octets of the records that hide messages, and delete those that were deleted after `cut_us`.
    fn said(&self, cut_us: i64) -> u64 {
        let alive = self.alive().map(|entry| (entry, None));
        let dead = self.graves.iter().filter(|it| it.deleted_us > cut_us);
        let dead = dead.map(|it| (&it.entry, Some(it.deleted_us)));
        let mut all: Vec<_> = alive.chain(dead).collect();
        // A few runs that ascend: cheap.
        all.sort_by_key(|(entry, _)| entry.uid);
        let mut hidden = Ranges::new();
        let mut deleted: BTreeMap<i64, Ranges> = BTreeMap::new();
        let mut before = (false, None);
        for (entry, deleted_us) in all {
            let is_hidden = entry.is_hidden();
            if is_hidden {
                extend(&mut hidden, entry.uid, before.0);
            }
            if let Some(at_us) = deleted_us {
                // What an earlier commit deletes may lie within a range, too: it is counted as two.
                let ranges = deleted.entry(at_us).or_default();
                extend(ranges, entry.uid, before.1 == deleted_us);
            }
            before = (is_hidden, deleted_us);
        }
        let counters = Counters {
            next_uid: self.next_uid,
            live: self.live,
            octets: self.octets,
        };
        let deletions = deleted.values();
        let deletions = deletions.map(|it| record(encode_ranges(counters, it).len() as u64));
        let hiding = match &hidden[..] {
            [] => 0,
            ranges => record(encode_flags(FLAG_HIDDEN, 0, ranges).len() as u64),
        };
        deletions.sum::<u64>() + hiding
    }

    /// Whether nothing lives, and nothing was deleted after `cut_us`.
    pub(crate) fn is_vacant(&self, cut_us: i64) -> bool {
        self.live == 0 && self.graves.iter().all(|grave| grave.deleted_us <= cut_us)
    }
}

/// Octets that a record takes up which is not a message.
fn record(body_len: u64) -> u64 {
    align(RECORD_LEN as u64 + body_len)
}

/// Adds a uid to ranges, be it to the last of them.
fn extend(ranges: &mut Ranges, uid: u64, goes_on: bool) {
    match ranges.last_mut().filter(|_| goes_on) {
        Some(range) => range.1 = uid,
        None => ranges.push((uid, uid)),
    }
}
