//! `idle`: sessions that are logged in and say nothing; what they cost in memory.

use std::thread;

use crate::Load;
use crate::conversation::Conversation;
use crate::cost::Memory;
use crate::error::BenchError;
use crate::outcome::{Better, MEMORY, Outcome};
use crate::target::Target;

pub(crate) fn run(target: &Target, load: &Load<'_>) -> Result<Outcome, BenchError> {
    // Each account logs in once before, so that what caches keep is not counted as the sessions'.
    let seats: Vec<_> = (0..load.connections).map(|nth| target.seat(nth)).collect();
    for seat in seats.iter().take(target.users.len()) {
        Conversation::log_in(seat)?.ask(&pop3::Command::Quit)?;
    }
    let before = memory(load)?;
    load.progress.begin();
    let mut held = Vec::with_capacity(load.connections);
    for seat in &seats {
        held.push(Conversation::log_in(seat)?);
        load.progress.add(1);
    }
    thread::sleep(load.duration);
    let after = memory(load)?;
    // Still alive, every one.
    for conversation in &mut held {
        conversation.ask(&pop3::Command::Noop)?;
    }
    let mut outcome = load.outcome("idle", target.transport.name(), load.connections);
    outcome.push("sessions held", held.len() as f64, "", Better::Neither);
    outcome.push(
        "from addresses",
        target.sources.max(1).into(),
        "",
        Better::Neither,
    );
    if let (Some(before), Some(after)) = (before, after) {
        let kib = |octets: u64| octets as f64 / 1024.0;
        let each = |after: u64, before: u64| kib(after.saturating_sub(before)) / held.len() as f64;
        let memory = each(after.proportional, before.proportional);
        outcome.push(format!("{MEMORY}session"), memory, "KiB", Better::Lower);
        let tables = each(after.page_tables, before.page_tables);
        outcome.push("page tables a session", tables, "KiB", Better::Lower);
        let mebibytes = |memory: Memory| kib(memory.proportional) / 1024.0;
        outcome.push(
            "server memory before",
            mebibytes(before),
            "MiB",
            Better::Neither,
        );
        outcome.push(
            "server memory with them",
            mebibytes(after),
            "MiB",
            Better::Neither,
        );
    }
    for mut conversation in held {
        conversation.ask(&pop3::Command::Quit)?;
    }
    Ok(outcome)
}

fn memory(load: &Load<'_>) -> Result<Option<Memory>, BenchError> {
    let server = load.server.as_ref();
    server.map(|server| server.memory()).transpose()
}
