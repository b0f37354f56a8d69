//! Reading a maildrop's file up to its end: after a crash, or when another process appended.
//!
//! Records are read one after the other. Where one fails, the rest of the file is searched for a
//! record whose keyed checksum holds. If there is one, or the place was durable before, this is
//! damage: nothing is cut, the gap is reported, what follows is served. If there is none, and it
//! looks like what a crash leaves (`tear.rs`), it is a torn tail: only one record is ever in
//! flight, and it was not acknowledged.

use std::io;

use super::bytes::align;
use super::header::Header;
use super::index::Index;
use super::media::File;
use super::record::{At, Found, Kind, RECORD_LEN, look, search};
use super::tear::{body_is_torn, header_is_torn};

/// How a file ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// With a whole record.
    Whole,
    /// With octets from here on that are no record and never were acknowledged.
    Torn(u64),
}

/// Reads the records from `index.end` to `len` into the index. What lies below `durable` was
/// durable once, so it is never taken for a torn tail.
pub(crate) fn read_on(
    file: &impl File,
    header: &Header,
    index: &mut Index,
    len: u64,
    durable: u64,
) -> io::Result<End> {
    loop {
        let at = align(index.end);
        if at >= len {
            // Up to seven octets where the next record would begin are a tail, too.
            return Ok(match index.end < len && index.end >= durable {
                true => End::Torn(index.end),
                false => End::Whole,
            });
        }
        let (found, what) = match look(file, &header.salt, at, len)? {
            At::Record(found) => (Some(found), ""),
            At::Nothing(what) => (None, what),
        };
        let found = match found {
            Some(found) => found,
            None => match search(file, &header.salt, at + 8, len)? {
                Some(next) => {
                    index.gap(at, next.offset - at, what);
                    next
                }
                None if at >= durable && header_is_torn(file, &header.salt, at, len)? => {
                    return Ok(End::Torn(index.end));
                }
                None => {
                    index.gap(at, len - at, what);
                    // Records were here, as many as there is room for at most: their uids were
                    // given out.
                    let lost = (len - at).div_ceil(RECORD_LEN as u64);
                    index.next_uid = index.next_uid.saturating_add(lost);
                    index.end = len;
                    return Ok(End::Whole);
                }
            },
        };
        let body = match Body::read(file, &found, len, durable)? {
            Body::Good(body) => body,
            Body::Bad
                if align(found.end) >= len
                    && found.offset >= durable
                    && body_is_torn(file, &found)? =>
            {
                return Ok(End::Torn(index.end));
            }
            // Kept, and refused when it is read.
            Body::Bad if found.record.kind == Kind::Message => Vec::new(),
            Body::Bad => {
                let len = found.end - found.offset;
                index.gap(found.offset, len, "the checksum of a commit is wrong");
                index.last = found.offset;
                index.end = found.end;
                continue;
            }
        };
        index.apply(&found, &body, header.generation);
    }
}

enum Body {
    Good(Vec<u8>),
    Bad,
}

impl Body {
    /// Verifies what must be known now: commits always, a message only if it is the last record
    /// and may be torn. Every other message is verified when it is read.
    fn read(file: &impl File, found: &Found, len: u64, durable: u64) -> io::Result<Self> {
        if found.record.kind != Kind::Message {
            return Ok(match found.small_body(file)? {
                Some(body) => Self::Good(body),
                None => Self::Bad,
            });
        }
        let may_be_torn = align(found.end) >= len && found.offset >= durable;
        Ok(match !may_be_torn || found.body_holds(file)? {
            true => Self::Good(Vec::new()),
            false => Self::Bad,
        })
    }
}
