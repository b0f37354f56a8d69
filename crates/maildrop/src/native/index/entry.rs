//! One message in the index.

use super::super::bytes::{align, u32_at, u64_at};
use super::super::record::Found;
use crate::draft::flags;

/// One message: where its record is, its uid and its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Offset of the record, a multiple of 8, with marks in the three bits that are free, and one
    /// in the highest, which no offset reaches.
    pub(super) place: u64,
    pub(crate) uid: u64,
    /// Octets as RFC 1939 counts them; the format allows no message of 4 GiB.
    pub(crate) octets: u32,
    /// Octets that the record takes up in the file, divided by 8.
    pub(crate) units: u32,
}

pub(super) const DEAD: u64 = 1;
pub(super) const NAMED: u64 = 2;
pub(super) const HIDDEN: u64 = 4;
/// An octet in the header is not ASCII.
const INTERNATIONALISED: u64 = 1 << 63;
const MARKS: u64 = INTERNATIONALISED | HIDDEN | NAMED | DEAD;
/// FLAGS: the bit that hides a message from sessions.
pub(crate) const FLAG_HIDDEN: u8 = 2;

impl Entry {
    /// Octets of an entry in memory and in the sidecar.
    pub(crate) const LEN: usize = 24;

    /// Where the record begins.
    pub(crate) fn offset(&self) -> u64 {
        self.place & !MARKS
    }

    /// Whether a session's DELETE has taken it away.
    pub(crate) fn is_dead(&self) -> bool {
        self.place & DEAD != 0
    }

    /// Whether its unique-id is not our own.
    pub(crate) fn is_named(&self) -> bool {
        self.place & NAMED != 0
    }

    /// Whether it lives, but sessions do not see it.
    pub(crate) fn is_hidden(&self) -> bool {
        self.place & (DEAD | HIDDEN) == HIDDEN
    }

    /// Whether sessions see it.
    pub(crate) fn is_listed(&self) -> bool {
        self.place & (DEAD | HIDDEN) == 0
    }

    /// Whether its header has octets that are not ASCII.
    pub(crate) fn is_internationalised(&self) -> bool {
        self.place & INTERNATIONALISED != 0
    }

    /// The entry as the sidecar holds it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.place.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.octets.to_le_bytes());
        out.extend_from_slice(&self.units.to_le_bytes());
    }

    /// Reads an entry back from [`Entry::LEN`] octets.
    pub(crate) fn decode(octets: &[u8]) -> Self {
        Self {
            place: u64_at(octets, 0),
            uid: u64_at(octets, 8),
            octets: u32_at(octets, 16),
            units: u32_at(octets, 20),
        }
    }

    /// The message of a record; none if it is larger than the format allows.
    pub(super) fn of(found: &Found) -> Option<Self> {
        let units = (align(found.end) - found.offset) / 8;
        let mark = match found.record.flags & flags::HEADER_8BIT {
            0 => 0,
            _ => INTERNATIONALISED,
        };
        Some(Self {
            place: found.offset | mark,
            uid: found.record.uid,
            octets: u32::try_from(found.record.pop_size).ok()?,
            units: u32::try_from(units).ok()?,
        })
    }

    /// Octets that the record takes up in the file.
    pub(crate) fn space(&self) -> u64 {
        u64::from(self.units) * 8
    }
}
