//! Whether the salt of a damaged file can be believed, and the rest of its header.
//!
//! The checksum of the header has 128 bits, that of a record 64, and both are keyed with the salt:
//! where one holds, the salt is right. So a single octet that has rotted in the header is found by
//! trying, and if more has, a record that holds still proves the salt.

use std::io;

use crate::id::MaildropId;
use crate::native::bytes::{i64_at, u64_at};
use crate::native::header::{HEADER_LEN, Header};
use crate::native::media::File;
use crate::native::record::search;

/// What is believed of a file's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// It is whole.
    Whole,
    /// One bit of it was wrong, and is known.
    Mended,
    /// Its checksum is wrong, but records prove the salt. Unique-ids may be wrong.
    Salt,
    /// Nothing: no record can be verified.
    Nothing,
}

/// Reads the header as far as it can be believed.
pub(super) fn read(
    file: &impl File,
    len: u64,
    drop: Option<MaildropId>,
) -> io::Result<(Trust, Option<Header>)> {
    let mut octets = vec![0; HEADER_LEN];
    let got = file.read_at(&mut octets, 0)?;
    if let Ok(header) = Header::decode(&octets[..got]) {
        return Ok((Trust::Whole, Some(header)));
    }
    if got < HEADER_LEN {
        return Ok((Trust::Nothing, None));
    }
    if let Some(header) = mend(&mut octets) {
        return Ok((Trust::Mended, Some(header)));
    }
    let header = Header {
        drop: drop.unwrap_or_else(|| MaildropId(u64_at(&octets, 24))),
        file_seq: u64_at(&octets, 32),
        generation: u64_at(&octets, 40),
        // What its records say is enough: new messages get another generation.
        next_uid: 1,
        created_us: i64_at(&octets, 56),
        salt: octets[64..80].try_into().expect("16 octets"),
        account: Vec::new(),
    };
    Ok(match search(file, &header.salt, HEADER_LEN as u64, len)? {
        Some(_) => (Trust::Salt, Some(header)),
        None => (Trust::Nothing, None),
    })
}

/// Tries every single bit.
fn mend(octets: &mut [u8]) -> Option<Header> {
    for at in 0..octets.len() * 8 {
        octets[at / 8] ^= 1 << (at % 8);
        if let Ok(header) = Header::decode(octets) {
            return Some(header);
        }
        octets[at / 8] ^= 1 << (at % 8);
    }
    None
}
