//! What goes wrong: on the server's side, after which the connection is of no more use, and on the
//! driver's, which asked for what cannot be sent.

use std::fmt;

use super::status::Status;
use crate::NotALine;

/// The server does not speak POP3 as we know it, or no more; the connection is of no more use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Broken {
    /// A line that is neither `+OK` nor `-ERR` where one of them must be.
    NotAReply,
    /// A line of more octets than [`line_octets_max`](super::Settings::line_octets_max).
    LineTooLong,
    /// More capabilities, mechanisms, messages or challenges than a right server has.
    TooMuch,
    /// A reply to nothing.
    Unasked,
    /// The server ended the session by itself, and said so: idle for too long, or shutting down.
    Ended(Status),
    /// A reply that cannot be the one to its command: the server answers out of order, as some do
    /// to commands that come at once. Nothing after it can be trusted.
    OutOfStep,
    /// Octets that came in clear after the reply to STLS: somebody has put them there
    /// (RFC 2595 §4).
    BeforeTls,
    /// TLS without an accepted STLS: a mistake of the driver's.
    NotAgreed,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAReply => "server said something that is no POP3 reply",
            Self::LineTooLong => "server sent a line that does not end",
            Self::TooMuch => "server sent a list that does not end",
            Self::Unasked => "server answered what was not asked",
            Self::Ended(status) => return write!(f, "server ended the session: {status}"),
            Self::OutOfStep => "server answered out of order",
            Self::BeforeTls => "server sent octets in clear after the start of TLS",
            Self::NotAgreed => "start of TLS was not agreed on",
        })
    }
}

impl std::error::Error for Broken {}

/// A command was not sent; the session is as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CannotSend {
    /// The server speaks first.
    BeforeGreeting,
    /// The command needs a login, and none is under way.
    NotLoggedIn,
    /// The command is one of the AUTHORIZATION state.
    LoggedIn,
    /// It would show credentials in clear, against [`Credentials`](super::Credentials).
    InClear,
    /// The greeting had no timestamp, or was said before the start of TLS (RFC 2595 §4).
    NoTimestamp,
    /// There is TLS already.
    InsideTls,
    /// Nothing may follow STLS or AUTH, and no login another, until it is answered; and STLS may follow
    /// nothing that is not.
    Unanswered,
    /// There is no challenge to answer.
    NotChallenged,
    /// QUIT was sent, or the session is over.
    Over,
    /// As many commands as allowed wait for their replies.
    TooMany,
    /// No line can carry it.
    NotALine,
}

impl From<NotALine> for CannotSend {
    fn from(_: NotALine) -> Self {
        Self::NotALine
    }
}

impl fmt::Display for CannotSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeGreeting => "server has not greeted yet",
            Self::NotLoggedIn => "not logged in",
            Self::LoggedIn => "already logged in",
            Self::InClear => "credentials would travel in clear",
            Self::NoTimestamp => "server gave no timestamp for APOP",
            Self::InsideTls => "already inside TLS",
            Self::Unanswered => "server must answer first",
            Self::NotChallenged => "server has asked nothing",
            Self::Over => "session is over",
            Self::TooMany => "too many commands wait for their replies",
            Self::NotALine => return NotALine.fmt(f),
        })
    }
}

impl std::error::Error for CannotSend {}
