//! How long a server that takes mail is waited for.

use std::time::Duration;

/// How long a server is waited for (RFC 5321 §4.5.3.2). A name is looked for as long as the system does.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection, and for a TLS handshake.
    pub connect: Duration,
    /// For each reply but the last one.
    pub reply: Duration,
    /// For room for 64 KiB of text.
    pub block: Duration,
    /// For what becomes of the text.
    pub end: Duration,
    /// A connection that was not used for longer is not used again: somebody between may have forgotten it, and that shows only when no reply comes.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            reply: Duration::from_secs(300),
            block: Duration::from_secs(180),
            end: Duration::from_secs(600),
            idle: Duration::from_secs(60),
        }
    }
}
