//! An open loop: sessions are due at a fixed rate, whether the server keeps up or not.
//!
//! What a session takes is counted from when it was due. A closed loop asks a server that stalls
//! nothing until it has recovered, so its percentiles leave out what everybody else would have waited
//! (coordinated omission); here each of those is in them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// So many times the planned duration a run may take to begin all that was due.
const OVERTIME: u32 = 2;

/// When sessions are due.
pub(crate) struct Pace {
    rate: f64,
    sessions: u64,
    end: Duration,
    next: AtomicU64,
}

/// A session that is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// It is to be done now; so long after the start it was due.
    Now(Duration),
    /// It was due so long after the start, and it is too late to begin it.
    Missed(Duration),
}

impl Pace {
    pub(crate) fn new(rate: f64, duration: Duration) -> Self {
        Self {
            rate,
            sessions: (rate * duration.as_secs_f64()).round().max(1.0) as u64,
            end: duration * OVERTIME,
            next: AtomicU64::new(0),
        }
    }

    /// Takes the next session, and waits until it is due; none when all are taken.
    pub(crate) fn next(&self, start: Instant) -> Option<Due> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.sessions {
            return None;
        }
        let due = Duration::from_secs_f64(number as f64 / self.rate);
        let now = start.elapsed();
        if now >= self.end {
            return Some(Due::Missed(due));
        }
        if let Some(early) = due.checked_sub(now) {
            thread::sleep(early);
        }
        Some(Due::Now(due))
    }
}

/// Lets the thread wake up when a session is due, and not up to 50 µs later, which is the default.
pub(crate) fn wake_up_on_time() {
    // Without it the run is as right, and its shortest latencies a little longer.
    let _ = nix::sys::prctl::set_timerslack(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_due_at_the_rate_and_not_before() {
        let pace = Pace::new(1000.0, Duration::from_millis(20));
        let start = Instant::now();
        let mut dues = Vec::new();
        while let Some(due) = pace.next(start) {
            let Due::Now(due) = due else {
                panic!("the run is not over: {due:?}")
            };
            assert!(start.elapsed() >= due);
            dues.push(due);
        }
        let expected: Vec<Duration> = (0..20).map(Duration::from_millis).collect();
        assert_eq!(dues, expected);
    }

    #[test]
    fn what_a_stalled_run_did_not_begin_is_told() {
        let pace = Pace::new(1000.0, Duration::from_millis(3));
        let long_ago = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        for ms in 0..3 {
            let due = pace.next(long_ago);
            assert_eq!(due, Some(Due::Missed(Duration::from_millis(ms))));
        }
        assert_eq!(pace.next(long_ago), None);
    }
}
