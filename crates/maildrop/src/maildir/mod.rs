//! Maildirs as other programs keep them: what a file's name says, and the lists in which Dovecot and
//! Courier remember the unique-ids of their POP3 servers.
//!
//! A client that has retrieved a message knows it again by its unique-id, so whoever takes a Maildir
//! over from another server must name each message as that server did, and number them in its order
//! ([`Names`]). The rules were read off the servers' own sources and answers; the tests
//! of `interop/` hold them against the servers.

pub mod courier;
pub mod dovecot;
pub mod name;

use std::cmp::Ordering;
use std::fmt;

use pop3::UniqueId;

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

/// A decimal number, and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}
