//! `idle`: sessions that are logged in and say nothing; what they cost in memory.

use std::thread;

use crate::conversation::Conversation;
use crate::{BenchError, Load, Memory, Report, Target};

pub(crate) fn run(target: &Target, load: &Load) -> Result<Report, BenchError> {
    // Each account logs in once before, so that what caches keep is not counted as the sessions'.
    for user in &target.users {
        Conversation::log_in(target, user)?.ask(&pop3::Command::Quit)?;
    }
    let before = memory(load)?;
    let mut held = Vec::with_capacity(load.connections);
    for index in 0..load.connections {
        held.push(Conversation::log_in(target, target.user(index))?);
    }
    thread::sleep(load.duration);
    let after = memory(load)?;
    // Still alive, every one.
    for conversation in &mut held {
        conversation.ask(&pop3::Command::Noop)?;
    }
    let mut report = target.report("idle", load.connections);
    report.push("sessions held", held.len() as f64, "");
    if let (Some(before), Some(after)) = (before, after) {
        let kib = |octets: u64| octets as f64 / 1024.0;
        let each = |after: u64, before: u64| kib(after.saturating_sub(before)) / held.len() as f64;
        report.push("server memory before", kib(before.proportional), "KiB");
        report.push(
            "server memory with sessions",
            kib(after.proportional),
            "KiB",
        );
        report.push(
            "memory a session",
            each(after.proportional, before.proportional),
            "KiB",
        );
        report.push(
            "page tables a session",
            each(after.page_tables, before.page_tables),
            "KiB",
        );
    }
    Ok(report)
}

fn memory(load: &Load) -> Result<Option<Memory>, BenchError> {
    load.server
        .map(|process| process.memory().ok_or(BenchError::NoProcess(process.0)))
        .transpose()
}
