//! One record on disk: a message, or something that was done to messages.
//!
//! A record is a header of 64 octets, TLVs and a body. The header's checksum is keyed with the
//! file's secret salt and covers the record's offset, so nobody who writes message texts can
//! forge a record, and a stale record at another offset is none. `docs/format.md` has the layout.

mod body;
mod find;
mod sums;

use std::io;

use pop3::UniqueId;

pub(crate) use body::{
    Counters, Ranges, decode_flags, decode_gone, decode_ranges, encode_flags, encode_gone,
    encode_ranges,
};
pub(crate) use find::{At, look, look_in, search, search_unverified};
pub(crate) use sums::{Sums, blocks};

use super::bytes::{i64_at, tlv, tlvs, u16_at, u32_at, u64_at};
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

/// TLVs of a text kept for people, unless it is too long to be useful.
pub(crate) fn text_ext(kind: u8, text: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(text) = text.filter(|text| text.len() <= TEXT_MAX) {
        tlv(kind, text, out);
    }
}
