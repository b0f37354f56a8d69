//! What a client takes from a server, and what it tells it.

use super::text::LineEnds;
use crate::wire::Form;

/// How a session behaves towards one server. The default is safe towards any.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How messages are handed on; as they travel by default.
    pub form: Form,
    /// What ends a line of a message; CRLF by default.
    pub line_ends: LineEnds,
    /// Where credentials may be shown; inside TLS by default.
    pub credentials: Credentials,
    /// Longest line of a server in octets, line end included; lines of messages have no limit. RFC
    /// 2449 §4 asks for 512; a challenge may be longer.
    pub line_octets_max: usize,
    /// Octets of all capabilities together.
    pub capabilities_octets_max: usize,
    /// Most messages that a maildrop may have, and greatest number of one.
    pub messages_max: u32,
    /// Most commands that may wait for their replies.
    pub unanswered_max: usize,
}

/// Where user names, passwords and anything made of them may travel.
///
/// An answer to CAPA without STLS, or a refused STLS, may come from somebody in between: a client that
/// then goes on in clear has told him the password (RFC 8314 §5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Credentials {
    /// Only inside TLS.
    InsideTls,
    /// Anywhere; for a server on the same machine, and for tests.
    InClearToo,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            form: Form::Stuffed,
            line_ends: LineEnds::Crlf,
            credentials: Credentials::InsideTls,
            line_octets_max: 65_536,
            capabilities_octets_max: 65_536,
            messages_max: 4_000_000,
            unanswered_max: 1024,
        }
    }
}
