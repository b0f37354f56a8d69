//! What was found for an address, for as long as nobody changes the accounts.
//!
//! Mail comes for the same addresses again and again, and a server that may not wait for the database
//! on the thread that asks would change threads for each of them. `PRAGMA data_version` tells
//! whether any other connection has committed since, for two locks that nobody waits for. Only what
//! was found is remembered: an address that is nobody's is looked up each time.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use hashlink::LruCache;
use rusqlite::Connection;

use super::{Accounts, AccountsError};

/// Addresses that are remembered: some hundred octets each.
const ADDRESSES_MAX: usize = 4096;

/// Addresses, and what was found for each. Made anew when the rules change by which one is looked up.
pub struct Remembered<T>(Mutex<Found<T>>);

/// With the `data_version` that each was looked up at.
type Found<T> = LruCache<String, (i64, T)>;

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES_MAX)))
    }
}

impl<T: Clone> Remembered<T> {
    /// What was found for the address, if nothing was committed since it was looked up, and nobody else
    /// is just looking. May be called where blocking is not allowed.
    pub fn at_hand(&self, accounts: &Accounts, address: &str) -> Option<T> {
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

    /// Looks up what belongs to the address, and remembers it if it is anything. Blocks.
    ///
    /// # Errors
    ///
    /// Those of `look_up`, and when the accounts cannot be read.
    pub fn find(
        &self,
        accounts: &Accounts,
        address: &str,
        look_up: impl FnOnce() -> Result<Option<T>, AccountsError>,
    ) -> Result<Option<T>, AccountsError> {
        // The version first: a commit in between makes it look older than it is, not newer.
        let version = version(&accounts.reader())?;
        let found = look_up()?;
        if let Some(found) = &found {
            let found = (version, found.clone());
            self.found().insert(address.to_owned(), found);
        }
        Ok(found)
    }

    fn found(&self) -> MutexGuard<'_, Found<T>> {
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
    use super::super::{Change, Password, Recipient};
    use super::*;

    fn find(
        remembered: &Remembered<Recipient>,
        accounts: &Accounts,
        address: &str,
    ) -> Option<Recipient> {
        let look_up = || accounts.recipient(address, "mailgate.dobbs.org", &[]);
        remembered.find(accounts, address, look_up).unwrap()
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
        assert_eq!(found.as_ref().unwrap().maildrop, bob.maildrop);
        assert_eq!(remembered.at_hand(&accounts, "Bob"), found);

        // By this process, and by another one.
        let elsewhere = Accounts::open(dir.path()).unwrap();
        let disabled = Change {
            state: Some(super::super::State::Disabled),
            ..Change::default()
        };
        accounts.set("bob", &disabled).unwrap();
        assert_eq!(remembered.at_hand(&accounts, "Bob"), None);
        let found = find(&remembered, &accounts, "Bob");
        assert_eq!(found.unwrap().state, super::super::State::Disabled);
        elsewhere.rename("bob", "alice").unwrap();
        assert_eq!(remembered.at_hand(&accounts, "Bob"), None);
        assert_eq!(find(&remembered, &accounts, "Bob"), None);
    }

    #[test]
    fn nobody_is_not_remembered_and_a_busy_reader_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap().scram(None).unwrap();
        let password = Password::Clear(sasl::Secret::new("redqueen"));
        accounts.add("bob", &password).unwrap();
        let remembered = Remembered::default();
        assert_eq!(find(&remembered, &accounts, "eve"), None);
        assert!(remembered.found().is_empty());
        assert!(find(&remembered, &accounts, "bob").is_some());
        let busy = accounts.reader();
        assert_eq!(remembered.at_hand(&accounts, "bob"), None);
        drop(busy);
        assert!(remembered.at_hand(&accounts, "bob").is_some());
    }
}
