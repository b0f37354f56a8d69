//! `accounts.db`: how it is opened, its tables, and how older ones become the newest.
//!
//! WAL, so that a login never waits for a command that changes an account; `synchronous=FULL`, so
//! that a change that was acknowledged survives a power cut; `secure_delete`, so that an old hash is
//! overwritten and not only forgotten. The file has mode 0600, which SQLite gives to its `-wal` and
//! `-shm` too. `user_version` counts the schema's steps; there is only forward.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{AccountsError, apop_key};

/// The database's name in the data directory.
pub(crate) const FILE: &str = "accounts.db";

/// SQLite's log beside it. It is there as long as somebody has the database open, or did not end well.
pub(super) const LOG: &str = "accounts.db-wal";

/// What those share who have it open. It is there whenever somebody has.
pub(super) const SHARED_MEMORY: &str = "accounts.db-shm";

/// What only the owner may read: the database, what SQLite keeps beside it while it is open (with the
/// database's mode, unless it was copied there), and the key of the APOP secrets.
const OWNERS_ONLY: [&str; 4] = [FILE, LOG, SHARED_MEMORY, apop_key::FILE];

pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Step n brings `user_version` from n to n + 1. A released step is never changed.
const STEPS: &[&str] = &[
    // A row stays after removal, so that its maildrop can be given back or purged; names are
    // unique among the others. The trigger makes sure that no change leaves the version as it was,
    // whoever makes it: a verified credential counts for one version only.
    "CREATE TABLE account (
        id                INTEGER PRIMARY KEY AUTOINCREMENT,
        name              TEXT NOT NULL,
        maildrop          INTEGER NOT NULL UNIQUE,
        version           INTEGER NOT NULL DEFAULT 1,
        enabled           INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
        expires           INTEGER,
        networks          TEXT NOT NULL DEFAULT '',
        password          TEXT,
        scram_salt        BLOB,
        scram_iterations  INTEGER,
        scram_stored_key  BLOB,
        scram_server_key  BLOB,
        apop              BLOB,
        created           INTEGER NOT NULL,
        removed           INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX account_name ON account (name) WHERE removed IS NULL;
    CREATE TRIGGER account_version AFTER UPDATE ON account WHEN NEW.version <= OLD.version BEGIN
        UPDATE account SET version = OLD.version + 1 WHERE id = OLD.id;
    END;
    CREATE TABLE secret (name TEXT PRIMARY KEY, octets BLOB NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO secret VALUES ('scram salts', randomblob(32));",
    // What an account says for itself about its mail: null is what the configuration says, -1 no
    // limit, or never; `expire` counts days, and 0 is at retrieval. By the index the least and the
    // greatest `expire` cost one look each, however many accounts there are.
    "ALTER TABLE account ADD COLUMN quota_octets INTEGER
        CHECK (quota_octets = -1 OR quota_octets > 0);
    ALTER TABLE account ADD COLUMN quota_messages INTEGER
        CHECK (quota_messages = -1 OR quota_messages > 0);
    ALTER TABLE account ADD COLUMN expire INTEGER
        CHECK (expire BETWEEN -1 AND 4294967295);
    CREATE INDEX account_expire ON account (expire) WHERE removed IS NULL;
    CREATE TABLE swept (at INTEGER NOT NULL) STRICT;",
    // A second SCRAM verifier, of the same password with another hash.
    "ALTER TABLE account ADD COLUMN scram_sha1_salt BLOB;
    ALTER TABLE account ADD COLUMN scram_sha1_iterations INTEGER;
    ALTER TABLE account ADD COLUMN scram_sha1_stored_key BLOB;
    ALTER TABLE account ADD COLUMN scram_sha1_server_key BLOB;",
    // What sessions may do with the mail, and how much of it they see; null and -1 as above. The index
    // holds few rows: those of accounts that say for themselves what becomes of deleted mail.
    "ALTER TABLE account ADD COLUMN disposition TEXT
        CHECK (disposition IN ('delete', 'hide', 'keep', 'read-only'));
    ALTER TABLE account ADD COLUMN messages_shown INTEGER
        CHECK (messages_shown = -1 OR messages_shown > 0);
    CREATE INDEX account_disposition ON account (disposition)
        WHERE removed IS NULL AND disposition IS NOT NULL;",
    // The maildrop of a removed account is being erased: from now on nothing gives it back.
    "ALTER TABLE account ADD COLUMN erasing INTEGER NOT NULL DEFAULT 0
        CHECK (erasing = 0 OR (erasing = 1 AND removed IS NOT NULL));",
    // Who gets the mail of which address. An account is named by its id, so that its row may be renamed,
    // removed and given back; with the row its aliases go. The second index is for that, and for whoever
    // asks for the aliases of an account.
    "CREATE TABLE alias (
        address  TEXT NOT NULL,
        account  INTEGER NOT NULL,
        PRIMARY KEY (address, account)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alias_account ON alias (account);
    CREATE TRIGGER account_alias AFTER DELETE ON account BEGIN
        DELETE FROM alias WHERE account = OLD.id;
    END;",
];

/// The newest version of the schema.
pub(super) const KNOWN: i64 = STEPS.len() as i64;

/// The version of a database's schema; 0 is an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Opens or makes the database, makes the directory if it is missing, and brings the schema up.
/// Returns the directory's real path, too.
pub(super) fn open(data: &Path) -> Result<(Connection, PathBuf), AccountsError> {
    let data = directory(data)?;
    let path = data.join(FILE);
    // Made by us with its mode; SQLite would use the umask. What is there is not opened here: closing
    // it would take away the locks that another connection of this process holds (POSIX locks belong
    // to the process), and another process could then delete the log that we still write to.
    match OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&path)
    {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(source) => return Err(AccountsError::Io { path, source }),
    }
    for name in OWNERS_ONLY {
        close_to_others(&data.join(name))?;
    }
    let mut connection = connect(&data)?;
    prepare(&mut connection).map_err(|error| match error {
        AccountsError::Damaged { source, .. } => AccountsError::Damaged { path, source },
        other => other,
    })?;
    Ok((connection, data))
}

/// A connection to a database that is there.
fn connect(data: &Path) -> Result<Connection, AccountsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(data.join(FILE), flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Opens a copy of a database that nobody else uses, and brings its schema up.
pub(super) fn open_copy(path: &Path) -> Result<Connection, AccountsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    migrate(&mut connection, STEPS)?;
    Ok(connection)
}

/// One more connection that cannot write.
pub(crate) fn connect_to_read(data: &Path) -> Result<Connection, AccountsError> {
    let connection = connect(data)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Takes the rights of others away, if the file is there and they have any.
fn close_to_others(path: &Path) -> Result<(), AccountsError> {
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            let path = path.into();
            return Err(AccountsError::Io { path, source });
        }
    };
    if !meta.is_file() {
        return Err(AccountsError::io(path)(ErrorKind::InvalidInput.into()));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))
            .map_err(AccountsError::io(path))?;
    }
    Ok(())
}

fn directory(data: &Path) -> Result<PathBuf, AccountsError> {
    let io = || AccountsError::io(data);
    if !data.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(io())?;
        // Or the whole directory may be gone after a power cut.
        let parent = data
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or_else(|| Path::new(".")))
            .and_then(|parent| parent.sync_all())
            .map_err(io())?;
    }
    sound(data)
}

/// The real path of a directory that not everybody may write in.
pub(super) fn sound(data: &Path) -> Result<PathBuf, AccountsError> {
    let io = || AccountsError::io(data);
    let mode = data.metadata().map_err(io())?.permissions().mode();
    if mode & 0o002 != 0 {
        return Err(AccountsError::Exposed(data.to_path_buf()));
    }
    data.canonicalize().map_err(io())
}

fn prepare(connection: &mut Connection) -> Result<(), AccountsError> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "secure_delete", true)?;
    migrate(connection, STEPS)
}

fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), AccountsError> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    if version(connection)? == known {
        return Ok(());
    }
    // Another process may be doing the same: whoever comes second finds nothing left to do.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = steps.get(done..) else {
        return Err(AccountsError::Newer { found, known });
    };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

/// Makes a database as the first program had it.
#[cfg(test)]
pub(super) fn make_older(data: &Path) {
    let mut connection = Connection::open(data.join(FILE)).unwrap();
    connection
        .pragma_update(None, "journal_mode", "wal")
        .unwrap();
    migrate(&mut connection, &STEPS[..1]).unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn text(connection: &Connection, pragma: &str) -> String {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0))
            .map(|value| format!("{value:?}"))
            .unwrap()
    }

    #[test]
    fn files_are_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("a/b");
        let (connection, _) = open(&data).unwrap();
        connection
            .execute("INSERT INTO secret VALUES ('x', x'00')", [])
            .unwrap();
        assert_eq!(mode(&data), 0o700);
        for name in ["accounts.db", "accounts.db-wal", "accounts.db-shm"] {
            assert_eq!(mode(&data.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        std::fs::write(dir.path().join("accounts.key"), [7; 32]).unwrap();
        // As a restored backup may leave them.
        std::fs::write(dir.path().join("accounts.db-wal"), []).unwrap();
        for name in OWNERS_ONLY {
            let path = dir.path().join(name);
            if path.exists() {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
            }
        }
        let _open = open(dir.path()).unwrap();
        for name in OWNERS_ONLY {
            assert_eq!(mode(&dir.path().join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_directory_that_everybody_may_write_in_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert!(matches!(open(dir.path()), Err(AccountsError::Exposed(_))));
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join(FILE)).unwrap();
        assert!(matches!(open(dir.path()), Err(AccountsError::Io { .. })));
    }

    #[test]
    fn the_database_is_as_durable_as_promised() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, _) = open(dir.path()).unwrap();
        assert_eq!(text(&connection, "journal_mode"), r#"Text("wal")"#);
        assert_eq!(text(&connection, "synchronous"), "Integer(2)");
        assert_eq!(text(&connection, "secure_delete"), "Integer(1)");
        assert_eq!(text(&connection, "busy_timeout"), "Integer(5000)");
    }

    #[test]
    fn what_is_no_database_is_told_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let junk = b"this is a text, and a long one, but it is not a database at all".repeat(100);
        std::fs::write(&path, &junk).unwrap();
        let Err(AccountsError::Damaged { path: told, .. }) = open(dir.path()) else {
            panic!("opened");
        };
        assert_eq!(told, path.canonicalize().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), junk);
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, _) = open(dir.path()).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let refused = open(dir.path());
        assert!(matches!(
            refused,
            Err(AccountsError::Newer {
                found: 99,
                known: 6
            })
        ));
        assert_eq!(text(&connection, "user_version"), "Integer(99)");
    }

    #[test]
    fn older_schemas_are_brought_up_step_by_step_and_keep_their_rows() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(dir.path().join("x")).unwrap();
        let steps = [
            "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (7);",
            "ALTER TABLE t ADD COLUMN b INTEGER NOT NULL DEFAULT 8;",
        ];
        migrate(&mut connection, &steps[..1]).unwrap();
        migrate(&mut connection, &steps).unwrap();
        migrate(&mut connection, &steps).unwrap();
        let row = connection.query_row("SELECT a, b FROM t", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(row.unwrap(), (7, 8));
        assert_eq!(text(&connection, "user_version"), "Integer(2)");
    }

    #[test]
    fn a_step_that_fails_leaves_the_schema_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = [
            "CREATE TABLE t (a INTEGER);",
            "CREATE TABLE u (a INTEGER); nonsense;",
        ];
        assert!(migrate(&mut connection, &steps).is_err());
        assert_eq!(text(&connection, "user_version"), "Integer(0)");
        assert!(connection.execute("SELECT * FROM t", []).is_err());
    }

    #[test]
    fn any_change_raises_the_version_whoever_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let (connection, _) = open(dir.path()).unwrap();
        connection
            .execute(
                "INSERT INTO account (name, maildrop, created) VALUES ('bob', 1, 0)",
                [],
            )
            .unwrap();
        for expected in 2..5 {
            connection
                .execute("UPDATE account SET expires = 1", [])
                .unwrap();
            let version: i64 = connection
                .query_row("SELECT version FROM account", [], |row| row.get(0))
                .unwrap();
            assert_eq!(version, expected);
        }
    }
}
