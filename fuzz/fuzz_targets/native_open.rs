//! Any octets as a maildrop's file: it is opened or refused, verified, read, delivered into; no
//! panic, no wrong octet, no memory that the file does not explain.
//!
//! The input is read as a script that edits a well-formed file and puts checksums right again, so
//! that the fuzzer gets past them: raw octets would hardly ever pass the first one.

#![no_main]

use std::hash::Hasher as _;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use maildrop::{Addressee, Envelope, MaildropId, Measure, Patience, Progress, Store};
use pop3::{MessageNumber, Part};
use restante_tests::media::SimDisk;
use siphasher::sip::SipHasher24;

const DROP: MaildropId = MaildropId(0x0123_4567_89ab_cdef);
const FUZZ: Addressee<'static> = Addressee::unlimited(DROP, "fuzz");

fn deliver(store: &Store<SimDisk>, text: &[u8]) -> bool {
    let mut draft = store.draft();
    draft.append(text).expect("memory");
    let measure = Measure {
        octets: text.len() as u64,
        ..Measure::default()
    };
    store
        .deliver(&FUZZ, &draft, &measure, &Envelope::default())
        .is_ok()
}

/// Puts the checksum of a record header right, as only the holder of the salt could.
fn sign(octets: &mut [u8], at: usize) {
    let Some(ext_len) = octets
        .get(at + 6..at + 8)
        .map(|len| usize::from(u16::from_le_bytes([len[0], len[1]])))
    else {
        return;
    };
    if octets.len() < at + 64 + ext_len {
        return;
    }
    let salt: [u8; 16] = octets[64..80].try_into().expect("16 octets");
    let mut mac = SipHasher24::new_with_key(&salt);
    mac.write(&(at as u64).to_le_bytes());
    mac.write(&octets[at..at + 56]);
    mac.write(&octets[at + 64..at + 64 + ext_len]);
    let mac = mac.finish().to_le_bytes();
    octets[at + 56..at + 64].copy_from_slice(&mac);
}

fuzz_target!(|input: &[u8]| {
    let disk = SimDisk::default();
    let store = Store::new(Arc::new(disk.clone()));
    for text in [&b"A: b\r\n\r\none\r\n"[..], b"..\r\n", &[b'x'; 300]] {
        assert!(deliver(&store, text));
    }
    let path = Store::<SimDisk>::path_of(DROP);
    disk.rot(&path, |octets| {
        let (edits, tail) = input.split_at(input.len().min(96) / 4 * 4);
        for edit in edits.chunks_exact(4) {
            let at = 4096 + usize::from(u16::from_le_bytes([edit[0], edit[1]])) % 1024;
            if edit[2] & 1 == 0 {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = edit[3];
                }
            } else {
                sign(octets, at & !7);
            }
        }
        octets.extend_from_slice(tail);
    });
    let store = Arc::new(Store::new(Arc::new(disk)));
    store.verify(DROP, &mut |_| {}).expect("memory never fails");
    if let Ok(session) = store.open(DROP) {
        let listing = session.listing();
        for index in 0..listing.len() {
            let number = MessageNumber::from_index(index).expect("few messages");
            for part in [Part::Whole, Part::Top(1)] {
                let mut text = session.text(number, part).expect("it is listed");
                let mut out = Vec::new();
                while let Ok(Progress::More) = text.read(&mut out, Patience::Wait) {}
            }
        }
        drop(session);
        assert!(deliver(&store, b"after\r\n"));
        let later = store.open(DROP).expect("it opened before").listing();
        assert_eq!(later.len(), listing.len() + 1);
    }
});
