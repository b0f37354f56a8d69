//! What becomes of a change that was under way when its process died, the power went, or a call failed.
//!
//! Nobody was told that it is done, so it is taken back, as long as anything is left to take back; whoever of
//! us comes next does that, under the locks. Other programs can have been there before. What they have
//! appended stays. What else they have changed shows in octets that are neither those from before nor ours:
//! then nothing is touched, and an operator must look at it ([`StoreError::Damaged`]).

use std::io;
use std::ops::Range;

use tracing::warn;

use super::journal::{self, Entry, Kind, Lasts, PIECE};
use crate::error::StoreError;
use crate::native::media::File;

/// What fills the beginning of that which a rewrite will cut off, so that it is not taken for anything that
/// another program has appended: none appends as many empty lines.
pub(super) const FILLING: [u8; 64] = [b'\n'; 64];

/// How many of those octets there are.
pub(super) fn filling(entry: &Entry) -> &'static [u8] {
    let cut = usize::try_from(entry.end - entry.new_end).unwrap_or(usize::MAX);
    &FILLING[..cut.min(FILLING.len())]
}

/// Brings an mbox, whose locks are held, into order. Afterwards there is no entry.
///
/// # Errors
///
/// What the disk says; `Damaged` if another program has changed what lies there. The entry stays then.
pub(super) fn recover<F: File>(mbox: &F, journal: &F) -> Result<(), StoreError> {
    if journal::has_entry(journal)? {
        // After a sync that failed, the cache may say that it is void, and the disk that it is not.
        journal.forget_cache(0);
    }
    let Some(entry) = Entry::read(journal)? else {
        return Ok(());
    };
    // After a sync that failed, the cache may show what the disk has not got.
    mbox.forget_cache(entry.keep);
    let len = mbox.stat()?.len;
    if len > entry.keep {
        match entry.kind {
            Kind::Append => take_append_back(mbox, journal, &entry, len)?,
            Kind::Rewrite if entry.is_marked && !is_filled(mbox, &entry)? => {
                // It was cut: all is as it shall be.
            }
            Kind::Rewrite => take_rewrite_back(mbox, journal, &entry, len)?,
        }
        mbox.sync_all()?;
    }
    journal::void(journal, Lasts::Now)?;
    Ok(())
}

/// Whether what is to be cut off is still there.
fn is_filled<F: File>(mbox: &F, entry: &Entry) -> io::Result<bool> {
    let filling = filling(entry);
    let mut found = [0; FILLING.len()];
    let found = &mut found[..filling.len()];
    Ok(mbox.read_at(found, entry.new_end)? == filling.len() && found == filling)
}

/// Cuts a torn message off. One that others have appended behind is made whole instead, if it can be.
fn take_append_back<F: File>(
    mbox: &F,
    journal: &F,
    entry: &Entry,
    len: u64,
) -> Result<(), StoreError> {
    let end = entry.keep + entry.content_octets;
    let mut ours = vec![0; PIECE];
    // Where what is there is no more what we have appended.
    let mut others = None;
    journal::for_each_piece(mbox, entry.keep..len.min(end), |at, piece| {
        let ours = &mut ours[..piece.len()];
        entry.content(journal, at, ours)?;
        // Where the power took octets, but not the length, there are zeros.
        let mut both = piece.iter().zip(&*ours);
        let differs = both.position(|(is, our)| is != our && *is != 0);
        others = others.or_else(|| differs.map(|place| at + place as u64));
        Ok(())
    })?;
    if let Some(others) = others {
        // Another program has come in between; a torn message that nobody was told of stays where it is, but not
        // what the power left of its postmark: at the beginning of the file it would hide all that comes behind.
        put(mbox, entry.keep..others, |at, piece| {
            entry.content(journal, at, piece)
        })?;
        warn!(
            offset = entry.keep,
            "a torn message stays in an mbox, since others wrote behind it"
        );
    } else if len < end {
        mbox.truncate(entry.keep)?;
    } else {
        put(mbox, entry.keep..end, |at, piece| {
            entry.content(journal, at, piece)
        })?;
    }
    Ok(())
}

/// Writes what there was before.
fn take_rewrite_back<F: File>(
    mbox: &F,
    journal: &F,
    entry: &Entry,
    len: u64,
) -> Result<(), StoreError> {
    if len < entry.end || !is_between(mbox, journal, entry)? {
        return Err(StoreError::Damaged(format!(
            "another program has changed the mbox from octet {} on while a deletion of ours was half done; \
             what was there is in the file .NAME.restante beside it, at octet 88, {} octets; \
             remove that file when all is in order",
            entry.keep, entry.content_octets
        )));
    }
    if entry.is_marked {
        // First: if this is interrupted after the filling has gone, it would look as if the file had been cut.
        Entry::unmark(journal)?;
    }
    put(mbox, entry.keep..entry.end, |at, piece| {
        entry.content(journal, at, piece)
    })?;
    Ok(())
}

/// Whether each octet is one from before, or one that a rewrite has put there.
fn is_between<F: File>(mbox: &F, journal: &F, entry: &Entry) -> io::Result<bool> {
    let (mut before, mut after) = (vec![0; PIECE], vec![0; PIECE]);
    let mut is_between = true;
    let filled = entry.new_end + filling(entry).len() as u64;
    for (part, is_moved) in [
        (entry.keep..entry.new_end, true),
        (entry.new_end..filled, false),
    ] {
        journal::for_each_piece(mbox, part, |at, piece| {
            let (before, after) = (&mut before[..piece.len()], &mut after[..piece.len()]);
            entry.content(journal, at, before)?;
            match is_moved {
                true => entry.rewritten(journal, at, after)?,
                false => after.fill(FILLING[0]),
            }
            let mut both = before.iter().zip(&*after);
            is_between &= piece.iter().all(|is| {
                both.next()
                    .is_some_and(|(before, after)| is == before || is == after)
            });
            Ok(())
        })?;
    }
    journal::for_each_piece(mbox, filled..entry.end, |at, piece| {
        let before = &mut before[..piece.len()];
        entry.content(journal, at, before)?;
        is_between &= piece == before;
        Ok(())
    })?;
    Ok(is_between)
}

/// Writes a part of a file piece by piece.
///
/// # Errors
///
/// What the disk says; any part of it may have been written then.
pub(super) fn put<F: File>(
    mbox: &F,
    part: Range<u64>,
    mut what: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut at = part.start;
    while at < part.end {
        let want = usize::try_from(part.end - at).map_or(PIECE, |left| left.min(PIECE));
        what(at, &mut buffer[..want])?;
        mbox.write_at(&[&buffer[..want]], at)?;
        at += want as u64;
    }
    Ok(())
}
