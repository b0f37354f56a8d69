//! An account as people see it: nothing secret in it, so it can be printed.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sasl::Secret;

use super::{AccountsError, Disposition, Expire, Quota, Terms, seconds, time};
use crate::hash::{PasswordHash, Scheme};
use crate::name::AccountName;
use crate::place::Network;

/// An account, without its secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its name, case folded.
    pub name: String,
    /// The id of its maildrop.
    pub maildrop: u64,
    /// Rises with every change of the account.
    pub version: i64,
    /// Whether it may log in.
    pub state: State,
    /// From when on it may not log in any more.
    pub expires: Option<SystemTime>,
    /// Where it may log in from; none named: everywhere.
    pub networks: Vec<Network>,
    /// How its password is hashed; none if it has no password, or one whose hash cannot be read.
    pub password: Option<Scheme>,
    /// Whether a SCRAM verifier is stored.
    pub scram: bool,
    /// Whether it has an APOP secret.
    pub apop: bool,
    /// When it was added.
    pub created: SystemTime,
    /// How much mail it may hold, for how long, and what its sessions see and do, where it says so
    /// for itself.
    pub terms: Terms,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum State {
    /// It may log in.
    #[default]
    Enabled,
    /// An operator has disabled it.
    Disabled,
}

/// What `user set` changes; what is none stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Change {
    /// Enables or disables.
    pub state: Option<State>,
    /// Sets the end (`Some(Some(…))`) or takes it away (`Some(None)`).
    pub expires: Option<Option<SystemTime>>,
    /// Sets the networks; an empty list allows every place.
    pub networks: Option<Vec<Network>>,
    /// Sets how many octets it may hold, or leaves it to the configuration (`Some(None)`).
    pub octets: Option<Option<Quota>>,
    /// Sets how many messages it may hold, or leaves it to the configuration.
    pub messages: Option<Option<Quota>>,
    /// Sets how long its mail is kept, or leaves it to the configuration.
    pub expire: Option<Option<Expire>>,
    /// Sets what becomes of what a client deletes, or leaves it to the configuration.
    pub disposition: Option<Option<Disposition>>,
    /// Sets how many messages a session sees, or leaves it to the configuration.
    pub messages_shown: Option<Option<Quota>>,
}

/// A password to be stored.
#[derive(Clone, Debug)]
pub enum Password {
    /// In clear; it is hashed on the way in.
    Clear(Secret),
    /// Hashed elsewhere; replaced by a hash of our own at the first login if it is a legacy one.
    Hash(PasswordHash),
}

const COLUMNS: &str = "name, maildrop, version, enabled, expires, networks, password,
    scram_stored_key IS NOT NULL, apop IS NOT NULL, created, quota_octets, quota_messages, expire,
    disposition, messages_shown";

pub(super) fn all(connection: &Connection) -> Result<Vec<Account>, AccountsError> {
    let mut statement = connection.prepare(&format!(
        "SELECT {COLUMNS} FROM account WHERE removed IS NULL ORDER BY name"
    ))?;
    let accounts = statement.query_map([], read)?;
    Ok(accounts.collect::<Result<_, _>>()?)
}

pub(super) fn of_name(
    connection: &Connection,
    name: &AccountName,
) -> Result<Account, AccountsError> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM account WHERE name = ?1 AND removed IS NULL"
        ))?
        .query_row([name.as_str()], read)
        .optional()?
        .ok_or_else(|| AccountsError::Unknown(name.to_string()))
}

pub(super) fn change(
    connection: &Connection,
    id: i64,
    change: &Change,
) -> Result<(), AccountsError> {
    if let Some(state) = change.state {
        connection.execute(
            "UPDATE account SET enabled = ?2 WHERE id = ?1",
            params![id, state == State::Enabled],
        )?;
    }
    if let Some(expires) = change.expires {
        connection.execute(
            "UPDATE account SET expires = ?2 WHERE id = ?1",
            params![id, expires.map(seconds)],
        )?;
    }
    if let Some(networks) = &change.networks {
        let text: Vec<_> = networks.iter().map(Network::to_string).collect();
        connection.execute(
            "UPDATE account SET networks = ?2 WHERE id = ?1",
            params![id, text.join(" ")],
        )?;
    }
    if let Some(octets) = change.octets {
        connection.execute(
            "UPDATE account SET quota_octets = ?2 WHERE id = ?1",
            params![id, octets],
        )?;
    }
    if let Some(messages) = change.messages {
        connection.execute(
            "UPDATE account SET quota_messages = ?2 WHERE id = ?1",
            params![id, messages],
        )?;
    }
    if let Some(expire) = change.expire {
        connection.execute(
            "UPDATE account SET expire = ?2 WHERE id = ?1",
            params![id, expire],
        )?;
    }
    if let Some(disposition) = change.disposition {
        connection.execute(
            "UPDATE account SET disposition = ?2 WHERE id = ?1",
            params![id, disposition],
        )?;
    }
    if let Some(shown) = change.messages_shown {
        connection.execute(
            "UPDATE account SET messages_shown = ?2 WHERE id = ?1",
            params![id, shown],
        )?;
    }
    Ok(())
}

/// The column `networks`: written with spaces between.
pub(super) fn networks(text: &str) -> Result<Vec<Network>, crate::place::NetworkError> {
    text.split_ascii_whitespace().map(str::parse).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Account> {
    let password: Option<String> = row.get(6)?;
    let networks = networks(&row.get::<_, String>(5)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, error.into())
    })?;
    Ok(Account {
        name: row.get(0)?,
        maildrop: row.get::<_, i64>(1)?.cast_unsigned(),
        version: row.get(2)?,
        state: match row.get(3)? {
            true => State::Enabled,
            false => State::Disabled,
        },
        expires: row.get::<_, Option<i64>>(4)?.map(time),
        networks,
        password: password
            .and_then(|text| PasswordHash::stored(&text).ok())
            .map(|hash| hash.scheme()),
        scram: row.get(7)?,
        apop: row.get(8)?,
        created: time(row.get(9)?),
        terms: Terms {
            octets: row.get(10)?,
            messages: row.get(11)?,
            expire: row.get(12)?,
            disposition: row.get(13)?,
            messages_shown: row.get(14)?,
        },
    })
}
