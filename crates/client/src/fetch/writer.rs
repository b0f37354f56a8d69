//! The thread that delivers: texts come in, and what is durable is told.
//!
//! Reading from the server and writing to the disk do not wait for each other, but for the room between them. Messages become durable
//! in batches: first in their destinations, then in the ledger; only then is the server told to delete them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pop3::{MessageNumber, Octets};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::quarantine::Quarantine;
use crate::dated;
use crate::destination::{Destination, Exactness, Message, NotDelivered, Spool, Text};
use crate::fetch::report::FetchError;
use crate::ledger::{Content, Entry, Fate, Key, Ledger, Print};

/// Octets that may be between the server and the thread.
pub(super) const QUEUE_OCTETS: usize = 2 << 20;

/// What anything takes of them beside the octets of a text: it is more than a ticket with its key.
const WORK_OCTETS: usize = 512;

/// A batch of so many octets or messages becomes durable, and whatever has waited for so long.
const BATCH_OCTETS: u64 = 32 << 20;
const BATCH_MESSAGES: usize = 2048;
const BATCH_WAITS: Duration = Duration::from_secs(1);

/// What the thread is given.
pub(super) enum Work {
    /// Octets of the text that is coming.
    Piece(Vec<u8>),
    /// That text is complete, and is to be delivered.
    Deliver(Box<Ticket>),
    /// It is none.
    Discard,
    /// All that was delivered is to be durable.
    Flush,
}

impl Work {
    /// The room that it takes on its way.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Piece(piece) => piece.len() + WORK_OCTETS,
            Self::Deliver(_) | Self::Discard | Self::Flush => WORK_OCTETS,
        }
    }
}

/// A message that is complete.
pub(super) struct Ticket {
    pub(super) number: MessageNumber,
    pub(super) message: Message,
    /// What LIST says of it.
    pub(super) listed: Octets,
    /// Its destinations.
    pub(super) route: Arc<[usize]>,
}

/// What the thread says.
pub(super) enum Done {
    /// These are durable everywhere.
    Durable(Vec<Written>),
    /// A destination will not have this one.
    Refused(MessageNumber, Key, String),
    /// It may be there twice.
    InDoubt(Key, String),
    /// All that was asked for is durable.
    Flushed,
    /// Nothing more is taken.
    Failed(FetchError),
}

/// A message that is durable.
pub(super) struct Written {
    pub(super) number: MessageNumber,
    pub(super) key: Key,
    pub(super) octets: u64,
    pub(super) route: Arc<[usize]>,
}

/// What the ledger is shared by.
pub(super) type Shared = Arc<Mutex<Ledger>>;

/// The ledger; who panicked with it in hand has said nothing that is not true.
pub(super) fn held(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// The thread's own.
pub(super) struct Writer {
    pub(super) destinations: Vec<Box<dyn Destination>>,
    pub(super) ledger: Shared,
    pub(super) quarantine: Quarantine,
    /// A directory.
    pub(super) spool: PathBuf,
    pub(super) room: Arc<Semaphore>,
    pub(super) done: UnboundedSender<Done>,
}

struct Batch {
    written: Vec<(Written, Entry)>,
    octets: u64,
    since: Option<Instant>,
}

impl Writer {
    /// Works until nobody gives any more, or until a destination fails. Blocks.
    pub(super) fn run(mut self, mut work: UnboundedReceiver<Work>) {
        if let Err(failed) = self.work(&mut work) {
            let _ = self.done.send(Done::Failed(failed));
            // Whoever waits for room need not wait any longer.
            self.room.close();
        }
    }

    fn work(&mut self, work: &mut UnboundedReceiver<Work>) -> Result<(), FetchError> {
        let ended = held(&self.ledger).ended();
        for destination in &mut self.destinations {
            if let Err(failed) = destination.open(ended) {
                return Err(failure(destination.name(), failed));
            }
        }
        let mut text = Text::new(&Spool::new(&self.spool));
        let mut checksum = 0;
        let mut given_back = 0;
        let mut batch = Batch {
            written: Vec::new(),
            octets: 0,
            since: None,
        };
        // What had come before the end is kept.
        while let Some(work) = self.next(work, &mut batch)? {
            given_back += work.octets();
            match work {
                Work::Piece(piece) => {
                    checksum = crc32c::crc32c_append(checksum, &piece);
                    text.append(&piece).map_err(|error| FetchError::Spool {
                        directory: self.spool.clone(),
                        error,
                    })?;
                }
                Work::Discard => {
                    text.clear();
                    checksum = 0;
                }
                Work::Deliver(ticket) => {
                    let content = Content::of(text.header(), std::mem::take(&mut checksum));
                    self.deliver(*ticket, content, &mut text, &mut batch)?;
                    text.clear();
                    if batch.octets >= BATCH_OCTETS || batch.written.len() >= BATCH_MESSAGES {
                        self.commit(&mut batch)?;
                    }
                }
                Work::Flush => {
                    self.commit(&mut batch)?;
                    let _ = self.done.send(Done::Flushed);
                }
            }
            // Whoever waits for room is not woken for each message.
            if given_back >= QUEUE_OCTETS / 4 {
                self.room.add_permits(std::mem::take(&mut given_back));
            }
        }
        self.commit(&mut batch)
    }

    /// What comes next; what has waited for long enough becomes durable meanwhile.
    fn next(
        &mut self,
        work: &mut UnboundedReceiver<Work>,
        batch: &mut Batch,
    ) -> Result<Option<Work>, FetchError> {
        // While there is something to do nobody looks at the clock.
        if let Ok(work) = work.try_recv() {
            return Ok(Some(work));
        }
        let Some(since) = batch.since else {
            return Ok(work.blocking_recv());
        };
        let left = BATCH_WAITS.saturating_sub(since.elapsed());
        let waited = tokio::runtime::Handle::current()
            .block_on(async { tokio::time::timeout(left, work.recv()).await });
        match waited {
            Ok(work) => Ok(work),
            Err(_) => {
                self.commit(batch)?;
                Ok(work.blocking_recv())
            }
        }
    }

    fn deliver(
        &mut self,
        ticket: Ticket,
        content: Content,
        text: &mut Text,
        batch: &mut Batch,
    ) -> Result<(), FetchError> {
        let Ticket {
            number,
            mut message,
            listed,
            route,
        } = ticket;
        message.received = dated::received(text.header(), SystemTime::now());
        held(&self.ledger).begin(now())?;
        let mut refused = None;
        // The same key may be that of another message by now.
        let share = |name: &str| format!("{name}#{content}");
        for &place in &*route {
            let destination = &mut self.destinations[place];
            let name = destination.name().to_owned();
            if destination.exactness() == Exactness::OneInDoubt {
                let mut ledger = held(&self.ledger);
                if ledger.has_part(&share(&name), &message.key) {
                    continue;
                }
                if ledger.in_doubt() == Some((name.as_str(), &message.key)) {
                    let doubtful = Done::InDoubt(message.key.clone(), name.clone());
                    let _ = self.done.send(doubtful);
                }
                ledger.trying(&name, &message.key)?;
            }
            match destination.deliver(&message, text) {
                Ok(()) => {
                    if destination.exactness() == Exactness::OneInDoubt {
                        held(&self.ledger).part(&share(&name), &message.key);
                    }
                }
                Err(NotDelivered::Refused(why)) => {
                    refused.get_or_insert_with(|| format!("{name}: {why}"));
                }
                Err(failed) => {
                    // What was delivered before it is kept, if that can be.
                    let error = failure(&name, failed);
                    let _ = self.commit(batch);
                    return Err(error);
                }
            }
        }
        let octets = message.octets.0;
        let fate = match &refused {
            Some(_) => Fate::Refused,
            None => Fate::Delivered,
        };
        let entry = Entry {
            octets: Some(listed.0),
            content: Some(content),
            print: Print::of(text.header()),
            ..Entry::new(fate, now())
        };
        if let Some(mut why) = refused {
            if let Err(no_copy) = self.quarantine.keep(&message, &why, text) {
                why = format!("{why}; {no_copy}");
            }
            held(&self.ledger).record(message.key.clone(), entry);
            let _ = self.done.send(Done::Refused(number, message.key, why));
            return Ok(());
        }
        batch.octets += octets;
        batch.since.get_or_insert_with(Instant::now);
        let written = Written {
            number,
            key: message.key,
            octets,
            route,
        };
        batch.written.push((written, entry));
        Ok(())
    }

    fn commit(&mut self, batch: &mut Batch) -> Result<(), FetchError> {
        batch.octets = 0;
        batch.since = None;
        let written = std::mem::take(&mut batch.written);
        for destination in &mut self.destinations {
            if let Err(failed) = destination.commit() {
                // Which message has gone where is true all the same.
                let _ = held(&self.ledger).sync();
                return Err(failure(destination.name(), failed));
            }
        }
        let mut ledger = held(&self.ledger);
        let mut durable = Vec::with_capacity(written.len());
        for (written, entry) in written {
            ledger.record(written.key.clone(), entry);
            durable.push(written);
        }
        ledger.sync()?;
        drop(ledger);
        if !durable.is_empty() {
            let _ = self.done.send(Done::Durable(durable));
        }
        Ok(())
    }
}

/// A destination that cannot go on.
pub(super) fn failure(destination: &str, failed: NotDelivered) -> FetchError {
    let (destination, why) = (destination.to_owned(), failed.to_string());
    let may_pass = match failed {
        NotDelivered::NoLogin(_) => return FetchError::NoLogin { destination, why },
        NotDelivered::NotNow(_) => true,
        NotDelivered::Refused(_) | NotDelivered::Unusable(_) => false,
    };
    FetchError::Destination {
        destination,
        why,
        may_pass,
    }
}
