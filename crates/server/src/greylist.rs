//! Greylisting: whoever brings a first message is asked to come again (RFC 6647).
//!
//! Senders that keep no queue never do. What is remembered is a triplet of client network (IPv4 /24,
//! IPv6 /64: large senders try again from another host), sender and recipient. It passes when it
//! comes again after the delay and within a day, and then for [`CONFIRMED`] after its last use. A
//! network of which [`TRUSTED_FROM`] triplets have passed is not asked any more.
//!
//! Only a hash of a triplet is kept, with a random key: nobody can make two collide, and nobody can
//! read in it who writes to whom. The table is bounded; for a new triplet the one goes that was used
//! longest ago. It lives in memory: after a restart everybody is asked to come again, once. Time
//! comes in as an argument.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What becomes of a recipient.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Greeted {
    /// It is known, or the network is.
    Known,
    /// Not now: `451 4.7.1`. It may pass after so much time.
    Later(Duration),
}

/// Who was asked to come again, and who did.
#[derive(Debug)]
pub(crate) struct Greylist {
    /// How long a new triplet waits.
    delay: Duration,
    /// SipHash with a key of its own, made at random.
    key: RandomState,
    entries: Table<Entry>,
    /// By network, how many of its triplets have passed.
    networks: Table<u32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Entry {
    /// Came first at that time.
    New(Instant),
    Passed,
}

impl Greylist {
    /// A list without entries. Each new triplet waits for `delay`.
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            key: RandomState::new(),
            entries: Table::new(ENTRIES_MAX),
            networks: Table::new(ENTRIES_MAX),
        }
    }

    /// Whether this recipient may have a message from this sender (empty: the null sender) and
    /// client. Addresses are compared without regard to case.
    pub(crate) fn greet(
        &mut self,
        client: IpAddr,
        sender: &str,
        recipient: &str,
        now: Instant,
    ) -> Greeted {
        let network = self.key.hash_one(network(client));
        let trusted = self.networks.touch(network, now, CONFIRMED);
        if trusted.is_some_and(|passed| *passed >= TRUSTED_FROM) {
            return Greeted::Known;
        }
        let addresses = (sender.to_ascii_lowercase(), recipient.to_ascii_lowercase());
        let triplet = self.key.hash_one((network, addresses));
        match self.entries.get(triplet) {
            Some((Entry::Passed, last)) if now.saturating_duration_since(last) < CONFIRMED => {
                self.entries.put(triplet, Entry::Passed, now);
                Greeted::Known
            }
            Some((Entry::New(first), _)) if now.saturating_duration_since(first) < RETRY => {
                let waited = now.saturating_duration_since(first);
                if waited < self.delay {
                    // It keeps its place in the table: who comes too early gains nothing.
                    return Greeted::Later(self.delay - waited);
                }
                self.entries.put(triplet, Entry::Passed, now);
                let passed = self.networks.get(network);
                let counts =
                    |(_, last): &(u32, Instant)| now.saturating_duration_since(*last) < CONFIRMED;
                let passed = passed.filter(counts).map_or(0, |(passed, _)| passed);
                self.networks.put(network, passed.saturating_add(1), now);
                Greeted::Known
            }
            _ => {
                self.entries.put(triplet, Entry::New(now), now);
                Greeted::Later(self.delay)
            }
        }
    }
}

/// The part of an address that does not change from one try to the next.
fn network(client: IpAddr) -> (u8, u64) {
    match client.to_canonical() {
        IpAddr::V4(address) => (4, u64::from(address.to_bits() >> 8)),
        IpAddr::V6(address) => (6, (address.to_bits() >> 64) as u64),
    }
}

/// Values by hash, of which the one goes first that was used longest ago.
#[derive(Debug)]
struct Table<V> {
    entries_max: usize,
    values: HashMap<u64, (V, Use)>,
    by_use: BTreeMap<Use, u64>,
    uses: u64,
}

/// When a value was used last; the number makes it one value's.
type Use = (Instant, u64);

impl<V: Copy> Table<V> {
    fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            values: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The value, and when it was used last.
    fn get(&self, key: u64) -> Option<(V, Instant)> {
        let (value, (last, _)) = self.values.get(&key)?;
        Some((*value, *last))
    }

    fn put(&mut self, key: u64, value: V, now: Instant) {
        self.uses += 1;
        let last = (now, self.uses);
        if let Some((_, before)) = self.values.insert(key, (value, last)) {
            self.by_use.remove(&before);
        }
        self.by_use.insert(last, key);
        if self.values.len() > self.entries_max
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.values.remove(&oldest);
        }
    }

    /// A value that was used within this time, which begins anew.
    fn touch(&mut self, key: u64, now: Instant, within: Duration) -> Option<&V> {
        let (value, last) = self.get(key)?;
        if now.saturating_duration_since(last) >= within {
            return None;
        }
        self.put(key, value, now);
        self.values.get(&key).map(|(value, _)| value)
    }
}

/// A triplet that has passed is known for so long after its last use: more than a month, for what
/// comes monthly (RFC 6647 §5 asks for at least a week).
const CONFIRMED: Duration = Duration::from_secs(36 * 24 * 3600);

/// So long after its first try a triplet may come again; later it is new. Queues try for days, but
/// the first time within hours (RFC 5321 §4.5.4.1).
const RETRY: Duration = Duration::from_secs(24 * 3600);

/// Triplets of a network that pass until it is trusted.
const TRUSTED_FROM: u32 = 5;

/// Triplets, and networks, that are remembered; about 100 octets each.
const ENTRIES_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DELAY: Duration = Duration::from_secs(300);
    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Clock {
        list: Greylist,
        now: Instant,
    }

    impl Clock {
        fn new() -> Self {
            Self {
                list: Greylist::new(DELAY),
                now: Instant::now(),
            }
        }

        fn after(&mut self, time: Duration, client: &str, sender: &str) -> Greeted {
            self.now += time;
            let client = client.parse().unwrap();
            self.list
                .greet(client, sender, "mrose@example.org", self.now)
        }
    }

    fn later(seconds: u64) -> Greeted {
        Greeted::Later(Duration::from_secs(seconds))
    }

    #[test]
    fn who_comes_again_after_the_delay_passes() {
        let mut clock = Clock::new();
        let zero = Duration::ZERO;
        assert_eq!(clock.after(zero, "192.0.2.1", "a@b.org"), later(300));
        // Too early does not make it longer.
        assert_eq!(clock.after(DELAY / 3, "192.0.2.1", "a@b.org"), later(200));
        let second = Duration::from_secs(1);
        assert_eq!(
            clock.after(DELAY / 3 * 2 - second, "192.0.2.1", "a@b.org"),
            later(1)
        );
        // From another host of the network, in another case.
        assert_eq!(
            clock.after(second, "192.0.2.200", "A@B.org"),
            Greeted::Known
        );
        assert_eq!(clock.after(zero, "192.0.2.1", "a@b.org"), Greeted::Known);
        // Another sender, another network, and the null sender are others.
        assert_eq!(clock.after(zero, "192.0.2.1", "c@b.org"), later(300));
        assert_eq!(clock.after(zero, "192.0.3.1", "a@b.org"), later(300));
        assert_eq!(clock.after(zero, "192.0.2.1", ""), later(300));
    }

    #[test]
    fn a_triplet_is_new_again_after_a_day_and_known_for_36_days() {
        let mut clock = Clock::new();
        clock.after(HOUR, "2001:db8::1", "a@b.org");
        assert_eq!(clock.after(DAY, "2001:db8::1", "a@b.org"), later(300));
        assert_eq!(
            clock.after(DAY - DELAY, "2001:db8::2", "a@b.org"),
            Greeted::Known
        );
        for _ in 0..3 {
            let almost = 36 * DAY - DELAY;
            assert_eq!(
                clock.after(almost, "2001:db8::3", "a@b.org"),
                Greeted::Known
            );
        }
        assert_eq!(clock.after(36 * DAY, "2001:db8::1", "a@b.org"), later(300));
    }

    #[test]
    fn a_network_that_has_come_again_often_is_trusted() {
        let mut clock = Clock::new();
        for sender in 0..TRUSTED_FROM {
            let sender = format!("{sender}@b.org");
            assert_eq!(clock.after(HOUR, "192.0.2.1", &sender), later(300));
            assert_eq!(clock.after(DELAY, "192.0.2.1", &sender), Greeted::Known);
        }
        assert_eq!(clock.after(HOUR, "192.0.2.9", "new@b.org"), Greeted::Known);
        assert_eq!(clock.after(HOUR, "192.0.3.9", "new@b.org"), later(300));
        assert_eq!(
            clock.after(36 * DAY, "192.0.2.9", "newer@b.org"),
            later(300)
        );
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let mut table = Table::new(3);
        let now = Instant::now();
        for key in 0..10 {
            table.put(key, key, now + Duration::from_secs(key));
            table.put(7, 7, now + Duration::from_secs(key));
        }
        assert_eq!((table.values.len(), table.by_use.len()), (3, 3));
        let mut kept: Vec<u64> = table.values.into_keys().collect();
        kept.sort_unstable();
        assert_eq!(kept, [7, 8, 9]);
    }

    proptest! {
        /// Nothing passes at its first try or before the delay, and what comes again in time does.
        #[test]
        fn nothing_passes_too_early(
            tries in prop::collection::vec((0..3u8, 0..2u8, 0..50_000u64), 1..60),
        ) {
            let mut list = Greylist::new(DELAY);
            let mut now = Instant::now();
            let mut first: HashMap<(u8, u8), (Instant, bool)> = HashMap::new();
            let mut passed = [0; 3];
            for (network, sender, seconds) in tries {
                now += Duration::from_secs(seconds);
                let client = IpAddr::from([192, 0, network, 1]);
                let greeted = list.greet(client, &sender.to_string(), "m", now);
                let entry = first.entry((network, sender)).or_insert((now, false));
                let waited = now - entry.0;
                let expected = match entry.1 || passed[usize::from(network)] >= TRUSTED_FROM {
                    true => Greeted::Known,
                    false if waited >= RETRY => {
                        *entry = (now, false);
                        Greeted::Later(DELAY)
                    }
                    false if waited >= DELAY => {
                        entry.1 = true;
                        passed[usize::from(network)] += 1;
                        Greeted::Known
                    }
                    false => Greeted::Later(DELAY - waited),
                };
                // Sixty such tries take less than 36 days.
                prop_assert_eq!(greeted, expected);
            }
        }
    }
}
