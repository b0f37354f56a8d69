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
mod tests;
