//! A secret that we keep ourselves, in a file of our own that only its owner can read.
//!
//! It is written beside its place, synced, and renamed there, so there is always the old one or the new one. A
//! secret that replaces another may be the only one that is still good, so room for it is taken *before* it
//! is asked for (`reserve`): a full disk is noticed while the old one still works.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{SecretError, private};

/// Largest file: two tokens of the largest size, and what goes with them.
const FILE_OCTETS_MAX: usize = 160 * 1024;

/// As much room as is taken ahead; no provider's tokens need a third of it.
const RESERVED_OCTETS: usize = 32 * 1024;

/// Between two attempts to get the lock.
const LOCK_LOOK: Duration = Duration::from_millis(50);

/// One kept file.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    directory: PathBuf,
    file: PathBuf,
}

/// The right to replace a kept file. It goes with this value, or with the process.
#[derive(Debug)]
pub(crate) struct Held {
    kept: Kept,
    _lock: File,
}

/// Room for what will be kept.
#[derive(Debug)]
pub(crate) struct Reserved<'held> {
    held: &'held Held,
    beside: PathBuf,
    open: File,
}

impl Kept {
    /// The file of this name; any text is a name.
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            file: directory.join(file_name(name)),
        }
    }

    /// Where it is, for messages.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// What is kept, if anything is.
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
        match private::read(&self.file, FILE_OCTETS_MAX) {
            Ok(octets) => Ok(Some(octets)),
            Err(SecretError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until no other process holds it. The directory is made if it is not there.
    pub(crate) fn hold(&self, patience: Duration) -> Result<Held, SecretError> {
        let failed = |source| self.failed(source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(failed)?;
        // A file of its own: the kept one is another file after each rename. It stays, since to delete it would
        // let two processes hold two locks.
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.file.with_extension("lock"))
            .map_err(failed)?;
        let deadline = Instant::now() + patience;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(LOCK_LOOK),
                Err(TryLockError::WouldBlock) => {
                    let what = format!("another process that holds {}", self.file.display());
                    return Err(SecretError::TooSlow(what));
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Ok(Held {
            kept: self.clone(),
            _lock: lock,
        })
    }

    fn failed(&self, source: io::Error) -> SecretError {
        SecretError::File {
            file: self.file.clone(),
            source,
        }
    }

    /// Makes a rename or a removal durable.
    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

impl Held {
    /// Takes room on the disk for what will be kept.
    pub(crate) fn reserve(&self) -> Result<Reserved<'_>, SecretError> {
        let beside = self.kept.file.with_extension("new");
        let taken = || {
            match std::fs::remove_file(&beside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // One that a killed process left.
                _ => {}
            }
            let mut open = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&beside)?;
            open.write_all(&[b' '; RESERVED_OCTETS])?;
            open.sync_all()?;
            open.rewind()?;
            Ok(open)
        };
        let open = taken().map_err(|error| self.kept.failed(error))?;
        Ok(Reserved {
            held: self,
            beside,
            open,
        })
    }

    /// Deletes what is kept; whether anything was.
    pub(crate) fn delete(&self) -> Result<bool, SecretError> {
        let deleted = || match std::fs::remove_file(&self.kept.file) {
            Ok(()) => self.kept.sync_directory().map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        deleted().map_err(|error| self.kept.failed(error))
    }
}

impl Reserved<'_> {
    /// Keeps this instead of what was kept. When it returns, it is durable.
    pub(crate) fn keep(mut self, octets: &[u8]) -> Result<(), SecretError> {
        let kept = &self.held.kept;
        let written = self
            .open
            .write_all(octets)
            .and_then(|()| self.open.set_len(octets.len() as u64))
            .and_then(|()| self.open.sync_all())
            .and_then(|()| std::fs::rename(&self.beside, &kept.file))
            .and_then(|()| kept.sync_directory());
        written.map_err(|error| kept.failed(error))
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        // Gone already when it was kept.
        let _ = std::fs::remove_file(&self.beside);
    }
}

/// A name as a file name: what could lead elsewhere, or hide it, is written as `%` and two digits.
fn file_name(name: &str) -> String {
    let mut file = String::with_capacity(name.len() + ".json".len());
    for octet in name.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'@' => {
                file.push(char::from(octet));
            }
            _ => file.push_str(&format!("%{octet:02x}")),
        }
    }
    file.push_str(".json");
    file
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    #[test]
    fn what_is_kept_is_read_again_and_only_we_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::new(&directory.path().join("a/b"), "work");
        assert!(kept.read().unwrap().is_none());
        let held = kept.hold(SHORT).unwrap();
        held.reserve().unwrap().keep(b"long enough").unwrap();
        held.reserve().unwrap().keep(b"short").unwrap();
        assert_eq!(kept.read().unwrap().unwrap().as_slice(), b"short");
        let mode = |file: &Path| std::fs::metadata(file).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(kept.file()), 0o600);
        assert_eq!(mode(&directory.path().join("a/b")), 0o700);
        // What is reserved and not used leaves nothing behind, and changes nothing.
        drop(held.reserve().unwrap());
        let mut names: Vec<_> = std::fs::read_dir(directory.path().join("a/b"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["work.json", "work.lock"]);
        assert!(held.delete().unwrap());
        assert!(!held.delete().unwrap());
        assert!(kept.read().unwrap().is_none());
    }

    #[test]
    fn one_holds_it_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::new(directory.path(), "work");
        let held = kept.hold(SHORT).unwrap();
        let late = kept.hold(SHORT).unwrap_err();
        assert!(late.may_pass(), "{late}");
        drop(held);
        kept.hold(SHORT).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_no_hindrance() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::new(directory.path(), "work");
        std::fs::write(directory.path().join("work.new"), "half a se").unwrap();
        let held = kept.hold(SHORT).unwrap();
        held.reserve().unwrap().keep(b"whole").unwrap();
        assert_eq!(kept.read().unwrap().unwrap().as_slice(), b"whole");
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for (name, file) in [
            ("work", "work.json"),
            ("joe@example.net", "joe@example%2enet.json"),
            ("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd.json"),
            ("", ".json"),
            ("a%2e", "a%252e.json"),
            ("\u{e4}", "%c3%a4.json"),
        ] {
            assert_eq!(file_name(name), file);
        }
    }
}
