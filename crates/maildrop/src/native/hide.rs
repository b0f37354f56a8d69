//! Hiding messages from sessions, and showing them again: one record, like a deletion.

use std::io;

use pop3::{Octets, UniqueId};

use super::Store;
use super::append::{Appending, Purpose};
use super::commit::ranges;
use super::index::{Entry, FLAG_HIDDEN};
use super::media::Disk;
use super::now_us;
use super::record::{Kind, Record, encode_flags};
use crate::id::MaildropId;

/// A message that sessions do not see.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HiddenMessage {
    /// Its uid.
    pub uid: u64,
    /// Its unique-id.
    pub unique_id: UniqueId,
    /// Its size as LIST showed it.
    pub octets: Octets,
}

impl<D: Disk> Appending<'_, D> {
    /// Hides messages durably, all or nothing. `uids` ascend; what is not there is none too many.
    pub(crate) fn hide(&mut self, uids: &[u64]) -> io::Result<()> {
        self.flag(FLAG_HIDDEN, 0, uids)
    }

    fn flag(&mut self, set: u8, clear: u8, uids: &[u64]) -> io::Result<()> {
        let index = &self.known().index;
        let ranges = ranges(uids.iter().copied(), index.alive().map(|entry| entry.uid));
        let number = index.commits.saturating_add(1);
        let body = encode_flags(set, clear, &ranges);
        let record = Record::other(Kind::Flags, number, now_us(), &body);
        self.append(record, Vec::new(), &[&body])
    }
}

impl<D: Disk> Store<D> {
    /// The messages that are hidden, ascending by uid.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn hidden(&self, drop: MaildropId) -> io::Result<Vec<HiddenMessage>> {
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Read)? else {
            return Ok(Vec::new());
        };
        let known = appending.known();
        let generation = known.header.generation;
        let hidden = known.index.alive().filter(|entry| entry.is_hidden());
        Ok(hidden
            .map(|entry| HiddenMessage {
                uid: entry.uid,
                unique_id: known.index.unique_id(entry, generation),
                octets: Octets(entry.octets.into()),
            })
            .collect())
    }

    /// Shows hidden messages to sessions again, durably, all or nothing. Returns the uids that are
    /// shown now and were not.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing is shown then.
    pub fn unhide(&self, drop: MaildropId, uids: &[u64]) -> io::Result<Vec<u64>> {
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Write)? else {
            return Ok(Vec::new());
        };
        let is_wanted = |entry: &&Entry| entry.is_hidden() && uids.contains(&entry.uid);
        let hidden = appending.known().index.alive().filter(is_wanted);
        let shown: Vec<_> = hidden.map(|entry| entry.uid).collect();
        if !shown.is_empty() {
            appending.flag(0, FLAG_HIDDEN, &shown)?;
        }
        Ok(shown)
    }
}
