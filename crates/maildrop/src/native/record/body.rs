//! Bodies of the records that are not messages: counters, and ranges of uids as short as they can be.

use super::super::bytes::{take_varint, u64_at, varint};

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
