//! Catching up with a file under its append lock.
//!
//! What others appended is read, a torn tail is cut, and what is not known to be durable is made
//! so before it is shown or built upon. The rules of recovery are in `recover.rs`.

use std::io;
use std::sync::Arc;

use tracing::{error, warn};

use super::append::{Appending, Purpose};
use super::bytes::{align, tlv};
use super::header::{HEADER_LEN, Header};
use super::index::{Index, foreign_name, hash};
use super::media::{Disk, File, Stat};
use super::record::{At, BLOCK, Kind, RECORD_LEN, Record, encode_gone, ext, look};
use super::recover::{End, read_on};
use super::table::Known;
use super::{Store, now_us, sidecar};
use crate::error::StoreError;

/// Octets at the start of a torn tail that are blanked before a NOTE is written there: all that
/// the NOTE touches.
const BLANK: usize = 1024;
/// Names that a NOTE has room for there. One record was in flight, so there is one at most.
const NAMES_MAX: usize = 100;

impl<D: Disk> Appending<'_, D> {
    /// Reads what is not known of the file, and makes it durable.
    pub(crate) fn catch_up(&mut self, stat: Stat, purpose: Purpose) -> Result<(), StoreError> {
        let refused = self.refused_from(stat)?;
        let mut start = vec![0; HEADER_LEN];
        let known = self
            .slot
            .known
            .as_ref()
            .filter(|known| known.id == stat.id && known.index.end <= stat.len);
        // Somebody may have appended, after the last record that is known here; or cut that one as
        // torn, having read it from a disk that spoilt it, and appended to just this length. What
        // nobody changed is still known, even if the disk spoils it.
        let known = match known {
            Some(known)
                if known.index.end < stat.len || known.changed_ns != Some(stat.changed_ns) =>
            {
                known
                    .index
                    .ends_in(&*self.file, &known.header.salt, stat.len)?
                    .then_some(known)
            }
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
            let before = self.slot.known.take();
            self.load(header, stat.len)?;
            self.read_rest(stat.len, refused, purpose)?;
            self.make_durable(stat)?;
            if let (Some(before), Some(now)) = (before, &self.slot.known) {
                self.tell_changes(&before, now);
            }
            return Ok(());
        }
        self.read_rest(stat.len, refused, purpose)?;
        self.make_durable(stat)
    }

    /// Starts from the sidecar, or from nothing.
    fn load(&mut self, header: Header, len: u64) -> io::Result<()> {
        let identity = header.identity();
        let id = self.file.stat()?.id;
        let mut durable = match self.slot.floor {
            Some((floor, durable)) if floor == identity => durable,
            // Not even an empty file: somebody may have died before he could make a cut last.
            _ => 0,
        };
        let mut index = Index::new(header.next_uid, HEADER_LEN as u64);
        let (mut covered, mut commits, mut changed_ns) = (0, 0, None);
        if let Some((found, as_changed_ns)) =
            sidecar::load(&*self.store.disk, self.drop, &header, id, len)
        {
            durable = durable.max(found.end);
            index.next_uid = index.next_uid.max(found.next_uid);
            // A file that is shorter than its sidecar, or another since, has lost something: read
            // all of it.
            let whole = found.end <= len && found.ends_in(&*self.file, &header.salt, len)?;
            if whole {
                (covered, commits, changed_ns) = (found.end, found.commits, Some(as_changed_ns));
                index = found;
            }
        }
        self.slot.known = Some(Known {
            id,
            header,
            identity,
            index,
            durable,
            changed_ns,
            anchored: false,
            sidecar: covered,
            sidecar_commits: commits,
        });
        Ok(())
    }

    /// Reads what lies beyond the index, and cuts what is torn.
    fn read_rest(
        &mut self,
        len: u64,
        refused: Option<u64>,
        purpose: Purpose,
    ) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let known = self.known();
        let to = refused.unwrap_or(len);
        let end = read_on(&*file, &known.header, &mut known.index, to, known.durable)?;
        let end = match refused {
            Some(at) if end == End::Whole => End::Torn(at),
            _ => end,
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

    /// Makes durable what another process may have left unsynced, and the file's name (rules R1
    /// and R2: nothing is shown before).
    fn make_durable(&mut self, stat: Stat) -> Result<(), StoreError> {
        let file = Arc::clone(&self.file);
        let known = self.known();
        // Changed by another process, although nothing shows: it may have cut a refused record and
        // died before the cut was durable.
        let touched = known.changed_ns != Some(stat.changed_ns);
        let result = match known.durable < known.index.end || touched {
            true => file.sync_data(),
            false => Ok(()),
        };
        if let Err(error) = result {
            // R5: pages may count as clean now although the disk has not got them: forget
            // what we know, and read from the disk next time.
            let from = known.durable;
            self.slot.known = None;
            file.forget_cache(from);
            return Err(error.into());
        }
        known.durable = known.durable.max(known.index.end);
        if touched {
            // Looked at when the lock is given back.
            known.changed_ns = None;
        }
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
        let names = self.names_in(at, len)?;
        // So that a crash while the NOTE is written leaves zeros beside its sectors, as it would at
        // the end of the file, and not octets of the tail.
        let blank = [0; BLANK];
        let over = usize::try_from(len - at).unwrap_or(BLANK).min(BLANK);
        self.file.write_at(&[&blank[..over]], at)?;
        let mut tlvs = Vec::new();
        tlv(ext::NEXT_UID, &next_uid.to_le_bytes(), &mut tlvs);
        if !names.is_empty() {
            tlv(ext::GONE, &encode_gone(names.into_iter()), &mut tlvs);
        }
        let record = Record::other(Kind::Note, number, now_us(), &[]);
        let (head, note) = self.encode(record, tlvs);
        let cut = self.file.sync_data().and_then(|()| {
            self.file.write_at(&[&head], note.offset)?;
            self.file.sync_data()?;
            match len > note.end {
                true => {
                    self.file.truncate(note.end)?;
                    self.file.sync_all()
                }
                false => Ok(()),
            }
        });
        if let Err(error) = cut {
            // R5: what the cache shows of this range proves nothing any more.
            self.slot.known = None;
            self.file.forget_cache(at / BLOCK as u64 * BLOCK as u64);
            return Err(error);
        }
        warn!(maildrop = %self.drop, offset = at, octets = len - at, "torn tail cut, copy kept");
        self.slot.poison = None;
        self.take_in(&note, &[]);
        Ok(())
    }

    /// What the unique-ids from elsewhere in a tail hash to: another process may have shown a record
    /// that was refused here, so its name is used up like its uid.
    fn names_in(&mut self, at: u64, len: u64) -> io::Result<Vec<u64>> {
        let Header {
            salt, generation, ..
        } = self.known().header;
        let (mut names, mut at) = (Vec::new(), align(at));
        while names.len() < NAMES_MAX
            && let At::Record(found) = look(&*self.file, &salt, at, len)?
        {
            if found.record.kind == Kind::Message {
                names.extend(foreign_name(&found, generation).map(|name| hash(&name)));
            }
            at = align(found.end);
        }
        Ok(names)
    }

    /// A client that knows a message under another unique-id retrieves it once more: the operator
    /// who put another file into place should hear of it.
    fn tell_changes(&self, before: &Known, now: &Known) {
        let same_form = before.header.generation == now.header.generation;
        if same_form && before.index.names.is_empty() && now.index.names.is_empty() {
            return;
        }
        let mut earlier = before.index.alive().peekable();
        let changed = now
            .index
            .alive()
            .filter(|entry| {
                while earlier.next_if(|it| it.uid < entry.uid).is_some() {}
                earlier.next_if(|it| it.uid == entry.uid).is_some_and(|it| {
                    before.index.unique_id(it, before.header.generation)
                        != now.index.unique_id(entry, now.header.generation)
                })
            })
            .count();
        if changed > 0 {
            warn!(
                maildrop = %self.drop, messages = changed,
                "unique-ids of messages that stayed have changed; clients will retrieve them again"
            );
        }
    }
}
