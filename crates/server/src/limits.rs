//! Admission: who may begin a session, and how many there are.
//!
//! Sessions are counted as a whole and by address: an IPv4 address, or an IPv6 /64, since every
//! host of an IPv6 network can take 2⁶⁴ addresses. A [`Permit`] is a place; dropping it frees it,
//! however the session ended. The table of addresses holds only addresses that have a session, so
//! its size is bounded by `session_count_max`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;
use tracing::warn;

use crate::config::{Limits, Protocol};

/// Counts sessions; shared by all listeners of a server.
pub(crate) struct Admission {
    counts: Mutex<Counts>,
    crowded: watch::Sender<bool>,
}

#[derive(Default)]
struct Counts {
    pop3: usize,
    lmtp: usize,
    addresses: HashMap<Network, usize>,
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Network {
    V4(u32),
    V6(u64),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turned {
    /// The server is full.
    Full,
    /// This address has enough sessions.
    AddressFull,
}

/// A place in the server; free again when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    protocol: Protocol,
    /// The address that it counts for, once that is known.
    network: OnceLock<Network>,
    session_count_max: usize,
}

impl Admission {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            crowded: watch::Sender::new(false),
        })
    }

    /// Gives a connection its place, if there is one. It counts for no address yet.
    pub(crate) fn admit(
        self: &Arc<Self>,
        protocol: Protocol,
        limits: &Limits,
    ) -> Result<Permit, Turned> {
        let mut counts = self.counts();
        let (taken, places) = match protocol {
            Protocol::Lmtp => (&mut counts.lmtp, limits.lmtp_session_count_max),
            Protocol::Pop3 | Protocol::Pop3s => (&mut counts.pop3, limits.session_count_max),
        };
        if *taken >= places {
            return Err(Turned::Full);
        }
        *taken += 1;
        if protocol != Protocol::Lmtp {
            self.tell(counts.pop3, limits.session_count_max);
        }
        Ok(Permit {
            admission: Arc::clone(self),
            protocol,
            network: OnceLock::new(),
            session_count_max: limits.session_count_max,
        })
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
    /// after the connection came in. A Unix socket has no address, and LMTP is not counted.
    ///
    /// A session counts for one address; a second one changes nothing.
    pub(crate) fn count(&self, address: Option<IpAddr>, limits: &Limits) -> Result<(), Turned> {
        let Some(address) = address.filter(|_| self.protocol != Protocol::Lmtp) else {
            return Ok(());
        };
        let network = Network::of(address);
        let mut counts = self.admission.counts();
        if self.network.get().is_some() {
            return Ok(());
        }
        let taken = counts.addresses.entry(network).or_insert(0);
        let full = limits.sessions_per_address_max;
        if full > 0 && *taken >= full {
            return Err(Turned::AddressFull);
        }
        *taken += 1;
        // The lock is held: nobody else can have set it.
        let _ = self.network.set(network);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        if self.protocol == Protocol::Lmtp {
            counts.lmtp -= 1;
            return;
        }
        counts.pop3 -= 1;
        if let Some(network) = self.network.get()
            && let Some(taken) = counts.addresses.get_mut(network)
        {
            *taken -= 1;
            if *taken == 0 {
                counts.addresses.remove(network);
            }
        }
        self.admission.tell(counts.pop3, self.session_count_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(sessions: usize, per_address: usize) -> Limits {
        Limits {
            session_count_max: sessions,
            sessions_per_address_max: per_address,
            lmtp_session_count_max: 1,
            ..Limits::default()
        }
    }

    /// A place that counts for an address from the beginning.
    fn admit(
        admission: &Arc<Admission>,
        protocol: Protocol,
        text: &str,
        limits: &Limits,
    ) -> Result<Permit, Turned> {
        let permit = admission.admit(protocol, limits)?;
        permit.count(Some(text.parse().unwrap()), limits)?;
        Ok(permit)
    }

    #[test]
    fn an_address_has_its_places_and_gets_them_back() {
        let (admission, limits) = (Admission::new(), limits(10, 2));
        let admit = |text| admit(&admission, Protocol::Pop3, text, &limits);
        let first = admit("192.0.2.1").ok().unwrap();
        // The same address as a dual-stack socket shows it.
        let _second = admit("::ffff:192.0.2.1").ok().unwrap();
        assert_eq!(admit("192.0.2.1").err(), Some(Turned::AddressFull));
        assert!(admit("192.0.2.2").is_ok());
        drop(first);
        assert!(admit("192.0.2.1").is_ok());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let (admission, limits) = (Admission::new(), limits(10, 1));
        let admit = |text| admit(&admission, Protocol::Pop3s, text, &limits);
        let _held = admit("2001:db8:0:1::1").ok().unwrap();
        assert_eq!(
            admit("2001:db8:0:1:ffff::2").err(),
            Some(Turned::AddressFull)
        );
        assert!(admit("2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn a_full_server_still_takes_deliveries() {
        let (admission, limits) = (Admission::new(), limits(1, 0));
        let _held = admission.admit(Protocol::Pop3, &limits).ok().unwrap();
        let turned = admission.admit(Protocol::Pop3, &limits).err();
        assert_eq!(turned, Some(Turned::Full));
        let _delivery = admission.admit(Protocol::Lmtp, &limits).ok().unwrap();
        let turned = admission.admit(Protocol::Lmtp, &limits).err();
        assert_eq!(turned, Some(Turned::Full));
    }

    #[test]
    fn crowded_is_more_than_four_fifths() {
        let (admission, limits) = (Admission::new(), limits(10, 0));
        let crowded = admission.crowded();
        let mut held = Vec::new();
        for taken in 1..=10 {
            held.extend(admission.admit(Protocol::Pop3, &limits).ok());
            assert_eq!(*crowded.borrow(), taken > 8, "{taken} of 10");
        }
        held.truncate(8);
        assert!(!*crowded.borrow());
    }

    #[test]
    fn no_trace_of_an_address_is_left_behind() {
        let (admission, limits) = (Admission::new(), limits(2, 1));
        for number in 0..1000_u32 {
            let address = IpAddr::V4(number.into());
            let admit = || admit(&admission, Protocol::Pop3, &address.to_string(), &limits);
            let held = admit();
            assert!(held.is_ok());
            assert_eq!(admit().err(), Some(Turned::AddressFull));
        }
        assert!(admission.counts.lock().unwrap().addresses.is_empty());
    }

    #[test]
    fn a_session_counts_for_the_address_that_is_told_later() {
        let (admission, limits) = (Admission::new(), limits(10, 1));
        let permit = |admission: &Arc<Admission>| admission.admit(Protocol::Pop3, &limits).ok();
        let (first, second) = (permit(&admission).unwrap(), permit(&admission).unwrap());
        let client = Some(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(first.count(client, &limits), Ok(()));
        assert_eq!(second.count(client, &limits), Err(Turned::AddressFull));
        // Only once, and only for the first.
        let other = Some(IpAddr::from([192, 0, 2, 2]));
        assert_eq!(first.count(other, &limits), Ok(()));
        assert_eq!(second.count(other, &limits), Ok(()));
        drop(first);
        let third = permit(&admission).unwrap();
        assert_eq!(third.count(other, &limits), Err(Turned::AddressFull));
        assert_eq!(third.count(client, &limits), Ok(()));
    }
}
