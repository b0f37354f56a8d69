//! Restante, the program: a command line becomes a function call, and its result an exit code.

mod alias;
mod args;
mod bench_command;
mod check;
mod config;
mod date;
mod deliver;
mod demo;
mod failure;
mod fetch;
mod helper;
mod homes;
mod log;
mod maildrop;
mod output;
mod pages;
mod rights;
mod serve;
mod stock;
mod user;

use std::process::ExitCode;

use args::{Arguments, Command};
use failure::Failure;

fn main() -> ExitCode {
    match std::panic::catch_unwind(run) {
        // What has gone wrong is told already. A mail transfer agent would return the message for any other code.
        Err(_) if args::means_deliver() => failure::Code::Temporary.into(),
        Err(_) => ExitCode::from(PANICKED),
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            output::tell(format_args!("{failure}"));
            failure.code().into()
        }
    }
}

/// As Rust ends a program that has panicked.
const PANICKED: u8 = 101;

fn run() -> Result<(), Failure> {
    let Some(arguments) = Arguments::read(std::env::args_os())? else {
        return Ok(());
    };
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Serve => serve::serve(config),
        Command::Check => check::check(config),
        Command::User(command) => user::user(config, command),
        Command::Alias(command) => alias::alias(config, command),
        Command::Deliver(arguments) => deliver::deliver(config, arguments),
        Command::Maildrop(command) => maildrop::maildrop(config, command),
        Command::Fetch(asked) => fetch::fetch(config, *asked),
        Command::Helper(arguments) => helper::work(&arguments),
        Command::Bench(arguments) => bench_command::bench(arguments),
        Command::Completions { shell } => pages::completions(shell),
        Command::Man { directory } => pages::man(&directory),
    }
}
