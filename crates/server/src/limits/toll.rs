//! What strangers pay who guess: addresses that we do not have, and commands that are none.
//!
//! A directory of users is found by asking for thousands of names, and each costs us a search. So
//! whoever has got more wrong than anybody does by accident waits for every reply, the longer the
//! more he goes on, and is at last told to go and not served for a while. Counted is by address, and
//! by /64 in IPv6, within [`Tolls::period`]; not by session, or a new connection would begin anew.
//! Who gets things right pays nothing, and everything is forgotten after a quiet period.
//!
//! The table is bounded. A flood from everywhere makes it forget those who have been quiet for
//! longest, never those who go on. Time comes in as an argument.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::strangers::Network;

/// From which number of mistakes on what is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tolls {
    /// From so many mistakes on each reply waits: one second, and one more for each tenth of the way
    /// to `refused_from`. 0: nobody pays or is refused.
    pub delayed_from: u32,
    /// From so many on nothing is served; more than `delayed_from`.
    pub refused_from: u32,
    /// So long after the last mistake all are forgotten. They also fade within it: each period that
    /// has begun since the first takes a half of them.
    pub period: Duration,
}

impl Default for Tolls {
    fn default() -> Self {
        Self {
            delayed_from: 20,
            refused_from: 100,
            period: Duration::from_secs(600),
        }
    }
}

/// What a client has to pay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Toll {
    /// Nothing.
    Free,
    /// So much time before each reply.
    Delay(Duration),
    /// `421 4.7.0`, and the end of the connection.
    Refuse,
}

/// Mistakes by network. At most [`NETWORKS_MAX`] of them, about 150 octets each.
#[derive(Debug, Default)]
pub(crate) struct TollBook {
    networks: HashMap<Network, Mistakes>,
    /// By the last mistake; the number makes each place in time one network's.
    by_last: BTreeMap<(Instant, u64), Network>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mistakes {
    count: u32,
    /// When the current period began.
    since: Instant,
    last: (Instant, u64),
}

impl TollBook {
    /// Counts a mistake, and says what is to be paid from now on.
    pub(crate) fn mistake(&mut self, address: IpAddr, now: Instant, tolls: &Tolls) -> Toll {
        if tolls.delayed_from == 0 {
            return Toll::Free;
        }
        self.forget(now, tolls);
        let network = Network::of(address);
        self.next += 1;
        let last = (now, self.next);
        let fresh = Mistakes {
            count: 0,
            since: now,
            last,
        };
        let mistakes = self.networks.entry(network).or_insert(fresh);
        self.by_last.remove(&mistakes.last);
        mistakes.fade(now, tolls.period);
        mistakes.count = mistakes.count.saturating_add(1);
        mistakes.last = last;
        let toll = tolls.of(mistakes.count);
        self.by_last.insert(last, network);
        if self.networks.len() > NETWORKS_MAX
            && let Some((_, quiet)) = self.by_last.pop_first()
        {
            self.networks.remove(&quiet);
        }
        toll
    }

    /// What is to be paid, before anything else is done for this client.
    pub(crate) fn toll(&self, address: IpAddr, now: Instant, tolls: &Tolls) -> Toll {
        let mistakes = self.networks.get(&Network::of(address)).copied();
        mistakes.map_or(Toll::Free, |mut mistakes| {
            let quiet = now.saturating_duration_since(mistakes.last.0);
            mistakes.fade(now, tolls.period);
            match quiet >= tolls.period {
                true => Toll::Free,
                false => tolls.of(mistakes.count),
            }
        })
    }

    /// Takes those out who have made no mistake for a period: the oldest are first.
    fn forget(&mut self, now: Instant, tolls: &Tolls) {
        while let Some(entry) = self.by_last.first_entry() {
            if now.saturating_duration_since(entry.key().0) < tolls.period {
                break;
            }
            let network = entry.remove();
            self.networks.remove(&network);
        }
    }
}

impl Mistakes {
    /// Half of them go with each period.
    fn fade(&mut self, now: Instant, period: Duration) {
        while now.saturating_duration_since(self.since) >= period && self.count > 0 {
            self.count /= 2;
            self.since += period;
        }
        if self.count == 0 {
            self.since = now;
        }
    }
}

impl Tolls {
    fn of(&self, count: u32) -> Toll {
        match count {
            _ if self.delayed_from == 0 => Toll::Free,
            count if count < self.delayed_from => Toll::Free,
            count if count >= self.refused_from => Toll::Refuse,
            count => {
                let way = u64::from(self.refused_from - self.delayed_from);
                let gone = u64::from(count - self.delayed_from);
                Toll::Delay(Duration::from_secs(1 + gone * 9 / (way - 1).max(1)))
            }
        }
    }
}

/// Networks that are counted.
const NETWORKS_MAX: usize = 50_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOLLS: Tolls = Tolls {
        delayed_from: 20,
        refused_from: 100,
        period: Duration::from_secs(600),
    };

    fn address(number: u32) -> IpAddr {
        IpAddr::from(number.to_be_bytes())
    }

    fn delay(seconds: u64) -> Toll {
        Toll::Delay(Duration::from_secs(seconds))
    }

    #[test]
    fn the_first_mistakes_are_free_and_the_last_are_the_end() {
        let (mut book, now) = (TollBook::default(), Instant::now());
        let tolls: Vec<Toll> = (0..101)
            .map(|_| book.mistake(address(1), now, &TOLLS))
            .collect();
        assert!(tolls[..19].iter().all(|toll| *toll == Toll::Free));
        assert_eq!((tolls[19], tolls[97]), (delay(1), delay(9)));
        assert_eq!((tolls[98], tolls[99]), (delay(10), Toll::Refuse));
        assert_eq!(book.toll(address(1), now, &TOLLS), Toll::Refuse);
        assert_eq!(book.toll(address(2), now, &TOLLS), Toll::Free);
    }

    #[test]
    fn it_is_forgotten_after_a_quiet_period_and_fades_before() {
        let (mut book, start) = (TollBook::default(), Instant::now());
        for _ in 0..100 {
            book.mistake(address(1), start, &TOLLS);
        }
        let last = start + Duration::from_secs(599);
        assert_eq!(book.mistake(address(1), last, &TOLLS), Toll::Refuse);
        let after = start + Duration::from_secs(600);
        // Half of 101.
        assert_eq!(book.toll(address(1), after, &TOLLS), delay(4));
        let quiet = last + TOLLS.period;
        assert_eq!(book.toll(address(1), quiet, &TOLLS), Toll::Free);
        assert_eq!(book.mistake(address(1), quiet, &TOLLS), Toll::Free);
        assert_eq!(book.networks.len(), 1);
    }

    #[test]
    fn an_ipv6_network_is_one() {
        let (mut book, now) = (TollBook::default(), Instant::now());
        for host in 0..20 {
            let address = format!("2001:db8::{host:x}").parse().unwrap();
            book.mistake(address, now, &TOLLS);
        }
        let same = "2001:db8::ffff:1".parse().unwrap();
        let other = "2001:db8:0:1::1".parse().unwrap();
        assert_eq!(book.toll(same, now, &TOLLS), delay(1));
        assert_eq!(book.toll(other, now, &TOLLS), Toll::Free);
        let mapped = "::ffff:0.0.0.9".parse().unwrap();
        book.mistake(address(9), now, &TOLLS);
        assert!(book.networks.contains_key(&Network::of(mapped)));
    }

    #[test]
    fn a_flood_from_everywhere_does_not_hide_who_goes_on() {
        let (mut book, start) = (TollBook::default(), Instant::now());
        for number in 0..NETWORKS_MAX as u32 * 2 {
            let now = start + Duration::from_micros(number.into());
            book.mistake(address(number), now, &TOLLS);
            if number % 1000 == 0 {
                book.mistake(address(u32::MAX), now, &TOLLS);
            }
        }
        assert_eq!(book.networks.len(), NETWORKS_MAX);
        assert_eq!(book.by_last.len(), NETWORKS_MAX);
        let now = start + Duration::from_secs(1);
        assert_eq!(book.toll(address(u32::MAX), now, &TOLLS), Toll::Refuse);
    }

    #[test]
    fn nobody_pays_where_there_is_no_toll() {
        let (mut book, now) = (TollBook::default(), Instant::now());
        let none = Tolls {
            delayed_from: 0,
            ..TOLLS
        };
        for _ in 0..1000 {
            assert_eq!(book.mistake(address(1), now, &none), Toll::Free);
        }
        assert!(book.networks.is_empty());
    }

    proptest! {
        /// Few mistakes within a period are free, whatever came before, and the book holds what it
        /// says it does.
        #[test]
        fn books_balance(
            mistakes in prop::collection::vec((0..4u32, 0..400u64), 0..400),
            delayed_from in 1..30u32,
            way in 1..50u32,
        ) {
            let refused_from = delayed_from + way;
            let tolls = Tolls { delayed_from, refused_from, ..TOLLS };
            let (mut book, mut now) = (TollBook::default(), Instant::now());
            let mut all = HashMap::<u32, u32>::new();
            for (host, seconds) in mistakes {
                now += Duration::from_secs(seconds);
                let toll = book.mistake(address(host), now, &tolls);
                prop_assert_eq!(book.toll(address(host), now, &tolls), toll);
                let count = all.entry(host).or_default();
                *count += 1;
                match toll {
                    Toll::Free => {}
                    Toll::Delay(delay) => {
                        prop_assert!(*count >= delayed_from);
                        let seconds = delay.as_secs();
                        prop_assert!((1..=10).contains(&seconds), "{seconds}");
                    }
                    Toll::Refuse => prop_assert!(*count >= refused_from),
                }
                prop_assert_eq!(book.networks.len(), book.by_last.len());
            }
            now += tolls.period;
            for host in 0..4 {
                prop_assert_eq!(book.toll(address(host), now, &tolls), Toll::Free);
            }
        }
    }
}
