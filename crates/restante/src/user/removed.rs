//! `restante user remove` and `user restore`: accounts that go, with or without their mail, and come
//! back.
//!
//! A removed account is kept with its maildrop for 30 days ([`auth::REMOVED_KEPT`]). Several of one
//! name may be, and a new account of that name beside them.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use auth::{AccountName, Accounts, AccountsError, Removed};
use maildrop::{MaildropId, Maildrops};
use serde_json::json;

use crate::config::Config;
use crate::date;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::stock;

/// Removes an account; its mail too, if that is asked for. Where there is none of that name any more it
/// is the mail of those that were removed before: a session that held a maildrop must not make the rest
/// of the work impossible.
///
/// # Errors
///
/// When there is no such account, when mail cannot be deleted now, and when nobody confirms it.
pub(super) fn remove(
    config: &Config,
    name: &str,
    delete_mail: bool,
    yes: bool,
) -> Result<(), Failure> {
    let accounts = stock::accounts(config)?;
    if config.in_place.is_some() {
        return remove_in_place(config, &accounts, name, delete_mail);
    }
    if !delete_mail {
        let removed = accounts.remove(name)?;
        return say!(
            "Account {} is removed; its maildrop stays until {}.",
            removed.name,
            date::moment(removed.purge_due)
        );
    }
    let name = folded(name)?;
    let found = found(&accounts, &name)?;
    let drops = match &found {
        (Some(drop), _) => vec![*drop],
        (None, removed) if removed.is_empty() => return Err(AccountsError::Unknown(name).into()),
        (None, removed) => removed.clone(),
    };
    let maildrops = stock::maildrops(config)?;
    let mut messages = 0;
    for drop in &drops {
        messages += held(&maildrops, &name, *drop)?;
    }
    let messages = count(messages, "message", "messages");
    if !yes {
        confirm(&name, &messages)?;
        // Nobody knows how long that took, and the name may be somebody else's by now.
        if self::found(&accounts, &name)? != found {
            return Err(Failure::new(
                Code::Temporary,
                format!("there is another account {name} now; nothing was deleted"),
            )
            .remedy("see whose mail it is: restante user list; and run this again"));
        }
    }
    // The account first: from now on nobody can log in, and no mail comes in.
    if let (Some(_), _) = found {
        accounts.remove(&name)?;
    }
    for drop in drops {
        let Some(erasing) = accounts.claim(drop, None)? else {
            if self::found(&accounts, &name)?.0 != Some(drop) {
                // Somebody else has done the same, and was faster.
                continue;
            }
            return Err(Failure::new(
                Code::Temporary,
                format!("the account {name} came back meanwhile, and its mail is not deleted"),
            )
            .remedy("see who there is: restante user list; and run this again"));
        };
        let erased = maildrops.erase(MaildropId(drop));
        erased.map_err(|error| not_yet(&name, &error))?;
        accounts.purge(erasing)?;
    }
    say!("Account {name} and its mail ({messages}) are deleted.")
}

/// The same, where mail is in files that other programs use as well: they stay where they are, and whoever has
/// the account's name next has them.
fn remove_in_place(
    config: &Config,
    accounts: &Accounts,
    name: &str,
    delete_mail: bool,
) -> Result<(), Failure> {
    let account = accounts.show(name)?;
    let path = stock::maildrops(config)?.path(MaildropId(account.maildrop));
    let path = path.map_or_else(|| "its place".to_owned(), |path| path.display().to_string());
    if delete_mail {
        return Err(Failure::new(
            Code::Usage,
            format!(
                "the mail of {} is in {path}, which is not ours alone",
                account.name
            ),
        )
        .remedy("remove the account without --delete-mail, and what is there by hand"));
    }
    let removed = accounts.remove(name)?;
    say!(
        "Account {} is removed; its mail stays in {path}, and is that of the next account of this name.",
        removed.name
    )
}

/// Brings a removed account back as it was, with its mail.
///
/// # Errors
///
/// When none of that name was removed or several were, when its mail is being deleted, and when there
/// is a new one of that name.
pub(super) fn restore(config: &Config, name: &str, drop: Option<&str>) -> Result<(), Failure> {
    let accounts = stock::accounts(config)?;
    let removed = of_name(&accounts, name)?;
    let name = folded(name)?;
    let is_named = |removed: &Removed| {
        let id = MaildropId(removed.maildrop).to_string();
        drop.is_none_or(|drop| drop == id)
    };
    let (erasing, meant): (Vec<_>, Vec<_>) = removed
        .iter()
        .filter(|removed| is_named(removed))
        .partition(|removed| removed.is_erasing);
    let one = match &meant[..] {
        [one] => one,
        [] if !erasing.is_empty() => return Err(AccountsError::Erasing(name).into()),
        [] => {
            return Err(Failure::new(
                Code::NoUser,
                format!("no such account {name} was removed in the last 30 days"),
            )
            .remedy(
                "`restante user list --removed` shows all; a backup may have it: restante maildrop \
                 restore DIR ACCOUNT",
            ));
        }
        several => {
            return Err(Failure::new(
                Code::Usage,
                format!("{} accounts {name} were removed", several.len()),
            )
            .remedy("say which: --maildrop ID, as `restante user list --removed` shows it"));
        }
    };
    let account = match accounts.restore(one.maildrop) {
        Err(AccountsError::Exists(name)) => {
            return Err(
                Failure::new(Code::Data, format!("there is a new account {name}"))
                    .remedy(format!("rename it first: restante user rename {name} NAME")),
            );
        }
        other => other?,
    };
    let maildrops = stock::maildrops(config);
    match maildrops.and_then(|maildrops| held(&maildrops, &name, account.maildrop)) {
        Ok(messages) => say!(
            "Account {} is back, with {}.",
            account.name,
            count(messages, "message", "messages")
        ),
        // It is back, whatever became of its mail.
        Err(why) => {
            note!("{}", why.to_string().trim_end());
            say!("Account {} is back.", account.name)
        }
    }
}

/// Lists what can come back.
///
/// # Errors
///
/// When the accounts cannot be read.
pub(super) fn list(config: &Config, is_json: bool) -> Result<(), Failure> {
    let removed = stock::accounts(config)?.removed()?;
    let width = removed.iter().map(|removed| removed.name.len()).max();
    for removed in &removed {
        let (name, drop) = (&removed.name, MaildropId(removed.maildrop));
        let (since, until) = (
            date::moment(removed.removed),
            date::moment(removed.purge_due),
        );
        match is_json {
            true => say!(
                "{}",
                json!({
                    "account": name,
                    "maildrop": drop.to_string(),
                    "removed": since,
                    "kept_until": (!removed.is_erasing).then_some(until),
                })
            )?,
            false => {
                let until = match removed.is_erasing {
                    true => "its mail is being deleted".to_owned(),
                    false => format!("kept until {until}"),
                };
                say!(
                    "{name:<width$}  removed {since}, {until}, maildrop {drop}",
                    width = width.unwrap_or(0)
                )?;
            }
        }
    }
    Ok(())
}

fn folded(name: &str) -> Result<String, Failure> {
    let name = AccountName::parse(name).map_err(AccountsError::from)?;
    Ok(name.to_string())
}

/// The maildrop of the account of a name, and those of accounts of that name which were removed.
fn found(accounts: &Accounts, name: &str) -> Result<(Option<u64>, Vec<u64>), Failure> {
    let account = match accounts.show(name) {
        Ok(account) => Some(account.maildrop),
        Err(AccountsError::Unknown(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let removed = of_name(accounts, name)?;
    Ok((account, removed.iter().map(|it| it.maildrop).collect()))
}

/// Removed accounts of a name.
fn of_name(accounts: &Accounts, name: &str) -> Result<Vec<Removed>, Failure> {
    let name = folded(name)?;
    let mut removed = accounts.removed()?;
    removed.retain(|removed| removed.name == name);
    Ok(removed)
}

/// How many messages a maildrop holds.
fn held(maildrops: &Maildrops, name: &str, drop: u64) -> Result<u64, Failure> {
    let summary = maildrops.summary(MaildropId(drop));
    let summary = summary.map_err(|error| super::unreadable(name, &error))?;
    Ok(summary.messages)
}

fn not_yet(name: &str, error: &io::Error) -> Failure {
    let why = output::plain(error);
    Failure::new(
        Code::Temporary,
        format!("account {name} is removed, but its mail is not deleted yet: {why}"),
    )
    .remedy("run this again, when no session holds it; else the server's next sweep deletes it")
}

fn confirm(name: &str, messages: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Code::Usage,
            "there is no terminal to ask whether mail shall be deleted",
        )
        .remedy("add --yes"));
    }
    note!("This deletes {name} and {messages} for ever. Type the account's name to go on:");
    let mut answer = String::new();
    // A name has at most 255 octets.
    let read = io::stdin().lock().take(300).read_line(&mut answer);
    match read.is_ok() && answer.trim() == name {
        true => Ok(()),
        false => Err(Failure::new(Code::Usage, "nothing was deleted")),
    }
}
