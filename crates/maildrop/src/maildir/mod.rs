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
mod known;
pub mod name;
mod numbering;
mod open;
mod scan;
mod session;
mod sizes;
mod store;

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
    let whole = memchr::memrchr(b'\n', list).map_or(0, |end| end + 1);
    let lines = list[..whole].split_inclusive(|&octet| octet == b'\n');
    (1..).zip(lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line)))
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
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}
