//! What becomes of a message that a client deletes (RFC 1939 §5 and §6).
//!
//! RFC 1939 knows one answer, [`Disposition::Delete`]. The others are for those who want a server that
//! keeps what one of several clients takes; each says so in its replies, so that no client is told
//! that something is gone which is not.

/// What DELE and the QUIT after it come to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Disposition {
    /// The message is deleted.
    #[default]
    Delete,
    /// The message stays in the maildrop, and sessions do not see it any more.
    Hide,
    /// The message stays as it is: the mark ends with the session.
    Keep,
    /// DELE is refused.
    ReadOnly,
}

impl Disposition {
    /// Whether a session can take a message away, so that `EXPIRE 0` can be kept (RFC 2449 §6.7).
    pub fn takes_away(self) -> bool {
        matches!(self, Self::Delete | Self::Hide)
    }
}
