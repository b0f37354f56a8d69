//! `restante maildrop`: what waits where, and whether it is whole.

mod backup;
mod compact;
mod export;
mod import;
mod list;
mod rebuild;
mod restore;
mod salvage;
mod show;
mod undelete;
mod verify;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use auth::Accounts;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use maildrop::{
    Damage, Hidden, MaildropId, Maildrops, OpenError, OpenMaildrop, Patience, Progress, Run,
    TextError, View,
};
use pop3::{MessageNumber, Part, UniqueId};
use serde_json::{Value, json};

use crate::args;
use crate::config::{self, Config};
use crate::failure::{Code, Failure};
use crate::log;
use crate::output::{self, say};
use crate::stock;

/// Does what is asked for.
///
/// # Errors
///
/// When the account is unknown, the maildrop is in use or damaged, or the store cannot be read.
pub(crate) fn maildrop(named: Option<&Path>, command: args::Maildrop) -> Result<(), Failure> {
    let config = config::load(named)?;
    log::warnings();
    if config.in_place.is_some() {
        refuse_what_is_for_the_native_store(&command)?;
    }
    match command {
        args::Maildrop::List {
            account: None,
            json,
        } => list::list(&config, json),
        args::Maildrop::List {
            account: Some(account),
            json,
        } => list::messages(&config, &account, json),
        args::Maildrop::Show { account, message } => show::show(&config, &account, &message),
        args::Maildrop::Verify { account, json } => {
            verify::verify(&config, account.as_deref(), json)
        }
        args::Maildrop::Path { account } => path(&config, &account),
        args::Maildrop::Import(asked) => import::import(&config, &asked),
        args::Maildrop::Export {
            account,
            destination,
            format,
        } => export::export(&config, &account, &destination, format),
        args::Maildrop::Backup {
            directory,
            accounts,
            prune,
            json,
        } => {
            let (directory, accounts) = (&directory, &accounts);
            let asked = backup::Asked {
                directory,
                accounts,
                prune,
                json,
            };
            backup::backup(&config, &asked)
        }
        args::Maildrop::Restore {
            directory,
            accounts,
            all: _,
            dry_run,
            json,
        } => {
            let asked = restore::Asked {
                directory: &directory,
                accounts: &accounts,
                run: if dry_run { Run::Dry } else { Run::Real },
                json,
            };
            restore::restore(&config, &asked)
        }
        args::Maildrop::Salvage { from, directory } => salvage::salvage(&config, &from, &directory),
        args::Maildrop::Undelete {
            account,
            messages,
            all,
            json,
        } => {
            let asked = undelete::Asked {
                account: &account,
                messages: &messages,
                all,
                json,
            };
            undelete::undelete(&config, &asked)
        }
        args::Maildrop::Compact { accounts } => compact::compact(&config, &accounts),
        args::Maildrop::Rebuild { dry_run } => {
            rebuild::rebuild(&config, if dry_run { Run::Dry } else { Run::Real })
        }
    }
}

/// What other programs use as well has no checksums, no format of ours and nothing that waits to be
/// brought back.
fn refuse_what_is_for_the_native_store(command: &args::Maildrop) -> Result<(), Failure> {
    let (what, remedy) = match command {
        args::Maildrop::Verify { .. } => (
            "verified",
            "Maildirs and mboxes have no checksums that could tell what has changed",
        ),
        args::Maildrop::Backup { .. } | args::Maildrop::Restore { .. } => (
            "backed up and restored",
            "copy them with any program for files: of a Maildir first new/ and cur/, then the lists",
        ),
        args::Maildrop::Salvage { .. } | args::Maildrop::Rebuild { .. } => (
            "salvaged or rebuilt from",
            "whatever can be read of them is there",
        ),
        args::Maildrop::Undelete { .. } => (
            "undeleted from",
            "what is deleted there is gone; bring it back from a backup",
        ),
        // What was imported before is known by its unique-id, or by nothing.
        args::Maildrop::Import(asked)
            if !asked.verify && asked.reading.unique_ids != args::UniqueIds::New =>
        {
            (
                "imported into with unique-ids from elsewhere",
                "put the files in their place, lists beside them; or import with --unique-ids new, and every client \
                 retrieves everything once more",
            )
        }
        args::Maildrop::Compact { .. } => {
            ("compacted", "what is deleted gives its space back at once")
        }
        _ => return Ok(()),
    };
    let text = format!("Maildirs and mboxes are not {what}: only the native store is");
    Err(Failure::new(Code::Usage, text).remedy(remedy))
}

/// A maildrop and whose it is; nobody's if its account is gone.
struct Owned {
    account: Option<String>,
    id: MaildropId,
}

impl Owned {
    fn name(&self) -> String {
        self.account
            .clone()
            .unwrap_or_else(|| format!("({})", self.id))
    }
}

/// Accounts and maildrops, as the owner of the data directory.
fn stock_of(config: &Config) -> Result<(Accounts, Maildrops), Failure> {
    let accounts = stock::accounts(config)?;
    Ok((accounts, stock::maildrops(config)?))
}

/// The maildrop of an account, or every maildrop.
fn owned(config: &Config, account: Option<&str>) -> Result<(Vec<Owned>, Maildrops), Failure> {
    let (accounts, maildrops) = stock_of(config)?;
    let owned = match account {
        Some(name) => named(&accounts, &[name])?,
        None => all(&accounts, &maildrops)?,
    };
    Ok((owned, maildrops))
}

/// The maildrops of accounts.
fn named(accounts: &Accounts, names: &[impl AsRef<str>]) -> Result<Vec<Owned>, Failure> {
    let mut owned = Vec::new();
    for name in names {
        let account = accounts.show(name.as_ref())?;
        owned.push(Owned {
            account: Some(account.name),
            id: MaildropId(account.maildrop),
        });
    }
    Ok(owned)
}

/// Every maildrop: first those of accounts, then the others.
fn all(accounts: &Accounts, maildrops: &Maildrops) -> Result<Vec<Owned>, Failure> {
    let mut all: Vec<_> = accounts
        .list()?
        .into_iter()
        .map(|account| Owned {
            account: Some(account.name),
            id: MaildropId(account.maildrop),
        })
        .collect();
    let known: HashSet<_> = all.iter().map(|owned| owned.id).collect();
    let removed: HashMap<_, _> = accounts
        .removed()?
        .into_iter()
        .map(|gone| (gone.maildrop, gone.name))
        .collect();
    for id in maildrops.ids().map_err(|error| store(&error))? {
        if !known.contains(&id) {
            let account = removed.get(&id.0).map(|name| format!("{name} (removed)"));
            all.push(Owned { account, id });
        }
    }
    Ok(all)
}

/// Damages for programs.
fn damages(damages: &[Damage]) -> Value {
    damages
        .iter()
        .map(|it| json!({"offset": it.offset, "uid": it.uid, "what": it.what}))
        .collect()
}

fn path(config: &Config, account: &str) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    match maildrops.path(owned[0].id) {
        Some(path) => say!("{}", path.display()),
        None => Ok(()),
    }
}

/// The unique-ids of the messages that a maildrop holds.
///
/// # Errors
///
/// When it is in use by a session, or cannot be read.
pub(crate) fn unique_ids(
    maildrops: &Maildrops,
    id: MaildropId,
    account: &str,
) -> Result<HashSet<UniqueId>, Failure> {
    let owned = Owned {
        account: Some(account.to_owned()),
        id,
    };
    let open = open(maildrops, &owned)?;
    let listing = open.listing();
    let numbers = (0..listing.len()).filter_map(MessageNumber::from_index);
    Ok(numbers
        .filter_map(|number| listing.unique_id(number))
        .collect())
}

/// Holds a maildrop as a session does, but sees hidden messages too.
fn open(maildrops: &Maildrops, owned: &Owned) -> Result<OpenMaildrop, Failure> {
    let all = View {
        hidden: Hidden::Shown,
        ..View::default()
    };
    maildrops
        .open_view(owned.id, &all)
        .map_err(|error| match error {
            OpenError::InUse => Failure::new(
                Code::Temporary,
                format!("the maildrop of {} is in use by a session", owned.name()),
            )
            .remedy("try again when the session is over"),
            OpenError::Damaged(what) => damaged(owned, &what),
            OpenError::Unavailable(error) => {
                let file = maildrops.path(owned.id).unwrap_or_default();
                let what = output::unreadable(&file, &error);
                Failure::new(Code::InputOutput, what).remedy(
                    "it must belong to the owner of the data directory, and its disk be whole",
                )
            }
        })
}

fn damaged(owned: &Owned, what: &str) -> Failure {
    let name = owned.name();
    Failure::new(
        Code::Data,
        format!("the maildrop of {name} is damaged: {what}"),
    )
    .remedy(format!("restante maildrop verify {name} tells more"))
}

/// What the store says of a maildrop that it could not use.
fn unreadable(owned: &Owned, error: &io::Error) -> Failure {
    let (name, what) = (owned.name(), output::plain(error));
    match error.kind() {
        io::ErrorKind::InvalidData => damaged(owned, &what),
        _ => Failure::new(
            Code::InputOutput,
            format!("the maildrop of {name} cannot be read: {what}"),
        )
        .remedy(format!("restante maildrop verify {name} tells more")),
    }
}

/// Reads a message in stored form, chunk by chunk.
fn read(
    open: &OpenMaildrop,
    number: MessageNumber,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failure = |error: TextError| match error {
        TextError::Unavailable(error) => store(&error),
        damaged => Failure::new(Code::Data, damaged.to_string())
            .remedy("restante maildrop verify tells more"),
    };
    let mut text = open.text(number, Part::Whole).map_err(failure)?;
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        let progress = text.read(&mut chunk, Patience::Wait).map_err(failure)?;
        take(&chunk)?;
        if progress == Progress::End {
            return Ok(());
        }
    }
}

fn store(error: &io::Error) -> Failure {
    Failure::new(
        Code::InputOutput,
        format!("the maildrops cannot be read: {}", output::plain(error)),
    )
    .remedy("restante check tells more")
}

/// A bar on standard error; hidden by itself when that is no terminal.
fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(
        (length > 0).then_some(length),
        ProgressDrawTarget::stderr_with_hz(5),
    );
    // A template is ours; a wrong one would show the plain bar.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
