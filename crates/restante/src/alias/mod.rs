//! `restante alias`: addresses that stand for accounts, while the server runs or not.

mod import;

use std::path::Path;

use auth::{Alias, AliasAddress};
use serde_json::{Value, json};

use crate::args;
use crate::config::{self, Config};
use crate::failure::{Code, Failure};
use crate::output::{note, say};
use crate::stock;

/// Does what is asked for.
///
/// # Errors
///
/// When an address is none, an account or an alias does not exist, or the accounts cannot be used.
pub(crate) fn alias(config: Option<&Path>, command: args::Alias) -> Result<(), Failure> {
    let config = config::load(config)?;
    match command {
        args::Alias::Add { address, accounts } => add(&config, &address, &accounts),
        args::Alias::Remove { address, accounts } => remove(&config, &address, &accounts),
        args::Alias::List { account, json } => list(&config, account.as_deref(), json),
        args::Alias::Import { file } => import::import(&config, &file),
    }
}

fn add(config: &Config, address: &str, accounts: &[String]) -> Result<(), Failure> {
    let address = parsed(address)?;
    let alias = stock::accounts(config)?.add_alias(&address, accounts)?;
    say!("{}", line(&alias, alias.address.len()))
}

fn remove(config: &Config, address: &str, accounts: &[String]) -> Result<(), Failure> {
    let address = parsed(address)?;
    match stock::accounts(config)?.remove_alias(&address, accounts)? {
        Some(alias) => say!("{}", line(&alias, alias.address.len())),
        None => say!("The alias {address} is gone."),
    }
}

fn list(config: &Config, account: Option<&str>, json: bool) -> Result<(), Failure> {
    let accounts = stock::accounts(config)?;
    let aliases = match account {
        Some(account) => accounts.aliases_of(account)?,
        None => accounts.aliases()?,
    };
    if json {
        return aliases
            .iter()
            .try_for_each(|alias| say!("{}", object(alias)));
    }
    if aliases.is_empty() {
        let whose = account.map_or(String::new(), |account| format!(" of {account}"));
        note!("There is no alias{whose}; make one: restante alias add ADDRESS ACCOUNT");
    }
    let width = aliases.iter().map(|alias| alias.address.chars().count());
    let width = width.max().unwrap_or(0);
    aliases
        .iter()
        .try_for_each(|alias| say!("{}", line(alias, width)))
}

/// An alias and whom it stands for.
fn line(alias: &Alias, width: usize) -> String {
    let removed = alias.removed.iter().map(|name| format!("{name} (removed)"));
    let names: Vec<_> = alias.accounts.iter().cloned().chain(removed).collect();
    format!("{:<width$}  {}", alias.address, names.join(", "))
}

fn object(alias: &Alias) -> Value {
    json!({
        "alias": alias.address,
        "accounts": alias.accounts,
        "removed": alias.removed,
    })
}

fn parsed(address: &str) -> Result<AliasAddress, Failure> {
    AliasAddress::parse(address).map_err(|error| {
        Failure::new(Code::Data, error.to_string())
            .remedy("an alias is local, local@domain, or @domain for everybody else of a domain")
    })
}
