//! What goes into the log of a session, and in what form.
//!
//! Text that came from a peer is escaped and bounded, so that it can neither forge a line nor fill
//! the log. Secrets never get here: no function in this crate takes one and logs.

use std::fmt;
use std::time::Instant;

use tracing::info;

/// A peer's text for the log: printable ASCII as it is, everything else escaped, cut at 64 octets.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.0.as_bytes();
        let shown = &octets[..octets.len().min(OCTETS_MAX)];
        for &octet in shown {
            match octet {
                b'"' | b'\\' => write!(f, "\\{}", char::from(octet))?,
                0x20..=0x7e => fmt::Write::write_char(f, char::from(octet))?,
                _ => write!(f, "\\x{octet:02x}")?,
            }
        }
        if shown.len() < octets.len() {
            f.write_str("...")?;
        }
        Ok(())
    }
}

/// Most octets of a peer's text in one field.
const OCTETS_MAX: usize = 64;

/// Why a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The client said QUIT and got its answer.
    Quit,
    /// The session ended the connection itself: too many errors, or something that is no POP3.
    Refused,
    /// The client went away without QUIT.
    Lost,
    /// No command for `idle_timeout`.
    Idle,
    /// No login within `authorization_timeout`.
    LoginTimeout,
    /// Unfinished long lines have taken all the room that there is for them.
    NoRoom,
    /// The server was full, and the session had not logged in.
    Evicted,
    /// The client did not read its replies for `write_timeout`.
    WriteTimeout,
    /// A front end did not say whose connection it is; told where it is noticed.
    NoHeader,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// Octets came between STLS and the handshake.
    Injection,
    /// A message's text could not be read after its first octets had gone.
    Damaged,
    /// The server is draining and the client was not logged in, or between two messages.
    Drained,
    /// The server was told to end at once, or `drain_timeout` was over.
    Cut,
    /// A fault of ours; it is logged where it happened.
    Fault,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Idle => "idle",
            Self::LoginTimeout => "login timeout",
            Self::NoRoom => "no room for long lines",
            Self::Evicted => "evicted",
            Self::WriteTimeout => "write timeout",
            Self::NoHeader => "no proxy header",
            Self::Handshake => "tls handshake",
            Self::Injection => "octets before tls",
            Self::Damaged => "damaged message",
            Self::Drained => "drained",
            Self::Cut => "cut",
            Self::Fault => "fault",
        }
    }
}

/// What a session did, for the one line at its end.
#[derive(Debug)]
pub(crate) struct Summary {
    started: Instant,
    /// TLS version and cipher suite.
    pub(crate) tls: Option<(&'static str, &'static str)>,
    /// Account that logged in, as the accounts know it; none if nobody did.
    pub(crate) account: Option<String>,
    /// Whether it logged in as `recent:NAME`.
    pub(crate) is_recent: bool,
    /// The certificate that the login stood on, as `certificate::shown`; none if it was another.
    pub(crate) certificate: Option<String>,
    /// What the POP3 session says of itself.
    pub(crate) retrieval: pop3::server::Summary,
    /// What LMTP or SMTP took.
    pub(crate) delivery: Delivery,
}

/// What a session took for at least one recipient.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            tls: None,
            account: None,
            is_recent: false,
            certificate: None,
            retrieval: pop3::server::Summary::default(),
            delivery: Delivery::default(),
        }
    }

    /// The line at the end of a POP3 session.
    pub(crate) fn pop3_ended(&self, end: End) {
        let (tls, cipher) = self.tls.unzip();
        let done = &self.retrieval;
        let left = self.account.as_ref().map(|_| done.messages_left);
        info!(
            user = self.account,
            recent = self.is_recent.then_some(true),
            mechanism = self.certificate.as_ref().map(|_| "EXTERNAL"),
            certificate = self.certificate,
            tls,
            cipher,
            messages = done.messages_retrieved,
            octets = done.octets_retrieved,
            deleted = done.messages_deleted,
            hidden = Some(done.messages_hidden).filter(|hidden| *hidden > 0),
            left,
            seconds = self.seconds(),
            why = end.as_str(),
            "session ended"
        );
    }

    /// The line at the end of a session that brought mail.
    pub(crate) fn transfer_ended(&self, end: End) {
        let (tls, cipher) = self.tls.unzip();
        info!(
            tls,
            cipher,
            messages = self.delivery.messages,
            octets = self.delivery.octets,
            seconds = self.seconds(),
            why = end.as_str(),
            "delivery session ended"
        );
    }

    fn seconds(&self) -> f64 {
        // Milliseconds are enough, and a short number is easier to read.
        (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_can_neither_forge_nor_fill_the_log() {
        for (text, expected) in [
            ("mrose", "mrose"),
            ("a\r\nERROR b", "a\\x0d\\x0aERROR b"),
            ("\x1b[2J", "\\x1b[2J"),
            ("a\"b\\", "a\\\"b\\\\"),
            ("\u{202e}x", "\\xe2\\x80\\xaex"),
        ] {
            assert_eq!(Escaped(text).to_string(), expected);
        }
        let long = "\0".repeat(10_000);
        assert_eq!(Escaped(&long).to_string().len(), 64 * 4 + 3);
    }
}
