//! The locks that all programs take which share an mbox.
//!
//! There are two kinds, and a site uses one or both, always in the same order, or two programs wait for each
//! other: the *dotlock*, a file `NAME.lock` that only one can make, and the lock of the system (`fcntl`), of
//! the whole file. Whoever dies leaves a dotlock behind. It is taken away when it is old and nobody has
//! touched it while we looked.

use std::io;
use std::time::{Duration, Instant};

use tracing::warn;

use crate::native::media::{Disk, File, Lock, Stat};
use crate::native::now_us;
use crate::places::{Absent, Place};

/// A kind of lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Locking {
    /// A file `NAME.lock` beside the mbox.
    Dotlock,
    /// A lock of the whole file, which conflicts with `fcntl` and `lockf` of others.
    Fcntl,
}

/// How long to wait, and for whom no longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) lock_wait: Duration,
    pub(super) stale_after: Duration,
}

/// An mbox that is locked, until this is dropped.
pub(super) struct Locked<'p, D: Disk> {
    pub(super) file: D::File,
    pub(super) stat: Stat,
    _dotlock: Option<Dotlock<'p, D>>,
}

/// How often to start again because the file was replaced meanwhile.
const REPLACED_MAX: usize = 16;

impl<'p, D: Disk> Locked<'p, D> {
    /// Takes the locks in this order. A file that is not there is made if that is asked for.
    ///
    /// # Errors
    ///
    /// `TimedOut` if somebody else holds a lock for longer; `NotFound` if there is no file; what the file
    /// system says.
    pub(super) fn take(
        place: &'p Place<D>,
        order: &[Locking],
        waiting: Waiting,
        absent: Absent,
    ) -> io::Result<Self> {
        let deadline = Instant::now() + waiting.lock_wait;
        for _ in 0..REPLACED_MAX {
            let (mut dotlock, mut file) = (None, None);
            for locking in order {
                match locking {
                    Locking::Dotlock if dotlock.is_none() => {
                        dotlock = Some(Dotlock::take(place, waiting.stale_after, deadline)?);
                    }
                    Locking::Fcntl if file.is_none() => {
                        let opened = open(place, absent)?;
                        let left = deadline.saturating_duration_since(Instant::now());
                        if !opened.wait_lock(Lock::Whole, left)? {
                            return Err(timed_out("the file itself"));
                        }
                        file = Some(opened);
                    }
                    _ => {}
                }
            }
            let file = match file {
                Some(file) => file,
                None => open(place, absent)?,
            };
            let stat = file.stat()?;
            // Another program may have put another file in its place while this one waited.
            if place.disk.is_named(&place.file, stat.id).unwrap_or(false) {
                return Ok(Self {
                    file,
                    stat,
                    _dotlock: dotlock,
                });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}

impl<D: Disk> Locked<'_, D> {
    /// Frees the locks, but not the file.
    pub(super) fn free(self) -> D::File {
        self.file.unlock(Lock::Whole);
        self.file
    }
}

fn open<D: Disk>(place: &Place<D>, absent: Absent) -> io::Result<D::File> {
    for _ in 0..REPLACED_MAX {
        match place.disk.open(&place.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && absent == Absent::IsMade => {}
            other => return other,
        }
        match place.disk.create(&place.file) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn timed_out(what: &str) -> io::Error {
    let what = format!("another program has held the lock of the mbox ({what}) for too long");
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// A dotlock of ours, until this is dropped.
struct Dotlock<'p, D: Disk> {
    place: &'p Place<D>,
    /// Open, so that no other file gets its number.
    file: D::File,
}

impl<D: Disk> Drop for Dotlock<'_, D> {
    fn drop(&mut self) {
        let name = name_of(&self.place.file);
        // Somebody may have taken ours for one that was forgotten.
        let is_ours = self
            .file
            .stat()
            .and_then(|stat| self.place.disk.is_named(&name, stat.id));
        if is_ours.unwrap_or(false)
            && let Err(error) = self.place.disk.unlink(&name)
        {
            warn!(dotlock = name, %error, "a dotlock stays behind; mail waits until it is old");
        }
    }
}

fn name_of(mbox: &str) -> String {
    format!("{mbox}.lock")
}

impl<'p, D: Disk> Dotlock<'p, D> {
    fn take(place: &'p Place<D>, stale_after: Duration, deadline: Instant) -> io::Result<Self> {
        let name = name_of(&place.file);
        let mut suspect: Option<Suspect<D>> = None;
        loop {
            match place.disk.create(&name) {
                Ok(file) => {
                    // It says who has it, as that of other programs does; to those it is enough that it is there.
                    let _ = file.write_at(&[owner().as_bytes()], 0);
                    return Ok(Self { place, file });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what = format!("cannot make the dotlock {name}: {error}");
                    return Err(io::Error::new(error.kind(), what));
                }
            }
            let found = Suspect::look(place, &name, stale_after);
            match (suspect.take(), found) {
                (Some(before), Some(now)) if before.stat == now.stat => {
                    if now.take_away(place, &name)? {
                        continue;
                    }
                }
                (_, found) => suspect = found,
            }
            if suspect.is_none() && Instant::now() >= deadline {
                return Err(timed_out(&name));
            }
            place.disk.pause();
        }
    }
}

/// Who makes a dotlock.
fn owner() -> String {
    let uname = rustix::system::uname();
    format!(
        "{}:{}",
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
    fn look(place: &Place<D>, name: &str, stale_after: Duration) -> Option<Self> {
        let file = place.disk.open(name).ok()?;
        let stat = file.stat().ok()?;
        let age_ns = i128::from(now_us()) * 1000 - stat.changed_ns;
        let is_old = age_ns > i128::try_from(stale_after.as_nanos()).unwrap_or(i128::MAX);
        is_old.then_some(Self { file, stat })
    }

    /// Takes it away; false if it was another one's by then, who has it back.
    ///
    /// It is moved to a name of our own first: from there nobody else moves it, so there is time to see which
    /// one it is. To remove it by its name could remove the lock that another one has made after he had
    /// removed this one.
    fn take_away(self, place: &Place<D>, name: &str) -> io::Result<bool> {
        let aside = format!("{name}.{}.{}", std::process::id(), now_us());
        match place.disk.rename(name, &aside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other?,
        }
        let is_same = place.disk.is_named(&aside, self.file.stat()?.id)?;
        if is_same {
            warn!(dotlock = name, "an old dotlock was taken away");
        } else {
            // Whoever has made a new one meanwhile keeps it: two believe that they have the lock then, which is
            // all that a dotlock can promise.
            let moved = place.disk.open(&aside)?;
            let _ = place.disk.link(&moved, name);
        }
        place.disk.unlink(&aside)?;
        Ok(is_same)
    }
}
