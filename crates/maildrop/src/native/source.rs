//! A maildrop's file that is only read: a copy in a backup, or one that is about to be replaced.

use std::io;

use pop3::UniqueId;

use super::bytes::{tlv, tlvs, u64_at};
use super::fresh::{Copied, Fresh, appended_at};
use super::header::{HEADER_LEN, Header};
use super::index::{Entry, Index};
use super::media::File;
use super::record::{At, Found, Kind, ext, look};
use super::recover::read_on;
use super::verify::Damage;
use crate::unique_id::own;

/// A file and what its records add up to.
pub(crate) struct Source<'f, F> {
    pub(crate) file: &'f F,
    pub(crate) header: Header,
    /// Never packed: it has the dead, too.
    pub(crate) index: Index,
    len: u64,
}

impl<'f, F: File> Source<'f, F> {
    /// Reads the records up to a length, which was durable once: whatever is wrong below it is
    /// damage. The inner error says why the file makes no sense at all.
    pub(crate) fn read(file: &'f F, len: u64) -> io::Result<Result<Self, String>> {
        let mut start = vec![0; HEADER_LEN];
        let got = file.read_at(&mut start, 0)?;
        match Header::decode(&start[..got]) {
            Ok(header) => Self::with_header(file, header, len).map(Ok),
            Err(what) => Ok(Err(what)),
        }
    }

    /// As [`Source::read`], with a header that is known already.
    pub(crate) fn with_header(file: &'f F, header: Header, len: u64) -> io::Result<Self> {
        let mut index = Index::new(header.next_uid, HEADER_LEN as u64);
        read_on(file, &header, &mut index, len, len)?;
        Ok(Self {
            file,
            header,
            index,
            len,
        })
    }

    /// Name of the account, as the file has it last.
    pub(crate) fn account(&self) -> &[u8] {
        self.index.account.as_ref().unwrap_or(&self.header.account)
    }

    /// The unique-id of a message.
    pub(crate) fn unique_id(&self, entry: &Entry) -> UniqueId {
        self.index.unique_id(entry, self.header.generation)
    }

    /// The record of a message, its header verified and its text not; none if it is damaged.
    pub(crate) fn record(&self, entry: &Entry) -> io::Result<Option<Found>> {
        let found = look(self.file, &self.header.salt, entry.offset(), self.len)?;
        Ok(match found {
            At::Record(found)
                if found.record.kind == Kind::Message && found.record.uid == entry.uid =>
            {
                Some(found)
            }
            _ => None,
        })
    }

    /// Copies a message into another file, where it keeps its unique-id whatever its uid is. If it
    /// was brought back, its waiting begins anew then: at `risen`, or when this file says.
    pub(crate) fn copy<G: File>(
        &self,
        entry: &Entry,
        uid: u64,
        risen: Option<i64>,
        to: &mut Fresh<G>,
    ) -> io::Result<Copied> {
        let Some(found) = self.record(entry)? else {
            return Ok(Copied::Damaged);
        };
        let mut ext = self.moved(&found, entry, uid);
        if let Some(at_us) = risen.or_else(|| self.index.risen.get(&entry.uid).copied()) {
            ext = appended_at(&ext, at_us);
        }
        to.copy_as(self.file, &found, uid, ext)
    }

    /// The TLVs of a message that moves to another file: its unique-id by the generation that made
    /// it if that will do, else spelled out.
    fn moved(&self, found: &Found, entry: &Entry, uid: u64) -> Vec<u8> {
        let unique_id = self.unique_id(entry);
        let mut out = Vec::with_capacity(found.ext.len() + 16);
        let older = found.ext(ext::GENERATION).filter(|it| it.len() == 8);
        let older = older.map_or(self.header.generation, |it| u64_at(it, 0));
        match own(older, uid) == unique_id {
            true => tlv(ext::GENERATION, &older.to_le_bytes(), &mut out),
            false => tlv(ext::UNIQUE_ID, unique_id.as_bytes(), &mut out),
        }
        for (kind, value) in tlvs(&found.ext) {
            if !matches!(kind, ext::UNIQUE_ID | ext::GENERATION) {
                tlv(kind, value, &mut out);
            }
        }
        out
    }

    /// What is wrong from an offset on. The texts of deleted messages do not matter.
    pub(crate) fn damages(&self, from: u64) -> io::Result<Vec<Damage>> {
        let mut damages = self.gaps();
        damages.retain(|gap| gap.offset >= from);
        for entry in self.index.alive().filter(|entry| entry.offset() >= from) {
            let holds = match self.record(entry)? {
                Some(found) => found.body_holds(self.file)?,
                None => false,
            };
            if !holds {
                damages.push(Damage {
                    offset: entry.offset(),
                    uid: Some(entry.uid),
                    what: "the checksum of the text is wrong".into(),
                });
            }
        }
        damages.sort_by_key(|damage| damage.offset);
        Ok(damages)
    }

    /// The stretches that hold no records.
    pub(crate) fn gaps(&self) -> Vec<Damage> {
        let gaps = self.index.gaps.iter();
        gaps.map(|gap| Damage {
            offset: gap.offset,
            uid: None,
            what: format!("{}; {} octets cannot be read", gap.what, gap.len),
        })
        .collect()
    }
}
