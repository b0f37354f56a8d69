//! `poll`: connect, log in, STAT, QUIT. What most clients do most of the time.

use std::time::Instant;

use pop3::Command;

use crate::conversation::Conversation;
use crate::{BenchError, Load, Report, Target, measure};

pub(crate) fn run(target: &Target, load: &Load) -> Result<Report, BenchError> {
    // The first login of an account pays for the hash of its password; the polls that follow are
    // what this measures.
    for user in &target.users {
        session(target, user)?;
    }
    let run = measure(
        load,
        |_| Ok(()),
        |index, (), deadline, tally| {
            while Instant::now() < deadline {
                let start = Instant::now();
                session(target, target.user(index))?;
                tally.durations.record(start.elapsed());
                tally.units += 1;
            }
            Ok(())
        },
    )?;
    let mut report = target.report("poll", load.connections);
    let sessions = run.tally.units as f64;
    report.push("sessions", sessions / run.elapsed.as_secs_f64(), "/s");
    report.push_latency(run.tally.durations.latency());
    if let Some(cpu) = run.cpu {
        report.push(
            "server CPU a session",
            cpu.as_secs_f64() * 1e6 / sessions,
            "µs",
        );
    }
    Ok(report)
}

fn session(target: &Target, user: &str) -> Result<(), BenchError> {
    let mut conversation = Conversation::log_in(target, user)?;
    let status = conversation.ask(&Command::Stat)?;
    if status.stat().is_none() {
        return Err(BenchError::Wrong(format!("STAT was answered {status}")));
    }
    conversation.ask(&Command::Quit)?;
    Ok(())
}
