//! A lock that is a file: whoever made it has the lock, as mail programs have done since there are any.
//!
//! Whoever dies leaves it behind. It is taken away when it is old and nobody has touched it while we looked. What is
//! in it is not believed, and ours says no number that others would believe: programs that share a directory may
//! have one host name and different numbers, as containers do, and would take each other's for those of the dead.

use std::io;
use std::time::{Duration, Instant};

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

/// Who makes a dotlock, for people: other programs read the number 0, or none.
fn owner() -> String {
    let uname = rustix::system::uname();
    format!(
        "0 restante, process {} of {}\n",
        std::process::id(),
        uname.nodename().to_string_lossy()
    )
}

/// A dotlock that is old.
struct Suspect<D: Disk> {
    /// Open, so that no other file gets its number.
    file: D::File,
    stat: Stat,
}

impl<D: Disk> Suspect<D> {
    /// The dotlock that is there, if it is old. One that we may not open is not ours to judge.
    fn look(disk: &D, name: &str, stale_after: Duration) -> Option<Self> {
        let file = disk.open_to_read(name).ok()?;
        let stat = file.stat().ok()?;
        let age_ns = i128::from(now_us()) * 1000 - stat.changed_ns;
        // What is longer than any lock is something else, whatever it is called.
        if stat.len > LOCK_OCTETS_MAX {
            return None;
        }
        let is_old = age_ns > i128::try_from(stale_after.as_nanos()).unwrap_or(i128::MAX);
        is_old.then_some(Self { file, stat })
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
            warn!(dotlock = name, "an old dotlock was taken away");
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
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_it_says_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::directory(directory.path()).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        // It may live elsewhere, under the same host name and the same number.
        let uname = rustix::system::uname();
        let dead = format!("{}:{}", ended.id(), uname.nodename().to_string_lossy());
        std::fs::write(directory.path().join("a.lock"), dead).unwrap();
        let deadline = Instant::now() + Duration::from_millis(20);
        assert!(DotLock::take(&disk, "a.lock".into(), HOUR, deadline).is_err());
        // Nor does ours name a process to those who do believe: Dovecot wants `NUMBER:HOST`, liblockfile a number.
        let lock = DotLock::take(&disk, "b.lock".into(), HOUR, deadline).unwrap();
        let text = std::fs::read_to_string(directory.path().join("b.lock")).unwrap();
        assert!(text.starts_with("0 ") && !text.contains(':'), "{text}");
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
