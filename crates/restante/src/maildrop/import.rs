//! `restante maildrop import`: a Maildir, an mbox file or a directory of .eml files becomes messages of a maildrop.
//!
//! Every message is durable before the next is read, so an interrupted import has lost nothing.
//! What an earlier run has brought in is recognised by its octets (SHA-256 of the stored form)
//! and skipped, as many times as the maildrop holds it: running it twice duplicates nothing, and
//! two messages that are alike stay two. Their unique-ids are those that clients know ([`names`]).

use std::collections::HashMap;
use std::io;
use std::path::Path;

use delivery::normalise::{FromLine, Plain};
use maildrop::maildir::Names;
use maildrop::maildir::dovecot::UidlFormat;
use maildrop::mbox::{ReadAt, Shown, Variant};
use maildrop::{Addressee, DeliverError, Draft, Envelope, Maildrops, Measure, Quota};
use pop3::{MessageNumber, UniqueId};
use sha2::{Digest as _, Sha256};

use super::names;
use super::source::{self, Found};
use super::{Owned, bar, named, open, read, stock_of};
use crate::args::{Mbox, UniqueIds};
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// So much of a file is read at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// What tells a message from every other: its stored form.
type Print = [u8; 32];

/// What to bring in, and how.
pub(super) struct Asked<'a> {
    /// The account that gets it.
    pub(super) account: &'a str,
    /// The directory, or the mbox file.
    pub(super) from: &'a Path,
    /// The dialect of a file.
    pub(super) mbox: Mbox,
    /// Whether the account may hold more than it may.
    pub(super) no_quota: bool,
    /// Where unique-ids come from.
    pub(super) unique_ids: UniqueIds,
    /// How Dovecot made them.
    pub(super) uidl_format: UidlFormat,
}

/// Imports a directory or a file.
///
/// # Errors
///
/// When the account is unknown, the directory cannot be read, or the maildrop does not take a
/// message, for want of space or because its account may not hold more; also when files had to be left out: each has been named then.
pub(super) fn import(config: &Config, asked: &Asked<'_>) -> Result<(), Failure> {
    let Asked { account, from, .. } = *asked;
    let unreadable = |error: io::Error| {
        Failure::new(Code::NoInput, output::unreadable(from, &error)).remedy(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the owner of the data directory read it, or copy it to where that user may"
            }
            io::ErrorKind::InvalidData => "say which dialect it is (--mbox), or name another file",
            _ => "name a Maildir (with new/ and cur/), an mbox file, or a directory of .eml files",
        })
    };
    let (accounts, maildrops) = stock_of(config)?;
    let owned = named(&accounts, &[account])?.remove(0);
    let quota = config.server.keeping.quota(accounts.show(account)?.terms);
    let from = &std::fs::canonicalize(from).map_err(unreadable)?;
    let names = names::of(from, asked.unique_ids, &asked.uidl_format)?;
    let variant = variant(asked.mbox);
    let scan = match from.is_dir() {
        true => source::scan(from, &names),
        false => source::scan_mbox(from, variant),
    };
    let scan = scan.map_err(unreadable)?;
    for bad in &scan.bad {
        note!("{}: {}; left out", bad.path.display(), bad.why);
    }
    let mut present = present(&maildrops, &owned)?;
    let name = owned.name();
    let to = Addressee {
        id: owned.id,
        account: &name,
        quota: match asked.no_quota {
            true => Quota::default(),
            false => quota,
        },
    };
    let bar = bar(
        scan.messages.len() as u64,
        "{bar:30} {pos}/{len} messages, {per_sec}, {eta} to go",
    );
    let (mut imported, mut skipped, mut left_out) = (0, 0, scan.bad.len() as u64);
    let (mut kept, mut others) = (0, 0);
    for found in &scan.messages {
        bar.inc(1);
        let mut draft = maildrops.draft();
        let (measure, print) = match text(found, variant, &mut draft) {
            Ok(text) => text,
            Err(Unread::File(error)) => {
                left_out += 1;
                let why = output::plain(&error);
                bar.suspend(|| note!("{}: {why}; left out", found.path.display()));
                continue;
            }
            Err(Unread::Draft(error)) => return Err(stopped(&error, imported)),
        };
        let unique_id = names.unique_id(&found.origin);
        if let Some(known) = present
            .get_mut(&print)
            .and_then(|ids| take(ids, unique_id.as_ref()))
        {
            skipped += 1;
            others += u64::from(unique_id.is_some_and(|unique_id| unique_id != known));
            continue;
        }
        let envelope = Envelope {
            received_us: Some(found.received_us),
            origin: Some(found.origin.clone()).filter(|origin| !origin.is_empty()),
            sender: found.part.as_ref().and_then(|part| part.sender.clone()),
            unique_id: unique_id.clone(),
            ..Envelope::default()
        };
        let delivered = maildrops
            .deliver(&to, &mut draft, &measure, &envelope)
            .map_err(|error| stopped(&error, imported))?;
        imported += 1;
        match unique_id {
            Some(wanted) if wanted == delivered.unique_id => kept += 1,
            Some(wanted) => {
                let path = found.path.display();
                bar.suspend(|| {
                    note!(
                        "{path}: another message has the unique-id {wanted}; it is {} now",
                        delivered.unique_id
                    )
                });
            }
            None => {}
        }
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
    if others > 0 {
        note!(
            "{} there already under another unique-id than this names: clients retrieve it once more",
            count(others, "message is", "messages are")
        );
    }
    if !matches!(names, Names::Unknown) {
        let new = imported - kept;
        let (kept, source) = (
            count(kept, "unique-id is", "unique-ids are"),
            names::source(&names),
        );
        say!("{kept} from {source}, {new} new.")?;
    }
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

/// Takes one of these unique-ids, the wanted one if it is among them.
fn take(ids: &mut Vec<UniqueId>, wanted: Option<&UniqueId>) -> Option<UniqueId> {
    let place = wanted.and_then(|wanted| ids.iter().position(|id| id == wanted));
    match place {
        Some(place) => Some(ids.swap_remove(place)),
        None => ids.pop(),
    }
}

/// The unique-ids under which the maildrop holds each message. A maildrop that has none is not opened, so that an
/// import into a fresh account disturbs nobody.
fn present(maildrops: &Maildrops, owned: &Owned) -> Result<HashMap<Print, Vec<UniqueId>>, Failure> {
    let mut present: HashMap<Print, Vec<UniqueId>> = HashMap::new();
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
        let ids = present.entry(hash.finalize().into()).or_default();
        ids.extend(listing.unique_id(number));
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

fn text(found: &Found, variant: Variant, draft: &mut Draft) -> Result<(Measure, Print), Unread> {
    let mut text = Plain::new(FromLine::Keep);
    let mut stored = Vec::with_capacity(PIECE_OCTETS + PIECE_OCTETS / 8);
    let mut hash = Sha256::new();
    pieces(found, variant, |piece| {
        stored.clear();
        text.take(piece, &mut stored);
        hash.update(&stored);
        draft.append(&stored).map_err(Unread::Draft)
    })?;
    stored.clear();
    let measure = text.finish(&mut stored);
    hash.update(&stored);
    draft.append(&stored).map_err(Unread::Draft)?;
    Ok((measure, hash.finalize().into()))
}

/// Hands a message's text on, piece by piece.
fn pieces(
    found: &Found,
    variant: Variant,
    mut take: impl FnMut(&[u8]) -> Result<(), Unread>,
) -> Result<(), Unread> {
    let opened;
    let file = match &found.part {
        Some(part) => &*part.file,
        None => {
            opened = source::open(&found.path).map_err(Unread::File)?;
            &opened
        }
    };
    let (mut at, end) = match &found.part {
        Some(part) => (part.start, part.end),
        None => (0, u64::MAX),
    };
    let mut shown = found
        .part
        .as_ref()
        .map(|_| (Shown::new(variant), Vec::new()));
    let mut piece = vec![0; PIECE_OCTETS];
    loop {
        let want = usize::try_from(end - at).map_or(PIECE_OCTETS, |left| left.min(PIECE_OCTETS));
        let octets = ReadAt::read_at(file, &mut piece[..want], at).map_err(Unread::File)?;
        if octets == 0 {
            break;
        }
        at += octets as u64;
        match &mut shown {
            Some((shown, out)) => {
                out.clear();
                shown.take(&piece[..octets], out);
                take(out)?;
            }
            None => take(&piece[..octets])?,
        }
    }
    if let Some((shown, mut out)) = shown {
        if at < end {
            let why = "somebody has made it shorter meanwhile";
            return Err(Unread::File(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                why,
            )));
        }
        out.clear();
        shown.finish(&mut out);
        take(&out)?;
    }
    Ok(())
}

fn variant(asked: Mbox) -> Variant {
    match asked {
        Mbox::Mboxrd => Variant::Mboxrd,
        Mbox::Mboxo => Variant::Mboxo,
        Mbox::Mboxcl => Variant::Mboxcl,
        Mbox::Mboxcl2 => Variant::Mboxcl2,
        Mbox::Mmdf => Variant::Mmdf,
    }
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
