//! Why mail could not be retrieved: each variant says what happened, its [`Kind`] what to do about it.

use std::io;

use pop3::client::{Broken, CannotSend, ResponseCode, Status};
use pop3::{MessageNumber, Octets};

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
    /// The server says that it needs its operator (`[SYS/PERM]`, RFC 3206 §4).
    #[error("the server needs its operator: {0}")]
    NeedsOperator(Status),
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
    /// A text goes on where it should have ended long ago.
    #[error(
        "the server contradicts itself: message {number} has {} octets by LIST, and does not end after {}",
        listed.0,
        come.0
    )]
    Endless {
        /// Which message; with commands sent ahead it may be another one's text.
        number: MessageNumber,
        /// What LIST says of it.
        listed: Octets,
        /// What has come.
        come: Octets,
    },
    /// There is more in the maildrop than is kept of one.
    #[error(
        "the maildrop has {messages} messages, and more than {max} are not listed: fetch or delete some of them otherwise"
    )]
    TooMany {
        /// How many, as STAT says.
        messages: u64,
        /// How many there may be.
        max: u32,
    },
    /// A name or a password that no line can carry, or a mistake of ours.
    #[error("{what} cannot be sent: {0}", what = what_is_unsent(.0))]
    Unsent(#[from] CannotSend),
}

/// What a caller does about it. Each is what an exit code could say.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// The server is not there, went away, or fell silent: try again later.
    Unreachable,
    /// Another session holds the maildrop, or the last login was too short a time ago: try again
    /// later, and less often.
    Busy,
    /// Something else that the server says will pass: try again later.
    Temporary,
    /// Nothing that is tried again helps before somebody has looked at user name, password or certificate.
    Auth,
    /// The token must be renewed; then try again, once.
    TokenRefused,
    /// The connection is not safe.
    Tls,
    /// The server does not speak POP3 as it should.
    Protocol,
    /// The server needs its operator.
    Permanent,
}

impl Kind {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Unreachable | Self::Busy | Self::Temporary => true,
            Self::Auth | Self::TokenRefused | Self::Tls | Self::Protocol | Self::Permanent => false,
        }
    }

    /// What a response code says (RFC 2449 §8.1, RFC 3206 §4).
    fn of(status: &Status) -> Option<Self> {
        Some(match status.code.as_ref()? {
            ResponseCode::InUse | ResponseCode::LoginDelay => Self::Busy,
            ResponseCode::SysTemp => Self::Temporary,
            ResponseCode::SysPerm => Self::Permanent,
            ResponseCode::Auth => Self::Auth,
            ResponseCode::Utf8 | ResponseCode::Other(_) => return None,
        })
    }
}

impl ClientError {
    /// What to do about it.
    pub fn kind(&self) -> Kind {
        match self {
            // Under TLS 1.3 a server says after the handshake what it has against our certificate.
            Self::Lost { source, .. } if is_alert(source) => Kind::Tls,
            Self::Unreachable { .. } | Self::Lost { .. } | Self::TooSlow { .. } => {
                Kind::Unreachable
            }
            // A server that wants no session now, or ends one, and says nothing more exact.
            Self::NotNow(status) | Self::Broken(Broken::Ended(status)) => {
                Kind::of(status).unwrap_or(Kind::Temporary)
            }
            Self::NeedsOperator(_) => Kind::Permanent,
            Self::LoginRefused(_)
            | Self::Unfit { .. }
            | Self::NoMechanism(_)
            | Self::Impostor(_)
            | Self::Unsent(_) => Kind::Auth,
            Self::TokenRefused { .. } => Kind::TokenRefused,
            Self::NoTls { .. } | Self::Broken(Broken::BeforeTls) => Kind::Tls,
            Self::Refused { status, .. } => Kind::of(status).unwrap_or(Kind::Protocol),
            Self::Broken(_) | Self::Wrong(_) | Self::Endless { .. } | Self::TooMany { .. } => {
                Kind::Protocol
            }
        }
    }

    /// Whether the same may succeed later without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        self.kind().may_pass()
    }

    /// What the server said, if it is a refusal.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::NotNow(status)
            | Self::NeedsOperator(status)
            | Self::LoginRefused(status)
            | Self::Refused { status, .. }
            | Self::Broken(Broken::Ended(status)) => Some(status),
            _ => None,
        }
    }

    /// A refused login: wrong, only not now, or not before an operator has done something.
    pub(crate) fn login(status: Status) -> Self {
        match Kind::of(&status) {
            Some(Kind::Busy | Kind::Temporary) => Self::NotNow(status),
            Some(Kind::Permanent) => Self::NeedsOperator(status),
            _ => Self::LoginRefused(status),
        }
    }

    /// A server that wants no session.
    pub(crate) fn turned_away(status: Status) -> Self {
        match Kind::of(&status) {
            Some(Kind::Permanent) => Self::NeedsOperator(status),
            _ => Self::NotNow(status),
        }
    }

    /// Whether a refusal says that it passes by itself (RFC 2449 §8.1, RFC 3206 §4).
    pub(crate) fn passes(status: &Status) -> bool {
        Kind::of(status).is_some_and(Kind::may_pass)
    }
}

/// A password is all that comes from elsewhere and goes into a line as it is.
fn what_is_unsent(why: &CannotSend) -> &'static str {
    match why {
        CannotSend::NotALine | CannotSend::InClear => "user name or password",
        _ => "a command",
    }
}

/// Whether the other side of TLS has said that something is wrong.
fn is_alert(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|it| it.downcast_ref());
    matches!(cause, Some(rustls::Error::AlertReceived(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(line: &str) -> Status {
        Status::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn a_response_code_says_what_to_do() {
        for (line, at_login, elsewhere, at_once) in [
            ("-ERR no", Kind::Auth, Kind::Protocol, Kind::Temporary),
            ("-ERR [AUTH] no", Kind::Auth, Kind::Auth, Kind::Auth),
            ("-ERR [IN-USE] no", Kind::Busy, Kind::Busy, Kind::Busy),
            ("-ERR [LOGIN-DELAY] no", Kind::Busy, Kind::Busy, Kind::Busy),
            (
                "-ERR [SYS/TEMP] no",
                Kind::Temporary,
                Kind::Temporary,
                Kind::Temporary,
            ),
            (
                "-ERR [SYS/PERM] no",
                Kind::Permanent,
                Kind::Permanent,
                Kind::Permanent,
            ),
            (
                "-ERR [X-OTHER] no",
                Kind::Auth,
                Kind::Protocol,
                Kind::Temporary,
            ),
        ] {
            assert_eq!(ClientError::login(status(line)).kind(), at_login, "{line}");
            let refused = ClientError::Refused {
                command: "STAT",
                status: status(line),
            };
            assert_eq!(refused.kind(), elsewhere, "{line}");
            let ended = Broken::Ended(status(line));
            assert_eq!(ClientError::Broken(ended).kind(), at_once, "{line}");
            let turned_away = ClientError::turned_away(status(line));
            assert_eq!(turned_away.kind(), at_once, "{line}");
        }
        assert!(ClientError::passes(&status("-ERR [IN-USE/2] no")));
        assert!(!ClientError::passes(&status("-ERR [SYS/PERM] no")));
    }
}
