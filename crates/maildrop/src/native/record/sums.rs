//! Checksums of a message's body: one of all of it, and of a long one also one for each block, so that a
//! part is verified before it is sent.

use super::super::bytes::{tlv, u32_at};
use super::{BLOCK, ext};

/// Block sizes that a reader believes, as powers of two: 64 KiB to 64 MiB.
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 16..=26;
/// Most octets that the writer spends on block checksums.
const SUMS_MAX: u64 = 48 * 1024;

/// Checksums of a body that comes in pieces.
pub(crate) struct Sums {
    whole: u32,
    /// Octets of a block; none for a short body, which is one block.
    block: Option<(u8, u64)>,
    in_block: u64,
    current: u32,
    blocks: Vec<u8>,
}

impl Sums {
    /// For a body of so many octets.
    pub(crate) fn new(stored_len: u64) -> Self {
        let block = (stored_len > BLOCK as u64).then(|| {
            let bits = BLOCK_BITS
                .into_iter()
                .find(|&bits| stored_len.div_ceil(1 << bits) * 4 <= SUMS_MAX)
                .unwrap_or(*BLOCK_BITS.end());
            (bits, 1 << bits)
        });
        let blocks = block.map(|(bits, _)| vec![bits]).unwrap_or_default();
        Self {
            whole: 0,
            block,
            in_block: 0,
            current: 0,
            blocks,
        }
    }

    /// Octets of the TLV that [`Sums::finish`] will append.
    pub(crate) fn ext_len(stored_len: u64) -> usize {
        match Self::new(stored_len).block {
            Some((_, block)) => {
                let blocks = usize::try_from(stored_len.div_ceil(block)).unwrap_or(usize::MAX / 8);
                (4 + 1 + 4 * blocks).next_multiple_of(4)
            }
            None => 0,
        }
    }

    /// Takes the next octets of the body.
    pub(crate) fn add(&mut self, mut octets: &[u8]) {
        self.whole = crc32c::crc32c_append(self.whole, octets);
        let Some((_, block)) = self.block else {
            return;
        };
        while !octets.is_empty() {
            let room = usize::try_from(block - self.in_block).unwrap_or(usize::MAX);
            let (now, later) = octets.split_at(octets.len().min(room));
            self.current = crc32c::crc32c_append(self.current, now);
            self.in_block += now.len() as u64;
            if self.in_block == block {
                self.close_block();
            }
            octets = later;
        }
    }

    fn close_block(&mut self) {
        self.blocks.extend_from_slice(&self.current.to_le_bytes());
        (self.in_block, self.current) = (0, 0);
    }

    /// Appends the TLV of the block checksums, if the body is long; gives the body's checksum.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> u32 {
        if self.in_block > 0 {
            self.close_block();
        }
        if self.block.is_some() {
            tlv(ext::BLOCKS, &self.blocks, out);
        }
        self.whole
    }
}

/// Block size and checksums out of TLV 6; none if they do not fit the body.
pub(crate) fn blocks(value: &[u8], stored_len: u64) -> Option<(u64, Vec<u32>)> {
    let (&bits, sums) = value.split_first()?;
    if !BLOCK_BITS.contains(&bits) || !sums.len().is_multiple_of(4) {
        return None;
    }
    let sums: Vec<u32> = sums.chunks_exact(4).map(|sum| u32_at(sum, 0)).collect();
    (sums.len() as u64 == stored_len.div_ceil(1 << bits)).then_some((1 << bits, sums))
}
