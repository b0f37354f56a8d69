//! `restante maildrop`: what waits where, and whether it is whole.

mod import;
mod source;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use maildrop::{
    MaildropId, Maildrops, OpenError, OpenMaildrop, Patience, Progress, Quota, TextError,
};
use pop3::{MessageNumber, Part, wire};
use serde_json::json;

use crate::args;
use crate::config::{self, Config};
use crate::failure::{Code, Failure};
use crate::log;
use crate::output::{self, count, note, octets, say};
use crate::stock;

/// Does what is asked for.
///
/// # Errors
///
/// When the account is unknown, the maildrop is in use or damaged, or the store cannot be read.
pub(crate) fn maildrop(named: Option<&Path>, command: args::Maildrop) -> Result<(), Failure> {
    let config = config::load(named)?;
    log::warnings();
    match command {
        args::Maildrop::List {
            account: None,
            json,
        } => list(&config, json),
        args::Maildrop::List {
            account: Some(account),
            json,
        } => messages(&config, &account, json),
        args::Maildrop::Show { account, message } => show(&config, &account, &message),
        args::Maildrop::Verify { account } => verify(&config, account.as_deref()),
        args::Maildrop::Path { account } => path(&config, &account),
        args::Maildrop::Import {
            account,
            directory,
            no_quota,
        } => import::import(&config, &account, &directory, no_quota),
    }
}

/// A maildrop and whose it is; nobody's if its account is gone.
struct Owned {
    account: Option<String>,
    id: MaildropId,
    /// What it may hold.
    quota: Quota,
}

impl Owned {
    fn name(&self) -> String {
        self.account
            .clone()
            .unwrap_or_else(|| format!("({})", self.id))
    }
}

/// The maildrop of an account, or every maildrop: first those of accounts, then the others.
fn owned(config: &Config, account: Option<&str>) -> Result<(Vec<Owned>, Maildrops), Failure> {
    let accounts = stock::accounts(config)?;
    if let Some(name) = account {
        let account = accounts.show(name)?;
        let owned = Owned {
            quota: config.server.keeping.quota(account.terms),
            account: Some(account.name),
            id: MaildropId(account.maildrop),
        };
        return Ok((vec![owned], stock::maildrops(config)?));
    }
    let mut all: Vec<_> = accounts
        .list()?
        .into_iter()
        .map(|account| Owned {
            quota: config.server.keeping.quota(account.terms),
            account: Some(account.name),
            id: MaildropId(account.maildrop),
        })
        .collect();
    let maildrops = stock::maildrops(config)?;
    let removed: HashMap<_, _> = accounts
        .removed()?
        .into_iter()
        .map(|gone| (gone.maildrop, gone.name))
        .collect();
    for id in maildrops.ids().map_err(|error| store(&error))? {
        if all.iter().all(|owned| owned.id != id) {
            let account = removed.get(&id.0).map(|name| format!("{name} (removed)"));
            let quota = Quota::default();
            all.push(Owned { account, id, quota });
        }
    }
    Ok((all, maildrops))
}

fn list(config: &Config, json: bool) -> Result<(), Failure> {
    let (all, maildrops) = owned(config, None)?;
    let width = all
        .iter()
        .map(|owned| owned.name().len())
        .max()
        .unwrap_or(0);
    let mut damaged = 0;
    for owned in &all {
        let name = owned.name();
        match maildrops.summary(owned.id) {
            Ok(summary) if json => say!(
                "{}",
                json!({
                    "account": owned.account,
                    "maildrop": owned.id.to_string(),
                    "messages": summary.messages,
                    "octets": summary.octets,
                    "file_octets": summary.file_octets,
                })
            )?,
            Ok(summary) => say!(
                "{name:<width$}  {:<14}  {}",
                count(summary.messages, "message", "messages"),
                octets(summary.octets)
            )?,
            Err(error) => {
                damaged += 1;
                note!("{name}: {}", output::plain(&error));
            }
        }
    }
    match damaged {
        0 => Ok(()),
        number => Err(Failure::new(
            Code::Data,
            format!("{} cannot be read", count(number, "maildrop", "maildrops")),
        )
        .remedy("restante maildrop verify tells more")),
    }
}

fn messages(config: &Config, account: &str, json: bool) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    let open = open(&maildrops, &owned[0])?;
    let listing = open.listing();
    for number in (0..listing.len()).filter_map(MessageNumber::from_index) {
        let (Some(octets), Some(unique_id)) = (listing.octets(number), listing.unique_id(number))
        else {
            continue;
        };
        let unique_id = String::from_utf8_lossy(unique_id);
        match json {
            true => say!(
                "{}",
                json!({"message": number.get(), "octets": octets.0, "unique_id": unique_id})
            )?,
            false => say!("{number:>6}  {:>12}  {unique_id}", octets.0)?,
        }
    }
    if listing.is_empty() && !json {
        note!("The maildrop of {} is empty.", owned[0].name());
    }
    Ok(())
}

fn show(config: &Config, account: &str, wanted: &str) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    let open = open(&maildrops, &owned[0])?;
    let listing = open.listing();
    let is_wanted = |number: &MessageNumber| {
        wanted == number.to_string() || listing.unique_id(*number) == Some(wanted.as_bytes())
    };
    let number = (0..listing.len())
        .filter_map(MessageNumber::from_index)
        .find(is_wanted)
        .ok_or_else(|| {
            Failure::new(
                Code::Data,
                format!(
                    "the maildrop of {} has no message {wanted:?}",
                    owned[0].name()
                ),
            )
            .remedy(format!("see what it has: restante maildrop list {account}"))
        })?;
    let mut stdout = io::stdout().lock();
    let mut reader = wire::TextReader::new(wire::Form::Plain);
    let mut plain = Vec::new();
    read(&open, number, |stored| {
        plain.clear();
        reader.read(stored, &mut plain);
        stdout
            .write_all(&plain)
            .map_err(|error| output::unwritten(&error))
    })?;
    // The reader keeps back what might be the beginning of the terminator line.
    plain.clear();
    reader.read(b".\r\n", &mut plain);
    stdout
        .write_all(&plain)
        .and_then(|()| stdout.flush())
        .map_err(|error| output::unwritten(&error))
}

fn verify(config: &Config, account: Option<&str>) -> Result<(), Failure> {
    let (all, maildrops) = owned(config, account)?;
    let bar = bar(0, "{spinner} {decimal_bytes} read, {decimal_bytes_per_sec}");
    let (mut messages, mut damages, mut unread) = (0, 0, 0);
    for owned in &all {
        let verified = match maildrops.verify(owned.id, &mut |octets| bar.inc(octets)) {
            Ok(verified) => verified,
            Err(error) => {
                // The others may be whole, or not: that is what was asked for.
                unread += 1;
                bar.suspend(|| note!("{}: {}", owned.name(), output::plain(&error)));
                continue;
            }
        };
        messages += verified.messages;
        damages += verified.damages.len() as u64;
        for damage in &verified.damages {
            let uid = damage
                .uid
                .map_or_else(String::new, |uid| format!(", message uid {uid}"));
            bar.suspend(|| {
                note!(
                    "{}: byte {}{uid}: {}",
                    owned.name(),
                    damage.offset,
                    damage.what
                );
            });
        }
    }
    bar.finish_and_clear();
    let read = format!(
        "{} in {} read",
        count(messages, "message", "messages"),
        count(all.len() as u64 - unread, "maildrop", "maildrops")
    );
    match (damages, unread) {
        (0, 0) => say!("{read}: every octet is as it was delivered."),
        (0, unread) => Err(Failure::new(
            Code::InputOutput,
            format!(
                "{read}; {} cannot be read",
                count(unread, "maildrop", "maildrops")
            ),
        )
        .remedy("restante check tells more")),
        (number, _) => Err(Failure::new(
            Code::Data,
            format!("{read}: {} found", count(number, "damage", "damages")),
        )
        .remedy("damaged messages are not handed out; bring the file back from a backup")),
    }
}

fn path(config: &Config, account: &str) -> Result<(), Failure> {
    let (owned, maildrops) = owned(config, Some(account))?;
    match maildrops.path(owned[0].id) {
        Some(path) => say!("{}", path.display()),
        None => Ok(()),
    }
}

fn open(maildrops: &Maildrops, owned: &Owned) -> Result<OpenMaildrop, Failure> {
    maildrops.open(owned.id).map_err(|error| match error {
        OpenError::InUse => Failure::new(
            Code::Temporary,
            format!("the maildrop of {} is in use by a session", owned.name()),
        )
        .remedy("try again when the session is over"),
        OpenError::Unavailable(error) => {
            let file = maildrops.path(owned.id).unwrap_or_default();
            let what = format!(
                "{} cannot be read: {}",
                file.display(),
                output::plain(&error)
            );
            Failure::new(Code::InputOutput, what)
                .remedy("it must belong to the owner of the data directory, and its disk be whole")
        }
        OpenError::Damaged(what) => Failure::new(
            Code::Data,
            format!("the maildrop of {} is damaged: {what}", owned.name()),
        )
        .remedy("restante maildrop verify tells more"),
    })
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

/// The directory from the root, if it is one.
fn directory(path: &Path) -> io::Result<std::path::PathBuf> {
    let path = fs::canonicalize(path)?;
    match path.is_dir() {
        true => Ok(path),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}
