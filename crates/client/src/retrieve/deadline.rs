//! How long a text is waited for.

use std::time::Duration;

use pop3::Octets;
use pop3::client::Event;
use tokio::time::{Instant, timeout_at};

use super::AWAITED;
use crate::connect::Maildrop;
use crate::error::ClientError;
use crate::flow::REPLY_OCTETS;

/// A text moves its end by so much at once, at most.
const DAY: Duration = Duration::from_secs(86_400);

/// How long a text may still be waited for. Each octet makes it longer, so that a long text may take its time, and one that
/// comes by drops may not.
#[derive(Debug)]
pub(super) struct Deadline {
    left: Duration,
    silence: Duration,
    octets_per_second_min: u64,
}

impl Deadline {
    /// For a text that begins now.
    pub(super) fn new(maildrop: &Maildrop) -> Self {
        Self {
            left: maildrop.patience.silence,
            silence: maildrop.patience.silence,
            octets_per_second_min: maildrop.patience.octets_per_second_min.max(1),
        }
    }

    /// So many octets have come.
    pub(super) fn extend(&mut self, octets: Octets) {
        let millis = octets.0.saturating_mul(1000) / self.octets_per_second_min;
        // So that it stays a time whatever comes.
        let more = Duration::from_millis(millis).min(DAY);
        self.left = self.left.saturating_add(more).min(DAY * 365);
    }

    /// What the server says next.
    pub(super) async fn next(&mut self, maildrop: &mut Maildrop) -> Result<Event, ClientError> {
        let too_slow = || ClientError::TooSlow { awaited: AWAITED };
        let until = maildrop.flow.wait(Instant::now()) + self.left.min(self.silence);
        let next = timeout_at(until, maildrop.conversation.next(AWAITED)).await;
        let event = next.map_err(|_| too_slow())??;
        let worth = match &event {
            Event::Text(octets) => octets.0,
            _ => REPLY_OCTETS,
        };
        let waited = maildrop.flow.came(Instant::now(), worth);
        let waited = waited.ok_or_else(too_slow)?;
        self.left = self.left.saturating_sub(waited);
        Ok(event)
    }
}
