//! What is told of a session: while it goes on, and at its end.

use std::path::PathBuf;
use std::time::Duration;

use pop3::{MessageNumber, Octets};

use crate::error::ClientError;
use crate::ledger::{Key, LedgerError};
use crate::memory::Memory;

/// What happens in a session.
#[derive(Clone, Debug)]
pub enum Event {
    /// The server has let us in.
    LoggedIn {
        /// Whether octets travel inside TLS.
        inside_tls: bool,
    },
    /// What is remembered of the server for the next session.
    Learned(Memory),
    /// What will be done.
    Planned(Planned),
    /// A message is where it should be.
    Delivered {
        /// What tells it from others.
        key: Key,
        /// Its size.
        octets: Octets,
        /// Where it is, in the words of the ledger.
        destinations: Vec<String>,
    },
    /// Octets have come of a message.
    Received(Octets),
    /// A destination did not take a message, which stays on the server.
    Refused {
        /// What tells it from others.
        key: Key,
        /// Its number in this session.
        number: MessageNumber,
        /// What was said.
        why: String,
    },
    /// The server did not give a message.
    NotGiven {
        /// Its number in this session.
        number: MessageNumber,
        /// What was said.
        why: String,
    },
    /// The server does not answer in order what is sent ahead; from now on each message is asked for alone.
    OutOfStep,
    /// A message that may be there already is delivered again: the last session was stopped while it was handed over.
    InDoubt {
        /// What tells it from others.
        key: Key,
        /// Where it may be there twice.
        destination: String,
    },
    /// The connection ended, or fell silent, where this message was due.
    BrokeAt(Key),
    /// The server has deleted so many messages.
    Deleted(usize),
    /// Something that its owner should know.
    Note(String),
}

/// What a session will do, or would.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Planned {
    /// Messages on the server.
    pub listed: usize,
    /// Messages that are fetched, and their sizes.
    pub fetch: Vec<(MessageNumber, Key, Octets)>,
    /// Messages that are deleted, for they were fetched before or a rule says so.
    pub delete: Vec<(MessageNumber, Key)>,
    /// Messages that are too large and stay.
    pub too_large: Vec<(MessageNumber, Key, Octets)>,
    /// Messages that stay because a rule says so.
    pub skipped: usize,
    /// Messages that will be fetched by later sessions.
    pub later: usize,
    /// Messages that are older than was asked for, and stay without a note.
    pub older: usize,
    /// Messages that were asked for by name, and were delivered before: when, in seconds since 1970.
    pub had: Vec<(MessageNumber, Key, i64)>,
}

impl Planned {
    /// The octets that are fetched.
    pub fn octets(&self) -> Octets {
        let octets = self.fetch.iter().map(|(_, _, octets)| octets.0);
        // A server may say anything.
        Octets(octets.fold(0, u64::saturating_add))
    }
}

/// What came of a session.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Messages that were fetched.
    pub new: usize,
    /// Their octets.
    pub octets: u64,
    /// Messages that the server has deleted.
    pub deleted: usize,
    /// Messages that a destination refused, or that the server did not give.
    pub refused: usize,
    /// Messages that are too large and stay.
    pub too_large: usize,
    /// Messages that are older than was asked for, and stay.
    pub older: usize,
    /// Messages that are on the server now.
    pub left: usize,
    /// How long it took.
    pub took: Duration,
    /// How long the server wants to be left alone between two logins; none: it does not say.
    pub login_delay: Option<Duration>,
}

/// Why a session did not come to its end. What was fetched before is fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server, or the way to it.
    #[error("{0}")]
    Server(#[from] ClientError),
    /// Where mail should go.
    #[error("{destination}: {why}")]
    Destination {
        /// Which.
        destination: String,
        /// What is wrong.
        why: String,
        /// Whether it may pass by itself.
        may_pass: bool,
    },
    /// Where mail should go, and somebody must log in there, or with the provider of its tokens.
    #[error("{destination}: {why}")]
    NoLogin {
        /// Which.
        destination: String,
        /// What is wrong.
        why: String,
    },
    /// The ledger.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// What the server has fits nothing that is known.
    #[error("{0}")]
    Foreign(String),
    /// No message can be known again.
    #[error(
        "the server knows neither unique-ids (UIDL) nor headers alone (TOP): nobody could know its messages again"
    )]
    Nameless,
    /// How old messages are cannot be known.
    #[error("the server does not show headers (TOP), so nothing tells how old its messages are")]
    Ageless,
    /// A message that somebody has named is not there.
    #[error("the server does not list a message {wanted}: it has {listed} now")]
    NotThere {
        /// Which.
        wanted: String,
        /// How many it lists.
        listed: usize,
    },
    /// The rest of a large text could not be kept meanwhile.
    #[error("the rest of a large message cannot be kept in {}: {error}", directory.display())]
    Spool {
        /// Where.
        directory: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The thread that delivers is gone.
    #[error("what delivers has stopped: {0}")]
    Stopped(String),
}
