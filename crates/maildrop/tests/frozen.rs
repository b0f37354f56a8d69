//! Files of format version 1 that must read the same for ever (`golden_v1/`).
//!
//! Beside each file lies what it says: unique-ids, sizes, texts, what is deleted, what is damaged.
//! A version of this program that reads one of them differently has broken somebody's mail. The
//! files are never made again; `cargo test -p restante-maildrop --test frozen -- --ignored` makes
//! what is missing, for a format that has learnt something new.

#![allow(clippy::unwrap_used, reason = "tests")]

mod by_hand;

use std::fs;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};

use by_hand::{DROP, Place, header, message, other, put, ranges, record};
use maildrop::{Addressee, Envelope, MaildropId, Maildrops, Measure, Patience, Progress, Text};
use pop3::{Deletions, MessageNumber, Part, UniqueId};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use siphasher::sip::SipHasher24;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_v1")
}

/// Everything that a file says, for people and for comparison.
fn what_it_says(octets: &[u8]) -> Value {
    let place = Place::new();
    place.write(octets);
    let maildrops = place.store();
    let id = MaildropId(DROP);
    let verified = maildrops.verify(id, &mut |_| {}).unwrap();
    let damages: Vec<_> = verified
        .damages
        .iter()
        .map(|damage| json!({"offset": damage.offset, "uid": damage.uid}))
        .collect();
    let session = maildrops.open(id).unwrap();
    let listing = session.listing();
    let numbers = (0..listing.len()).filter_map(MessageNumber::from_index);
    let messages: Vec<_> = numbers
        .map(|number| {
            let id = String::from_utf8(listing.unique_id(number).unwrap().to_vec()).unwrap();
            json!({
                "unique_id": id,
                "octets": listing.octets(number).unwrap().0,
                "text": print(session.text(number, Part::Whole).unwrap()),
                "header": print(session.text(number, Part::Top(0)).unwrap()),
            })
        })
        .collect();
    drop(session);
    let summary = maildrops.summary(id).unwrap();
    let deleted: Vec<_> = maildrops
        .deleted(id)
        .unwrap()
        .iter()
        .map(|it| {
            json!({
                "uid": it.uid, "unique_id": it.unique_id.to_string(),
                "octets": it.octets.0, "deleted_us": it.deleted_us,
            })
        })
        .collect();
    // What is used up is not given out again.
    let used_up = ["gone-1", "keep-me", "never-seen"]
        .map(|id| deliver(&maildrops, b"A: b\r\n\r\n", id) != id);
    json!({
        "account": summary.account,
        "messages": summary.messages,
        "octets": summary.octets,
        "next_uid": summary.next_uid,
        "listed": messages,
        "deleted": deleted,
        "damages": damages,
        "gone-1, keep-me, never-seen are used up": used_up,
    })
}

/// SHA-256 of a text, or why there is none.
fn print(mut text: Text) -> String {
    let mut hash = Sha256::new();
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        match text.read(&mut chunk, Patience::Wait) {
            Ok(progress) => {
                hash.update(&chunk);
                if progress == Progress::End {
                    return hash
                        .finalize()
                        .iter()
                        .map(|octet| format!("{octet:02x}"))
                        .collect();
                }
            }
            Err(_) => return "damaged".to_owned(),
        }
    }
}

fn deliver(maildrops: &Maildrops, text: &[u8], unique_id: &str) -> String {
    let mut draft = maildrops.draft();
    draft.append(text).unwrap();
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 8,
        ..Measure::default()
    };
    let envelope = Envelope {
        unique_id: UniqueId::new(unique_id.as_bytes()),
        sender: Some(b"mrose@dobbs.org".to_vec()),
        received_us: Some(1_000_000_000_000_000),
        ..Envelope::default()
    };
    let to = Addressee::unlimited(MaildropId(DROP), "mrose");
    let delivered = maildrops.deliver(&to, &mut draft, &measure, &envelope);
    delivered.unwrap().unique_id.to_string()
}

#[test]
fn golden_files_read_the_same_for_ever() {
    let mut read = 0;
    for entry in fs::read_dir(golden()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "rsm") {
            let says = fs::read_to_string(path.with_extension("json")).unwrap();
            let says: Value = serde_json::from_str(&says).unwrap();
            assert_eq!(
                what_it_says(&fs::read(&path).unwrap()),
                says,
                "{}",
                path.display()
            );
            read += 1;
        }
    }
    assert_eq!(read, files().len());
}

/// Every kind of record and TLV, and what a later minor version may add.
fn every_record() -> Vec<u8> {
    let mut file = header(|octets| put!(octets, 16, 0x8000_0001_u32));
    message(&mut file, 10, b"A: ten\r\n\r\n..\r\n", b"");
    message(
        &mut file,
        11,
        b"A: eleven\r\n\r\n",
        b"\x01\0\x05\0OLD-1\0\0\0",
    );
    message(
        &mut file,
        12,
        b"A: twelve\r\n\r\n",
        b"\x02\0\0\0\x04\0\x03\0cur\0",
    );
    let appended = b"\x09\0\x08\0\x01\0\0\0\0\0\0\0";
    message(&mut file, 13, b"A: imported\r\n\r\n", appended);
    message(
        &mut file,
        33,
        b"A: older\r\n\r\n",
        b"\x05\0\x08\0\0\0\0\0\0\0\0\0",
    );
    message(&mut file, 34, b"A: hidden\r\n\r\n", b"");
    message(
        &mut file,
        35,
        b"A: unknown TLV\r\n\r\n",
        b"\x63\0\x02\0??\0\0",
    );
    let large = [&b"B: large\r\n\r\n"[..], &[b'x'; 66_000], b"\r\n"].concat();
    let mut blocks = b"\x06\0\x09\0\x10".to_vec();
    for block in large.chunks(65_536) {
        blocks.extend_from_slice(&crc32c::crc32c(block).to_le_bytes());
    }
    blocks.resize(16, 0);
    message(&mut file, 36, &large, &blocks);
    // Ranges count from the octet after the range before: 10..=10 and 12..=33.
    other(&mut file, 2, 1, b"", &ranges(37, 4, 0, &[10, 0, 1, 21]));
    // Of the second range, 12 is given back.
    other(&mut file, 5, 2, b"", &ranges(37, 5, 0, &[12, 0]));
    other(&mut file, 6, 3, b"", &[2, 0, 34, 0]);
    other(&mut file, 3, 4, b"\x07\0\x08\0\xff\0\0\0\0\0\0\0", b"");
    other(&mut file, 3, 5, b"\x08\0\x07\0renamed\0", b"");
    let mut gone = SipHasher24::new_with_key(&[0; 16]);
    gone.write(b"gone-1");
    other(&mut file, 7, 6, b"", &gone.finish().to_le_bytes());
    other(&mut file, 77, 7, b"", b"of a later minor version");
    message(
        &mut file,
        255,
        b"A: last\r\n\r\n",
        b"\x01\0\x05\0OLD-1\0\0\0",
    );
    file
}

/// What this version writes in a life with rewritings.
fn written() -> Vec<u8> {
    let place = Place::new();
    let maildrops = place.store();
    let id = MaildropId(DROP);
    deliver(&maildrops, b"A: first\r\n\r\n", "gone-1");
    deliver(
        &maildrops,
        &[&b"A: second\r\n\r\n"[..], &[b'y'; 70_000], b"\r\n"].concat(),
        "x",
    );
    deliver(&maildrops, b"A: third\r\n\r\n", "keep-me");
    deliver(&maildrops, b"A: fourth\r\n\r\n", "gone-1");
    let delete = |numbers: &[u32]| {
        let session = maildrops.open(id).unwrap();
        let mut deletions = Deletions::default();
        for &number in numbers {
            deletions.mark(MessageNumber::new(number).unwrap());
        }
        session.commit(&deletions).unwrap();
    };
    delete(&[1]);
    maildrops.compact(id).unwrap();
    delete(&[1, 3]);
    assert_eq!(maildrops.undelete(id, &[2]).unwrap(), [2]);
    maildrops.rename(id, "rose").unwrap();
    deliver(&maildrops, b"A: fifth\r\n\r\n", "fifth");
    fs::read(place.file()).unwrap()
}

/// An append that a crash interrupted.
fn torn() -> Vec<u8> {
    let mut file = header(|_| {});
    message(&mut file, 10, b"A: ten\r\n\r\n", b"");
    let whole = file.len();
    message(&mut file, 11, &[b'z'; 3000], b"");
    file.truncate(whole + 1500);
    file
}

/// A record in the middle that has rotted, and one text.
fn damaged() -> Vec<u8> {
    let mut file = header(|_| {});
    for uid in 10..14 {
        message(&mut file, uid, format!("A: {uid}\r\n\r\n").as_bytes(), b"");
    }
    let place = |n: usize| 4096 + n * 80;
    file[place(1) + 20] ^= 1;
    file[place(2) + 66] ^= 1;
    file
}

/// A later minor version with fields where zeros are now.
fn minor() -> Vec<u8> {
    let mut file = header(|octets| {
        put!(octets, 10, 7_u16);
        octets[80..128].fill(0x55);
        octets[140..148].copy_from_slice(b"\x63\0\x04\0????");
    });
    let fields = by_hand::Fields {
        kind: 1,
        flags: 0xff,
        uid: 10,
        pop_size: 12,
        time: -1,
        top: 10,
        stuffed: 1,
    };
    record(&mut file, &fields, b"", b"A: ten\r\n\r\n..\n", 0);
    file
}

type Make = fn() -> Vec<u8>;

fn files() -> Vec<(&'static str, Make)> {
    vec![
        ("every_record", every_record),
        ("written", written),
        ("torn", torn),
        ("damaged", damaged),
        ("minor", minor),
    ]
}

#[test]
#[ignore = "run by whoever adds a golden file: it makes those that are missing"]
fn make_golden_files() {
    for (name, make) in files() {
        let path = golden().join(format!("{name}.rsm"));
        if !path.exists() {
            let octets = make();
            let says = serde_json::to_string_pretty(&what_it_says(&octets)).unwrap();
            fs::write(&path, octets).unwrap();
            fs::write(path.with_extension("json"), says + "\n").unwrap();
        }
    }
}
