//! Why a measurement is worth nothing.

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

use pop3::MessageNumber;

/// Why a measurement is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Not an address.
    #[error("{0} is no host:port that can be resolved")]
    Address(String),
    /// Not a server's name.
    #[error("{0} is no name that a certificate can have")]
    ServerName(String),
    /// Only a server on 127.0.0.0/8 can be reached from several addresses of this machine.
    #[error("{0} is not on 127.0.0.0/8: it cannot be reached from several loopback addresses")]
    NotLoopback(String),
    /// The file of trusted certificates is of no use.
    #[error("{}: {why}", file.display())]
    Roots {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The connection failed.
    #[error("connection to the server failed: {0}")]
    Connection(#[from] io::Error),
    /// The server does not speak POP3.
    #[error("{0}")]
    Broken(#[from] pop3::client::Broken),
    /// A name or password that no line can carry.
    #[error("user name or password cannot be sent: {0}")]
    NotALine(#[from] pop3::NotALine),
    /// The server said `-ERR`, or a code of LMTP that is no success.
    #[error("server refused {command}: {status}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// What it said.
        status: String,
    },
    /// The server's answer does not agree with itself, or with the mail that it was given.
    #[error("server gave a wrong answer: {0}")]
    Wrong(String),
    /// The process to measure is not there, or not ours to look at.
    #[error("process {0} cannot be measured: it is gone, or belongs to somebody else")]
    NoProcess(i32),
    /// The control group to measure is not there, or has no account of CPU time.
    #[error("control group {} cannot be measured: {why}", directory.display())]
    NoGroup {
        /// Its directory.
        directory: PathBuf,
        /// What is missing.
        why: String,
    },
    /// There is no message to retrieve.
    #[error("the maildrop of {0} is empty: there is nothing to retrieve")]
    Empty(String),
    /// What was measured before cannot be compared.
    #[error("{}: {why}", file.display())]
    NotAReport {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The corpus cannot be written.
    #[error("{} cannot be written: {why}", place.display())]
    Unwritten {
        /// Which file or directory.
        place: PathBuf,
        /// Why not.
        why: io::Error,
    },
}

impl BenchError {
    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    /// Says which message a wrong answer was about.
    pub(crate) fn about(self, number: MessageNumber, user: impl Display) -> Self {
        match self {
            Self::Wrong(what) => Self::Wrong(format!("message {number} of {user}: {what}")),
            other => other,
        }
    }
}
