//! Aliases: addresses that stand for accounts.
//!
//! An alias is its rows, one for each account. They hold the account's id and not its name: `rename`
//! leaves them alone, `remove` makes an account vanish from them and `restore` brings it back, and with
//! a purged account its rows go. An alias names accounts and never another alias, so a look is one query,
//! and there is no circle to be found. No alias has the name of an account: [`free`] sees to that for
//! whoever gives an account a name.

mod import;
mod lines;

use rusqlite::{Connection, params};

pub use import::AliasReport;
pub use lines::{AliasLineError, AliasProblem};

use super::{Accounts, AccountsError, begin, id_of};
use crate::address::AliasAddress;
use crate::name::AccountName;

/// Most accounts that an alias stands for. Each is a record and a sync of its own before a sender has its
/// reply, for which RFC 5321 §4.5.3.2.6 gives ten minutes.
pub const ALIAS_ACCOUNTS_MAX: usize = 100;

/// An alias, as people see it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alias {
    /// What it is called, folded.
    pub address: String,
    /// Who gets its mail, in the order in which the accounts were made.
    pub accounts: Vec<String>,
    /// Who would, if the account were not removed.
    pub removed: Vec<String>,
}

/// How many aliases there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AliasCounts {
    /// All of them.
    pub aliases: u64,
    /// Those among them that are catch-alls.
    pub catch_alls: u64,
}

impl Accounts {
    /// Has accounts get the mail of an address, beside those that get it already.
    ///
    /// # Errors
    ///
    /// When an account has that name, when one is named that does not exist, and when there would be
    /// more than [`ALIAS_ACCOUNTS_MAX`]; nothing is changed then.
    pub fn add_alias(
        &self,
        address: &AliasAddress,
        accounts: &[String],
    ) -> Result<Alias, AccountsError> {
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        for account in accounts {
            add(&transaction, address, id_of_target(&transaction, account)?)?;
        }
        let alias = of_address(&transaction, address)?;
        transaction.commit()?;
        Ok(alias)
    }

    /// Has accounts not get the mail of an address any more; none named: nobody. What is left of the
    /// alias comes back, if anything is.
    ///
    /// # Errors
    ///
    /// When there is no such alias, or it does not stand for one of these accounts; nothing is changed
    /// then.
    pub fn remove_alias(
        &self,
        address: &AliasAddress,
        accounts: &[String],
    ) -> Result<Option<Alias>, AccountsError> {
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        of_address(&transaction, address)?;
        if accounts.is_empty() {
            transaction.execute("DELETE FROM alias WHERE address = ?1", [address.as_str()])?;
        }
        for name in accounts {
            let name = AccountName::parse(name)?;
            let gone = transaction.execute(
                "DELETE FROM alias WHERE address = ?1
                 AND account IN (SELECT id FROM account WHERE name = ?2)",
                params![address.as_str(), name.as_str()],
            )?;
            if gone == 0 {
                return Err(AccountsError::NotBehindAlias {
                    alias: address.to_string(),
                    account: name.to_string(),
                });
            }
        }
        let left = match of_address(&transaction, address) {
            Err(AccountsError::UnknownAlias(_)) => None,
            other => Some(other?),
        };
        transaction.commit()?;
        Ok(left)
    }

    /// All aliases, by address.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn aliases(&self) -> Result<Vec<Alias>, AccountsError> {
        read(&self.lock(), "1", [])
    }

    /// The aliases that stand for an account.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn aliases_of(&self, account: &str) -> Result<Vec<Alias>, AccountsError> {
        let connection = self.lock();
        let id = id_of(&connection, &AccountName::parse(account)?)?;
        let are_its = "address IN (SELECT address FROM alias WHERE account = ?1)";
        read(&connection, are_its, [id])
    }
}

/// How many aliases there are.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<AliasCounts> {
    connection.query_row(
        "SELECT count(DISTINCT address), count(DISTINCT iif(address LIKE '@%', address, NULL))
         FROM alias",
        [],
        |row| {
            Ok(AliasCounts {
                aliases: row.get::<_, i64>(0)?.cast_unsigned(),
                catch_alls: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        },
    )
}

/// That an account may have this name, because no alias has it.
///
/// # Errors
///
/// [`AccountsError::AliasExists`].
pub(super) fn free(connection: &Connection, name: &AccountName) -> Result<(), AccountsError> {
    match exists(connection, name.as_str())? {
        true => Err(AccountsError::AliasExists(name.to_string())),
        false => Ok(()),
    }
}

fn exists(connection: &Connection, address: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM alias WHERE address = ?1)")?
        .query_row([address], |row| row.get(0))
}

/// Has one more account get the mail of an address.
pub(super) fn add(
    connection: &Connection,
    address: &AliasAddress,
    account: i64,
) -> Result<(), AccountsError> {
    let is_account: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM account WHERE name = ?1 AND removed IS NULL)",
        )?
        .query_row([address.as_str()], |row| row.get(0))?;
    if is_account {
        return Err(AccountsError::AliasIsAccount(address.to_string()));
    }
    connection
        .prepare_cached("INSERT OR IGNORE INTO alias (address, account) VALUES (?1, ?2)")?
        .execute(params![address.as_str(), account])?;
    let accounts: i64 = connection
        .prepare_cached("SELECT count(*) FROM alias WHERE address = ?1")?
        .query_row([address.as_str()], |row| row.get(0))?;
    match usize::try_from(accounts).is_ok_and(|accounts| accounts <= ALIAS_ACCOUNTS_MAX) {
        true => Ok(()),
        false => Err(AccountsError::AliasAccounts(address.to_string())),
    }
}

/// The id of an account that an alias shall stand for.
fn id_of_target(connection: &Connection, name: &str) -> Result<i64, AccountsError> {
    let unknown = match AccountName::parse(name) {
        Ok(parsed) => match id_of(connection, &parsed) {
            Err(unknown @ AccountsError::Unknown(_)) => unknown,
            other => return other,
        },
        Err(error) => error.into(),
    };
    match AliasAddress::parse(name) {
        Ok(alias) if exists(connection, alias.as_str())? => {
            Err(AccountsError::AliasOfAlias(alias.to_string()))
        }
        _ => Err(unknown),
    }
}

fn of_address(connection: &Connection, address: &AliasAddress) -> Result<Alias, AccountsError> {
    let found = read(connection, "address = ?1", [address.as_str()])?;
    let unknown = || AccountsError::UnknownAlias(address.to_string());
    found.into_iter().next().ok_or_else(unknown)
}

/// The aliases whose rows are such.
fn read(
    connection: &Connection,
    are_such: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Alias>, AccountsError> {
    let mut statement = connection.prepare(&format!(
        "SELECT address, name, removed IS NULL FROM alias JOIN account ON account.id = alias.account
         WHERE {are_such} ORDER BY address, account.id"
    ))?;
    let mut rows = statement.query(parameters)?;
    let mut aliases: Vec<Alias> = Vec::new();
    while let Some(row) = rows.next()? {
        let address: String = row.get(0)?;
        if aliases.last().is_none_or(|last| last.address != address) {
            aliases.push(Alias {
                address,
                accounts: Vec::new(),
                removed: Vec::new(),
            });
        }
        if let Some(alias) = aliases.last_mut() {
            match row.get(2)? {
                true => alias.accounts.push(row.get(1)?),
                false => alias.removed.push(row.get(1)?),
            }
        }
    }
    Ok(aliases)
}

#[cfg(test)]
mod tests;
