//! `restante deliver`: one message from standard input, for mail transfer agents.
//!
//! Whatever the operator has to mend (a wrong command line, a broken configuration, a full disk) ends with EX_TEMPFAIL:
//! the message must wait at the sender, not go back to whoever wrote it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use auth::Accounts;
use delivery::normalise::FromLine;
use delivery::pipe::{self, Exit, Options};
use delivery::{Recipient, RecipientRefusal};

use crate::args;
use crate::config::{self, Config};
use crate::failure::{Code, Failure};
use crate::log;
use crate::output;
use crate::stock;

/// Delivers one message to everybody who is named.
///
/// # Errors
///
/// Each is an exit code that says what shall become of the message; the reason has been told.
pub(crate) fn deliver(named: Option<&Path>, arguments: args::Deliver) -> Result<(), Failure> {
    prepared(named, arguments).map_err(|failure| match failure.code() {
        Code::Data | Code::NoUser | Code::Unavailable | Code::CannotCreate => failure,
        _ => failure.with_code(Code::Temporary),
    })
}

fn prepared(named: Option<&Path>, arguments: args::Deliver) -> Result<(), Failure> {
    is_possible(&arguments)?;
    let config = config::load(named)?;
    log::warnings();
    let waits = |failure: Failure| failure.with_code(Code::Temporary);
    let accounts = stock::accounts(&config).map_err(waits)?;
    let maildrops = stock::maildrops(&config).map_err(waits)?;
    let options = Options {
        sender: arguments.sender.as_deref().map(text),
        from_line: match arguments.from_line {
            true => FromLine::Drop,
            false => FromLine::Keep,
        },
        message_octets_max: config.server.limits.message_octets_max,
        quota_exceeded: config.server.keeping.quota_exceeded,
    };
    let mut complaints = io::stderr();
    let named: Vec<String> = recipients(&arguments).map(text).collect();
    let mut recipients = pipe::resolve(
        &named,
        |address| recipient(&accounts, &config, address),
        &mut complaints,
    )
    .map_err(ended)?;
    if let Some(address) = &arguments.address {
        for recipient in &mut recipients {
            recipient.address = text(address);
        }
    }
    let exit = pipe::deliver(
        &maildrops,
        &recipients,
        &mut io::stdin().lock(),
        &options,
        now_us(),
        &mut complaints,
    );
    match exit {
        Exit::Ok => Ok(()),
        exit => Err(ended(exit)),
    }
}

fn recipients(arguments: &args::Deliver) -> impl Iterator<Item = &OsString> {
    arguments.named.iter().chain(&arguments.recipients)
}

fn text(word: impl AsRef<OsStr>) -> String {
    word.as_ref().to_string_lossy().into_owned()
}

/// Whether what other programs can do, and this one is asked for, is something that it does.
fn is_possible(arguments: &args::Deliver) -> Result<(), Failure> {
    let impossible = |what: &str, remedy: &str| {
        Err(Failure::new(Code::Usage, what.to_owned()).remedy(remedy.to_owned()))
    };
    if let Some(mailbox) = &arguments.mailbox
        && !mailbox.eq_ignore_ascii_case("INBOX")
    {
        return impossible(
            "-m: an account has one maildrop, and no other mailboxes",
            "leave -m out",
        );
    }
    if arguments.file.is_some() {
        return impossible(
            "-p: the message comes on standard input",
            "write <FILE in place of -p FILE",
        );
    }
    // maildrop and procmail take other words there: settings, and what they shall be told of the message.
    if !arguments.named.is_empty() && !arguments.recipients.is_empty() {
        return impossible(
            "-d: recipients are named at the end, too",
            "name each by -d, or all of them at the end, and nothing else",
        );
    }
    match &arguments.address {
        Some(_) if recipients(arguments).count() != 1 => impossible(
            "-a: the address of one recipient, and several are named",
            "name one recipient a call",
        ),
        Some(address) if !text(address).contains('@') => impossible(
            "-a: this is no address",
            "write LOCAL@DOMAIN, or leave -a out",
        ),
        _ => Ok(()),
    }
}

/// Who gets mail for an address.
///
/// # Errors
///
/// When nobody does, all who would are disabled, or the accounts cannot be asked.
pub(crate) fn recipient(
    accounts: &Accounts,
    config: &Config,
    address: &str,
) -> Result<Recipient, RecipientRefusal> {
    let server = &config.server;
    let found = accounts
        .recipients(address, &server.addressing())
        .map_err(|error| {
            output::tell(format_args!("{}", Failure::from(error)));
            RecipientRefusal::Unavailable
        })?;
    server.accepts(found, address)
}

/// µs since 1970.
pub(crate) fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

fn ended(exit: Exit) -> Failure {
    Failure::silent(match exit {
        // Ok is no failure; if it came here, trying again is the safe answer.
        Exit::Ok | Exit::TempFail | Exit::NoPerm | Exit::Config => Code::Temporary,
        Exit::Usage => Code::Usage,
        Exit::DataErr => Code::Data,
        Exit::NoUser => Code::NoUser,
        Exit::Unavailable => Code::Unavailable,
        Exit::CantCreate => Code::CannotCreate,
    })
}
