//! Sessions driven in memory: whatever comes in, and however it is cut, the same goes out.
//! Sessions that read like the RFC's are transcripts; these here are what a transcript cannot show.

use std::io;

use maildrop::{MaildropId, Measure};
use pop3::{Octets, UniqueId};
use proptest::prelude::*;

use super::*;

/// What a session has done to the world.
#[derive(Debug, Default, Eq, PartialEq)]
struct World {
    out: Vec<u8>,
    /// Address, sender, stored text.
    delivered: Vec<(String, String, Vec<u8>)>,
    closed: bool,
    /// Most octets of text that a call appended.
    text_max: usize,
}

struct Driver {
    session: Session,
    input: Vec<u8>,
    draft: Vec<u8>,
    text: Vec<u8>,
    world: World,
    /// Drafts fail beyond so many octets.
    draft_octets_max: usize,
}

fn settings(message_octets_max: u64, recipients_max: usize) -> Arc<Settings> {
    of(Dialect::Lmtp, message_octets_max, recipients_max)
}

fn of(dialect: Dialect, message_octets_max: u64, recipients_max: usize) -> Arc<Settings> {
    Arc::new(Settings {
        dialect,
        hostname: "mailgate.dobbs.org".into(),
        message_octets_max,
        recipients_max,
        quota_exceeded: QuotaExceeded::Temporary,
    })
}

impl Driver {
    fn new(settings: Arc<Settings>) -> Self {
        let client = Client {
            address: "192.0.2.1".into(),
            speaker: Speaker::Client,
            encryption: Encryption::None,
        };
        Self {
            session: Session::new(settings, client),
            input: Vec::new(),
            draft: Vec::new(),
            text: Vec::new(),
            world: World::default(),
            draft_octets_max: usize::MAX,
        }
    }

    fn feed(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        // Progress is bounded: a session that asks for ever fails here.
        for _ in 0..10 * octets.len() + 100 {
            let out = &mut self.world.out;
            let step = self.session.handle(&self.input, out, &mut self.text);
            self.input.drain(..step.consumed);
            self.world.text_max = self.world.text_max.max(self.text.len());
            self.draft.append(&mut self.text);
            if self.draft.len() > self.draft_octets_max {
                self.draft.clear();
                let full = io::Error::from(io::ErrorKind::StorageFull);
                self.session.draft_failed(DeliverError::NoSpace(full));
                continue;
            }
            match step.next {
                Next::Read => {
                    assert!(self.input.len() < COMMAND_OCTETS_MAX, "input piles up");
                    return;
                }
                Next::Text | Next::Forwarded(_) => {}
                Next::StartTls => {
                    let client = Client {
                        address: String::new(),
                        speaker: Speaker::Client,
                        encryption: Encryption::None,
                    };
                    let before = Session::new(settings(0, 0), client);
                    self.session = mem::replace(&mut self.session, before).secured();
                    // What came in clear behind it counts for nothing; a driver closes here.
                    self.input.clear();
                }
                Next::Discard => self.draft.clear(),
                Next::Close => {
                    self.world.closed = true;
                    return;
                }
                Next::Resolve { address, .. } => self.session.resolved(resolve(&address), out),
                Next::Deliver(message) => {
                    let text = mem::take(&mut self.draft);
                    let measure = message.measure;
                    assert_eq!(
                        measure.octets + u64::from(measure.stuffed),
                        text.len() as u64
                    );
                    let mut results = Vec::new();
                    for recipient in message.recipients {
                        let sender = message.sender.clone();
                        let copy = (recipient.address, sender, text.clone());
                        self.world.delivered.push(copy);
                        results.push(Ok(Delivered {
                            uid: 1,
                            unique_id: UniqueId::new(*b"1.1").unwrap(),
                            octets: Octets(measure.octets),
                        }));
                    }
                    self.session.delivered(&results, out);
                }
            }
        }
        panic!("the session never reads");
    }
}

fn resolve(address: &str) -> Result<Recipient, RecipientRefusal> {
    match address.split('@').next() {
        Some("bob" | "connie") => Ok(Recipient {
            address: address.into(),
            accounts: vec![crate::Account {
                name: "bob".into(),
                maildrop: MaildropId(1),
                quota: maildrop::Quota::default(),
            }],
        }),
        Some("slow") => Err(RecipientRefusal::Unavailable),
        _ => Err(RecipientRefusal::Unknown),
    }
}

fn play<'a>(settings: &Arc<Settings>, pieces: impl IntoIterator<Item = &'a [u8]>) -> World {
    let mut driver = Driver::new(settings.clone());
    for piece in pieces {
        driver.feed(piece);
    }
    driver.world.text_max = 0;
    driver.world
}

const OPEN: &[u8] = b"LHLO mx\r\nMAIL FROM:<a@b>\r\nRCPT TO:<bob>\r\nDATA\r\n";

fn codes(out: &[u8]) -> Vec<&str> {
    let lines = std::str::from_utf8(out).unwrap().lines();
    lines.map(|line| &line[..line.len().min(9)]).collect()
}

#[test]
fn a_long_text_is_handed_over_in_pieces() {
    let mut driver = Driver::new(settings(0, 100));
    driver.feed(OPEN);
    let text = b"x\n".repeat(1_000_000);
    driver.feed(&text);
    driver.feed(b".\r\n\r\n.\r\nQUIT\r\n");
    assert!(driver.world.text_max <= 2 * TEXT_OCTETS_MAX + 1);
    let (.., stored) = &driver.world.delivered[0];
    assert_eq!(stored.len(), 3_000_000 + 6);
    assert!(driver.world.closed);
}

#[test]
fn a_line_without_end_takes_no_memory_and_is_refused() {
    let mut driver = Driver::new(settings(0, 100));
    for _ in 0..1000 {
        driver.feed(&[b'A'; 1000]);
        assert!(driver.input.len() < COMMAND_OCTETS_MAX);
    }
    driver.feed(b"\r\nNOOP\r\n");
    assert_eq!(codes(&driver.world.out), ["500 5.5.2", "250 2.0.0"]);
}

#[test]
fn the_longest_line_is_a_command_and_the_next_longer_is_not() {
    for (octets, expected) in [
        (COMMAND_OCTETS_MAX, "250 2.0.0"),
        (COMMAND_OCTETS_MAX + 1, "500 5.5.2"),
    ] {
        let line = format!("NOOP {}\r\n", "x".repeat(octets - 7));
        let whole = play(&settings(0, 1), [line.as_bytes()]);
        assert_eq!(codes(&whole.out), [expected]);
        assert_eq!(play(&settings(0, 1), line.as_bytes().chunks(1)), whole);
    }
}

#[test]
fn nothing_is_delivered_before_the_end() {
    let mut driver = Driver::new(settings(0, 100));
    driver.feed(OPEN);
    driver.feed(b"Subject: x\r\n\r\nhalf a mess");
    assert!(driver.world.delivered.is_empty());
    assert!(driver.world.out.ends_with(b"<CRLF>.<CRLF>\r\n"));
}

#[test]
fn a_draft_that_fails_is_told_to_every_recipient() {
    let mut driver = Driver::new(settings(0, 100));
    driver.draft_octets_max = 10;
    driver.feed(&OPEN[..OPEN.len() - 6]);
    driver.feed(b"RCPT TO:<connie>\r\nDATA\r\n");
    let start = driver.world.out.len();
    driver.feed(b"12345678\r\n90\r\n");
    driver.feed(b"and so on\r\n.\r\nNOOP\r\n");
    assert_eq!(
        codes(&driver.world.out[start..]),
        ["452 4.3.1", "452 4.3.1", "250 2.0.0"]
    );
    assert!(driver.world.delivered.is_empty());
}

#[test]
fn a_draft_that_fails_at_the_end_is_told_without_more_input() {
    let mut driver = Driver::new(settings(0, 100));
    driver.draft_octets_max = 10;
    driver.feed(OPEN);
    let start = driver.world.out.len();
    driver.feed(b"1234567890\r\n.\r\n");
    assert_eq!(codes(&driver.world.out[start..]), ["452 4.3.1"]);
    assert!(driver.world.delivered.is_empty());
}

#[test]
fn each_recipient_has_its_own_result_and_none_is_no_yes() {
    let mut session = Session::new(
        settings(0, 100),
        Client {
            address: "local".into(),
            speaker: Speaker::Client,
            encryption: Encryption::None,
        },
    );
    let (mut out, mut text) = (Vec::new(), Vec::new());
    let mut input: &[u8] = b"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<bob@a>\r\nRCPT TO:<bob@b>\r\n\
        RCPT TO:<bob@c>\r\nRCPT TO:<bob@d>\r\nRCPT TO:<bob@e>\r\nDATA\r\n.\r\n";
    loop {
        let step = session.handle(input, &mut out, &mut text);
        input = &input[step.consumed..];
        match step.next {
            Next::Resolve { address, .. } => session.resolved(resolve(&address), &mut out),
            Next::Deliver(message) => {
                assert_eq!(
                    message.received,
                    "from mx (local) by mailgate.dobbs.org with LMTP"
                );
                assert_eq!(message.measure, Measure::default());
                break;
            }
            next => panic!("{next:?}"),
        }
    }
    out.clear();
    let error = || io::Error::other("x");
    let delivered = Delivered {
        uid: 7,
        unique_id: UniqueId::new(*b"1.7").unwrap(),
        octets: Octets(0),
    };
    let results = [
        Ok(delivered),
        Err(DeliverError::Unavailable(error())),
        Err(DeliverError::NoSpace(error())),
        Err(DeliverError::Damaged("x".into())),
    ];
    session.delivered(&results, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "250 2.0.0 delivered to <bob@a> as 1.7\r\n\
         451 4.3.0 maildrop is unavailable, try again later <bob@b>\r\n\
         452 4.3.1 no space left, try again later <bob@c>\r\n\
         451 4.3.0 maildrop is unavailable, try again later <bob@d>\r\n\
         451 4.3.0 not delivered, try again later <bob@e>\r\n"
    );
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut driver = Driver::new(settings(0, 100));
    let mut out = Vec::new();
    driver.session.resolved(resolve("bob"), &mut out);
    driver.session.delivered(&[], &mut out);
    let error = DeliverError::Damaged("x".into());
    driver.session.draft_failed(error);
    assert!(out.is_empty());
    driver.feed(b"NOOP\r\n");
    assert_eq!(codes(&driver.world.out), ["250 2.0.0"]);
}

#[test]
fn the_received_field_holds_nothing_that_the_client_made_up() {
    for (name, address, expected) in [
        (
            "mx.dobbs.org",
            "192.0.2.1",
            "from mx.dobbs.org ([192.0.2.1])",
        ),
        ("mx", "192.0.2.1:4711", "from mx ([192.0.2.1])"),
        ("[IPv6:::1]", "::1", "from [IPv6:::1] ([IPv6:::1])"),
        ("mx", "[2001:db8::1]:24", "from mx ([IPv6:2001:db8::1])"),
        ("mx", "local", "from mx (local)"),
        ("a;(b)\"c\\<d>", "e)(f", "from a??b??c??d? (e??f)"),
    ] {
        let client = Client {
            address: address.into(),
            speaker: Speaker::Client,
            encryption: Encryption::None,
        };
        let by = " by mailgate.dobbs.org with LMTP";
        let received = received::received(Some(name), &client, &settings(0, 1), SPOKEN);
        assert_eq!(received, format!("{expected}{by}"));
    }
}

const SPOKEN: received::Spoken = received::Spoken {
    extended: true,
    utf8: false,
};

#[test]
fn the_received_field_names_the_protocol() {
    for (dialect, utf8, extended, encryption, expected) in [
        (Dialect::Lmtp, false, true, Encryption::Offered, "LMTP"),
        (Dialect::Lmtp, false, true, Encryption::Active, "LMTPS"),
        (Dialect::Lmtp, true, true, Encryption::None, "UTF8LMTP"),
        (Dialect::Lmtp, true, true, Encryption::Active, "UTF8LMTPS"),
        (Dialect::Smtp, false, false, Encryption::None, "SMTP"),
        (Dialect::Smtp, false, true, Encryption::Offered, "ESMTP"),
        (Dialect::Smtp, false, true, Encryption::Active, "ESMTPS"),
        (Dialect::Smtp, true, true, Encryption::None, "UTF8SMTP"),
        (Dialect::Smtp, true, true, Encryption::Active, "UTF8SMTPS"),
    ] {
        let client = Client {
            address: "::1".into(),
            speaker: Speaker::Client,
            encryption,
        };
        let spoken = received::Spoken { extended, utf8 };
        let line = received::received(Some("mx"), &client, &of(dialect, 0, 1), spoken);
        assert_eq!(line.rsplit(' ').next(), Some(expected));
    }
}

#[test]
fn one_reply_for_all_is_yes_only_if_all_have_it() {
    let ok = || {
        Ok(Delivered {
            uid: 7,
            unique_id: UniqueId::new(*b"1.7").unwrap(),
            octets: Octets(0),
        })
    };
    let full = || Err(DeliverError::OverQuota);
    let gone = || Err(DeliverError::Unavailable(io::Error::other("x")));
    for (quota_exceeded, results, expected) in [
        (QuotaExceeded::Temporary, vec![ok(), ok()], "250 2.0.0"),
        (QuotaExceeded::Temporary, vec![ok(), full()], "452 4.2.2"),
        (QuotaExceeded::Temporary, vec![ok()], "451 4.3.0"),
        (QuotaExceeded::Temporary, vec![], "451 4.3.0"),
        (QuotaExceeded::Permanent, vec![full(), full()], "552 5.2.2"),
        // One has it, so nobody may be told that it never will come.
        (QuotaExceeded::Permanent, vec![ok(), full()], "452 4.2.2"),
        (QuotaExceeded::Permanent, vec![full()], "452 4.2.2"),
        (QuotaExceeded::Permanent, vec![full(), gone()], "451 4.3.0"),
    ] {
        let settings = Settings {
            quota_exceeded,
            ..(*of(Dialect::Smtp, 0, 5)).clone()
        };
        let mut driver = Driver::new(Arc::new(settings));
        driver.session.state = State::Delivering {
            addresses: vec!["bob".into(), "connie".into()],
        };
        driver.session.delivered(&results, &mut driver.world.out);
        assert_eq!(codes(&driver.world.out), [expected], "{results:?}");
    }
}

#[test]
fn nothing_said_in_clear_counts_inside_tls() {
    let mut driver = Driver::new(settings(0, 5));
    driver.session.client.encryption = Encryption::Offered;
    driver.feed(b"LHLO mx\r\n");
    assert!(String::from_utf8_lossy(&driver.world.out).contains("250-STARTTLS\r\n"));
    driver.feed(b"STARTTLS\r\n");
    driver.world.out.clear();
    driver.feed(b"MAIL FROM:<a@b>\r\n");
    assert_eq!(codes(&driver.world.out), ["503 5.5.1"]);
    driver.world.out.clear();
    driver.feed(b"STARTTLS\r\nLHLO mx\r\n");
    let said = String::from_utf8_lossy(&driver.world.out);
    assert!(
        said.starts_with("503 5.5.1 ") && !said.contains("STARTTLS"),
        "{said}"
    );
}

/// Streams of lines that matter, some of them broken.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just("LHLO mx\r\n"),
        Just("MAIL FROM:<a@b>\r\n"),
        Just("MAIL FROM:<a@b> SIZE=99\r\n"),
        Just("RCPT TO:<bob@dobbs.org>\r\n"),
        Just("RCPT TO:<\"bob\">\r\n"),
        Just("RCPT TO:<nobody>\r\n"),
        Just("RCPT TO:<slow>\r\n"),
        Just("RCPT TO:<bob@d\u{fc}bbs.org>\r\n"),
        Just("MAIL FROM:<\u{e9}@b> SMTPUTF8\r\n"),
        Just("DATA\r\n"),
        Just("BDAT 20\r\n"),
        Just("BDAT 30 LAST\r\n"),
        Just("BDAT 0\r\n"),
        Just("BDAT 0 LAST\r\n"),
        Just("BDAT\r\n"),
        Just("EHLO mx\r\n"),
        Just("HELO mx\r\n"),
        Just("RSET\r\n"),
        Just("NOOP\r\n"),
        Just("QUIT\r\n"),
        Just(".\r\n"),
        Just("..\r\n"),
        Just("\r\n.\r\n"),
        Just("\r\n"),
        Just("\n"),
        Just("\r"),
        Just("."),
        Just("Received: x\r\n"),
        Just("text text text text\r\n"),
        Just("\0\u{e9}\x7f"),
    ];
    let long = (500usize..600).prop_map(|octets| "x".repeat(octets));
    let piece = prop_oneof![20 => line.prop_map(String::from), 1 => long];
    let start = prop_oneof![Just(OPEN), Just(&OPEN[..OPEN.len() - 6]), Just(&b""[..])];
    (start, prop::collection::vec(piece, 0..30))
        .prop_map(|(start, pieces)| [start, pieces.concat().as_bytes()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn cuts_make_no_difference(
        input in conversation(),
        cuts in prop::collection::vec(1..50usize, 1..50),
        dialect in prop_oneof![Just(Dialect::Lmtp), Just(Dialect::Smtp)],
    ) {
        let settings = of(dialect, 60, 2);
        let input = match dialect {
            Dialect::Lmtp => input,
            Dialect::Smtp if input.starts_with(b"LHLO") => [b"E", &input[1..]].concat(),
            Dialect::Smtp => input,
        };
        let whole = play(&settings, [&input[..]]);
        prop_assert_eq!(&play(&settings, input.chunks(1)), &whole);
        let (mut pieces, mut rest) = (Vec::new(), &input[..]);
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(&play(&settings, pieces), &whole);
        // Every reply is whole, short, and one that RFC 5321 knows.
        prop_assert!(whole.out.is_empty() || whole.out.ends_with(b"\r\n"));
        for line in String::from_utf8(whole.out).unwrap().split_terminator("\r\n") {
            prop_assert!(line.len() <= 510 && !line.contains(char::is_control));
            prop_assert!(line.as_bytes()[..3].iter().all(u8::is_ascii_digit));
        }
    }

    #[test]
    fn no_octets_do_harm(input in prop::collection::vec(any::<u8>(), 0..3000)) {
        let settings = settings(100, 2);
        let whole = play(&settings, [&input[..]]);
        prop_assert_eq!(play(&settings, input.chunks(7)), whole);
    }
}
