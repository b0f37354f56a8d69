//! What is on this machine: files, destinations, the ledger, the clock.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::destination::{Ended, NotDelivered};
use client::ledger::LedgerError;
use client::secret::Source;

use super::report::Report;
use crate::failure::{Code, Failure};
use crate::fetch::destinations::Maker;
use crate::fetch::past;
use crate::fetch::place::{self, Place};
use crate::fetch::settings::{Account, Auth, Deliver, Settings};
use crate::output;

/// No clock of a machine that runs this says an earlier time (2025-01-01).
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);

/// The configuration, and the directory of the state.
pub(super) fn configuration(
    settings: &Settings,
    place: &Place,
    report: &mut Report,
) -> Result<(), Failure> {
    let file = &settings.file;
    let has_secret = settings.accounts.iter().any(holds_a_secret);
    let name = file.display();
    match mode(file) {
        Some(mode) if mode & 0o022 != 0 => {
            let what = format!(
                "{name}: others may write it (mode {mode:04o}), and it names commands that run as you"
            );
            report.wrong(
                "configuration",
                &Failure::new(Code::Config, what).remedy(format!("chmod 600 {name}")),
            )?;
        }
        Some(mode) if mode & 0o044 != 0 && has_secret => {
            let what =
                format!("{name}: others may read it (mode {mode:04o}), and a password is in it");
            report.wrong(
                "configuration",
                &Failure::new(Code::Config, what).remedy(format!("chmod 600 {name}")),
            )?;
        }
        _ => report.ok("configuration", &format!("{name}"))?,
    }
    let directory = place.directory();
    match mode(directory) {
        Some(mode) if mode & 0o077 != 0 => report.warning(
            "state",
            &format!(
                "{}: others may look into it (mode {mode:04o})",
                directory.display()
            ),
            &format!("chmod 700 {}", directory.display()),
        ),
        _ => report.ok("state", &format!("{}", directory.display())),
    }
}

/// Whether a password stands in the configuration itself.
fn holds_a_secret(account: &Account) -> bool {
    let literal = |source: &Source| matches!(source, Source::Literal(_));
    let in_auth = |auth: &Auth| match auth {
        Auth::Password(source) => literal(source),
        Auth::Oauth(oauth) => oauth.client_secret.as_ref().is_some_and(literal),
        Auth::TokenCommand(_) | Auth::Certificate => false,
    };
    in_auth(&account.auth) || {
        let mut known = account.destinations().filter_map(Deliver::auth);
        known.any(|(_, _, auth)| in_auth(auth))
    }
}

/// The key that is shown to the server belongs to nobody else.
pub(super) fn key(account: &Account, report: &Report) -> Result<(), Failure> {
    let Some((_, key)) = &account.client_certificate else {
        return Ok(());
    };
    let name = key.display();
    match mode(key) {
        Some(mode) if mode & 0o077 != 0 => report.warning(
            "client_key",
            &format!("{name}: others may read it (mode {mode:04o}), and log in with it"),
            &format!("chmod 600 {name}"),
        ),
        _ => report.ok("client_key", &format!("{name}")),
    }
}

fn mode(file: &Path) -> Option<u32> {
    let found = std::fs::metadata(file).ok()?;
    Some(found.permissions().mode() & 0o7777)
}

/// What is to be done about a clock that is wrong.
const SET_CLOCK: &str =
    "set the clock; certificates and durations depend on it (timedatectl set-ntp true)";

/// Whether the time can be right.
pub(super) fn clock(report: &mut Report) -> Result<(), Failure> {
    let now = SystemTime::now();
    let said = format!("it is {} here", crate::date::moment(now));
    match now < UNIX_EPOCH + EARLIEST {
        true => report.wrong("clock", &Failure::new(Code::System, said).remedy(SET_CLOCK)),
        false => report.ok("clock", &said),
    }
}

/// Whether the time has gone back since the last run.
pub(super) fn last_run(account: &Account, place: &Place, report: &Report) -> Result<(), Failure> {
    let last = past::last(place, account)
        .and_then(|last| last.get("at")?.as_u64())
        .map(|at| UNIX_EPOCH + Duration::from_secs(at));
    match last {
        Some(last) if last > SystemTime::now() + Duration::from_secs(120) => report.warning(
            "clock",
            &format!(
                "the last run was on {}, which is to come",
                crate::date::moment(last)
            ),
            SET_CLOCK,
        ),
        _ => Ok(()),
    }
}

/// Whether mail can go where it should.
pub(super) fn destinations(
    account: &Account,
    place: &Place,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut maker = Maker {
        account: &account.name,
        place,
        made: Vec::new(),
    };
    for deliver in account.destinations() {
        if let Err(failure) = maker.places(std::slice::from_ref(deliver)) {
            report.wrong("destination", &failure)?;
        }
    }
    for mut destination in maker.made {
        let name = destination.name().to_owned();
        match destination.open(Ended::InOrder) {
            Ok(()) => report.ok("destination", &name)?,
            Err(error) => {
                let code = match error {
                    NotDelivered::NotNow(_) => Code::Temporary,
                    NotDelivered::NoLogin(_) => Code::TokenNeeded,
                    NotDelivered::Refused(_) | NotDelivered::Unusable(_) => Code::CannotCreate,
                };
                let text = output::without_numbers(&error.to_string());
                report.wrong(
                    "destination",
                    &Failure::from_text(code, &format!("{name}: {text}")),
                )?;
            }
        }
    }
    Ok(())
}

/// What the ledger says of itself.
pub(super) fn ledger(account: &Account, place: &Place, report: &mut Report) -> Result<(), Failure> {
    match place.ledger(account) {
        Ok(ledger) => {
            let known = output::count(ledger.iter().count() as u64, "message", "messages");
            let sessions = output::count(ledger.sessions(), "session", "sessions");
            let text = format!("{known} known, {sessions} in order");
            match (ledger.damaged(), ledger.ended()) {
                (0, Ended::InOrder) => report.ok("ledger", &text),
                (0, Ended::InDoubt) => report.warning(
                    "ledger",
                    &format!("{text}; the last session was cut off"),
                    "the next run looks what of it has been delivered; nothing needs to be done",
                ),
                (damaged, _) => report.warning(
                    "ledger",
                    &format!(
                        "{text}; {} cannot be read",
                        output::count(damaged as u64, "line", "lines")
                    ),
                    &format!(
                        "what they said may be fetched again; see what ails the disk below {}",
                        ledger.path().display()
                    ),
                ),
            }
        }
        Err(LedgerError::InUse { .. }) => report.warning(
            "ledger",
            "a run is going on",
            "look again when it has ended",
        ),
        Err(LedgerError::Missing { .. }) => report.warning(
            "ledger",
            "there is none: everything on the server is new",
            &format!(
                "if some of it is here already: restante fetch adopt {}",
                account.name
            ),
        ),
        Err(error) => report.wrong("ledger", &place::failed(account, &error)),
    }
}
