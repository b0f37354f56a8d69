//! How a session ends, well or not.

use std::fmt;
use std::time::SystemTime;

use pop3::MessageNumber;
use pop3::client::Outcome;

use super::Job;
use super::plan::Plan;
use super::quarantine::Quarantine;
use super::report::{Event, FetchError};
use super::writer::{Shared, held, now};
use crate::connect::{Maildrop, may_be_of_pipelining};
use crate::error::ClientError;
use crate::ledger::{Entry, Fate, Key};

/// Counts a message as one that is refused: it stays on the server, and later sessions go on behind it.
pub(super) fn give_up(
    job: &Job,
    plan: &Plan,
    number: MessageNumber,
    why: &impl fmt::Display,
    ledger: &Shared,
) {
    let mut listed = plan.planned.fetch.iter();
    let Some((_, key, octets)) = listed.find(|(it, ..)| *it == number) else {
        return;
    };
    let message = job.message(key, *octets);
    let mut quarantine = Quarantine::new(&job.quarantine, job.quarantine_octets_max);
    // Where there is no room for the reason, it is told with the session all the same.
    let _ = quarantine.explain(&message, &why.to_string());
    let entry = Entry {
        octets: Some(octets.0),
        ..Entry::new(Fate::Refused, now())
    };
    held(ledger).record(key.clone(), entry);
}

/// A session that gets nowhere where commands are sent ahead may be lost because of that: the next one sends them one at a time. A
/// server that hangs up on the second command would otherwise never give anything.
pub(super) fn blame(
    maildrop: &mut Maildrop,
    error: FetchError,
    tell: &mut (dyn FnMut(Event) + Send),
) -> FetchError {
    if let FetchError::Server(it) = &error
        && maildrop.pipelines()
        && (may_be_of_pipelining(it)
            || matches!(it, ClientError::Wrong(_) | ClientError::Endless { .. }))
    {
        maildrop.pipelining_broke(SystemTime::now());
        tell(Event::Learned(maildrop.memory()));
    }
    error
}

/// Ends the session; whether what was marked is deleted.
pub(super) async fn end(maildrop: Maildrop, deleted: &[Key]) -> Result<bool, ClientError> {
    if deleted.is_empty() {
        maildrop.quit().await;
        return Ok(false);
    }
    match maildrop.commit().await? {
        Outcome::Deleted => Ok(true),
        // The next session will see what has become of them.
        Outcome::NothingDeleted | Outcome::Unknown => Ok(false),
        Outcome::Refused(status) => Err(ClientError::Refused {
            command: "QUIT",
            status,
        }),
    }
}
