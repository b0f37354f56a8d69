//! `restante maildrop rebuild`: accounts for maildrops that have none, after `accounts.db` was lost.
//!
//! Each maildrop's file names the account that it was made for, or was renamed to. What is not
//! certain is left alone and told: two files of one name, names that are none, files of accounts
//! that were removed.

use std::collections::{BTreeMap, HashMap, HashSet};

use auth::{AccountName, AccountsError};
use maildrop::{MaildropId, Run};

use super::store;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::{rights, stock};

/// Makes the accounts that the files name.
///
/// # Errors
///
/// EX_DATAERR when files were left alone; each has been named then.
pub(super) fn rebuild(config: &Config, run: Run) -> Result<(), Failure> {
    rights::become_owner(config)?;
    // Looking makes no accounts.db: an empty one would hide that the accounts are lost.
    let accounts = match run == Run::Dry && stock::lost(config).is_err() {
        true => None,
        false => Some(stock::accounts_or_none(config)?),
    };
    let maildrops = stock::maildrops(config)?;
    let (present, gone) = match &accounts {
        Some(accounts) => (accounts.list()?, accounts.removed()?),
        None => Default::default(),
    };
    let owned: HashSet<u64> = present.iter().map(|account| account.maildrop).collect();
    let names: HashSet<&str> = present
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    let removed: HashMap<u64, String> = gone
        .into_iter()
        .map(|gone| (gone.maildrop, gone.name))
        .collect();
    let mut left = 0;
    let mut leave = |id: MaildropId, why: String| {
        left += 1;
        note!("maildrop {id}: {why}; left alone");
    };
    let mut found: BTreeMap<String, Vec<(MaildropId, u64)>> = BTreeMap::new();
    for id in maildrops.ids().map_err(|error| store(&error))? {
        if owned.contains(&id.0) {
            continue;
        }
        if let Some(name) = removed.get(&id.0) {
            leave(id, format!("the account {name} was removed"));
            continue;
        }
        match maildrops.summary(id) {
            Ok(summary) => match AccountName::parse(&summary.account) {
                Ok(name) => {
                    let files = found.entry(name.to_string()).or_default();
                    files.push((id, summary.messages));
                }
                Err(_) if summary.account.is_empty() => {
                    leave(id, "its file names no account".into());
                }
                Err(error) => leave(id, format!("its account {:?}: {error}", summary.account)),
            },
            Err(error) => leave(id, output::plain(&error)),
        }
    }
    let mut made = 0;
    for (name, files) in &found {
        let taken = names.contains(name.as_str());
        if taken || files.len() > 1 {
            for &(id, messages) in files {
                let why = match taken {
                    true => "the account has another maildrop",
                    false => "another file names the same account",
                };
                let messages = count(messages, "message", "messages");
                leave(id, format!("{name}, {messages}: {why}"));
            }
            continue;
        }
        let (id, messages) = files[0];
        if let Some(accounts) = accounts.as_ref().filter(|_| run == Run::Real) {
            match accounts.adopt(name, id.0) {
                Err(AccountsError::AliasExists(_)) => {
                    leave(id, format!("{name}: an alias is called so"));
                    continue;
                }
                adopted => drop(adopted?),
            }
        }
        made += 1;
        say!("{name}  {id}  {}", count(messages, "message", "messages"))?;
    }
    let verb = match run {
        Run::Real => count(made, "account is made", "accounts are made"),
        Run::Dry => count(made, "account would be made", "accounts would be made"),
    };
    if made > 0 {
        note!("{verb}, without a password: restante user passwd NAME");
        note!(
            "aliases are in no maildrop: mail for those that are lost is refused until `restante alias add` makes them again"
        );
    }
    match left {
        0 if made == 0 => say!("Every maildrop has its account."),
        0 => Ok(()),
        left => Err(Failure::new(
            Code::Data,
            format!(
                "{} left alone; see above",
                count(left, "maildrop was", "maildrops were")
            ),
        )
        .remedy("restante maildrop salvage saves what is in a file that has no account")),
    }
}
