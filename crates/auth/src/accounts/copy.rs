//! Copies of the accounts: one for a backup, and accounts that come back from it.
//!
//! A copy holds the hashes and the sealed APOP secrets, not the key of the latter: whoever has the
//! copy alone cannot read them (see [`super::apop_key`]).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::account::{self, Account};
use super::{Accounts, AccountsError, alias, begin, exists, schema, seconds};
use crate::address::AliasAddress;
use crate::name::AccountName;

/// An account in a copy that the accounts do not have, or not so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// The id of its maildrop.
    pub maildrop: u64,
}

/// An account that has come back from a copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BroughtBack {
    /// The account.
    pub account: Account,
    /// The aliases that came along.
    pub aliases: Vec<String>,
    /// Those that did not: an account is called so by now, or they stand for as many as an alias can.
    pub left_out: Vec<String>,
}

impl Accounts {
    /// Writes a copy of all accounts, as they are at one moment, durably over the file at `to`.
    /// Only its owner can read it.
    ///
    /// # Errors
    ///
    /// When the accounts cannot be read or the copy cannot be written; what was there before stays.
    pub fn copy_to(&self, to: &Path) -> Result<(), AccountsError> {
        let fresh = beside(to, "new");
        remove(&fresh)?;
        // SQLite writes into an empty file that is there, and would make one with the umask.
        owners_only(&fresh).map_err(AccountsError::io(&fresh))?;
        let path = fresh.to_str().ok_or_else(|| {
            let what = "the path is not UTF-8";
            AccountsError::io(&fresh)(io::Error::new(ErrorKind::InvalidInput, what))
        })?;
        self.lock().execute("VACUUM INTO ?1", [path])?;
        let named = File::open(&fresh)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&fresh, to))
            .and_then(|()| sync_above(to));
        named.map_err(AccountsError::io(to))
    }

    /// Puts a copy into a data directory that has no accounts.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when it has some: they are never replaced.
    pub fn put_back(copy: &Path, data: &Path) -> Result<(), AccountsError> {
        let path = data.join(schema::FILE);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(AccountsError::io(path)(ErrorKind::AlreadyExists.into()));
        }
        // SQLite would believe a log that the lost database left behind.
        for kind in ["-wal", "-shm"] {
            let left = data.join(format!("{}{kind}", schema::FILE));
            match fs::rename(&left, beside(&left, "lost")) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(AccountsError::io(left)(error));
                }
                _ => {}
            }
        }
        let fresh = beside(&path, "new");
        remove(&fresh)?;
        let named = copy_file(copy, &fresh)
            .and_then(|()| fs::hard_link(&fresh, &path))
            .and_then(|()| fs::remove_file(&fresh))
            .and_then(|()| sync_above(&path));
        named.map_err(AccountsError::io(path))
    }

    /// The accounts in a copy whose maildrops no account here has, removed ones included.
    ///
    /// # Errors
    ///
    /// When either cannot be read.
    pub fn missing(&self, copy: &Path) -> Result<Vec<Missing>, AccountsError> {
        let mut missing = Vec::new();
        for account in Self::contents(copy, &self.data)? {
            if !has(&self.lock(), account.maildrop)? {
                missing.push(account);
            }
        }
        Ok(missing)
    }

    /// All accounts in a copy, which is read in the data directory.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn contents(copy: &Path, data: &Path) -> Result<Vec<Missing>, AccountsError> {
        let copy = Opened::new(copy, data)?;
        let accounts = account::all(&copy.connection)?.into_iter();
        Ok(accounts
            .map(|account| Missing {
                name: account.name,
                maildrop: account.maildrop,
            })
            .collect())
    }

    /// Adds an account out of a copy, with its password, its aliases and everything else. Its APOP
    /// secret comes along only if the number that it is sealed with is still free, and an alias only if
    /// nobody here is called so.
    ///
    /// # Errors
    ///
    /// When there is an account or an alias of its name, or an account of its maildrop, or the copy does
    /// not have it.
    pub fn bring_back(&self, copy: &Path, missing: &Missing) -> Result<BroughtBack, AccountsError> {
        let copy = Opened::new(copy, &self.data)?;
        let name = AccountName::parse(&missing.name)?;
        let addresses = copy.aliases(missing)?;
        let (columns, mut values) = copy.row(missing)?;
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        if has(&transaction, missing.maildrop)? {
            return Err(AccountsError::Exists(missing.name.clone()));
        }
        alias::free(&transaction, &name)?;
        let id = columns.iter().position(|column| column == "id");
        let apop = columns.iter().position(|column| column == "apop");
        if let (Some(id), Some(apop)) = (id, apop) {
            let taken = transaction
                .query_row("SELECT 1 FROM account WHERE id = ?1", [&values[id]], |_| {
                    Ok(())
                })
                .optional()?
                .is_some();
            if taken {
                (values[id], values[apop]) = (Value::Null, Value::Null);
            }
        }
        let places = vec!["?"; columns.len()].join(", ");
        let sql = format!(
            "INSERT INTO account ({}) VALUES ({places})",
            columns.join(", ")
        );
        transaction
            .execute(&sql, params_from_iter(values))
            .map_err(|error| exists(error, &name))?;
        let id = transaction.last_insert_rowid();
        let (mut aliases, mut left_out) = (Vec::new(), Vec::new());
        for address in addresses {
            match alias::add(&transaction, &AliasAddress::parse(&address)?, id) {
                Ok(()) => aliases.push(address),
                Err(AccountsError::AliasIsAccount(_) | AccountsError::AliasAccounts(_)) => {
                    left_out.push(address);
                }
                Err(error) => return Err(error),
            }
        }
        let account = account::of_name(&transaction, &name)?;
        transaction.commit()?;
        Ok(BroughtBack {
            account,
            aliases,
            left_out,
        })
    }

    /// Adds an account for a maildrop that is there, without a password: nobody logs in before it
    /// has one, but mail comes in.
    ///
    /// # Errors
    ///
    /// When the name is none, or there is an account of that name or maildrop, or an alias of that name.
    pub fn adopt(&self, name: &str, maildrop: u64) -> Result<Account, AccountsError> {
        let name = AccountName::parse(name)?;
        let mut connection = self.lock();
        let transaction = begin(&mut connection)?;
        alias::free(&transaction, &name)?;
        transaction
            .execute(
                "INSERT INTO account (name, maildrop, created) VALUES (?1, ?2, ?3)",
                params![
                    name.as_str(),
                    maildrop.cast_signed(),
                    seconds(std::time::SystemTime::now())
                ],
            )
            .map_err(|error| exists(error, &name))?;
        let account = account::of_name(&transaction, &name)?;
        transaction.commit()?;
        Ok(account)
    }
}

/// Whether an account has that maildrop, removed or not.
fn has(connection: &Connection, maildrop: u64) -> Result<bool, AccountsError> {
    let found = connection
        .query_row(
            "SELECT 1 FROM account WHERE maildrop = ?1",
            [maildrop.cast_signed()],
            |_| Ok(()),
        )
        .optional()?;
    Ok(found.is_some())
}

/// A copy that is being read: a copy of it, since its schema may have to be brought up.
struct Opened {
    connection: Connection,
    path: PathBuf,
}

impl Opened {
    fn new(copy: &Path, data: &Path) -> Result<Self, AccountsError> {
        let path = data.join(format!("{}.read", schema::FILE));
        remove(&path)?;
        copy_file(copy, &path).map_err(AccountsError::io(copy))?;
        let connection = schema::open_copy(&path).inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        Ok(Self { connection, path })
    }

    /// All columns of an account, in the newest schema.
    fn row(&self, missing: &Missing) -> Result<(Vec<String>, Vec<Value>), AccountsError> {
        let mut statement = self.connection.prepare(
            "SELECT * FROM account WHERE name = ?1 AND maildrop = ?2 AND removed IS NULL",
        )?;
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let count = columns.len();
        let values = statement
            .query_row(
                params![missing.name, missing.maildrop.cast_signed()],
                |row| (0..count).map(|column| row.get(column)).collect(),
            )
            .optional()?
            .ok_or_else(|| AccountsError::Unknown(missing.name.clone()))?;
        Ok((columns, values))
    }

    /// The aliases of an account.
    fn aliases(&self, missing: &Missing) -> Result<Vec<String>, AccountsError> {
        let mut statement = self.connection.prepare(
            "SELECT address FROM alias JOIN account ON account.id = alias.account
             WHERE maildrop = ?1 ORDER BY address",
        )?;
        let addresses = statement.query_map([missing.maildrop.cast_signed()], |row| row.get(0))?;
        Ok(addresses.collect::<Result<_, _>>()?)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The same path with something behind it.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

fn remove(path: &Path) -> Result<(), AccountsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(AccountsError::io(path)(error)),
        _ => Ok(()),
    }
}

fn owners_only(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(from)?;
    let mut to = owners_only(to)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()
}

fn sync_above(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sasl::Secret;

    use super::*;
    use crate::accounts::{Change, Disposition, Password, Quota, State};

    const SECRET: &str = "redqueen";

    fn open(dir: &tempfile::TempDir) -> Accounts {
        let accounts = Accounts::open(dir.path()).unwrap();
        accounts.scram(Some(4096)).unwrap()
    }

    fn with_two() -> (tempfile::TempDir, Accounts, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let accounts = open(&dir);
        for name in ["bob", "alice"] {
            let password = Password::Clear(Secret::new(SECRET));
            accounts.add(name, &password).unwrap();
        }
        accounts.set_apop("bob", &Secret::new("tanstaaf")).unwrap();
        let copy = dir.path().join("copy.db");
        (dir, accounts, copy)
    }

    #[test]
    fn a_copy_is_whole_and_for_its_owner_only() {
        let (dir, accounts, copy) = with_two();
        for _ in 0..2 {
            accounts.copy_to(&copy).unwrap();
        }
        let mode = copy.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("accounts.db-wal"), b"left over").unwrap();
        Accounts::put_back(&copy, other.path()).unwrap();
        assert_eq!(open(&other).list().unwrap(), accounts.list().unwrap());
        // Never over accounts that are there.
        assert!(Accounts::put_back(&copy, other.path()).is_err());
        assert!(Accounts::put_back(&copy, dir.path()).is_err());
    }

    #[test]
    fn an_account_comes_back_as_it_was() {
        let (dir, accounts, copy) = with_two();
        let change = Change {
            disposition: Some(Some(Disposition::Hide)),
            messages_shown: Some(Some(Quota::Unlimited)),
            ..Change::default()
        };
        let bob = accounts.set("bob", &change).unwrap();
        accounts.copy_to(&copy).unwrap();
        assert_eq!(accounts.missing(&copy).unwrap(), []);
        accounts.remove("bob").unwrap();
        // It can be given back with everything else; no second account of its maildrop.
        assert_eq!(accounts.missing(&copy).unwrap(), []);
        let erasing = accounts.claim(bob.maildrop, None).unwrap().unwrap();
        accounts.purge(erasing).unwrap();
        let missing = accounts.missing(&copy).unwrap();
        let expected = Missing {
            name: "bob".into(),
            maildrop: bob.maildrop,
        };
        assert_eq!(missing, std::slice::from_ref(&expected));
        let back = accounts.bring_back(&copy, &expected).unwrap().account;
        assert_eq!(
            (back.password, back.scram, back.apop),
            (bob.password, true, true)
        );
        assert_eq!((back.maildrop, back.terms), (bob.maildrop, bob.terms));
        assert!(accounts.bring_back(&copy, &expected).is_err());
        let left: Vec<_> = dir.path().read_dir().unwrap().collect();
        assert!(!left.iter().any(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .contains(".read")
        }));
    }

    #[test]
    fn an_apop_secret_does_not_move_to_another_number() {
        let (_dir, accounts, copy) = with_two();
        accounts.copy_to(&copy).unwrap();
        let other = tempfile::tempdir().unwrap();
        let others = open(&other);
        others
            .add("eve", &Password::Clear(Secret::new("x")))
            .unwrap();
        let missing = others.missing(&copy).unwrap();
        assert_eq!(missing.len(), 2);
        for missing in &missing {
            let back = others.bring_back(&copy, missing).unwrap().account;
            assert!(!back.apop, "{missing:?}");
        }
        // A name that is taken by now is not given away.
        let third = tempfile::tempdir().unwrap();
        let taken = open(&third);
        taken
            .add("bob", &Password::Clear(Secret::new("x")))
            .unwrap();
        let bob = missing
            .iter()
            .find(|missing| missing.name == "bob")
            .unwrap();
        let refused = taken.bring_back(&copy, bob);
        assert!(matches!(refused, Err(AccountsError::Exists(_))));
    }

    #[test]
    fn an_adopted_maildrop_has_an_account_without_a_password() {
        let (_dir, accounts, _) = with_two();
        let eve = accounts.adopt("Eve", 77).unwrap();
        assert_eq!((eve.name.as_str(), eve.maildrop), ("eve", 77));
        assert_eq!((eve.password, eve.state), (None, State::Enabled));
        assert!(matches!(
            accounts.adopt("eve", 78),
            Err(AccountsError::Exists(_))
        ));
        assert!(accounts.adopt("mallory", 77).is_err());
        assert!(accounts.adopt("../eve", 79).is_err());
        accounts
            .set_password("eve", &Password::Clear(Secret::new("tea")))
            .unwrap();
        assert!(accounts.show("eve").unwrap().password.is_some());
    }
}
