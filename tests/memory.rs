//! What a session costs does not depend on how large its messages are.
//!
//! The kernel holds the process to its word: from the moment when the session is open, it gets no
//! more memory than the bound, and an allocation beyond that ends the test.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use maildrop::{
    Addressee, Envelope, MaildropId, Maildrops, Measure, NativeSettings, Patience, Progress,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pop3::{MessageNumber, Part};

const DROP: MaildropId = MaildropId(0x5000_0000_0000_0001);
const LARGE: u64 = 200 * 1024 * 1024;
const PIECE: usize = 64 * 1024;
/// What a session may need beside what it had when it was opened.
const SESSION_OCTETS_MAX: u64 = 256 * 1024;
/// What a delivery may need: the draft's memory, and a buffer of the same size.
const DELIVERY_OCTETS_MAX: u64 = 1024 * 1024;
/// Octets of memory a message in the listing of a session: its entry, and its unique-id.
const LISTING_OCTETS_MAX: u64 = 128;
/// What the allocator asks the kernel for beyond what it was asked for (glibc: `M_TOP_PAD`).
const ALLOCATOR: u64 = 256 * 1024;

/// Octets of private memory that this process can write (`RLIMIT_DATA` counts the same).
fn data_octets() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// Does something with no more memory than the bound; how much it took.
fn within<T>(what: &str, octets_max: u64, act: impl FnOnce() -> T) -> T {
    let before = data_octets();
    let (_, hard) = getrlimit(Resource::RLIMIT_DATA).unwrap();
    setrlimit(Resource::RLIMIT_DATA, before + octets_max, hard).unwrap();
    let result = act();
    setrlimit(Resource::RLIMIT_DATA, hard, hard).unwrap();
    let kib = data_octets().saturating_sub(before) / 1024;
    println!(
        "{what}: {kib} KiB more than before, {} allowed",
        octets_max / 1024
    );
    result
}

fn deliver(maildrops: &Maildrops, octets: u64, piece: &[u8]) {
    let mut draft = maildrops.draft();
    draft.append(b"N: 1\r\n\r\n").unwrap();
    while draft.len() < octets {
        draft.append(piece).unwrap();
    }
    let measure = Measure {
        octets: draft.len(),
        header_octets: 8,
        ..Measure::default()
    };
    let to = Addressee::unlimited(DROP, "mrose");
    let envelope = Envelope::default();
    maildrops
        .deliver(&to, &mut draft, &measure, &envelope)
        .unwrap();
}

/// One test, so that nothing else happens in the process.
#[test]
fn memory_does_not_grow_with_the_message() {
    let dir = tempfile::tempdir().unwrap();
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    let maildrops = Maildrops::native(dir.path(), &settings).unwrap();
    let mut piece = vec![b'y'; PIECE];
    piece[PIECE - 2..].copy_from_slice(b"\r\n");
    // Whatever is made once in the life of a process is made now.
    deliver(&maildrops, 2 * PIECE as u64, &piece);
    within("a delivery", DELIVERY_OCTETS_MAX, || {
        deliver(&maildrops, LARGE, &piece)
    });

    let session = maildrops.open(DROP).unwrap();
    for part in [Part::Whole, Part::Top(10)] {
        let mut chunk = Vec::with_capacity(2 * PIECE);
        let mut read = |number: u32, part| {
            let mut text = session
                .text(MessageNumber::new(number).unwrap(), part)
                .unwrap();
            let mut octets = 0;
            loop {
                let progress = text.read(&mut chunk, Patience::Wait).unwrap();
                octets += chunk.len() as u64;
                chunk.clear();
                if progress == Progress::End {
                    break octets;
                }
            }
        };
        read(1, part);
        let octets = within("a session", SESSION_OCTETS_MAX, || read(2, part));
        assert!(part != Part::Whole || octets >= LARGE, "{octets}");
    }
    drop(session);

    // Many small ones: the listing grows with their number, a little.
    let many: u64 = 5_000;
    for _ in 0..many {
        deliver(&maildrops, 9, b"x\r\n");
    }
    drop(maildrops.open(DROP).unwrap());
    let allowed = many * LISTING_OCTETS_MAX + ALLOCATOR;
    within("a listing", allowed, || {
        let session = maildrops.open(DROP).unwrap();
        let listing = session.listing();
        assert_eq!(listing.len() as u64, many + 2);
        let last = MessageNumber::from_index(listing.len() - 1).unwrap();
        assert!(listing.unique_id(last).is_some());
    });
}
