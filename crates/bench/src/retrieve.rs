//! `retrieve`: one session a connection, all its messages again and again, a window of commands
//! ahead.

use std::time::Instant;

use pop3::client::scan_line;
use pop3::{Command, MessageNumber, Octets};

use crate::conversation::Conversation;
use crate::{BenchError, Load, Report, Tally, Target, measure};

pub(crate) fn run(target: &Target, load: &Load, window: usize) -> Result<Report, BenchError> {
    let run = measure(
        load,
        |index| {
            let user = target.user(index);
            let mut conversation = Conversation::log_in(target, user)?;
            let listing = listing(&mut conversation)?;
            match listing.is_empty() {
                true => Err(BenchError::Empty(user.to_owned())),
                false => Ok((conversation, listing)),
            }
        },
        |_, (mut conversation, listing), deadline, tally| {
            while Instant::now() < deadline {
                retrieve_all(&mut conversation, &listing, window, deadline, tally)?;
            }
            conversation.ask(&Command::Quit).map(drop)
        },
    )?;
    let mut report = target.report("retrieve", load.connections);
    let (messages, octets) = (run.tally.units as f64, run.tally.octets as f64);
    report.push("commands ahead", window as f64, "");
    report.push(
        "throughput",
        octets / 1e6 / run.elapsed.as_secs_f64(),
        "MB/s",
    );
    report.push("messages", messages / run.elapsed.as_secs_f64(), "/s");
    report.push("mean size", octets / messages, "octets");
    report.push_latency(run.tally.durations.latency());
    if let Some(cpu) = run.cpu {
        report.push(
            "server CPU a message",
            cpu.as_secs_f64() * 1e6 / messages,
            "µs",
        );
        report.push("server CPU a GB", cpu.as_secs_f64() * 1e9 / octets, "s");
    }
    Ok(report)
}

fn listing(conversation: &mut Conversation) -> Result<Vec<(MessageNumber, Octets)>, BenchError> {
    conversation.ask(&Command::List(None))?;
    let mut listing = Vec::new();
    conversation.lines(|line| {
        let entry = scan_line(line)
            .ok_or_else(|| BenchError::Wrong(format!("scan listing {}", line.escape_ascii())))?;
        listing.push(entry);
        Ok(())
    })?;
    Ok(listing)
}

/// Retrieves every message once, unless the deadline comes first; what was asked for is read.
fn retrieve_all(
    conversation: &mut Conversation,
    listing: &[(MessageNumber, Octets)],
    window: usize,
    deadline: Instant,
    tally: &mut Tally,
) -> Result<(), BenchError> {
    for window in listing.chunks(window) {
        if Instant::now() >= deadline {
            break;
        }
        for (number, _) in window {
            conversation.queue(&Command::Retr(*number))?;
        }
        let start = Instant::now();
        conversation.flush()?;
        for (number, listed) in window {
            conversation.status()?;
            let sent = conversation.text()?;
            if sent != *listed {
                return Err(BenchError::Wrong(format!(
                    "message {number} has {sent} octets, and LIST says {listed}"
                )));
            }
            tally.units += 1;
            tally.octets += sent.0;
        }
        tally.durations.record(start.elapsed());
    }
    Ok(())
}
