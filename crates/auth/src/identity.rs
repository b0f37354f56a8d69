//! Somebody who has proved who they are. Only this crate makes one.

use crate::name::AccountName;

/// Proof that a login was right. `server` opens a maildrop for a session only with one of these.
#[derive(Clone, Debug)]
pub struct Identity {
    account: AccountName,
    maildrop: u64,
}

impl Identity {
    pub(crate) fn new(account: AccountName, maildrop: u64) -> Self {
        Self { account, maildrop }
    }

    /// The account's name, case folded.
    pub fn account(&self) -> &str {
        self.account.as_str()
    }

    /// The id of the account's maildrop.
    pub fn maildrop(&self) -> u64 {
        self.maildrop
    }
}
