//! `restante fetch import`: configuration and seen messages of another program become ours.
//!
//! First the ledgers, then the passwords, then the configuration: as long as that does not name an account, nothing is fetched
//! from it, and what was written before can be written again.

use std::io;
use std::path::Path;

use client::ledger::{Entry, Fate, Key, Ledger};
use client::moving::{MovedAccount, MovingError, Password, Program, SeenState, Surroundings};

use super::place::{self, Place};
use super::present::Present;
use super::settings::{self, Account, RESERVED, home};
use super::{files, now};
use crate::args;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// Takes over what another program knows.
///
/// # Errors
///
/// When nothing can be read, or something cannot be written.
pub(super) fn import(
    named: Option<&Path>,
    program: args::Program,
    path: Option<&Path>,
    is_dry: bool,
) -> Result<(), Failure> {
    let file = settings::file(named);
    let present = Present::read(named)?;
    let program = match program {
        args::Program::Mpop => Program::Mpop,
        args::Program::Fetchmail => Program::Fetchmail,
        args::Program::Getmail => Program::Getmail,
        args::Program::Thunderbird => Program::Thunderbird,
    };
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let mut around = Surroundings::of_home(home(), user.unwrap_or_default());
    if let Some(directory) = file.parent() {
        around.secrets = directory.to_owned();
    }
    around.taken = RESERVED.iter().map(|&name| name.to_owned()).collect();
    around
        .taken
        .extend(present.settings.accounts.iter().map(|it| it.name.clone()));
    let moved = program
        .moved(path, &around)
        .map_err(|error| unread(program, &error))?;
    for note in &moved.notes {
        note!("{note}");
    }
    let (mut sections, mut accounts) = (Vec::new(), Vec::new());
    for account in &moved.accounts {
        if has(&present, account) {
            note!(
                "{} at {} is in {} already, and left as it is",
                account.user,
                account.host,
                file.display()
            );
            continue;
        }
        sections.push(format!("# From {program}.\n{}", account.toml));
        accounts.push(account);
    }
    let sections = sections.join("\n");
    let (settings, problems) = present.meant(&sections);
    for problem in &problems {
        note!("{problem}");
    }
    let settings = settings.ok_or_else(|| {
        Failure::new(
            Code::Config,
            "the configuration cannot be used as it would be",
        )
        .remedy("mend what is told above; nothing was written")
    })?;
    if is_dry {
        say!("{}", sections.trim())?;
    } else if !accounts.is_empty() {
        let place = Place::new(&settings.state)?;
        for moved in &accounts {
            let account = settings.account(&moved.name)?;
            seen(account, &place, moved)?;
            password(moved)?;
        }
        present.write(&sections)?;
    }
    for account in &accounts {
        say!(
            "{}: {} at {}, {} not fetched again{}",
            account.name,
            account.user,
            account.host,
            count(counting(account) as u64, "message is", "messages are"),
            match account.password {
                Password::Asked => ", the password will be asked for",
                _ => "",
            }
        )?;
    }
    match accounts.as_slice() {
        [] => say!("There was no account to be taken over."),
        [first, ..] if !is_dry => say!(
            "Written to {}. Try it: restante fetch {} --dry-run",
            file.display(),
            first.name
        ),
        _ => Ok(()),
    }
}

/// Whether an account is configured already.
fn has(present: &Present, moved: &MovedAccount) -> bool {
    let same = |account: &Account| {
        account.user == moved.user && account.host.eq_ignore_ascii_case(&moved.host)
    };
    present.settings.accounts.iter().any(same)
}

/// How many messages count as fetched.
fn counting(account: &MovedAccount) -> usize {
    let counts = |state: &SeenState| !matches!(state, SeenState::NotWhole);
    account
        .seen
        .iter()
        .filter(|seen| counts(&seen.state))
        .count()
}

/// A ledger in which what the other program has fetched is seen.
fn seen(account: &Account, place: &Place, moved: &MovedAccount) -> Result<(), Failure> {
    let path = place.ledger_path(account);
    let failed = |error| place::failed(account, &error);
    if path.exists() {
        return Err(Failure::new(
            Code::CannotCreate,
            format!("there is a ledger already: {}", path.display()),
        )
        .remedy("if it is of no use any more, move it away; nothing was written"));
    }
    let mut ledger = Ledger::create(&path, &account.identity()).map_err(failed)?;
    let now = now();
    for seen in &moved.seen {
        if matches!(seen.state, SeenState::NotWhole) {
            continue;
        }
        let at = seen.at.filter(|at| (0..=now).contains(at)).unwrap_or(now);
        let key = Key::UniqueId(seen.id.clone());
        ledger.record(key, Entry::new(Fate::Seen, at));
    }
    ledger.sync().map_err(failed)
}

fn password(moved: &MovedAccount) -> Result<(), Failure> {
    let Password::ToStore { file, secret } = &moved.password else {
        return Ok(());
    };
    let mut line = zeroize::Zeroizing::new(secret.expose().to_vec());
    line.push(b'\n');
    files::put(file, &line, 0o600).map_err(|error| unwritten(file, &error))
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    let what = format!(
        "{} cannot be written: {}",
        file.display(),
        output::plain(error)
    );
    Failure::new(Code::CannotCreate, what)
        .remedy("make room or give rights there, and run this again")
}

fn unread(program: Program, error: &MovingError) -> Failure {
    let text = output::without_numbers(&error.to_string());
    Failure::from_text(Code::NoInput, &text).remedy(format!(
        "name it: restante fetch import {} PATH",
        program.to_string().to_lowercase()
    ))
}
