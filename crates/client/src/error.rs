//! Why mail could not be retrieved: each variant is what the caller does about it.

use std::io;

use pop3::client::{Broken, CannotSend, ResponseCode, Status};

use crate::way::Way;

/// Why mail could not be retrieved.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server is not there, or went away; may pass by itself.
    #[error("{server} cannot be reached: {source}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// The connection ended where something was due; may pass by itself.
    #[error("the connection ended where {awaited} was due: {source}")]
    Lost {
        /// What was due.
        awaited: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing came, or too little, for longer than [`Patience`](crate::Patience) allows.
    #[error("the server takes too long: {awaited} did not come in time")]
    TooSlow {
        /// What was due.
        awaited: &'static str,
    },
    /// The server does not want us now, or the maildrop is in use; may pass by itself.
    #[error("the server cannot serve this now: {0}")]
    NotNow(Status),
    /// User name or password is wrong, or may not be used like this.
    #[error("the login was refused: {0}")]
    LoginRefused(Status),
    /// The access token is not taken, or no longer: it can be renewed, and the login tried once more.
    #[error("the server refused the token: {explanation}")]
    TokenRefused {
        /// What the server says of it, cleaned: JSON for the most part (RFC 7628 §3.2.2).
        explanation: String,
    },
    /// The one way that was to be gone cannot be.
    #[error("{way} cannot be used here: {why}")]
    Unfit {
        /// The way.
        way: Way,
        /// What it has no place for, or does not find.
        why: String,
    },
    /// The server offers no way to log in that may be used here.
    #[error("the server offers no way to log in that this program knows (it offers {0})")]
    NoMechanism(String),
    /// The server does not know the password, which it must to prove itself.
    #[error("the server cannot be trusted: {0}")]
    Impostor(#[from] sasl::client::Failed),
    /// TLS could not be begun: the certificate is not trusted, or there is no TLS.
    #[error("no TLS with {server}: {why}")]
    NoTls {
        /// Host and port.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// A command was refused that a server must know.
    #[error("the server refused {command}: {status}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What was said.
        status: Status,
    },
    /// The server does not speak POP3, or no more.
    #[error("{0}")]
    Broken(#[from] Broken),
    /// What the server says does not agree with itself.
    #[error("the server contradicts itself: {0}")]
    Wrong(String),
    /// A name or a password that no line can carry, or a mistake of ours.
    #[error("user name or password cannot be sent: {0}")]
    Unsent(#[from] CannotSend),
}

impl ClientError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TooSlow { .. }
            | Self::NotNow(_)
            | Self::Broken(Broken::Ended(_)) => true,
            Self::LoginRefused(_)
            | Self::TokenRefused { .. }
            | Self::Unfit { .. }
            | Self::NoMechanism(_)
            | Self::Impostor(_)
            | Self::NoTls { .. }
            | Self::Refused { .. }
            | Self::Broken(_)
            | Self::Wrong(_)
            | Self::Unsent(_) => false,
        }
    }

    /// A refused login: wrong, or only not now.
    pub(crate) fn login(status: Status) -> Self {
        match Self::passes(&status) {
            true => Self::NotNow(status),
            false => Self::LoginRefused(status),
        }
    }

    /// Whether a refusal says that it passes by itself (RFC 2449 §8.1, RFC 3206 §4).
    pub(crate) fn passes(status: &Status) -> bool {
        matches!(
            status.code,
            Some(ResponseCode::InUse | ResponseCode::LoginDelay | ResponseCode::SysTemp)
        )
    }
}
