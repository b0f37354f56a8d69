//! Delivery: one record at the end of a maildrop's file, durable before anybody hears of it.

use std::io;
use std::sync::Arc;

use pop3::{Octets, UniqueId};

use super::append::{Appending, Purpose};
use super::bytes::tlv;
use super::grave::Dead;
use super::header::{HEADER_LEN, Header};
use super::index::Index;
use super::media::{Disk, File, Lock};
use super::record::{Kind, Record, Sums, ext, text_ext};
use super::space::grace_cut;
use super::table::{Known, Shared};
use super::{Store, now_us, random};
use crate::draft::{Delivered, Draft, Envelope, Measure, flags};
use crate::error::{DeliverError, StoreError};
use crate::quota::{Addressee, Quota};
use crate::unique_id::looks_own;

/// An emptied file of this size is replaced before it grows on, even if nobody asked to tidy.
const TIDY_BEFORE_DELIVERY: u64 = 1024 * 1024;
/// A message that was received so much earlier or later than it is put here has both times.
const APPENDED_DIFFERS_US: u64 = 60_000_000;
/// How often to start again because another process made or replaced the file meanwhile.
const RACES_MAX: usize = 16;

impl<D: Disk> Store<D> {
    /// Puts a message at the end of a maildrop; when this returns, the message is durable.
    /// `measure` is of the draft's text, without the prefix.
    ///
    /// # Errors
    ///
    /// See [`DeliverError`]; nothing is visible then.
    pub fn deliver(
        &self,
        to: &Addressee<'_>,
        draft: &Draft<D>,
        measure: &Measure,
        envelope: &Envelope,
    ) -> Result<Delivered, DeliverError> {
        let drop = to.id;
        let stored_len = envelope.prefix.len() as u64 + draft.len();
        if stored_len > u64::from(u32::MAX) {
            // The format counts header octets and dots in 32 bits.
            return Err(DeliverError::Unavailable(
                io::ErrorKind::FileTooLarge.into(),
            ));
        }
        let shared = self.table.entry(drop);
        for attempt in 0..RACES_MAX {
            match self.append_to(drop, &shared, None, Purpose::Write) {
                Ok(mut appending) => {
                    let index = &appending.known().index;
                    let cut_us = grace_cut(&self.settings);
                    if attempt == 0 && index.end > TIDY_BEFORE_DELIVERY && index.is_vacant(cut_us) {
                        std::mem::drop(appending);
                        // It only gives space back, so its failure is no reason to refuse mail.
                        let _ = self.tidy(drop);
                        continue;
                    }
                    appending.check(to.quota, envelope.prefix.len() as u64 + measure.octets)?;
                    return Ok(appending.deliver(draft, measure, envelope)?);
                }
                Err(StoreError::Missing) => {
                    let first = self.first(to, &shared, draft, measure, envelope);
                    if let Some(delivered) = first? {
                        return Ok(delivered);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(DeliverError::Unavailable(
            io::ErrorKind::ResourceBusy.into(),
        ))
    }

    /// Whether a message of so many octets would fit now; promises nothing.
    ///
    /// # Errors
    ///
    /// See [`DeliverError`].
    pub fn fits(&self, to: &Addressee<'_>, octets: u64) -> Result<(), DeliverError> {
        if to.quota == Quota::default() {
            return Ok(());
        }
        let shared = self.table.entry(to.id);
        match self.append_to(to.id, &shared, None, Purpose::Read) {
            Ok(mut appending) => appending.check(to.quota, octets),
            Err(StoreError::Missing) if to.quota.fits(octets, 0, 0) => Ok(()),
            Err(StoreError::Missing) => Err(DeliverError::OverQuota),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the file together with its first message; none if another process was faster.
    ///
    /// Rule R1: the file gets its name only when it is complete and synced. The append lock is held from
    /// before it has a name until the name is durable: whoever delivers next must not be told
    /// yes for a message in a file that a power cut takes away.
    fn first(
        &self,
        to: &Addressee<'_>,
        shared: &Shared,
        draft: &Draft<D>,
        measure: &Measure,
        envelope: &Envelope,
    ) -> Result<Option<Delivered>, DeliverError> {
        let drop = to.id;
        if !to
            .quota
            .fits(envelope.prefix.len() as u64 + measure.octets, 0, 0)
        {
            return Err(DeliverError::OverQuota);
        }
        let mut slot = shared.slot();
        (slot.known, slot.poison) = (None, None);
        let dir = Self::dir_of(drop);
        self.anchor_dirs(drop)?;
        let file = self.disk.create_unnamed(&dir)?;
        if !file.try_lock(Lock::Append)? {
            return Err(io::Error::other("a new file is locked").into());
        }
        let header = Header {
            drop,
            file_seq: 0,
            generation: u64::from_le_bytes(random()?),
            next_uid: 1,
            created_us: now_us(),
            salt: random()?,
            account: to.account.as_bytes().to_vec(),
        };
        file.write_at(&[&header.encode()], 0)?;
        slot.known = Some(Known {
            id: file.stat()?.id,
            identity: header.identity(),
            index: Index::new(header.next_uid, HEADER_LEN as u64),
            durable: HEADER_LEN as u64,
            changed_ns: None,
            // Set below; `deliver` does not look at it.
            anchored: false,
            sidecar: 0,
            sidecar_commits: 0,
            header,
        });
        let mut appending = Appending {
            store: self,
            drop,
            shared,
            slot,
            file: Arc::new(file),
        };
        let result = appending.deliver(draft, measure, envelope);
        let named = result.and_then(|delivered| {
            let path = Self::path_of(drop);
            match self.disk.link(&appending.file, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                other => other?,
            }
            if let Err(error) = self.disk.sync_dir(&dir) {
                // The sender will be told no: empty the file, then take the name back, while we
                // hold the lock. Whatever a crash makes of the name, the message is not in it.
                let emptied = appending.file.truncate(HEADER_LEN as u64);
                let _ = emptied.and_then(|()| appending.file.sync_all());
                let _ = self.disk.unlink(&path);
                return Err(error);
            }
            Ok(Some(delivered))
        });
        match &named {
            Ok(Some(_)) => appending.known().anchored = true,
            _ => {
                // The file has no name and is gone.
                let slot = &mut *appending.slot;
                (slot.known, slot.poison, slot.floor) = (None, None, None);
            }
        }
        Ok(named?)
    }
}

impl<D: Disk> Appending<'_, D> {
    /// Exact: whoever else delivers waits for the lock that is held here.
    fn check(&mut self, quota: Quota, octets: u64) -> Result<(), DeliverError> {
        let settings = &self.store.settings;
        let index = &self.known().index;
        let dead = match settings.grace_in_quota && !settings.grace.is_zero() {
            true => index.in_grace(grace_cut(settings)),
            false => Dead::default(),
        };
        let held = (index.live + dead.messages, index.octets + dead.octets);
        match quota.fits(octets, held.0, held.1) {
            true => Ok(()),
            false => Err(DeliverError::OverQuota),
        }
    }

    fn deliver(
        &mut self,
        draft: &Draft<D>,
        measure: &Measure,
        envelope: &Envelope,
    ) -> io::Result<Delivered> {
        let prefix = &envelope.prefix[..];
        let stored_len = prefix.len() as u64 + draft.len();
        let foreign = envelope.unique_id.clone().filter(|id| self.is_free(id));
        let known = self.known();
        let uid = known.index.next_uid;
        if uid == u64::MAX {
            // Only a file that somebody made on purpose gets here.
            return Err(io::Error::other("the maildrop has used up its uids"));
        }

        let name = foreign.or_else(|| self.by_template(uid));
        let mut tlvs = Vec::with_capacity(128 + Sums::ext_len(stored_len));
        if let Some(name) = name {
            tlv(ext::UNIQUE_ID, name.as_bytes(), &mut tlvs);
        }
        text_ext(ext::SENDER, envelope.sender.as_deref(), &mut tlvs);
        text_ext(ext::ORIGIN, envelope.origin.as_deref(), &mut tlvs);

        let now = now_us();
        let received_us = envelope.received_us.unwrap_or(now);
        if now.abs_diff(received_us) > APPENDED_DIFFERS_US {
            tlv(ext::APPENDED, &now.to_le_bytes(), &mut tlvs);
        }

        let mut sums = Sums::new(stored_len);
        sums.add(prefix);
        draft.pieces(|piece| {
            sums.add(piece);
            Ok(())
        })?;
        let crc = sums.finish(&mut tlvs);

        let prefix_flags = match prefix.is_ascii() {
            true => 0,
            false => flags::HEADER_8BIT,
        };
        let header_octets = prefix.len() as u64 + measure.header_octets.min(draft.len());
        let record = Record {
            kind: Kind::Message,
            flags: measure.flags | prefix_flags,
            ext_len: 0,
            stored_len,
            uid,
            pop_size: prefix.len() as u64 + measure.octets,
            received_us,
            top_off: u32::try_from(header_octets).expect("checked against the stored length"),
            stuffed: measure.stuffed,
            crc,
            prev_delta: 0,
        };
        match draft.in_memory() {
            Some(text) => self.append(record, tlvs, &[prefix, text])?,
            None => self.append_pieces(record, tlvs, |write| {
                write(prefix)?;
                draft.pieces(write)
            })?,
        }
        let known = self.known();
        let entry = known.index.entries.last().expect("one was just appended");
        Ok(Delivered {
            uid,
            unique_id: known.index.unique_id(entry, known.header.generation),
            octets: Octets(entry.octets.into()),
        })
    }

    /// The unique-id that the site's template makes; none: our own form, which is not stored.
    fn by_template(&mut self, uid: u64) -> Option<UniqueId> {
        let template = &self.store.settings.unique_id;
        if template.is_own() {
            return None;
        }
        let known = self.known();
        let id = template.unique_id(known.header.generation, uid);
        (!known.index.is_taken(&id)).then_some(id)
    }

    /// Whether a unique-id from elsewhere can be kept: no other message has it or will get it.
    fn is_free(&mut self, id: &UniqueId) -> bool {
        let known = self.known();
        !looks_own(known.header.generation, id) && !known.index.is_taken(id)
    }
}
