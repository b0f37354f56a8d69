//! The UPDATE state: QUIT was said after a login, and the driver deletes what was marked
//! (RFC 1939 §6), or is deleted because it was retrieved (RFC 2449 §6.7, `EXPIRE 0`).
//!
//! One reply, then the end: the sign-off if every marked message is gone for good, or one `-ERR`
//! if none is. Where messages are hidden and not deleted, the same holds for that.

use super::Next;
use crate::reply::{Refusal, Said};
use crate::{Deletions, Language, Octets};

/// The UPDATE state.
#[derive(Debug)]
pub(super) struct Update {
    /// Number of messages that no session will see any more.
    pub(super) messages_gone: usize,
    pub(super) octets_left: Octets,
    /// What is to be deleted or hidden, until the driver has got it.
    pub(super) deletions: Option<Deletions>,
    pub(super) fate: Fate,
    /// Whether what is left of the listing is all that is left in the maildrop.
    pub(super) is_all: bool,
    pub(super) texts: Texts,
    pub(super) language: Language,
}

/// What becomes of the messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Deleted,
    Hidden,
}

/// Whether texts of messages must have left before these are deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Texts {
    /// Whoever marked a message wants it deleted, come what may.
    NeedNotLeave,
    /// Nobody marked it: a client that is gone before it got the text keeps its mail.
    MustLeave,
}

impl Update {
    /// What must happen: the commit, once; then its answer is awaited.
    pub(super) fn next(&mut self, all_has_left: bool) -> Next {
        match self.deletions.take() {
            None => Next::Read,
            Some(deletions) if self.texts == Texts::MustLeave && !all_has_left => {
                self.deletions = Some(deletions);
                Next::Write
            }
            Some(deletions) => match self.fate {
                // Nothing to hide is nothing to do.
                Fate::Hidden if !deletions.is_empty() => Next::Hide(deletions),
                Fate::Hidden | Fate::Deleted => Next::Commit(deletions),
            },
        }
    }

    /// Whether the driver owes an answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.deletions.is_none()
    }

    /// Number of messages that the commit deletes.
    pub(super) fn messages_deleted(&self) -> usize {
        match self.fate {
            Fate::Deleted => self.messages_gone,
            Fate::Hidden => 0,
        }
    }

    /// Number of messages that it hides.
    pub(super) fn messages_hidden(&self) -> usize {
        match self.fate {
            Fate::Deleted => 0,
            Fate::Hidden => self.messages_gone,
        }
    }

    /// Octets of the messages that it leaves.
    pub(super) fn octets_left(&self) -> u64 {
        self.octets_left.0
    }

    /// The commit succeeded: the sign-off.
    pub(super) fn committed(&self, server: &str, left: usize, out: &mut Vec<u8>) {
        match self.is_all {
            true => Said::Committed { server, left },
            // No word about what is left is better than a wrong one.
            false => Said::Bye(server),
        }
        .print(self.language, out);
    }

    /// The commit failed: says what that means here, and whether trying again may help.
    pub(super) fn refused(&self, why: Refusal, out: &mut Vec<u8>) {
        let why = match (why, self.fate) {
            (Refusal::Unavailable, Fate::Deleted) => Refusal::NotDeletedNow,
            (Refusal::Unavailable, Fate::Hidden) => Refusal::NotHiddenNow,
            (Refusal::Damaged, Fate::Deleted) => Refusal::NotDeleted,
            (Refusal::Damaged, Fate::Hidden) => Refusal::NotHidden,
            (other, _) => other,
        };
        why.print_in(self.language, out);
    }
}
