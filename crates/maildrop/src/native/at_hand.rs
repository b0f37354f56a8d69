//! Opening a maildrop without waiting for anything: what a client that polls does all day.
//!
//! If this process knows the file, nobody has changed it since, and no lock is taken, then opening it
//! is a few system calls that the kernel answers from memory. They may be made by a thread that must
//! not wait, which spares the session two changes of threads. Whatever is otherwise is left to
//! [`Store::open_view`]: nothing is decided here that is not decided there in the same way.

use std::io;
use std::sync::Arc;

use super::Store;
use super::header::IDENTITY_LEN;
use super::media::{Disk, File, Lock, Stat};
use super::session::{Held, SIDECAR_RECORDS_MIN, Session};
use super::table::Known;
use crate::error::OpenError;
use crate::id::MaildropId;
use crate::view::View;

/// Most messages whose entries are copied by a thread that others wait for: some 100 µs.
const MESSAGES_MAX: u64 = 2000;

impl<D: Disk> Store<D> {
    /// Opens as [`Store::open_view`] does, if that needs no waiting; none: it may.
    pub fn open_at_hand(
        self: &Arc<Self>,
        id: MaildropId,
        view: &View,
    ) -> Option<Result<Session<D>, OpenError>> {
        // The index does not know when a message came.
        if view.since_us.is_some() {
            return None;
        }
        let shared = self.table.entry_at_hand(id)?;
        if !shared.hold_at_once()? {
            return Some(Err(OpenError::InUse));
        }
        let mut held = Held::new(self, id, shared);
        let path = Self::path_of(id);
        let file = match self.disk.open_cached(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Some(Ok(Session::empty()));
            }
            other => Arc::new(other.ok()??),
        };
        if !file.try_lock(Lock::Session).ok()? {
            return None;
        }
        held.file = Some(Arc::clone(&file));
        let shared = Arc::clone(&held.shared);
        let slot = shared.slot_at_once()?;
        let known = slot.known.as_ref().filter(|_| slot.poison.is_none())?;
        if !known.is_of(&*file) || !self.disk.is_named(&path, known.id).ok()? {
            return None;
        }
        // Without the append lock: another process that has it has not changed anything yet, and what
        // it will do comes after this. So this is the last call.
        if !known.is_all(file.stat().ok()?) {
            return None;
        }
        drop(file);
        Some(Ok(known.session(held, known.index.seen(view))))
    }
}

impl Known {
    /// Whether there is nothing about the file that catching up would find or do.
    fn is_all(&self, stat: Stat) -> bool {
        let Self { index, .. } = self;
        self.anchored
            && index.live <= MESSAGES_MAX
            && self.id == stat.id
            && index.end == stat.len
            && self.durable >= index.end
            && self.changed_ns == Some(stat.changed_ns)
            && !self.wants_sidecar(SIDECAR_RECORDS_MIN)
    }

    /// Whether it is the same file; the inode's number may have been given to a new one.
    fn is_of(&self, file: &impl File) -> bool {
        let mut start = [0; IDENTITY_LEN];
        matches!(file.read_cached(&mut start, 0), Ok(Some(IDENTITY_LEN))) && start == self.identity
    }
}
