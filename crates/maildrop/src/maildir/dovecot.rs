//! `dovecot-uidlist`, in which Dovecot keeps the uids of a Maildir's messages.
//!
//! Version 3 begins `3 V<validity> N<next uid> …`, and has a line for each message:
//! `<uid> <extensions> :<file>`. Each extension is a letter and a value; what POP3 needs of them is `P`, a
//! unique-id of its own (empty: the name of the file), `O`, its place among messages (those without one
//! come last, by uid), and `G`, its globally unique name. A file that Dovecot 1.0 or Courier's IMAP server wrote is
//! version 1: `1 <validity> <next uid>`, and then `<uid> <file>`.
//!
//! All other messages are called as `pop3_uidl_format` says ([`UidlFormat`]).

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use pop3::UniqueId;

use super::{Broken, lines, name, number};

/// What the file is called, beside `new/` and `cur/`.
pub const FILE: &str = "dovecot-uidlist";

/// The list, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UidList {
    version: u8,
    validity: u32,
    /// Less than any uid that is to come.
    last: u32,
    /// By the name of the file without its flags.
    messages: HashMap<Box<[u8]>, Message>,
    /// Unique-ids that two messages have: whoever knows one would never retrieve the other.
    ambiguous: HashSet<Box<[u8]>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Message {
    uid: u32,
    unique_id: Option<Box<[u8]>>,
    order: Option<u32>,
    guid: Option<Box<[u8]>>,
}

impl UidList {
    /// Reads the list.
    ///
    /// # Errors
    ///
    /// What Dovecot would call broken, too: another version, uids that do not grow, a line that is none.
    pub fn parse(list: &[u8]) -> Result<Self, Broken> {
        let mut lines = lines(list);
        let broken = |line, what| Broken { line, what };
        let (_, header) = lines
            .next()
            .ok_or_else(|| broken(1, "a header is missing"))?;
        let (version, validity, next) = match header.split_at_checked(2) {
            Some((b"1 ", rest)) => {
                let mut numbers = fields(rest).map(small);
                (1, numbers.next().flatten(), numbers.next().flatten())
            }
            Some((b"3 ", rest)) => {
                let find = |key| fields(rest).find_map(|field| value(field, key));
                (3, find(b'V').and_then(small), find(b'N').and_then(small))
            }
            _ => return Err(broken(1, "versions 1 and 3 are known")),
        };
        let validity = validity
            .filter(|&validity| validity > 0)
            .ok_or_else(|| broken(1, "a uid validity is missing"))?;
        let mut messages = HashMap::new();
        let (mut ids, mut ambiguous) = (HashSet::new(), HashSet::new());
        let mut before = 0;
        for (line, text) in lines {
            let (file, message) = match version {
                1 => plain(text),
                _ => extended(text),
            }
            .ok_or_else(|| broken(line, "a uid and the name of a file are expected"))?;
            if message.uid <= before {
                return Err(broken(line, "the uids do not grow"));
            }
            before = message.uid;
            if let Some(id) = message.unique_id.as_ref().filter(|id| !id.is_empty())
                && !ids.insert(id.clone())
            {
                ambiguous.insert(id.clone());
            }
            // A file that has come back has a line for each time; the last one counts.
            messages.insert(name::base(file).into(), message);
        }
        Ok(Self {
            version,
            validity,
            last: before.max(next.unwrap_or(1).saturating_sub(1)),
            messages,
            ambiguous,
        })
    }

    /// A list without messages, for a Maildir that has none.
    pub(super) fn new(validity: u32) -> Self {
        Self {
            version: VERSION,
            validity,
            last: 0,
            messages: HashMap::new(),
            ambiguous: HashSet::new(),
        }
    }

    /// Whether lines can be added to the file; else it must be written anew.
    pub(super) fn is_current(&self) -> bool {
        self.version == VERSION
    }

    /// Whether a message has a uid. `base`: see [`name::base`].
    pub(super) fn knows(&self, base: &[u8]) -> bool {
        self.messages.contains_key(base)
    }

    /// Gives a message the next uid, and appends its line. False if there is no uid left.
    pub(super) fn add(&mut self, base: &str, lines: &mut String) -> bool {
        let Some(uid) = small_enough(self.last.checked_add(1)) else {
            return false;
        };
        self.last = uid;
        let message = Message {
            uid,
            unique_id: None,
            order: None,
            guid: None,
        };
        lines.push_str(&format!("{uid} :{base}\n"));
        self.messages.insert(base.as_bytes().into(), message);
        true
    }

    /// The whole list, as it is written in the newest version. `guid`: 128 bits that name the mailbox.
    pub(super) fn print(&self, guid: u128) -> Vec<u8> {
        let (validity, next) = (self.validity, self.last.saturating_add(1));
        let mut out = format!("{VERSION} V{validity} N{next} G{guid:032x}\n").into_bytes();
        let mut messages: Vec<_> = self.messages.iter().collect();
        messages.sort_unstable_by_key(|(_, message)| message.uid);
        for (base, message) in messages {
            out.extend_from_slice(message.uid.to_string().as_bytes());
            let order = message.order.map(|order| order.to_string().into_bytes());
            let fields = [
                (b'P', message.unique_id.as_deref()),
                (b'O', order.as_deref()),
                (b'G', message.guid.as_deref()),
            ];
            for (key, value) in fields {
                if let Some(value) = value {
                    out.extend_from_slice(&[b' ', key]);
                    out.extend_from_slice(value);
                }
            }
            out.extend_from_slice(b" :");
            out.extend_from_slice(base);
            out.push(b'\n');
        }
        out
    }

    /// What Dovecot calls a message; none if it has not seen it. `base`: see [`name::base`].
    pub fn unique_id(&self, base: &[u8], format: &UidlFormat) -> Option<UniqueId> {
        let message = self.messages.get(base)?;
        match &message.unique_id {
            Some(id) if id.is_empty() => UniqueId::new(base),
            Some(id) => UniqueId::new(id),
            None => UniqueId::new(format.print(self.validity, message, base)),
        }
    }

    /// Whether two messages of the list have this unique-id.
    pub(super) fn is_ambiguous(&self, id: &UniqueId) -> bool {
        self.ambiguous.contains(id.as_bytes())
    }

    /// Dovecot's order: those with a place, those with a uid, and what it has not seen.
    pub(super) fn rank(&self, one: &[u8], other: &[u8]) -> Ordering {
        self.place(one).cmp(&self.place(other))
    }

    /// What that order compares.
    pub(super) fn place(&self, base: &[u8]) -> (u32, u32) {
        match self.messages.get(base) {
            Some(message) => (message.order.unwrap_or(u32::MAX), message.uid),
            None => (u32::MAX, u32::MAX),
        }
    }
}

/// The version that is written.
const VERSION: u8 = 3;

/// A number as uids are: less than 2^32 - 1.
fn small(digits: &[u8]) -> Option<u32> {
    small_enough(u32::try_from(number(digits)?).ok())
}

fn small_enough(number: Option<u32>) -> Option<u32> {
    number.filter(|&number| number < u32::MAX)
}

/// What is between spaces.
fn fields(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let fields = text.split(|&octet| octet == b' ');
    fields.filter(|field| !field.is_empty())
}

fn value(field: &[u8], key: u8) -> Option<&[u8]> {
    field.strip_prefix(&[key])
}

/// A line of version 1.
fn plain(line: &[u8]) -> Option<(&[u8], Message)> {
    let (file, message) = numbered(line)?;
    named(file, message)
}

/// A message with its uid, and the rest of the line.
fn numbered(line: &[u8]) -> Option<(&[u8], Message)> {
    let space = memchr::memchr(b' ', line)?;
    let message = Message {
        uid: small(&line[..space]).filter(|&uid| uid > 0)?,
        unique_id: None,
        order: None,
        guid: None,
    };
    Some((&line[space + 1..], message))
}

/// A line of version 3.
fn extended(line: &[u8]) -> Option<(&[u8], Message)> {
    let (mut rest, mut message) = numbered(line)?;
    loop {
        if let Some(file) = rest.strip_prefix(b":") {
            return named(file, message);
        }
        let end = memchr::memchr(b' ', rest)?;
        let field = &rest[..end];
        if let Some(id) = value(field, b'P') {
            message.unique_id = Some(id.into());
        } else if let Some(order) = value(field, b'O') {
            message.order = small(order);
        } else if let Some(guid) = value(field, b'G') {
            message.guid = Some(guid.into());
        }
        rest = &rest[end + 1..];
    }
}

fn named(file: &[u8], message: Message) -> Option<(&[u8], Message)> {
    let is_name = !file.is_empty() && !file.contains(&b'/');
    is_name.then_some((file, message))
}

/// Dovecot's setting `pop3_uidl_format`.
///
/// `%u` is the uid, `%v` the uid validity, `%f` the name of the file, `%g` the globally unique name, `%%` a
/// percent sign. `%Xu` is in hexadecimal digits, `%08Xu` in at least eight of them; every other modifier,
/// and `%m` (a hash of the header), is refused. Version 2.4 spells the default
/// `%{uid | hex(8)}%{uidvalidity | hex(8)}`, which is understood in this form only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UidlFormat(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(char),
    Number(Which, Digits),
    File,
    Guid,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    Uid,
    Validity,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Digits {
    hexadecimal: bool,
    least: usize,
}

/// A format that is not understood: where, counted in octets from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownFormat(pub usize);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(
            out,
            "what begins at octet {place} is not understood; known are %u, %v, %f, %g and %%, numbers also \
             like %Xu and %08Xu"
        )
    }
}

impl std::error::Error for UnknownFormat {}

impl Default for UidlFormat {
    /// `%08Xu%08Xv`, as Dovecot's is.
    fn default() -> Self {
        let digits = Digits {
            hexadecimal: true,
            least: 8,
        };
        Self(vec![
            Part::Number(Which::Uid, digits),
            Part::Number(Which::Validity, digits),
        ])
    }
}

impl FromStr for UidlFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        if text == "%{uid | hex(8)}%{uidvalidity | hex(8)}" {
            return Ok(Self::default());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let place = text.len() - rest.len();
            rest = &rest[letter.len_utf8()..];
            parts.push(match letter {
                '%' => variable(&mut rest).ok_or(UnknownFormat(place))?,
                letter => Part::Text(letter),
            });
        }
        Ok(Self(parts))
    }
}

impl UidlFormat {
    /// Whether it calls no two messages alike.
    pub fn is_unique(&self) -> bool {
        let tells =
            |part: &Part| matches!(part, Part::Number(Which::Uid, _) | Part::File | Part::Guid);
        self.0.iter().any(tells)
    }

    fn print(&self, validity: u32, message: &Message, base: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(letter) => text.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
                Part::Number(which, digits) => {
                    let number = match which {
                        Which::Uid => message.uid,
                        Which::Validity => validity,
                    };
                    text.extend(digits.print(number).bytes());
                }
                Part::File => text.extend_from_slice(base),
                Part::Guid => text.extend_from_slice(message.guid.as_deref().unwrap_or(base)),
            }
        }
        text
    }
}

impl Digits {
    fn print(self, number: u32) -> String {
        let least = self.least;
        match self.hexadecimal {
            true => format!("{number:0least$x}"),
            false => format!("{number:0least$}"),
        }
    }
}

/// What comes after a percent sign; takes it off the rest.
fn variable(rest: &mut &str) -> Option<Part> {
    let (least, after) = match rest.strip_prefix('0') {
        Some(padded) => {
            let end = padded.find(|letter: char| !letter.is_ascii_digit())?;
            let (digits, after) = padded.split_at(end);
            let least = digits.parse().ok();
            (
                least.filter(|least| (1..=DIGITS_MAX).contains(least))?,
                after,
            )
        }
        None => (0, *rest),
    };
    let (hexadecimal, after) = match after.strip_prefix('X') {
        Some(after) => (true, after),
        None => (false, after),
    };
    let is_plain = least == 0 && !hexadecimal;
    let digits = Digits { hexadecimal, least };
    let letter = after.chars().next()?;
    let part = match letter {
        'u' => Part::Number(Which::Uid, digits),
        'v' => Part::Number(Which::Validity, digits),
        'f' if is_plain => Part::File,
        'g' if is_plain => Part::Guid,
        '%' if is_plain => Part::Text('%'),
        _ => return None,
    };
    *rest = &after[letter.len_utf8()..];
    Some(part)
}

/// More digits no unique-id has room for.
const DIGITS_MAX: usize = UniqueId::OCTETS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "3 V1700000000 N12 G0123456789abcdef0123456789abcdef\n\
        3 :1.M1P1.h,S=4\n\
        5 W420 :2.M1P1.h:2,S\n\
        7 P :3.M1P1.h\n\
        8 Pold/id=8 O2 :4.M1P1.h\n\
        10 O1 G77 :5.M1P1.h with space\n";

    fn list() -> UidList {
        UidList::parse(LIST.as_bytes()).unwrap()
    }

    fn named(base: &str, format: &str) -> Option<String> {
        let format = format.parse().unwrap();
        let id = list().unique_id(base.as_bytes(), &format);
        id.map(|id| id.to_string())
    }

    #[test]
    fn a_message_is_called_by_the_format_or_by_a_name_of_its_own() {
        let usual = "%08Xu%08Xv";
        for (base, format, id) in [
            ("1.M1P1.h,S=4", usual, "000000036553f100"),
            ("2.M1P1.h", usual, "000000056553f100"),
            ("3.M1P1.h", usual, "3.M1P1.h"),
            ("4.M1P1.h", usual, "old/id=8"),
            ("5.M1P1.h with space", usual, "0000000a6553f100"),
            ("2.M1P1.h", "%v.%u", "1700000000.5"),
            ("2.M1P1.h", "UID%u-%v", "UID5-1700000000"),
            ("2.M1P1.h", "%f", "2.M1P1.h"),
            ("2.M1P1.h", "%g", "2.M1P1.h"),
            ("5.M1P1.h with space", "%g", "77"),
            ("2.M1P1.h", "%%%012u%Xv", "%0000000000056553f100"),
            (
                "2.M1P1.h",
                "%{uid | hex(8)}%{uidvalidity | hex(8)}",
                "000000056553f100",
            ),
        ] {
            assert_eq!(named(base, format).as_deref(), Some(id), "{base} {format}");
        }
        assert_eq!(named("6.M1P1.h", usual), None);
        // No unique-id may have a space in it.
        assert_eq!(named("5.M1P1.h with space", "%f"), None);
    }

    #[test]
    fn the_default_is_the_usual_format() {
        assert_eq!("%08Xu%08Xv".parse(), Ok(UidlFormat::default()));
    }

    #[test]
    fn formats_that_are_not_understood_are_refused_with_their_place() {
        for (format, place) in [
            ("%m", 0),
            ("a%Mf", 1),
            ("%u%", 2),
            ("%8u", 0),
            ("%08", 0),
            ("%0u", 0),
            ("%099u", 0),
            ("%08Xf", 0),
            ("\u{e9}%{uid}", 2),
        ] {
            assert_eq!(
                format.parse::<UidlFormat>(),
                Err(UnknownFormat(place)),
                "{format}"
            );
        }
    }

    #[test]
    fn places_come_first_then_uids_then_what_is_not_listed() {
        let list = list();
        let mut names = [
            "0.new",
            "3.M1P1.h",
            "2.M1P1.h",
            "4.M1P1.h",
            "1.M1P1.h,S=4",
            "5.M1P1.h with space",
            "9.new",
        ];
        names.sort_by(|one, other| list.rank(one.as_bytes(), other.as_bytes()));
        assert_eq!(
            names,
            [
                "5.M1P1.h with space",
                "4.M1P1.h",
                "1.M1P1.h,S=4",
                "2.M1P1.h",
                "3.M1P1.h",
                "0.new",
                "9.new",
            ]
        );
    }

    #[test]
    fn version_1_is_read_and_a_file_that_came_back_has_its_last_uid() {
        let list = UidList::parse(b"1 1700000000 9\n3 1.a\n5 2.b:2,S\n7 1.a\n8 3.c").unwrap();
        let id = |base| list.unique_id(base, &UidlFormat::default());
        assert_eq!(id(b"1.a"), UniqueId::new("000000076553f100"));
        assert_eq!(id(b"2.b"), UniqueId::new("000000056553f100"));
        assert_eq!(id(b"3.c"), None, "the line has no end");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_line() {
        for (list, line) in [
            ("", 1),
            ("3 V1 N2", 1),
            ("2 1 2\n", 1),
            ("3 N2\n", 1),
            ("3 V0 N2\n", 1),
            ("1 x 2\n", 1),
            ("3 V1 N9\n2 :a\n2 :b\n", 3),
            ("3 V1 N9\n0 :a\n", 2),
            ("3 V1 N9\n4294967295 :a\n", 2),
            ("3 V1 N9\n1 W2\n", 2),
            ("3 V1 N9\n1 :\n", 2),
            ("3 V1 N9\n1 :../a\n", 2),
            ("1 1 9\n1 a\nb\n", 3),
        ] {
            let found = UidList::parse(list.as_bytes()).unwrap_err();
            assert_eq!(found.line, line, "{list}: {found}");
        }
    }
}
