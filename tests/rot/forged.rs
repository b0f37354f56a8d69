//! Bodies that imitate records: whoever writes texts cannot write records, whatever a crash or rot
//! destroys around them.
//!
//! The forgeries lie where a record could lie, to the octet, and say what a record would say. Some
//! are better than any stranger's: copies of this very file's records, checksums made with this
//! very file's key for another offset.

use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use restante_tests::media::{Loss, SimDisk};
use siphasher::sip::SipHasher24;

use crate::shop::{DROP, Retrieved, deliver, path, retrieve, store};
use crate::specimen::FILE_HEADER;
use crate::work::{each_case, seed, wanted};
use restante_tests::random::Random;

/// Octets of the record whose body forges; a case for each place where it may end.
const ATTACK: usize = 1500;
/// From its start to the first forgery: header, sender, a header line and the blank line.
const LEAD: usize = 64 + 8 + 8;

/// A record as the store would write it with this key at this offset.
fn record(salt: [u8; 16], offset: u64, kind: u8, number: u64, body: &[u8]) -> Vec<u8> {
    let mut octets = vec![0x11, 0x52, 0x53, 0x4d, kind, 0, 0, 0];
    octets.extend_from_slice(&(body.len() as u64).to_le_bytes());
    octets.extend_from_slice(&number.to_le_bytes());
    octets.extend_from_slice(&(body.len() as u64).to_le_bytes());
    octets.extend_from_slice(&1_700_000_000_000_000_i64.to_le_bytes());
    octets.extend_from_slice(&8_u32.to_le_bytes());
    octets.extend_from_slice(&0_u32.to_le_bytes());
    octets.extend_from_slice(&crc32c(body).to_le_bytes());
    octets.extend_from_slice(&0_u32.to_le_bytes());
    let mut hasher = SipHasher24::new_with_key(&salt);
    hasher.write(&offset.to_le_bytes());
    hasher.write(&octets);
    octets.extend_from_slice(&hasher.finish().to_le_bytes());
    octets.extend_from_slice(body);
    octets
}

/// CRC-32C, bit by bit: not the code that is tested.
fn crc32c(octets: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !octets.iter().fold(!0, |crc: u32, &octet| {
        (0..8).fold(crc ^ u32::from(octet), step)
    })
}

/// What a forgery says: a message, or that all messages are deleted, hidden, or back.
fn plausible(random: &mut Random, salt: [u8; 16], offset: u64) -> Vec<u8> {
    let number = random.pick(&[1, 2, 3, 4, 5, 31, 1 << 40]);
    // Next uid, live messages, octets; then uids 1 to 32.
    let counters = [&(1_u64 << 40).to_le_bytes()[..], &[0; 16], &[1, 31]].concat();
    match random.below(8) {
        0 => record(salt, offset, 2, number, &counters),
        1 => record(salt, offset, 5, number, &counters),
        2 => record(salt, offset, 6, number, &[2, 0, 1, 31]),
        3 => record(salt, offset, 3, number, b""),
        _ => {
            let mut body = b"N: f\r\n\r\nforged\r\n".to_vec();
            body.resize(body.len() + random.below(100), b'f');
            record(salt, offset, 1, number, &body)
        }
    }
}

/// A file with two messages and a third one that forges.
struct Attacked {
    octets: Vec<u8>,
    disk: SimDisk,
    /// Where the forging record begins.
    at: usize,
    /// All three, as they were acknowledged.
    mail: Retrieved,
}

fn salt_of(octets: &[u8]) -> [u8; 16] {
    octets[64..80].try_into().unwrap()
}

impl Attacked {
    /// `forge` makes octets for an offset of the file.
    fn new(random: &mut Random, forge: impl Fn(&mut Random, &[u8], u64) -> Vec<u8>) -> Self {
        let disk = SimDisk::default();
        let shop = store(&disk);
        for _ in 0..2 {
            let mut text = b"N: g\r\n\r\n".to_vec();
            text.resize(text.len() + random.below(200), b'g');
            deliver(&shop, &text);
        }
        let octets = disk.octets(&path()).unwrap();
        let at = octets.len().next_multiple_of(8);
        let mut body = b"N: 1\r\n\r\n".to_vec();
        loop {
            body.resize(body.len().next_multiple_of(8) + 8 * random.below(2), b'x');
            let offset = at + LEAD - 8 + body.len();
            let forged = forge(random, &octets, offset as u64);
            if offset + forged.len() > at + ATTACK {
                break;
            }
            body.extend_from_slice(&forged);
        }
        body.resize(ATTACK - (LEAD - 8), b'x');
        deliver(&shop, &body);
        let octets = disk.octets(&path()).unwrap();
        assert_eq!(octets.len(), at + ATTACK);
        Self {
            mail: retrieve(&shop).unwrap(),
            octets,
            disk: disk.reboot(Loss::Nothing),
            at,
        }
    }

    /// The file as a crash left it, and something else with it.
    fn spoilt(&self, end: usize, spoil: Spoil, random: &mut Random) -> SimDisk {
        let disk = self.disk.reboot(Loss::Nothing);
        let (at, from) = (self.at, self.at + LEAD);
        disk.rot(&path(), |octets| {
            match spoil {
                Spoil::Nothing => {}
                Spoil::Header => octets[at + random.below(64)] ^= 1 << random.below(8),
                Spoil::FirstSector => octets[at..(at + 1).next_multiple_of(512)].fill(0),
                Spoil::Sectors => {
                    let sectors = at / 512..(at + ATTACK).div_ceil(512);
                    for sector in sectors.filter(|_| random.below(2) == 0) {
                        let range = (512 * sector).max(at)..(512 * sector + 512).min(at + ATTACK);
                        octets[range].fill(0);
                    }
                }
                Spoil::AllBefore => octets[FILE_HEADER..from].fill(0),
            }
            octets.truncate(end);
        });
        disk
    }
}

/// What is destroyed beside what the crash cut off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spoil {
    Nothing,
    Header,
    FirstSector,
    /// Any of the sectors of the record.
    Sectors,
    /// Everything between the file header and the first forgery.
    AllBefore,
}

const SPOILS: [Spoil; 5] = [
    Spoil::Nothing,
    Spoil::Header,
    Spoil::FirstSector,
    Spoil::Sectors,
    Spoil::AllBefore,
];

/// The best that can be had without both the key and the offset, and better.
fn forge(random: &mut Random, file: &[u8], offset: u64) -> Vec<u8> {
    let own = salt_of(file);
    match random.below(6) {
        0 => {
            let salt = std::array::from_fn(|_| random.number() as u8);
            plausible(random, salt, offset)
        }
        1 => plausible(random, [0; 16], offset),
        // Right but for the offset.
        2 => {
            let elsewhere = random.below(2 * file.len()) as u64 / 8 * 8;
            let elsewhere = if elsewhere == offset {
                offset + 8
            } else {
                elsewhere
            };
            plausible(random, own, elsewhere)
        }
        3 => {
            let elsewhere = offset.wrapping_add_signed(random.pick(&[-64, -8, 8, 64]));
            plausible(random, own, elsewhere)
        }
        // A real record of this file, or both of them.
        4 => file[FILE_HEADER..].to_vec(),
        // Right but for one bit of the checksum.
        _ => {
            let mut forged = plausible(random, own, offset);
            forged[56 + random.below(8)] ^= 1 << random.below(8);
            forged
        }
    }
}

#[test]
fn no_body_passes_for_a_record() {
    let cases = wanted("FORGED", 20_000);
    let (whole, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    each_case("forged", cases, |take| {
        let mut attacked = None;
        while let Some(case) = take() {
            let (file, cut) = (case / ATTACK as u64, case as usize % ATTACK);
            let fresh = Random::new(seed().wrapping_mul(0x1_0000_0001).wrapping_add(file));
            let known = attacked.take().filter(|(known, _)| *known == file);
            let (_, target): &(u64, Attacked) = attacked.insert(known.unwrap_or_else(|| {
                let mut random = fresh;
                (file, Attacked::new(&mut random, forge))
            }));
            let mut random = Random::new(!case);
            let spoil = SPOILS[(case / 7 % 5) as usize];
            let end = target.at + 1 + cut;
            let what = format!("seed {} case {case}: {spoil:?}, cut at {end}", seed());
            let disk = target.spoilt(end, spoil, &mut random);
            let shop = store(&disk);
            let found = retrieve(&shop).unwrap();
            for (id, text) in &found {
                let real = target.mail.iter().find(|(known, _)| known == id);
                let (_, real) = real.unwrap_or_else(|| panic!("{what}: {text:?} is a stranger"));
                assert!(text.is_none() || text == real, "{what}: became {text:?}");
                refused.fetch_add(u64::from(text.is_none()), Ordering::Relaxed);
            }
            if spoil != Spoil::AllBefore {
                assert!(found.len() >= 2, "{what}: lost what was acknowledged");
                assert_eq!(found[..2], target.mail[..2], "{what}");
            }
            let all = spoil == Spoil::Nothing && end == target.octets.len();
            assert!(!all || found == target.mail, "{what}");
            whole.fetch_add(u64::from(found.len() == 3), Ordering::Relaxed);
            // A NOTE or a DELETE that was believed would show here.
            let next = shop.summary(DROP).unwrap().next_uid;
            assert!(next < 100, "{what}: next uid {next}");
        }
    });
    println!("forged: {whole:?} times all three were listed, {refused:?} refused when read");
}

/// With the key and the right offset all of this is believed, so the cases above are forgeries
/// that only the checksum tells from records.
#[test]
fn with_the_key_a_body_does_pass() {
    let mut random = Random::new(7);
    let honest = |random: &mut Random, file: &[u8], offset: u64| {
        let text = b"N: f\r\n\r\nforged\r\n";
        record(
            salt_of(file),
            offset,
            1,
            5 + u64::from(random.number() as u8),
            text,
        )
    };
    let attacked = Attacked::new(&mut random, honest);
    let end = attacked.octets.len();
    for spoil in [Spoil::Header, Spoil::FirstSector, Spoil::AllBefore] {
        let disk = attacked.spoilt(end, spoil, &mut random);
        let found = retrieve(&store(&disk)).unwrap();
        let forged =
            |(_, text): &(_, Option<Vec<u8>>)| text.as_deref() == Some(b"N: f\r\n\r\nforged\r\n");
        assert!(found.iter().any(forged), "{spoil:?}: {found:?}");
    }
}

/// A message whose text holds a record that was copied octet by octet from a real file, and one
/// with every plausible field but the key; then everything before it rots.
#[test]
fn a_body_that_imitates_records() {
    // A record of the right shape for any offset, made with another file's key.
    let other = SimDisk::default();
    deliver(&store(&other), b"N: f\r\n\r\nforged\r\n");
    let forged = other.octets(&path()).unwrap()[4096..].to_vec();
    let mut body = b"N: 1\r\n\r\n".to_vec();
    for shift in 0..64 {
        body.resize(body.len() + shift % 9, b'x');
        body.extend_from_slice(&forged);
    }
    let disk = SimDisk::default();
    let shop = store(&disk);
    let victim = deliver(&shop, &body);
    let last = deliver(&shop, b"N: 2\r\n\r\nlast\r\n");
    let octets = disk.octets(&path()).unwrap();
    // A record of this very file, moved into a body of this very file.
    let own = octets[4096..4096 + 200].to_vec();
    let replay = [&b"N: 3\r\n\r\n"[..], &own, &own].concat();
    let third = deliver(&shop, &replay);
    let known = [&victim, &last, &third].map(|id| id.as_bytes().to_vec());
    let len = disk.octets(&path()).unwrap().len();
    for bit in 0..64 * 8 {
        for end in [len, len - 1, len - 300, 4096 + 5000] {
            let rotten = disk.reboot(Loss::Nothing);
            rotten.rot(&path(), |octets| {
                octets[4096 + bit / 8] ^= 1 << (bit % 8);
                octets.truncate(end);
            });
            let found = retrieve(&store(&rotten)).unwrap();
            for (id, text) in found {
                assert!(known.contains(&id), "bit {bit}: {id:?}");
                assert!(text.is_none_or(|text| text.starts_with(b"N: ")));
            }
        }
    }
}
