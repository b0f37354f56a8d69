//! An account as a login needs it, and the connection that reads it.
//!
//! Rows are kept in memory. `PRAGMA data_version` tells whether any other connection has committed
//! since (no query, two loads from shared memory: about 3 µs); if so, a row is read again before it
//! is used, so a change by another process counts at the next login.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::SystemTime;

use hashlink::LruCache;
use rusqlite::{Connection, OptionalExtension as _};
use tracing::error;

use super::verifiers::{self, Verifiers};
use super::{
    AccountsError, Disposition, Expire, Expiries, Quota, account, retention, schema, seconds,
};
use crate::hash::PasswordHash;
use crate::name::AccountName;
use crate::place::{Network, Peer, allowed};

/// Rows that are kept in memory: about 700 octets each.
const ROWS_MAX: usize = 10_000;

/// An account as a login needs it.
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) version: i64,
    pub(crate) name: AccountName,
    pub(crate) maildrop: u64,
    enabled: bool,
    expires: Option<i64>,
    /// None if the column cannot be read: then nowhere is allowed.
    networks: Option<Vec<Network>>,
    pub(crate) password: Option<PasswordHash>,
    pub(crate) scram: Verifiers,
    pub(crate) apop: Option<Vec<u8>>,
    pub(crate) expire: Option<Expire>,
    pub(crate) disposition: Option<Disposition>,
    pub(crate) messages_shown: Option<Quota>,
}

impl Row {
    /// Why the account may not log in from there and now, if it may not.
    pub(crate) fn obstacle(&self, peer: Peer) -> Option<&'static str> {
        let now = seconds(SystemTime::now());
        match &self.networks {
            _ if !self.enabled => Some("account is disabled"),
            _ if self.expires.is_some_and(|end| end <= now) => Some("account has expired"),
            Some(networks) if allowed(networks, peer) => None,
            _ => Some("account may not log in from there"),
        }
    }
}

/// A connection of its own for logins, so that they do not wait for what changes accounts.
pub(crate) struct Directory(Mutex<Inner>);

struct Inner {
    connection: Connection,
    data: PathBuf,
    /// With the `data_version` that each row was read at.
    rows: LruCache<AccountName, (i64, Arc<Row>)>,
    /// The same for what all rows come to.
    expiries: Option<(i64, Expiries)>,
}

impl Directory {
    pub(crate) fn open(data: &Path) -> Result<Self, AccountsError> {
        Ok(Self(Mutex::new(Inner {
            connection: schema::connect_to_read(data)?,
            data: data.to_owned(),
            rows: LruCache::new(ROWS_MAX),
            expiries: None,
        })))
    }

    /// The row, if it is in memory and nothing was committed since it was read, and nobody else is
    /// just looking. May be called where blocking is not allowed.
    pub(crate) fn in_memory(&self, name: &AccountName) -> Option<Arc<Row>> {
        let mut inner = self.try_lock()?;
        let version = inner.data_version().ok()?;
        match inner.rows.get(name) {
            Some((read_at, row)) if *read_at == version => Some(Arc::clone(row)),
            _ => None,
        }
    }

    /// The row, from the database. Blocks. That there is none is an error where there were never any
    /// accounts: the directory may be the wrong one.
    pub(crate) fn read(&self, name: &AccountName) -> Result<Option<Arc<Row>>, AccountsError> {
        let mut inner = self.lock();
        // The version first: a commit in between makes the row look older than it is, not newer.
        let version = inner.data_version()?;
        let row = inner.row(name)?.map(Arc::new);
        match &row {
            Some(row) => {
                inner.rows.insert(name.clone(), (version, Arc::clone(row)));
            }
            None => {
                inner.rows.remove(name);
                if !super::begun(&inner.connection)? {
                    return Err(AccountsError::NoneYet(inner.data.clone()));
                }
            }
        }
        Ok(row)
    }

    /// For how long the mail of all accounts is kept, if that is in memory; as [`Self::in_memory`].
    pub(crate) fn expiries_in_memory(&self) -> Option<Expiries> {
        let inner = self.try_lock()?;
        let version = inner.data_version().ok()?;
        match inner.expiries {
            Some((read_at, expiries)) if read_at == version => Some(expiries),
            _ => None,
        }
    }

    /// The same, from the database. Blocks.
    pub(crate) fn read_expiries(&self) -> Result<Expiries, AccountsError> {
        let mut inner = self.lock();
        let version = inner.data_version()?;
        // Whoever could not wait for the lock comes here, too.
        if let Some((read_at, expiries)) = inner.expiries
            && read_at == version
        {
            return Ok(expiries);
        }
        let expiries = retention::expiries(&inner.connection)?;
        inner.expiries = Some((version, expiries));
        Ok(expiries)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Inner>> {
        match self.0.try_lock() {
            Ok(inner) => Some(inner),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn data_version(&self) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))
    }

    fn row(&self, name: &AccountName) -> Result<Option<Row>, AccountsError> {
        let row = self
            .connection
            .prepare_cached(&format!(
                "SELECT id, version, maildrop, enabled, expires, networks, password, apop, expire,
                    disposition, messages_shown, {}
                 FROM account WHERE name = ?1 AND removed IS NULL",
                verifiers::COLUMNS.join(", "),
            ))?
            .query_row([name.as_str()], |row| {
                Ok(Row {
                    id: row.get(0)?,
                    version: row.get(1)?,
                    name: name.clone(),
                    maildrop: row.get::<_, i64>(2)?.cast_unsigned(),
                    enabled: row.get(3)?,
                    expires: row.get(4)?,
                    networks: account::networks(&row.get::<_, String>(5)?)
                        .inspect_err(|why| {
                            error!(account = %name, %why, "networks of the account cannot be read");
                        })
                        .ok(),
                    password: row.get::<_, Option<String>>(6)?.and_then(|text| {
                        PasswordHash::stored(&text)
                            .inspect_err(|why| {
                                error!(account = %name, %why, "hash of the account cannot be used");
                            })
                            .ok()
                    }),
                    apop: row.get(7)?,
                    expire: row.get(8)?,
                    disposition: row.get(9)?,
                    messages_shown: row.get(10)?,
                    scram: verifiers::read(row, 11)?,
                })
            })
            .optional()?;
        Ok(row)
    }
}
