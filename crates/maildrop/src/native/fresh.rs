//! A file that is written anew, to take another one's place: nobody sees it before it is whole.

use std::io;

use super::append::place;
use super::bytes::{align, tlv, tlvs};
use super::commit::ranges;
use super::header::{HEADER_LEN, Header};
use super::index::{Entry, FLAG_HIDDEN, Index};
use super::media::{Disk, File, Lock};
use super::record::{
    At, Counters, Found, Kind, Record, encode_flags, encode_gone, encode_ranges, ext, look,
};
use super::table::Known;
use super::{Store, now_us};

/// Octets that are copied at once.
const PIECE: usize = 256 * 1024;

/// The file, with both its locks, and what its records add up to so far.
pub(crate) struct Fresh<F: File> {
    pub(crate) file: F,
    pub(crate) header: Header,
    pub(crate) index: Index,
}

/// Whether a message could be copied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Copied {
    Whole,
    /// It is not what was written; nothing was copied.
    Damaged,
}

impl<D: Disk> Store<D> {
    /// Begins a file beside the maildrop's own. To be called with the session lock held, which
    /// makes the name ours.
    pub(crate) fn begin_fresh(&self, path: &str, header: Header) -> io::Result<Fresh<D::File>> {
        Fresh::begin(&*self.disk, path, header)
    }
}

impl<F: File> Fresh<F> {
    /// Begins a file of a name that nobody else uses.
    pub(crate) fn begin(
        disk: &impl Disk<File = F>,
        path: &str,
        header: Header,
    ) -> io::Result<Self> {
        match disk.unlink(path) {
            // Left over from a crash.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = disk.create(path)?;
        // Taken before anybody can find the file, and held until its name is durable.
        if !(file.try_lock(Lock::Session)? && file.try_lock(Lock::Append)?) {
            return Err(io::Error::other("a new file is locked"));
        }
        file.write_at(&[&header.encode()], 0)?;
        Ok(Self {
            file,
            index: Index::new(header.next_uid, HEADER_LEN as u64),
            header,
        })
    }

    /// Copies a message with everything that its record says, and when it was brought back.
    pub(crate) fn copy(
        &mut self,
        from: &impl File,
        salt: &[u8; 16],
        entry: &Entry,
        risen: Option<i64>,
    ) -> io::Result<Copied> {
        let len = from.stat()?.len;
        let found = match look(from, salt, entry.offset(), len)? {
            At::Record(found)
                if found.record.kind == Kind::Message && found.record.uid == entry.uid =>
            {
                found
            }
            _ => return Ok(Copied::Damaged),
        };
        let ext = match risen {
            Some(at_us) => appended_at(&found.ext, at_us),
            None => found.ext.clone(),
        };
        self.copy_as(from, &found, found.record.uid, ext)
    }

    /// Copies a message that gets another uid, or other TLVs.
    pub(crate) fn copy_as(
        &mut self,
        from: &impl File,
        found: &Found,
        uid: u64,
        ext: Vec<u8>,
    ) -> io::Result<Copied> {
        let record = Record {
            uid,
            ..found.record
        };
        let (head, copy) = self.place(record, ext);
        let body_len = found.end - found.body();
        let mut buffer = vec![0; PIECE.min(usize::try_from(body_len).unwrap_or(PIECE))];
        let (mut done, mut crc) = (0, 0);
        while done < body_len {
            let want = usize::try_from(body_len - done)
                .unwrap_or(PIECE)
                .min(buffer.len());
            if from.read_at(&mut buffer[..want], found.body() + done)? != want {
                return Ok(Copied::Damaged);
            }
            crc = crc32c::crc32c_append(crc, &buffer[..want]);
            self.file.write_at(&[&buffer[..want]], copy.body() + done)?;
            done += want as u64;
        }
        if crc != found.record.crc {
            return Ok(Copied::Damaged);
        }
        self.file.write_at(&[&head], copy.offset)?;
        self.index.apply(&copy, &[], self.header.generation);
        Ok(Copied::Whole)
    }

    /// Deletes messages that were copied, at the time when that was done.
    pub(crate) fn delete(&mut self, uids: &[u64], at_us: i64) -> io::Result<()> {
        let alive = self.index.alive().map(|entry| entry.uid);
        let ranges = ranges(uids.iter().copied(), alive);
        let dying = |entry: &&Entry| uids.binary_search(&entry.uid).is_ok();
        let octets = self.index.alive().filter(dying);
        let octets: u64 = octets.map(|entry| u64::from(entry.octets)).sum();
        let counters = Counters {
            next_uid: self.index.next_uid,
            live: self.index.live - uids.len() as u64,
            octets: self.index.octets - octets,
        };
        self.append(Kind::Delete, at_us, &encode_ranges(counters, &ranges))
    }

    /// Hides messages that were copied.
    pub(crate) fn hide(&mut self, uids: &[u64]) -> io::Result<()> {
        let alive = self.index.alive().map(|entry| entry.uid);
        let ranges = ranges(uids.iter().copied(), alive);
        self.append(
            Kind::Flags,
            now_us(),
            &encode_flags(FLAG_HIDDEN, 0, &ranges),
        )
    }

    /// Notes unique-ids that are used up.
    pub(crate) fn gone(&mut self, hashes: impl Iterator<Item = u64>) -> io::Result<()> {
        let body = encode_gone(hashes.filter(|&hash| !self.index.is_hash_taken(hash)));
        match body.is_empty() {
            true => Ok(()),
            false => self.append(Kind::Gone, now_us(), &body),
        }
    }

    /// Makes sure that no uid below this one is given out.
    pub(crate) fn raise(&mut self, next_uid: u64) -> io::Result<()> {
        if self.index.next_uid >= next_uid {
            return Ok(());
        }
        let mut tlvs = Vec::new();
        tlv(ext::NEXT_UID, &next_uid.to_le_bytes(), &mut tlvs);
        let number = self.index.commits + 1;
        let record = Record::other(Kind::Note, number, now_us(), &[]);
        let (head, found) = self.place(record, tlvs);
        self.file.write_at(&[&head], found.offset)?;
        self.index.apply(&found, &[], self.header.generation);
        Ok(())
    }

    fn append(&mut self, kind: Kind, at_us: i64, body: &[u8]) -> io::Result<()> {
        let record = Record::other(kind, self.index.commits + 1, at_us, body);
        let (head, found) = self.place(record, Vec::new());
        self.file.write_at(&[&head, body], found.offset)?;
        self.index.apply(&found, body, self.header.generation);
        Ok(())
    }

    fn place(&self, record: Record, ext: Vec<u8>) -> (Vec<u8>, Found) {
        let index = &self.index;
        place(record, ext, &self.header.salt, index.last, align(index.end))
    }

    /// Rule R3: all of it is durable before it gets the name.
    pub(crate) fn finish(mut self) -> io::Result<(F, Known)> {
        self.file.truncate(self.index.end)?;
        self.file.sync_all()?;
        self.index.pack();
        let known = Known {
            id: self.file.stat()?.id,
            identity: self.header.identity(),
            durable: self.index.end,
            index: self.index,
            changed_ns: None,
            anchored: false,
            sidecar: 0,
            sidecar_commits: 0,
            header: self.header,
        };
        Ok((self.file, known))
    }
}

/// TLVs of a message that was put here at another time than they say.
pub(crate) fn appended_at(all: &[u8], at_us: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(all.len() + 12);
    for (kind, value) in tlvs(all).filter(|&(kind, _)| kind != ext::APPENDED) {
        tlv(kind, value, &mut out);
    }
    tlv(ext::APPENDED, &at_us.to_le_bytes(), &mut out);
    out
}
