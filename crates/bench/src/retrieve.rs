//! `retrieve`: one session a connection, all its messages again and again, a window of commands
//! ahead. A first pass that is not timed reads each message once and learns what it must be.

use std::collections::HashMap;
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

pub(crate) fn run(target: &Target, load: &Load<'_>, window: usize) -> Result<Outcome, BenchError> {
    let mut places = Vec::with_capacity(load.connections);
    let (mut messages, mut stamped) = (0, 0);
    for connection in 0..load.connections {
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
        messages += known.len();
        stamped += known.iter().filter(|(_, is_stamped)| *is_stamped).count();
        let sums = known.into_iter().map(|(sum, _)| sum).collect();
        places.push((user, conversation, sums));
    }
    let run = measure(load, &["RETR"], places, |place, tally| {
        let (user, mut conversation, sums): (&str, Conversation, Vec<Sum>) = place;
        while tally.goes_on() {
            retrieve_all(&mut conversation, user, &sums, window, tally)?;
        }
        conversation.ask(&Command::Quit).map(drop)
    })?;
    let mut outcome = load.outcome("retrieve", target.transport.name(), load.connections);
    outcome.push("commands ahead", window as f64, "", Better::Neither);
    push_stamped(&mut outcome, messages, stamped);
    outcome.push_run(run, "message", "messages");
    Ok(outcome)
}

/// How many of the messages were compared with what was delivered, and not only with themselves.
pub(crate) fn push_stamped(outcome: &mut Outcome, messages: usize, stamped: usize) {
    let share = stamped as f64 / messages.max(1) as f64 * 100.0;
    outcome.push("messages known by their stamp", share, "%", Better::Neither);
}

/// Reads each message once: what it is, and whether a stamp says that it is what was delivered.
pub(crate) fn learn(
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
pub(crate) fn read_again(
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
    conversation: &mut Conversation,
    user: &str,
    sums: &[Sum],
    window: usize,
    tally: &mut Tally<'_>,
) -> Result<(), BenchError> {
    for (nth, part) in sums.chunks(window).enumerate() {
        if !tally.goes_on() {
            break;
        }
        for place in 0..part.len() {
            queue(conversation, nth * window + place)?;
        }
        let start = Instant::now();
        conversation.flush()?;
        for (place, known) in part.iter().enumerate() {
            read_again(conversation, user, at(nth * window + place)?, *known)?;
            tally.record(0, start.elapsed());
            tally.count(known.octets.0);
        }
    }
    Ok(())
}
