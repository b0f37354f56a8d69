//! Fixed scripts on the hot paths, for `interop/counts.py`, which runs each under callgrind and holds its
//! instructions and allocations against what was recorded.
//!
//! What is counted begins with [`measured`]. What a script needs is made before, so that the count is of the
//! path alone; nothing depends on a clock, a socket or another process.
//!
//! ```sh
//! counts prepare DIR      # a maildrop of 100,000 messages below DIR
//! counts SCRIPT DIR
//! ```

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::{env, fs, process};

use maildrop::native::media::{Disk as _, File as _};
use maildrop::{Addressee, Envelope, MaildropId, Measure, NativeSettings, Store};
use pop3::server::{
    Channel, Connection, Next, Passwords, Rules, Sasl, Session, Settings, Stls, Utf8Messages,
};
use pop3::xclient::Speaker;
use pop3::{Expire, Language, Octets, Promise, ScanListing, Tolerances, UniqueId};
use restante_tests::media::SimDisk;

const DROP: MaildropId = MaildropId(0x5000_0000_0000_0001);
const MANY: usize = 100_000;
/// Sessions, CAPAs and retrievals of one run.
const ROUNDS: usize = 1_000;
const TEXT: &[u8] = &[b'y'; 4096];
/// As the server has it: replies beyond this are written before more are made.
const OUTPUT_OCTETS_MAX: usize = 32 << 10;

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let [script, dir] = &words[..] else {
        eprintln!("usage: counts prepare|poll|capa|retr|list|uidl|native-uidl|open|reopen DIR");
        process::exit(64);
    };
    let dir = Path::new(dir);
    match script.as_str() {
        "prepare" => prepare(dir),
        "poll" => {
            let listing = listing(10);
            measured(&mut || poll(&listing));
        }
        "capa" => conversation(None, "CAPA\r\n".repeat(ROUNDS).as_bytes()),
        "retr" => {
            let lines: String = (1..=ROUNDS).map(|n| format!("RETR {n}\r\n")).collect();
            conversation(Some(listing(ROUNDS)), lines.as_bytes());
        }
        "list" => conversation(Some(listing(MANY)), b"LIST\r\n"),
        "uidl" => conversation(Some(listing(MANY)), b"UIDL\r\n"),
        "native-uidl" => {
            let session = planted(dir).open(DROP).unwrap();
            conversation(Some(session.listing()), b"UIDL\r\n");
        }
        "open" => {
            let store = planted(dir);
            measured(&mut || open(&store));
        }
        "reopen" => {
            let store = planted(dir);
            open(&store);
            measured(&mut || open(&store));
        }
        other => {
            eprintln!("no such script: {other}");
            process::exit(64);
        }
    }
}

/// What comes before it does not count.
#[inline(never)]
fn measured(script: &mut dyn FnMut()) {
    script();
}

/// Sessions from the greeting to the sign-off.
fn poll(listing: &ScanListing) {
    let input = b"USER mrose\r\nPASS redqueen\r\nSTAT\r\nQUIT\r\n";
    for _ in 0..ROUNDS {
        let mut session = session();
        let mut out = Vec::new();
        session.connection().greeting(&mut out);
        play(&mut session, &mut Some(listing.clone()), input, &mut out);
        assert!(session.summary().signed_off);
    }
}

/// A session that is made, and logged in if it has a listing, before it counts.
fn conversation(listing: Option<ScanListing>, input: &[u8]) {
    let (mut session, mut listing) = (session(), listing);
    let mut out = Vec::new();
    if listing.is_some() {
        let login = b"USER mrose\r\nPASS redqueen\r\n";
        play(&mut session, &mut listing, login, &mut out);
        out.clear();
    }
    let mut octets = 0;
    measured(&mut || octets = play(&mut session, &mut listing, input, &mut out));
    assert!(octets > input.len(), "{octets} octets were answered");
}

/// Does what the server's loop does, with texts from memory; how many octets were written.
fn play(
    session: &mut Session,
    listing: &mut Option<ScanListing>,
    mut input: &[u8],
    out: &mut Vec<u8>,
) -> usize {
    let mut written = 0;
    loop {
        let step = session.handle(input, out);
        input = &input[step.consumed..];
        let is_over = match step.next {
            Next::Read | Next::Close => true,
            Next::Write => false,
            Next::Authenticate(_) => {
                let listing = listing.take().unwrap();
                session.opened("mrose", listing, Rules::default(), out);
                false
            }
            Next::Send(..) => {
                out.extend_from_slice(TEXT);
                session.sent(out);
                false
            }
            Next::Commit(deletions) => {
                session.committed(10 - deletions.len(), out);
                false
            }
            other => panic!("no script asks for {other:?}"),
        };
        if is_over || out.len() >= OUTPUT_OCTETS_MAX {
            written += out.len();
            out.clear();
        }
        if is_over {
            return written;
        }
    }
}

fn open(store: &Arc<Store<SimDisk>>) {
    let session = store.open(DROP).unwrap();
    assert_eq!(session.listing().len(), MANY);
}

/// The maildrop that was prepared, on a disk in memory: valgrind does not know the calls of the real one (openat2).
fn planted(dir: &Path) -> Arc<Store<SimDisk>> {
    let (disk, path) = (
        Arc::new(SimDisk::default()),
        Store::<SimDisk>::path_of(DROP),
    );
    let octets = fs::read(dir.join(&path)).unwrap();
    for (end, _) in path.match_indices('/') {
        disk.make_dir(&path[..end]).unwrap();
    }
    disk.create(&path).unwrap().write_at(&[&octets], 0).unwrap();
    Arc::new(Store::with_settings(disk, settings()))
}

/// A maildrop as deliveries make it, on a disk in memory and then copied.
fn prepare(dir: &Path) {
    let disk = Arc::new(SimDisk::default());
    let store = Arc::new(Store::with_settings(Arc::clone(&disk), settings()));
    let to = Addressee::unlimited(DROP, "mrose");
    let text = b"Subject: one of many\r\n\r\nhello\r\n";
    let measure = Measure {
        octets: text.len() as u64,
        header_octets: 24,
        ..Measure::default()
    };
    let envelope = Envelope {
        received_us: Some(1_800_000_000_000_000),
        ..Envelope::default()
    };
    for _ in 0..MANY {
        let mut draft = store.draft();
        draft.append(text).unwrap();
        store.deliver(&to, &draft, &measure, &envelope).unwrap();
    }
    let path = Store::<SimDisk>::path_of(DROP);
    let file = dir.join(&path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, disk.octets(&path).unwrap()).unwrap();
}

fn settings() -> NativeSettings {
    NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    }
}

fn listing(messages: usize) -> ScanListing {
    let mut listing = ScanListing::with_capacity(messages);
    for n in 0..messages {
        let id = format!("{:016x}.{n}", DROP.0);
        listing.push(Octets(4096), &UniqueId::new(id).unwrap());
    }
    listing
}

fn session() -> Session {
    let settings = Settings {
        name: "dewey".into(),
        command_octets_max: 512,
        output_octets_max: OUTPUT_OCTETS_MAX,
        language: Language::English,
        utf8_messages: Utf8Messages::Surrogate,
        tolerances: Tolerances::default(),
        login_delay: None,
    };
    let connection = Connection {
        channel: Channel::Tls,
        passwords: Passwords::Accepted,
        stls: Stls::NotOffered,
        speaker: Speaker::Client,
        timestamp: "<1896.6971@mailgate.dobbs.org>".into(),
        expire: Promise::All(Expire::Never),
        sasl: Sasl::new(sasl::nonce::Nonces::new([0; 32])),
    };
    Session::new(settings.into(), connection)
}
