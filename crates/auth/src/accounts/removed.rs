//! Removed accounts: disabled at once, their maildrops kept for 30 days.
//!
//! The row stays until its maildrop is purged, so that the tools know whose it was, can give it
//! back, and can delete what is due. Whoever deletes claims the row first ([`Erasing`]): mail that is
//! half deleted, or about to be, is not given back to anybody, whatever is asked for at the same moment.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Account, Accounts, AccountsError, account, alias, begin, exists, one, seconds, time};
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
    /// Whether that has begun: it does not come back any more.
    pub is_erasing: bool,
}

/// The claim on a removed account whose maildrop is being erased. It lasts until [`Accounts::purge`]:
/// if the process ends before, whoever claims it again goes on.
#[derive(Debug)]
#[must_use = "a claimed account neither comes back nor goes before it is purged"]
pub struct Erasing {
    maildrop: u64,
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
            "SELECT name, maildrop, removed, erasing FROM account WHERE removed IS NOT NULL
             ORDER BY removed, id",
        )?;
        let removed = statement.query_map([], read)?;
        Ok(removed.collect::<Result<_, _>>()?)
    }

    /// Gives a removed account back, as it was.
    ///
    /// # Errors
    ///
    /// When no removed account has that maildrop, when that is being erased, or when there is a new
    /// account of its name.
    pub fn restore(&self, maildrop: u64) -> Result<Account, AccountsError> {
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        let (id, removed) = one_of(&transaction, maildrop)?;
        if removed.is_erasing {
            return Err(AccountsError::Erasing(removed.name));
        }
        let name = AccountName::parse(&removed.name)?;
        alias::free(&transaction, &name)?;
        transaction
            .execute("UPDATE account SET removed = NULL WHERE id = ?1", [id])
            .map_err(|error| exists(error, &name))?;
        let account = account::of_name(&transaction, &name)?;
        transaction.commit()?;
        Ok(account)
    }

    /// Claims a removed account, so that its maildrop may be erased: only what may be purged by
    /// `due_by`, if that is said. Durable, and no error where it is claimed already. None: there is no
    /// such removed account, be it that somebody has just given it back, or it is not due.
    ///
    /// # Errors
    ///
    /// When the database cannot be read or written.
    pub fn claim(
        &self,
        maildrop: u64,
        due_by: Option<SystemTime>,
    ) -> Result<Option<Erasing>, AccountsError> {
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        let (id, removed) = match one_of(&transaction, maildrop) {
            Err(AccountsError::NotRemoved(_)) => return Ok(None),
            other => other?,
        };
        // What was begun is gone on with, whatever the clock says.
        if !removed.is_erasing && due_by.is_some_and(|by| removed.purge_due > by) {
            return Ok(None);
        }
        if !removed.is_erasing {
            transaction.execute("UPDATE account SET erasing = 1 WHERE id = ?1", [id])?;
            transaction.commit()?;
        }
        Ok(Some(Erasing { maildrop }))
    }

    /// Forgets a removed account. To be called after its maildrop has been deleted.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn purge(&self, erasing: Erasing) -> Result<(), AccountsError> {
        // None is deleted where somebody else with the same claim was faster.
        self.lock().execute(
            "DELETE FROM account WHERE maildrop = ?1 AND erasing = 1",
            [erasing.maildrop.cast_signed()],
        )?;
        Ok(())
    }
}

fn one_of(connection: &Connection, maildrop: u64) -> Result<(i64, Removed), AccountsError> {
    connection
        .query_row(
            "SELECT name, maildrop, removed, erasing, id FROM account
             WHERE maildrop = ?1 AND removed IS NOT NULL",
            [maildrop.cast_signed()],
            |row| Ok((row.get(4)?, read(row)?)),
        )
        .optional()?
        .ok_or(AccountsError::NotRemoved(maildrop))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Removed> {
    let (removed, is_erasing) = (row.get(2)?, row.get(3)?);
    Ok(Removed {
        name: row.get(0)?,
        maildrop: row.get::<_, i64>(1)?.cast_unsigned(),
        removed: time(removed),
        purge_due: purge_due(removed, is_erasing),
        is_erasing,
    })
}

/// From when on the maildrop of an account may be purged that was removed so many seconds after 1970:
/// at once, if that has begun.
pub(super) fn purge_due(removed: i64, is_erasing: bool) -> SystemTime {
    match is_erasing {
        true => SystemTime::UNIX_EPOCH,
        false => time(removed) + REMOVED_KEPT,
    }
}
