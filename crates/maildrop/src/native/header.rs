//! The first 4096 octets of a maildrop's file: whose it is, and the key of all its checksums.
//!
//! Written once and never changed in place; `docs/format.md` has the layout.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128 as _, SipHasher24 as SipHasher24Wide};

use super::bytes::{i64_at, tlv, tlvs, u16_at, u32_at, u64_at};
use crate::id::MaildropId;

/// Octets of the header; the first record follows.
pub(crate) const HEADER_LEN: usize = 4096;
/// Octets at the start that tell two files apart: they hold the file's number and its salt.
pub(crate) const IDENTITY_LEN: usize = 80;

const MAGIC: &[u8; 8] = b"RSMDROP\n";
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
const TLV_START: usize = 128;
const MAC_START: usize = HEADER_LEN - 16;
/// TLV: the account's name.
const ACCOUNT: u8 = 1;
/// Longest account name that is kept.
pub(crate) const ACCOUNT_MAX: usize = 1024;

/// What the header says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    /// Whose mail.
    pub(crate) drop: MaildropId,
    /// How often the file was replaced.
    pub(crate) file_seq: u64,
    /// Random part of the unique-ids.
    pub(crate) generation: u64,
    /// First uid that may be given out in this file.
    pub(crate) next_uid: u64,
    /// When the file was made, µs since 1970.
    pub(crate) created_us: i64,
    /// Key of every checksum that must not be forged; known to nobody outside.
    pub(crate) salt: [u8; 16],
    /// Name of the account, so that a lost account database can be rebuilt.
    pub(crate) account: Vec<u8>,
}

impl Header {
    /// The header as it lies on the disk.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&MAJOR.to_le_bytes());
        out.extend_from_slice(&MINOR.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes()); // critical flags
        out.extend_from_slice(&0_u32.to_le_bytes()); // compatible flags
        out.extend_from_slice(&(HEADER_LEN as u32).to_le_bytes());
        out.extend_from_slice(&self.drop.0.to_le_bytes());
        out.extend_from_slice(&self.file_seq.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.next_uid.to_le_bytes());
        out.extend_from_slice(&self.created_us.to_le_bytes());
        out.extend_from_slice(&self.salt);
        out.resize(TLV_START, 0);
        if (1..=ACCOUNT_MAX).contains(&self.account.len()) {
            tlv(ACCOUNT, &self.account, &mut out);
        }
        // The end marker and the rest are zeros.
        out.resize(MAC_START, 0);
        let mac = wide_mac(&self.salt, &[&out]);
        out.extend_from_slice(&mac);
        out
    }

    /// Reads a header back.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for an operator.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, String> {
        if octets.len() < HEADER_LEN {
            return Err(format!("the file has only {} octets", octets.len()));
        }
        if &octets[..8] != MAGIC {
            return Err("it does not begin like a maildrop file".into());
        }
        let salt: [u8; 16] = octets[64..80].try_into().expect("16 octets");
        // A newer major version may have its checksum elsewhere: say so before checking ours.
        let major = u16_at(octets, 8);
        if major != MAJOR {
            return Err(format!(
                "format version {major} is not known to this program"
            ));
        }
        if wide_mac(&salt, &[&octets[..MAC_START]]) != octets[MAC_START..HEADER_LEN] {
            return Err("the checksum of the file header is wrong".into());
        }
        let critical = u32_at(octets, 12);
        if critical != 0 {
            return Err(format!(
                "it needs features that this program does not know (flags {critical:#x})"
            ));
        }
        if u32_at(octets, 20) as usize != HEADER_LEN {
            return Err("the file header has an unknown length".into());
        }
        let account = tlvs(&octets[TLV_START..MAC_START])
            .find(|&(kind, _)| kind == ACCOUNT)
            .map(|(_, name)| name.to_vec())
            .unwrap_or_default();
        Ok(Self {
            drop: MaildropId(u64_at(octets, 24)),
            file_seq: u64_at(octets, 32),
            generation: u64_at(octets, 40),
            next_uid: u64_at(octets, 48),
            created_us: i64_at(octets, 56),
            salt,
            account,
        })
    }

    /// The first octets of the encoded header, which differ between any two files.
    pub(crate) fn identity(&self) -> [u8; IDENTITY_LEN] {
        self.encode()[..IDENTITY_LEN]
            .try_into()
            .expect("a header is longer")
    }
}

/// SipHash-2-4 with 128 bits over all parts.
pub(crate) fn wide_mac(salt: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = SipHasher24Wide::new_with_key(salt);
    for part in parts {
        hasher.write(part);
    }
    hasher.finish128().as_bytes()
}

/// SipHash-2-4 with 64 bits over all parts.
pub(crate) fn mac(salt: &[u8; 16], parts: &[&[u8]]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(salt);
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}
