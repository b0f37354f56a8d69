//! Telling what a crash leaves of an append from rot.
//!
//! When a record is written, the file durably ends where it begins: every append, cut and refusal
//! before it was synced. So what a power cut leaves behind that place was written by the one write
//! that was in flight, or reads as zeros, or is missing at the end; disks write sectors whole. A
//! record that fails its check and has neither a sector of zeros nor a missing end was written
//! completely, hence acknowledged perhaps, and has rotted since: it is never cut.
//!
//! What remains: rot that zeroes a whole sector of the last record, or shortens the file, looks
//! like a tear to a process that never saw the record whole. That is why what is cut is kept in
//! `torn/`.

use std::io;

use super::media::File;
use super::record::{At, Found, RECORD_LEN, Record, look_in};

/// Octets that a disk writes in one piece.
const SECTOR: u64 = 512;

/// Whether the octets from `at` to the end of the file, which begin with no record, are what a
/// crash leaves of an append.
pub(crate) fn header_is_torn(
    file: &impl File,
    salt: &[u8; 16],
    at: u64,
    len: u64,
) -> io::Result<bool> {
    let mut octets = [0; RECORD_LEN];
    if file.read_at(&mut octets, at)? < RECORD_LEN || lost(file, at, at + RECORD_LEN as u64)? {
        return Ok(true);
    }
    // The header's sectors were written. If this is a tear, each of its octets is right.
    let Some(record) = Record::parse(&octets) else {
        return Ok(false);
    };
    let body = at.saturating_add(record.body_start());
    if body <= len {
        let mut ext = vec![0; usize::from(record.ext_len)];
        file.read_at(&mut ext, at + RECORD_LEN as u64)?;
        // A header that holds is of a record that the file is too short for.
        return Ok(Record::holds(&octets, &ext, salt, at) || lost(file, at, body)?);
    }
    // The file ends within the TLVs, unless a bit of their length has rotted.
    for bit in 48..64 {
        let mut healed = octets;
        healed[bit / 8] ^= 1 << (bit % 8);
        if let At::Record(_) = look_in(file, salt, at, len, &healed)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a record with a wrong body is what a crash leaves of an append.
pub(crate) fn body_is_torn(file: &impl File, found: &Found) -> io::Result<bool> {
    lost(file, found.offset, found.end)
}

/// Whether what lies in some sector of a stretch is zeros.
fn lost(file: &impl File, from: u64, to: u64) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    let mut at = from;
    while at < to {
        // Up to a boundary of sectors.
        let room = buffer.len() as u64 - at % SECTOR;
        let want = usize::try_from((to - at).min(room)).unwrap_or(buffer.len());
        let got = file.read_at(&mut buffer[..want], at)?;
        if got == 0 {
            break;
        }
        let first = (SECTOR - at % SECTOR) as usize;
        let (head, rest) = buffer[..got].split_at(first.min(got));
        let zeros = |part: &[u8]| part.iter().all(|&octet| octet == 0);
        if zeros(head) || rest.chunks(SECTOR as usize).any(zeros) {
            return Ok(true);
        }
        at += got as u64;
    }
    Ok(false)
}
