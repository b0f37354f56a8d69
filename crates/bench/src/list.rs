//! `list`: log in, STAT, LIST, UIDL, three TOP, one RETR, QUIT on a maildrop, the larger the better.
//! The first session is told apart: it may find the maildrop cold.

use std::time::{Duration, Instant};

use memchr::memmem;
use pop3::wire::{TopCut, unstuff};
use pop3::{Command, Octets};

use crate::Load;
use crate::conversation::Conversation;
use crate::error::BenchError;
use crate::listing::{self, ListingSum};
use crate::measure::measure;
use crate::outcome::{Better, Outcome};
use crate::retrieve::{at, first_reading};
use crate::target::{Seat, Target};
use crate::verify::{Inspector, Sum};

/// Lines of the body that each TOP asks for.
const TOP_LINES: [u32; 3] = [0, 5, 20];

/// What is timed; the first is the whole session.
const TIMED: [&str; 7] = [
    "session",
    "login and STAT",
    "LIST",
    "UIDL",
    "TOP",
    "RETR",
    "QUIT",
];

/// The part at whose end the maildrop is open.
const OPENED: usize = 1;

/// What a session has seen of a maildrop, which must be the same in each of them.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    stat: (u64, Octets),
    list: ListingSum,
    uidl: ListingSum,
    tops: Vec<Sum>,
    retr: Sum,
}

pub(crate) fn run(target: &Target, load: &Load<'_>) -> Result<Outcome, BenchError> {
    let mut outcome = load.outcome("list", target.transport.name(), load.connections);
    let mut places = Vec::with_capacity(load.connections);
    for connection in 0..load.connections {
        let seat = target.seat(connection);
        let cpu_time = || {
            load.server
                .as_ref()
                .map(|server| server.cpu_time())
                .transpose()
        };
        let before = cpu_time()?;
        let mut parts = Vec::new();
        let mut opened = Ok(None);
        let first = session(&seat, |part, time| {
            parts.push((part, time));
            if part == OPENED {
                opened = cpu_time();
            }
        })?;
        for (name, after) in [
            ("server CPU in the first login and STAT", opened?),
            ("server CPU in the first session", cpu_time()?),
        ] {
            if let (0, Some(before), Some(after)) = (connection, before, after) {
                let cpu = after.saturating_sub(before).as_secs_f64();
                outcome.push(name, cpu * 1e3, "ms", Better::Lower);
            }
        }
        let seen = reference(&seat)?;
        same(&seat, &first, &seen)?;
        if connection == 0 {
            outcome.push(
                "messages in the maildrop",
                seen.stat.0 as f64,
                "",
                Better::Neither,
            );
            for (part, time) in parts.into_iter().filter(|(part, _)| *part <= OPENED) {
                let name = format!("first {}", TIMED[part]);
                outcome.push(name, time.as_secs_f64() * 1e3, "ms", Better::Lower);
            }
        }
        places.push((seat, seen));
    }
    let run = measure(load, &TIMED, places, |(seat, known), tally| {
        while tally.goes_on() {
            let seen = session(&seat, |part, time| tally.record(part, time))?;
            same(&seat, &seen, &known)?;
            tally.count(0);
        }
        Ok(())
    })?;
    outcome.push_run(run, "session", "sessions");
    Ok(outcome)
}

/// Says what has changed, if anything has.
fn same(seat: &Seat<'_>, seen: &Seen, known: &Seen) -> Result<(), BenchError> {
    let what = if seen.stat != known.stat {
        "STAT"
    } else if seen.list != known.list {
        "LIST"
    } else if seen.uidl != known.uidl {
        "UIDL"
    } else if seen.tops != known.tops {
        return Err(BenchError::wrong(format!(
            "TOP of a message of {} is not the beginning of the message",
            seat.user()
        )));
    } else if seen.retr != known.retr {
        "a message"
    } else {
        return Ok(());
    };
    let user = seat.user();
    Err(BenchError::wrong(format!("{what} of {user} has changed")))
}

/// One session, each part of it timed; nothing is looked at twice.
fn session(seat: &Seat<'_>, mut timed: impl FnMut(usize, Duration)) -> Result<Seen, BenchError> {
    let mut before = Instant::now();
    let mut whole = Duration::ZERO;
    let mut lap = |part| {
        let time = before.elapsed();
        whole += time;
        timed(part, time);
        // Whoever was told may have taken some time.
        before = Instant::now();
    };
    let mut conversation = Conversation::log_in(seat)?;
    let stat = conversation.stat()?;
    if stat.0 == 0 {
        return Err(BenchError::Empty(seat.user().to_owned()));
    }
    lap(OPENED);
    let list = listing::sum(&mut conversation, &Command::List(None), stat.0)?;
    lap(2);
    let uidl = listing::sum(&mut conversation, &Command::Uidl(None), stat.0)?;
    lap(3);
    let mut tops = Vec::with_capacity(TOP_LINES.len());
    for (place, lines) in tops_of(stat.0) {
        tops.push(text(&mut conversation, seat, place, Some(lines))?);
        lap(4);
    }
    let retr = text(&mut conversation, seat, middle(stat.0), None)?;
    lap(5);
    conversation.ask(&Command::Quit)?;
    lap(6);
    timed(0, whole);
    Ok(Seen {
        stat,
        list,
        uidl,
        tops,
        retr,
    })
}

/// What each session must see: everything is checked, and TOP against the messages it is about.
fn reference(seat: &Seat<'_>) -> Result<Seen, BenchError> {
    let mut conversation = Conversation::log_in(seat)?;
    let stat = conversation.stat()?;
    let (sizes, list) = listing::sizes(&mut conversation, stat)?;
    let uidl = listing::unique_ids(&mut conversation, stat.0)?;
    let mut tops = Vec::with_capacity(TOP_LINES.len());
    for (place, lines) in tops_of(stat.0) {
        conversation.queue(&Command::Retr(at(place)?))?;
        conversation.flush()?;
        conversation.status()?;
        let mut inspector = Inspector::that_keeps();
        let number = at(place)?;
        conversation
            .text(&mut inspector, sizes.get(place).copied())
            .map_err(|error| error.about(number, seat.user()))?;
        tops.push(top(&inspector.take_text(), lines));
    }
    let place = middle(stat.0);
    conversation.queue(&Command::Retr(at(place)?))?;
    conversation.flush()?;
    let (retr, _) = first_reading(&mut conversation, seat.user(), place, sizes[place])?;
    conversation.ask(&Command::Quit)?;
    Ok(Seen {
        stat,
        list,
        uidl,
        tops,
        retr,
    })
}

/// What TOP of a message must be (RFC 1939 §7): header, blank line, and so many lines of the body.
fn top(wire: &[u8], lines: u32) -> Sum {
    let body = match memmem::find(wire, b"\r\n\r\n") {
        Some(end) => end + 4,
        None => wire.len(),
    };
    let cut = body + TopCut::new(lines.into()).cut(&wire[body..]);
    let mut plain = Vec::new();
    unstuff(&wire[..cut], &mut plain);
    Sum {
        octets: Octets(plain.len() as u64),
        checksum: crc32c::crc32c(&wire[..cut]),
    }
}

/// The first message, the one in the middle, and the last.
fn tops_of(messages: u64) -> impl Iterator<Item = (usize, u32)> {
    let last = usize::try_from(messages).unwrap_or(usize::MAX) - 1;
    [0, last / 2, last].into_iter().zip(TOP_LINES)
}

fn middle(messages: u64) -> usize {
    usize::try_from(messages / 2).unwrap_or(usize::MAX)
}

/// TOP with so many lines, or RETR.
fn text(
    conversation: &mut Conversation,
    seat: &Seat<'_>,
    place: usize,
    lines: Option<u32>,
) -> Result<Sum, BenchError> {
    let number = at(place)?;
    conversation.ask(&match lines {
        Some(lines) => Command::Top(number, lines.into()),
        None => Command::Retr(number),
    })?;
    let mut inspector = Inspector::of_known();
    let octets = conversation
        .text(&mut inspector, None)
        .map_err(|error| error.about(number, seat.user()))?;
    let (sum, _) = inspector.end(octets).map_err(BenchError::Wrong)?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_is_the_header_and_some_lines() {
        let wire = b"A: b\r\n\r\n..one\r\ntwo\r\nthree\r\n";
        for (lines, expected) in [
            (0, &b"A: b\r\n\r\n"[..]),
            (1, b"A: b\r\n\r\n..one\r\n"),
            (9, wire),
        ] {
            let sum = top(wire, lines);
            assert_eq!(sum.checksum, crc32c::crc32c(expected));
            let dots = usize::from(lines > 0);
            assert_eq!(sum.octets.0 as usize, expected.len() - dots);
        }
        assert_eq!(top(b"A: b\r\n", 3).octets, Octets(6));
    }
}
