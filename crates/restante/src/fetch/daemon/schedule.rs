//! When an account's turn comes again. Without a clock: what happened comes in, how long to wait goes out.

use std::time::Duration;

use crate::failure::Code;

/// Longest wait after errors.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// When one account's turn comes again.
#[derive(Debug)]
pub(super) struct Schedule {
    poll: Duration,
    /// How often in a row it has failed.
    failures: u32,
    /// What failed last, which has been told.
    told: Option<Code>,
    /// How long the server wants to be left alone.
    login_delay: Duration,
}

/// What came of a session.
#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    /// All in order, and how long the server wants to be left alone.
    Well(Option<Duration>),
    /// Not.
    Wrong(Code),
}

impl Schedule {
    pub(super) fn new(poll: Duration) -> Self {
        Self {
            poll,
            failures: 0,
            told: None,
            login_delay: Duration::ZERO,
        }
    }

    /// How long to wait before the first session, so that not all begin at once. `dice` is any number.
    pub(super) fn first(&self, dice: u64) -> Duration {
        spread(self.poll.min(Duration::from_secs(30)), dice)
    }

    /// How long to wait after a session.
    pub(super) fn after(&mut self, came: Came, dice: u64) -> Duration {
        let wait = match came {
            Came::Well(login_delay) => {
                self.failures = 0;
                self.told = None;
                self.login_delay = login_delay.map_or(Duration::ZERO, |it| it.min(WAIT_MAX * 24));
                self.poll
            }
            Came::Wrong(code) => {
                self.failures = self.failures.saturating_add(1);
                match needs_somebody(code) {
                    true => self.poll.max(WAIT_MAX),
                    false => {
                        let doublings = (self.failures - 1).min(16);
                        let longer = self.poll.saturating_mul(1 << doublings);
                        longer.min(WAIT_MAX).max(self.poll)
                    }
                }
            }
        };
        // Those who were asked too early refuse even the right password.
        let wait = wait.max(self.login_delay);
        wait + spread(wait / 10, dice)
    }

    /// Whether a failure is another one than the last, and so worth to be told to somebody.
    pub(super) fn is_news(&mut self, code: Code) -> bool {
        let is_news = self.told != Some(code);
        self.told = Some(code);
        is_news
    }
}

/// Whether it is of no use to try again before somebody has done something: a refused password that is shown again and again
/// locks the account.
fn needs_somebody(code: Code) -> bool {
    matches!(
        code,
        Code::TokenNeeded | Code::NoPermission | Code::Config | Code::Usage
    )
}

/// Anything from nothing to `most`.
fn spread(most: Duration, dice: u64) -> Duration {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(dice % most.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(poll: u64, came: &[Came]) -> Vec<u64> {
        let mut schedule = Schedule::new(Duration::from_secs(poll));
        came.iter()
            .map(|came| schedule.after(*came, 0).as_secs())
            .collect()
    }

    #[test]
    fn errors_that_pass_double_the_wait_up_to_an_hour() {
        let down = Came::Wrong(Code::Unavailable);
        let well = Came::Well(None);
        assert_eq!(
            waits(300, &[well, down, down, down, down, down, down, well, down]),
            [300, 300, 600, 1200, 2400, 3600, 3600, 300, 300]
        );
        // Who asks once a day goes on with that.
        assert_eq!(waits(86_400, &[down, down]), [86_400, 86_400]);
    }

    #[test]
    fn what_needs_somebody_waits_an_hour_at_once_and_is_told_once() {
        for code in [Code::TokenNeeded, Code::NoPermission] {
            assert_eq!(waits(60, &[Came::Wrong(code)]), [3600]);
            let mut schedule = Schedule::new(Duration::from_secs(60));
            assert!(schedule.is_news(code));
            schedule.after(Came::Wrong(code), 0);
            assert!(!schedule.is_news(code));
            assert!(schedule.is_news(Code::Temporary));
            schedule.after(Came::Well(None), 0);
            assert!(schedule.is_news(Code::Temporary));
        }
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_wants() {
        let delay = Came::Well(Some(Duration::from_secs(900)));
        assert_eq!(
            waits(60, &[delay, Came::Wrong(Code::Temporary), Came::Well(None)]),
            [900, 900, 60]
        );
    }

    #[test]
    fn turns_are_spread_by_a_tenth_and_never_come_early() {
        let mut schedule = Schedule::new(Duration::from_secs(300));
        for dice in [0, 1, 7_777, u64::MAX] {
            assert!(schedule.first(dice) <= Duration::from_secs(30));
            let wait = schedule.after(Came::Well(None), dice);
            assert!((300..=330).contains(&wait.as_secs()), "{wait:?}");
        }
    }
}
