//! How often an account may log in: LOGIN-DELAY (RFC 2449 §6.5, §8.1.1).
//!
//! The RFC counts seconds from one login to the next, and a client that keeps to them must not be
//! refused. But an account has several clients, and some programs log in once to retrieve and once
//! more to delete. So each account has a bucket that holds a few logins and is filled again evenly,
//! as many in one delay as it holds: that many clients of one account may all keep to what CAPA says.
//!
//! Only right logins are counted, and only of accounts that exist: a stranger can neither use up
//! somebody's logins nor learn how many are left. Buckets are an LRU table in memory, some 6 MB when
//! full; whoever falls out of it, or logs in after a restart, finds a full one.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use tokio::time::Instant;

use crate::authenticator::Authenticator;
use crate::identity::Identity;

/// So many logins of one account in so much time, and no more at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoginDelay {
    /// What CAPA announces, in whole seconds.
    pub delay: Duration,
    /// Logins in one delay.
    pub logins_max: NonZeroU32,
}

/// The account has logged in too often of late.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many logins of this account of late")]
pub struct TooSoon;

impl Authenticator {
    /// Takes a login out of the account's bucket. It is gone unless [`Self::give_back`] is called, also
    /// when the client goes away meanwhile.
    ///
    /// # Errors
    ///
    /// [`TooSoon`] when there is none left; nothing is taken then.
    pub fn spend(&self, identity: &Identity, allowed: LoginDelay) -> Result<(), TooSoon> {
        self.login_delays.spend(identity.id(), allowed)
    }

    /// Puts a login back that came to nothing: the maildrop could not be opened.
    pub fn give_back(&self, identity: &Identity, allowed: LoginDelay) {
        self.login_delays.give_back(identity.id(), allowed);
    }
}

/// The buckets, each told by when it will be full again.
pub(crate) struct LoginDelays(Mutex<LruCache<i64, Instant>>);

impl Default for LoginDelays {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(ACCOUNTS_MAX)))
    }
}

impl LoginDelays {
    fn spend(&self, account: i64, allowed: LoginDelay) -> Result<(), TooSoon> {
        let now = Instant::now();
        let cost = allowed.cost();
        let empty = now + allowed.delay + cost / SLACK;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After a reload with a shorter delay nobody waits longer than the new one.
        let full = buckets
            .get(&account)
            .map_or(now, |full| (*full).clamp(now, empty));
        let spent = full + cost;
        let result = match spent <= empty {
            true => Ok(spent),
            false => Err(full),
        };
        buckets.insert(account, result.unwrap_or_else(|full| full));
        result.map(drop).map_err(|_| TooSoon)
    }

    fn give_back(&self, account: i64, allowed: LoginDelay) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = buckets.get_mut(&account) {
            *full = full.checked_sub(allowed.cost()).unwrap_or(*full);
        }
    }
}

impl LoginDelay {
    /// How long it takes until the bucket holds one more.
    fn cost(self) -> Duration {
        self.delay / self.logins_max.get()
    }
}

/// Accounts that are remembered.
const ACCOUNTS_MAX: usize = 100_000;

/// A login may come a tenth of its cost too early: neither a client's clock nor the way is exact.
/// Over many logins nothing is gained by that.
const SLACK: u32 = 10;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn allowed(seconds: u64, logins_max: u32) -> LoginDelay {
        LoginDelay {
            delay: Duration::from_secs(seconds),
            logins_max: logins_max.try_into().unwrap(),
        }
    }

    /// Logins in so many seconds of a client that tries each second.
    async fn greedy(buckets: &LoginDelays, seconds: u64, allowed: LoginDelay) -> usize {
        let mut right = 0;
        for _ in 0..seconds {
            right += usize::from(buckets.spend(1, allowed).is_ok());
            advance(Duration::from_secs(1)).await;
        }
        right
    }

    #[tokio::test(start_paused = true)]
    async fn some_at_once_and_then_as_many_in_each_delay() {
        let buckets = LoginDelays::default();
        let allowed = allowed(300, 3);
        for _ in 0..3 {
            assert_eq!(buckets.spend(1, allowed), Ok(()));
        }
        for _ in 0..10 {
            assert_eq!(buckets.spend(1, allowed), Err(TooSoon));
        }
        // Another account has its own.
        assert_eq!(buckets.spend(2, allowed), Ok(()));
        // Trying in vain makes nobody wait longer.
        advance(Duration::from_secs(100)).await;
        assert_eq!(buckets.spend(1, allowed), Ok(()));
        assert_eq!(buckets.spend(1, allowed), Err(TooSoon));
        // A bucket never holds more.
        advance(Duration::from_secs(100_000)).await;
        let at_once = (0..10).filter(|_| buckets.spend(1, allowed).is_ok());
        assert_eq!(at_once.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_clients_as_it_holds_may_keep_to_what_is_announced() {
        let buckets = LoginDelays::default();
        let allowed = allowed(300, 4);
        // Four clients of one household, each with its own beat, one of them with a clock that jumps.
        for round in 0..1000_u64 {
            for offset in [0, 1, 170] {
                advance(Duration::from_secs(offset)).await;
                assert_eq!(buckets.spend(1, allowed), Ok(()));
            }
            let late = round % 2 * 5;
            advance(Duration::from_secs(20 + late)).await;
            assert_eq!(buckets.spend(1, allowed), Ok(()));
            advance(Duration::from_secs(300 - 191 - late)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_that_is_not_exact_is_no_login_too_many() {
        let buckets = LoginDelays::default();
        let allowed = allowed(60, 1);
        for round in 0..1000 {
            assert_eq!(buckets.spend(1, allowed), Ok(()));
            let shifted = [59_000, 61_000][round % 2];
            advance(Duration::from_millis(shifted)).await;
        }
        // And it does not add up.
        let logins = greedy(&buckets, 60 * 1000, allowed).await;
        assert!((999..=1001).contains(&logins), "{logins}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_delay_counts_for_the_next_login() {
        let buckets = LoginDelays::default();
        let day = allowed(86_400, 1);
        assert_eq!(buckets.spend(1, day), Ok(()));
        assert_eq!(buckets.spend(1, day), Err(TooSoon));
        let minute = allowed(60, 1);
        assert_eq!(buckets.spend(1, minute), Err(TooSoon));
        advance(Duration::from_secs(60)).await;
        assert_eq!(buckets.spend(1, minute), Ok(()));
        advance(Duration::from_secs(60)).await;
        assert_eq!(buckets.spend(1, day), Ok(()));
        advance(Duration::from_secs(60)).await;
        assert_eq!(buckets.spend(1, day), Err(TooSoon));
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_came_to_nothing_is_given_back() {
        let buckets = LoginDelays::default();
        let allowed = allowed(60, 1);
        for _ in 0..10 {
            assert_eq!(buckets.spend(1, allowed), Ok(()));
            buckets.give_back(1, allowed);
        }
        assert_eq!(buckets.spend(1, allowed), Ok(()));
        assert_eq!(buckets.spend(1, allowed), Err(TooSoon));
        buckets.give_back(2, allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_forgets_who_was_away_longest() {
        let buckets = LoginDelays::default();
        let allowed = allowed(60, 1);
        for account in 0..=ACCOUNTS_MAX as i64 {
            assert_eq!(buckets.spend(account, allowed), Ok(()));
        }
        assert_eq!(buckets.0.lock().unwrap().len(), ACCOUNTS_MAX);
        assert_eq!(buckets.spend(1, allowed), Err(TooSoon));
        assert_eq!(buckets.spend(0, allowed), Ok(()));
    }
}
