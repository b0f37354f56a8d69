//! `restante maildrop backup`: copies of the maildrops and of the accounts in another directory.
//!
//! May run at any time while the server runs. Only what is new is copied; what is copied is
//! compared with its checksums.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use maildrop::{BackedUp, Backup, RealDisk};
use serde_json::{Value, json};

use super::{Owned, all, bar, named, stock_of};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, octets, say};

/// The name of the accounts' copy in a backup.
pub(super) const ACCOUNTS: &str = "accounts.db";

/// What `maildrop backup` was asked for.
pub(super) struct Asked<'a> {
    /// Where to.
    pub(super) directory: &'a Path,
    /// Whose maildrops; none named: all.
    pub(super) accounts: &'a [String],
    /// Whether to forget maildrops that are not there any more.
    pub(super) prune: bool,
    pub(super) json: bool,
}

/// Makes a backup, or adds to one.
///
/// # Errors
///
/// EX_CANTCREAT when the directory cannot be used, EX_DATAERR when something was damaged, EX_IOERR
/// when a maildrop could not be copied; each has been named then, and all the others are saved.
pub(super) fn backup(config: &Config, asked: &Asked<'_>) -> Result<(), Failure> {
    let (accounts, maildrops) = stock_of(config)?;
    let wanted = match asked.accounts {
        [] => all(&accounts, &maildrops)?,
        some => named(&accounts, some)?,
    };
    let directory = directory(config, asked.directory)?;
    let mut backup = RealDisk::directory(&directory)
        .and_then(Backup::open)
        .map_err(|error| unusable(&directory, &error))?;
    accounts.copy_to(&directory.join(ACCOUNTS))?;
    let size = |owned: &Owned| {
        let path = maildrops.path(owned.id).unwrap_or_default();
        fs::metadata(path).map_or(0, |metadata| metadata.len())
    };
    let total = wanted.iter().map(size).sum();
    let bar = bar(
        total,
        "{bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} to go",
    );
    let (mut saved, mut copied, mut damages, mut failed) = (0, 0, 0, 0);
    for owned in &wanted {
        let end = bar.position() + size(owned);
        let done = maildrops.back_up(owned.id, &mut backup, &mut |octets| bar.inc(octets));
        bar.set_position(end);
        match &done {
            Ok(Some(done)) => {
                saved += 1;
                copied += done.octets_copied;
                damages += done.damages.len() as u64;
            }
            Ok(None) => continue,
            Err(_) => failed += 1,
        }
        bar.suspend(|| match &done {
            done if asked.json => say!("{}", object(owned, done.as_ref())),
            Ok(done) => {
                for damage in done.iter().flat_map(|done| &done.damages) {
                    note!("{}: byte {}: {}", owned.name(), damage.offset, damage.what);
                }
                Ok(())
            }
            Err(error) => {
                note!("{}: {}", owned.name(), output::plain(error));
                Ok(())
            }
        })?;
    }
    bar.finish_and_clear();
    let gone: Vec<_> = match asked.accounts {
        [] => backup
            .maildrops()
            .filter(|(id, _)| maildrops.path(*id).is_some_and(|path| !path.exists()))
            .map(|(id, account)| (id, account.to_owned()))
            .collect(),
        _ => Vec::new(),
    };
    for (id, account) in &gone {
        match asked.prune {
            true => backup.forget(*id),
            false => note!("{account} ({id}) has no file any more; its copy stays"),
        }
    }
    backup
        .finish()
        .map_err(|error| unusable(&directory, &error))?;
    if !asked.json {
        say!(
            "{} saved to {}: {} copied.",
            count(saved, "maildrop is", "maildrops are"),
            directory.display(),
            octets(copied)
        )?;
    }
    match (damages, failed) {
        (0, 0) => Ok(()),
        (0, failed) => Err(Failure::new(
            Code::InputOutput,
            format!(
                "{} not be copied; see above",
                count(failed, "maildrop could", "maildrops could")
            ),
        )
        .remedy("what was saved of them before is still there")),
        (damages, _) => Err(Failure::new(
            Code::Data,
            format!("{} found", count(damages, "damage", "damages")),
        )
        .remedy("what was saved before it came stays; bring it back: restante maildrop restore")),
    }
}

/// The backup's directory, which must not be a part of what is saved.
fn directory(config: &Config, path: &Path) -> Result<PathBuf, Failure> {
    let name = path.file_name().map(PathBuf::from);
    let whole = match (path.canonicalize(), name) {
        (Err(error), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            let above = above.unwrap_or_else(|| Path::new(".")).canonicalize();
            above.map(|above| above.join(name))
        }
        (whole, _) => whole,
    };
    let whole = whole.map_err(|error| unusable(path, &error))?;
    let data = config.data.canonicalize().unwrap_or_default();
    match whole.starts_with(&data) {
        false => Ok(whole),
        true => Err(Failure::new(
            Code::Usage,
            format!("{} lies in the data directory", whole.display()),
        )
        .remedy("name a directory on another disk")),
    }
}

/// A backup that cannot be opened.
pub(super) fn unusable(directory: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::ResourceBusy => Code::Temporary,
        io::ErrorKind::InvalidData => Code::Data,
        _ => Code::CannotCreate,
    };
    Failure::new(
        code,
        format!(
            "the backup {} cannot be used: {}",
            directory.display(),
            output::plain(error)
        ),
    )
    .remedy(match error.kind() {
        io::ErrorKind::ResourceBusy => "try again when that is done",
        io::ErrorKind::AlreadyExists => "name an empty directory, or one with a backup",
        io::ErrorKind::InvalidData => "begin a new one in another directory, and keep this one",
        _ => "it must belong to the owner of the data directory, and its disk be whole",
    })
}

/// One maildrop for programs.
fn object(owned: &Owned, done: Result<&Option<BackedUp>, &io::Error>) -> Value {
    let mut object = json!({"account": owned.account, "maildrop": owned.id.to_string()});
    match done {
        Ok(done) => {
            let done = done.clone().unwrap_or_default();
            object["length"] = done.length.into();
            object["octets_copied"] = done.octets_copied.into();
            object["damages"] = super::damages(&done.damages);
        }
        Err(error) => object["error"] = output::plain(error).into(),
    }
    object
}
