//! The append lock, and everything that may be done only under it.
//!
//! Whoever gets the lock first makes sure that the file is still the one of that name (a
//! replacement may have happened while it waited), then reads what others appended, cuts a torn
//! tail, and makes durable what is not known to be. Only then are uid and offset computed or a
//! listing shown: nothing is shown before it is durable, and one record is in flight.

use std::io;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::Store;
use super::bytes::{align, tlv};
use super::header::{HEADER_LEN, Header, IDENTITY_LEN};
use super::index::{Index, ReadAgain};
use super::media::{Disk, File, Lock};
use super::record::{BLOCK, Found, Kind, RECORD_LEN, Record, ext};
use super::recover::{End, read_on};
use super::table::{Known, Poison, Shared, Slot};
use super::{now_us, sidecar};
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
        let cost = self.slot.known.as_ref().map_or(0, |it| it.index.cost());
        self.store.table.settle(self.shared, cost);
        self.file.unlock(Lock::Append);
    }
}

/// Takes a lock between processes, with patience; in one process the mutex has done the waiting.
pub(crate) fn lock_append(file: &impl File) -> io::Result<()> {
    let deadline = Instant::now() + APPEND_WAIT;
    let mut pause = Duration::from_micros(50);
    while !file.try_lock(Lock::Append)? {
        if Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "another process has held the append lock for too long",
            ));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    Ok(())
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
            let named = self.disk.stat(&path).map(|stat| stat.id);
            if named.as_ref().ok() == Some(&candidate.stat()?.id) {
                file = Some(candidate);
                break;
            }
            candidate.unlock(Lock::Append);
            if held.is_some() {
                // The session lock forbids replacing; somebody worked on the directory by hand.
                return Err(io::Error::other("the maildrop's file was exchanged").into());
            }
        }
        let Some(file) = file else {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy).into());
        };
        let mut appending = Appending {
            store: self,
            drop,
            shared,
            slot,
            file,
        };
        appending.catch_up(purpose)?;
        Ok(appending)
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

    fn catch_up(&mut self, purpose: Purpose) -> Result<(), StoreError> {
        self.finish_refusal()?;
        let stat = self.file.stat()?;
        let mut start = vec![0; HEADER_LEN];
        let known = self
            .slot
            .known
            .as_ref()
            .filter(|known| known.id == stat.id && known.index.end <= stat.len);
        // Somebody appended, after the last record that is known here; or cut that one as torn,
        // having read it from a disk that spoilt it.
        let known = match known {
            Some(known) if known.index.end < stat.len => known
                .index
                .ends_in(&*self.file, &known.header.salt, stat.len)?
                .then_some(known),
            other => other,
        };
        let got = match known {
            // The inode's number may have been given to a new file: the salt tells.
            Some(known) => {
                let len = known.identity.len();
                self.file.read_at(&mut start[..len], 0)?;
                match start[..len] == known.identity {
                    true => len,
                    false => 0,
                }
            }
            None => 0,
        };
        if got == 0 {
            let got = self.file.read_at(&mut start, 0)?;
            let header = Header::decode(&start[..got]).map_err(StoreError::Damaged)?;
            if header.drop != self.drop {
                let what = format!("the file belongs to maildrop {}", header.drop);
                return Err(StoreError::Damaged(what));
            }
            self.slot.known = None;
            self.load(header, stat.len, Sidecar::Use)?;
        }
        self.read_rest(stat.len, purpose)?;
        self.make_durable()
    }

    /// Starts from the sidecar, or from nothing.
    fn load(&mut self, header: Header, len: u64, use_sidecar: Sidecar) -> io::Result<()> {
        let identity = header.identity();
        let id = self.file.stat()?.id;
        let mut durable = match self.slot.floor {
            Some((floor, durable)) if floor == identity => durable,
            _ => HEADER_LEN as u64,
        };
        let mut index = Index::new(header.next_uid, HEADER_LEN as u64);
        let (mut covered, mut commits) = (0, 0);
        if let Some(found) = sidecar::load(&*self.store.disk, self.drop, &header, id, len) {
            durable = durable.max(found.end);
            index.next_uid = index.next_uid.max(found.next_uid);
            // A file that is shorter than its sidecar, or another since, has lost something: read
            // all of it.
            let whole = found.end <= len && found.ends_in(&*self.file, &header.salt, len)?;
            if whole && use_sidecar == Sidecar::Use {
                (covered, commits) = (found.end, found.commits);
                index = found;
            }
        }
        self.slot.known = Some(Known {
            id,
            header,
            identity,
            index,
            durable,
            anchored: false,
            sidecar: covered,
            sidecar_commits: commits,
        });
        Ok(())
    }

    /// Reads what lies beyond the index, and cuts what is torn.
    fn read_rest(&mut self, len: u64, purpose: Purpose) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let mut end = self.read_known(&file, len)?;
        if end.is_err() {
            let header = self.known().header.clone();
            self.load(header, len, Sidecar::Ignore)?;
            end = self.read_known(&file, len)?;
        }
        let Ok(end) = end else {
            let what = "an UNDELETE record cannot be applied";
            return Err(StoreError::Damaged(what.into()));
        };
        let drop = self.drop;
        let known = self.known();
        known.index.pack();
        for gap in known.index.gaps.iter().filter(|gap| !gap.told) {
            error!(
                maildrop = %drop, offset = gap.offset, octets = gap.len, what = gap.what,
                "maildrop is damaged; what follows is served"
            );
        }
        known.index.gaps.iter_mut().for_each(|gap| gap.told = true);
        if let End::Torn(at) = end {
            match self.cut_tail(at, len) {
                // Mail that is there can be read although nothing can be written; after a failed
                // sync it must be read from the disk first.
                Err(error) if purpose == Purpose::Read && self.slot.known.is_some() => {
                    warn!(maildrop = %drop, offset = at, %error, "torn tail not cut yet");
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn read_known(&mut self, file: &D::File, len: u64) -> io::Result<Result<End, ReadAgain>> {
        let known = self.known();
        read_on(file, &known.header, &mut known.index, len, known.durable)
    }

    /// Makes durable what another process may have left unsynced, and the file's name.
    fn make_durable(&mut self) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let known = self.known();
        let result = match known.durable < known.index.end {
            true => file.sync_data(),
            false => Ok(()),
        };
        if let Err(error) = result {
            // Pages may count as clean now although the disk has not got them (fsyncgate): forget
            // what we know, and read from the disk next time.
            let from = known.durable;
            self.slot.known = None;
            file.forget_cache(from);
            return Err(error.into());
        }
        known.durable = known.durable.max(known.index.end);
        let floor = (known.identity, known.durable);
        let anchored = known.anchored;
        self.slot.floor = Some(floor);
        if !anchored {
            // Whoever made the file or replaced it may have died before its name was durable.
            self.store.anchor_dirs(self.drop)?;
            self.store.disk.sync_dir(&Store::<D>::dir_of(self.drop))?;
            self.known().anchored = true;
        }
        Ok(())
    }

    /// Copies the torn tail aside, makes sure that its uid is never given out, and cuts it.
    ///
    /// The NOTE is written over the tail and durable before the rest of the tail goes: whatever
    /// fails between, the next opening finds a torn tail again, not a file that has forgotten it.
    fn cut_tail(&mut self, at: u64, len: u64) -> io::Result<()> {
        let known = self.known();
        let seq = known.header.file_seq;
        let number = known.index.commits.saturating_add(1);
        // One record at most was in flight; but rot of the last records looks the same, and each of
        // them had been shown. A uid costs nothing: skip as many as the tail has room for.
        let lost = (len - at).div_ceil(RECORD_LEN as u64);
        let next_uid = known.index.next_uid.saturating_add(lost);
        self.store.keep_torn(&*self.file, self.drop, seq, at, len)?;
        let mut tlvs = Vec::new();
        tlv(ext::NEXT_UID, &next_uid.to_le_bytes(), &mut tlvs);
        let record = Record::other(Kind::Note, number, now_us(), &[]);
        let (head, note) = self.encode(record, tlvs);
        self.file.write_at(&[&head], note.offset)?;
        let cut = self.file.sync_data().and_then(|()| match len > note.end {
            true => {
                self.file.truncate(note.end)?;
                self.file.sync_all()
            }
            false => Ok(()),
        });
        if let Err(error) = cut {
            // R5: what the cache shows of this range proves nothing any more.
            self.slot.known = None;
            self.file.forget_cache(at / BLOCK as u64 * BLOCK as u64);
            return Err(error);
        }
        warn!(maildrop = %self.drop, offset = at, octets = len - at, "torn tail cut, copy kept");
        self.take_in(&note, &[]);
        Ok(())
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

    fn encode(&mut self, mut record: Record, ext: Vec<u8>) -> (Vec<u8>, Found) {
        let known = self.known();
        let offset = align(known.index.end);
        record.ext_len = u16::try_from(ext.len()).expect("the writer keeps TLVs below 64 KiB");
        record.prev_delta = match known.index.last {
            0 => 0,
            last => u32::try_from((offset - last) / 8).unwrap_or(0),
        };
        let head = record.encode(&known.header.salt, offset, &ext);
        let end = offset + (RECORD_LEN + ext.len()) as u64 + record.stored_len;
        let found = Found {
            offset,
            record,
            ext,
            end,
        };
        (head, found)
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
    fn take_in(&mut self, found: &Found, body: &[&[u8]]) {
        let known = self.known();
        let generation = known.header.generation;
        // The index reads the octets of commits only.
        let body = match found.record.kind {
            Kind::Message => Vec::new(),
            _ => body.concat(),
        };
        // It always applies: we write no UNDELETE yet.
        let _ = known.index.apply(found, &body, generation);
        known.durable = known.index.end;
        self.slot.floor = Some((self.known().identity, found.end));
    }

    /// Takes a record off the file that was refused to its sender.
    fn take_back(&mut self, offset: u64, poisoned: bool) {
        let known = self.known();
        let (id, identity, cut) = (known.id, known.identity, known.index.end);
        if poisoned {
            // R5: what the cache shows of this range proves nothing any more.
            self.slot.known = None;
            self.file.forget_cache(offset / BLOCK as u64 * BLOCK as u64);
        }
        let result = self.file.truncate(cut).and_then(|()| match poisoned {
            // The cut is new work, not the pages that failed: it may be synced.
            true => self.file.sync_all(),
            false => Ok(()),
        });
        if let Err(error) = result {
            error!(maildrop = %self.drop, offset, %error, "a refused record could not be cut yet");
            let len = self.file.stat().map_or(u64::MAX, |stat| stat.len);
            self.slot.known = None;
            self.slot.poison = Some(Poison {
                id,
                identity,
                len,
                cut,
            });
        }
    }

    /// Cuts a refused record that could not be cut when it failed, before anything else happens.
    fn finish_refusal(&mut self) -> io::Result<()> {
        let Some(poison) = self.slot.poison else {
            return Ok(());
        };
        let stat = self.file.stat()?;
        let mut identity = [0; IDENTITY_LEN];
        // The inode's number may have been given to a new file.
        let same = stat.id == poison.id
            && self.file.read_at(&mut identity, 0)? == IDENTITY_LEN
            && identity == poison.identity;
        // If another process went on from there, the record is part of the file for good.
        if same && stat.len == poison.len && stat.len > poison.cut {
            self.file.truncate(poison.cut)?;
        }
        if same {
            self.file.sync_all()?;
        }
        self.slot.poison = None;
        Ok(())
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Sidecar {
    Use,
    Ignore,
}
