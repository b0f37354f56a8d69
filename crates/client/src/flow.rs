//! Whether a server brings enough, over a longer time than one text.
//!
//! A server that is never silent for long, and never says much, would hold a session for as long as it likes: an octet of a text
//! that it sent fast before, or one tiny message after the other. So there is a least that must come in each span of the time in which
//! it is waited for. Time in which nobody waits, because a destination is slow, is not the server's.
//!
//! The clock is the caller's.

use std::time::Duration;

use tokio::time::Instant;

use crate::patience::Patience;

/// What a reply counts for, or another thing that is no text, in octets: it has cost a round trip.
pub(crate) const REPLY_OCTETS: u64 = 64;

/// What has come in this span.
#[derive(Debug)]
pub(crate) struct Flow {
    span: Duration,
    octets_min: u64,
    waited: Duration,
    octets: u64,
    /// Since when it is waited for.
    since: Option<Instant>,
}

impl Flow {
    pub(crate) fn new(patience: &Patience) -> Self {
        Self {
            span: patience.span,
            octets_min: patience.octets_per_span_min,
            waited: Duration::ZERO,
            octets: 0,
            since: None,
        }
    }

    /// The server is waited for; since when. Whoever gives up waiting, and begins again at once, has waited all the time.
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now)
    }

    /// Something has come: how long it was waited for. None if it was too little in all this time.
    pub(crate) fn came(&mut self, now: Instant, octets: u64) -> Option<Duration> {
        let since = self.since.take().unwrap_or(now);
        let waited = now.saturating_duration_since(since);
        self.waited += waited;
        self.octets = self.octets.saturating_add(octets);
        if self.waited >= self.span {
            if self.octets < self.octets_min {
                return None;
            }
            self.waited = Duration::ZERO;
            self.octets = 0;
        }
        Some(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Things that come, each after so many seconds and of so many octets; after how many seconds it is too little.
    fn cut(things: impl IntoIterator<Item = (f64, u64)>) -> Option<u64> {
        let mut flow = Flow::new(&Patience::default());
        let (begin, mut passed) = (Instant::now(), Duration::ZERO);
        for (seconds, octets) in things {
            flow.wait(begin + passed);
            passed += Duration::from_secs_f64(seconds);
            if flow.came(begin + passed, octets).is_none() {
                return Some(passed.as_secs());
            }
        }
        None
    }

    #[test]
    fn an_octet_now_and_then_holds_nobody_for_long() {
        for seconds in [0.5, 5.0, 100.0] {
            let drops = std::iter::repeat_n((seconds, 1), 100_000);
            let at = cut(drops.clone()).unwrap();
            assert!((600..=700).contains(&at), "{at}");
            // What came fast before buys no more than the rest of a span.
            let fast = std::iter::repeat_n((0.01, 100_000), 1000);
            let at = cut(fast.chain(drops)).unwrap();
            assert!((600..=1400).contains(&at), "{at}");
        }
        // Nor do tiny messages, and deletions that are confirmed too late.
        let replies = [(50.0, REPLY_OCTETS), (50.0, 10)].into_iter().cycle();
        assert_eq!(cut(replies.take(1000)), Some(600));
    }

    #[test]
    fn a_slow_line_is_no_server_that_drips() {
        // 100 MiB at 9600 bits a second, with a break of a minute and a half in every ten.
        let pieces = (100 << 20) / 240;
        let line = (0..pieces).map(|piece| match piece % 2040 {
            0 => (90.0, 240),
            _ => (0.25, 240),
        });
        assert_eq!(cut(line), None);
        // Deletions one at a time, over two satellites.
        assert_eq!(cut(std::iter::repeat_n((2.0, REPLY_OCTETS), 10_000)), None);
        // Mail that is read from a slow disk, one message of 1 KiB a minute.
        assert_eq!(cut(std::iter::repeat_n((60.0, 1024), 1000)), None);
    }

    #[test]
    fn time_in_which_nobody_waits_is_not_the_servers() {
        let mut flow = Flow::new(&Patience::default());
        let mut now = Instant::now();
        for _ in 0..1000 {
            flow.wait(now);
            now += Duration::from_millis(10);
            assert_eq!(flow.came(now, 1), Some(Duration::from_millis(10)));
            // A destination takes its time.
            now += Duration::from_secs(3600);
        }
        // Whoever is called away from waiting and comes back has waited.
        flow.wait(now);
        assert_eq!(flow.wait(now + Duration::from_secs(500)), now);
        assert_eq!(flow.came(now + Duration::from_secs(595), 1), None);
    }
}
