//! What differs between the two protocols that one session speaks.

/// LMTP is SMTP with another greeting and a reply for each recipient (RFC 2033 §4).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dialect {
    /// From a mail transfer agent that keeps a queue (RFC 2033): LHLO, and behind the text a reply for
    /// each recipient that was accepted.
    #[default]
    Lmtp,
    /// From the world (RFC 5321): EHLO or HELO, and behind the text one reply for all.
    Smtp,
}

impl Dialect {
    /// Whether this is the command that asks for extensions.
    pub(super) fn extended(self, verb: &[u8]) -> bool {
        match self {
            Self::Lmtp => verb == b"LHLO",
            Self::Smtp => verb == b"EHLO",
        }
    }
}

/// Whether there is TLS around the session (RFC 3207).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Encryption {
    /// No, and there cannot be: no certificate, or a Unix socket.
    #[default]
    None,
    /// Not yet: STARTTLS is announced.
    Offered,
    /// Yes.
    Active,
}
