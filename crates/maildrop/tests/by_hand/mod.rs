//! Files of the format, made by hand: nothing of the store's own writer is used.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::fs;
use std::hash::Hasher as _;
use std::path::PathBuf;

use maildrop::{MaildropId, Maildrops, NativeSettings, Patience, Progress};
use pop3::{MessageNumber, Part};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128 as _, SipHasher24 as Wide};

pub(crate) const DROP: u64 = 0xabc0_1234_5678_9def;
pub(crate) const GENERATION: u64 = 0x0102_0304_0506_0708;
pub(crate) const SALT: [u8; 16] = *b"0123456789abcdef";

pub(crate) struct Place {
    _dir: tempfile::TempDir,
    data: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_owned();
        Self { _dir: dir, data }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.data.join("d/a/bc/abc0123456789def.rsm")
    }

    pub(crate) fn store(&self) -> Maildrops {
        let settings = NativeSettings {
            allow_volatile: true,
            ..NativeSettings::default()
        };
        Maildrops::native(&self.data, &settings).unwrap()
    }

    /// The file's octets, as the store finds them.
    pub(crate) fn write(&self, octets: &[u8]) {
        fs::create_dir_all(self.file().parent().unwrap()).unwrap();
        fs::write(self.file(), octets).unwrap();
    }
}

/// Puts a little-endian number at a place.
macro_rules! put {
    ($octets:expr, $at:expr, $number:expr) => {{
        let number = $number.to_le_bytes();
        $octets[$at..$at + number.len()].copy_from_slice(&number);
    }};
}

pub(crate) fn header(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = vec![0; 4096];
    octets[..8].copy_from_slice(b"RSMDROP\n");
    put!(octets, 8, 1_u16);
    put!(octets, 20, 4096_u32);
    put!(octets, 24, DROP);
    put!(octets, 32, 3_u64);
    put!(octets, 40, GENERATION);
    put!(octets, 48, 10_u64);
    put!(octets, 56, 1_234_567_i64);
    octets[64..80].copy_from_slice(&SALT);
    octets[128..140].copy_from_slice(b"\x01\0\x06\0mrose\xff\0\0");
    change(&mut octets);
    let mut mac = Wide::new_with_key(octets[64..80].try_into().unwrap());
    mac.write(&octets[..4080]);
    let mac = mac.finish128().as_bytes();
    octets[4080..].copy_from_slice(&mac);
    octets
}

pub(crate) struct Fields {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) uid: u64,
    pub(crate) pop_size: u64,
    pub(crate) time: i64,
    pub(crate) top: u32,
    pub(crate) stuffed: u32,
}

/// Appends a record made by hand.
pub(crate) fn record(file: &mut Vec<u8>, fields: &Fields, ext: &[u8], body: &[u8], prev: u32) {
    file.resize(file.len().next_multiple_of(8), 0);
    let mut octets = vec![0; 64];
    put!(octets, 0, 0x4D53_5211_u32);
    (octets[4], octets[5]) = (fields.kind, fields.flags);
    put!(octets, 6, ext.len() as u16);
    put!(octets, 8, body.len() as u64);
    put!(octets, 16, fields.uid);
    put!(octets, 24, fields.pop_size);
    put!(octets, 32, fields.time);
    put!(octets, 40, fields.top);
    put!(octets, 44, fields.stuffed);
    put!(octets, 48, crc32c::crc32c(body));
    put!(octets, 52, prev);
    let mut mac = SipHasher24::new_with_key(file[64..80].try_into().unwrap());
    mac.write(&(file.len() as u64).to_le_bytes());
    mac.write(&octets[..56]);
    mac.write(ext);
    put!(octets, 56, mac.finish());
    file.extend_from_slice(&octets);
    file.extend_from_slice(ext);
    file.extend_from_slice(body);
}

pub(crate) fn message(file: &mut Vec<u8>, uid: u64, text: &[u8], ext: &[u8]) {
    let fields = Fields {
        kind: 1,
        flags: 0,
        uid,
        pop_size: text.len() as u64,
        time: 99,
        top: text.len() as u32,
        stuffed: 0,
    };
    record(file, &fields, ext, text, 0);
}

pub(crate) fn other(file: &mut Vec<u8>, kind: u8, number: u64, ext: &[u8], body: &[u8]) {
    let fields = Fields {
        kind,
        flags: 0,
        uid: number,
        pop_size: 0,
        time: 99,
        top: 0,
        stuffed: 0,
    };
    record(file, &fields, ext, body, 0);
}

/// Body of a DELETE or UNDELETE: counters, then ranges as (gap, length − 1), all below 128.
pub(crate) fn ranges(next_uid: u64, live: u64, octets: u64, ranges: &[u8]) -> Vec<u8> {
    let numbers = [next_uid, live, octets].map(u64::to_le_bytes).concat();
    [&numbers, ranges].concat()
}

pub(crate) fn listed(maildrops: &Maildrops) -> Vec<(String, Vec<u8>)> {
    let session = maildrops.open(MaildropId(DROP)).unwrap();
    let listing = session.listing();
    (0..listing.len())
        .map(|index| {
            let number = MessageNumber::from_index(index).unwrap();
            let id = String::from_utf8(listing.unique_id(number).unwrap().to_vec()).unwrap();
            let mut text = session.text(number, Part::Whole).unwrap();
            let mut out = Vec::new();
            while text.read(&mut out, Patience::Wait).unwrap() == Progress::More {}
            (id, out)
        })
        .collect()
}

/// [`GENERATION`] in base 32, worked out by hand: 0, 2, 0, 16, 3, 0, 16, 2, 16, 12, 1, 24, 8.
pub(crate) const OWN: &str = "acaqdaqcqmbyi";

pub(crate) use put;
