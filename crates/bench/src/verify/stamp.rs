//! The stamp of a message of a generated corpus: a header field by which the message says itself
//! what its octets must be, whatever the server has put around them.
//!
//! ```text
//! X-Corpus: name=small number=17 header=312 body=3720 crc32c=9ae0daaf
//! ```
//!
//! `header` octets follow this line as the rest of the header; then comes the blank line, and behind
//! it a body of `body` octets; the checksum is that of both, without the blank line, as they travel
//! (CRLF, dot-stuffed). Servers add header fields of their own, before the stamp (Received, Return-Path,
//! Delivered-To) or at the end of the header (Status, X-UIDL); both leave the checksum as it is, and
//! nothing else does.

use std::fmt;

use memchr::memmem;
use pop3::Octets;

/// Name of the field.
pub(crate) const FIELD: &str = "X-Corpus";

/// Longest header that is looked at in search of a stamp.
const HEADER_OCTETS_MAX: usize = 64 << 10;

/// What a message says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    /// The corpus.
    pub(crate) name: String,
    /// The message's number in it.
    pub(crate) number: u64,
    /// Octets of the header after the stamp, and without the blank line.
    pub(crate) header: u64,
    /// Octets of the body, dot-stuffing not counted.
    pub(crate) body: u64,
    /// CRC-32C of both as they travel.
    pub(crate) checksum: u32,
}

impl Stamp {
    /// Reads what comes after the name of the field.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let mut words = text.split_ascii_whitespace();
        let mut value = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
        let stamp = Self {
            name: value("name")?.to_owned(),
            number: value("number")?.parse().ok()?,
            header: value("header")?.parse().ok()?,
            body: value("body")?.parse().ok()?,
            checksum: u32::from_str_radix(value("crc32c")?, 16).ok()?,
        };
        words.next().is_none().then_some(stamp)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "name={} number={} header={} body={} crc32c={:08x}",
            self.name, self.number, self.header, self.body, self.checksum
        )
    }
}

/// Finds the stamp of a message that comes in chunks, and compares the message with it.
#[derive(Debug)]
pub(super) enum Reader {
    /// The header, as far as it is there.
    Header(Vec<u8>),
    /// There is a stamp; octets before the body, and the checksum so far.
    Body {
        stamp: Stamp,
        before: u64,
        checksum: u32,
    },
    /// There is none.
    Unstamped,
    /// The header is not what the stamp says, and why; told at the end, when the size is known too.
    Wrong(String),
}

impl Reader {
    pub(super) fn new() -> Self {
        Self::Header(Vec::new())
    }

    pub(super) fn see(&mut self, wire: &[u8]) {
        match self {
            Self::Unstamped | Self::Wrong(_) => {}
            Self::Body { checksum, .. } => *checksum = crc32c::crc32c_append(*checksum, wire),
            Self::Header(header) => {
                // The end may be split between two chunks.
                let seen = header.len().saturating_sub(3);
                header.extend_from_slice(wire);
                let next = if let Some(end) = memmem::find(&header[seen..], b"\r\n\r\n") {
                    let body = seen + end + 4;
                    Self::after(&header[..body - 2], &header[body..])
                } else if header.len() > HEADER_OCTETS_MAX {
                    without_end(header).map(|()| Self::Unstamped)
                } else {
                    return;
                };
                *self = next.unwrap_or_else(Self::Wrong);
            }
        }
    }

    /// The header is complete, and what is there of the body behind its blank line.
    fn after(header: &[u8], body: &[u8]) -> Result<Self, String> {
        let Some((stamp, rest)) = stamped(header)? else {
            return Ok(Self::Unstamped);
        };
        let length = usize::try_from(stamp.header).unwrap_or(usize::MAX);
        let Some((ours, added)) = rest.split_at_checked(length) else {
            return Err("its header is shorter than its stamp says".to_owned());
        };
        if !fields(added) {
            return Err("its header is not what its stamp says".to_owned());
        }
        let checksum = crc32c::crc32c_append(crc32c::crc32c(ours), body);
        Ok(Self::Body {
            stamp,
            before: header.len() as u64 + 2,
            checksum,
        })
    }

    /// The message is complete with so many octets.
    pub(super) fn end(self, octets: Octets) -> Result<Option<Stamp>, String> {
        let (stamp, before, checksum) = match self {
            Self::Unstamped => return Ok(None),
            Self::Wrong(why) => return Err(why),
            Self::Header(header) => return without_end(&header).map(|()| None),
            Self::Body {
                stamp,
                before,
                checksum,
            } => (stamp, before, checksum),
        };
        let body = octets.0.saturating_sub(before);
        if body != stamp.body {
            return Err(format!(
                "its body has {body} octets, and {} were delivered",
                stamp.body
            ));
        }
        match checksum == stamp.checksum {
            true => Ok(Some(stamp)),
            false => Err("its octets are not those that were delivered".to_owned()),
        }
    }
}

/// The stamp in a header, and what follows its line; what comes before it must be header fields.
fn stamped(header: &[u8]) -> Result<Option<(Stamp, &[u8])>, String> {
    let mut at = 0;
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        let value = line
            .strip_prefix(FIELD.as_bytes())
            .and_then(|rest| rest.strip_prefix(b":"));
        if let Some(value) = value {
            let stamp = Stamp::parse(value).ok_or("its stamp is damaged")?;
            return match fields(&header[..at]) {
                true => Ok(Some((stamp, &header[at..]))),
                false => Err("what comes before its stamp is no header".to_owned()),
            };
        }
    }
    Ok(None)
}

/// Only mail that is not ours may have a header without a blank line behind it.
fn without_end(header: &[u8]) -> Result<(), String> {
    match stamped(header)? {
        Some(_) => Err("its header has no end".to_owned()),
        None => Ok(()),
    }
}

/// Whether all lines are header fields or go on with one (RFC 5322 §2.2).
fn fields(lines: &[u8]) -> bool {
    let mut first = true;
    lines
        .split_inclusive(|octet| *octet == b'\n')
        .all(|line| match line[0] {
            b' ' | b'\t' => !first,
            _ => {
                first = false;
                let name = line.iter().take_while(|octet| **octet != b':');
                let octets = name.clone().count();
                octets > 0 && octets < line.len() && name.into_iter().all(u8::is_ascii_graphic)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Corpus, Sizes};

    /// What is found of a message as it travels, in chunks of some octets.
    fn read(wire: &[u8], octets: u64, size: usize) -> Result<Option<Stamp>, String> {
        let mut reader = Reader::new();
        wire.chunks(size).for_each(|chunk| reader.see(chunk));
        reader.end(Octets(octets))
    }

    fn stuffed(text: &[u8]) -> Vec<u8> {
        let mut wire = Vec::new();
        pop3::wire::stuff(text, &mut wire);
        wire
    }

    fn example() -> Vec<u8> {
        Corpus::new("small", Sizes::fixed(900)).message(17)
    }

    #[test]
    fn a_stamp_says_what_the_octets_are() {
        let text = example();
        let wire = stuffed(&text);
        assert!(wire.len() > text.len(), "the example has lines with dots");
        for size in [1, 2, 3, 7, 100, wire.len()] {
            let stamp = read(&wire, text.len() as u64, size).unwrap().unwrap();
            assert_eq!((stamp.name.as_str(), stamp.number), ("small", 17));
        }
    }

    #[test]
    fn what_a_server_adds_to_the_header_is_no_damage() {
        let text = example();
        let mut traced = b"Return-Path: <a@b>\r\nReceived: from x\r\n\tby y; now\r\n".to_vec();
        traced.extend_from_slice(&text);
        assert!(
            read(&stuffed(&traced), traced.len() as u64, 64)
                .unwrap()
                .is_some()
        );
        let end = memmem::find(&text, b"\r\n\r\n").unwrap() + 2;
        let mut marked = text[..end].to_vec();
        marked.extend_from_slice(b"Status: RO\r\nX-UIDL: 1\r\n");
        marked.extend_from_slice(&text[end..]);
        assert!(
            read(&stuffed(&marked), marked.len() as u64, 64)
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn any_other_change_is_found() {
        let text = example();
        let start = memmem::find(&text, b"\r\n").unwrap() + 2;
        for at in start..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            let found = read(&stuffed(&changed), changed.len() as u64, 64);
            assert!(found.is_err(), "octet {at}: {found:?}");
        }
        let shorter = &text[..text.len() - 2];
        assert!(read(&stuffed(shorter), shorter.len() as u64, 64).is_err());
        let mut longer = text.clone();
        longer.extend_from_slice(b"\r\n");
        assert!(read(&stuffed(&longer), longer.len() as u64, 64).is_err());
        let mut garbled = b"no header\r\n".to_vec();
        garbled.extend_from_slice(&text);
        assert!(read(&stuffed(&garbled), garbled.len() as u64, 64).is_err());
        let mut damaged = text;
        damaged[FIELD.len() + 2] = b'N';
        assert_eq!(
            read(&stuffed(&damaged), damaged.len() as u64, 64).unwrap_err(),
            "its stamp is damaged"
        );
    }

    #[test]
    fn mail_without_a_stamp_is_none_of_ours() {
        for text in [
            &b"Subject: x\r\n\r\nhello\r\n"[..],
            b"no header at all\r\n",
            b"",
        ] {
            assert_eq!(read(text, text.len() as u64, 3), Ok(None));
        }
    }
}
