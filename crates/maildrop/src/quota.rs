//! Whose maildrop a message is for, and how much that may hold.

use crate::id::MaildropId;

/// How much a maildrop may hold; none: no limit.
///
/// Checked under the lock under which the message is appended, with the counters that the file's
/// records add up to, so no number of deliveries at once can exceed it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quota {
    /// Octets as RFC 1939 §11 counts them, of all messages together.
    pub octets: Option<u64>,
    /// Messages.
    pub messages: Option<u64>,
}

impl Quota {
    /// Whether a message of `octets` fits into a maildrop that holds so much.
    pub(crate) fn fits(self, octets: u64, messages_held: u64, octets_held: u64) -> bool {
        self.messages.is_none_or(|most| messages_held < most)
            && self
                .octets
                .is_none_or(|most| octets_held.saturating_add(octets) <= most)
    }
}

/// Whose maildrop a message is for.
#[derive(Clone, Copy, Debug)]
pub struct Addressee<'a> {
    /// The maildrop.
    pub id: MaildropId,
    /// Name of the account; written into a file that is made now, so that a lost account database
    /// can be rebuilt.
    pub account: &'a str,
    /// What the maildrop may hold.
    pub quota: Quota,
}

impl<'a> Addressee<'a> {
    /// Whose maildrop may hold as much as there is room for.
    pub const fn unlimited(id: MaildropId, account: &'a str) -> Self {
        Self {
            id,
            account,
            quota: Quota {
                octets: None,
                messages: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits() {
        let quota = Quota {
            octets: Some(100),
            messages: Some(3),
        };
        assert!(quota.fits(100, 0, 0));
        assert!(quota.fits(0, 2, 100));
        assert!(!quota.fits(1, 2, 100));
        assert!(!quota.fits(0, 3, 0));
        assert!(!quota.fits(1, 0, u64::MAX));
        assert!(Quota::default().fits(u64::MAX, u64::MAX, u64::MAX));
    }
}
