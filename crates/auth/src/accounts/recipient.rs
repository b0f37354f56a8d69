//! Which account gets mail for an address.
//!
//! The full address as an account; else, if the domain is the server's host name, one of its
//! domains, or absent, the local part; else nobody (LMTP answers 550 5.1.1).

use super::{Account, Accounts, AccountsError, State, Terms, account};
use crate::name::AccountName;

/// An account that mail is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// The account's name, case folded.
    pub account: String,
    /// The id of its maildrop.
    pub maildrop: u64,
    /// Whether it may be used; the caller decides whether a disabled account still gets mail.
    pub state: State,
    /// How much mail it may hold, and for how long, where it says so for itself.
    pub terms: Terms,
}

impl Accounts {
    /// Which account gets mail for an address, `local@domain` or `local`, without angle brackets.
    /// ASCII case does not matter, nor does the case of `hostname` and `domains`. None: nobody.
    ///
    /// # Errors
    ///
    /// When the accounts cannot be read, or there were never any: then the directory may be the wrong
    /// one. An address that no account could have is nobody's.
    pub fn recipient(
        &self,
        address: &str,
        hostname: &str,
        domains: &[String],
    ) -> Result<Option<Recipient>, AccountsError> {
        let Ok(name) = AccountName::parse(address) else {
            return Ok(None);
        };
        if let Some(recipient) = self.named(&name)? {
            return Ok(Some(recipient));
        }
        if let (local, Some(domain)) = name.parts() {
            let ours = |own: &str| own.eq_ignore_ascii_case(domain);
            if (ours(hostname) || domains.iter().any(|own| ours(own)))
                && let Some(recipient) = self.named(&AccountName::parse(local)?)?
            {
                return Ok(Some(recipient));
            }
        }
        match self.begun()? {
            true => Ok(None),
            false => Err(AccountsError::NoneYet(self.data.clone())),
        }
    }

    fn named(&self, name: &AccountName) -> Result<Option<Recipient>, AccountsError> {
        match account::of_name(&self.reader(), name) {
            Ok(Account {
                name,
                maildrop,
                state,
                terms,
                ..
            }) => Ok(Some(Recipient {
                account: name,
                maildrop,
                state,
                terms,
            })),
            Err(AccountsError::Unknown(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
