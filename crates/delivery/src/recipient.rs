//! Whom a message is for: an address, and the accounts that get its mail.
//!
//! One address may stand for several accounts. The sender gets one reply for it all the same (RFC 2033
//! §4.2), so it is a success only if all of them have the message; see [`NotDelivered`].

use std::io;

use maildrop::{Addressee, DeliverError, MaildropId, Maildrops, Quota};

/// A recipient that the accounts know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// The address as it was given, without angle brackets.
    pub address: String,
    /// Who gets its mail; at least one.
    pub accounts: Vec<Account>,
}

impl Recipient {
    /// Who gets its mail, each maildrop once.
    pub(crate) fn maildrops_once(&self) -> Vec<&Account> {
        let mut accounts: Vec<&Account> = Vec::with_capacity(self.accounts.len());
        for account in &self.accounts {
            if !accounts.iter().any(|a| a.maildrop == account.maildrop) {
                accounts.push(account);
            }
        }
        accounts
    }

    /// The recipient without the accounts whose maildrops have the message already; none if all have it.
    pub(crate) fn without(&self, have_it: &[MaildropId]) -> Option<Self> {
        let mut fresh = self.clone();
        fresh
            .accounts
            .retain(|account| !have_it.contains(&account.maildrop));
        (!fresh.accounts.is_empty()).then_some(fresh)
    }

    /// Who has no room for a message of so many octets, trace headers included. Blocks.
    pub(crate) fn misfits(
        &self,
        maildrops: &Maildrops,
        octets: u64,
    ) -> Vec<(Account, DeliverError)> {
        let refused = |account: &Account| {
            let why = maildrops.fits(&account.addressee(), octets).err()?;
            Some((account.clone(), why))
        };
        self.accounts.iter().filter_map(refused).collect()
    }
}

/// An account that mail is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The id of its maildrop.
    pub maildrop: MaildropId,
    /// What the maildrop may hold.
    pub quota: Quota,
}

impl Account {
    /// Whose maildrop a message for this account goes to.
    pub fn addressee(&self) -> Addressee<'_> {
        Addressee {
            id: self.maildrop,
            account: &self.name,
            quota: self.quota,
        }
    }
}

/// Why a message was not delivered to a recipient: not to all of its accounts.
///
/// Those who have it keep it. A sender that tries again gives them a second copy: rather twice than
/// never.
#[derive(Debug)]
pub struct NotDelivered {
    /// Who has not got it and why, in the recipient's order.
    pub failures: Vec<(Account, DeliverError)>,
    /// The maildrops that have it, durably.
    pub delivered: Vec<MaildropId>,
}

impl NotDelivered {
    /// What the sender is told. What may pass by itself comes before what may be final (a full
    /// maildrop, as [`QuotaExceeded`](crate::QuotaExceeded) says), because the sender must not give up
    /// then.
    pub fn worst(self) -> DeliverError {
        let is_full = |why: &DeliverError| matches!(why, DeliverError::OverQuota);
        let whys = self.failures.into_iter().map(|(_, why)| why);
        whys.min_by_key(is_full).unwrap_or_else(|| {
            DeliverError::Unavailable(io::Error::other("the recipient has no account"))
        })
    }
}

#[cfg(test)]
mod tests;
