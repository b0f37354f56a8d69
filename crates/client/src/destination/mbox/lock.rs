//! The locks of an mbox, in the order in which Debian's programs take them: `NAME.lock`, then fcntl.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, fcntl_lock, linkat, openat};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

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
            match make(&name) {
                Ok(()) => {
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

/// Makes a dotlock; it is there with what it says, or not at all.
///
/// What it says begins with 0, as procmail has it, so that no other program looks for a process of that number. Behind that is who
/// we are: what one of us has left behind that was killed need not be waited for.
fn make(name: &Path) -> io::Result<()> {
    let says = format!("{}{}\n", ours(), std::process::id());
    let directory = name.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let unnamed = openat(CWD, directory, flags, Mode::from_raw_mode(0o644));
    match unnamed.map(File::from) {
        Ok(mut file) => {
            file.write_all(says.as_bytes())?;
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            match linkat(CWD, &path, CWD, name, AtFlags::SYMLINK_FOLLOW) {
                Err(Errno::NOENT) if !Path::new(&path).exists() => {}
                linked => return Ok(linked?),
            }
        }
        // A file system that has no such files.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(name)?;
    let written = file.write_all(says.as_bytes());
    if written.is_err() {
        let _ = std::fs::remove_file(name);
    }
    written
}

/// What a dotlock of ours says before the number of the process.
fn ours() -> String {
    let system = rustix::system::uname();
    format!("0 restante {} ", system.nodename().to_string_lossy())
}

fn is_stale(name: &Path) -> bool {
    let says = std::fs::read_to_string(name).unwrap_or_default();
    let process = says.strip_prefix(&ours()).and_then(|it| {
        let number: i32 = it.trim_end().parse().ok()?;
        Pid::from_raw(number)
    });
    if process.is_some_and(|it| test_kill_process(it) == Err(Errno::SRCH)) {
        return true;
    }
    let touched = std::fs::metadata(name).and_then(|it| it.modified());
    let age = touched
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > STALE)
}
