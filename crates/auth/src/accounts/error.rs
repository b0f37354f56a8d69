//! What can go wrong with the accounts: one variant for each thing that a person may do about it.

use std::io;
use std::path::PathBuf;

use super::ALIAS_ACCOUNTS_MAX;
use crate::address::AddressError;
use crate::hash::{HashError, PASSWORD_OCTETS_MAX};
use crate::name::NameError;

/// What went wrong with the accounts. No variant holds a password, a hash or a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// The text is no account name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is an account of that name.
    #[error("there is an account {0} already; change it with `user passwd` or `user set`")]
    Exists(String),
    /// There is no account of that name.
    #[error("there is no account {0}; `restante user list` shows all")]
    Unknown(String),
    /// The text is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is an alias of the name that an account shall have.
    #[error(
        "{0} is an alias, so no account can be called so; see who gets its mail with \
         `restante alias list`, and take it away: restante alias remove {0}"
    )]
    AliasExists(String),
    /// There is an account of the name that an alias shall have.
    #[error(
        "{0} is an account, so it cannot be an alias; rename the account first: \
         restante user rename {0} NAME"
    )]
    AliasIsAccount(String),
    /// An alias is named where an account should be.
    #[error("{0} is an alias itself; name the accounts that it stands for")]
    AliasOfAlias(String),
    /// An alias would stand for too many accounts.
    #[error(
        "an alias stands for at most {ALIAS_ACCOUNTS_MAX} accounts, and {0} would for more; let your \
         mail transfer agent or a list manager do that"
    )]
    AliasAccounts(String),
    /// There is no such alias.
    #[error("there is no alias {0}; `restante alias list` shows all")]
    UnknownAlias(String),
    /// An alias does not stand for that account.
    #[error("{alias} does not stand for {account}; `restante alias list` shows for whom it does")]
    NotBehindAlias {
        /// The alias.
        alias: String,
        /// The account.
        account: String,
    },
    /// No account was ever made in this directory: it is new, or it is not the one that is meant.
    #[error(
        "there are no accounts in {0}; is its file system mounted? \
         (a new installation begins with `restante user add`)"
    )]
    NoneYet(PathBuf),
    /// No removed account has that maildrop.
    #[error("no removed account has the maildrop {0:016x}")]
    NotRemoved(u64),
    /// A removed account's maildrop is being erased.
    #[error(
        "the mail of {0} is being deleted, so the account does not come back; \
         finish that with `restante user remove {0} --delete-mail`; then a backup may have both: \
         restante maildrop restore DIR {0}"
    )]
    Erasing(String),
    /// The hash cannot be used.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The password is empty, too long, or has a character that cannot be sent.
    #[error(
        "a password has 1 to {PASSWORD_OCTETS_MAX} octets and no NUL, CR or LF, since it must fit a POP3 line"
    )]
    Password,
    /// Too few iterations.
    #[error("scram_iterations is {0}; RFC 7677 asks for 4096 at least")]
    ScramIterations(u32),
    /// Another process holds the database for long.
    #[error("accounts.db is locked by another process; try again when it has ended")]
    Busy,
    /// Made by a newer version of the program.
    #[error(
        "accounts.db has schema {found}, this program knows {known}; use the program that wrote it, or a newer one"
    )]
    Newer {
        /// `user_version` of the file.
        found: i64,
        /// The newest that we know.
        known: i64,
    },
    /// Not a database, or damaged.
    #[error("{path} is damaged or not a database of accounts; restore it from a backup")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// Everybody may write in the directory, so anybody could put an own database there.
    #[error("everybody may write in {0}, so the accounts are not safe there; do `chmod o-w` on it")]
    Exposed(PathBuf),
    /// The key of the APOP secrets is missing or has another size.
    #[error(
        "{0} does not hold the key of the APOP secrets; restore it from the backup of accounts.db"
    )]
    Key(PathBuf),
    /// A stored APOP secret was not encrypted with our key for this account.
    #[error("the APOP secret of {0} cannot be decrypted; set a new one with `user passwd --apop`")]
    ApopSecret(String),
    /// The file system, or the system's source of randomness, fails.
    #[error("cannot use {path}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// SQLite fails: disk full, I/O error.
    #[error("accounts.db cannot be used: {0}; see whether its file system is full (df) or failing")]
    Database(#[source] rusqlite::Error),
}

impl AccountsError {
    /// Whether the file system is full.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
            Self::Database(source) => source.sqlite_error().is_some_and(|error| {
                // Where SQLite says so, and where it says only that its shared memory did not grow.
                error.code == rusqlite::ErrorCode::DiskFull
                    || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
            }),
            _ => false,
        }
    }

    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

impl From<rusqlite::Error> for AccountsError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy
            }
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::Damaged {
                    path: super::schema::FILE.into(),
                    source: error,
                }
            }
            _ => Self::Database(error),
        }
    }
}
