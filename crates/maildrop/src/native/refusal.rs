//! Taking back what was refused.
//!
//! Rule R5: after a failed sync the page cache proves nothing (Linux marks the pages clean), so
//! what was known is forgotten, the cache dropped, the record cut off, and everything read from
//! the disk again; the same pages are never synced a second time. Rule R6: a short write, ENOSPC
//! or EDQUOT, at the write or at the sync, are ordinary refusals that leave no trace.

use std::io;

use tracing::error;

use super::append::Appending;
use super::header::IDENTITY_LEN;
use super::media::{Disk, File, Stat};
use super::record::{BLOCK, RECORD_LEN};
use super::table::Poison;

/// Octets from the place of a cut on that tell one record from another: padding, and a header.
const POISON_LEN: usize = 8 + RECORD_LEN;

impl<D: Disk> Appending<'_, D> {
    /// Takes a record off the file that was refused to its sender.
    pub(crate) fn take_back(&mut self, offset: u64, poisoned: bool) {
        let known = self.known();
        let (id, identity, cut) = (known.id, known.identity, known.index.end);
        known.changed_ns = None;
        if poisoned {
            // R5: what the cache shows of this range proves nothing any more.
            self.slot.known = None;
            self.file.forget_cache(offset / BLOCK as u64 * BLOCK as u64);
        }
        // The cut is new work, not the pages that failed: it may be synced. It must be, or a crash
        // could mix what is left of this record with the next one.
        let result = self.file.truncate(cut).and_then(|()| self.file.sync_all());
        if let Err(error) = result {
            error!(maildrop = %self.drop, offset, %error, "a refused record could not be cut yet");
            let len = self.file.stat().map_or(u64::MAX, |stat| stat.len);
            let mut start = [0; POISON_LEN];
            // If it cannot be read, nobody can say later that it is still there: then whatever the
            // disk has is read.
            let got = self.file.read_at(&mut start, cut).unwrap_or(0);
            let start = start[..got].to_vec();
            self.slot.known = None;
            self.slot.poison = Some(Poison {
                id,
                identity,
                len,
                cut,
                start,
            });
        }
    }

    /// Where the file ends as far as anybody was told yes, if a refused record is still on it. It
    /// is then taken for a torn tail: another process may have shown it, so its uid is used up.
    pub(crate) fn refused_from(&mut self, stat: Stat) -> io::Result<Option<u64>> {
        let Some(poison) = self.slot.poison.clone() else {
            return Ok(None);
        };
        let mut identity = [0; IDENTITY_LEN];
        // The inode's number may have been given to a new file.
        let same = stat.id == poison.id
            && self.file.read_at(&mut identity, 0)? == IDENTITY_LEN
            && identity == poison.identity;
        // If another process went on from there, the record is part of the file for good. Or it was
        // cut as torn, and what that one wrote instead may have the same length.
        if same && stat.len == poison.len && stat.len > poison.cut {
            let mut start = [0; POISON_LEN];
            let got = self.file.read_at(&mut start, poison.cut)?;
            if start[..got] == poison.start {
                return Ok(Some(poison.cut));
            }
        }
        if same && stat.len <= poison.cut {
            // It was cut, but nobody could say that the cut lasts: once more, as new work.
            self.file.truncate(stat.len)?;
            self.file.sync_all()?;
        }
        self.slot.poison = None;
        Ok(None)
    }
}
