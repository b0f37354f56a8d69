//! What was found for an address, for as long as nobody changes the accounts.
//!
//! Mail comes for the same addresses again and again, and a server that may not wait for the database
//! on the thread that asks would change threads for each of them. `PRAGMA data_version` tells
//! whether any other connection has committed since, for two locks that nobody waits for. Only what
//! was found is remembered: an address that is nobody's is looked up each time.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use hashlink::LruCache;
use rusqlite::Connection;

use super::{Accounts, AccountsError, Recipient};

/// Addresses that are remembered: some hundred octets each, and as many for each account.
const ADDRESSES_MAX: usize = 4096;

/// For whom more accounts get mail is looked up each time: delivering to them takes longer by far, and
/// an address with a detail, of which there is no end, would fill memory with all of them.
const ACCOUNTS_MAX: usize = 8;

/// Addresses, and who was found for each. Made anew when the rules change by which one is looked up.
pub struct Remembered(Mutex<Found>);

/// With the `data_version` that each was looked up at.
type Found = LruCache<String, (i64, Vec<Recipient>)>;

impl Default for Remembered {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES_MAX)))
    }
}

impl Remembered {
    /// Who was found for the address, if nothing was committed since it was looked up, and nobody else
    /// is just looking. May be called where blocking is not allowed.
    pub fn at_hand(&self, accounts: &Accounts, address: &str) -> Option<Vec<Recipient>> {
        let reader = match accounts.reader.try_lock() {
            Ok(reader) => reader,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let now = version(&reader).ok()?;
        match self.found().get(address) {
            Some((at, found)) if *at == now => Some(found.clone()),
            _ => None,
        }
    }

    /// Looks up who gets mail for the address, and remembers it if somebody does. Blocks.
    ///
    /// # Errors
    ///
    /// Those of `look_up`, and when the accounts cannot be read.
    pub fn find(
        &self,
        accounts: &Accounts,
        address: &str,
        look_up: impl FnOnce() -> Result<Vec<Recipient>, AccountsError>,
    ) -> Result<Vec<Recipient>, AccountsError> {
        // The version first: a commit in between makes it look older than it is, not newer.
        let version = version(&accounts.reader())?;
        let found = look_up()?;
        if (1..=ACCOUNTS_MAX).contains(&found.len()) {
            let found = (version, found.clone());
            self.found().insert(address.to_owned(), found);
        }
        Ok(found)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(reader: &Connection) -> rusqlite::Result<i64> {
    reader
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::super::{Addressing, Change, Password};
    use super::*;
    use crate::address::AliasAddress;

    fn find(remembered: &Remembered, accounts: &Accounts, address: &str) -> Vec<Recipient> {
        let look_up = || accounts.recipients(address, &Addressing::default());
        remembered.find(accounts, address, look_up).unwrap()
    }

    #[test]
    fn an_alias_is_remembered_until_it_is_changed_and_a_large_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap().scram(None).unwrap();
        let mut names: Vec<_> = (0..=ACCOUNTS_MAX).map(|n| format!("a{n}")).collect();
        for (n, name) in names.iter().enumerate() {
            accounts.adopt(name, n as u64).unwrap();
        }
        let last = names.pop().unwrap();
        let all = AliasAddress::parse("all").unwrap();
        accounts.add_alias(&all, &names).unwrap();
        let remembered = Remembered::default();
        let found = find(&remembered, &accounts, "all");
        assert_eq!(found.len(), ACCOUNTS_MAX);
        assert_eq!(remembered.at_hand(&accounts, "all"), Some(found));
        accounts.add_alias(&all, &[last]).unwrap();
        assert_eq!(remembered.at_hand(&accounts, "all"), None);
        assert_eq!(find(&remembered, &accounts, "all").len(), ACCOUNTS_MAX + 1);
        assert_eq!(remembered.at_hand(&accounts, "all"), None);
    }

    #[test]
    fn what_was_found_is_known_until_somebody_changes_the_accounts() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap().scram(None).unwrap();
        let password = Password::Clear(sasl::Secret::new("redqueen"));
        let bob = accounts.add("bob", &password).unwrap();
        let remembered = Remembered::default();
        assert_eq!(remembered.at_hand(&accounts, "Bob"), None);
        let found = find(&remembered, &accounts, "Bob");
        assert_eq!(found[0].maildrop, bob.maildrop);
        assert_eq!(remembered.at_hand(&accounts, "Bob"), Some(found));

        // By this process, and by another one.
        let elsewhere = Accounts::open(dir.path()).unwrap();
        let disabled = Change {
            state: Some(super::super::State::Disabled),
            ..Change::default()
        };
        accounts.set("bob", &disabled).unwrap();
        assert_eq!(remembered.at_hand(&accounts, "Bob"), None);
        let found = find(&remembered, &accounts, "Bob");
        assert_eq!(found[0].state, super::super::State::Disabled);
        elsewhere.rename("bob", "alice").unwrap();
        assert_eq!(remembered.at_hand(&accounts, "Bob"), None);
        assert_eq!(find(&remembered, &accounts, "Bob"), []);
    }

    #[test]
    fn nobody_is_not_remembered_and_a_busy_reader_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap().scram(None).unwrap();
        let password = Password::Clear(sasl::Secret::new("redqueen"));
        accounts.add("bob", &password).unwrap();
        let remembered = Remembered::default();
        assert_eq!(find(&remembered, &accounts, "eve"), []);
        assert!(remembered.found().is_empty());
        assert_eq!(find(&remembered, &accounts, "bob").len(), 1);
        let busy = accounts.reader();
        assert_eq!(remembered.at_hand(&accounts, "bob"), None);
        drop(busy);
        assert!(remembered.at_hand(&accounts, "bob").is_some());
    }
}
