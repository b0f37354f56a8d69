//! A text as a client has room for it: shown in somebody else's buffer, verified, and taken off only as
//! far as it has left. Nothing is kept of what has not; it is read again when there is room.

use std::ops::Range;

use super::media::File;
use super::record::BLOCK;
use super::text::{Blocks, Stage, Text};

/// What a buffer holds of a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peeked {
    /// Where in the buffer.
    pub octets: Range<usize>,
    /// Whether the text ends with them.
    pub is_end: bool,
}

impl<F: File> Text<F> {
    /// Whether [`Text::peek`] may ever show anything: not of a few lines, nor of blocks of another size.
    pub fn is_peekable(&self) -> bool {
        let is_whole = self.cut.lines.is_none();
        match &self.stage {
            Stage::Start => is_whole,
            Stage::Blocks(blocks) => is_whole && blocks.block == BLOCK as u64,
            Stage::Done | Stage::Failed(_) => false,
        }
    }

    /// Verified octets of the text from where it is now, without taking them off it: as many whole blocks
    /// as `room` has place for, and where in it they are. None when the page cache has not got the next
    /// block, when that is damaged, or when the text is not peekable; then [`Text::read`] goes on from
    /// here, and says why.
    pub fn peek(&mut self, room: &mut [u8]) -> Option<Peeked> {
        if !self.is_peekable() {
            return None;
        }
        match &self.stage {
            Stage::Start => self.peek_record(room),
            Stage::Blocks(blocks) => blocks.peek(&*self.file, room),
            Stage::Done | Stage::Failed(_) => None,
        }
    }

    /// The beginning of the text, which is read with the record's header.
    fn peek_record(&mut self, room: &mut [u8]) -> Option<Peeked> {
        let space = usize::try_from(self.entry.space()).unwrap_or(usize::MAX);
        let want = space.min(room.len());
        let got = self
            .file
            .read_cached(&mut room[..want], self.entry.offset());
        let at_hand = &room[..got.ok()??];
        let found = self.found(at_hand).ok()?;
        let blocks = Blocks::of(&found).ok()?;
        let head = usize::try_from(found.record.body_start()).ok()?;
        let is_usual = blocks.block == BLOCK as u64;
        let shown = is_usual.then(|| blocks.verified(at_hand.get(head..)?));
        self.stage = Stage::Blocks(blocks);
        let Peeked { octets, is_end } = shown??;
        Some(Peeked {
            octets: octets.start + head..octets.end + head,
            is_end,
        })
    }

    /// Takes so many of the octets that [`Text::peek`] has shown off the text.
    pub fn advance(&mut self, octets: usize) {
        if let Stage::Blocks(blocks) = &mut self.stage {
            let at = blocks.next as u64 * blocks.block + (blocks.gone + octets) as u64;
            if at >= blocks.len {
                self.stage = Stage::Done;
            } else {
                blocks.next = (at / blocks.block) as usize;
                blocks.gone = (at % blocks.block) as usize;
            }
        }
    }
}

impl Blocks {
    /// Reads and verifies block by block: what was read is still in the processor's cache then.
    fn peek(&self, file: &impl File, room: &mut [u8]) -> Option<Peeked> {
        let from = self.body + self.next as u64 * self.block;
        self.while_verified(|place, sum| {
            let Some(block) = room.get_mut(place.clone()) else {
                return false;
            };
            let got = file.read_cached(block, from + place.start as u64);
            matches!(got, Ok(Some(octets)) if octets == block.len()) && crc32c::crc32c(block) == sum
        })
    }

    /// How much of what begins with the next block is as it was written.
    fn verified(&self, octets: &[u8]) -> Option<Peeked> {
        self.while_verified(|place, sum| {
            let block = octets.get(place);
            block.is_some_and(|block| crc32c::crc32c(block) == sum)
        })
    }

    /// Blocks from the next one on, for as long as `holds` says of a block's place, counted from the next
    /// one, and its checksum that it is there and whole.
    fn while_verified(&self, mut holds: impl FnMut(Range<usize>, u32) -> bool) -> Option<Peeked> {
        let sums = self.sums.all();
        let (mut next, mut end) = (self.next, 0);
        while let Some(&sum) = sums.get(next) {
            let left = self.len - next as u64 * self.block;
            let size = usize::try_from(left).map_or(BLOCK, |left| left.min(BLOCK));
            if !holds(end..end + size, sum) {
                break;
            }
            (next, end) = (next + 1, end + size);
        }
        (next > self.next).then_some(Peeked {
            octets: self.gone..end,
            is_end: next == sums.len(),
        })
    }
}
