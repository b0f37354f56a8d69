//! Files become messages of a maildrop: a Maildir's, an mbox file's, or .eml files.
//!
//! Every message is durable before the next is read, so an interrupted import has lost nothing.
//! What an earlier run has brought in is recognised by its octets (SHA-256 of the stored form)
//! and skipped, as many times as the maildrop holds it: running it twice duplicates nothing, and
//! two messages that are alike stay two. Their unique-ids are those that clients know ([`names`]).

use std::io;
use std::path::Path;

use delivery::normalise::{FromLine, Plain};
use maildrop::maildir::Names;
use maildrop::mbox::{ReadAt, Shown, Variant};
use maildrop::{Addressee, DeliverError, Draft, Envelope, Measure};
use sha2::{Digest as _, Sha256};

use super::names;
use super::present::{Print, by_print, take};
use super::source::{self, Found, Scan};
use super::{Site, stopped};
use crate::args::{Mbox, Reading};
use crate::failure::{Code, Failure};
use crate::maildrop::bar;
use crate::output::{self, count, note, say};

/// So much of a file is read at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// What there is to bring in.
pub(super) struct Place {
    pub(super) names: Names,
    pub(super) variant: Variant,
    pub(super) scan: Scan,
}

/// Looks through a directory or a file. What is no message in it has been named.
///
/// # Errors
///
/// When it cannot be read, or a list of unique-ids in it makes no sense.
pub(super) fn look_through(from: &Path, reading: &Reading) -> Result<Place, Failure> {
    let unreadable = |error: io::Error| {
        Failure::new(Code::NoInput, output::unreadable(from, &error)).remedy(match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the owner of the data directory read it, or copy it to where that user may"
            }
            io::ErrorKind::InvalidData => "say which dialect it is (--mbox), or name another file",
            _ => "name a Maildir (with new/ and cur/), an mbox file, or a directory of .eml files",
        })
    };
    let from = &std::fs::canonicalize(from).map_err(unreadable)?;
    let names = names::of(from, reading.unique_ids, &reading.uidl_format)?;
    let variant = variant(reading.mbox);
    let scan = match from.is_dir() {
        true => source::scan(from, &names),
        false => source::scan_mbox(from, variant),
    };
    let scan = scan.map_err(unreadable)?;
    for bad in &scan.bad {
        note!("{}: {}; left out", bad.path.display(), bad.why);
    }
    Ok(Place {
        names,
        variant,
        scan,
    })
}

/// Imports a directory or a file.
///
/// # Errors
///
/// When the account is unknown, the directory cannot be read, or the maildrop does not take a
/// message, for want of space or because its account may not hold more; also when files had to be left out: each has been named then.
pub(super) fn bring(site: &Site<'_>, account: &str, from: &Path) -> Result<(), Failure> {
    let maildrops = &site.maildrops;
    let owned = site.owned(account)?;
    let quota = site.quota(account)?;
    let Place {
        names,
        variant,
        scan,
    } = look_through(from, site.reading)?;
    let mut present = by_print(maildrops, &owned, |_| true)?;
    let name = owned.name();
    let to = Addressee {
        id: owned.id,
        account: &name,
        quota,
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
    site.tidy(&owned);
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

/// Why there is no text to deliver.
pub(super) enum Unread {
    /// The file cannot be read; the next can perhaps.
    File(io::Error),
    /// The store cannot take it; nor will it take the next.
    Draft(DeliverError),
}

/// Reads a message into a draft.
pub(super) fn text(
    found: &Found,
    variant: Variant,
    draft: &mut Draft,
) -> Result<(Measure, Print), Unread> {
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
