//! What an account gets when a password has proved right: a better hash, a SCRAM verifier.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use sasl::Secret;

use super::row::Row;
use super::verifiers::{self, Verifiers};
use super::{Accounts, AccountsError, begin, schema};
use crate::hash::PasswordHash;

/// How long an upgrade waits for another process that writes.
const UPGRADE_WAIT: Duration = Duration::from_millis(100);

/// What an account got after a login.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Upgrade {
    /// The row's version now.
    pub(crate) version: i64,
    /// And how the password is stored.
    pub(crate) stored: Box<str>,
    /// Whether the password has a new hash.
    pub(crate) rehashed: bool,
    /// Whether there is a SCRAM verifier now.
    pub(crate) scram: bool,
}

impl Accounts {
    /// Stores what an account lacks, now that a password has proved right: a better hash if its own
    /// is a legacy one, a SCRAM verifier if it has none. Changes nothing if the row is not the one
    /// that was checked, or if only a part of the password was: a typing error in the rest would become
    /// the password.
    pub(crate) fn upgrade(
        &self,
        row: &Row,
        password: &Secret,
    ) -> Result<Option<Upgrade>, AccountsError> {
        let is_checked = |hash: &PasswordHash| hash.sees_all_of(password);
        if !row.password.as_ref().is_none_or(is_checked) {
            return Ok(None);
        }
        let hash = match row.password.as_ref().is_some_and(PasswordHash::is_legacy) {
            true => Some(PasswordHash::new(password).map_err(AccountsError::io(&self.data))?),
            false => None,
        };
        let scram = self.missing_verifiers(&row.scram, password)?;
        if hash.is_none() && scram.is_empty() {
            return Ok(None);
        }
        let mut connection = self.lock();
        // The threads that do this hash for those who log in: they must not wait here for long while
        // another process writes. What is not stored now is stored at the next login.
        connection.busy_timeout(UPGRADE_WAIT)?;
        let upgrade = write_upgrade(&mut connection, row, hash.as_ref(), &scram);
        connection.busy_timeout(schema::BUSY_TIMEOUT)?;
        upgrade
    }
}

fn write_upgrade(
    connection: &mut Connection,
    row: &Row,
    hash: Option<&PasswordHash>,
    scram: &Verifiers,
) -> Result<Option<Upgrade>, AccountsError> {
    let transaction = begin(connection)?;
    let statement = format!(
        "UPDATE account SET password = coalesce(?3, password), ({}) = ({})
         WHERE id = ?1 AND version = ?2 AND removed IS NULL",
        verifiers::COLUMNS.join(", "),
        verifiers::additions(4),
    );
    let hash_text = hash.map(|hash| hash.text().to_owned());
    let first: [Value; 3] = [row.id.into(), row.version.into(), hash_text.into()];
    let changed = transaction.execute(
        &statement,
        params_from_iter(first.into_iter().chain(verifiers::values(scram))),
    )?;
    let upgrade = match changed {
        0 => None,
        _ => Some(Upgrade {
            version: transaction.query_row(
                "SELECT version FROM account WHERE id = ?1",
                [row.id],
                |found| found.get(0),
            )?,
            stored: hash
                .or(row.password.as_ref())
                .map_or("", PasswordHash::text)
                .into(),
            rehashed: hash.is_some(),
            scram: !scram.is_empty(),
        }),
    };
    transaction.commit()?;
    Ok(upgrade)
}
