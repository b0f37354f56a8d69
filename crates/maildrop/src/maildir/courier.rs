//! `courierpop3dsizelist`, in which Courier keeps the sizes and unique-ids of a Maildir's messages.
//!
//! Its first line says the version, the next uid, and from version 2 on the uid validity of new messages:
//! `/<version> <next> [<validity>]`; version 0 has no such line. A message is a line each:
//!
//! | version | line |
//! |---|---|
//! | 0 | `<file> <octets>` |
//! | 1 | `<file> <octets> <uid>` |
//! | 2 | `<file> <octets> <uid>:<validity>` |
//! | 3 | `<file> <octets> <uid>:<validity>:<whether its header is UTF-8>` |
//!
//! A message is called `UID<uid>-<validity>`, `UID<uid>` where the validity is 0, and after its file where
//! the uid is 0, octets that might be misread as `+` and two hexadecimal digits.

use std::cmp::Ordering;
use std::collections::HashMap;

use pop3::UniqueId;

use super::{Broken, lines, name, number};
use crate::plain::Measured;

/// What the file is called, beside `new/` and `cur/`.
pub const FILE: &str = "courierpop3dsizelist";

/// The list, read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SizeList {
    /// As it was read; what is written is at least 2.
    version: u8,
    /// What is less than any uid to come.
    last: u64,
    /// Of the messages to come.
    validity: u64,
    /// By the name of the file without its flags.
    messages: HashMap<Box<[u8]>, Message>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Message {
    octets: u64,
    uid: Uid,
    /// Whether its header is UTF-8.
    internationalised: bool,
}

/// A message's number and that of the sequence that it belongs to; 0: it has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Uid {
    uid: u64,
    validity: u64,
}

impl SizeList {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// A line that is none of its version; a version that is not known.
    pub fn parse(list: &[u8]) -> Result<Self, Broken> {
        let mut lines = lines(list).peekable();
        let header = lines.next_if(|(_, line)| line.starts_with(b"/"));
        let mut list = match header {
            None => Self::default(),
            Some((line, header)) => Self::begin(&header[1..]).ok_or(Broken {
                line,
                what: "a version, 1 to 3, and numbers are expected",
            })?,
        };
        for (line, text) in lines {
            let (file, message) = message(list.version, text).ok_or(Broken {
                line,
                what: "the name of a file and its numbers are expected",
            })?;
            list.last = list.last.max(message.uid.uid);
            list.messages.insert(name::base(file).into(), message);
        }
        Ok(list)
    }

    /// A list without messages, from what its first line says after the `/`.
    fn begin(header: &[u8]) -> Option<Self> {
        let mut words = header.split(|&octet| octet == b' ').map(number);
        let (version, next) = (words.next()??, words.next()??);
        let validity = match version {
            1 => 0,
            2 | 3 => words.next()??,
            _ => return None,
        };
        Some(Self {
            version: u8::try_from(version).ok()?,
            last: next.saturating_sub(1),
            validity,
            messages: HashMap::new(),
        })
    }

    /// Whether a message has a name. `base`: see [`name::base`].
    pub(super) fn knows(&self, base: &[u8]) -> bool {
        self.messages.contains_key(base)
    }

    /// Gives a message the next uid. `now`: seconds since 1970, for a list that has no validity yet.
    pub(super) fn add(&mut self, base: &str, measured: Measured, now: u64) {
        if self.validity == 0 {
            self.validity = now;
        }
        self.last = self.last.saturating_add(1);
        let message = Message {
            octets: measured.octets,
            uid: Uid {
                uid: self.last,
                validity: self.validity,
            },
            internationalised: measured.internationalised,
        };
        self.messages.insert(base.as_bytes().into(), message);
    }

    /// Forgets the messages that are not there any more.
    pub(super) fn retain(&mut self, is_there: impl Fn(&[u8]) -> bool) {
        self.messages.retain(|base, _| is_there(base));
    }

    /// The whole list, as Courier reads it today: in version 2, or 3 where it was that.
    pub(super) fn print(&self) -> Vec<u8> {
        let version = self.version.max(2);
        let (next, validity) = (self.last.saturating_add(1), self.validity);
        let mut out = format!("/{version} {next} {validity}\n").into_bytes();
        let mut messages: Vec<_> = self.messages.iter().collect();
        messages.sort_unstable_by(|(one, _), (other, _)| rank(one, other));
        for (base, message) in messages {
            let Uid { uid, validity } = message.uid;
            out.extend_from_slice(base);
            out.extend_from_slice(format!(" {} {uid}:{validity}", message.octets).as_bytes());
            if version == 3 {
                let flag = u8::from(message.internationalised);
                out.extend_from_slice(format!(":{flag}").as_bytes());
            }
            out.push(b'\n');
        }
        out
    }

    /// What Courier calls a message; none if it has not seen it. `base`: see [`name::base`].
    pub fn unique_id(&self, base: &[u8]) -> Option<UniqueId> {
        match self.messages.get(base)?.uid {
            Uid { uid: 0, .. } => UniqueId::new(escaped(base)),
            Uid { uid, validity: 0 } => UniqueId::new(format!("UID{uid}")),
            Uid { uid, validity } => UniqueId::new(format!("UID{uid}-{validity}")),
        }
    }
}

/// Courier's order: by the number that a name begins with, then by octets, of which the `:` before the flags
/// is one.
pub(super) fn rank(one: &[u8], other: &[u8]) -> Ordering {
    let octets = || one.iter().chain(b":").cmp(other.iter().chain(b":"));
    let numbers = leading_number(one).cmp(&leading_number(other));
    numbers.then_with(octets)
}

fn leading_number(name: &[u8]) -> u64 {
    let digits = name.iter().take_while(|octet| octet.is_ascii_digit());
    digits.fold(0, |number: u64, digit| {
        number
            .saturating_mul(10)
            .saturating_add((digit - b'0').into())
    })
}

/// A file's name, which may have spaces in it, and what the list says of it.
fn message(version: u8, line: &[u8]) -> Option<(&[u8], Message)> {
    let (rest, last) = rsplit_once(line, b' ')?;
    let (file, octets, numbers) = match version {
        0 => (rest, last, &b"0"[..]),
        _ => {
            let (file, octets) = rsplit_once(rest, b' ')?;
            (file, octets, last)
        }
    };
    let octets = number(octets).filter(|_| !file.is_empty())?;
    let mut parts = numbers.split(|&octet| octet == b':').map(number);
    let uid = parts.next()??;
    let validity = match version {
        0 | 1 => 0,
        _ => parts.next()??,
    };
    let internationalised = match version {
        3 => parts.next()?? != 0,
        _ => false,
    };
    let message = Message {
        octets,
        uid: Uid { uid, validity },
        internationalised,
    };
    parts.next().is_none().then_some((file, message))
}

fn rsplit_once(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = memchr::memrchr(at, text)?;
    Some((&text[..place], &text[place + 1..]))
}

fn escaped(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(name.len());
    for &octet in name {
        match octet {
            b'\'' | b'"' | b'+' => text.extend(format!("+{octet:02X}").bytes()),
            0x21..=0x7e => text.push(octet),
            _ => text.extend(format!("+{octet:02X}").bytes()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(list: &str, base: &str) -> Option<String> {
        let list = SizeList::parse(list.as_bytes()).unwrap();
        list.unique_id(base.as_bytes()).map(|id| id.to_string())
    }

    #[test]
    fn every_version_is_read() {
        for (list, id) in [
            ("1.M1P1.h:2,S 312\n", "1.M1P1.h"),
            ("/1 9\n1.M1P1.h 312 8\n", "UID8"),
            (
                "/2 9 1700000000\n1.M1P1.h 312 8:1699999999\n",
                "UID8-1699999999",
            ),
            (
                "/3 9 1700000000\n1.M1P1.h:2,S 312 8:1699999999:1\n",
                "UID8-1699999999",
            ),
            ("/3 9 1700000000\n1.M1P1.h 312 8:0:0\n", "UID8"),
            ("/3 9 1700000000\n1.M1P1.h 312 0:0:0\n", "1.M1P1.h"),
        ] {
            assert_eq!(named(list, "1.M1P1.h").as_deref(), Some(id), "{list}");
            assert_eq!(named(list, "2.M1P1.h"), None);
        }
    }

    #[test]
    fn a_name_may_have_spaces_and_is_escaped() {
        assert_eq!(
            named("1.a b+'\"\u{e9} 12\n", "1.a b+'\"\u{e9}").as_deref(),
            Some("1.a+20b+2B+27+22+C3+A9")
        );
        assert_eq!(
            named("/1 2\n1.a b 12 1\n", "1.a b").as_deref(),
            Some("UID1")
        );
    }

    #[test]
    fn a_line_without_an_end_is_being_written() {
        assert_eq!(named("/1 3\n1.a 12 1\n2.a 12 2", "2.a"), None);
        assert_eq!(named("", "1.a"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        for (list, line) in [
            ("/4 2 3\n", 1),
            ("/2 5\n", 1),
            ("/x\n", 1),
            ("/1 2\n1.a 12 1\n1.b 12\n", 3),
            ("/2 2 7\n1.a 12 1\n", 2),
            ("/3 2 7\n1.a 12 1:7\n", 2),
            ("/3 2 7\n1.a 12 1:7:0:0\n", 2),
            ("/3 2 7\n1.a 12 -1:7:0\n", 2),
            ("/3 2 7\n 12 1:7:0\n", 2),
            ("1.a twelve\n", 1),
            ("1.a 99999999999999999999\n", 1),
            ("\n", 1),
        ] {
            let found = SizeList::parse(list.as_bytes()).unwrap_err();
            assert_eq!(found.line, line, "{list}: {found}");
        }
    }

    #[test]
    fn courier_compares_octets_where_the_second_is_the_same() {
        assert_eq!(rank(b"1.M99P1.h", b"1.M123P1.h"), Ordering::Greater);
        assert_eq!(rank(b"9.a", b"10.a"), Ordering::Less);
        assert_eq!(rank(b"a", b"1.a"), Ordering::Less);
        assert_eq!(rank(b"1.a,S=5", b"1.a"), Ordering::Less);
        assert_eq!(rank(b"1.a", b"1.a"), Ordering::Equal);
    }
}
