//! Finding records in a file: at a place where one should begin, and by a search where something else is.

use std::io;

use super::super::bytes::align;
use super::super::media::File;
use super::{BLOCK, Found, Kind, RECORD_LEN, Record};

/// What is at a place where a record should begin.
pub(crate) enum At {
    /// A record. Its body lies within the file but was not verified.
    Record(Found),
    /// Something else.
    Nothing(&'static str),
}

/// Octets that are read at once where a record begins: header and the usual TLVs.
const PEEK: usize = 512;

/// Looks for a record at `offset` of a file of `len` octets.
pub(crate) fn look(file: &impl File, salt: &[u8; 16], offset: u64, len: u64) -> io::Result<At> {
    let mut peek = [0; PEEK];
    let got = file.read_at(&mut peek, offset)?;
    look_in(file, salt, offset, len, &peek[..got])
}

/// As [`look`], with octets at hand that begin at `offset`.
pub(crate) fn look_in(
    file: &impl File,
    salt: &[u8; 16],
    offset: u64,
    len: u64,
    at_hand: &[u8],
) -> io::Result<At> {
    let Some(octets) = at_hand.get(..RECORD_LEN) else {
        return Ok(At::Nothing("the file ends within a record header"));
    };
    let Some(record) = Record::parse(octets) else {
        return Ok(At::Nothing("there is no record header"));
    };
    let ext_len = usize::from(record.ext_len);
    let had = ext_len.min(at_hand.len() - RECORD_LEN);
    let mut ext = at_hand[RECORD_LEN..][..had].to_vec();
    ext.resize(ext_len, 0);
    if had < ext_len {
        let from = offset + (RECORD_LEN + had) as u64;
        if file.read_at(&mut ext[had..], from)? < ext_len - had {
            return Ok(At::Nothing("the file ends within a record header"));
        }
    }
    if !Record::holds(octets, &ext, salt, offset) {
        return Ok(At::Nothing("the checksum of a record header is wrong"));
    }
    match record.end(offset) {
        Some(end) if end <= len => Ok(At::Record(Found {
            offset,
            record,
            ext,
            end,
        })),
        _ => Ok(At::Nothing("the file ends within a record")),
    }
}

/// Looks between two places for the next thing that looks like a message, although its checksum
/// does not hold or cannot be checked: the text's own does. Anybody can write such a thing into a
/// text, and a text full of long ones would be hashed again and again: `budget` is the number of
/// octets that may be hashed in all.
pub(crate) fn search_unverified(
    file: &impl File,
    from: u64,
    to: u64,
    budget: &mut u64,
) -> io::Result<Option<Found>> {
    let mut buffer = vec![0; BLOCK + RECORD_LEN];
    let mut at = align(from);
    while at < to {
        let got = file.read_at(&mut buffer, at)?;
        for place in (0..got.min(BLOCK)).step_by(8) {
            let Some(octets) = buffer[..got].get(place..place + RECORD_LEN) else {
                break;
            };
            let offset = at + place as u64;
            let looks = Record::parse(octets).filter(|it| it.kind == Kind::Message);
            if let Some(record) = looks
                && let Some(found) = unverified(file, record, offset, to, budget)?
            {
                return Ok(Some(found));
            }
        }
        at += BLOCK as u64;
    }
    Ok(None)
}

fn unverified(
    file: &impl File,
    record: Record,
    offset: u64,
    to: u64,
    budget: &mut u64,
) -> io::Result<Option<Found>> {
    // What every writer of ours makes sure of costs nothing to check.
    let fits = record.stored_len > 0
        && record.pop_size.checked_add(record.stuffed.into()) == Some(record.stored_len)
        && u64::from(record.top_off) <= record.stored_len;
    let end = record.end(offset).filter(|&end| end <= to && fits);
    let (Some(end), Some(left)) = (end, budget.checked_sub(record.stored_len)) else {
        return Ok(None);
    };
    *budget = left;
    let mut ext = vec![0; usize::from(record.ext_len)];
    let whole = file.read_at(&mut ext, offset + RECORD_LEN as u64)? == ext.len();
    let found = Found {
        offset,
        record,
        ext,
        end,
    };
    Ok(match whole && found.body_holds(file)? {
        true => Some(found),
        false => None,
    })
}

/// Looks for the next record at `from` or after; the search of recovery, so it reads everything.
pub(crate) fn search(
    file: &impl File,
    salt: &[u8; 16],
    from: u64,
    len: u64,
) -> io::Result<Option<Found>> {
    let mut buffer = vec![0; BLOCK + RECORD_LEN];
    let mut at = align(from);
    while at < len {
        let got = file.read_at(&mut buffer, at)?;
        if got < RECORD_LEN {
            // Whatever was said about the length.
            break;
        }
        for place in (0..got.min(BLOCK)).step_by(8) {
            let Some(octets) = buffer[..got].get(place..place + RECORD_LEN) else {
                break;
            };
            let offset = at + place as u64;
            // Only what fits is hashed: else a text could make every eight octets cost 64 KiB.
            let fits = |it: Record| it.end(offset).is_some_and(|end| end <= len);
            if Record::parse(octets).is_some_and(fits)
                && let At::Record(found) = look(file, salt, offset, len)?
            {
                return Ok(Some(found));
            }
        }
        at += BLOCK as u64;
    }
    Ok(None)
}
