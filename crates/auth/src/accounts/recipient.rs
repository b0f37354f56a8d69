//! Who gets mail for an address.
//!
//! The first of these names that somebody has, be it an account or an alias ([`names`] is the one place
//! that says so):
//!
//! 1. the full address;
//! 2. if the domain is the server's host name, one of its domains, or absent: the local part;
//! 3. if the local part has a detail (RFC 5233 §1): both of them without it;
//! 4. the catch-all of the domain, `@domain`.
//!
//! Else nobody (LMTP answers 550 5.1.1). That is [`NAMES_MAX`] queries by an index at most, in one
//! transaction of reading, so a change of the accounts is seen as a whole.

use rusqlite::{Connection, Row};

use super::{Accounts, AccountsError, State, Terms, begun};
use crate::address::Address;

/// Most names that are looked up for an address; each is one query by the keys of its tables.
pub const NAMES_MAX: usize = 5;

/// What decides whose an address is, beside the accounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addressing<'a> {
    /// The server's own name.
    pub hostname: &'a str,
    /// Domains whose local parts are accounts, beside it; in ASCII.
    pub domains: &'a [String],
    /// Characters of which the first that stands in a local part, not at its beginning, begins the
    /// detail; none: there is no detail.
    pub detail_separator: &'a str,
}

impl Addressing<'_> {
    /// Whether the local part of an address of this domain may be an account.
    pub(super) fn is_ours(&self, domain: &str) -> bool {
        let ours = |own: &str| own.eq_ignore_ascii_case(domain);
        ours(self.hostname) || self.domains.iter().any(|own| ours(own))
    }
}

/// An account that mail is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// The account's name, case folded.
    pub account: String,
    /// The id of its maildrop.
    pub maildrop: u64,
    /// Whether it may be used.
    pub state: State,
    /// How much mail it may hold, and for how long, where it says so for itself.
    pub terms: Terms,
}

impl Accounts {
    /// Who gets mail for an address, `local@domain` or `local`, without angle brackets; none: nobody.
    /// Case does not matter, nor how a domain is written.
    ///
    /// Who is disabled gets nothing, as long as somebody else does; if all that come back are, the address
    /// is that of disabled accounts alone.
    ///
    /// # Errors
    ///
    /// When the accounts cannot be read, or there were never any: then the directory may be the wrong
    /// one. An address that nobody could have is nobody's.
    pub fn recipients(
        &self,
        address: &str,
        addressing: &Addressing<'_>,
    ) -> Result<Vec<Recipient>, AccountsError> {
        let Ok(address) = Address::parse(address) else {
            return Ok(Vec::new());
        };
        let mut reader = self.reader();
        let transaction = reader.transaction()?;
        let found = found(&transaction, &address, addressing)?;
        match !found.is_empty() || begun(&transaction)? {
            true => Ok(found),
            false => Err(AccountsError::NoneYet(self.data.clone())),
        }
    }
}

/// The domains of ours whose postmaster nobody is, though RFC 5321 §4.5.1 has somebody be.
pub(super) fn without_postmaster(
    connection: &Connection,
    addressing: &Addressing<'_>,
) -> Result<Vec<String>, AccountsError> {
    let mut without = Vec::new();
    let others = addressing.domains.iter().map(String::as_str);
    for domain in [addressing.hostname].into_iter().chain(others) {
        let postmaster = Address {
            local: "postmaster".to_owned(),
            domain: Some(domain.to_ascii_lowercase()),
        };
        if found(connection, &postmaster, addressing)?.is_empty() {
            without.push(domain.to_owned());
        }
    }
    Ok(without)
}

fn found(
    connection: &Connection,
    address: &Address,
    addressing: &Addressing<'_>,
) -> Result<Vec<Recipient>, AccountsError> {
    for name in names(address, addressing) {
        let mut found = named(connection, &name)?;
        if found.iter().any(|one| one.state == State::Enabled) {
            found.retain(|one| one.state == State::Enabled);
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// What an address may be called, the first one first.
fn names(address: &Address, addressing: &Addressing<'_>) -> Vec<String> {
    let Address { local, domain } = address;
    let domain = domain.as_deref();
    let mut names = Vec::with_capacity(NAMES_MAX);
    let without_detail = without_detail(local, addressing.detail_separator);
    for local in [Some(&**local), without_detail].into_iter().flatten() {
        if let Some(domain) = domain {
            names.push(format!("{local}@{domain}"));
        }
        if domain.is_none_or(|domain| addressing.is_ours(domain)) {
            names.push(local.to_owned());
        }
    }
    let of_all = domain.unwrap_or(addressing.hostname);
    names.push(format!("@{}", of_all.to_ascii_lowercase()));
    names
}

/// A local part without its detail, if it has one.
fn without_detail<'l>(local: &'l str, separators: &str) -> Option<&'l str> {
    let mut characters = local.char_indices();
    characters.next()?;
    let (place, _) = characters.find(|(_, c)| separators.contains(*c))?;
    Some(&local[..place])
}

/// The account of a name, or those that the alias of this name stands for: no name is both.
const NAMED: &str = "
    SELECT name, maildrop, enabled,
        quota_octets, quota_messages, expire, disposition, messages_shown
    FROM account WHERE name = ?1 AND removed IS NULL
    UNION ALL
    SELECT name, maildrop, enabled,
        quota_octets, quota_messages, expire, disposition, messages_shown
    FROM alias CROSS JOIN account ON account.id = alias.account
    WHERE address = ?1 AND removed IS NULL";

fn named(connection: &Connection, name: &str) -> Result<Vec<Recipient>, AccountsError> {
    let mut statement = connection.prepare_cached(NAMED)?;
    let found = statement.query_map([name], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Recipient> {
    Ok(Recipient {
        account: row.get(0)?,
        maildrop: row.get::<_, i64>(1)?.cast_unsigned(),
        state: match row.get(2)? {
            true => State::Enabled,
            false => State::Disabled,
        },
        terms: Terms {
            octets: row.get(3)?,
            messages: row.get(4)?,
            expire: row.get(5)?,
            disposition: row.get(6)?,
            messages_shown: row.get(7)?,
        },
    })
}

#[cfg(test)]
mod tests;
