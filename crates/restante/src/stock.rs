//! What most commands open first: the accounts, and the maildrops beside them.
//!
//! Both lie in the data directory, and can be used while the server runs. A data directory in which
//! no account was ever made may be where a file system should be mounted: only what begins a new
//! installation, or brings an old one back, works there.

use std::path::Path;
use std::sync::Arc;

use auth::{Accounts, AccountsError};
use maildrop::helper::Kept;
use maildrop::mbox::Mboxes;
use maildrop::{Maildirs, Maildrops, RealDisk};

use crate::config::{Config, Form, InPlace};
use crate::failure::{Code, Failure};
use crate::homes::Homes;
use crate::output;
use crate::rights;

/// Becomes the owner of the data directory and opens the accounts.
///
/// # Errors
///
/// When the directory or the accounts cannot be used, the accounts are lost, or there were never any.
pub(crate) fn accounts(config: &Config) -> Result<Accounts, Failure> {
    let is_missing = |path: &Path| matches!(path.try_exists(), Ok(false));
    let none_yet = || Failure::from(AccountsError::NoneYet(config.data.clone()));
    // Looking makes nothing.
    if is_missing(&config.data) {
        return Err(none_yet());
    }
    rights::become_owner(config)?;
    lost(config)?;
    if is_missing(&config.data.join("accounts.db")) {
        return Err(none_yet());
    }
    let accounts = accounts_or_none(config)?;
    match accounts.begun()? {
        true => Ok(accounts),
        false => Err(none_yet()),
    }
}

/// As [`accounts`], for what makes the first ones.
///
/// # Errors
///
/// When the directory or the accounts cannot be used, or the accounts are lost.
pub(crate) fn new_accounts(config: &Config) -> Result<Accounts, Failure> {
    rights::become_owner(config)?;
    lost(config)?;
    accounts_or_none(config)
}

/// As [`accounts`], for what brings lost accounts back.
///
/// # Errors
///
/// When the directory or the accounts cannot be used.
pub(crate) fn accounts_or_none(config: &Config) -> Result<Accounts, Failure> {
    rights::become_owner(config)?;
    let accounts = with_room(config, || Accounts::open(&config.data))?;
    let accounts = accounts.scram(config.scram.then_some(config.scram_iterations))?;
    Ok(match config.scram_sha1 {
        true => accounts.with_scram_sha1(),
        false => accounts,
    })
}

/// Refuses where maildrops are but no accounts: with a new, empty `accounts.db` every sender would be
/// told for good that there is no such account, and nobody would see that the old one is lost.
///
/// # Errors
///
/// When maildrops are there and `accounts.db` is not, or never had an account: what a failed copy leaves,
/// or a restore that found no accounts.
pub(crate) fn lost(config: &Config) -> Result<(), Failure> {
    let exists = config.data.join("accounts.db").exists();
    lost_unless(config, || Ok(exists && accounts_or_none(config)?.begun()?))
}

/// The same, for whoever has looked whether there were ever accounts.
///
/// # Errors
///
/// As [`lost`].
pub(crate) fn lost_unless(
    config: &Config,
    begun: impl FnOnce() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let has_maildrops = || {
        let inside = std::fs::read_dir(config.data.join("d"));
        inside.is_ok_and(|mut inside| inside.next().is_some())
    };
    if !has_maildrops() || begun()? {
        return Ok(());
    }
    let data = config.data.display();
    Err(Failure::new(
        Code::Data,
        format!("there are maildrops in {data}, but accounts.db is lost"),
    )
    .remedy("bring it back: restante maildrop restore DIR --all; without a backup: restante maildrop rebuild"))
}

/// Opens what needs a little room on the disk, such as the shared memory of SQLite's log, if need
/// be from the reserve: on a full disk logins must go on, or nobody could delete anything.
///
/// # Errors
///
/// As `open`.
pub(crate) fn with_room<T>(
    config: &Config,
    mut open: impl FnMut() -> Result<T, AccountsError>,
) -> Result<T, Failure> {
    for _ in 0..PIECES_MAX {
        match open() {
            Err(full) if full.is_full() && spend_reserve(config) => {}
            other => return Ok(other?),
        }
    }
    Ok(open()?)
}

/// So many pieces of the reserve are more than enough for what is opened: the rest is for deletions.
const PIECES_MAX: usize = 4;

/// Gives a piece of the reserve back to the disk; false if there is none.
fn spend_reserve(config: &Config) -> bool {
    let spend = |maildrops: Maildrops| maildrops.spend_reserve("opening the accounts");
    maildrops(config).is_ok_and(|maildrops| spend(maildrops).unwrap_or(false))
}

/// Opens the maildrops. To be called after [`accounts`], as the owner of the data directory.
///
/// # Errors
///
/// When the store cannot be used, or lies where nothing is kept.
pub(crate) fn maildrops(config: &Config) -> Result<Maildrops, Failure> {
    let unusable = |error: &std::io::Error| {
        let data = config.data.display();
        let text = format!(
            "the maildrops in {data} cannot be used: {}",
            output::plain(error)
        );
        Failure::from_text(Code::Unavailable, &text)
    };
    let Some(InPlace { path, form, users }) = &config.in_place else {
        return Maildrops::native(&config.data, &config.store).map_err(|error| unusable(&error));
    };
    let drafts = Arc::new(RealDisk::new(&config.data).map_err(|error| unusable(&error))?);
    let accounts = Accounts::open(&config.data)?;
    let users = users.as_ref().map(|users| users.home.clone());
    Ok(match form {
        Form::Maildirs(settings) => {
            let homes = Arc::new(Homes::new(accounts, path.clone(), Kept::Maildir, users));
            let maildirs = Maildirs::new(homes, drafts, settings.clone());
            Maildrops::Maildir(Arc::new(maildirs))
        }
        Form::Mboxes(settings) => {
            let homes = Arc::new(Homes::new(accounts, path.clone(), Kept::Mbox, users));
            let mboxes = Mboxes::new(homes, settings.clone());
            Maildrops::Mbox(Arc::new(mboxes), drafts)
        }
    })
}

impl From<AccountsError> for Failure {
    fn from(error: AccountsError) -> Self {
        let code = match &error {
            AccountsError::Unknown(_)
            | AccountsError::UnknownAlias(_)
            | AccountsError::NotBehindAlias { .. }
            | AccountsError::NotRemoved(_)
            | AccountsError::Erasing(_) => Code::NoUser,
            AccountsError::Busy => Code::Temporary,
            AccountsError::Exposed(_) | AccountsError::Key(_) => Code::NoPermission,
            AccountsError::ScramIterations(_) => Code::Config,
            AccountsError::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Code::NoPermission,
                _ => Code::InputOutput,
            },
            // As when a maildrop cannot be read: what should be there is not.
            AccountsError::Database(_) | AccountsError::NoneYet(_) => Code::InputOutput,
            _ => Code::Data,
        };
        match &error {
            AccountsError::Io { source, .. } => {
                Self::new(code, format!("{error}: {}", output::plain(source))).remedy(
                    "it must belong to the owner of the data directory, and its disk be whole",
                )
            }
            _ => Self::from_text(code, &error.to_string()),
        }
    }
}
