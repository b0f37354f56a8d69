//! What can go wrong, split by what the caller does about it.

use std::io;

use pop3::MessageNumber;

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
    /// May pass by itself (I/O error): LMTP 4.3.x, EX_TEMPFAIL.
    #[error("maildrop store is unavailable")]
    Unavailable(#[source] io::Error),
    /// The disk is full: LMTP 452 4.3.1, EX_TEMPFAIL.
    #[error("no space left for the message")]
    NoSpace(#[source] io::Error),
    /// The maildrop would hold more than it may: LMTP 452 4.2.2 or 552 5.2.2 (RFC 3463 §3.3).
    #[error("maildrop is full")]
    OverQuota,
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

/// Why a maildrop's file could not be used at all; the public errors are made of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The maildrop has no file yet: it is empty.
    #[error("maildrop has no file")]
    Missing,
    /// The disk said no.
    #[error("maildrop store is unavailable: {0}")]
    Io(#[from] io::Error),
    /// The file is not what it should be.
    #[error("maildrop is damaged: {0}")]
    Damaged(String),
}

/// Whether the disk (or the user's share of it) is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

impl From<io::Error> for DeliverError {
    fn from(error: io::Error) -> Self {
        match is_full(&error) {
            true => Self::NoSpace(error),
            false => Self::Unavailable(error),
        }
    }
}

impl From<StoreError> for DeliverError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => Self::Unavailable(io::ErrorKind::NotFound.into()),
            StoreError::Io(error) => error.into(),
            StoreError::Damaged(what) => Self::Damaged(what),
        }
    }
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Unavailable(error)
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => Self::Unavailable(io::ErrorKind::NotFound.into()),
            StoreError::Io(error) => Self::Unavailable(error),
            StoreError::Damaged(what) => Self::Damaged(what),
        }
    }
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(match error {
            StoreError::Missing => io::ErrorKind::NotFound.into(),
            StoreError::Io(error) => error,
            StoreError::Damaged(what) => io::Error::new(io::ErrorKind::InvalidData, what),
        })
    }
}

impl From<OpenError> for DeliverError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse => io::Error::from(io::ErrorKind::ResourceBusy).into(),
            OpenError::Unavailable(error) => error.into(),
            OpenError::Damaged(what) => Self::Damaged(what),
        }
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::InUse => io::ErrorKind::ResourceBusy.into(),
            OpenError::Unavailable(error) => error,
            OpenError::Damaged(what) => Self::new(io::ErrorKind::InvalidData, what),
        }
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => io::ErrorKind::NotFound.into(),
            StoreError::Io(error) => error,
            StoreError::Damaged(what) => Self::new(io::ErrorKind::InvalidData, what),
        }
    }
}
