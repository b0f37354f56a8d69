//! A message's text on its way out, every octet verified before it is handed out.
//!
//! The record's header is verified again at each reading: what an index says is never enough. A
//! body of at most 64 KiB is one block and comes with its header in one read; a longer one comes
//! block by block, each with a checksum of its own. [`super::peek`] has the other way out, which leaves
//! nothing behind of what a client has no room for.

use std::io;
use std::sync::Arc;

use memchr::memchr_iter;
use pop3::{MessageNumber, Octets, Part};

use super::index::Entry;
use super::media::File;
use super::record::{At, BLOCK, Found, Kind, RECORD_LEN, blocks, ext, look_in};
use crate::draft::Envelope;
use crate::error::TextError;
use crate::{Patience, Progress};

/// Octets read beside a small body: its header, its TLVs, and dots that were stuffed.
const AROUND: usize = RECORD_LEN + 192;
/// Octets read for the header of a large record.
const LARGE_HEAD: usize = 4096;

/// A part of a message, to be read chunk by chunk.
pub struct Text<F: File> {
    pub(super) file: Arc<F>,
    salt: [u8; 16],
    pub(super) entry: Entry,
    number: MessageNumber,
    pub(super) cut: Cut,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Start,
    Blocks(Blocks),
    Done,
    Failed(String),
}

/// The blocks of a body.
pub(super) struct Blocks {
    /// Offset of the body in the file.
    pub(super) body: u64,
    pub(super) len: u64,
    /// Octets of each block but the last.
    pub(super) block: u64,
    pub(super) sums: Checksums,
    /// Next block.
    pub(super) next: usize,
    /// How many of its first octets are gone already.
    pub(super) gone: usize,
    /// Verified octets of a block larger than a chunk, and how many of them were handed out.
    ready: Vec<u8>,
    given: usize,
}

/// The checksum of each block; a short body is one block and needs no memory for that.
pub(super) enum Checksums {
    One(u32),
    Many(Vec<u32>),
}

impl Checksums {
    pub(super) fn all(&self) -> &[u32] {
        match self {
            Self::One(sum) => std::slice::from_ref(sum),
            Self::Many(sums) => sums,
        }
    }
}

impl Blocks {
    /// The blocks of a record's body.
    pub(super) fn of(found: &Found) -> Result<Self, Stop> {
        let record = &found.record;
        let (block, sums) = match record.stored_len <= BLOCK as u64 {
            true => (BLOCK as u64, Checksums::One(record.crc)),
            false => found
                .ext(ext::BLOCKS)
                .and_then(|value| blocks(value, record.stored_len))
                .map(|(block, sums)| (block, Checksums::Many(sums)))
                .ok_or(Stop::Damaged("the block checksums are missing"))?,
        };
        Ok(Self {
            body: found.body(),
            len: record.stored_len,
            block,
            sums,
            next: 0,
            gone: 0,
            ready: Vec::new(),
            given: 0,
        })
    }
}

/// Where the part ends.
pub(super) struct Cut {
    /// Octets of header that are still to come.
    header: u64,
    /// Lines of the body that are still to come; none: all of it.
    pub(super) lines: Option<u64>,
}

impl Cut {
    /// How many of these octets, the next of the text, belong to the part, and whether it ends
    /// with them.
    fn take(&mut self, octets: &[u8]) -> (usize, bool) {
        let Some(lines) = &mut self.lines else {
            return (octets.len(), false);
        };
        let header = usize::try_from(self.header)
            .unwrap_or(usize::MAX)
            .min(octets.len());
        self.header -= header as u64;
        if self.header > 0 {
            return (octets.len(), false);
        }
        for end in memchr_iter(b'\n', &octets[header..]) {
            if *lines == 0 {
                break;
            }
            *lines -= 1;
            if *lines == 0 {
                return (header + end + 1, true);
            }
        }
        match *lines {
            0 => (header, true),
            _ => (octets.len(), false),
        }
    }
}

/// Why a read gave nothing.
pub(super) enum Stop {
    Cold,
    Io(io::Error),
    Damaged(&'static str),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<F: File> Text<F> {
    pub(crate) fn new(
        file: Arc<F>,
        salt: [u8; 16],
        entry: Entry,
        number: MessageNumber,
        part: Part,
    ) -> Self {
        let lines = match part {
            Part::Whole => None,
            Part::Top(lines) => Some(lines),
        };
        Self {
            file,
            salt,
            entry,
            number,
            cut: Cut { header: 0, lines },
            stage: Stage::Start,
        }
    }

    /// Octets of the whole message, as LIST says.
    pub fn octets(&self) -> Octets {
        Octets(self.entry.octets.into())
    }

    /// Appends the next chunk, at most 64 KiB, every octet of it verified.
    ///
    /// # Errors
    ///
    /// See [`TextError`]; nothing unverified is appended.
    pub fn read(&mut self, out: &mut Vec<u8>, patience: Patience) -> Result<Progress, TextError> {
        let before = out.len();
        let result = match &mut self.stage {
            Stage::Start => self.start(out, patience),
            Stage::Blocks(_) => self.next_block(out, patience),
            Stage::Done => return Ok(Progress::End),
            Stage::Failed(what) => {
                return Err(TextError::Damaged {
                    number: self.number,
                    what: what.clone(),
                });
            }
        };
        result.or_else(|stop| {
            out.truncate(before);
            match stop {
                Stop::Cold => Ok(Progress::Cold),
                Stop::Io(error) => Err(TextError::Unavailable(error)),
                Stop::Damaged(what) => {
                    let what = self.described(what);
                    self.stage = Stage::Failed(what.clone());
                    Err(TextError::Damaged {
                        number: self.number,
                        what,
                    })
                }
            }
        })
    }

    /// Reads the record's header and, of a short body, everything.
    fn start(&mut self, out: &mut Vec<u8>, patience: Patience) -> Result<Progress, Stop> {
        let before = out.len();
        let offset = self.entry.offset();
        let guess = match usize::try_from(u64::from(self.entry.octets)) {
            Ok(octets) if octets <= BLOCK => AROUND + octets + octets / 64,
            _ => LARGE_HEAD,
        };
        // Beyond the record there may be nothing: to learn that would take a second read.
        let guess = usize::try_from(self.entry.space()).map_or(guess, |space| guess.min(space));
        let got = self.read_into(out, guess, offset, patience)?;
        let found = self.found(&out[before..before + got])?;
        let record = found.record;
        self.cut.header = u64::from(record.top_off).min(record.stored_len);
        if record.stored_len <= BLOCK as u64 {
            let len = record.stored_len as usize;
            let head = record.body_start() as usize;
            let at_hand = got.saturating_sub(head).min(len);
            // The body moves to where the header was read.
            out.copy_within(
                before + head.min(got)..before + head.min(got) + at_hand,
                before,
            );
            out.truncate(before + at_hand);
            if at_hand < len {
                let from = found.body() + at_hand as u64;
                if self.read_into(out, len - at_hand, from, patience)? < len - at_hand {
                    return Err(Stop::Damaged("the file ends within the message"));
                }
            }
            if crc32c::crc32c(&out[before..]) != record.crc {
                return Err(Stop::Damaged("the checksum of the text is wrong"));
            }
            let (keep, _) = self.cut.take(&out[before..]);
            out.truncate(before + keep);
            self.stage = Stage::Done;
            return Ok(Progress::End);
        }
        out.truncate(before);
        self.stage = Stage::Blocks(Blocks::of(&found)?);
        self.next_block(out, patience)
    }

    /// The verified header of this message's record.
    pub(super) fn found(&self, at_hand: &[u8]) -> Result<Found, Stop> {
        let offset = self.entry.offset();
        let end = offset + self.entry.space();
        match look_in(&*self.file, &self.salt, offset, end, at_hand)? {
            At::Record(found)
                if found.record.kind == Kind::Message && found.record.uid == self.entry.uid =>
            {
                Ok(found)
            }
            At::Record(_) => Err(Stop::Damaged("another record is in its place")),
            At::Nothing(what) => Err(Stop::Damaged(what)),
        }
    }

    /// What was written beside the text.
    ///
    /// # Errors
    ///
    /// See [`TextError`].
    pub fn envelope(&self) -> Result<Envelope, TextError> {
        let mut head = vec![0; LARGE_HEAD];
        let read = self.file.read_at(&mut head, self.entry.offset());
        let found = read
            .map_err(Stop::Io)
            .and_then(|got| self.found(&head[..got]));
        let found = found.map_err(|stop| match stop {
            Stop::Io(error) => TextError::Unavailable(error),
            Stop::Cold => TextError::Unavailable(io::ErrorKind::WouldBlock.into()),
            Stop::Damaged(what) => TextError::Damaged {
                number: self.number,
                what: self.described(what),
            },
        })?;
        Ok(found.envelope())
    }

    fn described(&self, what: &str) -> String {
        let (offset, uid) = (self.entry.offset(), self.entry.uid);
        format!("{what} (record at offset {offset}, uid {uid})")
    }

    fn next_block(&mut self, out: &mut Vec<u8>, patience: Patience) -> Result<Progress, Stop> {
        let Stage::Blocks(blocks) = &mut self.stage else {
            return Ok(Progress::End);
        };
        let before = out.len();
        if blocks.given == blocks.ready.len() {
            let from = blocks.next as u64 * blocks.block;
            // At most 64 MiB, and at most what the file was seen to hold.
            let want = (blocks.len - from).min(blocks.block) as usize;
            let small = blocks.block <= BLOCK as u64;
            let (buffer, start) = match small {
                true => (&mut *out, before),
                false => {
                    blocks.ready.clear();
                    blocks.given = 0;
                    (&mut blocks.ready, 0)
                }
            };
            let got = read_into(&*self.file, buffer, want, blocks.body + from, patience);
            let verified = match got {
                Ok(got) if got < want => Err(Stop::Damaged("the file ends within the message")),
                Ok(_) if crc32c::crc32c(&buffer[start..]) != blocks.sums.all()[blocks.next] => Err(
                    Stop::Damaged("the checksum of a block of the text is wrong"),
                ),
                Ok(_) => Ok(()),
                Err(stop) => Err(stop),
            };
            if let Err(stop) = verified {
                buffer.truncate(start);
                return Err(stop);
            }
            blocks.next += 1;
            buffer.drain(start..start + std::mem::take(&mut blocks.gone));
        }
        if blocks.given < blocks.ready.len() {
            let to = (blocks.given + BLOCK).min(blocks.ready.len());
            out.extend_from_slice(&blocks.ready[blocks.given..to]);
            blocks.given = to;
        }
        let at_end = blocks.next == blocks.sums.all().len() && blocks.given == blocks.ready.len();
        let (keep, cut) = self.cut.take(&out[before..]);
        out.truncate(before + keep);
        match at_end || cut {
            true => {
                self.stage = Stage::Done;
                Ok(Progress::End)
            }
            false => Ok(Progress::More),
        }
    }

    fn read_into(
        &self,
        out: &mut Vec<u8>,
        want: usize,
        from: u64,
        patience: Patience,
    ) -> Result<usize, Stop> {
        read_into(&*self.file, out, want, from, patience)
    }
}

/// Appends up to `want` octets of the file; fewer only at its end.
fn read_into(
    file: &impl File,
    out: &mut Vec<u8>,
    want: usize,
    from: u64,
    patience: Patience,
) -> Result<usize, Stop> {
    let before = out.len();
    out.resize(before + want, 0);
    let got = match patience {
        Patience::Wait => Some(file.read_at(&mut out[before..], from)),
        Patience::CacheOnly => file.read_cached(&mut out[before..], from).transpose(),
    };
    match got {
        Some(Ok(got)) => {
            out.truncate(before + got);
            Ok(got)
        }
        Some(Err(error)) => Err(Stop::Io(error)),
        None => Err(Stop::Cold),
    }
}
