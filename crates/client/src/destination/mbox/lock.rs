//! The locks of an mbox, in the order in which Debian's programs take them: `NAME.lock`, then fcntl.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

/// So long others are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// A dotlock that nobody has touched for so long was left by a program that is no more.
const STALE: Duration = Duration::from_secs(300);

/// The file, with both locks. No other descriptor of it may be closed meanwhile: the fcntl lock would be gone.
#[derive(Debug)]
pub(super) struct Locked {
    dotlock: Option<PathBuf>,
    pub(super) file: File,
}

impl Locked {
    /// Takes them, and waits for others.
    pub(super) fn take(path: &Path, file: File) -> io::Result<Self> {
        let until = Instant::now() + PATIENCE;
        let mut lock = Self {
            dotlock: None,
            file,
        };
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let name = PathBuf::from(name);
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&name) {
                Ok(mut made) => {
                    // No other program finds a process by it, as procmail has it.
                    made.write_all(b"0")?;
                    lock.dotlock = Some(name);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if is_stale(&name) {
                        std::fs::remove_file(&name)?;
                        continue;
                    }
                }
                // A directory like /var/mail where not everybody may make files: there fcntl must do.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
                Err(error) => return Err(error),
            }
            wait(until, path)?;
        }
        loop {
            match fcntl_lock(&lock.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(Errno::ACCESS | Errno::AGAIN) => wait(until, path)?,
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = fcntl_lock(&self.file, FlockOperation::Unlock);
        if let Some(name) = self.dotlock.take() {
            let _ = std::fs::remove_file(name);
        }
    }
}

fn wait(until: Instant, path: &Path) -> io::Result<()> {
    if Instant::now() >= until {
        let text = format!(
            "{} is locked by another program for more than {} seconds",
            path.display(),
            PATIENCE.as_secs()
        );
        return Err(io::Error::new(io::ErrorKind::TimedOut, text));
    }
    std::thread::sleep(PAUSE);
    Ok(())
}

fn is_stale(name: &Path) -> bool {
    let touched = std::fs::metadata(name).and_then(|it| it.modified());
    let age = touched
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > STALE)
}
