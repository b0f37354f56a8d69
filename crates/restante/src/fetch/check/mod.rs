//! `restante fetch check`: is everything as it should be, from the modes of files to the pipelining of the server. A line for each thing,
//! and below it what to do. Nothing is fetched and nothing deleted.

mod local;
mod report;
mod server;

use super::place::Place;
use super::run;
use super::settings::Settings;
use crate::failure::Failure;
use report::Report;

/// Looks at these accounts, or at all.
///
/// # Errors
///
/// The worst of what is wrong, which has been told. What is only doubtful is none.
pub(super) fn check(settings: &Settings, named: &[String]) -> Result<(), Failure> {
    let accounts = run::chosen(settings, named)?;
    let place = Place::new(&settings.state)?;
    let runtime = run::runtime(1)?;
    let mut report = Report::new("restante");
    local::configuration(settings, &place, &mut report)?;
    local::clock(&mut report)?;
    let mut worst = report.worst();
    for account in &accounts {
        let mut report = Report::new(&account.name);
        let report = &mut report;
        local::last_run(account, &place, report)?;
        local::key(account, report)?;
        server::check(account, &place, &runtime, report)?;
        local::destinations(account, &place, report)?;
        local::ledger(account, &place, report)?;
        if let Some(code) = report.worst() {
            worst = Some(report::worse(worst, code));
        }
    }
    match worst {
        Some(code) => Err(Failure::silent(code)),
        None => Ok(()),
    }
}
