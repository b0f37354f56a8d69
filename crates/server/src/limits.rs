//! Admission: who may begin a session, and how many there are.
//!
//! POP3 sessions are counted as a whole, by address, and by IPv6 network (/64). A [`Permit`] is a
//! place; dropping it frees it, however the session ended. When all places are taken, a newcomer gets
//! that of a session that has not logged in ([`Strangers`]), which is told to end; one that has
//! logged in keeps its own, and is counted by its maildrop: an empty one keeps nobody out, and its
//! account could otherwise hold every place of the server. The tables hold only sessions that there
//! are, so their size is bounded by `session_count_max`. Whoever is turned away is told in the log
//! ([`Refusals`]).
//!
//! A connection whose front end has yet to name the client takes a place if one is free, and
//! nobody's: before it is known whether the client may come at all, nobody has to go for him. A few
//! more of them than there are places may wait for that.

mod crowd;
mod permit;
mod refusals;
mod strangers;
mod toll;

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use maildrop::MaildropId;
use tokio::sync::watch;
use tracing::warn;

use crate::config::{Limits, Protocol};
use crowd::Crowd;
use refusals::Refusals;
use strangers::{Strangers, Ticket};

pub(crate) use permit::Permit;
pub use toll::Tolls;
pub(crate) use toll::{Toll, TollBook};

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
    smtp: usize,
    /// Of POP3.
    crowd: Crowd,
    /// Of SMTP.
    senders: Crowd,
    maildrops: HashMap<MaildropId, usize>,
    strangers: Strangers,
    next_ticket: Ticket,
    pressure: Pressure,
    refusals: Refusals,
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
    /// This maildrop has enough sessions.
    MaildropFull,
    /// Another session has its place.
    Evicted,
}

impl Admission {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            counts: Mutex::default(),
            crowded: watch::Sender::new(false),
        })
    }

    /// Gives a connection its place, if there is one. LMTP is counted as a whole only, SMTP apart from POP3.
    pub(crate) fn admit(
        self: &Arc<Self>,
        protocol: Protocol,
        caller: Caller,
        limits: &Limits,
    ) -> Result<Permit, Turned> {
        let ticket = {
            let mut counts = self.counts();
            match protocol {
                Protocol::Pop3 | Protocol::Pop3s => {}
                Protocol::Lmtp => {
                    if counts.lmtp >= limits.lmtp_session_count_max {
                        counts.refusals.tell_delivery(limits);
                        return Err(Turned::Full);
                    }
                    counts.lmtp += 1;
                }
                Protocol::Smtp => {
                    if counts.smtp >= limits.smtp_session_count_max {
                        counts.refusals.tell_smtp(None, limits);
                        return Err(Turned::Full);
                    }
                    counts.smtp += 1;
                }
            }
            counts.next_ticket += 1;
            counts.next_ticket
        };
        let permit = Permit::new(self, protocol, limits.session_count_max, ticket);
        match caller {
            _ if protocol == Protocol::Lmtp => {}
            Caller::Known(address) => permit.count(address, limits)?,
            // It has its place, and counts for an address when it is named.
            Caller::ToBeNamed if protocol == Protocol::Smtp => {}
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

/// Whether there are as many as there may be; 0 is no limit.
fn is_full<K: Eq + Hash>(counts: &HashMap<K, usize>, key: &K, most: usize) -> bool {
    most > 0 && counts.get(key).is_some_and(|taken| *taken >= most)
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

/// From one line about a full server, or about a full address, to the next.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
