//! The accounts of a single machine, in `accounts.db`: who there is, and which maildrop is whose.
//!
//! An account is found by its name; everything else hangs on two numbers that a name never gives
//! away: its id, and the random id of its maildrop. Removing an account keeps its row, so that the
//! maildrop can be given back or purged for 30 days; a new account of the old name gets a new one.
//!
//! ```
//! use auth::{Accounts, Addressing, AliasAddress, Password};
//! use sasl::Secret;
//!
//! # let dir = tempfile::tempdir().unwrap();
//! let accounts = Accounts::open(dir.path())?.scram(Some(4096))?;
//! let bob = accounts.add("Bob", &Password::Clear(Secret::new("redqueen")))?;
//! assert_eq!(bob.name, "bob");
//! accounts.add_alias(&AliasAddress::parse("Sales@dobbs.org")?, &["bob".into()])?;
//! let domains = ["dobbs.org".to_owned()];
//! let addressing = Addressing { domains: &domains, detail_separator: "+", ..Addressing::default() };
//! for address in ["BOB@dobbs.org", "bob+lists@dobbs.org", "sales@DOBBS.org"] {
//!     assert_eq!(accounts.recipients(address, &addressing)?[0].maildrop, bob.maildrop);
//! }
//! # Ok::<(), auth::AccountsError>(())
//! ```
//!
//! Every method blocks: it reads or writes the database, and those that take a password compute
//! slow hashes.

mod account;
mod alias;
pub(crate) mod apop_key;
mod copy;
mod error;
mod import;
mod look;
mod passwd_fields;
mod passwd_file;
mod passwd_line;
mod recipient;
mod remembered;
mod removed;
mod retention;
pub(crate) mod row;
pub(crate) mod schema;
mod terms;
mod upgrade;
pub(crate) mod verifiers;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Value;
use rusqlite::{
    Connection, OptionalExtension as _, Transaction, TransactionBehavior, params, params_from_iter,
};
use sasl::{Secret, scram::ITERATIONS_MIN};

pub use account::{Account, Change, Password, State};
pub use alias::{
    ALIAS_ACCOUNTS_MAX, Alias, AliasCounts, AliasLineError, AliasProblem, AliasReport,
};
pub use copy::{BroughtBack, Missing};
pub use error::AccountsError;
pub use import::{Apop, ImportReport};
pub use look::Look;
pub use passwd_fields::FieldProblem;
pub use passwd_file::{ImportError, ImportFile, ImportLine, ImportProblem, parse_import};
pub use recipient::{Addressing, NAMES_MAX, Recipient};
pub use remembered::Remembered;
pub use removed::{Erasing, REMOVED_KEPT, Removed};
pub use retention::Kept;
pub use terms::{Disposition, Expire, Expiries, Quota, Terms};

use crate::hash::{PASSWORD_OCTETS_MAX, PasswordHash};
use crate::name::AccountName;
use apop_key::ApopKey;
use verifiers::Verifiers;

/// Iterations of a SCRAM verifier unless the configuration says otherwise: what OWASP asks of
/// PBKDF2-HMAC-SHA-256.
pub const SCRAM_ITERATIONS: u32 = 600_000;

/// The accounts of a single machine, in `accounts.db`.
pub struct Accounts {
    connection: Mutex<Connection>,
    /// Looks recipients up. In WAL a reader waits for no writer, but who shares its connection with
    /// one does: for as long as that one waits for another process.
    reader: Mutex<Connection>,
    data: PathBuf,
    scram_iterations: Option<u32>,
    scram_sha1: bool,
}

/// What is stored of a password: computed before a transaction begins, since it is slow.
struct Stored {
    hash: PasswordHash,
    scram: Verifiers,
}

impl Accounts {
    /// Opens or makes `accounts.db` in the data directory, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, made or read, or everybody may write in the directory.
    pub fn open(data: &Path) -> Result<Self, AccountsError> {
        let (connection, data) = schema::open(data)?;
        Ok(Self {
            connection: Mutex::new(connection),
            reader: Mutex::new(schema::connect_to_read(&data)?),
            data,
            scram_iterations: Some(SCRAM_ITERATIONS),
            scram_sha1: false,
        })
    }

    /// Sets with how many iterations SCRAM verifiers are stored when a password is seen in clear;
    /// none: none is stored.
    ///
    /// # Errors
    ///
    /// [`AccountsError::ScramIterations`] for fewer than RFC 7677 asks for.
    pub fn scram(self, iterations: Option<u32>) -> Result<Self, AccountsError> {
        match iterations {
            Some(few @ ..ITERATIONS_MIN) => Err(AccountsError::ScramIterations(few)),
            scram_iterations => Ok(Self {
                scram_iterations,
                ..self
            }),
        }
    }

    /// Adds an account with a maildrop of its own, which is random and new.
    ///
    /// # Errors
    ///
    /// When the name or the password cannot be used, or there is an account of that name.
    pub fn add(&self, name: &str, password: &Password) -> Result<Account, AccountsError> {
        self.add_with(name, password, &Change::default())
    }

    /// The same, with a change of what every account has at first: both or none.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn add_with(
        &self,
        name: &str,
        password: &Password,
        change: &Change,
    ) -> Result<Account, AccountsError> {
        self.vacant(name)?;
        let name = AccountName::parse(name)?;
        let stored = self.stored(password)?;
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        let id = insert(&transaction, &name, &stored)?;
        account::change(&transaction, id, change)?;
        let account = account::of_name(&transaction, &name)?;
        transaction.commit()?;
        Ok(account)
    }

    /// That an account of this name could be added now.
    ///
    /// # Errors
    ///
    /// When the name cannot be used, or an account or an alias has it.
    pub fn vacant(&self, name: &str) -> Result<(), AccountsError> {
        let name = AccountName::parse(name)?;
        let connection = self.lock();
        match id_of(&connection, &name) {
            Ok(_) => Err(AccountsError::Exists(name.to_string())),
            Err(AccountsError::Unknown(_)) => alias::free(&connection, &name),
            Err(error) => Err(error),
        }
    }

    /// Sets an account's password; what was stored of the old one goes. An APOP secret stays.
    ///
    /// # Errors
    ///
    /// When there is no such account, or the password cannot be used.
    pub fn set_password(&self, name: &str, password: &Password) -> Result<(), AccountsError> {
        let account = self.show(name)?;
        let stored = self.stored(password)?;
        let statement = format!(
            "UPDATE account SET password = ?2, ({}) = ({}) WHERE maildrop = ?1 AND removed IS NULL",
            verifiers::COLUMNS.join(", "),
            verifiers::parameters(3),
        );
        let first: [Value; 2] = [
            account.maildrop.cast_signed().into(),
            stored.hash.text().to_owned().into(),
        ];
        let values = first.into_iter().chain(verifiers::values(&stored.scram));
        let changed = self.lock().execute(&statement, params_from_iter(values))?;
        one(changed, name)
    }

    /// Sets an account's APOP secret. It lies encrypted, not hashed, so it should not be the password.
    ///
    /// # Errors
    ///
    /// When there is no such account, the secret cannot be used, or the key cannot be read or made.
    pub fn set_apop(&self, name: &str, secret: &Secret) -> Result<(), AccountsError> {
        usable(secret)?;
        let name = AccountName::parse(name)?;
        let key = ApopKey::read_or_make(&self.data)?;
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        let id = id_of(&transaction, &name)?;
        self.write_apop(&transaction, &key, id, secret)?;
        transaction.commit()?;
        Ok(())
    }

    /// Takes an account's APOP secret away, so that APOP does not log in any more.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn clear_apop(&self, name: &str) -> Result<(), AccountsError> {
        let folded = AccountName::parse(name)?;
        let changed = self.lock().execute(
            "UPDATE account SET apop = NULL WHERE name = ?1 AND removed IS NULL",
            [folded.as_str()],
        )?;
        one(changed, name)
    }

    /// All accounts, by name.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn list(&self) -> Result<Vec<Account>, AccountsError> {
        account::all(&self.lock())
    }

    /// One account.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn show(&self, name: &str) -> Result<Account, AccountsError> {
        account::of_name(&self.lock(), &AccountName::parse(name)?)
    }

    /// The name of the account whose maildrop this is; none if there is none any more.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn owner(&self, maildrop: u64) -> Result<Option<String>, AccountsError> {
        let reader = self.reader();
        let mut statement = reader
            .prepare_cached("SELECT name FROM account WHERE maildrop = ?1 AND removed IS NULL")?;
        let name = statement.query_row([maildrop.cast_signed()], |row| row.get(0));
        Ok(name.optional()?)
    }

    /// Changes whether, until when and from where an account may log in, and on which terms its mail
    /// is kept.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub fn set(&self, name: &str, change: &Change) -> Result<Account, AccountsError> {
        let name = AccountName::parse(name)?;
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        account::change(&transaction, id_of(&transaction, &name)?, change)?;
        let account = account::of_name(&transaction, &name)?;
        transaction.commit()?;
        Ok(account)
    }

    /// Gives an account another name. Its maildrop, hence its unique-ids, stay.
    ///
    /// # Errors
    ///
    /// When there is no such account, or there is one of the new name.
    pub fn rename(&self, old: &str, new: &str) -> Result<Account, AccountsError> {
        let (old, new) = (AccountName::parse(old)?, AccountName::parse(new)?);
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        let id = id_of(&transaction, &old)?;
        alias::free(&transaction, &new)?;
        transaction
            .execute(
                "UPDATE account SET name = ?2 WHERE id = ?1",
                params![id, new.as_str()],
            )
            .map_err(|error| exists(error, &new))?;
        let account = account::of_name(&transaction, &new)?;
        transaction.commit()?;
        Ok(account)
    }

    /// Whether an account was ever made here, whatever became of it. A directory without any may be
    /// where a file system should be mounted, so nobody may be told for good that he has no account.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn begun(&self) -> Result<bool, AccountsError> {
        Ok(begun(&self.reader())?)
    }

    /// Where the database lies.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn stored(&self, password: &Password) -> Result<Stored, AccountsError> {
        match password {
            Password::Hash(hash) => Ok(Stored {
                hash: hash.clone(),
                scram: Verifiers::default(),
            }),
            Password::Clear(secret) => {
                usable(secret)?;
                Ok(Stored {
                    hash: PasswordHash::new(secret).map_err(AccountsError::io(&self.data))?,
                    scram: self.missing_verifiers(&Verifiers::default(), secret)?,
                })
            }
        }
    }

    fn write_apop(
        &self,
        connection: &Connection,
        key: &ApopKey,
        id: i64,
        secret: &Secret,
    ) -> Result<(), AccountsError> {
        // Both sides compute the digest of the prepared secret (RFC 6856 §2.2).
        let prepared = sasl::prepare::stored_secret(secret);
        let sealed = key
            .encrypt(id, prepared.as_ref().unwrap_or(secret))
            .map_err(AccountsError::io(&self.data))?;
        connection.execute(
            "UPDATE account SET apop = ?2 WHERE id = ?1",
            params![id, sealed],
        )?;
        Ok(())
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic between two statements leaves a transaction that its drop has rolled back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the write lock at once, so that what is read in the transaction is still so at its end.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

fn insert(
    connection: &Connection,
    name: &AccountName,
    stored: &Stored,
) -> Result<i64, AccountsError> {
    alias::free(connection, name)?;
    let mut maildrop = [0; 8];
    getrandom::fill(&mut maildrop)
        .map_err(|error| AccountsError::io(schema::FILE)(error.into()))?;
    let statement = format!(
        "INSERT INTO account (name, maildrop, created, password, {})
         VALUES (?1, ?2, ?3, ?4, {})",
        verifiers::COLUMNS.join(", "),
        verifiers::parameters(5),
    );
    let first: [Value; 4] = [
        name.as_str().to_owned().into(),
        i64::from_be_bytes(maildrop).into(),
        seconds(SystemTime::now()).into(),
        stored.hash.text().to_owned().into(),
    ];
    let values = first.into_iter().chain(verifiers::values(&stored.scram));
    connection
        .execute(&statement, params_from_iter(values))
        .map_err(|error| exists(error, name))?;
    Ok(connection.last_insert_rowid())
}

/// SQLite keeps the last number that it gave to a row; there is none before the first.
fn begun(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'account')")?
        .query_row([], |row| row.get(0))
}

fn id_of(connection: &Connection, name: &AccountName) -> Result<i64, AccountsError> {
    connection
        .query_row(
            "SELECT id FROM account WHERE name = ?1 AND removed IS NULL",
            [name.as_str()],
            |row| row.get(0),
        )
        .optional()?
        .ok_or_else(|| AccountsError::Unknown(name.to_string()))
}

fn one(changed: usize, name: &str) -> Result<(), AccountsError> {
    match changed {
        0 => Err(AccountsError::Unknown(name.to_ascii_lowercase())),
        _ => Ok(()),
    }
}

/// A constraint that fails on a name means that somebody was faster.
fn exists(error: rusqlite::Error, name: &AccountName) -> AccountsError {
    match error.sqlite_error() {
        Some(cause) if cause.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE => {
            AccountsError::Exists(name.to_string())
        }
        _ => error.into(),
    }
}

fn usable(secret: &Secret) -> Result<(), AccountsError> {
    let octets = secret.expose();
    let fits = (1..=PASSWORD_OCTETS_MAX).contains(&octets.len());
    match fits && !octets.iter().any(|octet| b"\0\r\n".contains(octet)) {
        true => Ok(()),
        false => Err(AccountsError::Password),
    }
}

/// Seconds since 1970, rounded down; times before count as 1970.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn time(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
