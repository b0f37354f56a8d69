//! How long a server is waited for.

use std::time::Duration;

/// How long a server is waited for. Silence is bounded, and so is what never gets anywhere: a server
/// that sends an octet now and then is not silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the first packet to be answered.
    pub connect: Duration,
    /// From the first packet to the login, in all. Refused logins are answered late by many servers,
    /// and a maildrop that was not opened for long is read first.
    pub login: Duration,
    /// For STAT, UIDL and LIST together. A server may read every message for its size.
    pub listing: Duration,
    /// Silence while a message is due.
    pub silence: Duration,
    /// Octets that a message must bring in each second, on average, once [`silence`](Self::silence) is over.
    pub octets_per_second_min: u64,
    /// A time of waiting in which enough must come, whatever came before: a server that sends a text fast and then by drops has earned
    /// no time by that. Longer than [`silence`](Self::silence).
    pub span: Duration,
    /// What is enough: octets of texts, and 64 for each reply that is none.
    pub octets_per_span_min: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            login: Duration::from_secs(120),
            listing: Duration::from_secs(600),
            silence: Duration::from_secs(120),
            octets_per_second_min: 100,
            span: Duration::from_secs(600),
            // A line of 9600 bits a second brings half a million.
            octets_per_span_min: 8 << 10,
        }
    }
}
