//! `restante fetch import`: configuration and seen messages of another program become ours.
//!
//! First the ledgers, then the passwords, then the configuration: as long as that does not name an account, nothing is fetched
//! from it, and what was written before can be written again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use client::ledger::{Entry, Fate, Key, Ledger};
use client::moving::{MovedAccount, MovingError, Password, Program, SeenState, Surroundings};

use super::files;
use super::place::{self, Place};
use super::settings::{self, Account, RESERVED, Settings, home};
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
    let present = Present::read(&file)?;
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
    let mut text = present.text.clone();
    let mut accounts = Vec::new();
    for account in &moved.accounts {
        if present.has(account) {
            note!(
                "{} at {} is in {} already, and left as it is",
                account.user,
                account.host,
                file.display()
            );
            continue;
        }
        text.push_str(&format!("\n# From {program}.\n{}", account.toml));
        accounts.push(account);
    }
    let settings = meant(&file, &text)?;
    if is_dry {
        say!("{}", text[present.text.len()..].trim())?;
    } else if !accounts.is_empty() {
        let place = Place::new(&settings.state)?;
        for moved in &accounts {
            let account = settings.account(&moved.name)?;
            seen(account, &place, moved)?;
            password(moved)?;
        }
        let mode = present.mode.unwrap_or(0o600);
        files::put(&present.real, text.as_bytes(), mode)
            .map_err(|error| unwritten(&file, &error))?;
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

/// The configuration that is there.
struct Present {
    /// The file itself, if its name is a symbolic link.
    real: PathBuf,
    text: String,
    mode: Option<u32>,
    settings: Settings,
}

impl Present {
    fn read(file: &Path) -> Result<Self, Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                real: file.to_owned(),
                text: String::new(),
                mode: None,
                settings: meant(file, "")?,
            }),
            Err(error) => Err(Failure::new(Code::Config, output::unreadable(file, &error))
                .remedy("name another file with -c FILE")),
            Ok(mut text) => {
                let settings = meant(file, &text)?;
                if !text.ends_with('\n') && !text.is_empty() {
                    text.push('\n');
                }
                let mode = fs::metadata(file).map(|it| it.permissions().mode() & 0o777);
                Ok(Self {
                    real: fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()),
                    text,
                    mode: mode.ok(),
                    settings,
                })
            }
        }
    }

    fn has(&self, moved: &MovedAccount) -> bool {
        let same = |account: &Account| {
            account.user == moved.user && account.host.eq_ignore_ascii_case(&moved.host)
        };
        self.settings.accounts.iter().any(same)
    }
}

fn meant(file: &Path, text: &str) -> Result<Settings, Failure> {
    let (settings, problems) = settings::parse(file, text);
    for problem in &problems {
        note!("{problem}");
    }
    settings.ok_or_else(|| {
        Failure::new(
            Code::Config,
            "the configuration cannot be used as it would be",
        )
        .remedy("mend what is told above; nothing was written")
    })
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
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    });
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
