//! `restante fetch`: mail is pulled from other servers, and everything around that.

mod adopt;
mod ask;
mod auth;
mod certificates;
mod check;
mod credentials;
mod delete;
mod daemon;
mod destinations;
mod display;
mod failed;
mod files;
mod hooks;
mod job;
mod moving;
mod get;
mod hooks;
mod job;
mod letter;
mod list;
mod listed;
mod mark_seen;
mod metrics;
mod past;
mod place;
mod remote;
mod run;
mod secrets;
mod settings;
mod setup;
mod show;
mod store;
mod status;
mod visit;
mod timer;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args;
use crate::failure::{Code, Failure};

/// Fetches, or does what else was asked for.
///
/// # Errors
///
/// See [`Failure`]; of several accounts the worst.
pub(crate) fn fetch(named: Option<&Path>, asked: args::Fetch) -> Result<(), Failure> {
    if let Some(args::FetchCommand::Daemon { json }) = &asked.command {
        return daemon::daemon(named, *json);
    }
    crate::log::warnings();
    if let Some(args::FetchCommand::Import {
        program,
        path,
        dry_run,
    }) = &asked.command
    {
        return moving::import(named, *program, path.as_deref(), *dry_run);
    }
    if let Some(args::FetchCommand::Setup(asked)) = &asked.command {
        return setup::setup(named, asked);
    }
    let settings = settings::load(named)?;
    match asked.command {
        None => run::run(&settings, &asked.accounts, &asked.run),
        Some(args::FetchCommand::List(asked)) => list::list(&settings, &asked),
        Some(args::FetchCommand::Show(asked)) => display::show(&settings, &asked),
        Some(args::FetchCommand::Get(asked)) => get::get(&settings, &asked),
        Some(args::FetchCommand::Delete(asked)) => delete::delete(&settings, &asked),
        Some(args::FetchCommand::MarkSeen(asked)) => mark_seen::mark(&settings, &asked),
        Some(args::FetchCommand::Adopt(asked)) => adopt::adopt(&settings, &asked),
        Some(args::FetchCommand::Status { accounts, json }) => {
            status::status(&settings, &accounts, json)
        }
        Some(args::FetchCommand::Auth(command)) => auth::auth(&settings, &command),
        Some(args::FetchCommand::Secret(command)) => secrets::secret(&settings, &command),
        Some(args::FetchCommand::Check { accounts }) => check::check(&settings, &accounts),
        Some(args::FetchCommand::InstallTimer { every, directory }) => {
            timer::install(&settings, named, &every, directory.as_deref())
        }
        Some(_) => Err(Failure::new(Code::Usage, "this command is not built yet")),
    }
}

/// Seconds since 1970, as the ledger counts them.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
