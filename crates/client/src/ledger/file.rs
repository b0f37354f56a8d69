//! Lines with checksums: appended, synced, and now and then written anew.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::unreadable;

/// No ledger is larger: it would be one of ten million messages.
const OCTETS_MAX: u64 = 2 << 30;

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is none.
    #[error("there is no ledger {}", file.display())]
    Missing {
        /// Which file.
        file: PathBuf,
    },
    /// It is another account's.
    #[error("the ledger {} is that of {owner}", file.display())]
    Foreign {
        /// Which file.
        file: PathBuf,
        /// Whose.
        owner: String,
    },
    /// Another process has it open.
    #[error("another process is fetching from this account (it has {} open)", file.display())]
    InUse {
        /// Which file.
        file: PathBuf,
    },
    /// Its beginning cannot be read.
    #[error("{} is no ledger, or its first line is damaged", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
    },
    /// It cannot be read or written.
    #[error("the ledger {}: {source}", file.display())]
    Io {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The lines of a ledger.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    /// Held for as long as the ledger is open. A file of its own, since the ledger is replaced now and then.
    _lock: File,
    file: File,
    /// Its octets.
    octets: u64,
    /// Lines that are in it or will be.
    count: usize,
    waiting: String,
    /// Why nothing is taken any more: of what was written before a sync failed, nobody knows what is on the disk.
    failed: Option<(io::ErrorKind, String)>,
}

/// What a file held.
pub(super) struct Found {
    pub(super) bodies: Vec<String>,
    /// Lines, other than the last, that cannot be read.
    pub(super) damaged: usize,
}

impl Lines {
    /// Opens a file, cuts a torn last line off, and reads the others.
    pub(super) fn open(path: &Path) -> Result<(Self, Found), LedgerError> {
        // No lock is made for what is not there.
        if !path.exists() {
            return Err(missing(path));
        }
        let lock = lock(path)?;
        let io = |source| unreadable(path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(io)?;
        let (found, octets) = lines_of(&text_of(&mut file).map_err(io)?);
        if let Some(octets) = octets.torn() {
            file.set_len(octets).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let octets = octets.end;
        let lines = Self {
            path: path.to_owned(),
            _lock: lock,
            file,
            octets,
            count: found.bodies.len(),
            waiting: String::new(),
            failed: None,
        };
        Ok((lines, found))
    }

    /// Makes a file with one line.
    pub(super) fn create(path: &Path, first: &str) -> Result<Self, LedgerError> {
        let lock = lock(path)?;
        if path.exists() {
            return Err(unreadable(path, io::ErrorKind::AlreadyExists.into()));
        }
        let mut text = String::new();
        push(&mut text, first);
        let file = write_anew(path, &text).map_err(|source| unreadable(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            file,
            octets: text.len() as u64,
            count: 1,
            waiting: String::new(),
            failed: None,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether something is to be written.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Adds a line; it is written with the next sync.
    pub(super) fn push(&mut self, body: &str) {
        push(&mut self.waiting, body);
        self.count += 1;
    }

    /// Writes what waits, and makes it durable.
    pub(super) fn sync(&mut self) -> Result<(), LedgerError> {
        if let Some((kind, why)) = &self.failed {
            let error = io::Error::new(*kind, format!("an earlier write failed: {why}"));
            return Err(unreadable(&self.path, error));
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .write_all_at(self.waiting.as_bytes(), self.octets)
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.octets += self.waiting.len() as u64;
                self.waiting.clear();
                Ok(())
            }
            Err(source) => {
                self.failed = Some((source.kind(), source.to_string()));
                // What has been written of it would be a torn line in the middle later.
                let _ = self.file.set_len(self.octets);
                Err(unreadable(&self.path, source))
            }
        }
    }

    /// Writes the whole file anew.
    pub(super) fn replace(&mut self, bodies: &[String]) -> Result<(), LedgerError> {
        let mut text = String::new();
        bodies.iter().for_each(|body| push(&mut text, body));
        self.file =
            write_anew(&self.path, &text).map_err(|source| unreadable(&self.path, source))?;
        self.octets = text.len() as u64;
        self.count = bodies.len();
        Ok(())
    }
}

/// Reads a file that another process may be writing, and changes nothing.
pub(super) fn read(path: &Path) -> Result<Found, LedgerError> {
    let opened = File::open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing(path),
        _ => unreadable(path, error),
    })?;
    let text = text_of(&mut file).map_err(|source| unreadable(path, source))?;
    Ok(lines_of(&text).0)
}

fn missing(path: &Path) -> LedgerError {
    LedgerError::Missing {
        file: path.to_owned(),
    }
}

fn text_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(OCTETS_MAX).read_to_end(&mut text)?;
    // What is behind that would be cut off as if a crash had torn it.
    match (text.len() as u64) < OCTETS_MAX {
        true => Ok(text),
        false => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// Where the lines end.
struct Octets {
    /// Where the last line ends that can be read.
    end: u64,
    all: u64,
}

impl Octets {
    /// Where a file is to be cut off whose last line is torn.
    fn torn(&self) -> Option<u64> {
        (self.end < self.all).then_some(self.end)
    }
}

/// What the lines are, and where they end.
fn lines_of(text: &[u8]) -> (Found, Octets) {
    let mut found = Found {
        bodies: Vec::new(),
        damaged: 0,
    };
    // Where the last line ends that can be read, and how many behind it cannot.
    let (mut end, mut unread, mut place) = (0, 0, 0);
    for line in text.split_inclusive(|&octet| octet == b'\n') {
        place += line.len();
        match body(line) {
            Some(body) => {
                found.bodies.push(body.to_owned());
                // What cannot be read and has something behind it was not torn by a crash.
                found.damaged += std::mem::take(&mut unread);
                end = place;
            }
            None => unread += 1,
        }
    }
    found.damaged += usize::saturating_sub(unread, 1);
    let octets = Octets {
        end: end as u64,
        all: text.len() as u64,
    };
    (found, octets)
}

fn push(text: &mut String, body: &str) {
    use std::fmt::Write as _;
    let _ = writeln!(text, "{:08x} {body}", crc32c::crc32c(body.as_bytes()));
}

/// The line, if its checksum is right.
fn body(line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (checksum, body) = line.split_once(' ')?;
    let right = checksum.len() == 8
        && u32::from_str_radix(checksum, 16) == Ok(crc32c::crc32c(body.as_bytes()));
    right.then_some(body)
}

fn lock(path: &Path) -> Result<File, LedgerError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&name)
        .map_err(|source| unreadable(Path::new(&name), source))?;
    // A program that was started by another thread has the descriptor until it is what it shall be.
    for pause in [Duration::from_millis(5); 40] {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(pause),
            Err(errno) => return Err(unreadable(path, errno.into())),
        }
    }
    Err(LedgerError::InUse {
        file: path.to_owned(),
    })
}

/// A file that is there whole or not at all, whatever happens meanwhile.
fn write_anew(path: &Path, text: &str) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_that_could_not_be_written_says_why_for_as_long_as_it_is_open() {
        let place = tempfile::tempdir().unwrap();
        let mut lines = Lines::create(&place.path().join("a.ledger"), "first").unwrap();
        lines.push("second");
        lines.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        for _ in 0..2 {
            let LedgerError::Io { file, source } = lines.sync().unwrap_err() else {
                panic!("another error");
            };
            assert!(file.ends_with("a.ledger"));
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            assert!(source.to_string().contains("No space left"), "{source}");
        }
    }
}
