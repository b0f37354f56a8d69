//! A place in the server, from when a connection gets it to when it is dropped.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maildrop::MaildropId;
use tokio::sync::Notify;

use super::strangers::{Network, Ticket};
use super::{Admission, Counts, Turned, is_full, take_one};
use crate::config::{Limits, Protocol};

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
    /// The maildrop that it has shown to be its own.
    maildrop: Option<MaildropId>,
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

impl Permit {
    /// No place yet. Delivery is counted by the one who makes this.
    pub(super) fn new(
        admission: &Arc<Admission>,
        protocol: Protocol,
        session_count_max: usize,
        ticket: Ticket,
    ) -> Self {
        Self {
            admission: Arc::clone(admission),
            protocol,
            session_count_max,
            ticket,
            leave: Arc::default(),
            holds: Mutex::new(Holds {
                place: Place::Outside,
                address: None,
                maildrop: None,
            }),
        }
    }

    /// Counts the session for its client's address, once that is known: behind a front end that is
    /// after the connection came in. It has a place then. A Unix socket has no address, and LMTP is
    /// not counted.
    ///
    /// A session counts for one address; a second one changes nothing.
    pub(crate) fn count(&self, address: Option<IpAddr>, limits: &Limits) -> Result<(), Turned> {
        let address = address.map(|address| address.to_canonical());
        match self.protocol {
            Protocol::Pop3 | Protocol::Pop3s => {}
            Protocol::Lmtp => return Ok(()),
            Protocol::Smtp => return self.count_sender(address, limits),
        }
        let network = address.map(Network::of);
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        if holds.address.is_some() {
            return Ok(());
        }
        if let Some(address) = address {
            let room = counts.crowd.has_room(
                address,
                limits.sessions_per_address_max,
                limits.sessions_per_network_max,
            );
            room.inspect_err(|turned| counts.refusals.tell(address, *turned, limits))?;
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
            counts.crowd.enter(address);
            holds.address = Some(address);
        }
        Ok(())
    }

    /// The same for SMTP, whose sessions have their place already.
    fn count_sender(&self, address: Option<IpAddr>, limits: &Limits) -> Result<(), Turned> {
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        let (Some(address), None) = (address, holds.address) else {
            return Ok(());
        };
        let room = counts.senders.has_room(
            address,
            limits.smtp_sessions_per_address_max,
            limits.smtp_sessions_per_network_max,
        );
        room.inspect_err(|turned| counts.refusals.tell_smtp(Some((address, *turned)), limits))?;
        counts.senders.enter(address);
        holds.address = Some(address);
        Ok(())
    }

    /// The session has shown that this maildrop is its own, and keeps its place from here on.
    pub(crate) fn prove(&self, maildrop: MaildropId, limits: &Limits) -> Result<(), Turned> {
        let mut counts = self.admission.counts();
        let mut holds = self.holds();
        let most = limits.sessions_per_account_max;
        if holds.maildrop.is_none() && is_full(&counts.maildrops, &maildrop, most) {
            return Err(Turned::MaildropFull);
        }
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
        if holds.maildrop.replace(maildrop).is_none() {
            *counts.maildrops.entry(maildrop).or_default() += 1;
        }
        Ok(())
    }

    /// Resolves when the session has to make room for another.
    pub(crate) async fn evicted(&self) {
        self.leave.notified().await;
    }

    /// A free place, or a turn to wait for the client's name.
    pub(super) fn wait(&self, limits: &Limits) -> Result<(), Turned> {
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

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        match self.protocol {
            Protocol::Pop3 | Protocol::Pop3s => {}
            Protocol::Lmtp => {
                counts.lmtp -= 1;
                return;
            }
            Protocol::Smtp => {
                counts.smtp -= 1;
                if let Some(address) = self.holds().address {
                    counts.senders.leave(address);
                }
                return;
            }
        }
        let Holds {
            place,
            address,
            maildrop,
        } = *self.holds();
        match place {
            Place::Outside => {}
            Place::Unnamed => counts.unnamed -= 1,
            // Or somebody else has the place.
            Place::Stranger if !counts.strangers.remove(self.ticket) => {}
            Place::Stranger | Place::Proved => counts.pop3 -= 1,
        }
        if let Some(address) = address {
            counts.crowd.leave(address);
        }
        if let Some(maildrop) = maildrop {
            take_one(&mut counts.maildrops, &maildrop);
        }
        self.admission.tell(counts.pop3, self.session_count_max);
    }
}

/// One more than this part of all places may wait outside for their clients' names.
const UNNAMED_SHARE: usize = 16;
