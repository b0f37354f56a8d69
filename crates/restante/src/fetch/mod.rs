//! `restante fetch`: mail is pulled from other servers, and everything around that.

mod credentials;
mod destinations;
mod failed;
mod files;
mod hooks;
mod job;
mod moving;
mod past;
mod place;
mod remote;
mod run;
mod settings;
mod show;
mod store;

use std::path::Path;

use crate::args;
use crate::failure::{Code, Failure};

/// Fetches, or does what else was asked for.
///
/// # Errors
///
/// See [`Failure`]; of several accounts the worst.
pub(crate) fn fetch(named: Option<&Path>, asked: args::Fetch) -> Result<(), Failure> {
    crate::log::warnings();
    if let Some(args::FetchCommand::Import {
        program,
        path,
        dry_run,
    }) = &asked.command
    {
        return moving::import(named, *program, path.as_deref(), *dry_run);
    }
    let settings = settings::load(named)?;
    match asked.command {
        None => run::run(&settings, &asked.accounts, &asked.run),
        Some(_) => Err(Failure::new(Code::Usage, "this command is not built yet")),
    }
}
