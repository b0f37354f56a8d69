//! Where the state of accounts is: ledgers, quarantined messages, what is known of servers.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use client::ledger::{Contents, Ledger, LedgerError};

use super::settings::Account;
use crate::failure::{Code, Failure};
use crate::output;

/// The directory of all ledgers.
#[derive(Clone, Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// The directory; it is made if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(super) fn new(directory: &Path) -> Result<Self, Failure> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory);
        match made {
            Ok(()) => Ok(Self(directory.to_owned())),
            Err(error) => Err(Failure::new(
                Code::CannotCreate,
                format!(
                    "{} cannot be made: {}",
                    directory.display(),
                    output::plain(&error)
                ),
            )
            .remedy("name another directory: state = \"/path\" in fetch.toml, or $XDG_STATE_HOME")),
        }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.0
    }

    pub(super) fn of(&self, account: &Account, what: &str) -> PathBuf {
        self.0.join(format!("{}.{what}", account.name))
    }

    /// Writes one of an account's files that nobody misses: whole or not at all, and not durable.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then what was there is there still.
    pub(super) fn note(&self, account: &Account, what: &str, text: &str) -> io::Result<()> {
        let new = self.of(account, &format!("{what}.new"));
        fs::write(&new, text)?;
        fs::rename(new, self.of(account, what))
    }

    pub(super) fn ledger_path(&self, account: &Account) -> PathBuf {
        self.of(account, "ledger")
    }

    pub(super) fn quarantine(&self, account: &Account) -> PathBuf {
        self.of(account, "quarantine")
    }

    /// The account's ledger, which must be there.
    ///
    /// # Errors
    ///
    /// When it is not, or cannot be used.
    pub(super) fn ledger(&self, account: &Account) -> Result<Ledger, LedgerError> {
        Ledger::open(&self.ledger_path(account), &account.identity())
    }

    /// What the account's ledger says, whoever is writing it; none if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is another account's.
    pub(super) fn known(&self, account: &Account) -> Result<Option<Contents>, LedgerError> {
        let file = self.ledger_path(account);
        match Ledger::peek(&file) {
            Ok(contents) if contents.account() == account.identity() => Ok(Some(contents)),
            Ok(contents) => Err(LedgerError::Foreign {
                file,
                owner: contents.account().to_owned(),
            }),
            Err(LedgerError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account's ledger; an empty one if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be used.
    pub(super) fn ledger_or_new(&self, account: &Account) -> Result<Ledger, LedgerError> {
        match self.ledger(account) {
            Err(LedgerError::Missing { .. }) => {
                Ledger::create(&self.ledger_path(account), &account.identity())
            }
            found => found,
        }
    }
}

/// Why a ledger cannot be used, for people.
pub(super) fn failed(account: &Account, error: &LedgerError) -> Failure {
    let what = output::without_numbers(&error.to_string());
    let name = &account.name;
    match error {
        LedgerError::InUse { .. } => Failure::new(Code::Temporary, what)
            .remedy("wait until it has ended, or see who it is: restante fetch status"),
        LedgerError::Missing { .. } => Failure::new(Code::Config, what).remedy(format!(
            "restante fetch adopt {name} DIR makes one of the mail that is there; restante fetch {name} --from-scratch fetches everything"
        )),
        LedgerError::Foreign { .. } => Failure::new(Code::Config, what).remedy(format!(
            "if {name} is the same maildrop under another name, restante fetch adopt {name} takes the ledger over; if not, move the file away"
        )),
        LedgerError::Damaged { file } => Failure::new(Code::Config, what).remedy(format!(
            "move {} away and make a new one: restante fetch adopt {name} DIR",
            file.display()
        )),
        LedgerError::Io { source, .. } => Failure::new(Code::InputOutput, what).remedy(match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk; what was fetched before counts",
            _ => "see what ails that disk",
        }),
    }
}
