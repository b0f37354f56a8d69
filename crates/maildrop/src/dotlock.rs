//! A lock that is a file: whoever made it has the lock, as mail programs have done since there are any.
//!
//! Whoever dies leaves it behind. It is taken away when it is old and nobody has touched it while we looked; ours at
//! once, if its process is no more. Of others the number of a process is not believed, and ours says none that others
//! would believe: programs that share a directory may have one host name and different numbers, as containers do, and
//! would take each other's for those of the dead.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tracing::warn;

use crate::native::media::{Disk, File, Stat};
use crate::native::now_us;

/// A lock of ours, until this is dropped.
pub(crate) struct DotLock<'d, D: Disk> {
    disk: &'d D,
    name: String,
    /// Open, so that no other file gets its number.
    file: D::File,
}

/// A lock holds a number and a name, or nothing.
const LOCK_OCTETS_MAX: u64 = 1024;

/// A pause before the next try.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);

impl<'d, D: Disk> DotLock<'d, D> {
    /// Takes the lock of this name. One that nobody has touched for `stale_after` is of a program that has died.
    ///
    /// # Errors
    ///
    /// `TimedOut` if somebody else still has it at the deadline; what the file system says.
    pub(crate) fn take(
        disk: &'d D,
        name: String,
        stale_after: Duration,
        deadline: Instant,
    ) -> io::Result<Self> {
        let mut suspect: Option<Suspect<D>> = None;
        let mut pause = PAUSE_MIN;
        loop {
            match disk.create(&name) {
                Ok(file) => {
                    // It says who has it, as that of other programs does; to those it is enough that it is there.
                    let _ = file.write_at(&[owner().as_bytes()], 0);
                    return Ok(Self { disk, name, file });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what = format!("cannot make the dotlock {name}: {error}");
                    return Err(io::Error::new(error.kind(), what));
                }
            }
            let found = Suspect::look(disk, &name, stale_after);
            match (suspect.take(), found) {
                (Some(before), Some(now)) if before.stat == now.stat => {
                    if now.take_away(disk, &name)? {
                        continue;
                    }
                }
                (_, found) => suspect = found,
            }
            if suspect.is_none() && Instant::now() >= deadline {
                return Err(timed_out(&name));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl<D: Disk> Drop for DotLock<'_, D> {
    fn drop(&mut self) {
        // Somebody may have taken ours for one that was forgotten.
        let is_ours = self
            .file
            .stat()
            .and_then(|stat| self.disk.is_named(&self.name, stat.id));
        if is_ours.unwrap_or(false)
            && let Err(error) = self.disk.unlink(&self.name)
        {
            let dotlock = &self.name;
            warn!(dotlock, %error, "a dotlock stays behind; mail waits until it is old");
        }
    }
}

/// What is told of a lock that was waited for in vain.
pub(crate) fn timed_out(what: &str) -> io::Error {
    let what = format!("another program has held a lock ({what}) for too long");
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// Who makes a dotlock, for ourselves and for people: other programs read the number 0, or none.
fn owner() -> String {
    let uname = rustix::system::uname();
    let process = std::process::id();
    let numbers = numbers().unwrap_or("of nobody knows where");
    let host = uname.nodename().to_string_lossy();
    format!("0 restante {process} {numbers} {host}\n")
}

/// Where the numbers of processes are those of this one: since which start of the machine, and in which namespace
/// (pid_namespaces(7)). None if the system does not say.
fn numbers() -> Option<&'static str> {
    static NUMBERS: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
        Some(format!("{} {namespace}", boot.trim_ascii()))
    };
    NUMBERS.get_or_init(look).as_deref()
}

/// Whether a dotlock is one of ours, whose process has ended.
fn is_of_the_dead(text: &[u8]) -> bool {
    let said = || {
        let text = std::str::from_utf8(text).ok()?;
        let (process, rest) = text.strip_prefix("0 restante ")?.split_once(' ')?;
        let is_here = rest.strip_prefix(numbers()?)?.starts_with(' ');
        let process = process.parse().ok().filter(|process| *process > 0)?;
        Pid::from_raw(process).filter(|_| is_here)
    };
    // Only this says that there is none: one that may not be signalled is there.
    said().is_some_and(|process| test_kill_process(process) == Err(Errno::SRCH))
}

/// A dotlock that was forgotten, as it seems.
struct Suspect<D: Disk> {
    /// Open, so that no other file gets its number.
    file: D::File,
    stat: Stat,
}

impl<D: Disk> Suspect<D> {
    /// The dotlock that is there, if it is old, or of a dead process of ours. One that we may not open is not ours to judge.
    fn look(disk: &D, name: &str, stale_after: Duration) -> Option<Self> {
        let file = disk.open_to_read(name).ok()?;
        let stat = file.stat().ok()?;
        let age_ns = i128::from(now_us()) * 1000 - stat.changed_ns;
        // What is longer than any lock is something else, whatever it is called.
        if stat.len > LOCK_OCTETS_MAX {
            return None;
        }
        let is_old = age_ns > i128::try_from(stale_after.as_nanos()).unwrap_or(i128::MAX);
        let is_forgotten = is_old || {
            let mut text = [0; LOCK_OCTETS_MAX as usize];
            let read = file.read_at(&mut text, 0).ok()?;
            is_of_the_dead(&text[..read])
        };
        is_forgotten.then_some(Self { file, stat })
    }

    /// Takes it away; false if it was another one's by then, who has it back.
    ///
    /// It is moved to a name of our own first: from there nobody else moves it, so there is time to see which
    /// one it is. To remove it by its name could remove the lock that another one has made after he had
    /// removed this one.
    fn take_away(self, disk: &D, name: &str) -> io::Result<bool> {
        let aside = format!("{name}.{}.{}", std::process::id(), now_us());
        match disk.rename(name, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other?,
        }
        let is_same = disk.is_named(&aside, self.file.stat()?.id)?;
        if is_same {
            warn!(
                dotlock = name,
                "a dotlock that was left behind was taken away"
            );
            disk.unlink(&aside)?;
        } else {
            put_back(disk, &aside, name)?;
        }
        Ok(is_same)
    }
}

/// Gives a lock that is another one's its name back. Whoever has made a new one meanwhile keeps it: two believe that
/// they have the lock then, which is all that a dotlock can promise.
fn put_back<D: Disk>(disk: &D, aside: &str, name: &str) -> io::Result<()> {
    let is_free =
        || matches!(disk.stat(name), Err(error) if error.kind() == io::ErrorKind::NotFound);
    match disk.rename_new(aside, name) {
        Ok(()) => Ok(()),
        // Not every file system knows how to do that in one step (NFS).
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && is_free() => {
            disk.rename(aside, name)
        }
        Err(_) => disk.unlink(aside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::media::RealDisk;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_has_it_at_a_time_and_the_dead_give_it_up() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::directory(directory.path()).unwrap();
        let take = |patience, stale| {
            DotLock::take(&disk, "a.lock".into(), stale, Instant::now() + patience)
        };
        let lock = take(Duration::ZERO, HOUR).unwrap();
        assert!(take(Duration::from_millis(20), HOUR).is_err());
        drop(lock);
        let forgotten = take(Duration::ZERO, HOUR).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let lock = take(Duration::ZERO, Duration::from_millis(1)).unwrap();
        // It is not the forgotten one's any more.
        drop(forgotten);
        assert!(directory.path().join("a.lock").exists());
        drop(lock);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_ours_is_believed_and_nobody_believes_ours() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::directory(directory.path()).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let (dead, alive) = (ended.id(), std::process::id());
        let uname = rustix::system::uname();
        let host = uname.nodename().to_string_lossy();
        let here = numbers().unwrap();
        let (boot, namespace) = here.split_once(' ').unwrap();
        for (text, is_taken) in [
            (format!("0 restante {dead} {here} {host}\n"), true),
            (format!("0 restante {alive} {here} {host}\n"), false),
            // It may live elsewhere, under the same host name and the same number.
            (
                format!("0 restante {dead} {boot} 1{namespace} {host}\n"),
                false,
            ),
            (format!("0 restante {dead} x{here} {host}\n"), false),
            (format!("0 restante {dead} {here}"), false),
            (format!("0 restante -{dead} {here} {host}\n"), false),
            (format!("0 restante 0 {here} {host}\n"), false),
            (format!("{dead}:{host}"), false),
            (format!("{dead}\n"), false),
            (String::new(), false),
        ] {
            fs::write(directory.path().join("a.lock"), &text).unwrap();
            let deadline = Instant::now() + Duration::from_millis(20);
            let taken = DotLock::take(&disk, "a.lock".into(), HOUR, deadline);
            assert_eq!(taken.is_ok(), is_taken, "{text:?}");
        }
        // Dovecot wants `NUMBER:HOST`, liblockfile a number, which is none of a process here.
        let deadline = Instant::now() + HOUR;
        let lock = DotLock::take(&disk, "b.lock".into(), HOUR, deadline).unwrap();
        let text = fs::read_to_string(directory.path().join("b.lock")).unwrap();
        assert_eq!(text, format!("0 restante {alive} {here} {host}\n"));
        assert!(!text.contains(':'), "{text}");
        drop(lock);
    }

    #[test]
    fn many_take_turns() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::directory(directory.path()).unwrap();
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock =
                            DotLock::take(&disk, "a.lock".into(), HOUR, Instant::now() + HOUR);
                        let lock = lock.unwrap();
                        let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
