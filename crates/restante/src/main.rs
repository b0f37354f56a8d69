//! Restante, the program: a command line becomes a function call, and its result an exit code.

mod args;
mod check;
mod config;
mod failure;
mod log;
mod output;
mod pages;
mod rights;

use std::process::ExitCode;

use args::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::tell(format_args!("{failure}"));
            failure.code().into()
        }
    }
}

fn run() -> Result<(), Failure> {
    let Some(arguments) = Arguments::read(std::env::args_os())? else {
        return Ok(());
    };
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { directory } => pages::man(&directory),
        Command::Check => check::check(config),
        _ => config::load(config).map(|_| ()),
    }
}
