//! Removed accounts: disabled at once, their maildrops kept for 30 days.
//!
//! The row stays until its maildrop is purged, so that the tools know whose it was, can give it
//! back, and can delete what is due.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Account, Accounts, AccountsError, account, begin, exists, one, seconds, time};
use crate::name::AccountName;

/// How long the maildrop of a removed account is kept.
pub const REMOVED_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A removed account whose maildrop is not purged yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Removed {
    /// The name that it had.
    pub name: String,
    /// The id of its maildrop.
    pub maildrop: u64,
    /// When it was removed.
    pub removed: SystemTime,
    /// From when on its maildrop may be purged.
    pub purge_due: SystemTime,
}

impl Accounts {
    /// Removes an account: nobody logs in or gets mail by its name any more. Its maildrop is kept
    /// for 30 days. A new account of the same name gets a new maildrop.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn remove(&self, name: &str) -> Result<Removed, AccountsError> {
        let maildrop = self.show(name)?.maildrop;
        // A clock that is behind the last sweep, which trusted it, would make the 30 days shorter.
        let swept = self.swept()?.map_or(0, seconds);
        let now = seconds(SystemTime::now()).max(swept);
        let connection = self.lock();
        let changed = connection.execute(
            "UPDATE account SET removed = ?2 WHERE maildrop = ?1 AND removed IS NULL",
            params![maildrop.cast_signed(), now],
        )?;
        one(changed, name)?;
        Ok(one_of(&connection, maildrop)?.1)
    }

    /// Removed accounts, the one that was removed first at the front.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn removed(&self) -> Result<Vec<Removed>, AccountsError> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT name, maildrop, removed FROM account WHERE removed IS NOT NULL
             ORDER BY removed, id",
        )?;
        let removed = statement.query_map([], read)?;
        Ok(removed.collect::<Result<_, _>>()?)
    }

    /// Gives a removed account back, as it was.
    ///
    /// # Errors
    ///
    /// When no removed account has that maildrop, or there is a new account of its name.
    pub fn restore(&self, maildrop: u64) -> Result<Account, AccountsError> {
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        let (id, removed) = one_of(&transaction, maildrop)?;
        let name = AccountName::parse(&removed.name)?;
        transaction
            .execute("UPDATE account SET removed = NULL WHERE id = ?1", [id])
            .map_err(|error| exists(error, &name))?;
        let account = account::of_name(&transaction, &name)?;
        transaction.commit()?;
        Ok(account)
    }

    /// Forgets a removed account. To be called after its maildrop has been deleted; whether it is
    /// due is the caller's to decide.
    ///
    /// # Errors
    ///
    /// When no removed account has that maildrop.
    pub fn purge(&self, maildrop: u64) -> Result<(), AccountsError> {
        let changed = self.lock().execute(
            "DELETE FROM account WHERE maildrop = ?1 AND removed IS NOT NULL",
            [maildrop.cast_signed()],
        )?;
        match changed {
            0 => Err(AccountsError::NotRemoved(maildrop)),
            _ => Ok(()),
        }
    }
}

fn one_of(connection: &Connection, maildrop: u64) -> Result<(i64, Removed), AccountsError> {
    connection
        .query_row(
            "SELECT name, maildrop, removed, id FROM account
             WHERE maildrop = ?1 AND removed IS NOT NULL",
            [maildrop.cast_signed()],
            |row| Ok((row.get(3)?, read(row)?)),
        )
        .optional()?
        .ok_or(AccountsError::NotRemoved(maildrop))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Removed> {
    let removed = row.get(2)?;
    Ok(Removed {
        name: row.get(0)?,
        maildrop: row.get::<_, i64>(1)?.cast_unsigned(),
        removed: time(removed),
        purge_due: purge_due(removed),
    })
}

/// From when on the maildrop of an account may be purged that was removed so many seconds after 1970.
pub(super) fn purge_due(removed: i64) -> SystemTime {
    time(removed) + REMOVED_KEPT
}
