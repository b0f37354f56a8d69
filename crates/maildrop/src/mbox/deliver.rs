//! Delivery: a message at the end of the file, as the dialect has it, durable before anybody hears of it.
//!
//! It is in the journal before the first octet of it is in the mbox, so that none that is torn stays.

use std::io;

use pop3::Octets;
use tracing::warn;

use super::index::{MARK, Message, is_open_mmdf};
use super::journal::{self, Entry, Kind, Lasts, PIECE};
use super::recover::{put, recover};
use super::store::{Mboxes, Purpose, held};
use super::survey::{self, own, sum};
use super::written::{Lengths, Written};
use super::{Postmark, Shown, Variant};
use crate::draft::{Delivered, Draft, Envelope, Measure};
use crate::error::DeliverError;
use crate::native::media::{Disk, File, Lock};
use crate::native::now_us;
use crate::places::{Absent, Place};
use crate::plain;
use crate::quota::{Addressee, Quota};

impl<D: Disk> Mboxes<D> {
    /// As [`crate::Maildrops::deliver`]. Its uid is of no use, and the unique-id is what it is as long as the
    /// mbox holds no twin of the message (`survey.rs`).
    ///
    /// # Errors
    ///
    /// See [`DeliverError`]; nothing is visible then.
    pub fn deliver<S: Disk>(
        &self,
        to: &Addressee<'_>,
        draft: &Draft<S>,
        measure: &Measure,
        envelope: &Envelope,
    ) -> Result<Delivered, DeliverError> {
        let place = self.places.find(to.id, Absent::IsMade)?;
        let journal = journal::open_locked(&place, Lock::Append, self.settings.lock_wait)?;
        let locked = self.lock(&place, Purpose::Write, Absent::IsMade)?;
        recover(&locked.file, &journal)?;
        let variant = self.settings.variant;
        if to.quota != Quota::default() {
            let (messages, octets) = held(&*self.survey(to.id, &locked.file)?);
            let comes = envelope.prefix.len() as u64 + measure.octets;
            if !to.quota.fits(comes, messages, octets) {
                return Err(DeliverError::OverQuota);
            }
        }
        let letter = Letter {
            variant,
            postmark: Postmark {
                sender: envelope.sender.clone().unwrap_or_default(),
                received_us: envelope.received_us.unwrap_or_else(now_us),
            },
            prefix: &envelope.prefix,
            draft,
        };
        Ok(letter.append(&place, &locked.file, &journal)?)
    }
}

/// A message for an mbox.
struct Letter<'d, S: Disk> {
    variant: Variant,
    postmark: Postmark,
    prefix: &'d [u8],
    draft: &'d Draft<S>,
}

impl<S: Disk> Letter<'_, S> {
    fn append<D: Disk>(
        &self,
        place: &Place<D>,
        file: &D::File,
        journal: &D::File,
    ) -> io::Result<Delivered> {
        let len = file.stat()?.len;
        let before = self.before(file, len)?;
        let lengths = match self.variant.has_lengths() {
            true => Some(self.text(None, &mut |_| Ok(()))?),
            false => None,
        };
        let begins = len + before.len() as u64;
        let mut ends = begins;
        let written = Entry::write(
            place,
            journal,
            Kind::Append,
            (len, len),
            Vec::new(),
            |each| {
                each(&before)?;
                self.text(lengths, &mut |piece| {
                    ends += piece.len() as u64;
                    each(piece)
                })?;
                each(self.behind())
            },
        );
        let entry = written.inspect_err(|_| {
            let _ = journal::void(journal, Lasts::Now);
        })?;
        let end = len + entry.content_octets;
        let appended = put(file, len..end, |at, piece| {
            entry.content(journal, at, piece)
        })
        .and_then(|()| self.delivered(file, begins..ends))
        .and_then(|delivered| {
            file.sync_all()?;
            if len == 0 {
                // The name of a file that was never anything else need not last yet.
                place.disk.sync_dir("")?;
            }
            Ok(delivered)
        });
        match appended {
            // It is durable that the message is there, and whoever finds the entry again sees that it is.
            Ok(_) => {
                if let Err(error) = journal::void(journal, Lasts::WithTheNext) {
                    warn!(%error, "an entry that is done stays in the journal of an mbox");
                }
            }
            Err(_) => {
                // As long as this fails, the entry stays, and whoever comes next looks at it.
                let _ =
                    super::commit::cut(file, len).and_then(|()| journal::void(journal, Lasts::Now));
            }
        }
        appended
    }

    /// What comes before the text: as much of an empty line as is missing, and the postmark.
    fn before<F: File>(&self, file: &F, len: u64) -> io::Result<Vec<u8>> {
        let mut last = [0; 3];
        let from = len.saturating_sub(last.len() as u64);
        let octets = file.read_at(&mut last, from)?;
        let last = &last[..octets];
        let is_mmdf = self.variant == Variant::Mmdf;
        let mut before = Vec::new();
        if len > 0 && !last.ends_with(b"\n") {
            before.push(b'\n');
        }
        if is_mmdf && is_open_mmdf(&survey::Octets(file))? {
            // Of another program, which did not finish it.
            before.extend_from_slice(MARK);
            before.push(b'\n');
        }
        let has_empty_line = last.ends_with(b"\n\n") || last.ends_with(b"\n\r\n") || last == b"\n";
        if len > 0 && !is_mmdf && !has_empty_line {
            before.push(b'\n');
        }
        if is_mmdf {
            before.extend_from_slice(MARK);
            before.push(b'\n');
        }
        before.extend_from_slice(&self.postmark.line());
        Ok(before)
    }

    fn behind(&self) -> &'static [u8] {
        match self.variant {
            Variant::Mmdf => b"\x01\x01\x01\x01\n",
            _ => b"\n",
        }
    }

    /// Hands out the text as the mbox shall have it.
    fn text(
        &self,
        lengths: Option<Lengths>,
        each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Lengths> {
        let mut written = Written::new(self.variant, lengths);
        let mut out = Vec::new();
        let mut take = |stored: &[u8]| -> io::Result<()> {
            for piece in stored.chunks(PIECE) {
                out.clear();
                written.take(piece, &mut out);
                each(&out)?;
            }
            Ok(())
        };
        take(self.prefix)?;
        self.draft.pieces(take)?;
        out.clear();
        let lengths = written.finish(&mut out);
        each(&out)?;
        Ok(lengths)
    }

    /// What a session will see of it.
    fn delivered<F: File>(&self, file: &F, text: std::ops::Range<u64>) -> io::Result<Delivered> {
        let message = Message {
            start: text.start,
            postmark: Postmark::parse(&self.postmark.line()),
            text,
        };
        let sum = sum(file, &message, self.variant)?;
        let range = (message.text.start, message.text.end);
        let measured = plain::measure(file, range, Some(Shown::new(self.variant)))?;
        let uid = sum.first_chunk().copied().map_or(0, u64::from_be_bytes);
        Ok(Delivered {
            uid,
            unique_id: own(&sum, 1),
            octets: Octets(measured.octets),
        })
    }
}
