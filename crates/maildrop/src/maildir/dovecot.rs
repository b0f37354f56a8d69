//! `dovecot-uidlist`, in which Dovecot keeps the uids of a Maildir's messages.
//!
//! Version 3 begins `3 V<validity> N<next uid> …`, and has a line for each message:
//! `<uid> <extensions> :<file>`. Each extension is a letter and a value; what POP3 needs of them is `P`, a
//! unique-id of its own (empty: the name of the file), `O`, its place among messages (those without one
//! come last, by uid), and `G`, its globally unique name. A file that Dovecot 1.0 or Courier's IMAP server wrote is
//! version 1: `1 <validity> <next uid>`, and then `<uid> <file>`.
//!
//! All other messages are called as `pop3_uidl_format` says ([`UidlFormat`]).

mod format;

use std::cmp::Ordering;
use std::collections::HashSet;

use pop3::UniqueId;

use super::table::Table;
use super::{Broken, lines, name, number, push_number};

pub use format::{UidlFormat, UnknownFormat};

/// What the file is called, beside `new/` and `cur/`.
pub const FILE: &str = "dovecot-uidlist";

/// The list, read.
#[derive(Clone, Debug)]
pub struct UidList {
    version: u8,
    validity: u32,
    /// Less than any uid that is to come.
    last: u32,
    /// The names of all files without their flags, one after the other.
    names: Vec<u8>,
    /// By uid. Of several with the same name the last one counts.
    messages: Vec<Message>,
    by_name: Table,
    /// Whether some message has a unique-id of its own.
    has_own: bool,
    /// Unique-ids that two messages have: whoever knows one would never retrieve the other.
    ambiguous: HashSet<Box<[u8]>>,
}

#[derive(Clone, Debug)]
struct Message {
    /// 0: another message has its name.
    uid: u32,
    order: Option<u32>,
    /// Where its name begins; it ends where the next one's does.
    name: usize,
    /// Elsewhere, since hardly any message has one.
    own: Option<Box<Own>>,
}

/// What a message is called instead of by its uid.
#[derive(Clone, Debug, Default)]
struct Own {
    unique_id: Option<Box<[u8]>>,
    guid: Option<Box<[u8]>>,
}

impl Message {
    fn unique_id(&self) -> Option<&[u8]> {
        self.own.as_ref()?.unique_id.as_deref()
    }

    fn guid(&self) -> Option<&[u8]> {
        self.own.as_ref()?.guid.as_deref()
    }
}

/// The name of a message, of all that a list has.
fn name_at<'n>(names: &'n [u8], messages: &[Message], place: usize) -> &'n [u8] {
    let end = messages.get(place + 1).map(|message| message.name);
    &names[messages[place].name..end.unwrap_or(names.len())]
}

/// Most lines of a list: its owner could make as many as fill our memory.
const LINES_MAX: usize = 4_000_000;
/// For so many messages room is made before they are read.
const ROOM: usize = 150_000;

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
        let count = memchr::memchr_iter(b'\n', list).count();
        if count > LINES_MAX {
            return Err(broken(
                LINES_MAX,
                "it has more lines than any Maildir has messages",
            ));
        }
        // Empty lines are cheap to write, and room for messages is not.
        let room = count.min(ROOM);
        let mut read = Self {
            version,
            names: Vec::with_capacity(list.len()),
            messages: Vec::with_capacity(room),
            by_name: Table::with_capacity(room),
            ..Self::new(validity)
        };
        let mut ids: HashSet<Box<[u8]>> = HashSet::new();
        for (line, text) in lines {
            let (file, message) = match version {
                1 => plain(text),
                _ => extended(text),
            }
            .ok_or_else(|| broken(line, "a uid and the name of a file are expected"))?;
            if message.uid <= read.last {
                return Err(broken(line, "the uids do not grow"));
            }
            read.last = message.uid;
            read.has_own |= message.unique_id().is_some();
            if let Some(id) = message.unique_id().filter(|id| !id.is_empty())
                && !ids.insert(id.into())
            {
                read.ambiguous.insert(id.into());
            }
            read.push(name::base(file), message);
        }
        read.last = read.last.max(next.unwrap_or(1).saturating_sub(1));
        Ok(read)
    }

    /// A list without messages, for a Maildir that has none.
    pub(super) fn new(validity: u32) -> Self {
        Self {
            version: VERSION,
            validity,
            last: 0,
            names: Vec::new(),
            messages: Vec::new(),
            by_name: Table::default(),
            has_own: false,
            ambiguous: HashSet::new(),
        }
    }

    /// Whether lines can be added to the file; else it must be written anew.
    pub(super) fn is_current(&self) -> bool {
        self.version == VERSION
    }

    /// How many lines there are: the place of the next message.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// A message's place in the list; none if Dovecot has not seen it. `base`: see [`name::base`].
    pub(super) fn find(&self, base: &[u8]) -> Option<usize> {
        let name_at = |place| name_at(&self.names, &self.messages, place);
        self.by_name.find(base, name_at)
    }

    /// The same, of a message that is at a place if it is as it mostly is.
    pub(super) fn find_near(&self, base: &[u8], place: usize) -> Option<usize> {
        let message = self.messages.get(place).filter(|message| message.uid > 0);
        match message {
            Some(_) if self.base(place) == base => Some(place),
            _ => self.find(base),
        }
    }

    /// Gives a message the next uid; its place in the list. None if there is no uid left.
    pub(super) fn add(&mut self, base: &str) -> Option<usize> {
        self.last = small_enough(self.last.checked_add(1))?;
        let message = Message::new(self.last);
        self.push(base.as_bytes(), message);
        self.messages.len().checked_sub(1)
    }

    fn push(&mut self, base: &[u8], mut message: Message) {
        let place = self.messages.len();
        message.name = self.names.len();
        self.names.extend_from_slice(base);
        self.messages.push(message);
        let name_at = |place| name_at(&self.names, &self.messages, place);
        // A file that has come back has a line for each time; the last one counts.
        if let Some(before) = self.by_name.insert(base, place, name_at) {
            self.messages[before].uid = 0;
        }
    }

    /// The whole list, as it is written in the newest version. `guid`: 128 bits that name the mailbox.
    pub(super) fn print(&self, guid: u128) -> Vec<u8> {
        let (validity, next) = (self.validity, self.last.saturating_add(1));
        let mut out = Vec::with_capacity(self.names.len() + self.messages.len() * LINE_OCTETS);
        out.extend(format!("{VERSION} V{validity} N{next} G{guid:032x}\n").bytes());
        self.print_lines(0, &mut out);
        out
    }

    /// Appends the lines from a place on.
    pub(super) fn print_lines(&self, from: usize, out: &mut Vec<u8>) {
        for place in from..self.messages.len() {
            let (base, message) = (self.base(place), &self.messages[place]);
            if message.uid == 0 {
                continue;
            }
            push_number(message.uid.into(), out);
            if let Some(id) = message.unique_id() {
                out.extend_from_slice(b" P");
                out.extend_from_slice(id);
            }
            if let Some(order) = message.order {
                out.extend_from_slice(b" O");
                push_number(order.into(), out);
            }
            if let Some(guid) = message.guid() {
                out.extend_from_slice(b" G");
                out.extend_from_slice(guid);
            }
            out.extend_from_slice(b" :");
            out.extend_from_slice(base);
            out.push(b'\n');
        }
    }

    fn base(&self, place: usize) -> &[u8] {
        name_at(&self.names, &self.messages, place)
    }

    /// What Dovecot calls a message; none if it has not seen it. `base`: see [`name::base`].
    pub fn unique_id(&self, base: &[u8], format: &UidlFormat) -> Option<UniqueId> {
        self.unique_id_at(self.find(base)?, format)
    }

    /// The same, of the message at a place.
    pub(super) fn unique_id_at(&self, place: usize, format: &UidlFormat) -> Option<UniqueId> {
        let (base, message) = (self.base(place), &self.messages[place]);
        match message.unique_id() {
            Some([]) => UniqueId::new(base),
            Some(id) => UniqueId::new(id),
            None => {
                let guid = message.guid().unwrap_or(base);
                UniqueId::new(format.print(message.uid, self.validity, base, guid))
            }
        }
    }

    /// Whether all messages are called as the format says.
    pub(super) fn are_all_numbered(&self) -> bool {
        !self.has_own
    }

    /// Whether two messages of the list have this unique-id.
    pub(super) fn is_ambiguous(&self, id: &UniqueId) -> bool {
        self.ambiguous.contains(id.as_bytes())
    }

    /// Dovecot's order: those with a place, those with a uid, and what it has not seen.
    pub(super) fn rank(&self, one: &[u8], other: &[u8]) -> Ordering {
        let key = |base| self.rank_at(self.find(base));
        key(one).cmp(&key(other))
    }

    /// What that order compares, of the message at a place.
    pub(super) fn rank_at(&self, place: Option<usize>) -> (u32, u32) {
        match place.map(|place| &self.messages[place]) {
            Some(message) => (message.order.unwrap_or(u32::MAX), message.uid),
            None => (u32::MAX, u32::MAX),
        }
    }
}

impl Message {
    /// One that has no name yet.
    fn new(uid: u32) -> Self {
        Self {
            uid,
            order: None,
            name: 0,
            own: None,
        }
    }

    fn own(&mut self) -> &mut Own {
        self.own.get_or_insert_default()
    }
}

/// Octets of a line beside the name, as most are.
const LINE_OCTETS: usize = 10;

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
    let uid = small(&line[..space]).filter(|&uid| uid > 0)?;
    Some((&line[space + 1..], Message::new(uid)))
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
            message.own().unique_id = Some(id.into());
        } else if let Some(order) = value(field, b'O') {
            message.order = small(order);
        } else if let Some(guid) = value(field, b'G') {
            message.own().guid = Some(guid.into());
        }
        rest = &rest[end + 1..];
    }
}

fn named(file: &[u8], message: Message) -> Option<(&[u8], Message)> {
    let is_name = !file.is_empty() && memchr::memchr(b'/', file).is_none();
    is_name.then_some((file, message))
}

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

    #[test]
    fn a_list_of_empty_lines_costs_no_memory() {
        for (lines, what) in [
            (1_000_000, "a uid and the name of a file are expected"),
            (
                LINES_MAX + 1,
                "it has more lines than any Maildir has messages",
            ),
        ] {
            let list = [&b"3 V1 N1\n"[..], &vec![b'\n'; lines]].concat();
            let broken = UidList::parse(&list).err();
            assert_eq!(broken.map(|broken| broken.what), Some(what));
        }
    }
}
