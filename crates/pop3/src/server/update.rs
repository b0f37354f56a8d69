//! The UPDATE state: QUIT was said after a login, and the driver deletes what was marked
//! (RFC 1939 §6).
//!
//! One reply, then the end: the sign-off if every marked message is gone for good, or one `-ERR`
//! if none is.

use crate::Octets;
use crate::reply::Refusal;

/// The UPDATE state.
#[derive(Debug)]
pub(super) struct Update {
    messages_deleted: usize,
    octets_left: Octets,
}

impl Update {
    pub(super) fn new(messages_deleted: usize, octets_left: Octets) -> Self {
        Self {
            messages_deleted,
            octets_left,
        }
    }

    /// Number of messages that the commit deletes.
    pub(super) fn messages_deleted(&self) -> usize {
        self.messages_deleted
    }

    /// Octets of the messages that it leaves.
    pub(super) fn octets_left(&self) -> u64 {
        self.octets_left.0
    }

    /// The commit failed: says what that means here, and whether trying again may help.
    pub(super) fn refused(&self, why: Refusal, out: &mut Vec<u8>) {
        match why {
            Refusal::Unavailable => Refusal::NotDeletedNow.print(out),
            Refusal::Damaged => Refusal::NotDeleted.print(out),
            other => other.print(out),
        }
    }
}
