//! Logins by OAuth2 are used now and then even if no mail comes: one that is not used for long lapses (at Microsoft after 90 days).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{debug, warn};

use super::watcher::Shared;
use crate::fetch::auth;
use crate::fetch::place::Place;
use crate::fetch::settings::Settings;
use crate::output;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(3600);

/// A token that is so old is renewed, and with it the login.
const AGE: Duration = Duration::from_secs(86_400);

/// Looks after the logins of this configuration, until there is another one.
pub(super) fn keep(settings: &Settings, place: &Place, shared: &Arc<Shared>) {
    let (settings, place, shared) = (settings.clone(), place.clone(), Arc::clone(shared));
    let round = shared.round();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(LOOK).await;
            if shared.round() != round {
                return;
            }
            let (settings, place) = (settings.clone(), place.clone());
            // What comes of it has been told.
            let _ = tokio::task::spawn_blocking(move || renew(&settings, &place)).await;
        }
    });
}

/// Renews what is old.
fn renew(settings: &Settings, place: &Place) {
    let now = SystemTime::now();
    for account in &settings.accounts {
        // A provider that is none is told with every session.
        for held in auth::held(account).unwrap_or_default() {
            let mut tokens = held.tokens(place);
            let Ok(Some(status)) = tokens.status() else {
                continue;
            };
            let age = now.duration_since(status.obtained).unwrap_or_default();
            if age < AGE || !status.has_refresh_token || status.ended.is_some() {
                continue;
            }
            match tokens.access(false) {
                Ok(_) => debug!(account = held.name, "the login is renewed"),
                Err(error) => warn!(
                    account = held.name,
                    "the login is not renewed: {}",
                    output::without_numbers(&error.to_string())
                ),
            }
        }
    }
}
