//! `drain`: each account once: log in, retrieve all messages, delete all, QUIT with its commit. What a
//! client does that leaves nothing on the server. Afterwards nothing may be there any more.
//!
//! There are servers that answer QUIT before they have deleted anything, and others that answer when the
//! deletion is safe and give the space back afterwards. What a server still does after its last answer is
//! part of what it was asked for, so its account is closed when it has nothing left to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pop3::{Command, Octets};

use crate::Load;
use crate::conversation::Conversation;
use crate::error::BenchError;
use crate::listing;
use crate::measure::{Tally, measure};
use crate::outcome::{Better, Outcome};
use crate::retrieve::{Stamps, at, first_reading, push_stamped, queue};
use crate::target::{Seat, Target};

/// How long a server may work after its last answer, and how long mail may be seen after it.
const AFTERWARDS_MAX: Duration = Duration::from_secs(10);

const TIMED: [&str; 4] = ["login and LIST", "RETR", "DELE", "QUIT"];

pub(crate) fn run(target: &Target, load: &Load<'_>, window: usize) -> Result<Outcome, BenchError> {
    let connections = load.connections.min(target.users.len());
    let next = AtomicUsize::new(0);
    let places = vec![(); connections];
    let before = load.server.as_ref().map(|server| server.cpu_time());
    let before = before.transpose()?;
    let mut run = measure(load, &TIMED, places, |(), tally| {
        loop {
            let account = next.fetch_add(1, Ordering::Relaxed);
            if account >= target.users.len() || tally.has_failed() {
                return Ok(());
            }
            drain(target, account, window, tally)?;
        }
    })?;
    let mut afterwards = None;
    if let (Some(server), Some(before), Some((cpu, _))) = (&load.server, before, &mut run.server) {
        afterwards = Some(server.settle(AFTERWARDS_MAX)?);
        *cpu = server.cpu_time()?.saturating_sub(before);
    }
    for account in 0..target.users.len() {
        gone(&target.seat(account), target.patience.min(AFTERWARDS_MAX))?;
    }
    if run.units == 0 {
        return Err(BenchError::Empty(target.users[0].clone()));
    }
    let mut outcome = load.outcome("drain", target.transport.name(), connections);
    outcome.push("accounts", target.users.len() as f64, "", Better::Neither);
    outcome.push("commands ahead", window as f64, "", Better::Neither);
    let (messages, stamped) = (run.units as usize, run.stamped as usize);
    push_stamped(&mut outcome, messages, stamped);
    if let Some(time) = afterwards {
        let ms = time.as_secs_f64() * 1e3;
        outcome.push("at work after the last QUIT", ms, "ms", Better::Neither);
    }
    outcome.push_run(run, "message", "messages");
    Ok(outcome)
}

/// That nothing is left, now or soon.
fn gone(seat: &Seat<'_>, patience: Duration) -> Result<(), BenchError> {
    let start = Instant::now();
    loop {
        let mut conversation = Conversation::log_in(seat)?;
        let (messages, octets) = conversation.stat()?;
        conversation.ask(&Command::Quit)?;
        if (messages, octets) == (0, Octets(0)) {
            return Ok(());
        }
        if start.elapsed() >= patience {
            let ms = patience.as_millis();
            return Err(BenchError::wrong(format!(
                "{messages} messages of {} have come back after QUIT, or are still there after {ms} ms",
                seat.user()
            )));
        }
        thread::sleep(patience / 50);
    }
}

fn drain(
    target: &Target,
    account: usize,
    window: usize,
    tally: &mut Tally<'_>,
) -> Result<(), BenchError> {
    let seat = target.seat(account);
    let user = seat.user();
    let start = Instant::now();
    let mut conversation = Conversation::log_in(&seat)?;
    let stat = conversation.stat()?;
    let (sizes, _) = listing::sizes(&mut conversation, stat)?;
    tally.record(0, start.elapsed());
    let mut stamps = Stamps::default();
    let mut place = 0;
    for part in sizes.chunks(window) {
        for ahead in 0..part.len() {
            queue(&mut conversation, place + ahead)?;
        }
        let start = Instant::now();
        conversation.flush()?;
        for listed in part {
            let (_, stamp) = first_reading(&mut conversation, user, place, *listed)?;
            tally.record(1, start.elapsed());
            tally.stamped += u64::from(stamp.is_some());
            tally.count(listed.0);
            stamps.add(place, user, stamp)?;
            place += 1;
        }
    }
    place = 0;
    for part in sizes.chunks(window) {
        for ahead in 0..part.len() {
            conversation.queue(&Command::Dele(at(place + ahead)?))?;
        }
        place += part.len();
        let start = Instant::now();
        conversation.flush()?;
        for _ in part {
            conversation.status()?;
            tally.record(2, start.elapsed());
        }
    }
    let start = Instant::now();
    conversation.ask(&Command::Quit)?;
    tally.record(3, start.elapsed());
    Ok(())
}
