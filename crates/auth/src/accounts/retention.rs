//! What a sweep of old mail needs to know: whose mail is kept for how long, and when the last one was.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::removed::purge_due;
use super::{Accounts, AccountsError, Expire, Expiries, begin, seconds, terms, time};

/// An account as a sweep sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
    /// Its place in the order of all accounts; they go on behind it.
    pub id: i64,
    /// The account's name.
    pub account: String,
    /// The id of its maildrop.
    pub maildrop: u64,
    /// How long its mail is kept; none: what the configuration says.
    pub expire: Option<Expire>,
    /// Of an account that was removed: from when on its maildrop may be purged.
    pub purge_due: Option<SystemTime>,
}

impl Accounts {
    /// Some of the accounts, removed ones included, at most `most`, in the order of their ids and
    /// behind this one. None are left when nothing comes back. What is added meanwhile comes at the
    /// end, so a sweep of a million accounts holds a few in memory, and its reading keeps nobody
    /// waiting.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn kept(&self, behind: i64, most: usize) -> Result<Vec<Kept>, AccountsError> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached(
            "SELECT id, name, maildrop, expire, removed, erasing FROM account
             WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let kept = statement.query_map(params![behind, most], |row| {
            let is_erasing = row.get(5)?;
            let removed: Option<i64> = row.get(4)?;
            Ok(Kept {
                id: row.get(0)?,
                account: row.get(1)?,
                maildrop: row.get::<_, i64>(2)?.cast_unsigned(),
                expire: row.get(3)?,
                purge_due: removed.map(|removed| purge_due(removed, is_erasing)),
            })
        })?;
        Ok(kept.collect::<Result<_, _>>()?)
    }

    /// When a sweep last saw a clock that it trusted; none: never.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn swept(&self) -> Result<Option<SystemTime>, AccountsError> {
        let at = self
            .reader()
            .query_row("SELECT at FROM swept", [], |row| row.get(0))
            .optional()?;
        Ok(at.map(time))
    }

    /// Notes when a sweep saw a clock that it trusted.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn set_swept(&self, at: SystemTime) -> Result<(), AccountsError> {
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        transaction.execute("DELETE FROM swept", [])?;
        transaction.execute("INSERT INTO swept VALUES (?1)", [seconds(at)])?;
        transaction.commit()?;
        Ok(())
    }
}

/// For how long the mail of all accounts is kept. A few looks into indexes.
pub(crate) fn expiries(connection: &Connection) -> Result<Expiries, AccountsError> {
    let expiries = connection
        .prepare_cached(
            "SELECT
                EXISTS (SELECT 1 FROM account WHERE removed IS NULL AND expire IS NULL),
                EXISTS (SELECT 1 FROM account WHERE removed IS NULL AND expire = ?1),
                (SELECT min(expire) FROM account WHERE removed IS NULL AND expire >= 0),
                (SELECT max(expire) FROM account WHERE removed IS NULL AND expire >= 0),
                EXISTS (SELECT 1 FROM account WHERE removed IS NULL
                    AND disposition IN ('keep', 'read-only'))",
        )?
        .query_row([terms::NONE], |row| {
            let never = row.get::<_, bool>(1)?.then_some(Expire::Never);
            let (least, greatest): (Option<Expire>, _) = (row.get(2)?, row.get(3)?);
            Ok(Expiries {
                default: row.get(0)?,
                least: least.or(never),
                greatest: never.or(greatest),
                kept: row.get(4)?,
            })
        })?;
    Ok(expiries)
}
