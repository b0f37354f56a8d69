//! The part of a session in which messages are retrieved, delivered and deleted.

use std::sync::Arc;
use std::time::Duration;

use pop3::client::{ResponseCode, Status};
use pop3::{MessageNumber, Octets};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::plan::Plan;
use super::quarantine::Quarantine;
use super::report::{Event, FetchError};
use super::writer::{Done, QUEUE_OCTETS, Shared, Ticket, Work, Writer};
use super::{Destinations, Job};
use crate::account::Headers;
use crate::connect::Maildrop;
use crate::error::ClientError;
use crate::ledger::Key;
use crate::retrieve::{Arrival, Retrieved, Step};

/// A server that waits for us closes the connection after ten minutes (RFC 1939 §3); so often it hears from us.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// What happens to whom something is told.
type Tell<'t> = &'t mut (dyn FnMut(Event) + Send);

/// A session between its listing and its end.
pub(super) struct Session<'a> {
    job: &'a Job,
    plan: &'a Plan,
    deletes_at_once: bool,
    names: Vec<String>,
    room: Arc<Semaphore>,
    /// To the thread that delivers; none if there is nothing to deliver.
    work: Option<UnboundedSender<Work>>,
    done: UnboundedReceiver<Done>,
    thread: Option<JoinHandle<()>>,
    told: Told,
    /// In which characters headers come.
    headers: Headers,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Told {
    pub(super) new: usize,
    pub(super) octets: u64,
    pub(super) refused: usize,
    /// The server has marked these as deleted.
    pub(super) deleted: Vec<Key>,
    /// Why the thread takes no more.
    pub(super) failed: Option<FetchError>,
    /// What is to be deleted and was not asked for yet.
    to_delete: Vec<MessageNumber>,
    flushed: bool,
    out_of_step: bool,
    has_come: bool,
}

/// What comes next, from either side.
enum Next {
    Done(Done),
    Piece(Vec<u8>),
    Ended(Retrieved),
    Deleted(MessageNumber),
    NotDeleted(MessageNumber, Status),
    Over,
    Failed(ClientError),
}

impl From<Step<'_>> for Next {
    fn from(step: Step<'_>) -> Self {
        match step {
            Step::Piece(piece) => Self::Piece(piece.to_vec()),
            Step::Ended(retrieved) => Self::Ended(retrieved),
            Step::Deleted(number) => Self::Deleted(number),
            Step::NotDeleted(number, status) => Self::NotDeleted(number, status),
            Step::Done => Self::Over,
        }
    }
}

impl<'a> Session<'a> {
    /// Starts the thread that delivers, if something is to be fetched.
    pub(super) fn begin(
        job: &'a Job,
        destinations: Destinations,
        plan: &'a Plan,
        ledger: &Shared,
        deletes_at_once: bool,
        headers: Headers,
    ) -> Self {
        let names = destinations.iter().map(|it| it.name().to_owned()).collect();
        let room = Arc::new(Semaphore::new(QUEUE_OCTETS));
        let (said, done) = unbounded_channel();
        let (work, given) = unbounded_channel();
        let is_needed = !plan.planned.fetch.is_empty();
        let writer = Writer {
            destinations,
            ledger: Arc::clone(ledger),
            quarantine: Quarantine::new(&job.quarantine, job.quarantine_octets_max),
            spool: job.spool.clone(),
            room: Arc::clone(&room),
            done: said,
        };
        let thread = is_needed.then(|| tokio::task::spawn_blocking(move || writer.run(given)));
        Self {
            job,
            plan,
            deletes_at_once,
            names,
            room,
            work: is_needed.then_some(work),
            done,
            thread,
            told: Told::default(),
            headers,
        }
    }

    /// Retrieves, hands over, and deletes.
    pub(super) async fn run(
        &mut self,
        maildrop: &mut Maildrop,
        tell: Tell<'_>,
    ) -> Result<(), FetchError> {
        let fetch = &self.plan.planned.fetch;
        let wanted = fetch.iter().map(|(number, _, octets)| (*number, *octets));
        let delete = self.plan.planned.delete.iter().map(|(number, _)| *number);
        self.told.to_delete.extend(delete);
        let mut retrieval = maildrop.retrieve(wanted.collect());
        let mut place = 0;
        loop {
            let to_delete = std::mem::take(&mut self.told.to_delete);
            to_delete
                .into_iter()
                .for_each(|number| retrieval.delete(number));
            let next = tokio::select! {
                biased;
                Some(done) = self.done.recv(), if self.work.is_some() => Next::Done(done),
                step = retrieval.step() => step.map_or_else(Next::Failed, Next::from),
            };
            match next {
                Next::Failed(error) => {
                    if let Some((_, key, _)) = fetch.get(place) {
                        tell(Event::BrokeAt(key.clone()));
                    }
                    return Err(error.into());
                }
                Next::Done(done) => self.take(done, tell),
                Next::Piece(piece) => {
                    tell(Event::Received(Octets(piece.len() as u64)));
                    self.give(Work::Piece(piece)).await;
                }
                Next::Ended(retrieved) => {
                    if self.ended(place, retrieved, tell).await {
                        place += 1;
                    }
                }
                Next::Deleted(number) => self.deleted(number),
                Next::NotDeleted(number, status) => not_deleted(number, &status, tell),
                Next::Over => break,
            }
            if self.told.failed.is_some() {
                return Ok(());
            }
        }
        drop(retrieval);
        self.flush(maildrop, tell).await?;
        self.delete_rest(maildrop, tell).await
    }

    /// Whether the server did not answer in order.
    pub(super) fn fell_out_of_step(&self) -> bool {
        self.told.out_of_step
    }

    /// Whether the server has answered anything.
    pub(super) fn has_come(&self) -> bool {
        self.told.has_come || !self.told.deleted.is_empty()
    }

    /// Ends the thread, which makes durable what it has, and says what came of it all.
    pub(super) async fn end(mut self, tell: Tell<'_>) -> Told {
        self.work = None;
        if let Some(thread) = self.thread.take()
            && let Err(error) = thread.await
        {
            let stopped = FetchError::Stopped(error.to_string());
            self.told.failed.get_or_insert(stopped);
        }
        while let Ok(done) = self.done.try_recv() {
            self.take(done, tell);
        }
        self.told
    }

    /// Hands over when there is room. Whatever is handed over takes some, so that a million messages of nothing wait for the thread, too.
    async fn give(&self, work: Work) {
        let Some(sender) = &self.work else {
            return;
        };
        let octets = u32::try_from(work.octets()).unwrap_or(u32::MAX);
        // It is closed when the thread has failed, which is told with the next that it says.
        if let Ok(room) = self.room.acquire_many(octets).await {
            room.forget();
            let _ = sender.send(work);
        }
    }

    /// A text has ended; whether the next one is that of another message.
    async fn ended(&mut self, place: usize, retrieved: Retrieved, tell: Tell<'_>) -> bool {
        let number = retrieved.number;
        self.told.has_come = true;
        match retrieved.arrival {
            Arrival::AsListed => self.deliver(place, None).await,
            // A server that cannot read a message gives nothing, and what it gave would be deleted.
            Arrival::CountedOtherwise {
                octets: Octets(0),
                listed,
            } => {
                self.give(Work::Discard).await;
                self.told.refused += 1;
                let why = format!("it has {} octets by LIST, and none came", listed.0);
                tell(Event::NotGiven { number, why });
            }
            Arrival::CountedOtherwise { octets, .. } => self.deliver(place, Some(octets)).await,
            Arrival::OutOfStep => {
                self.give(Work::Discard).await;
                self.told.out_of_step = true;
                tell(Event::OutOfStep);
                return false;
            }
            Arrival::Refused(status) => {
                self.give(Work::Discard).await;
                self.told.refused += 1;
                let why = why_not_given(&status, self.headers);
                tell(Event::NotGiven { number, why });
            }
            // Nobody says so here.
            Arrival::Unwanted => {}
        }
        true
    }

    async fn deliver(&self, place: usize, counted: Option<Octets>) {
        let Some((number, key, listed)) = self.plan.planned.fetch.get(place) else {
            return;
        };
        let ticket = Box::new(Ticket {
            number: *number,
            message: self.job.message(key, counted.unwrap_or(*listed)),
            listed: *listed,
            route: Arc::clone(&self.plan.routes[place]),
        });
        self.give(Work::Deliver(ticket)).await;
    }

    fn take(&mut self, done: Done, tell: Tell<'_>) {
        match done {
            Done::Durable(written) => {
                for written in written {
                    self.told.new += 1;
                    self.told.octets += written.octets;
                    if self.deletes_at_once {
                        self.told.to_delete.push(written.number);
                    }
                    tell(Event::Delivered {
                        key: written.key,
                        octets: Octets(written.octets),
                        destinations: written
                            .route
                            .iter()
                            .map(|&place| self.names[place].clone())
                            .collect(),
                    });
                }
            }
            Done::Refused(number, key, why) => {
                self.told.refused += 1;
                tell(Event::Refused { key, number, why });
            }
            Done::InDoubt(key, destination) => tell(Event::InDoubt { key, destination }),
            Done::Flushed => self.told.flushed = true,
            Done::Failed(error) => {
                self.told.failed.get_or_insert(error);
            }
        }
    }

    fn deleted(&mut self, number: MessageNumber) {
        if let Some(key) = self.plan.keys.get(number.index()) {
            self.told.deleted.push(key.clone());
        }
    }

    /// Waits until all that was handed over is durable. The server hears now and then that we are there.
    async fn flush(&mut self, maildrop: &mut Maildrop, tell: Tell<'_>) -> Result<(), FetchError> {
        if self.work.is_none() {
            return Ok(());
        }
        self.give(Work::Flush).await;
        while !self.told.flushed && self.told.failed.is_none() {
            match timeout(SIGN_OF_LIFE, self.done.recv()).await {
                Ok(Some(done)) => self.take(done, tell),
                Ok(None) => break,
                Err(_) => maildrop.sign_of_life().await?,
            }
        }
        Ok(())
    }

    /// Deletes what has become durable at last.
    async fn delete_rest(
        &mut self,
        maildrop: &mut Maildrop,
        tell: Tell<'_>,
    ) -> Result<(), FetchError> {
        let mut retrieval = maildrop.retrieve(Vec::new());
        let to_delete = std::mem::take(&mut self.told.to_delete);
        to_delete
            .into_iter()
            .for_each(|number| retrieval.delete(number));
        loop {
            match Next::from(retrieval.step().await?) {
                Next::Deleted(number) => self.deleted(number),
                Next::NotDeleted(number, status) => not_deleted(number, &status, tell),
                Next::Over => return Ok(()),
                Next::Done(_) | Next::Piece(_) | Next::Ended(_) | Next::Failed(_) => {}
            }
        }
    }
}

/// What a server says that does not give a message, and what can be done about it.
fn why_not_given(status: &Status, headers: Headers) -> String {
    let remedy = match (&status.code, headers) {
        (Some(ResponseCode::Utf8), Headers::Ascii) => {
            "; its header is in UTF-8, and it can be fetched if all mail of this account goes to Maildirs, mboxes, stores and commands"
        }
        _ => "",
    };
    format!("{status}{remedy}")
}

fn not_deleted(number: MessageNumber, status: &Status, tell: Tell<'_>) {
    tell(Event::Note(format!(
        "the server does not delete message {number}: {status}"
    )));
}
