//! From the configuration of an account to a job for the client.

use std::collections::HashSet;
use std::time::SystemTime;

use client::Credentials;
use client::fetch::{Action, Destinations, Job, Only, Rule};

use super::destinations::Maker;
use super::place::Place;
use super::remote;
use super::settings::{Account, ActionOf};
use crate::failure::Failure;

/// What one run asks for, beyond the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) dry_run: bool,
    pub(super) count_max: Option<usize>,
    /// Only messages that came in since then.
    pub(super) since: Option<SystemTime>,
    pub(super) takes_foreign: bool,
    pub(super) from_scratch: bool,
    pub(super) traced: bool,
    /// Only these messages, whatever else is known of them.
    pub(super) only: Option<Only>,
}

/// Everything that a session with this account needs.
///
/// # Errors
///
/// When the server or a destination cannot be used as it is configured.
pub(super) fn of(
    account: &Account,
    place: &Place,
    asked: &Asked,
    credentials: Credentials,
) -> Result<(Job, Destinations), Failure> {
    let mut maker = Maker {
        account: &account.name,
        place,
        made: Vec::new(),
    };
    let route = maker.places(&account.deliver)?;
    let mut rules = Vec::new();
    for rule in &account.rules {
        let action = match &rule.action {
            ActionOf::Fetch => Action::Fetch,
            ActionOf::Skip => Action::Skip,
            ActionOf::Delete => Action::Delete,
            ActionOf::Deliver(deliver) => Action::Route(maker.places(deliver)?),
        };
        rules.push(Rule {
            header: rule.header.clone(),
            matches: rule.matches.clone(),
            action,
        });
    }
    let job = Job {
        account: remote::of(account, place, asked.traced, credentials)?,
        patience: remote::patience(account),
        identity: account.identity(),
        route,
        keep: account.keep,
        rules,
        octets_max: account.octets_max,
        count_max: asked.count_max,
        since: asked.since,
        only: asked.only.clone(),
        last: HashSet::new(),
        without: HashSet::new(),
        takes_foreign: asked.takes_foreign,
        deletes_at_once: account.delete_at_once,
        dry_run: asked.dry_run,
        spool: place.directory().to_owned(),
        quarantine: place.quarantine(account),
        quarantine_octets_max: account.quarantine_octets_max,
    };
    Ok((job, maker.made))
}
