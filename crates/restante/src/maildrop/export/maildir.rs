//! A Maildir: one file for each message, durable in tmp/ before it gets its name in new/.
//!
//! A name is `seconds.M<microseconds>P<process>Q<number>.<host>,S=<octets>,W=<octets with CRLF>`:
//! the date of receipt and the message's place, so that sorting by name gives the order of the
//! maildrop. The file's time is the date of receipt, too.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::mboxrd::above;

/// The Maildir that is being filled.
#[derive(Debug)]
pub(super) struct Maildir {
    path: PathBuf,
    host: String,
    number: u64,
    open: Option<Open>,
}

/// The message that is being written.
#[derive(Debug)]
struct Open {
    file: File,
    /// In tmp/.
    path: PathBuf,
    name: String,
    received: SystemTime,
    octets: u64,
}

impl Maildir {
    /// Makes the directories; there must be nothing of that name.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is; what the file system says.
    pub(super) fn begin(path: &Path, host: &str) -> io::Result<Self> {
        let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        make(path)?;
        for part in ["tmp", "new", "cur"] {
            make(&path.join(part))?;
        }
        File::open(above(path))?.sync_all()?;
        // Neither may be in a name: `/` ends it, behind `:` are flags.
        let host = host.replace('/', "\\057").replace(':', "\\072");
        Ok(Self {
            path: path.to_owned(),
            host,
            number: 0,
            open: None,
        })
    }

    /// Begins a message.
    pub(super) fn message(&mut self, received: SystemTime) -> io::Result<()> {
        self.number += 1;
        let since = received.duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "{}.M{:06}P{}Q{:07}.{}",
            since.as_secs(),
            since.subsec_micros(),
            std::process::id(),
            self.number,
            self.host
        );
        let path = self.path.join("tmp").join(&name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        self.open = Some(Open {
            file,
            path,
            name,
            received: UNIX_EPOCH + Duration::from_secs(since.as_secs()),
            octets: 0,
        });
        Ok(())
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        open.octets += octets.len() as u64;
        open.file.write_all(octets)
    }

    /// Ends a message, which has so many octets with CRLF.
    pub(super) fn end(&mut self, wire_octets: u64) -> io::Result<()> {
        let open = self.open.take().ok_or(io::ErrorKind::NotFound)?;
        open.file.set_modified(open.received)?;
        open.file.sync_all()?;
        let name = format!("{},S={},W={wire_octets}", open.name, open.octets);
        // The name is new: it holds this process and a number that grows.
        fs::rename(&open.path, self.path.join("new").join(name))
    }

    /// Takes a message back that turned out to be damaged.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some(open) => fs::remove_file(open.path),
            None => Ok(()),
        }
    }

    /// Makes the names durable.
    pub(super) fn finish(self) -> io::Result<()> {
        for part in ["new", "tmp", "."] {
            File::open(self.path.join(part))?.sync_all()?;
        }
        Ok(())
    }
}
