//! `restante maildrop import`: a Maildir or a directory of .eml files becomes messages of a maildrop.
//!
//! Every message is durable before the next is read, so an interrupted import has lost nothing.
//! What an earlier run has brought in is recognised by its octets (SHA-256 of the stored form)
//! and skipped, as many times as the maildrop holds it: running it twice duplicates nothing, and
//! two messages that are alike stay two.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::Path;

use delivery::normalise::{FromLine, Plain};
use maildrop::{Addressee, DeliverError, Draft, Envelope, Maildrops, Measure, Quota};
use pop3::MessageNumber;
use sha2::{Digest as _, Sha256};

use super::source::{self, Found};
use super::{Owned, bar, directory, named, open, read, stock_of};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// So much of a file is read at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// What tells a message from every other: its stored form.
type Print = [u8; 32];

/// Imports a directory.
///
/// # Errors
///
/// When the account is unknown, the directory cannot be read, or the maildrop does not take a
/// message, for want of space or because its account may not hold more; also when files had to be left out: each has been named then.
pub(super) fn import(
    config: &Config,
    account: &str,
    from: &Path,
    no_quota: bool,
) -> Result<(), Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(Code::NoInput, output::unreadable(from, &error)).remedy(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the owner of the data directory read it, or copy it to where that user may"
            }
            _ => "name a Maildir (with new/ and cur/), or a directory of .eml files",
        })
    };
    let (accounts, maildrops) = stock_of(config)?;
    let owned = named(&accounts, &[account])?.remove(0);
    let quota = config.server.keeping.quota(accounts.show(account)?.terms);
    let scan = directory(from)
        .and_then(|directory| source::scan(&directory))
        .map_err(unreadable)?;
    for bad in &scan.bad {
        note!("{}: {}; left out", bad.path.display(), bad.why);
    }
    let mut present = present(&maildrops, &owned)?;
    let name = owned.name();
    let to = Addressee {
        id: owned.id,
        account: &name,
        quota: match no_quota {
            true => Quota::default(),
            false => quota,
        },
    };
    let bar = bar(
        scan.messages.len() as u64,
        "{bar:30} {pos}/{len} messages, {per_sec}, {eta} to go",
    );
    let (mut imported, mut skipped, mut left_out) = (0, 0, scan.bad.len() as u64);
    for found in &scan.messages {
        bar.inc(1);
        let mut draft = maildrops.draft();
        let (measure, print) = match text(found, &mut draft) {
            Ok(text) => text,
            Err(Unread::File(error)) => {
                left_out += 1;
                let why = output::plain(&error);
                bar.suspend(|| note!("{}: {why}; left out", found.path.display()));
                continue;
            }
            Err(Unread::Draft(error)) => return Err(stopped(&error, imported)),
        };
        if let Some(times) = present.get_mut(&print).filter(|times| **times > 0) {
            *times -= 1;
            skipped += 1;
            continue;
        }
        let envelope = Envelope {
            received_us: Some(found.received_us),
            origin: Some(found.origin.clone()),
            ..Envelope::default()
        };
        maildrops
            .deliver(&to, &mut draft, &measure, &envelope)
            .map_err(|error| stopped(&error, imported))?;
        imported += 1;
    }
    bar.finish_and_clear();
    // So that the first login finds the index of a large maildrop, and need not make it.
    if let Err(error) = maildrops.tidy(owned.id) {
        note!(
            "no index was written, the first login will: {}",
            output::plain(&error)
        );
    }
    say!(
        "{} imported into the maildrop of {}, {skipped} there already.",
        count(imported, "message", "messages"),
        owned.name()
    )?;
    match left_out {
        0 => Ok(()),
        number => Err(Failure::new(
            Code::Data,
            format!(
                "{} left out; see above",
                count(number, "file was", "files were")
            ),
        )
        .remedy("mend them and run this again: what is there already is skipped")),
    }
}

/// How often the maildrop holds each message. A maildrop that has none is not opened, so that an
/// import into a fresh account disturbs nobody.
fn present(maildrops: &Maildrops, owned: &Owned) -> Result<HashMap<Print, u32>, Failure> {
    let mut present = HashMap::new();
    let open = open(maildrops, owned)?;
    let listing = open.listing();
    let bar = bar(
        listing.len() as u64,
        "{bar:30} {pos}/{len} messages that are there already",
    );
    for number in (0..listing.len()).filter_map(MessageNumber::from_index) {
        let mut hash = Sha256::new();
        read(&open, number, |stored| {
            hash.update(stored);
            Ok(())
        })?;
        *present.entry(hash.finalize().into()).or_default() += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(present)
}

/// Why there is no text to deliver.
enum Unread {
    /// The file cannot be read; the next can perhaps.
    File(io::Error),
    /// The store cannot take it; nor will it take the next.
    Draft(DeliverError),
}

fn text(found: &Found, draft: &mut Draft) -> Result<(Measure, Print), Unread> {
    let mut file = source::open(&found.path).map_err(Unread::File)?;
    let mut text = Plain::new(FromLine::Keep);
    let mut piece = vec![0; PIECE_OCTETS];
    let mut stored = Vec::with_capacity(PIECE_OCTETS + PIECE_OCTETS / 8);
    let mut hash = Sha256::new();
    loop {
        let octets = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Unread::File(error)),
        };
        stored.clear();
        text.take(&piece[..octets], &mut stored);
        hash.update(&stored);
        draft.append(&stored).map_err(Unread::Draft)?;
    }
    stored.clear();
    let measure = text.finish(&mut stored);
    hash.update(&stored);
    draft.append(&stored).map_err(Unread::Draft)?;
    Ok((measure, hash.finalize().into()))
}

fn stopped(error: &DeliverError, imported: u64) -> Failure {
    if let DeliverError::OverQuota = error {
        return Failure::new(
            Code::CannotCreate,
            format!(
                "the import stopped after {}: the next is more than the account may hold",
                count(imported, "message", "messages")
            ),
        )
        .remedy(
            "add --no-quota, or give the account more (restante user set ACCOUNT --quota SIZE), and \
             run this again: what is there already is skipped",
        );
    }
    let why = match error {
        DeliverError::NoSpace(_) => "no space is left".to_owned(),
        DeliverError::Unavailable(error) => output::plain(error),
        damaged => damaged.to_string(),
    };
    Failure::new(
        Code::Temporary,
        format!(
            "the import stopped after {}: {why}",
            count(imported, "message", "messages")
        ),
    )
    .remedy("mend that and run this again: what is there already is skipped")
}
