//! How much may be on its way: as much as the link has shown to carry in a second.
//!
//! What is asked for ahead must be bandwidth times round trip, or the link falls idle. Neither is known at first, so it begins with a few
//! MiB, which a line of 1 Gbit/s holds at 32 ms. A link that brings them faster gets more. One that does not has nothing of it: what is
//! on its way cannot be taken back, and a session that is to end waits for it or throws it away.

use std::time::Duration;

use pop3::Octets;
use tokio::time::Instant;

/// Octets that may be on their way at first.
const OCTETS_MIN: u64 = 4 << 20;
/// And on the fastest link.
const OCTETS_MAX: u64 = 32 << 20;
/// Commands that may be on their way at first: some 5 KiB. Any server has room for that while it does not read since it writes.
const COMMANDS_MIN: u64 = 512;
/// And on the fastest link: some 22 KiB, less than any system keeps for a connection.
const COMMANDS_MAX: u64 = 2048;

/// Deletions that may be on their way, beside texts.
pub(crate) const DELETIONS: usize = 256;

/// Commands of all kinds: texts, deletions, and what else is said meanwhile.
pub(crate) const UNANSWERED_MAX: usize = COMMANDS_MAX as usize + DELETIONS + 16;

/// What is on its way is here within this time, but for the least.
const REACH: Duration = Duration::from_secs(1);

/// Of a text that has just begun to come the rate says nothing.
const OCTETS_THAT_COUNT: u64 = 1 << 20;

/// A link, as it has been since the first text was asked for.
#[derive(Debug)]
pub(crate) struct Ahead {
    began: Option<Instant>,
    come: u64,
}

impl Ahead {
    /// One of which nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            began: None,
            come: 0,
        }
    }

    /// Something is asked for; the first time counts.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// So many octets have come.
    pub(crate) fn came(&mut self, octets: Octets) {
        self.come = self.come.saturating_add(octets.0);
    }

    /// The octets and the commands that may be on their way.
    pub(crate) fn most(&self, now: Instant) -> (Octets, usize) {
        let took = self.began.map_or(Duration::MAX, |began| now - began);
        let within_reach = match self.come {
            ..OCTETS_THAT_COUNT => 0,
            come => u128::from(come) * REACH.as_millis() / took.as_millis().max(1),
        };
        let octets = u64::try_from(within_reach).unwrap_or(u64::MAX);
        let octets = octets.clamp(OCTETS_MIN, OCTETS_MAX);
        let commands = (COMMANDS_MIN * octets / OCTETS_MIN).min(COMMANDS_MAX);
        (Octets(octets), commands as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_gets_what_it_carries_in_a_second_between_two_bounds() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let mut ahead = Ahead::new();
        let least = (Octets(OCTETS_MIN), 512);
        assert_eq!(ahead.most(at(0)), least);
        ahead.asked(began);
        ahead.asked(at(9_000));
        assert_eq!(ahead.most(at(0)), least);
        // A burst that says nothing.
        ahead.came(Octets(OCTETS_THAT_COUNT - 1));
        assert_eq!(ahead.most(at(1)), least);
        ahead.came(Octets(1 + (3 << 20)));
        assert_eq!(ahead.most(at(0)), (Octets(OCTETS_MAX), 2048));
        assert_eq!(ahead.most(at(500)), (Octets(8 << 20), 1024));
        assert_eq!(ahead.most(at(60_000)), least);
        ahead.came(Octets(u64::MAX));
        assert_eq!(ahead.most(at(500)), (Octets(OCTETS_MAX), 2048));
    }
}
