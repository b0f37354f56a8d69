//! Admission: who may begin a session, and how many there are.
//!
//! POP3 sessions are counted as a whole, by address, and by IPv6 network (/64). A [`Permit`] is a
//! place; dropping it frees it, however the session ended. When all places are taken, a newcomer gets
//! that of a session that has not logged in ([`Strangers`]), which is told to end; one that has
//! logged in keeps its own. The tables hold only sessions that there are, so their size is bounded
//! by `session_count_max`.
//!
//! A connection whose front end has yet to name the client takes a place if one is free, and
//! nobody's: before it is known whether the client may come at all, nobody has to go for him. A few
//! more of them than there are places may wait for that.

mod strangers;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tracing::warn;

use crate::config::{Limits, Protocol};
use strangers::{Network, Strangers, Ticket};

/// Counts sessions; shared by all listeners of a server.
pub(crate) struct Admission {
    counts: Mutex<Counts>,
    crowded: watch::Sender<bool>,
}

#[derive(Default)]
struct Counts {
    /// Places that are taken.
    pop3: usize,
    /// Connections without a place, whose client is yet to be named.
    unnamed: usize,
    lmtp: usize,
    addresses: HashMap<IpAddr, usize>,
    /// IPv6 /64s.
    networks: HashMap<Network, usize>,
    strangers: Strangers,
    next_ticket: Ticket,
    pressure: Pressure,
}

/// What a full server did, until it is told in the log.
#[derive(Default)]
struct Pressure {
    evicted: u64,
    turned_away: u64,
    told: Option<Instant>,
}

/// Whose a new connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller {
    /// His who is at the other end; a Unix socket has no address.
    Known(Option<IpAddr>),
    /// A front end will say it, or log in for somebody that it does not name.
    ToBeNamed,
}

/// Why a connection is not served, or not any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turned {
    /// The server is full.
    Full,
    /// This address has enough sessions.
    AddressFull,
    /// This IPv6 /64 has enough sessions.
    NetworkFull,
    /// Another session has its place.
    Evicted,
}

/// A place in the server; free again when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    protocol: Protocol,
    session_count_max: usize,
    ticket: Ticket,
    /// Told when the session has to make room.
    leave: Arc<Notify>,
    /// Changed only under the lock of the counts.
    holds: Mutex<Holds>,
}

struct Holds {
    place: Place,
    /// The address that it counts for, once that is known.
    address: Option<IpAddr>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// None: it counts for nothing yet.
    Outside,
    /// None, until its client is named.
    Unnamed,
    /// One that it may have to give up; whether it has is known by the strangers.
    Stranger,
    /// Its own.
    Proved,
}

impl Admission {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            crowded: watch::Sender::new(false),
        })
    }

    /// Gives a connection its place, if there is one. LMTP is counted as a whole only.
    pub(crate) fn admit(
        self: &Arc<Self>,
        protocol: Protocol,
        caller: Caller,
        limits: &Limits,
    ) -> Result<Permit, Turned> {
        let ticket = {
            let mut counts = self.counts();
            if protocol == Protocol::Lmtp {
                if counts.lmtp >= limits.lmtp_session_count_max {
                    return Err(Turned::Full);
                }
                counts.lmtp += 1;
            }
            counts.next_ticket += 1;
            counts.next_ticket
        };
        let permit = Permit {
            admission: Arc::clone(self),
            protocol,
            session_count_max: limits.session_count_max,
            ticket,
            leave: Arc::default(),
            holds: Mutex::new(Holds {
                place: Place::Outside,
                address: None,
            }),
        };
        match caller {
            _ if protocol == Protocol::Lmtp => {}
            Caller::Known(address) => permit.count(address, limits)?,
            Caller::ToBeNamed => permit.wait(limits)?,
        }
        Ok(permit)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether more than 80 % of the places are taken, and when that changes.
    pub(crate) fn crowded(&self) -> watch::Receiver<bool> {
        self.crowded.subscribe()
    }

    fn tell(&self, taken: usize, session_count_max: usize) {
        let crowded = taken > session_count_max / 5 * 4 + session_count_max % 5 * 4 / 5;
        let changed = self
            .crowded
            .send_if_modified(|now| std::mem::replace(now, crowded) != crowded);
        if changed && crowded {
            warn!(
                taken,
                session_count_max, "more than 80 % of the places are taken"
            );
        }
    }
}

impl Permit {
    /// Counts the session for its client's address, once that is known: behind a front end that is
    /// after the connection came in. It has a place then. A Unix socket has no address, and LMTP is
    /// not counted.
    ///
    /// A session counts for one address; a second one changes nothing.
    pub(crate) fn count(&self, address: Option<IpAddr>, limits: &Limits) -> Result<(), Turned> {
        if self.protocol == Protocol::Lmtp {
            return Ok(());
        }
        let address = address.map(|address| address.to_canonical());
        let network = address.map(Network::of);
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        if holds.address.is_some() {
            return Ok(());
        }
        if let Some(address) = address {
            counts.has_room(address, limits)?;
        }
        match holds.place {
            Place::Outside | Place::Unnamed => {
                self.take_place(&mut counts, &mut holds, network, limits)?;
                counts
                    .strangers
                    .insert(self.ticket, network, Arc::clone(&self.leave));
                holds.place = Place::Stranger;
            }
            Place::Stranger => {
                if let Some(network) = network {
                    counts.strangers.locate(self.ticket, network);
                }
            }
            Place::Proved => {}
        }
        if let Some(address) = address {
            counts.enter(address);
            holds.address = Some(address);
        }
        Ok(())
    }

    /// The session has shown whose it is, and keeps its place from here on.
    pub(crate) fn prove(&self, limits: &Limits) -> Result<(), Turned> {
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        match holds.place {
            Place::Proved => {}
            Place::Stranger if counts.strangers.remove(self.ticket) => {}
            Place::Stranger => return Err(Turned::Evicted),
            // A front end that names nobody.
            Place::Outside | Place::Unnamed => {
                self.take_place(&mut counts, &mut holds, None, limits)?;
            }
        }
        holds.place = Place::Proved;
        Ok(())
    }

    /// Nothing came of that: the session is a stranger again, no younger than it was.
    pub(crate) fn disprove(&self) {
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        if holds.place == Place::Proved {
            let network = holds.address.map(Network::of);
            let leave = Arc::clone(&self.leave);
            counts.strangers.insert(self.ticket, network, leave);
            holds.place = Place::Stranger;
        }
    }

    /// Resolves when the session has to make room for another.
    pub(crate) async fn evicted(&self) {
        self.leave.notified().await;
    }

    /// A free place, or a turn to wait for the client's name.
    fn wait(&self, limits: &Limits) -> Result<(), Turned> {
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        if counts.pop3 < limits.session_count_max {
            self.take_place(&mut counts, &mut holds, None, limits)?;
            let leave = Arc::clone(&self.leave);
            counts.strangers.insert(self.ticket, None, leave);
            holds.place = Place::Stranger;
        } else if counts.unnamed <= limits.session_count_max / UNNAMED_SHARE {
            counts.unnamed += 1;
            holds.place = Place::Unnamed;
        } else {
            counts.pressure.turned_away += 1;
            counts.pressure.tell(limits.session_count_max);
            return Err(Turned::Full);
        }
        Ok(())
    }

    /// A place that is free, or that of a stranger.
    fn take_place(
        &self,
        counts: &mut Counts,
        holds: &mut Holds,
        network: Option<Network>,
        limits: &Limits,
    ) -> Result<(), Turned> {
        if counts.pop3 < limits.session_count_max {
            counts.pop3 += 1;
            self.admission.tell(counts.pop3, limits.session_count_max);
        } else {
            let evicted = counts.strangers.evict(network);
            match evicted {
                true => counts.pressure.evicted += 1,
                false => counts.pressure.turned_away += 1,
            }
            counts.pressure.tell(limits.session_count_max);
            if !evicted {
                return Err(Turned::Full);
            }
        }
        if holds.place == Place::Unnamed {
            counts.unnamed -= 1;
            holds.place = Place::Outside;
        }
        Ok(())
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// Whether one more session of this address is allowed.
    fn has_room(&self, address: IpAddr, limits: &Limits) -> Result<(), Turned> {
        let is_full = |taken: Option<&usize>, most| most > 0 && taken.is_some_and(|n| *n >= most);
        if is_full(
            self.addresses.get(&address),
            limits.sessions_per_address_max,
        ) {
            return Err(Turned::AddressFull);
        }
        let network = self.networks.get(&Network::of(address));
        match is_full(network, limits.sessions_per_network_max) {
            true => Err(Turned::NetworkFull),
            false => Ok(()),
        }
    }

    fn enter(&mut self, address: IpAddr) {
        *self.addresses.entry(address).or_default() += 1;
        if address.is_ipv6() {
            *self.networks.entry(Network::of(address)).or_default() += 1;
        }
    }

    fn leave(&mut self, address: IpAddr) {
        take_one(&mut self.addresses, &address);
        if address.is_ipv6() {
            take_one(&mut self.networks, &Network::of(address));
        }
    }
}

/// Counts one less, and forgets who has none.
fn take_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(taken) = counts.get_mut(key) {
        *taken -= 1;
        if *taken == 0 {
            counts.remove(key);
        }
    }
}

impl Pressure {
    /// Says it at once, and then once a minute as long as it goes on.
    fn tell(&mut self, session_count_max: usize) {
        if self.told.is_some_and(|told| told.elapsed() < TOLD_AGAIN) {
            return;
        }
        warn!(
            session_count_max,
            evicted = self.evicted,
            turned_away = self.turned_away,
            "the server is full: sessions without a login were ended to make room (evicted), and \
             newcomers refused where all had logged in (turned_away); look for a flood in the peers \
             of ended sessions, or raise session_count_max"
        );
        *self = Self {
            told: Some(Instant::now()),
            ..Self::default()
        };
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        if self.protocol == Protocol::Lmtp {
            counts.lmtp -= 1;
            return;
        }
        let Holds { place, address } = *self.holds();
        match place {
            Place::Outside => {}
            Place::Unnamed => counts.unnamed -= 1,
            // Or somebody else has the place.
            Place::Stranger if !counts.strangers.remove(self.ticket) => {}
            Place::Stranger | Place::Proved => counts.pop3 -= 1,
        }
        if let Some(address) = address {
            counts.leave(address);
        }
        self.admission.tell(counts.pop3, self.session_count_max);
    }
}

/// One more than this part of all places may wait outside for their clients' names.
const UNNAMED_SHARE: usize = 16;

/// From one line about a full server to the next.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
