//! Bringing back what was deleted, as long as the file holds it.

use std::collections::BTreeSet;
use std::io;

use pop3::{Octets, UniqueId};

use super::Store;
use super::append::Purpose;
use super::media::{Disk, File};
use super::record::{At, look};
use super::space::grace_cut;
use crate::id::MaildropId;

/// A deleted message that the file still holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Deleted {
    /// Its uid.
    pub uid: u64,
    /// Its unique-id.
    pub unique_id: UniqueId,
    /// Its size as LIST showed it.
    pub octets: Octets,
    /// When it was deleted, µs since 1970.
    pub deleted_us: i64,
    /// Whether the grace period keeps it; else its space may be given back at any time.
    pub is_kept: bool,
    /// Whether it was hidden before, and would be again.
    pub is_hidden: bool,
}

impl<D: Disk> Store<D> {
    /// What could be brought back, ascending by uid.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn deleted(&self, drop: MaildropId) -> io::Result<Vec<Deleted>> {
        let cut_us = grace_cut(&self.settings);
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Read)? else {
            return Ok(Vec::new());
        };
        let known = appending.known();
        let generation = known.header.generation;
        let mut deleted: Vec<_> = known
            .index
            .graves
            .iter()
            .map(|grave| Deleted {
                uid: grave.entry.uid,
                unique_id: known.index.unique_id(&grave.entry, generation),
                octets: Octets(grave.entry.octets.into()),
                deleted_us: grave.deleted_us,
                is_kept: grave.deleted_us > cut_us,
                is_hidden: grave.entry.is_hidden(),
            })
            .collect();
        deleted.sort_unstable_by_key(|it| it.uid);
        Ok(deleted)
    }

    /// Brings deleted messages back under the unique-ids that they had, durably, all or nothing.
    /// Those that are not whole any more stay dead. Returns the uids that came back.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing has come back then.
    pub fn undelete(&self, drop: MaildropId, uids: &[u64]) -> io::Result<Vec<u64>> {
        let wanted: BTreeSet<_> = uids.iter().copied().collect();
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Write)? else {
            return Ok(Vec::new());
        };
        let len = appending.file.stat()?.len;
        let mut back = Vec::new();
        let known = appending.known();
        let salt = known.header.salt;
        let mut graves: Vec<_> = known.index.graves.iter().map(|it| it.entry).collect();
        graves.retain(|entry| wanted.contains(&entry.uid));
        for entry in graves {
            // A hole may be where its text was.
            if let At::Record(found) = look(&*appending.file, &salt, entry.offset(), len)?
                && found.record.uid == entry.uid
                && found.body_holds(&*appending.file)?
            {
                back.push(entry.uid);
            }
        }
        back.sort_unstable();
        if !back.is_empty() {
            appending.undelete(&back)?;
        }
        Ok(back)
    }
}
