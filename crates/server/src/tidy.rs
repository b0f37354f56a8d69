//! Housekeeping after a session: behind the client's back, and few at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use maildrop::MaildropId;
use tokio::sync::{Semaphore, watch};
use tracing::{error, warn};

use crate::control::Phase;
use crate::server::Server;

/// Maildrops that are tidied at once: writing large ones anew keeps a disk busy.
const AT_ONCE: usize = 2;
/// Maildrops that wait for it; what is more is left to their next session.
const WAITING_MAX: usize = 10_000;

/// Who is tidied, and who waits for it.
pub(crate) struct Tidying {
    turns: Semaphore,
    due: Mutex<HashSet<MaildropId>>,
}

impl Default for Tidying {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            due: Mutex::default(),
        }
    }
}

impl Tidying {
    /// Whether a maildrop shall wait for its turn: once is enough.
    fn enter(&self, id: MaildropId) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.len() < WAITING_MAX && due.insert(id)
    }

    fn leave(&self, id: MaildropId) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.remove(&id);
    }
}

/// Tidies a maildrop as soon as it is its turn. That it fails, or that the server ends first, hurts
/// nobody: the next session or the sweep tries again.
pub(crate) fn later(server: &Arc<Server>, phase: &watch::Receiver<Phase>, id: MaildropId) {
    if !server.tidying.enter(id) {
        return;
    }
    let (server, phase) = (Arc::clone(server), phase.clone());
    tokio::spawn(async move {
        let turn = server.tidying.turns.acquire().await;
        // Before it begins: what a session deletes from here on is another turn.
        server.tidying.leave(id);
        if turn.is_err() || *phase.borrow() != Phase::Serving {
            return;
        }
        let maildrops = server.maildrops.clone();
        match tokio::task::spawn_blocking(move || maildrops.tidy(id)).await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => warn!(maildrop = %id, %cause, "maildrop not tidied"),
            Err(fault) => {
                error!(maildrop = %id, %fault, "a fault in this program ended the tidying")
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maildrop_waits_once_and_not_too_many_do() {
        let tidying = Tidying::default();
        assert!(tidying.enter(MaildropId(0)));
        assert!(!tidying.enter(MaildropId(0)));
        tidying.leave(MaildropId(0));
        for id in 0..WAITING_MAX as u64 {
            assert!(tidying.enter(MaildropId(id)));
        }
        assert!(!tidying.enter(MaildropId(u64::MAX)));
    }
}
