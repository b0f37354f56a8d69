//! Upgrades of accounts whose password has proved right, in the background.

use std::sync::{Arc, PoisonError};

use sasl::Secret;
use tracing::{info, warn};

use super::{Authenticator, Shared};
use crate::accounts::row::Row;
use crate::hash::PasswordHash;

impl Authenticator {
    /// Stores a better hash or a SCRAM verifier, when nobody waits for the pool.
    pub(super) fn upgrade(&self, row: &Arc<Row>, secret: Secret) {
        let legacy = row.password.as_ref().is_some_and(PasswordHash::is_legacy);
        let hashes = self.shared.accounts.scram_hashes();
        let lacks_scram = hashes.iter().any(|&hash| row.scram.of(hash).is_none());
        if !(legacy || lacks_scram) || !self.shared.begin_upgrade(row.id) {
            return;
        }
        let (shared, account) = (Arc::clone(&self.shared), Arc::clone(row));
        let begun = Upgrading {
            shared: Arc::clone(&self.shared),
            id: row.id,
        };
        // Too much of it: then `begun` is dropped here, and the next login brings it back.
        let _taken = self.pool.background(move || {
            shared.upgrade(&account, &secret);
            drop(begun);
        });
    }
}

impl Shared {
    fn upgrade(&self, row: &Row, secret: &Secret) {
        let account = row.name.as_str();
        match self.accounts.upgrade(row, secret) {
            Ok(Some(upgrade)) => {
                // The row has a new version, but the password is the one that was verified.
                let (version, stored) = (upgrade.version, &upgrade.stored);
                let credential = self.credentials.credential(row.id, version, stored, secret);
                self.credentials.insert(credential);
                if upgrade.rehashed {
                    info!(account, "password rehashed");
                }
                if upgrade.scram {
                    info!(account, "SCRAM verifier stored");
                }
            }
            Ok(None) => {}
            // The next login tries again.
            Err(why) => warn!(account, %why, "password not rehashed"),
        }
    }

    fn begin_upgrade(&self, id: i64) -> bool {
        let mut upgrading = self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        upgrading.insert(id)
    }

    fn end_upgrade(&self, id: i64) {
        let mut upgrading = self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        upgrading.remove(&id);
    }
}

/// An account's upgrade that waits or runs; the next may begin when this is dropped, even if that is
/// because of a panic.
struct Upgrading {
    shared: Arc<Shared>,
    id: i64,
}

impl Drop for Upgrading {
    fn drop(&mut self) {
        self.shared.end_upgrade(self.id);
    }
}
