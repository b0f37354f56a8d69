//! A look at `accounts.db` that changes nothing: neither its schema, nor a mode, nor a file beside it.
//!
//! For whoever wants to know what a start would find. [`Accounts::open`] brings an older database up,
//! and an older program cannot read it afterwards: that is for a start to do, not for a look.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};

use super::apop_key::ApopKey;
use super::{Accounts, AccountsError, Addressing, AliasCounts, alias, begun, recipient, schema};

/// What a look shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// Whether an account was ever made here.
    pub begun: bool,
    /// Whether the database is of an older program, and becomes one of ours when it is opened.
    pub is_older: bool,
    /// How many aliases there are; none known of a database that is older.
    pub aliases: AliasCounts,
    /// Domains of ours whose postmaster nobody is; likewise.
    pub without_postmaster: Vec<String>,
    /// Accounts whose APOP secret cannot be read: the key beside the database is gone, or another.
    pub apop_lost: Vec<String>,
}

impl Accounts {
    /// Looks at the accounts in a data directory; none where there is no database.
    ///
    /// # Errors
    ///
    /// Where [`Accounts::open`] would not open them either.
    pub fn look(data: &Path, addressing: &Addressing<'_>) -> Result<Option<Look>, AccountsError> {
        let path = data.join(schema::FILE);
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AccountsError::Io { path, source }),
        };
        if !meta.is_file() {
            let source = std::io::ErrorKind::InvalidInput.into();
            return Err(AccountsError::Io { path, source });
        }
        let data = schema::sound(data)?;
        if meta.len() == 0 {
            // A start that did not come far. Of an empty database SQLite would delete a log that is left.
            return Ok(Some(Look::default()));
        }
        look(&data, addressing)
            .map(Some)
            .map_err(|error| match error {
                AccountsError::Damaged { source, .. } => AccountsError::Damaged { path, source },
                other => other,
            })
    }
}

fn look(data: &Path, addressing: &Addressing<'_>) -> Result<Look, AccountsError> {
    let connection = connect(data)?;
    let found = schema::version(&connection)?;
    let known = schema::KNOWN;
    match found {
        // Without any table: likewise.
        0 => return Ok(Look::default()),
        newer if newer > known => return Err(AccountsError::Newer { found, known }),
        _ => {}
    }
    let key = ApopKey::read(data)?;
    let mut statement = connection
        .prepare("SELECT name, id, apop FROM account WHERE apop IS NOT NULL AND removed IS NULL")?;
    let mut rows = statement.query([])?;
    let mut apop_lost = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, sealed) = (row.get(1)?, row.get::<_, Vec<u8>>(2)?);
        let secret = key.as_ref().and_then(|key| key.decrypt(id, &sealed));
        if secret.is_none() {
            apop_lost.push(row.get(0)?);
        }
    }
    let begun = begun(&connection)?;
    let (aliases, without_postmaster) = match found < known || !begun {
        true => (AliasCounts::default(), Vec::new()),
        false => (
            alias::counts(&connection)?,
            recipient::without_postmaster(&connection, addressing)?,
        ),
    };
    Ok(Look {
        begun,
        is_older: found < known,
        aliases,
        without_postmaster,
        apop_lost,
    })
}

/// A connection that can write nothing, and makes nothing beside the database: left to itself, SQLite
/// would make its log and its shared memory only to read.
fn connect(data: &Path) -> Result<Connection, AccountsError> {
    let is_there = |name| data.join(name).exists();
    match (is_there(schema::LOG), is_there(schema::SHARED_MEMORY)) {
        // Nobody has it open, and it is told that nobody will.
        (false, _) => connect_with(data, "immutable=1"),
        // Nobody has it open, and somebody's last words are in the log only. Who needs to share nothing
        // keeps in his own memory what would be shared.
        (true, false) => {
            let connection = connect_with(data, "vfs=unix-none")?;
            connection.pragma_update(None, "locking_mode", "exclusive")?;
            Ok(connection)
        }
        // Somebody has it open, or ended without closing it.
        (true, true) => {
            let connection = connect_with(data, "readonly_shm=1")?;
            match schema::version(&connection).map_err(|error| error.sqlite_error().copied()) {
                // Somebody has it open, and what he shares has no place yet where a reader could begin.
                Err(Some(cause)) if cause.extended_code == ffi::SQLITE_READONLY_CANTINIT => {
                    connect_with(data, "")
                }
                _ => Ok(connection),
            }
        }
    }
}

fn connect_with(data: &Path, parameter: &str) -> Result<Connection, AccountsError> {
    let mut uri = "file:".to_owned();
    encode(data.join(schema::FILE).as_os_str(), &mut uri);
    uri.push_str("?mode=ro&");
    uri.push_str(parameter);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(uri, flags)?;
    // Or the last one who closes it would try to empty the log.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(schema::BUSY_TIMEOUT)?;
    Ok(connection)
}

/// A path as a URI has it (RFC 3986 §2.1).
fn encode(path: &OsStr, uri: &mut String) {
    for &octet in path.as_bytes() {
        match octet {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(octet)),
            octet if octet.is_ascii_alphanumeric() => uri.push(char::from(octet)),
            octet => uri.push_str(&format!("%{octet:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use sasl::Secret;

    use super::*;
    use crate::accounts::Password;

    /// Everything in a directory.
    fn files(dir: &Path) -> BTreeMap<OsString, Vec<u8>> {
        let entries = dir.read_dir().unwrap().map(Result::unwrap);
        let file =
            |entry: std::fs::DirEntry| (entry.file_name(), std::fs::read(entry.path()).unwrap());
        entries.map(file).collect()
    }

    fn add(accounts: &Accounts, name: &str) {
        let password = Password::Clear(Secret::new("redqueen"));
        accounts.add(name, &password).unwrap();
    }

    #[test]
    fn a_look_changes_nothing_and_shows_what_a_start_would_find() {
        let dir = tempfile::tempdir().unwrap();
        // Signs that mean something in a URI.
        let data = dir.path().join("a b?c#d%e\u{e9}");
        assert_eq!(Accounts::look(&data, &Addressing::default()).unwrap(), None);
        let accounts = Accounts::open(&data).unwrap();
        assert_eq!(
            Accounts::look(&data, &Addressing::default()).unwrap(),
            Some(Look::default())
        );
        add(&accounts, "bob");
        // While it is open, and what was written last is in the log only.
        let names = |dir: &Path| files(dir).into_keys().collect::<Vec<_>>();
        let open = names(&data);
        let look = Accounts::look(&data, &Addressing::default())
            .unwrap()
            .unwrap();
        assert!(look.begun && !look.is_older);
        assert_eq!(names(&data), open);
        drop(accounts);
        let before = files(&data);
        assert_eq!(before.len(), 1, "{:?}", before.keys());
        assert!(
            Accounts::look(&data, &Addressing::default())
                .unwrap()
                .unwrap()
                .begun
        );
        assert_eq!(files(&data), before);
    }

    #[test]
    fn what_a_process_left_in_the_log_is_seen_and_left_there() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap();
        add(&accounts, "bob");
        // As a crash leaves them, and as a copy without the shared memory does.
        for left in [&["-wal", "-shm"][..], &["-wal"]] {
            let other = tempfile::tempdir().unwrap();
            for kind in [&[""][..], left].concat() {
                let name = format!("{}{kind}", schema::FILE);
                std::fs::copy(dir.path().join(&name), other.path().join(&name)).unwrap();
            }
            let before = files(other.path());
            for _ in 0..2 {
                let look = Accounts::look(other.path(), &Addressing::default())
                    .unwrap()
                    .unwrap();
                assert!(look.begun && !look.is_older, "{left:?}");
            }
            assert!(files(other.path()) == before, "{left:?}");
            std::fs::write(other.path().join(schema::FILE), []).unwrap();
            let before = files(other.path());
            let look = Accounts::look(other.path(), &Addressing::default()).unwrap();
            assert_eq!(look, Some(Look::default()));
            assert!(files(other.path()) == before, "{left:?}");
        }
    }

    #[test]
    fn an_older_database_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        schema::make_older(dir.path());
        let before = files(dir.path());
        let look = Accounts::look(dir.path(), &Addressing::default())
            .unwrap()
            .unwrap();
        assert!(look.is_older && !look.begun);
        assert_eq!(files(dir.path()), before);
        drop(Accounts::open(dir.path()).unwrap());
        assert!(
            !Accounts::look(dir.path(), &Addressing::default())
                .unwrap()
                .unwrap()
                .is_older
        );
    }

    #[test]
    fn what_cannot_be_opened_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(schema::FILE);
        std::fs::write(&path, b"this is no database".repeat(100)).unwrap();
        let told = Accounts::look(dir.path(), &Addressing::default());
        assert!(matches!(told, Err(AccountsError::Damaged { path: told, .. }) if told == path));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let told = Accounts::look(dir.path(), &Addressing::default());
        assert!(matches!(told, Err(AccountsError::Io { .. })));
    }

    #[test]
    fn secrets_without_their_key_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts::open(dir.path()).unwrap();
        for name in ["bob", "alice"] {
            add(&accounts, name);
            accounts.set_apop(name, &Secret::new("tanstaaf")).unwrap();
        }
        add(&accounts, "eve");
        let lost = || {
            Accounts::look(dir.path(), &Addressing::default())
                .unwrap()
                .unwrap()
                .apop_lost
        };
        assert_eq!(lost(), [""; 0]);
        std::fs::remove_file(dir.path().join("accounts.key")).unwrap();
        assert_eq!(lost(), ["bob", "alice"]);
        // A new secret makes a new key, which does not open the old ones.
        accounts.set_apop("eve", &Secret::new("tanstaaf")).unwrap();
        accounts.set_apop("bob", &Secret::new("tanstaaf")).unwrap();
        assert_eq!(lost(), ["alice"]);
        accounts.remove("alice").unwrap();
        assert_eq!(lost(), [""; 0]);
    }
}
