//! A lock that is a file: whoever made it has the lock, as mail programs have done since there are any.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::native::media::{Disk, File};
use crate::native::now_us;

/// A lock that we have. It is freed when dropped.
pub(crate) struct DotLock<D: Disk> {
    disk: Arc<D>,
    path: String,
    /// As long as it is open nobody else's file can look like it.
    file: D::File,
}

/// A pause before the next try.
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);

impl<D: Disk> DotLock<D> {
    /// Takes the lock. One that nobody has touched for `stale` is of a program that has died.
    /// None if somebody else still has it after `patience`.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn take(
        disk: &Arc<D>,
        path: &str,
        patience: Duration,
        stale: Duration,
    ) -> io::Result<Option<Self>> {
        let deadline = Instant::now() + patience;
        let mut pause = PAUSE_MIN;
        loop {
            match disk.create(path) {
                Ok(file) => {
                    let lock = Self {
                        disk: Arc::clone(disk),
                        path: path.to_owned(),
                        file,
                    };
                    // For people, and for programs that ask whether the process still lives.
                    let process = std::process::id().to_string();
                    lock.file.write_at(&[process.as_bytes()], 0)?;
                    return Ok(Some(lock));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if break_stale(&**disk, path, stale)? {
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

impl<D: Disk> Drop for DotLock<D> {
    fn drop(&mut self) {
        // If it took too long, somebody may have thought us dead, and the lock be his.
        let id = self.file.stat().map(|stat| stat.id);
        if id.is_ok_and(|id| matches!(self.disk.is_named(&self.path, id), Ok(true))) {
            let _ = self.disk.unlink(&self.path);
        }
    }
}

/// Takes a lock away whose owner has died; whether it is worth trying again at once.
fn break_stale<D: Disk>(disk: &D, path: &str, stale: Duration) -> io::Result<bool> {
    let gone = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Ok(true),
        _ => Err(error),
    };
    // It stays open, so that no new lock can be the same file.
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    let judged = file.stat()?;
    let age_ns = i128::from(now_us()) * 1000 - judged.changed_ns;
    if age_ns <= i128::try_from(stale.as_nanos()).unwrap_or(i128::MAX) {
        return Ok(false);
    }
    // Two who judge at once must not take the new lock of one another away: only whoever gets the very
    // file that was judged has taken it.
    let aside = format!("{path}.{}", std::process::id());
    if let Err(error) = disk.rename(path, &aside) {
        return gone(error);
    }
    if !disk.is_named(&aside, judged.id)? {
        // Somebody's who lives; as good as no other has come meanwhile.
        match disk.stat(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.rename(&aside, path)?,
            _ => disk.unlink(&aside)?,
        }
        return Ok(false);
    }
    disk.unlink(&aside)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::media::RealDisk;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn one_has_it_at_a_time_and_the_dead_give_it_up() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::directory(directory.path()).unwrap());
        let take = |patience, stale| DotLock::take(&disk, "a.lock", patience, stale).unwrap();
        let lock = take(Duration::ZERO, HOUR).unwrap();
        assert!(take(Duration::from_millis(20), HOUR).is_none());
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
    fn many_take_turns() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(RealDisk::directory(directory.path()).unwrap());
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let lock = DotLock::take(&disk, "a.lock", HOUR, HOUR).unwrap().unwrap();
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
