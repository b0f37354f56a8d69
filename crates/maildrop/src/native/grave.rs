//! A deleted message that the file still holds.

use std::collections::BTreeMap;

use super::bytes::i64_at;
use super::index::{Entry, Index};

/// A deleted message, where it lies and since when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Grave {
    /// As it was when it lived.
    pub(crate) entry: Entry,
    /// Time of the commit that deleted it, µs since 1970.
    pub(crate) deleted_us: i64,
    /// Whether its space was given back as far as that goes. Not kept: a hole made twice is one.
    pub(crate) is_hollow: bool,
}

/// Messages that are dead, and what they take up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Dead {
    pub(crate) messages: u64,
    /// Octets as RFC 1939 counts them.
    pub(crate) octets: u64,
    /// Octets of their records in the file.
    pub(crate) space: u64,
}

impl Grave {
    /// Octets of a grave in the sidecar.
    pub(crate) const LEN: usize = Entry::LEN + 8;

    pub(crate) fn new(entry: Entry, deleted_us: i64) -> Self {
        Self {
            entry,
            deleted_us,
            is_hollow: false,
        }
    }

    /// The grave as the sidecar holds it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.entry.encode(out);
        out.extend_from_slice(&self.deleted_us.to_le_bytes());
    }

    /// Reads a grave back from [`Grave::LEN`] octets.
    pub(crate) fn decode(octets: &[u8]) -> Self {
        Self::new(Entry::decode(octets), i64_at(octets, Entry::LEN))
    }
}

impl Index {
    /// What was deleted after `cut_us`, by the time of the commit.
    pub(crate) fn graves_after(&self, cut_us: i64) -> BTreeMap<i64, Vec<Grave>> {
        let mut commits: BTreeMap<_, Vec<Grave>> = BTreeMap::new();
        for grave in self.graves.iter().filter(|it| it.deleted_us > cut_us) {
            commits.entry(grave.deleted_us).or_default().push(*grave);
        }
        commits
    }

    /// How many unique-ids would be used up without a message that has them, if those that were
    /// deleted until `cut_us` were not in the file any more.
    pub(crate) fn gone_then(&self, cut_us: i64) -> u64 {
        let leaving = |it: &&Grave| it.deleted_us <= cut_us && it.entry.is_named();
        let leaving = self.graves.iter().filter(leaving).count();
        (self.taken().len() - self.names.len() + leaving) as u64
    }

    /// What was deleted after `cut_us` and is therefore kept for the operator.
    pub(crate) fn in_grace(&self, cut_us: i64) -> Dead {
        let mut dead = Dead::default();
        for grave in self.graves.iter().filter(|it| it.deleted_us > cut_us) {
            dead.messages += 1;
            dead.octets += u64::from(grave.entry.octets);
            dead.space += grave.entry.space();
        }
        dead
    }
}
