//! Maildirs as other programs keep them: what a file's name says, the lists in which Dovecot and
//! Courier remember the unique-ids of their POP3 servers, and a back end that serves and delivers in
//! place, beside those programs ([`Maildirs`]).
//!
//! A client that has retrieved a message knows it again by its unique-id, so whoever takes a Maildir
//! over from another server must name each message as that server did, and number them in its order
//! ([`Names`]). The rules were read off the servers' own sources and answers; the tests
//! of `interop/` hold them against the servers.

pub mod courier;
mod deliver;
pub mod dovecot;
pub mod name;
mod numbering;
mod open;
mod scan;
mod session;
mod sizes;
mod state;
mod store;
mod table;

use std::cmp::Ordering;
use std::{fmt, io};

use pop3::UniqueId;

use crate::native::media::{Disk, File};

pub use numbering::UniqueIds;
pub use session::{Session, Text};
pub use store::{MaildirSettings, Maildirs};

/// How messages of a Maildir are called, and in which order they come.
#[derive(Clone, Debug)]
pub enum Names {
    /// As Dovecot calls them: by its list, or by the format where that has no name for a message.
    Dovecot(dovecot::UidList, dovecot::UidlFormat),
    /// As Courier calls them.
    Courier(courier::SizeList),
    /// By their files, up to the flags: as qmail-pop3d, and whoever keeps no list.
    Files,
    /// In no way that is known elsewhere.
    Unknown,
}

impl Names {
    /// How a message is called whose file has this name. None if it has no name yet, or one that is no
    /// unique-id (RFC 1939 §7).
    pub fn unique_id(&self, file: &[u8]) -> Option<UniqueId> {
        let base = name::base(file);
        match self {
            Self::Dovecot(list, format) => list.unique_id(base, format),
            Self::Courier(list) => list.unique_id(base),
            Self::Files => UniqueId::new(base),
            Self::Unknown => None,
        }
    }

    /// Whether a list gives this unique-id to two messages. Whoever knows one of them would never retrieve the
    /// other, and once one is deleted nobody could tell which it was.
    fn is_ambiguous(&self, id: &UniqueId) -> bool {
        matches!(self, Self::Dovecot(list, _) if list.is_ambiguous(id))
    }

    /// Whether no two messages can have the same unique-id, whatever is in the list.
    fn are_distinct(&self) -> bool {
        matches!(self, Self::Dovecot(list, format) if list.are_all_numbered() && format.is_numbers())
    }

    /// Which of two files' messages comes first; neither, if that is said by the time of their arrival.
    pub fn rank(&self, one: &[u8], other: &[u8]) -> Ordering {
        let (one, other) = (name::base(one), name::base(other));
        match self {
            Self::Dovecot(list, _) => list.rank(one, other),
            Self::Courier(_) => courier::rank(one, other),
            Self::Files | Self::Unknown => Ordering::Equal,
        }
    }
}

/// A list that makes no sense. Its unique-ids cannot be kept, so it is no reason to go on without.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Broken {}

/// The lines of a list with their numbers. What has no end is still being written.
fn lines(list: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', list);
    (1..).zip(ends.map(move |end| &list[std::mem::replace(&mut from, end + 1)..end]))
}

/// All of a file that is a list.
///
/// # Errors
///
/// What the file system says; `FileTooLarge` where nobody would have made it so large.
fn read_all<D: Disk>(disk: &D, path: &str) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let len = file.stat()?.len;
    if len > LIST_OCTETS_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut octets = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = file.read_at(&mut octets, 0)?;
    octets.truncate(read);
    Ok(octets)
}

/// Two million messages.
const LIST_OCTETS_MAX: u64 = 256 << 20;

/// A decimal number, and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        number = number.checked_mul(10).filter(|_| value < 10)?;
        number = number.checked_add(value.into())?;
    }
    (!digits.is_empty()).then_some(number)
}

/// Appends a decimal number.
fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        // Less than 10.
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break out.extend_from_slice(&digits[start..]);
        }
    }
}
