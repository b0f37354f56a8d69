//! Housekeeping after a session: behind the client's back, and few at a time.

use std::sync::Arc;

use maildrop::MaildropId;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::control::Phase;
use crate::server::Server;

/// Maildrops that are tidied at once: writing large ones anew keeps a disk busy.
pub(crate) const AT_ONCE: usize = 2;

/// Tidies a maildrop as soon as it is its turn. That it fails, or that the server ends first, hurts
/// nobody: the next session or the sweep tries again.
pub(crate) fn later(server: &Arc<Server>, phase: &watch::Receiver<Phase>, id: MaildropId) {
    let (server, phase) = (Arc::clone(server), phase.clone());
    tokio::spawn(async move {
        let Ok(_turn) = server.tidying.acquire().await else {
            return;
        };
        if *phase.borrow() != Phase::Serving {
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
