//! `restante maildrop verify`: reads every octet and says what is wrong.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use maildrop::Verified;
use serde_json::{Value, json};

use super::{Owned, bar, damages, owned};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// Reads one maildrop, or all.
///
/// # Errors
///
/// EX_DATAERR when something is damaged, EX_IOERR when a maildrop could not be read; each has
/// been named then, and all the others were read.
pub(super) fn verify(config: &Config, account: Option<&str>, json: bool) -> Result<(), Failure> {
    let (all, maildrops) = owned(config, account)?;
    // What is appended while we read makes it a little more; nobody minds.
    let total = all
        .iter()
        .filter_map(|owned| fs::metadata(maildrops.path(owned.id)?).ok())
        .map(|metadata| metadata.len())
        .sum();
    let bar = bar(
        total,
        "{bar:30} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} to go",
    );
    let owner = fs::metadata(&config.data)
        .map(|metadata| metadata.uid())
        .ok();
    let (mut messages, mut found, mut unread) = (0, 0, 0);
    for owned in &all {
        let path = maildrops.path(owned.id).unwrap_or_default();
        let warnings = warnings(&path, owner);
        let verified = maildrops.verify(owned.id, &mut |octets| bar.inc(octets));
        match &verified {
            Ok(verified) => {
                messages += verified.messages;
                found += verified.damages.len() as u64;
            }
            // The others may be whole, or not: that is what was asked for.
            Err(_) => unread += 1,
        }
        bar.suspend(|| match (json, &verified) {
            (true, verified) => say!("{}", object(owned, verified.as_ref(), &warnings)),
            (false, Ok(verified)) => {
                tell(owned, verified);
                for warning in &warnings {
                    note!("warning: {}: {warning}", owned.name());
                }
                Ok(())
            }
            (false, Err(error)) => {
                note!("{}: {}", owned.name(), output::plain(error));
                Ok(())
            }
        })?;
    }
    bar.finish_and_clear();
    let read = format!(
        "{} in {} read",
        count(messages, "message", "messages"),
        count(all.len() as u64 - unread, "maildrop", "maildrops")
    );
    match (found, unread) {
        (0, 0) if json => Ok(()),
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

/// What is not as the store makes its files, which only their owner can read. Such a file is served
/// all the same; whoever else can read or write it does so past every check.
fn warnings(path: &Path, owner: Option<u32>) -> Vec<String> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Vec::new();
    };
    let (mode, uid, file) = (metadata.mode() & 0o7777, metadata.uid(), path.display());
    let mut warnings = Vec::new();
    if mode != 0o600 {
        warnings.push(format!("its mode is {mode:04o}; chmod 600 {file}"));
    }
    if let Some(owner) = owner.filter(|owner| *owner != uid) {
        warnings.push(format!("it belongs to uid {uid}; chown {owner} {file}"));
    }
    warnings
}

fn tell(owned: &Owned, verified: &Verified) {
    for damage in &verified.damages {
        let uid = damage
            .uid
            .map_or_else(String::new, |uid| format!(", message uid {uid}"));
        note!(
            "{}: byte {}{uid}: {}",
            owned.name(),
            damage.offset,
            damage.what
        );
    }
}

/// One maildrop for programs. Whoever could not be read has `error` and no damages.
fn object(
    owned: &Owned,
    verified: Result<&Verified, &std::io::Error>,
    warnings: &[String],
) -> Value {
    let (account, maildrop) = (&owned.account, owned.id.to_string());
    match verified {
        Ok(verified) => json!({
            "account": account,
            "maildrop": maildrop,
            "messages": verified.messages,
            "octets_read": verified.octets_read,
            "damages": damages(&verified.damages),
            "warnings": warnings,
        }),
        Err(error) => json!({
            "account": account,
            "maildrop": maildrop,
            "error": output::plain(error),
        }),
    }
}
