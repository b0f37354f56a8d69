//! Writing a maildrop's file anew, without what is dead.
//!
//! The old file and the new one say the same, so a crash may leave either (rule R3). Messages are
//! copied with the session lock held and the append lock free: mail comes in meanwhile. What came
//! in is copied under the append lock, and both locks of both files are held from before the new
//! file gets the name until that name is durable: nobody is told that a message is safe in a file
//! that a power cut takes away. As soon as a login waits, the work is thrown away.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{debug, error};

use super::append::{Appending, Purpose};
use super::fresh::{Copied, Fresh};
use super::header::Header;
use super::index::Entry;
use super::media::{Disk, File, Lock};
use super::table::Shared;
use super::{Store, random, sidecar};
use crate::error::StoreError;
use crate::id::MaildropId;

/// How often to catch up with deliveries before giving up.
const ROUNDS_MAX: usize = 16;

/// What became of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rewritten {
    /// The file was replaced; so many octets of the disk before and after.
    Done { before: u64, after: u64 },
    /// Somebody needs the maildrop, or changed it: not now.
    GaveWay,
    /// The file is damaged: nothing of it is thrown away.
    Damaged,
}

/// One rewriting, with the session lock held.
pub(crate) struct Rewriting<'s, D: Disk> {
    pub(crate) store: &'s Store<D>,
    pub(crate) drop: MaildropId,
    pub(crate) shared: &'s Shared,
    pub(crate) file: &'s Arc<D::File>,
    /// What was deleted after this moment is kept, µs since 1970.
    pub(crate) cut_us: i64,
}

impl<D: Disk> Rewriting<'_, D> {
    /// Does it.
    pub(crate) fn run(&self) -> Result<Rewritten, StoreError> {
        let path = format!("{}.new", Store::<D>::path_of(self.drop));
        let result = self.write(&path);
        if !matches!(result, Ok(Rewritten::Done { .. })) {
            // With the session lock nobody else has a file of that name. A crash leaves it, too.
            let _ = self.store.disk.unlink(&path);
        }
        result
    }

    fn write(&self, path: &str) -> Result<Rewritten, StoreError> {
        let mut fresh: Option<Fresh<D::File>> = None;
        let (mut copied, mut commits) = (0, 0);
        let mut buried = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let mut appending =
                self.store
                    .append_to(self.drop, self.shared, Some(self.file), Purpose::Write)?;
            let known = appending.known();
            let index = &known.index;
            if !index.gaps.is_empty() {
                return Ok(Rewritten::Damaged);
            }
            let salt = known.header.salt;
            let risen = index.risen.clone();
            let graves = index.graves.iter();
            let dead = graves
                .filter(|it| it.deleted_us > self.cut_us)
                .map(|it| (it.entry, true));
            let alive = index.alive().map(|&entry| (entry, false));
            let mut next: Vec<(Entry, bool)> = alive
                .chain(dead)
                .filter(|(it, _)| it.uid > copied)
                .collect();
            next.sort_unstable_by_key(|(entry, _)| entry.uid);
            let space: u64 = next.iter().map(|(entry, _)| entry.space()).sum();
            match &fresh {
                None => {
                    commits = index.commits;
                    let header = Header {
                        file_seq: known.header.file_seq.saturating_add(1),
                        next_uid: index.next_uid,
                        salt: random()?,
                        account: index
                            .account
                            .as_ref()
                            .unwrap_or(&known.header.account)
                            .clone(),
                        ..known.header.clone()
                    };
                    fresh = Some(self.store.begin_fresh(path, header)?);
                }
                // Something was undone or noted: what was copied may not be so any more.
                Some(_) if index.commits != commits => return Ok(Rewritten::GaveWay),
                Some(_) => {}
            }
            let Some(writing) = &mut fresh else { continue };
            let last_round = space <= self.store.settings.pays.tail;
            // Released while much is copied.
            let held = last_round.then_some(appending);
            for (entry, is_dead) in next {
                if self.is_wanted()? {
                    debug!(maildrop = %self.drop, "rewriting gives way to a login");
                    return Ok(Rewritten::GaveWay);
                }
                copied = entry.uid;
                match (
                    writing.copy(&**self.file, &salt, &entry, risen.get(&entry.uid).copied())?,
                    is_dead,
                ) {
                    (Copied::Whole, true) => buried.push(entry.uid),
                    (Copied::Whole, false) => {}
                    // Its space was given back already, or nobody could bring it back anyway.
                    (Copied::Damaged, true) => {}
                    (Copied::Damaged, false) => {
                        let offset = entry.offset();
                        error!(maildrop = %self.drop, offset, uid = entry.uid, "message is damaged");
                        return Ok(Rewritten::Damaged);
                    }
                }
            }
            match (held, fresh.take_if(|_| last_round)) {
                (Some(appending), Some(fresh)) => {
                    return Ok(self.replace(appending, fresh, path, &buried)?);
                }
                // So that little is left to sync when deliveries wait for it.
                _ => fresh.iter().try_for_each(|it| it.file.sync_data())?,
            }
        }
        Ok(Rewritten::GaveWay)
    }

    /// Puts the new file into the old one's place.
    fn replace(
        &self,
        mut appending: Appending<'_, D>,
        mut fresh: Fresh<D::File>,
        new_path: &str,
        buried: &[u64],
    ) -> io::Result<Rewritten> {
        let disk = &self.store.disk;
        let index = &appending.known().index;
        let dead = index.graves.iter().map(|grave| &grave.entry);
        let dead = dead.filter(|it| buried.binary_search(&it.uid).is_ok());
        let hidden = index.alive().chain(dead).filter(|it| it.is_hidden());
        let mut hidden: Vec<_> = hidden.map(|it| it.uid).collect();
        if !hidden.is_empty() {
            hidden.sort_unstable();
            // Before anything is dead: what comes back is as it was when it was deleted.
            fresh.hide(&hidden)?;
        }
        for (at_us, graves) in index.graves_after(self.cut_us) {
            let mut uids: Vec<_> = graves.iter().map(|grave| grave.entry.uid).collect();
            uids.retain(|uid| buried.binary_search(uid).is_ok());
            uids.sort_unstable();
            if !uids.is_empty() {
                fresh.delete(&uids, at_us)?;
            }
        }
        fresh.gone(index.taken())?;
        fresh.raise(index.next_uid)?;
        let before = self.file.stat()?.disk_octets;
        let (file, mut known) = fresh.finish()?;
        let after = file.stat()?.disk_octets;
        let path = Store::<D>::path_of(self.drop);
        disk.rename(new_path, &path)?;
        // From here on the name may or may not last. Who comes next makes sure before anything
        // is promised: what is not known as anchored is synced again.
        appending.slot.known = None;
        disk.sync_dir(&Store::<D>::dir_of(self.drop))?;
        known.anchored = true;
        appending.slot.floor = Some((known.identity, known.durable));
        appending.slot.known = Some(known);
        // Its time is over; a stale one would only be ignored.
        let _ = disk.unlink(&sidecar::path_of::<D>(self.drop));
        // The locks of the new file go only now, those of the old one with `appending`.
        drop(file);
        Ok(Rewritten::Done { before, after })
    }

    /// Whether a login waits, in this process or in another, or the process ends.
    fn is_wanted(&self) -> io::Result<bool> {
        if self.shared.is_wanted() || self.store.ending.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let free = self.file.try_lock(Lock::Waiting)?;
        if free {
            self.file.unlock(Lock::Waiting);
        }
        Ok(!free)
    }
}
