//! `retrieve`: one session a connection, all its messages again and again, a window of commands
//! ahead. A first pass that is not timed reads each message once and learns what it must be.

use std::collections::HashMap;
use std::thread;
use std::time::Instant;

use pop3::{Command, MessageNumber, Octets};

use crate::Load;
use crate::conversation::Conversation;
use crate::error::BenchError;
use crate::listing::{self, number};
use crate::measure::{Tally, measure};
use crate::outcome::{Better, Outcome};
use crate::target::Target;
use crate::verify::{Inspector, Stamp, Sum};

/// Commands ahead in the first pass, if the server can do that.
const LEARNT_AHEAD: usize = 32;

/// A session that is logged in, and what it must get.
struct Place<'a> {
    user: &'a str,
    conversation: Conversation,
    sums: Vec<Sum>,
    /// Messages that are known by their stamp.
    stamped: usize,
}

pub(crate) fn run(target: &Target, load: &Load<'_>, window: usize) -> Result<Outcome, BenchError> {
    // At the same time, since there are servers that keep a client waiting for each message.
    let places = thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections)
            .map(|connection| scope.spawn(move || Place::new(target, connection, window)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a load thread does not panic"))
            .collect::<Result<Vec<Place<'_>>, BenchError>>()
    })?;
    let messages = places.iter().map(|place| place.sums.len()).sum();
    let stamped = places.iter().map(|place| place.stamped).sum();
    let run = measure(load, &["RETR"], places, |mut place, tally| {
        while tally.goes_on() {
            retrieve_all(&mut place, window, tally)?;
        }
        place.conversation.ask(&Command::Quit).map(drop)
    })?;
    let mut outcome = load.outcome("retrieve", target.transport.name(), load.connections);
    outcome.push("commands ahead", window as f64, "", Better::Neither);
    push_stamped(&mut outcome, messages, stamped);
    outcome.push_run(run, "message", "messages");
    Ok(outcome)
}

impl<'a> Place<'a> {
    /// Logs in and reads each message once.
    fn new(target: &'a Target, connection: usize, window: usize) -> Result<Self, BenchError> {
        let seat = target.seat(connection);
        let user = seat.user();
        let mut conversation = Conversation::log_in(&seat)?;
        let stat = conversation.stat()?;
        let (sizes, _) = listing::sizes(&mut conversation, stat)?;
        if sizes.is_empty() {
            return Err(BenchError::Empty(user.to_owned()));
        }
        // Not timed, so it may be as fast as the server allows.
        let ahead = match conversation.pipelines()? {
            true => window.max(LEARNT_AHEAD),
            false => window,
        };
        let known = learn(&mut conversation, user, &sizes, ahead)?;
        Ok(Self {
            user,
            conversation,
            stamped: known.iter().filter(|(_, is_stamped)| *is_stamped).count(),
            sums: known.into_iter().map(|(sum, _)| sum).collect(),
        })
    }
}

/// How many of the messages were compared with what was delivered, and not only with themselves.
pub(crate) fn push_stamped(outcome: &mut Outcome, messages: usize, stamped: usize) {
    let share = stamped as f64 / messages.max(1) as f64 * 100.0;
    outcome.push("messages known by their stamp", share, "%", Better::Neither);
}

/// Reads each message once: what it is, and whether a stamp says that it is what was delivered.
fn learn(
    conversation: &mut Conversation,
    user: &str,
    sizes: &[Octets],
    window: usize,
) -> Result<Vec<(Sum, bool)>, BenchError> {
    let mut seen = Stamps::default();
    let mut known = Vec::with_capacity(sizes.len());
    for (nth, part) in sizes.chunks(window).enumerate() {
        for place in 0..part.len() {
            queue(conversation, nth * window + place)?;
        }
        conversation.flush()?;
        for listed in part {
            let (sum, stamp) = first_reading(conversation, user, known.len(), *listed)?;
            let is_stamped = stamp.is_some();
            seen.add(known.len(), user, stamp)?;
            known.push((sum, is_stamped));
        }
    }
    Ok(known)
}

/// Stamps of one maildrop: no message of a corpus is in it twice.
#[derive(Default)]
pub(crate) struct Stamps(HashMap<(String, u64), usize>);

impl Stamps {
    pub(crate) fn add(
        &mut self,
        place: usize,
        user: &str,
        stamp: Option<Stamp>,
    ) -> Result<(), BenchError> {
        let Some(stamp) = stamp else { return Ok(()) };
        match self.0.insert((stamp.name, stamp.number), place) {
            None => Ok(()),
            Some(first) => Err(BenchError::wrong(format!(
                "messages {} and {} of {user} are the same",
                first + 1,
                place + 1
            ))),
        }
    }
}

/// Puts RETR of the message at a place, counted from 0, into the output.
pub(crate) fn queue(conversation: &mut Conversation, place: usize) -> Result<(), BenchError> {
    conversation.queue(&Command::Retr(at(place)?))
}

/// The number of the message at a place.
pub(crate) fn at(place: usize) -> Result<MessageNumber, BenchError> {
    number(place).ok_or_else(|| BenchError::wrong("more messages than numbers"))
}

/// Reads the answer to RETR of a message that was never read before.
pub(crate) fn first_reading(
    conversation: &mut Conversation,
    user: &str,
    place: usize,
    listed: Octets,
) -> Result<(Sum, Option<Stamp>), BenchError> {
    let number = at(place)?;
    conversation.status()?;
    let mut inspector = Inspector::of_unknown();
    let octets = conversation
        .text(&mut inspector, Some(listed))
        .map_err(|error| error.about(number, user))?;
    let seen = inspector.end(octets).map_err(BenchError::Wrong);
    match octets == listed {
        true => seen,
        false => Err(BenchError::wrong(format!(
            "it has {octets} octets, and LIST says {listed}"
        ))),
    }
    .map_err(|error| error.about(number, user))
}

/// Reads the answer to RETR of a message that is known.
fn read_again(
    conversation: &mut Conversation,
    user: &str,
    number: MessageNumber,
    known: Sum,
) -> Result<(), BenchError> {
    conversation.status()?;
    let mut inspector = Inspector::of_known();
    let octets = conversation
        .text(&mut inspector, Some(known.octets))
        .map_err(|error| error.about(number, user))?;
    let (sum, _) = inspector.end(octets).map_err(BenchError::Wrong)?;
    match sum == known {
        true => Ok(()),
        false => Err(changed(sum, known).about(number, user)),
    }
}

fn changed(sum: Sum, known: Sum) -> BenchError {
    BenchError::wrong(match sum.octets == known.octets {
        true => "its octets are not those of the first time".to_owned(),
        false => format!(
            "it has {} octets, and LIST says {}",
            sum.octets, known.octets
        ),
    })
}

/// Retrieves every message once, unless the time is up before; what was asked for is read.
fn retrieve_all(
    place: &mut Place<'_>,
    window: usize,
    tally: &mut Tally<'_>,
) -> Result<(), BenchError> {
    let conversation = &mut place.conversation;
    for (nth, part) in place.sums.chunks(window).enumerate() {
        if !tally.goes_on() {
            break;
        }
        for ahead in 0..part.len() {
            queue(conversation, nth * window + ahead)?;
        }
        let start = Instant::now();
        conversation.flush()?;
        for (ahead, known) in part.iter().enumerate() {
            read_again(conversation, place.user, at(nth * window + ahead)?, *known)?;
            tally.record(0, start.elapsed());
            tally.count(known.octets.0);
        }
    }
    Ok(())
}
