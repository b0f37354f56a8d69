//! Somebody who has proved who they are. Only this crate makes one.

use crate::accounts::row::Row;
use crate::accounts::{Disposition, Expire, Quota};
use crate::name::AccountName;

/// Proof that a login was right. `server` opens a maildrop for a session only with one of these.
#[derive(Clone, Debug)]
pub struct Identity {
    id: i64,
    account: AccountName,
    maildrop: u64,
    expire: Option<Expire>,
    disposition: Option<Disposition>,
    messages_shown: Option<Quota>,
}

impl Identity {
    pub(crate) fn new(row: &Row) -> Self {
        Self {
            id: row.id,
            account: row.name.clone(),
            maildrop: row.maildrop,
            expire: row.expire,
            disposition: row.disposition,
            messages_shown: row.messages_shown,
        }
    }

    /// The account's id, which no other account ever has.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }

    /// The account's name, case folded.
    pub fn account(&self) -> &str {
        self.account.as_str()
    }

    /// The id of the account's maildrop.
    pub fn maildrop(&self) -> u64 {
        self.maildrop
    }

    /// How long the account's mail is kept; none: what the configuration says.
    pub fn expire(&self) -> Option<Expire> {
        self.expire
    }

    /// What becomes of what its client deletes; none: what the configuration says.
    pub fn disposition(&self) -> Option<Disposition> {
        self.disposition
    }

    /// How many messages its session sees; none: what the configuration says.
    pub fn messages_shown(&self) -> Option<Quota> {
        self.messages_shown
    }
}
