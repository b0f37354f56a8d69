//! `restante maildrop restore`: maildrops and accounts come back from a backup.
//!
//! Nothing that can be read now is lost, and no unique-id is ever used again: see
//! [`maildrop::Store::restore`]. Accounts that are gone come back with their passwords; accounts
//! that are there are never changed.

use std::path::Path;

use auth::{Account, Accounts, BroughtBack, Missing, Removed};
use maildrop::{Backup, MaildropId, OpenError, RealDisk, Restored, Run};
use serde_json::json;

use super::Owned;
use super::backup::{ACCOUNTS, unusable};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::{rights, stock};

/// What `maildrop restore` was asked for.
pub(super) struct Asked<'a> {
    /// Where the backup is.
    pub(super) directory: &'a Path,
    /// Whose maildrops; none named: all that the backup has.
    pub(super) accounts: &'a [String],
    pub(super) run: Run,
    pub(super) json: bool,
}

/// Restores maildrops.
///
/// # Errors
///
/// EX_NOUSER for an account that neither the backup nor the site has, EX_TEMPFAIL when a session
/// holds a maildrop, EX_DATAERR when something is damaged in both places; the others are restored.
pub(super) fn restore(config: &Config, asked: &Asked<'_>) -> Result<(), Failure> {
    rights::become_owner(config)?;
    let unusable = |error: std::io::Error| unusable(asked.directory, &error);
    let directory = asked.directory.canonicalize().map_err(unusable)?;
    let backup = RealDisk::directory(&directory)
        .and_then(Backup::existing)
        .map_err(unusable)?;
    let copy = directory.join(ACCOUNTS);
    let real = asked.run == Run::Real;
    let is_new = !config.data.join(ACCOUNTS).exists();
    if copy.exists() && is_new && real {
        Accounts::put_back(&copy, &config.data)?;
        note!("The accounts are back.");
    }
    // Looking makes no accounts.db: an empty one would be in the way of the one that comes back.
    let accounts = match is_new && !real {
        true => None,
        false => Some(stock::accounts_or_none(config)?),
    };
    let maildrops = stock::maildrops(config)?;
    let missing = match (&accounts, copy.exists()) {
        (Some(accounts), true) => accounts.missing(&copy)?,
        (None, true) => Accounts::contents(&copy, &config.data)?,
        (_, false) => Vec::new(),
    };
    let present = accounts.as_ref().map(Accounts::list).transpose()?;
    let removed = accounts.as_ref().map(Accounts::removed).transpose()?;
    let (present, removed) = (present.unwrap_or_default(), removed.unwrap_or_default());
    let wanted = wanted(asked, &present, &backup, &missing, &removed)?;
    let mut worst = Worst::default();
    for missing in &missing {
        let is_wanted = wanted.iter().any(|owned| owned.id.0 == missing.maildrop);
        if !is_wanted && !asked.accounts.is_empty() {
            continue;
        }
        let to_change = accounts.as_ref().filter(|_| real);
        let back = to_change.map(|accounts| accounts.bring_back(&copy, missing));
        match back {
            Some(Err(auth::AccountsError::Exists(name))) => note!(
                "another account is called {name} now; the one with the maildrop {} stays away",
                MaildropId(missing.maildrop)
            ),
            Some(Err(auth::AccountsError::AliasExists(name))) => note!(
                "an alias is called {name} now; the account with the maildrop {} stays away",
                MaildropId(missing.maildrop)
            ),
            Some(back) => tell_of_account(&back?),
            None => note!("The account {} would come back.", missing.name),
        }
    }
    let (mut kept, mut whole) = (false, 0);
    for owned in &wanted {
        let done = match maildrops.restore(owned.id, &backup, asked.run) {
            Ok(done) => done,
            Err(error) => {
                worst.failed(&error);
                note!("{}: {}", owned.name(), why(&error));
                continue;
            }
        };
        worst.damages += done.damages.len() as u64;
        worst.restored += 1;
        kept |= done.replaced.is_some();
        whole += u64::from(done.replaced.is_some() && done.brought_back == 0);
        tell(owned, &done, asked)?;
    }
    if whole > 0 && !asked.json {
        // Nobody can tell from a file whether it is the newest or was put here from an old copy.
        note!(
            "{} nothing, and got a new file all the same: the old one may have been an old copy, \
             and would have given unique-ids out again.",
            count(whole, "maildrop lacked", "maildrops lacked")
        );
    }
    if kept && !asked.json {
        note!(
            "The files that were replaced are kept in {}; delete them when all is well.",
            config.data.join("replaced").display()
        );
    }
    worst.end(real)
}

/// Which maildrops of the backup are meant.
fn wanted(
    asked: &Asked<'_>,
    present: &[Account],
    backup: &Backup<RealDisk>,
    missing: &[Missing],
    removed: &[Removed],
) -> Result<Vec<Owned>, Failure> {
    let name_of = |id: MaildropId| {
        let there = present.iter().find(|account| account.maildrop == id.0);
        let gone = || missing.iter().find(|missing| missing.maildrop == id.0);
        there
            .map(|account| account.name.clone())
            .or_else(|| gone().map(|missing| missing.name.clone()))
    };
    let all: Vec<Owned> = backup
        .maildrops()
        .map(|(id, _)| Owned {
            account: name_of(id),
            id,
        })
        .collect();
    if asked.accounts.is_empty() {
        return Ok(all);
    }
    let mut some = Vec::new();
    for name in asked.accounts {
        let name = name.to_ascii_lowercase();
        let found = all
            .iter()
            .find(|owned| owned.account.as_ref() == Some(&name));
        let found = found.ok_or_else(|| {
            let is_removed = removed.iter().any(|removed| removed.name == name);
            match is_removed {
                true => Failure::new(Code::NoUser, format!("the account {name} was removed"))
                    .remedy(format!("bring it back first: restante user restore {name}")),
                false => Failure::new(
                    Code::NoUser,
                    format!("the backup has no maildrop of {name}"),
                )
                .remedy("see what it has: restante maildrop restore DIR --all --dry-run"),
            }
        })?;
        some.push(Owned {
            account: found.account.clone(),
            id: found.id,
        });
    }
    Ok(some)
}

fn tell_of_account(back: &BroughtBack) {
    let name = &back.account.name;
    match &back.aliases[..] {
        [] => note!("The account {name} is back."),
        aliases => note!(
            "The account {name} is back, and gets mail for {}.",
            aliases.join(", ")
        ),
    }
    for alias in &back.left_out {
        note!(
            "{name} does not get mail for {alias} again: an account is called so, or it has as many as it can"
        );
    }
}

fn tell(owned: &Owned, done: &Restored, asked: &Asked<'_>) -> Result<(), Failure> {
    if asked.json {
        return say!(
            "{}",
            json!({
                "account": owned.account,
                "maildrop": owned.id.to_string(),
                "messages": done.messages,
                "brought_back": done.brought_back,
                "renumbered": done.renumbered,
                "damages": super::damages(&done.damages),
                "replaced": done.replaced,
            })
        );
    }
    for damage in &done.damages {
        note!(
            "{}: {}; it is not in the backup either",
            owned.name(),
            damage.what
        );
    }
    let verb = match asked.run {
        Run::Real => "has",
        Run::Dry => "would have",
    };
    say!(
        "{} {verb} {}, {} brought back.",
        owned.name(),
        count(done.messages, "message", "messages"),
        done.brought_back
    )
}

fn why(error: &OpenError) -> String {
    match error {
        OpenError::InUse => "in use by a session; try again when it is over".into(),
        OpenError::Unavailable(error) => output::plain(error),
        OpenError::Damaged(what) => format!("the backup cannot be used: {what}"),
    }
}

/// What went wrong with which maildrops.
#[derive(Default)]
struct Worst {
    restored: u64,
    damages: u64,
    in_use: u64,
    unusable: u64,
    failed: u64,
}

impl Worst {
    fn failed(&mut self, error: &OpenError) {
        match error {
            OpenError::InUse => self.in_use += 1,
            OpenError::Damaged(_) => self.unusable += 1,
            OpenError::Unavailable(_) => self.failed += 1,
        }
    }

    fn end(&self, real: bool) -> Result<(), Failure> {
        let left = self.in_use + self.unusable + self.failed;
        let code = match (self.in_use, self.unusable, self.failed, self.damages) {
            (0, 0, 0, 0) => return Ok(()),
            (.., 1.., _) => Code::InputOutput,
            (_, 1.., ..) | (0, ..) => Code::Data,
            _ => Code::Temporary,
        };
        let verb = if real { "restored" } else { "read" };
        let what = match left {
            0 => format!(
                "{} lost: damaged here, and not in the backup",
                count(self.damages, "message is", "messages are")
            ),
            left => format!(
                "{} not be {verb}; see above",
                count(left, "maildrop could", "maildrops could")
            ),
        };
        let remedy = match left {
            // Once more would bring no more.
            0 if real => {
                "what is left of them is in the files that were replaced: restante maildrop salvage \
                 FILE DIR; or another backup has them"
            }
            0 => "another backup may have them",
            left if left == self.unusable => {
                "the others are as they shall be; another backup may have these"
            }
            _ => "the others are as they shall be; run this again",
        };
        Err(Failure::new(code, what).remedy(remedy))
    }
}
