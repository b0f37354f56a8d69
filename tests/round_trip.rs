//! What comes in by LMTP's DATA goes out by RETR: the text up to its end, with CRLF line ends, and nothing else.
//!
//! Texts of the octets that matter (CR, LF, dots, NUL, 8-bit, long lines, ends that are none) go through a
//! session whole, octet by octet, and in pieces, with a command behind them. Each time the session must find the end
//! where the reference finds it (`delivery`'s, thirty lines), and make the same stored form and the same
//! measure of it. Then the text is delivered, and what the maildrop hands out is un-stuffed as a client does it: it must be
//! the text.
//!
//! `ROUND_TRIP_OCTETS=1073741824` in the environment tries that many; `ROUND_TRIP_SEED` other texts.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::ops::Range;
use std::sync::Arc;

use delivery::lmtp::{
    Client, Dialect, Encryption, Message, Next, QuotaExceeded, Recipient, Session, Settings,
};
use delivery::{Account, Arrival, Trace};
use maildrop::{Draft, MaildropId, Maildrops, Measure, NativeSettings, Patience, Progress, Quota};
use pop3::wire::{Form, TERMINATOR, TextReader};
use pop3::xclient::Speaker;
use pop3::{Deletions, MessageNumber, Part};
use restante_tests::random::Random;

#[allow(dead_code, reason = "the reference is of pipes, too")]
#[path = "../crates/delivery/src/normalise/reference.rs"]
mod reference;

const DROP: MaildropId = MaildropId(0x7000_0000_0000_0007);
/// Mon, 23 Nov 2026 08:24:39 +0000.
const AT_US: i64 = 1_795_422_279_000_000;
const SENDER: &str = "sender@example.org";
const ADDRESS: &str = "mrose@mailgate.dobbs.org";
/// What a client that pipelines sends behind a text. None of it is text.
const BEHIND: &[u8] = b"NOOP\r\n";
/// Octets that are delivered before the maildrop is read and emptied.
const HELD_MAX: usize = 8 << 20;
/// Unless the environment says otherwise.
const OCTETS: usize = 4 << 20;

/// How a text is cut on its way to the session.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    OctetByOctet,
    Anywhere,
}

/// What a session made of a text.
#[derive(Debug)]
struct Taken {
    stored: Vec<u8>,
    message: Message,
    /// Octets that belonged to the text or to its end.
    consumed: usize,
}

fn session() -> Session {
    let settings = Settings {
        dialect: Dialect::Lmtp,
        hostname: "mailgate.dobbs.org".into(),
        message_octets_max: 0,
        recipients_max: 100,
        quota_exceeded: QuotaExceeded::Temporary,
    };
    let client = Client {
        address: "192.0.2.1".into(),
        speaker: Speaker::Client,
        encryption: Encryption::None,
    };
    let mut session = Session::new(Arc::new(settings), client);
    let (mut out, mut text) = (Vec::new(), Vec::new());
    let commands = format!(
        "LHLO client.example.org\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\n"
    );
    let mut input = commands.as_bytes();
    while !session.is_in_text() {
        let step = session.handle(input, &mut out, &mut text);
        input = &input[step.consumed..];
        if let Next::Resolve { address, .. } = step.next {
            let recipient = Recipient {
                address,
                accounts: vec![Account {
                    name: "mrose".into(),
                    maildrop: DROP,
                    quota: Quota::default(),
                }],
            };
            session.resolved(Ok(recipient), &mut out);
        }
    }
    assert!(input.is_empty() && text.is_empty());
    session
}

/// Sends a text to a session, and looks where it finds the end.
fn take(wire: &[u8], cut: Cut, random: &mut Random) -> Taken {
    let mut session = session();
    let (mut out, mut stored, mut consumed) = (Vec::new(), Vec::new(), 0);
    // From where to where the session has been given octets that it has not taken.
    let mut given = Range::<usize>::default();
    loop {
        let step = session.handle(&wire[given.clone()], &mut out, &mut stored);
        consumed += step.consumed;
        given.start += step.consumed;
        match step.next {
            Next::Text => {}
            Next::Read => {
                assert!(given.end < wire.len(), "the end was not found");
                let more = match cut {
                    Cut::Whole => wire.len(),
                    Cut::OctetByOctet => 1,
                    Cut::Anywhere => 1 + random.below(3000),
                };
                given.end = wire.len().min(given.end + more);
            }
            Next::Deliver(message) => {
                return Taken {
                    stored,
                    message,
                    consumed,
                };
            }
            other => panic!("a text leads to {other:?}"),
        }
    }
}

/// A text and its end, with whatever looks like one in it.
fn wire(random: &mut Random) -> Vec<u8> {
    // Most of it is either what is hard to read, or what mail is made of.
    let rarely = random.pick(&[1, 3, 40, 400]);
    let octets_max = random.pick(&[40, 400, 4000, 200_000]);
    let octets = random.below(octets_max);
    let mut wire = Vec::with_capacity(octets + 300);
    if random.once_in(4) {
        wire.extend_from_slice(b"Subject: x\r\n\r\n");
    }
    while wire.len() < octets {
        if random.once_in(rarely) {
            let piece: &[u8] = random.pick(&[
                b"\r",
                b"\n",
                b".",
                b"\0",
                b"\xe9",
                b"\xff",
                b"\r\n",
                b"\r\n",
                b"\r\n.",
                b"\r\n..",
                b"\n.",
                b"\n.\n",
                b"\n.\r\n",
                b"\r.\r",
                b"\r\n.\r",
                b"\r\n.\n",
                b"\r\r\n",
                b"Received: x\r\n",
                b"From x\r\n",
                b"a",
                b"\r\n\r\n",
            ]);
            wire.extend_from_slice(piece);
        } else {
            let letters_max = random.pick(&[78, 78, 78, 2000]);
            let letters = 1 + random.below(letters_max);
            wire.extend((0..letters).map(|_| b'a' + (random.number() % 26) as u8));
            wire.extend_from_slice(random.pick(&[b"\r\n", b"\r\n", b"\n"]));
        }
    }
    wire.extend_from_slice(b"\r\n.\r\n");
    wire.extend_from_slice(BEHIND);
    wire
}

/// What a client makes of a multi-line reply.
fn read_as_a_client(stored: &[u8]) -> Vec<u8> {
    let (mut reader, mut text) = (TextReader::new(Form::Plain), Vec::new());
    let wire = [stored, TERMINATOR].concat();
    let read = reader.read(&wire, &mut text);
    assert!(read.ended && read.consumed == wire.len());
    text
}

struct Office {
    maildrops: Maildrops,
    /// What has been delivered and not been read again.
    held: Vec<Vec<u8>>,
    octets: usize,
}

impl Office {
    fn deliver(&mut self, taken: &Taken, text: Vec<u8>) {
        let mut draft: Draft = self.maildrops.draft();
        for piece in taken.stored.chunks(60_000) {
            draft.append(piece).unwrap();
        }
        let results = taken.message.deliver(&self.maildrops, &mut draft, AT_US);
        assert!(results.len() == 1 && results[0].is_ok(), "{results:?}");
        let arrival = Arrival {
            sender: Some(SENDER),
            trace: Trace::Transfer {
                received: &taken.message.received,
                authentication_results: "",
            },
            at_us: AT_US,
        };
        let expected = [arrival.prefix(ADDRESS), text].concat();
        self.octets += expected.len();
        self.held.push(expected);
        if self.octets >= HELD_MAX {
            self.read_all();
        }
    }

    /// Retrieves all messages, as RETR hands them out, and deletes them.
    fn read_all(&mut self) {
        let open = self.maildrops.open(DROP).unwrap();
        let listing = open.listing();
        assert_eq!(listing.len(), self.held.len());
        let mut deletions = Deletions::default();
        for (index, expected) in self.held.iter().enumerate() {
            let number = MessageNumber::from_index(index).unwrap();
            let mut text = open.text(number, Part::Whole).unwrap();
            let mut stored = Vec::new();
            while text.read(&mut stored, Patience::Wait).unwrap() != Progress::End {}
            assert!(read_as_a_client(&stored) == *expected, "message {number:?}");
            assert_eq!(listing.octets(number).unwrap().0, expected.len() as u64);
            deletions.mark(number);
        }
        open.commit(&deletions).unwrap();
        self.maildrops.tidy(DROP).unwrap();
        (self.held, self.octets) = (Vec::new(), 0);
    }
}

#[test]
fn what_lmtp_takes_is_what_retr_gives() {
    let number = |name: &str, otherwise: usize| match env::var(name) {
        Ok(number) => number.parse().unwrap(),
        Err(_) => otherwise,
    };
    let wanted = number("ROUND_TRIP_OCTETS", OCTETS);
    let mut random = Random::new(number("ROUND_TRIP_SEED", 8) as u64);
    let dir = tempfile::tempdir().unwrap();
    let settings = NativeSettings {
        allow_volatile: true,
        ..NativeSettings::default()
    };
    let mut office = Office {
        maildrops: Maildrops::native(dir.path(), &settings).unwrap(),
        held: Vec::new(),
        octets: 0,
    };
    let (mut octets, mut texts, mut ended_early) = (0, 0_u64, 0_u64);
    while octets < wanted {
        let wire = wire(&mut random);
        let (text, rest) = reference::dotted(&wire).unwrap();
        let (stored, measure, _): (Vec<u8>, Measure, u32) = reference::stored(&text);
        let consumed = wire.len() - rest.len();
        ended_early += u64::from(rest != BEHIND);
        let mut last = None;
        for cut in [Cut::Whole, Cut::Anywhere, Cut::OctetByOctet] {
            let taken = take(&wire, cut, &mut random);
            let same = taken.stored == stored
                && taken.message.measure == measure
                && taken.consumed == consumed;
            assert!(same, "{cut:?}: {}", wire.escape_ascii());
            last = Some(taken);
        }
        office.deliver(&last.unwrap(), text);
        (octets, texts) = (octets + consumed, texts + 1);
    }
    office.read_all();
    assert!(ended_early > 0, "no text ends before its last line");
    println!(
        "{octets} octets in {texts} texts made the round trip, {ended_early} of them to an end in the midst of what was sent; 0 differences"
    );
}
