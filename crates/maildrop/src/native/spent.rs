//! Unique-ids that are used up: a message has them, or had them once.

use std::collections::HashSet;
use std::io;

use pop3::UniqueId;

use super::Store;
use super::append::Purpose;
use super::media::Disk;
use crate::id::MaildropId;

impl<D: Disk> Store<D> {
    /// Those of these unique-ids that a message has or had, however long ago; no other one gets them.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn spent(
        &self,
        drop: MaildropId,
        unique_ids: &[UniqueId],
    ) -> io::Result<HashSet<UniqueId>> {
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Read)? else {
            return Ok(HashSet::new());
        };
        let index = &appending.known().index;
        let spent = unique_ids.iter().filter(|id| index.is_taken(id));
        Ok(spent.cloned().collect())
    }
}
