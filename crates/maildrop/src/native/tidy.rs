//! What can wait until the client has its reply: giving space back, writing the sidecar.
//!
//! An emptied file is replaced by a fresh one; one of which more than half is dead is written
//! anew (`rewrite.rs`); where neither pays, the bodies of large dead messages become holes. Never
//! while a session reads, never in the way of a login.

use std::io;
use std::sync::Arc;

use super::Store;
use super::append::{Appending, Purpose};
use super::index::Index;
use super::media::{Disk, File, Lock};
use super::record::{At, Kind, look};
use super::rewrite::{Rewriting, Rewritten};
use super::space::{grace_cut, hole};
use super::table::Shared;
use crate::error::StoreError;
use crate::id::MaildropId;

/// On a full disk the reserve may be used for a new file that is not larger: it gives back at least
/// four times as much.
const RESERVED_MAX: u64 = 1 << 20;
/// How often `compact` tries again after it gave way to a login.
const COMPACT_TRIES: usize = 20;

/// What a compaction gave back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Compacted {
    /// Octets of the disk before.
    pub before: u64,
    /// Octets of the disk after.
    pub after: u64,
}

/// A maildrop that housekeeping holds.
pub(crate) struct Tidying<'s, D: Disk> {
    pub(crate) shared: &'s Shared,
    pub(crate) file: Arc<D::File>,
}

impl<D: Disk> Drop for Tidying<'_, D> {
    fn drop(&mut self) {
        self.file.unlock(Lock::Session);
        self.file.unlock(Lock::Tidying);
        self.shared.release();
    }
}

impl<D: Disk> Store<D> {
    /// Does what is due for a maildrop: replaces an emptied file, rewrites one that is mostly
    /// dead, punches holes, writes the sidecar of a large one. To be called after a session's
    /// reply to QUIT and now and then; gives way if anybody uses the maildrop.
    ///
    /// # Errors
    ///
    /// What the disk says; the maildrop is as it was then.
    pub fn tidy(&self, drop: MaildropId) -> io::Result<()> {
        let shared = self.table.entry(drop);
        match self.hold_to_tidy(drop, &shared)? {
            Some(tidying) => Ok(self.tidy_held(drop, &tidying)?),
            None => Ok(()),
        }
    }

    /// Writes a maildrop's file anew if anything can be given back, however little.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if somebody uses the maildrop, `InvalidData` if it is damaged, else what the
    /// disk says; the maildrop is as it was then.
    pub fn compact(&self, drop: MaildropId) -> io::Result<Compacted> {
        let shared = self.table.entry(drop);
        let busy = || io::Error::from(io::ErrorKind::ResourceBusy);
        for _ in 0..COMPACT_TRIES {
            let cut_us = grace_cut(&self.settings);
            {
                let appending = self.append_if_there(drop, &shared, Purpose::Read)?;
                let Some(mut appending) = appending else {
                    return Ok(Compacted::default());
                };
                let octets = appending.file.stat()?.disk_octets;
                let index = &appending.known().index;
                if index.end <= index.needed(cut_us) {
                    return Ok(Compacted {
                        before: octets,
                        after: octets,
                    });
                }
            }
            let Some(tidying) = self.hold_to_tidy(drop, &shared)? else {
                return Err(busy());
            };
            match self.rewriting(drop, &tidying, cut_us).run()? {
                Rewritten::Done { before, after } => return Ok(Compacted { before, after }),
                Rewritten::Damaged => {
                    let what = "it is damaged, and nothing of it is thrown away";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
                Rewritten::GaveWay => {
                    std::mem::drop(tidying);
                    self.disk.pause();
                }
            }
        }
        Err(busy())
    }

    /// Takes the session lock for housekeeping; none if anybody has it, or there is no file.
    pub(crate) fn hold_to_tidy<'s>(
        &self,
        drop: MaildropId,
        shared: &'s Shared,
    ) -> io::Result<Option<Tidying<'s, D>>> {
        if !shared.hold_to_tidy() {
            return Ok(None);
        }
        let path = Self::path_of(drop);
        let file = match self.disk.open(&path) {
            Ok(file) => Arc::new(file),
            Err(error) => {
                shared.release();
                return match error.kind() {
                    io::ErrorKind::NotFound => Ok(None),
                    _ => Err(error),
                };
            }
        };
        let tidying = Tidying::<D> { shared, file };
        let file = &tidying.file;
        // In this order: whoever finds the session lock taken sees at once that it is by us.
        let got = file.try_lock(Lock::Tidying)? && file.try_lock(Lock::Session)?;
        let is_held = got && self.disk.is_named(&path, file.stat()?.id)?;
        Ok(is_held.then_some(tidying))
    }

    fn rewriting<'s>(
        &'s self,
        drop: MaildropId,
        tidying: &'s Tidying<'_, D>,
        cut_us: i64,
    ) -> Rewriting<'s, D> {
        Rewriting {
            store: self,
            drop,
            shared: tidying.shared,
            file: &tidying.file,
            cut_us,
        }
    }

    fn tidy_held(&self, drop: MaildropId, tidying: &Tidying<'_, D>) -> Result<(), StoreError> {
        let file = &tidying.file;
        let cut_us = grace_cut(&self.settings);
        let due = {
            let mut appending = self.append_to(drop, tidying.shared, Some(file), Purpose::Write)?;
            let octets = file.stat()?.disk_octets;
            let least = self.settings.pays.rewriting;
            let due = Due::of(&appending.known().index, octets, cut_us, least);
            if due == Due::Holes {
                appending.punch(cut_us)?;
                appending.write_sidecar(0);
            }
            due
        };
        let rewriting = self.rewriting(drop, tidying, cut_us);
        let rewritten = match due {
            Due::Holes => return Ok(()),
            // On a full disk this is what makes room, and it needs a little to begin with.
            Due::Fresh | Due::Rewriting { is_small: true } => self.with_reserve(|| rewriting.run()),
            Due::Rewriting { is_small: false } => rewriting.run(),
        };
        match rewritten {
            // Holes need no room, and make some: the rest may go the next time.
            Err(StoreError::Io(full)) if crate::error::is_full(&full) => {
                self.append_to(drop, tidying.shared, Some(file), Purpose::Write)?
                    .punch(cut_us)?;
                Err(StoreError::Io(full))
            }
            other => other.map(std::mem::drop),
        }
    }
}

/// What a file needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    /// It is empty: a new one.
    Fresh,
    /// It is mostly dead. What lives is small if a piece or two of the reserve has room for it.
    Rewriting { is_small: bool },
    /// Holes, if any.
    Holes,
}

impl Due {
    fn of(index: &Index, disk_octets: u64, cut_us: i64, least: u64) -> Self {
        let needed = index.needed(cut_us);
        let reclaimable = disk_octets.saturating_sub(needed);
        match () {
            () if !index.gaps.is_empty() => Self::Holes,
            () if index.is_vacant(cut_us) && index.end > needed => Self::Fresh,
            () if reclaimable > least && reclaimable > disk_octets / 2 => Self::Rewriting {
                is_small: needed <= RESERVED_MAX,
            },
            () => Self::Holes,
        }
    }
}

impl<D: Disk> Appending<'_, D> {
    /// Gives the bodies of large dead messages back to the disk, but for their first and last
    /// partial page: every header stays, so the walk from record to record never breaks.
    fn punch(&mut self, cut_us: i64) -> io::Result<()> {
        let least = self.store.settings.pays.hole;
        let file = Arc::clone(&self.file);
        let len = file.stat()?.len;
        let known = self.known();
        known.changed_ns = None;
        let salt = known.header.salt;
        let due = |grave: &&mut super::grave::Grave| {
            !grave.is_hollow && grave.deleted_us <= cut_us && grave.entry.space() > least
        };
        for grave in known.index.graves.iter_mut().filter(due) {
            // Whatever comes of it: not again.
            grave.is_hollow = true;
            let At::Record(found) = look(&*file, &salt, grave.entry.offset(), len)? else {
                continue;
            };
            let is_it = found.record.kind == Kind::Message && found.record.uid == grave.entry.uid;
            let pays = |&(from, to): &(u64, u64)| is_it && to - from >= least;
            if let Some((from, to)) = hole(&found).filter(pays) {
                match file.punch(from, to - from) {
                    Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
                    other => other?,
                }
            }
        }
        Ok(())
    }
}
