//! The end of a maildrop: its account was removed, and nobody is promised anything of it any more.

use std::io;

use super::media::Disk;
use super::{Store, sidecar};
use crate::error::OpenError;
use crate::id::MaildropId;

impl<D: Disk> Store<D> {
    /// Deletes a maildrop's file, whole or damaged, and every copy of it or of its parts that the
    /// store has kept aside, durably. Nothing to do is no error, so it can be done again.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if somebody uses the maildrop; nothing is deleted then. What the disk says; any
    /// part of it may be deleted then.
    pub fn erase(&self, drop: MaildropId) -> io::Result<()> {
        let path = Self::path_of(drop);
        let shared = self.table.entry(drop);
        match self.hold_to_tidy(drop, &shared)? {
            Some(tidying) => {
                // Who appends is waited for, and who waits to append finds that the file is gone.
                let whole = self.append_whatever(drop, &shared, &tidying.file);
                let mut appending = whole.map_err(|error| match error {
                    OpenError::Unavailable(error) => error,
                    other => io::Error::other(other),
                })?;
                let slot = &mut appending.slot;
                (slot.known, slot.poison, slot.floor) = (None, None, None);
                self.disk.unlink(&path)?;
            }
            None => match self.disk.stat(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => {
                    let what = "the maildrop is in use by a session";
                    return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
                }
                Err(error) => return Err(error),
            },
        }
        for left in [sidecar::path_of::<D>(drop), format!("{path}.new")] {
            unless_missing(self.disk.unlink(&left))?;
        }
        // Also when an earlier attempt has unlinked it: that may not have been durable.
        unless_missing(self.disk.sync_dir(&Self::dir_of(drop)))?;
        for kept in ["torn", "replaced"] {
            self.erase_copies(drop, kept)?;
        }
        Ok(())
    }

    fn erase_copies(&self, drop: MaildropId, kept: &str) -> io::Result<()> {
        let names = match self.disk.list(kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let own = format!("{drop}-");
        for name in names.iter().filter(|name| name.starts_with(&own)) {
            unless_missing(self.disk.unlink(&format!("{kept}/{name}")))?;
        }
        self.disk.sync_dir(kept)
    }
}

fn unless_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
