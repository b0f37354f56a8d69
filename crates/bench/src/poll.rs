//! `poll`: connect, log in, STAT, QUIT. What most clients do most of the time.

use std::time::Instant;

use pop3::{Command, Octets};

use crate::Load;
use crate::conversation::Conversation;
use crate::error::BenchError;
use crate::measure::{Tally, measure};
use crate::outcome::{Better, Outcome};
use crate::pace::{Due, Pace, wake_up_on_time};
use crate::target::{Seat, Target};
use crate::transport::{Handshakes, Transport};

/// What STAT says.
type Stat = (u64, Octets);

pub(crate) fn run(
    target: &Target,
    load: &Load<'_>,
    rate: Option<f64>,
) -> Result<Outcome, BenchError> {
    // The first login of an account pays for the hash of its password, and the first session of a
    // connection's place for a full handshake; the polls that follow are what this measures.
    let mut places = Vec::with_capacity(load.connections);
    for connection in 0..load.connections {
        let seat = target.seat(connection);
        let (stat, _) = session(&seat, None)?;
        places.push((seat, stat));
    }
    let messages = places.first().map_or(0, |(_, stat)| stat.0);
    let pace = rate.map(|rate| Pace::new(rate, load.duration));
    let run = measure(
        load,
        &["session"],
        places,
        |(seat, stat), tally| match &pace {
            Some(pace) => open_loop(&seat, stat, pace, tally),
            None => closed_loop(&seat, stat, tally),
        },
    )?;
    let mut outcome = load.outcome("poll", target.transport.name(), load.connections);
    outcome.push(
        "messages in the maildrop",
        messages as f64,
        "",
        Better::Neither,
    );
    if let Some(rate) = rate {
        outcome.push("sessions due", rate, "/s", Better::Neither);
        outcome.push("sessions never begun", run.missed as f64, "", Better::Lower);
    }
    if let Transport::Tls(_, _, Handshakes::Resumed) = target.transport {
        if run.resumed == 0 {
            return Err(BenchError::wrong("no TLS session was resumed"));
        }
        let share = run.resumed as f64 / run.units as f64 * 100.0;
        outcome.push("handshakes resumed", share, "%", Better::Neither);
    }
    outcome.push_run(run, "session", "sessions");
    if rate.is_some() {
        // It was asked for, and is nothing that one server does better than another.
        outcome.neutral("sessions");
    }
    Ok(outcome)
}

fn closed_loop(seat: &Seat<'_>, stat: Stat, tally: &mut Tally<'_>) -> Result<(), BenchError> {
    while tally.goes_on() {
        let start = Instant::now();
        let (_, resumed) = session(seat, Some(stat))?;
        tally.record(0, start.elapsed());
        tally.resumed += u64::from(resumed);
        tally.count(0);
    }
    Ok(())
}

fn open_loop(
    seat: &Seat<'_>,
    stat: Stat,
    pace: &Pace,
    tally: &mut Tally<'_>,
) -> Result<(), BenchError> {
    wake_up_on_time();
    let start = tally.start();
    while let Some(due) = pace.next(start) {
        if tally.has_failed() {
            break;
        }
        let due = match due {
            Due::Now(due) => due,
            // It has waited for so long, at least.
            Due::Missed(due) => {
                tally.record(0, start.elapsed().saturating_sub(due));
                tally.missed += 1;
                continue;
            }
        };
        let (_, resumed) = session(seat, Some(stat))?;
        tally.record(0, start.elapsed().saturating_sub(due));
        tally.resumed += u64::from(resumed);
        tally.count(0);
    }
    Ok(())
}

/// One poll; what STAT says, which must be what it said before, and whether TLS was resumed.
fn session(seat: &Seat<'_>, known: Option<Stat>) -> Result<(Stat, bool), BenchError> {
    let mut conversation = Conversation::log_in(seat)?;
    let stat = conversation.stat()?;
    if let Some(known) = known.filter(|known| *known != stat) {
        return Err(BenchError::wrong(format!(
            "STAT of {} says {} messages with {} octets, and said {} with {}",
            seat.user(),
            stat.0,
            stat.1,
            known.0,
            known.1
        )));
    }
    conversation.ask(&Command::Quit)?;
    Ok((stat, conversation.is_resumed()))
}
