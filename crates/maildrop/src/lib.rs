//! Where messages wait: maildrop back ends.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use pop3::{Deletions, MessageNumber, Octets, Part, ScanListing, UniqueId};

/// Which maildrop: random, never derived from a user's name (storage format A2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MaildropId(pub u64);

impl fmt::Display for MaildropId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Not 16 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("a maildrop id is 16 hexadecimal digits")]
pub struct NotAMaildropId;

impl FromStr for MaildropId {
    type Err = NotAMaildropId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.len() {
            16 => u64::from_str_radix(text, 16)
                .map(Self)
                .map_err(|_| NotAMaildropId),
            _ => Err(NotAMaildropId),
        }
    }
}

/// Why a maildrop could not be opened. Each variant is one POP3 response code.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another session holds it: `[IN-USE]` (RFC 2449 §8.1.2).
    #[error("maildrop is in use by another session")]
    InUse,
    /// May pass by itself: `[SYS/TEMP]` (RFC 3206 §4).
    #[error("maildrop store is unavailable")]
    Unavailable(#[source] io::Error),
    /// Needs an operator: `[SYS/PERM]` (RFC 3206 §4).
    #[error("maildrop is damaged: {0}")]
    Damaged(String),
}

/// Why a message was not delivered; nothing of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// May pass by itself (disk full, I/O error): LMTP 4.3.x, EX_TEMPFAIL.
    #[error("maildrop store is unavailable")]
    Unavailable(#[source] io::Error),
    /// The disk is full: LMTP 452 4.3.1, EX_TEMPFAIL.
    #[error("no space left for the message")]
    NoSpace(#[source] io::Error),
    /// Needs an operator: LMTP 4.3.0 (the message waits at the sender), EX_TEMPFAIL.
    #[error("maildrop is damaged: {0}")]
    Damaged(String),
}

/// Why a session's deletions were not committed; none of them is then.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// `[SYS/TEMP]`: nothing was deleted.
    #[error("maildrop store is unavailable")]
    Unavailable(#[source] io::Error),
}

/// Why the text of a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// `[SYS/TEMP]`.
    #[error("maildrop store is unavailable")]
    Unavailable(#[source] io::Error),
    /// A checksum or a length is wrong: `[SYS/PERM]`.
    #[error("message {number} is damaged: {what}")]
    Damaged {
        /// Which message of the session.
        number: MessageNumber,
        /// What is wrong with it, for the log.
        what: String,
    },
}

/// What is known of a text from the way it came in, so that nobody ever has to read it again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Measure {
    /// Octets as RFC 1939 §11 counts them (CRLF, not stuffed).
    pub octets: u64,
    /// Number of stuffed dots.
    pub stuffed: u32,
    /// Octets of the stored form up to and including the blank line; all of them if there is none.
    pub header_octets: u64,
    /// What the text holds.
    pub flags: u8,
}

/// Bits of [`Measure::flags`] (storage format A2, flags of MSG).
pub mod flags {
    /// An octet ≥ 0x80 in the header.
    pub const HEADER_8BIT: u8 = 1;
    /// An octet ≥ 0x80 in the body.
    pub const BODY_8BIT: u8 = 2;
    /// A NUL.
    pub const NUL: u8 = 4;
    /// A CR that no LF follows.
    pub const BARE_CR: u8 = 8;
}

/// A text on its way in, in stored wire form: in memory up to 256 KiB, then in an unnamed file of
/// the store's own file system. One draft can be delivered to many maildrops.
pub struct Draft {}

impl Draft {
    /// Appends octets of the stored form.
    ///
    /// # Errors
    ///
    /// When the unnamed file cannot be made or written.
    pub fn append(&mut self, _stored: &[u8]) -> Result<(), DeliverError> {
        todo!()
    }
    /// Octets so far.
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is written beside the text.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// Whole header lines with CRLF that come before the text (Return-Path, Delivered-To, Received).
    pub prefix: Vec<u8>,
    /// Envelope sender, if it is known (empty: the null sender).
    pub sender: Option<Vec<u8>>,
    /// When the message came in, µs since 1970; none: now.
    pub received_us: Option<i64>,
    /// Unique-id that the message had elsewhere; none: our own.
    pub unique_id: Option<UniqueId>,
    /// Where it comes from (an imported file's name), for people.
    pub origin: Option<Vec<u8>>,
}

/// A message that is durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivered {
    /// Number within the maildrop that is never used again.
    pub uid: u64,
    /// Unique-id as UIDL will show it.
    pub unique_id: UniqueId,
    /// Size as LIST will show it, prefix included.
    pub octets: Octets,
}

/// Settings of the native store.
#[derive(Clone, Debug)]
pub struct NativeSettings {
    /// Whether tmpfs and the like may hold mail (design decision 20).
    pub allow_volatile: bool,
}

/// All maildrops of a back end. Cheap to clone. Every method blocks: call it where that is allowed.
#[derive(Clone)]
pub enum Maildrops {
    /// In memory, gone with the process; what tests use.
    Memory(()),
    /// One append-only file a maildrop below a directory.
    Native(()),
}

impl Maildrops {
    /// Maildrops in memory.
    pub fn memory() -> Self {
        todo!()
    }
    /// The native store below `data` (made if it is not there).
    ///
    /// # Errors
    ///
    /// When the directory cannot be made or used.
    pub fn native(_data: &Path, _settings: &NativeSettings) -> io::Result<Self> {
        todo!()
    }
    /// A draft in this back end's file system.
    pub fn draft(&self) -> Draft {
        todo!()
    }
    /// Puts a message at the end of a maildrop; when this returns, the message is durable.
    /// `measure` is of the draft's text, without the prefix. `account` names the drop in a file
    /// made now, so that a lost account database can be rebuilt.
    ///
    /// # Errors
    ///
    /// See [`DeliverError`]; nothing is visible then.
    pub fn deliver(
        &self,
        _id: MaildropId,
        _account: &str,
        _draft: &mut Draft,
        _measure: &Measure,
        _envelope: &Envelope,
    ) -> Result<Delivered, DeliverError> {
        todo!()
    }
    /// Takes the session lock, without waiting, and a snapshot. A maildrop without a file is empty.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(&self, _id: MaildropId) -> Result<OpenMaildrop, OpenError> {
        todo!()
    }
}

/// A maildrop that this session holds. Dropping it deletes nothing and frees the lock.
pub struct OpenMaildrop {}

impl OpenMaildrop {
    /// Sizes and unique-ids as they were at `open`.
    pub fn listing(&self) -> ScanListing {
        todo!()
    }
    /// A part of a message, to be read chunk by chunk. Touches no disk.
    ///
    /// # Errors
    ///
    /// When the message is known to be damaged, or there is none of that number.
    pub fn text(&self, _number: MessageNumber, _part: Part) -> Result<Text, TextError> {
        todo!()
    }
    /// Deletes durably, all or nothing, and ends the session. Returns the messages of this
    /// session's listing that stay.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; nothing is deleted then.
    pub fn commit(self, _deletions: &Deletions) -> Result<usize, CommitError> {
        todo!()
    }
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// Only what the page cache holds; else [`Progress::Cold`].
    CacheOnly,
    /// Wait for the disk; only on a thread that may block.
    Wait,
}

/// How far a text is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Octets were appended; there is more.
    More,
    /// Octets may have been appended; this was the end.
    End,
    /// Nothing was appended: the page cache does not hold it. Read again with [`Patience::Wait`].
    Cold,
}

/// A part of a message on its way out, in stored wire form, without the terminator line. Holds
/// what it needs, so it can be moved to another thread and outlive a borrow of the maildrop.
pub struct Text {}

impl Text {
    /// Appends the next chunk, at most 64 KiB, every octet of it verified.
    ///
    /// # Errors
    ///
    /// See [`TextError`]; nothing unverified is appended.
    pub fn read(&mut self, _out: &mut Vec<u8>, _patience: Patience) -> Result<Progress, TextError> {
        todo!()
    }
}
