//! The locks that all programs take which share an mbox.
//!
//! There are two kinds, and a site uses one or both, always in the same order, or two programs wait for each
//! other: the *dotlock*, a file `NAME.lock` that only one can make, and the lock of the system (`fcntl`), of
//! the whole file. Whoever dies leaves a dotlock behind; [`DotLock`] says when it is taken away.

use std::io;
use std::time::{Duration, Instant};

use crate::dotlock::{DotLock, timed_out};
use crate::native::media::{Disk, File, Lock, Stat};
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
    _dotlock: Option<DotLock<'p, D>>,
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
                        let name = format!("{}.lock", place.file);
                        let taken = DotLock::take(&place.disk, name, waiting.stale_after, deadline);
                        dotlock = Some(taken?);
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

/// The file, if nobody else has put it there: into a directory that is everybody's he could, and read what is
/// delivered, or have another file of ours written into.
pub(super) fn own<F: File>(file: F) -> io::Result<F> {
    match file.is_own()? {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the mbox, or the journal beside it, belongs to another user or has a second name (hard link)",
        )),
    }
}

fn open<D: Disk>(place: &Place<D>, absent: Absent) -> io::Result<D::File> {
    for _ in 0..REPLACED_MAX {
        match place.disk.open(&place.file).and_then(own) {
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
