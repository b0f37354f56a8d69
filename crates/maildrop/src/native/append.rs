//! The append lock, and how one record is appended under it.
//!
//! Whoever gets the lock first makes sure that the file is still the one of that name (a
//! replacement may have happened while it waited), then catches up (`catch_up.rs`). Only then are
//! uid and offset computed: one record is in flight.
//!
//! Rule R2: a record is one gathered write and one sync, and nobody hears yes before both. Rule
//! R6: what was refused is taken off the file again (`refusal.rs`), whichever call failed.

use std::io;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tracing::error;

use super::Store;
use super::bytes::align;
use super::media::{Disk, File, Lock};
use super::record::{Found, Kind, RECORD_LEN, Record};
use super::table::{Known, Shared, Slot};
use crate::error::StoreError;
use crate::id::MaildropId;

/// How long to wait for another process that appends.
const APPEND_WAIT: Duration = Duration::from_secs(10);
/// How often to start again because the file was replaced meanwhile.
const REPLACED_MAX: usize = 16;

/// What the caller will do under the lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Look only: a full disk is no obstacle.
    Read,
    /// Append: a torn tail must be off first.
    Write,
}

/// The append lock of one maildrop, with its file and what is known of it.
pub(crate) struct Appending<'s, D: Disk> {
    pub(crate) store: &'s Store<D>,
    pub(crate) drop: MaildropId,
    pub(crate) shared: &'s Shared,
    pub(crate) slot: MutexGuard<'s, Slot>,
    pub(crate) file: Arc<D::File>,
}

impl<D: Disk> Drop for Appending<'_, D> {
    fn drop(&mut self) {
        if let Some(known) = &mut self.slot.known {
            if known.changed_ns.is_none() {
                // While the lock is still held: what is different later was done by another process.
                known.changed_ns = self.file.stat().ok().map(|stat| stat.changed_ns);
            }
            let cost = known.index.cost();
            self.store.table.settle(self.shared, cost);
        }
        self.file.unlock(Lock::Append);
    }
}

/// Takes a lock between processes, with patience; in one process the mutex has done the waiting.
pub(crate) fn lock_append(file: &impl File) -> io::Result<()> {
    match file.wait_lock(Lock::Append, APPEND_WAIT)? {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "another process has held the append lock for too long",
        )),
    }
}

impl<D: Disk> Store<D> {
    /// Takes the append lock and catches up. A session gives the file that it holds.
    pub(crate) fn append_to<'s>(
        &'s self,
        drop: MaildropId,
        shared: &'s Shared,
        held: Option<&Arc<D::File>>,
        purpose: Purpose,
    ) -> Result<Appending<'s, D>, StoreError> {
        let path = Self::path_of(drop);
        let slot = shared.slot();
        let mut file = None;
        for _ in 0..REPLACED_MAX {
            let candidate = match held {
                Some(held) => Arc::clone(held),
                None => Arc::new(self.disk.open(&path).map_err(missing)?),
            };
            lock_append(&*candidate)?;
            let stat = candidate.stat()?;
            if self.disk.is_named(&path, stat.id).unwrap_or(false) {
                file = Some((candidate, stat));
                break;
            }
            candidate.unlock(Lock::Append);
            if held.is_some() {
                // The session lock forbids replacing; somebody worked on the directory by hand.
                return Err(io::Error::other("the maildrop's file was exchanged").into());
            }
        }
        let Some((file, stat)) = file else {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy).into());
        };
        let mut appending = Appending {
            store: self,
            drop,
            shared,
            slot,
            file,
        };
        appending.catch_up(stat, purpose)?;
        Ok(appending)
    }

    /// The same for whoever holds no file; none if the maildrop has none.
    pub(crate) fn append_if_there<'s>(
        &'s self,
        drop: MaildropId,
        shared: &'s Shared,
        purpose: Purpose,
    ) -> Result<Option<Appending<'s, D>>, StoreError> {
        match self.append_to(drop, shared, None, purpose) {
            Err(StoreError::Missing) => Ok(None),
            other => other.map(Some),
        }
    }
}

fn missing(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing,
        _ => StoreError::Io(error),
    }
}

impl<D: Disk> Appending<'_, D> {
    /// What is known; there is always something after `catch_up`.
    pub(crate) fn known(&mut self) -> &mut Known {
        self.slot
            .known
            .as_mut()
            .expect("the lock is handed out only after catching up")
    }

    /// Appends one record whose body is at hand, durably, and takes it into the index.
    pub(crate) fn append(
        &mut self,
        record: Record,
        ext: Vec<u8>,
        body: &[&[u8]],
    ) -> io::Result<()> {
        let (head, found) = self.encode(record, ext);
        let parts: Vec<&[u8]> = std::iter::once(&head[..])
            .chain(body.iter().copied())
            .collect();
        let written = self.file.write_at(&parts, found.offset);
        self.finish(written, found, body)
    }

    /// Appends one record whose body `pieces` hands out; header last, so that nothing looks like
    /// a record before all of it was written.
    pub(crate) fn append_pieces(
        &mut self,
        record: Record,
        ext: Vec<u8>,
        mut pieces: impl FnMut(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<()> {
        let (head, found) = self.encode(record, ext);
        let file = Arc::clone(&self.file);
        let mut at = found.body();
        let written = pieces(&mut |piece| {
            file.write_at(&[piece], at)?;
            at += piece.len() as u64;
            Ok(())
        })
        .and_then(|()| match at == found.end {
            true => file.write_at(&[&head], found.offset),
            false => Err(io::Error::other("a draft changed while it was delivered")),
        });
        self.finish(written, found, &[])
    }

    /// The record at the end of the file, as it will lie there.
    pub(crate) fn encode(&mut self, record: Record, ext: Vec<u8>) -> (Vec<u8>, Found) {
        let known = self.known();
        place(
            record,
            ext,
            &known.header.salt,
            known.index.last,
            known.index.end,
        )
    }

    fn finish(&mut self, written: io::Result<()>, found: Found, body: &[&[u8]]) -> io::Result<()> {
        let result = match written {
            Ok(()) => self.file.sync_data().map_err(|error| {
                error!(maildrop = %self.drop, %error, "fdatasync failed; record is taken back");
                (error, true)
            }),
            Err(error) => Err((error, false)),
        };
        if let Err((error, poisoned)) = result {
            self.take_back(found.offset, poisoned);
            return Err(error);
        }
        self.take_in(&found, body);
        Ok(())
    }

    /// Takes a durable record of our own making into the index.
    pub(crate) fn take_in(&mut self, found: &Found, body: &[&[u8]]) {
        let known = self.known();
        let generation = known.header.generation;
        // The index reads the octets of commits only.
        let body = match found.record.kind {
            Kind::Message => Vec::new(),
            _ => body.concat(),
        };
        known.index.apply(found, &body, generation);
        known.durable = known.index.end;
        known.changed_ns = None;
        self.slot.floor = Some((self.known().identity, found.end));
    }
}

/// A record behind the last one of a file, encoded for that place.
pub(crate) fn place(
    mut record: Record,
    ext: Vec<u8>,
    salt: &[u8; 16],
    last: u64,
    end: u64,
) -> (Vec<u8>, Found) {
    let offset = align(end);
    record.ext_len = u16::try_from(ext.len()).expect("the writer keeps TLVs below 64 KiB");
    record.prev_delta = match last {
        0 => 0,
        last => u32::try_from((offset - last) / 8).unwrap_or(0),
    };
    let head = record.encode(salt, offset, &ext);
    let end = offset + (RECORD_LEN + ext.len()) as u64 + record.stored_len;
    let found = Found {
        offset,
        record,
        ext,
        end,
    };
    (head, found)
}
