//! Who may open which maildrop.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sasl::Login;

/// Where a login comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// An address, of the client or as a trusted proxy tells it.
    Address(IpAddr),
    /// A Unix socket.
    Local,
}

/// Somebody who has proved who they are. Only this crate makes one.
#[derive(Clone, Debug)]
pub struct Identity {
    account: String,
    maildrop: u64,
}

impl Identity {
    /// The account's name, case folded.
    pub fn account(&self) -> &str {
        &self.account
    }
    /// The id of the account's maildrop.
    pub fn maildrop(&self) -> u64 {
        self.maildrop
    }
}

/// Why a login is refused.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// Unknown user, wrong password, disabled or expired account, wrong place: all look alike.
    #[error("wrong user name or password, or the account may not log in")]
    Credentials,
    /// Too much work waits, or the accounts cannot be read: try again later.
    #[error("logins cannot be checked now: {0}")]
    Unavailable(String),
}

/// Settings of the authenticator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `accounts.db` and its keys lie here.
    pub data: PathBuf,
    /// Whether SCRAM verifiers are stored.
    pub scram: bool,
    /// Iterations of a SCRAM verifier.
    pub scram_iterations: u32,
    /// A refused login is answered so long after it arrived, at least.
    pub refusal_delay: Duration,
}

/// What went wrong with the accounts.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// Text to be refined by the owner of this crate.
    #[error("{0}")]
    Other(String),
}

/// The accounts of a single machine, in `accounts.db`.
pub struct Accounts {}

/// An account that can receive.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The account's name, case folded.
    pub account: String,
    /// The id of its maildrop.
    pub maildrop: u64,
}

impl Accounts {
    /// Opens or makes `accounts.db` in the data directory.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, made or read.
    pub fn open(_data: &Path) -> Result<Self, AccountsError> {
        todo!()
    }
    /// Which account gets mail for an address (design decision 13).
    ///
    /// # Errors
    ///
    /// When the accounts cannot be read.
    pub fn recipient(
        &self,
        _address: &str,
        _hostname: &str,
        _domains: &[String],
    ) -> Result<Option<Recipient>, AccountsError> {
        todo!()
    }
}

/// Checks logins.
pub struct Authenticator {}

impl Authenticator {
    /// Opens the accounts and starts the hashing pool.
    ///
    /// # Errors
    ///
    /// When the accounts cannot be opened.
    pub fn open(_settings: Settings) -> Result<Self, AccountsError> {
        todo!()
    }
    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        todo!()
    }
    /// Checks a login; a refusal comes at a fixed instant after the call (design decision 7).
    ///
    /// # Errors
    ///
    /// See [`Denied`].
    pub async fn verify(&self, _login: Login, _peer: Peer) -> Result<Identity, Denied> {
        todo!()
    }
}
