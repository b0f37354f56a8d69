//! Room that is set aside for the day when the disk is full.
//!
//! Deleting appends a record, so without room nobody could delete, and the disk would stay full.
//! `reserve.bin` is allocated in good times; a deletion that meets a full disk (ENOSPC, or EDQUOT
//! where the user's share is used up) gives a piece of it back to the disk and tries again.
//! Deliveries may not: they are refused, and wait at their sender.

use std::io;

use tracing::{error, info, warn};

use super::Store;
use super::media::{Disk, File};
use crate::error::StoreError;

/// Its name in the data directory.
pub(crate) const RESERVE: &str = "reserve.bin";
/// So much of it is given back at a time.
const PIECE: u64 = 1 << 20;

impl<D: Disk> Store<D> {
    /// Does what must not fail for lack of room: at each failure it gives back a piece of the
    /// reserve and does it again, as long as there is any.
    pub(crate) fn with_reserve<T>(
        &self,
        mut work: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            match work() {
                Err(StoreError::Io(full)) if crate::error::is_full(&full) => {
                    match self
                        .spend_reserve("deleting mail, or giving back the space of what is deleted")
                    {
                        Ok(true) => {}
                        Ok(false) => return Err(StoreError::Io(full)),
                        Err(error) => {
                            error!(%error, "disk is full and the reserve cannot be used");
                            return Err(StoreError::Io(full));
                        }
                    }
                }
                other => return other,
            }
        }
    }

    /// Gives a piece of the reserve back to the disk; false if there is none left. The log says what
    /// it was for.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn spend_reserve(&self, purpose: &str) -> io::Result<bool> {
        let file = match self.disk.open(RESERVE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        let len = file.stat()?.len;
        if len == 0 {
            return Ok(false);
        }
        let left = len.saturating_sub(PIECE);
        file.truncate(left)?;
        // A file system gives room back only when what frees it is durable.
        file.sync_all()?;
        warn!(
            purpose,
            octets_left = left,
            "disk is full; a piece of the reserve was given up"
        );
        Ok(true)
    }

    /// Fills the reserve up again, as far as half of the free room allows. Cheap when it is full.
    ///
    /// # Errors
    ///
    /// What the disk says; what could be set aside is.
    pub fn refill_reserve(&self) -> io::Result<()> {
        let want = self.settings.reserve_octets;
        let file = match self.disk.open(RESERVE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && want == 0 => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.disk.create(RESERVE)?;
                self.disk.sync_dir("")?;
                file
            }
            other => other?,
        };
        let len = file.stat()?.len;
        if len > want {
            file.truncate(want)?;
            return file.sync_all();
        }
        let room = self.disk.free_octets()? / 2;
        let target = want.min(len + room / PIECE * PIECE);
        if target > len {
            file.allocate(target)
                // What was allocated of it half is no use to anybody else.
                .inspect_err(|_| drop(file.truncate(len)))?;
            file.sync_all()?;
            info!(octets = target, "reserve for a full disk is set aside");
        }
        Ok(())
    }
}
