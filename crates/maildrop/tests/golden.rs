//! The format, octet by octet: files made here by hand are read, files that the store made are
//! compared with what is made here by hand. Nothing of the store's own writer is used.

#![allow(clippy::unwrap_used, reason = "tests")]

mod by_hand;

use std::fs;
use std::hash::Hasher as _;

use by_hand::{DROP, Fields, OWN, Place, header, listed, message, other, put, ranges, record};
use maildrop::{Addressee, Envelope, MaildropId, Measure, OpenError};
use pop3::{Deletions, MessageNumber, UniqueId};
use siphasher::sip::SipHasher24;

#[test]
fn a_file_made_by_hand_is_read() {
    let place = Place::new();
    let mut file = header(|_| {});
    message(&mut file, 10, b"ten\r\n", b"");
    message(&mut file, 11, b"eleven\r\n", b"\x01\0\x05\0OLD-1\0\0\0");
    message(&mut file, 12, b"twelve\r\n", b"\x02\0\0\0\x04\0\x03\0cur\0");
    message(
        &mut file,
        33,
        b"older life\r\n",
        b"\x05\0\x08\0\0\0\0\0\0\0\0\0",
    );
    message(&mut file, 34, b"hidden\r\n", b"");
    message(&mut file, 35, b"last\r\n", b"\x63\0\x02\0??\0\0");
    // Ranges count from the octet after the range before: 10..=10 and 12..=33.
    other(&mut file, 2, 1, b"", &ranges(36, 3, 22, &[10, 0, 1, 21]));
    // The second range is given back.
    other(&mut file, 5, 2, b"", &ranges(36, 5, 42, &[12, 21]));
    other(&mut file, 6, 3, b"", &[2, 0, 34, 0]);
    other(&mut file, 3, 4, b"\x07\0\x08\0\xff\0\0\0\0\0\0\0", b"");
    // A record of a later minor version.
    other(&mut file, 77, 5, b"", b"whatever");
    place.write(&file);
    let maildrops = place.store();
    let expected = [
        ("OLD-1".to_owned(), b"eleven\r\n".to_vec()),
        (format!("{OWN}.m"), b"twelve\r\n".to_vec()),
        ("aaaaaaaaaaaaa.bb".to_owned(), b"older life\r\n".to_vec()),
        (format!("{OWN}.bd"), b"last\r\n".to_vec()),
    ];
    assert_eq!(listed(&maildrops), expected);
    let summary = maildrops.summary(MaildropId(DROP)).unwrap();
    assert_eq!((summary.messages, summary.next_uid), (5, 255));
    assert_eq!(summary.account, "mrose\u{fffd}");
    let verified = maildrops.verify(MaildropId(DROP), &mut |_| {}).unwrap();
    assert_eq!(verified.damages, []);
    assert_eq!(verified.octets_read, file.len() as u64);

    // Hidden is not gone: this session's deletions leave it.
    let session = maildrops.open(MaildropId(DROP)).unwrap();
    let mut deletions = Deletions::default();
    (1..=4).for_each(|n| {
        deletions.mark(MessageNumber::new(n).unwrap());
    });
    assert_eq!(session.commit(&deletions).unwrap(), 0);
    assert_eq!(maildrops.summary(MaildropId(DROP)).unwrap().messages, 1);
    let written = fs::read(place.file()).unwrap();
    let body = ranges(255, 1, 8, &[11, 22, 1, 0]);
    assert_eq!(written[written.len() - body.len()..], body);
}

#[test]
fn another_process_gives_messages_back() {
    let place = Place::new();
    let mut file = header(|_| {});
    message(&mut file, 10, b"ten\r\n", b"");
    message(&mut file, 11, b"eleven\r\n", b"");
    message(&mut file, 12, b"twelve\r\n", b"");
    other(&mut file, 2, 1, b"", &ranges(13, 1, 8, &[10, 1]));
    place.write(&file);
    let maildrops = place.store();
    assert_eq!(listed(&maildrops).len(), 1);
    // What is known of the dead is not thrown away with them.
    other(&mut file, 5, 2, b"", &ranges(13, 3, 21, &[10, 1]));
    fs::write(place.file(), &file).unwrap();
    assert_eq!(listed(&maildrops).len(), 3);
}

#[test]
fn what_the_store_writes_is_the_format() {
    let place = Place::new();
    let maildrops = place.store();
    let stored = b"A: b\r\n\r\n..dot\r\n";
    let measure = Measure {
        octets: 14,
        stuffed: 1,
        header_octets: 8,
        flags: 2,
    };
    let envelope = Envelope {
        prefix: b"X: \xe9\r\n".to_vec(),
        sender: Some(b"a@b".to_vec()),
        received_us: Some(-5),
        unique_id: UniqueId::new(b"keep-me"),
        origin: Some(b"cur/1".to_vec()),
    };
    let deliver = |stored: &[u8], measure: &Measure, envelope: &Envelope| {
        let mut draft = maildrops.draft();
        draft.append(stored).unwrap();
        let id = MaildropId(DROP);
        maildrops
            .deliver(
                &Addressee::unlimited(id, "mrose"),
                &mut draft,
                measure,
                envelope,
            )
            .unwrap()
    };
    deliver(stored, &measure, &envelope);
    let large = [&b"B: c\r\n\r\n"[..], &[b'x'; 70_000], b"\r\n"].concat();
    let plain = Measure {
        octets: large.len() as u64,
        header_octets: 8,
        ..Measure::default()
    };
    let received = Envelope {
        received_us: Some(7),
        ..Envelope::default()
    };
    let second = deliver(&large, &plain, &received);
    assert_eq!(second.octets.0, large.len() as u64);
    let session = maildrops.open(MaildropId(DROP)).unwrap();
    let mut deletions = Deletions::default();
    deletions.mark(MessageNumber::new(1).unwrap());
    assert_eq!(session.commit(&deletions).unwrap(), 1);

    let written = fs::read(place.file()).unwrap();
    let number = |at: usize| u64::from_le_bytes(written[at..at + 8].try_into().unwrap());
    // What is random or of the clock is taken over, everything else is made here.
    let mut expected = header(|octets| {
        put!(octets, 32, 0_u64);
        put!(octets, 40, number(40));
        put!(octets, 48, 1_u64);
        put!(octets, 56, number(56));
        octets[64..80].copy_from_slice(&written[64..80]);
        octets[128..140].copy_from_slice(b"\x01\0\x05\0mrose\0\0\0");
    });
    let fields = Fields {
        kind: 1,
        flags: 3,
        uid: 1,
        pop_size: 20,
        time: -5,
        top: 14,
        stuffed: 1,
    };
    // Received at another time than it was put here: both are kept.
    let appended = |at: usize| {
        let mut ext = b"\x09\0\x08\0".to_vec();
        ext.extend_from_slice(&number(at + 4).to_le_bytes());
        ext
    };
    let mut ext = b"\x01\0\x07\0keep-me\0\x02\0\x03\0a@b\0\x04\0\x05\0cur/1\0\0\0".to_vec();
    ext.extend_from_slice(&appended(4096 + 64 + ext.len()));
    record(
        &mut expected,
        &fields,
        &ext,
        b"X: \xe9\r\nA: b\r\n\r\n..dot\r\n",
        0,
    );
    let mut ext = appended(expected.len().next_multiple_of(8) + 64);
    ext.extend_from_slice(b"\x06\0\x09\0\x10");
    ext.extend_from_slice(&crc32c::crc32c(&large[..65_536]).to_le_bytes());
    ext.extend_from_slice(&crc32c::crc32c(&large[65_536..]).to_le_bytes());
    ext.resize(28, 0);
    let fields = Fields {
        kind: 1,
        flags: 0,
        uid: 2,
        pop_size: large.len() as u64,
        time: 7,
        top: 8,
        stuffed: 0,
    };
    let first = 4096;
    let next = (expected.len() as u64).next_multiple_of(8);
    record(
        &mut expected,
        &fields,
        &ext,
        &large,
        ((next - first) / 8) as u32,
    );
    let commit = (expected.len() as u64).next_multiple_of(8);
    let fields = Fields {
        kind: 2,
        flags: 0,
        uid: 1,
        pop_size: 0,
        time: number(commit as usize + 32) as i64,
        top: 0,
        stuffed: 0,
    };
    let body = ranges(3, 1, large.len() as u64, &[1, 0]);
    record(
        &mut expected,
        &fields,
        b"",
        &body,
        ((commit - next) / 8) as u32,
    );
    assert!(written == expected);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(place.file()).unwrap());
    assert_eq!(mode & 0o777, 0o600);

    // Emptied and tidied: a fresh file with the same generation and a larger number.
    let session = maildrops.open(MaildropId(DROP)).unwrap();
    session.commit(&deletions).unwrap();
    maildrops.tidy(MaildropId(DROP)).unwrap();
    let fresh = fs::read(place.file()).unwrap();
    let mut expected = header(|octets| {
        put!(octets, 32, 1_u64);
        put!(octets, 40, number(40));
        put!(octets, 48, 3_u64);
        put!(octets, 56, number(56));
        octets[64..80].copy_from_slice(&fresh[64..80]);
        octets[128..140].copy_from_slice(b"\x01\0\x05\0mrose\0\0\0");
    });
    // The unique-id that was imported stays used up.
    let fields = Fields {
        kind: 7,
        flags: 0,
        uid: 1,
        pop_size: 0,
        time: i64::from_le_bytes(fresh[4096 + 32..4096 + 40].try_into().unwrap()),
        top: 0,
        stuffed: 0,
    };
    let mut hash = SipHasher24::new_with_key(&[0; 16]);
    hash.write(b"keep-me");
    record(&mut expected, &fields, b"", &hash.finish().to_le_bytes(), 0);
    assert!(fresh == expected);
    assert_ne!(fresh[64..80], written[64..80], "a new file has a new salt");
}

#[test]
fn versions_and_flags() {
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let place = Place::new();
        let mut file = header(|octets| change(octets));
        message(&mut file, 10, b"ten\r\n", b"");
        place.write(&file);
        match place.store().open(MaildropId(DROP)) {
            Ok(session) => {
                assert_eq!(session.listing().len(), 1);
                None
            }
            Err(OpenError::Damaged(what)) => {
                // Nothing was touched.
                assert_eq!(fs::read(place.file()).unwrap(), file);
                Some(what)
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    // A later minor version and compatible flags are read.
    assert_eq!(refused(&|octets| put!(octets, 10, 7_u16)), None);
    assert_eq!(refused(&|octets| put!(octets, 16, 0x8000_0001_u32)), None);
    assert_eq!(refused(&|octets| put!(octets, 200, 0xffff_u64)), None);
    // What we must know and do not, we refuse.
    let what = refused(&|octets| put!(octets, 12, 4_u32)).unwrap();
    assert!(what.contains("0x4"), "{what}");
    let what = refused(&|octets| put!(octets, 8, 2_u16)).unwrap();
    assert!(what.contains("version 2"), "{what}");
    assert!(refused(&|octets| put!(octets, 20, 8192_u32)).is_some());
    assert!(refused(&|octets| put!(octets, 24, 1_u64)).is_some());
    assert!(refused(&|octets| octets[0] = b'X').is_some());
}

#[test]
fn files_that_are_none() {
    for octets in [&b""[..], b"x", &[0; 4095], &[0; 5000], &[0xff; 10_000]] {
        let place = Place::new();
        place.write(octets);
        let maildrops = place.store();
        let opened = maildrops.open(MaildropId(DROP));
        assert!(matches!(opened, Err(OpenError::Damaged(_))));
        let verified = maildrops.verify(MaildropId(DROP), &mut |_| {}).unwrap();
        assert_eq!(verified.damages.len(), 1);
        let mut draft = maildrops.draft();
        draft.append(b"A: b\r\n").unwrap();
        let refused = maildrops.deliver(
            &Addressee::unlimited(MaildropId(DROP), "x"),
            &mut draft,
            &Measure::default(),
            &Envelope::default(),
        );
        assert!(matches!(refused, Err(maildrop::DeliverError::Damaged(_))));
        assert_eq!(fs::read(place.file()).unwrap(), octets);
    }
}
