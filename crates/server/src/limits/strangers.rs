//! Who has not logged in yet, the oldest first: they make room when the server is full.
//!
//! A stranger costs no more to bring than to send away, so a full server would be full of strangers
//! who have nothing to say. Whoever has been one for longest had the most time to log in; he goes.
//! But a network that has a good part of all strangers makes room for its own newcomers, so that it
//! can take places from others only until it has that part. Every operation is a few steps in a tree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Notify;

/// From whom places are taken first: an IPv4 address, or an IPv6 /64, since every host of an IPv6
/// network can take 2⁶⁴ addresses.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Network {
    V4(u32),
    V6(u64),
}

impl Network {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// When somebody came: later tickets are greater.
pub(super) type Ticket = u64;

/// Sessions without a login; some hundred octets each.
#[derive(Default)]
pub(super) struct Strangers {
    by_age: BTreeMap<Ticket, Stranger>,
    /// The same, by network; none: not known yet. Only those that have somebody here.
    by_network: HashMap<Option<Network>, BTreeSet<Ticket>>,
}

struct Stranger {
    network: Option<Network>,
    /// How he is told to go.
    leave: Arc<Notify>,
}

impl Strangers {
    pub(super) fn insert(&mut self, ticket: Ticket, network: Option<Network>, leave: Arc<Notify>) {
        self.by_network.entry(network).or_default().insert(ticket);
        self.by_age.insert(ticket, Stranger { network, leave });
    }

    /// Takes somebody out who is a stranger no more. False if he has been told to go.
    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let Some(stranger) = self.by_age.remove(&ticket) else {
            return false;
        };
        self.leave_network(stranger.network, ticket);
        true
    }

    fn leave_network(&mut self, network: Option<Network>, ticket: Ticket) {
        if let Some(tickets) = self.by_network.get_mut(&network) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.by_network.remove(&network);
            }
        }
    }

    /// It is known now where he comes from.
    pub(super) fn locate(&mut self, ticket: Ticket, network: Network) {
        if let Some(stranger) = self.by_age.get_mut(&ticket) {
            let before = stranger.network.replace(network);
            self.leave_network(before, ticket);
            self.by_network
                .entry(Some(network))
                .or_default()
                .insert(ticket);
        }
    }

    /// Tells one to go, to make room for a newcomer of this network. False if there is none.
    pub(super) fn evict(&mut self, newcomer: Option<Network>) -> bool {
        let crowd = CROWD_MIN.max(self.by_age.len() / CROWD_SHARE);
        let own = self
            .by_network
            .get(&newcomer)
            .filter(|own| own.len() >= crowd)
            .and_then(BTreeSet::first)
            .copied();
        let Some(ticket) = own.or_else(|| self.by_age.keys().next().copied()) else {
            return false;
        };
        if let Some(stranger) = self.by_age.get(&ticket) {
            // Kept for him if he is not waiting just now.
            stranger.leave.notify_one();
        }
        self.remove(ticket)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_age.is_empty() && self.by_network.is_empty()
    }
}

/// So many strangers of one network are a crowd: more than a household's programs bring at once.
const CROWD_MIN: usize = 4;

/// And at least this part of all strangers: a busy network, such as a provider's, whose clients come and
/// log in beside thousands of others who do not, is none.
const CROWD_SHARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Option<Network> {
        Some(Network::of(text.parse().unwrap()))
    }

    /// Strangers with the tickets 0, 1, 2 and so on.
    fn strangers(networks: &[Option<Network>]) -> Strangers {
        let mut strangers = Strangers::default();
        for (ticket, &network) in (0..).zip(networks) {
            strangers.insert(ticket, network, Arc::default());
        }
        strangers
    }

    /// Who goes for newcomers of this network, one after the other.
    fn gone(strangers: &mut Strangers, newcomer: Option<Network>, count: usize) -> Vec<Ticket> {
        let mut gone = Vec::new();
        for _ in 0..count {
            let before: Vec<_> = strangers.by_age.keys().copied().collect();
            assert!(strangers.evict(newcomer));
            let mut left = before.into_iter();
            gone.extend(left.find(|ticket| !strangers.by_age.contains_key(ticket)));
        }
        gone
    }

    #[test]
    fn the_oldest_goes_first() {
        let [a, b] = [network("192.0.2.1"), network("2001:db8::1")];
        let mut strangers = strangers(&[b, a, None, a]);
        assert_eq!(gone(&mut strangers, a, 4), [0, 1, 2, 3]);
        assert!(!strangers.evict(a));
        assert!(strangers.is_empty());
    }

    #[test]
    fn a_crowd_makes_room_for_its_own() {
        let [crowd, other] = [network("2001:db8::1"), network("192.0.2.1")];
        let mut strangers = strangers(&[other, crowd, crowd, other, crowd, crowd, crowd]);
        // Another host of the same network; three are no crowd any more.
        let same = network("2001:db8::ffff:1");
        assert_eq!(gone(&mut strangers, same, 3), [1, 2, 0]);
        // Nobody has a crowd of those whose network is not known.
        assert_eq!(gone(&mut strangers, None, 1), [3]);
    }

    #[test]
    fn a_busy_network_among_many_strangers_is_no_crowd() {
        let other = |number: u32| network(&format!("198.51.{}.{}", number / 200, number % 200));
        let busy = network("192.0.2.1");
        let networks: Vec<_> = (0..160).map(other).chain([busy; 9]).collect();
        // Nine of 169 are fewer than a sixteenth: the oldest of all goes.
        assert_eq!(gone(&mut strangers(&networks), busy, 2), [0, 1]);
        let networks: Vec<_> = networks.into_iter().chain([busy; 3]).collect();
        assert_eq!(gone(&mut strangers(&networks), busy, 2), [160, 161]);
    }

    #[test]
    fn where_somebody_comes_from_may_be_known_later() {
        let crowd = network("192.0.2.1");
        let mut strangers = strangers(&[network("192.0.2.2"), None, crowd, crowd, crowd]);
        strangers.locate(1, crowd.unwrap());
        assert_eq!(gone(&mut strangers, crowd, 1), [1]);
        strangers.locate(1, crowd.unwrap());
        assert!(!strangers.remove(1), "he is gone");
        assert!(strangers.remove(2));
        assert_eq!(gone(&mut strangers, crowd, 3), [0, 3, 4]);
        assert!(strangers.is_empty());
    }
}
