//! `list`: log in, STAT, LIST, UIDL, QUIT on a maildrop, the larger the better. The first session
//! is told apart: it may find the maildrop cold.

use std::time::{Duration, Instant};

use pop3::Command;

use crate::conversation::Conversation;
use crate::{BenchError, Load, Report, Target, measure};

/// What the parts of one session took.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    login: Duration,
    list: Duration,
    uidl: Duration,
    messages: u64,
}

pub(crate) fn run(target: &Target, load: &Load) -> Result<Report, BenchError> {
    let first = session(target, target.user(0))?;
    let parts = std::sync::Mutex::new(Vec::new());
    let run = measure(
        load,
        |_| Ok(()),
        |index, (), deadline, tally| {
            while Instant::now() < deadline {
                let start = Instant::now();
                let taken = session(target, target.user(index))?;
                tally.durations.record(start.elapsed());
                tally.units += 1;
                parts.lock().expect("no thread panics").push(taken);
            }
            Ok(())
        },
    )?;
    let parts = parts.into_inner().expect("no thread panics");
    let median = |part: fn(&Parts) -> Duration| {
        let mut all: Vec<Duration> = parts.iter().map(part).collect();
        all.sort_unstable();
        all.get(all.len() / 2)
            .map_or(0.0, |middle| middle.as_secs_f64() * 1e3)
    };
    let mut report = target.report("list", load.connections);
    report.push("messages in the maildrop", first.messages as f64, "");
    report.push(
        "first login and STAT",
        first.login.as_secs_f64() * 1e3,
        "ms",
    );
    report.push("login and STAT (median)", median(|parts| parts.login), "ms");
    report.push("LIST (median)", median(|parts| parts.list), "ms");
    report.push("UIDL (median)", median(|parts| parts.uidl), "ms");
    report.push_latency(run.tally.durations.latency());
    if let Some(cpu) = run.cpu {
        report.push(
            "server CPU a session",
            cpu.as_secs_f64() * 1e3 / run.tally.units as f64,
            "ms",
        );
    }
    Ok(report)
}

fn session(target: &Target, user: &str) -> Result<Parts, BenchError> {
    let start = Instant::now();
    let mut conversation = Conversation::log_in(target, user)?;
    let status = conversation.ask(&Command::Stat)?;
    let (messages, _) = status
        .stat()
        .ok_or_else(|| BenchError::Wrong(format!("STAT was answered {status}")))?;
    let login = start.elapsed();
    let list = timed_listing(&mut conversation, &Command::List(None), messages)?;
    let uidl = timed_listing(&mut conversation, &Command::Uidl(None), messages)?;
    conversation.ask(&Command::Quit)?;
    Ok(Parts {
        login,
        list,
        uidl,
        messages,
    })
}

fn timed_listing(
    conversation: &mut Conversation,
    command: &Command,
    messages: u64,
) -> Result<Duration, BenchError> {
    let start = Instant::now();
    conversation.ask(command)?;
    let mut lines = 0;
    conversation.lines(|_| {
        lines += 1;
        Ok(())
    })?;
    match lines == messages {
        true => Ok(start.elapsed()),
        false => Err(BenchError::Wrong(format!(
            "a listing of {lines} lines, and STAT says {messages}"
        ))),
    }
}
