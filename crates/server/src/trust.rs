//! Whether the clock may be believed by something that deletes mail by its age.
//!
//! A clock that jumps forward makes all mail old: a wrong battery clock at start, a time server gone
//! mad, an operator's slip. What is deleted then was promised to stay. So the clock of the day is
//! compared with the one that only counts how long the machine has been on (it goes on while the
//! machine sleeps), and over a restart with the time of the last sweep. After a jump the clock is
//! believed again when it has gone evenly for a day: whoever looks after the machine has that long to
//! set it right, and if it *was* set right nobody has to do anything. Mail that stays a day longer
//! breaks no promise: EXPIRE is a minimum (RFC 2449 §6.7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// What both clocks show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// Time of the day.
    pub(crate) wall: SystemTime,
    /// How long the machine has been on.
    pub(crate) on: Duration,
}

impl Reading {
    /// What they show now.
    pub(crate) fn now() -> Self {
        let on = clock_gettime(ClockId::Boottime);
        Self {
            wall: SystemTime::now(),
            on: Duration::new(
                u64::try_from(on.tv_sec).unwrap_or(0),
                u32::try_from(on.tv_nsec).unwrap_or(0),
            ),
        }
    }
}

/// The clock of the day has jumped, and is not believed yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Jumped {
    /// How far the last jump went.
    pub(crate) forward: Duration,
    /// For how long it must go on evenly.
    pub(crate) wait: Duration,
}

/// What is known of the clock of the day.
pub(crate) struct Trust {
    last: Reading,
    /// The last jump, and when the clock counts as even again.
    jump: Option<(Duration, Duration)>,
}

impl Trust {
    /// The server starts. `swept`: when the last sweep saw a clock that it trusted, if there was one.
    /// A server that was off for days and one whose clock is wrong by days look alike from here, so
    /// both wait.
    pub(crate) fn new(now: Reading, swept: Option<SystemTime>) -> Self {
        let away = swept.map_or(Duration::ZERO, |swept| between(swept, now.wall));
        Self {
            last: now,
            jump: (away > AWAY_MAX).then(|| (away, now.on + EVEN_MIN)),
        }
    }

    /// Looks at the clocks.
    ///
    /// # Errors
    ///
    /// When the clock of the day has jumped forward and has not gone evenly for long enough since.
    pub(crate) fn look(&mut self, now: Reading) -> Result<(), Jumped> {
        let passed = now.on.saturating_sub(self.last.on);
        // A clock that is set back makes mail younger: nothing is lost by that.
        let forward = between(self.last.wall, now.wall).saturating_sub(passed);
        self.last = now;
        if forward > JUMP_MIN {
            self.jump = Some((forward, now.on + EVEN_MIN));
        }
        match self.jump {
            Some((forward, until)) if now.on < until => Err(Jumped {
                forward,
                wait: until - now.on,
            }),
            _ => {
                self.jump = None;
                Ok(())
            }
        }
    }
}

/// From one time to another; nothing if that is before it. Times before 1970 count as 1970.
fn between(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from.max(UNIX_EPOCH)).unwrap_or_default()
}

/// What the clock of the day may gain on the other one from look to look: more than any time server
/// corrects in passing, less than a day of retention.
const JUMP_MIN: Duration = Duration::from_secs(3600);

/// A server that was off for longer, if it was off, has its clock watched first.
const AWAY_MAX: Duration = Duration::from_secs(3 * 86_400);

/// How long a clock that has jumped must go on evenly.
const EVEN_MIN: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;
    const DAY: u64 = 86_400;
    const START: u64 = 1_795_422_279;

    fn reading(wall: u64, on: u64) -> Reading {
        Reading {
            wall: UNIX_EPOCH + Duration::from_secs(wall),
            on: Duration::from_secs(on),
        }
    }

    fn swept(wall: u64) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_secs(wall))
    }

    #[test]
    fn an_even_clock_is_believed() {
        let mut trust = Trust::new(reading(START, 100), None);
        for n in 0..100 {
            // As uneven as a time server makes it.
            let wall = START + 6 * HOUR * n + n % 7;
            assert_eq!(trust.look(reading(wall, 100 + 6 * HOUR * n)), Ok(()));
        }
    }

    #[test]
    fn a_jump_forward_is_not_believed_before_a_day_has_gone_evenly() {
        let mut trust = Trust::new(reading(START, 100), swept(START - HOUR));
        assert_eq!(trust.look(reading(START, 100)), Ok(()));
        let (wall, on) = (START + 3650 * DAY, 100 + 6 * HOUR);
        for n in 0..4 {
            let found = trust.look(reading(wall + n * 6 * HOUR, on + n * 6 * HOUR));
            let jumped = Jumped {
                forward: Duration::from_secs(3650 * DAY - 6 * HOUR),
                wait: Duration::from_secs(DAY - n * 6 * HOUR),
            };
            assert_eq!(found, Err(jumped));
        }
        assert_eq!(trust.look(reading(wall + DAY, on + DAY)), Ok(()));
    }

    #[test]
    fn a_second_jump_begins_the_day_anew() {
        let mut trust = Trust::new(reading(START, 0), None);
        trust.look(reading(START + 10 * DAY, 1)).unwrap_err();
        trust
            .look(reading(START + 30 * DAY, 23 * HOUR))
            .unwrap_err();
        trust
            .look(reading(START + 31 * DAY, 25 * HOUR))
            .unwrap_err();
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed_and_set_right_again_is_watched() {
        let mut trust = Trust::new(reading(START, 0), swept(START + 99 * DAY));
        assert_eq!(trust.look(reading(START, 1)), Ok(()));
        assert_eq!(trust.look(reading(START - 9 * DAY, 2)), Ok(()));
        assert_eq!(trust.look(reading(0, 3)), Ok(()));
        trust.look(reading(START, 4)).unwrap_err();
    }

    #[test]
    fn a_machine_that_sleeps_is_no_jump() {
        let mut trust = Trust::new(reading(START, 0), None);
        assert_eq!(trust.look(reading(START + 9 * DAY, 9 * DAY)), Ok(()));
    }

    #[test]
    fn over_a_restart_the_last_sweep_is_what_is_known() {
        for (away, believed) in [(HOUR, true), (3 * DAY, true), (3 * DAY + 1, false)] {
            let mut trust = Trust::new(reading(START, 5), swept(START - away));
            assert_eq!(trust.look(reading(START + 1, 6)).is_ok(), believed);
            assert_eq!(trust.look(reading(START + 1 + DAY, 6 + DAY)), Ok(()));
        }
    }

    #[test]
    fn this_machine_has_both_clocks() {
        let now = Reading::now();
        assert!(now.wall > UNIX_EPOCH && now.on > Duration::ZERO);
        assert_eq!(Trust::new(now, None).look(Reading::now()), Ok(()));
    }
}
