//! One record on disk: a message, or something that was done to messages.
//!
//! A record is a header of 64 octets, TLVs and a body. The header's checksum is keyed with the
//! file's secret salt and covers the record's offset, so nobody who writes message texts can
//! forge a record, and a stale record at another offset is none. `docs/format.md` has the layout.

use std::io;

use pop3::UniqueId;

use super::bytes::{align, i64_at, take_varint, tlv, tlvs, u16_at, u32_at, u64_at, varint};
use super::header::mac;
use super::media::File;
use crate::draft::Envelope;

/// Octets of a record's header.
pub(crate) const RECORD_LEN: usize = 64;
/// The first four octets of a record; the last digit is the format's major version.
const MAGIC: u32 = 0x4D53_5211;
/// Bodies up to this size have one checksum; longer ones also one for each block.
pub(crate) const BLOCK: usize = 64 * 1024;
/// Most octets of TLVs other than block checksums that a reader believes.
const EXT_MAX: u64 = 8 * 1024;
/// Longest envelope sender and origin that are kept.
const TEXT_MAX: usize = 1024;
/// Block sizes that a reader believes, as powers of two: 64 KiB to 64 MiB.
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 16..=26;
/// Most octets that the writer spends on block checksums.
const SUMS_MAX: u64 = 48 * 1024;

/// What a record is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Message,
    Delete,
    Note,
    Undelete,
    Flags,
    /// Unique-ids that are used up although no message of the file has them.
    Gone,
    /// Of a later minor version: kept, and passed over.
    Unknown,
}

impl Kind {
    fn from_octet(octet: u8) -> Self {
        match octet {
            1 => Self::Message,
            2 => Self::Delete,
            3 => Self::Note,
            5 => Self::Undelete,
            6 => Self::Flags,
            7 => Self::Gone,
            _ => Self::Unknown,
        }
    }

    fn octet(self) -> u8 {
        match self {
            Self::Message => 1,
            Self::Delete => 2,
            Self::Note => 3,
            Self::Undelete => 5,
            Self::Flags => 6,
            Self::Gone => 7,
            Self::Unknown => 0,
        }
    }
}

/// Types of the TLVs after a record's header.
pub(crate) mod ext {
    /// Unique-id as shown, when it is not our own.
    pub(crate) const UNIQUE_ID: u8 = 1;
    /// Envelope sender.
    pub(crate) const SENDER: u8 = 2;
    /// Where an imported message comes from.
    pub(crate) const ORIGIN: u8 = 4;
    /// Generation of an older life of the maildrop.
    pub(crate) const GENERATION: u8 = 5;
    /// Block checksums.
    pub(crate) const BLOCKS: u8 = 6;
    /// NOTE: no uid below this one is given out any more.
    pub(crate) const NEXT_UID: u8 = 7;
    /// NOTE: the account's name from now on.
    pub(crate) const ACCOUNT: u8 = 8;
    /// When an imported message was put here; without it, when it was received.
    pub(crate) const APPENDED: u8 = 9;
    /// NOTE: what unique-ids that are used up hash to, as in GONE.
    pub(crate) const GONE: u8 = 10;
}

/// A record's header, without what is computed when it is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) ext_len: u16,
    /// Octets of the body as stored.
    pub(crate) stored_len: u64,
    /// Uid of a message; number of a commit.
    pub(crate) uid: u64,
    /// Octets as RFC 1939 counts them.
    pub(crate) pop_size: u64,
    /// When, µs since 1970.
    pub(crate) received_us: i64,
    /// Octets of the body up to and including the blank line.
    pub(crate) top_off: u32,
    /// Stuffed dots.
    pub(crate) stuffed: u32,
    /// crc32c of the body.
    pub(crate) crc: u32,
    /// Distance to the record before, divided by 8; 0: not known.
    pub(crate) prev_delta: u32,
}

impl Record {
    /// A record that is not a message.
    pub(crate) fn other(kind: Kind, number: u64, at_us: i64, body: &[u8]) -> Self {
        Self {
            kind,
            flags: 0,
            ext_len: 0,
            stored_len: body.len() as u64,
            uid: number,
            pop_size: 0,
            received_us: at_us,
            top_off: 0,
            stuffed: 0,
            crc: crc32c::crc32c(body),
            prev_delta: 0,
        }
    }

    /// Header and TLVs as they lie on the disk at `offset`.
    pub(crate) fn encode(&self, salt: &[u8; 16], offset: u64, ext: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(RECORD_LEN + ext.len());
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[self.kind.octet(), self.flags]);
        let ext_len = u16::try_from(ext.len()).expect("the writer keeps TLVs below 64 KiB");
        out.extend_from_slice(&ext_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.pop_size.to_le_bytes());
        out.extend_from_slice(&self.received_us.to_le_bytes());
        out.extend_from_slice(&self.top_off.to_le_bytes());
        out.extend_from_slice(&self.stuffed.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.prev_delta.to_le_bytes());
        let mac = mac(salt, &[&offset.to_le_bytes(), &out, ext]);
        out.extend_from_slice(&mac.to_le_bytes());
        out.extend_from_slice(ext);
        out
    }

    /// The fields of a header whose checksum is still to be checked; none if it cannot be one.
    /// `octets` are at least [`RECORD_LEN`].
    pub(crate) fn parse(octets: &[u8]) -> Option<Self> {
        if u32_at(octets, 0) != MAGIC {
            return None;
        }
        let record = Self {
            kind: Kind::from_octet(octets[4]),
            flags: octets[5],
            ext_len: u16_at(octets, 6),
            stored_len: u64_at(octets, 8),
            uid: u64_at(octets, 16),
            pop_size: u64_at(octets, 24),
            received_us: i64_at(octets, 32),
            top_off: u32_at(octets, 40),
            stuffed: u32_at(octets, 44),
            crc: u32_at(octets, 48),
            prev_delta: u32_at(octets, 52),
        };
        // More TLVs than a body of that size explains are none of ours. It also bounds how much
        // a search has to hash for headers that somebody imitated in a text.
        let explained = EXT_MAX + 8 + record.stored_len.div_ceil(BLOCK as u64).saturating_mul(4);
        (u64::from(record.ext_len) <= explained).then_some(record)
    }

    /// Whether the checksum holds: `octets` are the header, `ext` the TLVs that it announces.
    pub(crate) fn holds(octets: &[u8], ext: &[u8], salt: &[u8; 16], offset: u64) -> bool {
        let expected = mac(salt, &[&offset.to_le_bytes(), &octets[..56], ext]);
        expected == u64_at(octets, 56)
    }

    /// Octets from the record's offset to its body.
    pub(crate) fn body_start(&self) -> u64 {
        RECORD_LEN as u64 + u64::from(self.ext_len)
    }

    /// Where a record at `offset` ends; none if no file reaches so far.
    fn end(&self, offset: u64) -> Option<u64> {
        offset
            .checked_add(self.body_start())?
            .checked_add(self.stored_len)
    }
}

/// A record whose header was verified.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) offset: u64,
    pub(crate) record: Record,
    pub(crate) ext: Vec<u8>,
    /// Offset of the octet after the body.
    pub(crate) end: u64,
}

impl Found {
    /// Where the body begins.
    pub(crate) fn body(&self) -> u64 {
        self.offset + self.record.body_start()
    }

    /// One TLV.
    pub(crate) fn ext(&self, kind: u8) -> Option<&[u8]> {
        tlvs(&self.ext)
            .find(|&(found, _)| found == kind)
            .map(|(_, value)| value)
    }

    /// What was written beside the text of a message.
    pub(crate) fn envelope(&self) -> Envelope {
        Envelope {
            prefix: Vec::new(),
            sender: self.ext(ext::SENDER).map(<[u8]>::to_vec),
            received_us: Some(self.record.received_us),
            unique_id: self.ext(ext::UNIQUE_ID).and_then(UniqueId::new),
            origin: self.ext(ext::ORIGIN).map(<[u8]>::to_vec),
        }
    }

    /// Whether the body on disk is what was written. Reads in pieces of at most [`BLOCK`].
    pub(crate) fn body_holds(&self, file: &impl File) -> io::Result<bool> {
        let mut buffer =
            vec![0; BLOCK.min(usize::try_from(self.record.stored_len).unwrap_or(BLOCK))];
        let (mut at, mut crc) = (self.body(), 0);
        while at < self.end {
            let want = usize::try_from(self.end - at)
                .unwrap_or(BLOCK)
                .min(buffer.len());
            if file.read_at(&mut buffer[..want], at)? != want {
                return Ok(false);
            }
            crc = crc32c::crc32c_append(crc, &buffer[..want]);
            at += want as u64;
        }
        Ok(crc == self.record.crc)
    }

    /// The body of a record that is not a message, if it is what was written.
    pub(crate) fn small_body(&self, file: &impl File) -> io::Result<Option<Vec<u8>>> {
        // Bounded by the file: `end` was compared with its length.
        let Ok(len) = usize::try_from(self.record.stored_len) else {
            return Ok(None);
        };
        let mut body = vec![0; len];
        let whole = file.read_at(&mut body, self.body())? == len;
        Ok((whole && crc32c::crc32c(&body) == self.record.crc).then_some(body))
    }
}

/// What is at a place where a record should begin.
pub(crate) enum At {
    /// A record. Its body lies within the file but was not verified.
    Record(Found),
    /// Something else.
    Nothing(&'static str),
}

/// Octets that are read at once where a record begins: header and the usual TLVs.
const PEEK: usize = 512;

/// Looks for a record at `offset` of a file of `len` octets.
pub(crate) fn look(file: &impl File, salt: &[u8; 16], offset: u64, len: u64) -> io::Result<At> {
    let mut peek = [0; PEEK];
    let got = file.read_at(&mut peek, offset)?;
    look_in(file, salt, offset, len, &peek[..got])
}

/// As [`look`], with octets at hand that begin at `offset`.
pub(crate) fn look_in(
    file: &impl File,
    salt: &[u8; 16],
    offset: u64,
    len: u64,
    at_hand: &[u8],
) -> io::Result<At> {
    let Some(octets) = at_hand.get(..RECORD_LEN) else {
        return Ok(At::Nothing("the file ends within a record header"));
    };
    let Some(record) = Record::parse(octets) else {
        return Ok(At::Nothing("there is no record header"));
    };
    let ext_len = usize::from(record.ext_len);
    let had = ext_len.min(at_hand.len() - RECORD_LEN);
    let mut ext = at_hand[RECORD_LEN..][..had].to_vec();
    ext.resize(ext_len, 0);
    if had < ext_len {
        let from = offset + (RECORD_LEN + had) as u64;
        if file.read_at(&mut ext[had..], from)? < ext_len - had {
            return Ok(At::Nothing("the file ends within a record header"));
        }
    }
    if !Record::holds(octets, &ext, salt, offset) {
        return Ok(At::Nothing("the checksum of a record header is wrong"));
    }
    match record.end(offset) {
        Some(end) if end <= len => Ok(At::Record(Found {
            offset,
            record,
            ext,
            end,
        })),
        _ => Ok(At::Nothing("the file ends within a record")),
    }
}

/// Looks between two places for the next thing that looks like a message, although its checksum
/// does not hold or cannot be checked: the text's own does. Anybody can write such a thing into a
/// text, and a text full of long ones would be hashed again and again: `budget` is the number of
/// octets that may be hashed in all.
pub(crate) fn search_unverified(
    file: &impl File,
    from: u64,
    to: u64,
    budget: &mut u64,
) -> io::Result<Option<Found>> {
    let mut buffer = vec![0; BLOCK + RECORD_LEN];
    let mut at = align(from);
    while at < to {
        let got = file.read_at(&mut buffer, at)?;
        for place in (0..got.min(BLOCK)).step_by(8) {
            let Some(octets) = buffer[..got].get(place..place + RECORD_LEN) else {
                break;
            };
            let offset = at + place as u64;
            let looks = Record::parse(octets).filter(|it| it.kind == Kind::Message);
            if let Some(record) = looks
                && let Some(found) = unverified(file, record, offset, to, budget)?
            {
                return Ok(Some(found));
            }
        }
        at += BLOCK as u64;
    }
    Ok(None)
}

fn unverified(
    file: &impl File,
    record: Record,
    offset: u64,
    to: u64,
    budget: &mut u64,
) -> io::Result<Option<Found>> {
    // What every writer of ours makes sure of costs nothing to check.
    let fits = record.stored_len > 0
        && record.pop_size.checked_add(record.stuffed.into()) == Some(record.stored_len)
        && u64::from(record.top_off) <= record.stored_len;
    let end = record.end(offset).filter(|&end| end <= to && fits);
    let (Some(end), Some(left)) = (end, budget.checked_sub(record.stored_len)) else {
        return Ok(None);
    };
    *budget = left;
    let mut ext = vec![0; usize::from(record.ext_len)];
    let whole = file.read_at(&mut ext, offset + RECORD_LEN as u64)? == ext.len();
    let found = Found {
        offset,
        record,
        ext,
        end,
    };
    Ok(match whole && found.body_holds(file)? {
        true => Some(found),
        false => None,
    })
}

/// Looks for the next record at `from` or after; the search of recovery, so it reads everything.
pub(crate) fn search(
    file: &impl File,
    salt: &[u8; 16],
    from: u64,
    len: u64,
) -> io::Result<Option<Found>> {
    let mut buffer = vec![0; BLOCK + RECORD_LEN];
    let mut at = align(from);
    while at < len {
        let got = file.read_at(&mut buffer, at)?;
        if got < RECORD_LEN {
            // Whatever was said about the length.
            break;
        }
        for place in (0..got.min(BLOCK)).step_by(8) {
            let Some(octets) = buffer[..got].get(place..place + RECORD_LEN) else {
                break;
            };
            let offset = at + place as u64;
            // Only what fits is hashed: else a text could make every eight octets cost 64 KiB.
            let fits = |it: Record| it.end(offset).is_some_and(|end| end <= len);
            if Record::parse(octets).is_some_and(fits)
                && let At::Record(found) = look(file, salt, offset, len)?
            {
                return Ok(Some(found));
            }
        }
        at += BLOCK as u64;
    }
    Ok(None)
}

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

/// TLVs of a text kept for people, unless it is too long to be useful.
pub(crate) fn text_ext(kind: u8, text: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(text) = text.filter(|text| text.len() <= TEXT_MAX) {
        tlv(kind, text, out);
    }
}

/// Uids from the first to the last of each pair, ascending.
pub(crate) type Ranges = Vec<(u64, u64)>;

/// What a DELETE or UNDELETE says beside its ranges: true after it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Counters {
    pub(crate) next_uid: u64,
    pub(crate) live: u64,
    pub(crate) octets: u64,
}

/// Body of a DELETE or UNDELETE.
pub(crate) fn encode_ranges(counters: Counters, ranges: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + 4 * ranges.len());
    out.extend_from_slice(&counters.next_uid.to_le_bytes());
    out.extend_from_slice(&counters.live.to_le_bytes());
    out.extend_from_slice(&counters.octets.to_le_bytes());
    put_ranges(ranges, &mut out);
    out
}

/// Counters and ranges of a DELETE or UNDELETE.
pub(crate) fn decode_ranges(body: &[u8]) -> Option<(Counters, Ranges)> {
    let counters = Counters {
        next_uid: u64_at(body.get(..24)?, 0),
        live: u64_at(body, 8),
        octets: u64_at(body, 16),
    };
    Some((counters, take_ranges(&body[24..])?))
}

/// Bits to set, bits to clear, and ranges of a FLAGS.
pub(crate) fn decode_flags(body: &[u8]) -> Option<(u8, u8, Ranges)> {
    Some((*body.first()?, *body.get(1)?, take_ranges(&body[2..])?))
}

/// Body of a FLAGS.
pub(crate) fn encode_flags(set: u8, clear: u8, ranges: &[(u64, u64)]) -> Vec<u8> {
    let mut out = vec![set, clear];
    put_ranges(ranges, &mut out);
    out
}

fn put_ranges(ranges: &[(u64, u64)], out: &mut Vec<u8>) {
    let mut next = 0;
    for &(first, last) in ranges {
        varint(first - next, out);
        varint(last - first, out);
        next = last + 1;
    }
}

fn take_ranges(mut octets: &[u8]) -> Option<Ranges> {
    let (mut ranges, mut next) = (Vec::new(), 0_u64);
    while !octets.is_empty() {
        let first = next.checked_add(take_varint(&mut octets)?)?;
        let last = first.checked_add(take_varint(&mut octets)?)?;
        ranges.push((first, last));
        next = last.checked_add(1)?;
    }
    Some(ranges)
}

/// Body of a GONE.
pub(crate) fn encode_gone(hashes: impl Iterator<Item = u64>) -> Vec<u8> {
    hashes.flat_map(u64::to_le_bytes).collect()
}

/// The hashes of a GONE.
pub(crate) fn decode_gone(body: &[u8]) -> impl Iterator<Item = u64> {
    body.chunks_exact(8).map(|hash| u64_at(hash, 0))
}
