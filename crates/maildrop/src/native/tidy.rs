//! What can wait until the client has its reply: giving space back, writing the sidecar.
//!
//! A maildrop without messages gets a fresh file that says just that. The old file and the new
//! one have the same meaning, so a crash may leave either; both locks of both files are held
//! until the new name is durable, so nobody is told that a message is safe in a file that a
//! power cut takes away.

use std::io;
use std::sync::Arc;

use super::append::Purpose;
use super::header::{HEADER_LEN, Header};
use super::index::Index;
use super::media::{Disk, File, Lock};
use super::table::{Known, Shared};
use super::{Store, random};
use crate::error::{OpenError, StoreError};
use crate::id::MaildropId;

/// Frees the session lock of this process.
struct Tidying<'s>(&'s Shared);

impl Drop for Tidying<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl<D: Disk> Store<D> {
    /// Does what is due for a maildrop: replaces an emptied file, writes the sidecar of a large
    /// one. To be called after a session's reply to QUIT; gives way if anybody uses the maildrop.
    ///
    /// # Errors
    ///
    /// What the disk says; the maildrop is as it was then.
    pub fn tidy(&self, drop: MaildropId) -> io::Result<()> {
        let shared = self.table.entry(drop);
        if !shared.hold_to_tidy() {
            return Ok(());
        }
        let _tidying = Tidying(&shared);
        let file = match self.lock_session(drop) {
            Ok(Some(file)) => file,
            Ok(None) | Err(OpenError::InUse) => return Ok(()),
            Err(OpenError::Unavailable(error)) => return Err(error),
            Err(OpenError::Damaged(what)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        };
        let result = self.tidy_held(drop, &shared, &file);
        file.unlock(Lock::Session);
        result
    }

    fn tidy_held(&self, drop: MaildropId, shared: &Shared, file: &Arc<D::File>) -> io::Result<()> {
        let mut appending = match self.append_to(drop, shared, Some(file), Purpose::Write) {
            Err(StoreError::Missing) => return Ok(()),
            other => other?,
        };
        let known = appending.known();
        let emptied = known.index.live == 0
            && known.index.gaps.is_empty()
            && known.index.end > HEADER_LEN as u64;
        if !emptied {
            appending.write_sidecar(0);
            return Ok(());
        }
        let header = Header {
            file_seq: known.header.file_seq.saturating_add(1),
            next_uid: known.index.next_uid,
            salt: random()?,
            ..known.header.clone()
        };
        let path = Self::path_of(drop);
        let fresh_path = format!("{path}.new");
        match self.disk.unlink(&fresh_path) {
            // Left over from a crash.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let fresh = self.disk.create(&fresh_path)?;
        let known = self.fill(&fresh, header).and_then(|known| {
            self.disk.rename(&fresh_path, &path)?;
            Ok(known)
        });
        let known = match known {
            Ok(known) => known,
            Err(error) => {
                // Under the locks nobody else has a file of that name.
                let _ = self.disk.unlink(&fresh_path);
                return Err(error);
            }
        };
        // From here on the name may or may not last. Who comes next makes sure before anything
        // is promised: what is not known as anchored is synced again.
        appending.slot.known = None;
        self.disk.sync_dir(&Self::dir_of(drop))?;
        appending.slot.floor = Some((known.identity, known.durable));
        appending.slot.known = Some(known);
        // Its time is over; a stale one would only be ignored.
        let _ = self.disk.unlink(&format!("{}x", &path[..path.len() - 1]));
        // The locks of the new file go only now, those of the old one with `appending`.
        std::mem::drop(fresh);
        Ok(())
    }

    /// Writes a file that has nothing but its header, and takes its locks.
    fn fill(&self, file: &D::File, header: Header) -> io::Result<Known> {
        if !(file.try_lock(Lock::Session)? && file.try_lock(Lock::Append)?) {
            return Err(io::Error::other("a new file is locked"));
        }
        file.write_at(&[&header.encode()], 0)?;
        file.sync_all()?;
        Ok(Known {
            id: file.stat()?.id,
            identity: header.identity(),
            index: Index::new(header.next_uid, HEADER_LEN as u64),
            durable: HEADER_LEN as u64,
            anchored: true,
            sidecar: 0,
            sidecar_commits: 0,
            header,
        })
    }
}
