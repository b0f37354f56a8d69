//! How long a refusal takes: longer for an address or an account that has failed before.
//!
//! The first refusal takes `refusal_delay`, each further failure doubles it, up to 15 s; one failure
//! is forgotten each minute. IPv4 addresses count one by one, IPv6 addresses by /64. A success of an
//! address with a penalty takes as long as its refusal, or a guesser would just not wait for the
//! answer. Nobody is locked out:
//!
//! * the same wrong password from the same address counts once: a stale client is no attack;
//! * the account's penalty does not touch an address that logged in to it within a day, nor a
//!   credential that is in the cache; both together free from the address's penalty, too.
//!
//! An account is counted under the name that was sent, whether it exists or not, so the penalty
//! tells nothing about who does. Names and addresses are kept as keyed 64-bit hashes. All tables are
//! LRU: 458,000 addresses and as many accounts take about 54 MB when full, 100,000 places of good
//! logins 7 MB; one entry is 48 octets in the heap and 9 or 18 in the table.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use tokio::time::Instant;

use crate::place::{Peer, mapped};
use crate::pool::Standing;

/// Longest time that a refusal takes.
pub const REFUSAL_DELAY_MAX: Duration = Duration::from_secs(15);
/// One failure is forgotten in this time.
const FORGET: Duration = Duration::from_secs(60);
/// More failures than these are not counted: the delay is at its maximum long before.
const FAILURES_MAX: u32 = 10;
/// How long an address that logged in is known to belong to the account.
const KNOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// Just under 7/8 of 2^19, where a hash table would double.
const ENTRIES_MAX: usize = 458_000;
const KNOWN_MAX: usize = 100_000;

pub(crate) struct Throttle {
    refusal_delay: Duration,
    start: Instant,
    hasher: RandomState,
    tables: Mutex<Tables>,
}

struct Tables {
    addresses: LruCache<u64, AddressFailures>,
    accounts: LruCache<u64, Failures>,
    /// Account and address together → when the last good login was, in seconds.
    known: LruCache<u64, u32>,
}

/// Failures, and the second (since the start of the throttle) in which they were last counted.
#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    second: u32,
}

/// An address's failures and its last two wrong credentials.
#[derive(Clone, Copy, Default)]
struct AddressFailures {
    failures: Failures,
    wrong: [u32; 2],
}

/// One login's view of the throttle: taken when it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// Whom a place in the queue of the hashing pool counts for.
    pub(crate) asker: u64,
    /// Strangers do not get all of that queue.
    pub(crate) standing: Standing,
    arrived: Instant,
    address: Option<u64>,
    account: u64,
    pair: u64,
    address_failures: u32,
    account_failures: u32,
}

impl Throttle {
    pub(crate) fn new(refusal_delay: Duration) -> Self {
        Self {
            refusal_delay,
            start: Instant::now(),
            hasher: RandomState::new(),
            tables: Mutex::new(Tables {
                addresses: LruCache::new(ENTRIES_MAX),
                accounts: LruCache::new(ENTRIES_MAX),
                known: LruCache::new(KNOWN_MAX),
            }),
        }
    }

    /// A login arrives. The name is as it was sent; its case does not matter.
    pub(crate) fn arrive(&self, name: &str, peer: Peer) -> Attempt {
        let arrived = Instant::now();
        let second = self.second(arrived);
        let prefix = match peer {
            Peer::Address(address) => Some(prefix(address)),
            Peer::Local => None,
        };
        let account = self.hasher.hash_one(name.to_ascii_lowercase());
        let pair = self.hasher.hash_one((account, prefix));
        let address = prefix.map(|prefix| self.hasher.hash_one(prefix));
        let mut tables = self.lock();
        let known = tables
            .known
            .get(&pair)
            .is_some_and(|&last| Duration::from_secs(second.saturating_sub(last).into()) <= KNOWN);
        Attempt {
            asker: address.unwrap_or(pair),
            arrived,
            address,
            account,
            pair,
            standing: match known {
                true => Standing::Known,
                false => Standing::Stranger,
            },
            address_failures: address
                .and_then(|address| tables.addresses.get(&address))
                .map_or(0, |entry| entry.failures.now(second)),
            account_failures: tables
                .accounts
                .get(&account)
                .map_or(0, |failures| failures.now(second)),
        }
    }

    /// The login failed. `credential` identifies the wrong password, if it can be told from others.
    pub(crate) fn failed(&self, attempt: &Attempt, credential: Option<u32>) {
        let second = self.second(Instant::now());
        let mut tables = self.lock();
        if let Some(address) = attempt.address {
            let mut entry = tables.addresses.get(&address).copied().unwrap_or_default();
            if credential.is_some_and(|credential| entry.wrong.contains(&credential)) {
                return;
            }
            entry.failures.add(second);
            if let Some(credential) = credential {
                entry.wrong = [credential, entry.wrong[0]];
            }
            tables.addresses.insert(address, entry);
        }
        let mut failures = tables
            .accounts
            .get(&attempt.account)
            .copied()
            .unwrap_or_default();
        failures.add(second);
        tables.accounts.insert(attempt.account, failures);
    }

    /// The login was right: the address is known for this account from now on.
    pub(crate) fn succeeded(&self, attempt: &Attempt) {
        let second = self.second(Instant::now());
        self.lock().known.insert(attempt.pair, second);
    }

    /// When a refusal is answered: at `arrived` plus the delay, or, if the work took longer, at the
    /// next whole `refusal_delay` after that.
    pub(crate) fn refusal_instant(&self, attempt: &Attempt) -> Instant {
        let account = match attempt.standing {
            Standing::Known => 0,
            Standing::Stranger => attempt.account_failures,
        };
        let mut instant = attempt.arrived + self.delay(account.max(attempt.address_failures));
        let now = Instant::now();
        while instant < now && !self.refusal_delay.is_zero() {
            instant += self.refusal_delay;
        }
        instant
    }

    /// When a login is answered that cannot be checked now: not at once, or whoever asks again
    /// without a pause would get each place that becomes free.
    pub(crate) fn unavailable_instant(&self, attempt: &Attempt) -> Instant {
        attempt.arrived + self.refusal_delay
    }

    /// When a right login is answered; none: at once.
    pub(crate) fn success_instant(&self, attempt: &Attempt, cached: bool) -> Option<Instant> {
        let known = attempt.standing == Standing::Known;
        let account = match known || cached {
            true => 0,
            false => attempt.account_failures,
        };
        let address = match known && cached {
            true => 0,
            false => attempt.address_failures,
        };
        match account.max(address) {
            0 => None,
            failures => Some(attempt.arrived + self.delay(failures)),
        }
    }

    /// Failures of an address that still count.
    #[cfg(test)]
    pub(crate) fn address_failures(&self, peer: Peer) -> u32 {
        self.arrive("", peer).address_failures
    }

    fn delay(&self, failures: u32) -> Duration {
        let max = REFUSAL_DELAY_MAX.max(self.refusal_delay);
        self.refusal_delay
            .saturating_mul(1 << failures.min(FAILURES_MAX))
            .min(max)
    }

    /// Seconds since the start; enough for 136 years.
    fn second(&self, now: Instant) -> u32 {
        u32::try_from((now - self.start).as_secs()).unwrap_or(u32::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    /// What is left of them in this second.
    fn now(self, second: u32) -> u32 {
        let forgotten = u64::from(second.saturating_sub(self.second)) / FORGET.as_secs();
        self.count
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }

    fn add(&mut self, second: u32) {
        self.count = (self.now(second) + 1).min(FAILURES_MAX);
        self.second = second;
    }
}

/// What counts as one address: IPv4 /32, IPv6 /64.
fn prefix(address: IpAddr) -> u128 {
    let bits = mapped(address);
    match address.to_canonical() {
        IpAddr::V4(_) => bits,
        IpAddr::V6(_) => bits >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_secs(2);

    fn peer(text: &str) -> Peer {
        Peer::Address(text.parse().unwrap())
    }

    fn wait(throttle: &Throttle, attempt: &Attempt) -> u64 {
        (throttle.refusal_instant(attempt) - attempt.arrived).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn each_failure_doubles_up_to_15_s_and_a_minute_forgets_one() {
        let throttle = Throttle::new(BASE);
        let mut waits = Vec::new();
        for n in 0..6 {
            let attempt = throttle.arrive(&format!("user{n}"), peer("192.0.2.1"));
            waits.push(wait(&throttle, &attempt));
            throttle.failed(&attempt, Some(n + 1));
        }
        assert_eq!(waits, [2, 4, 8, 15, 15, 15]);
        tokio::time::advance(FORGET * 5).await;
        let attempt = throttle.arrive("x", peer("192.0.2.1"));
        assert_eq!(wait(&throttle, &attempt), 4);
        tokio::time::advance(FORGET).await;
        let attempt = throttle.arrive("x", peer("192.0.2.1"));
        assert_eq!(wait(&throttle, &attempt), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_counted_over_all_addresses_whether_it_exists_or_not() {
        let throttle = Throttle::new(BASE);
        for n in 1..=3 {
            let attempt = throttle.arrive("Bob", peer(&format!("192.0.2.{n}")));
            throttle.failed(&attempt, Some(n));
        }
        let attempt = throttle.arrive("bob", peer("198.51.100.1"));
        assert_eq!(wait(&throttle, &attempt), 15);
        let attempt = throttle.arrive("alice", peer("198.51.100.1"));
        assert_eq!(wait(&throttle, &attempt), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
        let throttle = Throttle::new(BASE);
        for (failing, same, other) in [
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ] {
            let attempt = throttle.arrive(failing, peer(failing));
            throttle.failed(&attempt, Some(1));
            let attempt = throttle.arrive("x", peer(same));
            assert_eq!(wait(&throttle, &attempt), 4);
            let attempt = throttle.arrive("x", peer(other));
            assert_eq!(wait(&throttle, &attempt), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_client_does_not_raise_the_penalty() {
        let throttle = Throttle::new(BASE);
        for n in 0..50 {
            // Two stale clients behind one address, turn by turn.
            let attempt = throttle.arrive("bob", peer("192.0.2.1"));
            assert!(wait(&throttle, &attempt) <= 8, "attempt {n}");
            throttle.failed(&attempt, Some(1 + n % 2));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_do_not_lock_the_owner_out() {
        let throttle = Throttle::new(BASE);
        let home = throttle.arrive("bob", peer("192.0.2.1"));
        throttle.succeeded(&home);
        for n in 1..=20 {
            let attempt = throttle.arrive("bob", peer(&format!("203.0.113.{n}")));
            throttle.failed(&attempt, Some(n));
        }
        // From an address that logged in lately, and with a cached credential from anywhere.
        let home = throttle.arrive("bob", peer("192.0.2.1"));
        assert_eq!(throttle.success_instant(&home, false), None);
        assert_eq!(wait(&throttle, &home), 2);
        let abroad = throttle.arrive("bob", peer("198.51.100.1"));
        assert_eq!(throttle.success_instant(&abroad, true), None);
        // From anywhere else the right password takes as long as a wrong one.
        let held = throttle.success_instant(&abroad, false);
        assert_eq!(held, Some(throttle.refusal_instant(&abroad)));
        assert_eq!(wait(&throttle, &abroad), 15);
        // A day later the address is as strange as any other.
        tokio::time::advance(KNOWN + FORGET).await;
        let later = throttle.arrive("bob", peer("192.0.2.1"));
        assert_eq!(later.standing, Standing::Stranger);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_a_penalty_keeps_it_but_for_its_own_cached_credential() {
        let throttle = Throttle::new(BASE);
        let office = throttle.arrive("bob", peer("192.0.2.1"));
        throttle.succeeded(&office);
        for n in 0..3 {
            let attempt = throttle.arrive("alice", peer("192.0.2.1"));
            throttle.failed(&attempt, Some(10 + n));
        }
        let bob = throttle.arrive("bob", peer("192.0.2.1"));
        assert_eq!(throttle.success_instant(&bob, true), None);
        assert!(throttle.success_instant(&bob, false).is_some());
        let carol = throttle.arrive("carol", peer("192.0.2.1"));
        assert!(throttle.success_instant(&carol, true).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_took_longer_is_answered_on_the_next_beat() {
        let throttle = Throttle::new(BASE);
        let attempt = throttle.arrive("bob", peer("192.0.2.1"));
        tokio::time::advance(Duration::from_millis(4100)).await;
        assert_eq!(wait(&throttle, &attempt), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_unix_socket_has_no_address_to_count_but_the_account_has() {
        let throttle = Throttle::new(BASE);
        for n in 1..=3 {
            let attempt = throttle.arrive("bob", Peer::Local);
            throttle.failed(&attempt, Some(n));
        }
        assert_eq!(wait(&throttle, &throttle.arrive("alice", Peer::Local)), 2);
        assert_eq!(wait(&throttle, &throttle.arrive("bob", Peer::Local)), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn the_tables_are_bounded_and_forget_the_oldest() {
        let throttle = Throttle::new(BASE);
        {
            let mut tables = throttle.lock();
            for n in 0..ENTRIES_MAX as u64 + 5 {
                tables.addresses.insert(n, AddressFailures::default());
                tables.accounts.insert(n, Failures::default());
                tables.known.insert(n, 0);
            }
            assert_eq!(tables.addresses.len(), ENTRIES_MAX);
            assert_eq!(tables.accounts.len(), ENTRIES_MAX);
            assert_eq!(tables.known.len(), KNOWN_MAX);
            assert!(tables.addresses.peek(&4).is_none());
            assert!(tables.addresses.peek(&5).is_some());
        }
        // Two links of the list, the key and the value; the allocator adds 8 octets.
        assert_eq!(size_of::<(usize, usize, u64, AddressFailures)>(), 40);
    }
}
