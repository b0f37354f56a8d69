//! `restante fetch`: mail is pulled from other servers, and everything around that.

mod adopt;
mod ask;
mod auth;
mod certificates;
mod check;
mod credentials;
mod daemon;
mod delete;
mod destinations;
mod display;
mod failed;
mod files;
mod get;
mod hooks;
mod job;
mod letter;
mod list;
mod listed;
mod mark_seen;
mod metrics;
mod moving;
mod past;
mod place;
mod present;
mod remote;
mod run;
mod secrets;
mod settings;
mod setup;
mod show;
mod status;
mod store;
mod timer;
mod tries;
mod visit;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args;
use crate::failure::Failure;

/// Fetches, or does what else was asked for.
///
/// # Errors
///
/// See [`Failure`]; of several accounts the worst.
pub(crate) fn fetch(named: Option<&Path>, asked: args::Fetch) -> Result<(), Failure> {
    use args::FetchCommand as Command;
    if !matches!(asked.command, Some(Command::Daemon { .. })) {
        crate::log::warnings();
    }
    let settings = || settings::load(named);
    match asked.command {
        None => run::run(&settings()?, &asked.accounts, &asked.run),
        Some(Command::Setup(asked)) => setup::setup(named, &asked),
        Some(Command::Import {
            program,
            path,
            dry_run,
        }) => moving::import(named, program, path.as_deref(), dry_run),
        Some(Command::Daemon { json }) => daemon::daemon(named, json),
        Some(Command::Status { accounts, json }) => status::status(&settings()?, &accounts, json),
        Some(Command::Check { accounts }) => check::check(&settings()?, &accounts),
        Some(Command::List(asked)) => list::list(&settings()?, &asked),
        Some(Command::Show(asked)) => display::show(&settings()?, &asked),
        Some(Command::Get(asked)) => get::get(&settings()?, &asked),
        Some(Command::Delete(asked)) => delete::delete(&settings()?, &asked),
        Some(Command::MarkSeen(asked)) => mark_seen::mark(&settings()?, &asked),
        Some(Command::Adopt(asked)) => adopt::adopt(&settings()?, &asked),
        Some(Command::Auth(command)) => auth::auth(&settings()?, &command),
        Some(Command::Secret(command)) => secrets::secret(&settings()?, &command),
        Some(Command::InstallTimer { every, directory }) => {
            timer::install(&settings()?, named, &every, directory.as_deref())
        }
    }
}

/// Seconds since 1970, as the ledger counts them.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
