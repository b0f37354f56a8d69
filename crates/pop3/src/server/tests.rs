//! What transcripts cannot show: limits, promises to the driver, and what is kept.

use std::time::{Duration, Instant};

use super::*;
use crate::{Expire, Octets, UniqueId};

fn session(command_octets_max: usize, output_octets_max: usize) -> Session {
    let settings = Settings {
        name: "dewey".into(),
        command_octets_max,
        output_octets_max,
        language: Language::English,
        utf8_messages: Utf8Messages::Surrogate,
        tolerances: Tolerances::default(),
        login_delay: None,
    };
    let connection = Connection {
        channel: Channel::Plain,
        passwords: Passwords::Accepted,
        stls: Stls::Offered,
        speaker: Speaker::Client,
        timestamp: "<1.2@mailgate.dobbs.org>".into(),
        expire: Promise::All(Expire::Never),
        sasl: Sasl::new(::sasl::nonce::Nonces::new([0; 32])),
    };
    Session::new(Arc::new(settings), connection)
}

fn listing(messages: usize) -> ScanListing {
    let mut listing = ScanListing::with_capacity(messages);
    for index in 0..messages {
        let id = UniqueId::new(format!("0123456789abcdef.{index}").into_bytes()).unwrap();
        listing.push(Octets(2000 + index as u64), &id);
    }
    listing
}

/// A session in the TRANSACTION state.
fn logged_in(messages: usize, output_octets_max: usize) -> Session {
    let mut session = session(512, output_octets_max);
    let mut out = Vec::new();
    let step = session.handle(b"USER bob\r\nPASS redqueen\r\n", &mut out);
    assert!(matches!(step.next, Next::Authenticate(_)));
    session.opened("bob", listing(messages), Rules::default(), &mut out);
    session
}

/// The status line of a refusal.
fn line(refusal: Refusal) -> String {
    let mut out = Vec::new();
    refusal.print(&mut out);
    String::from_utf8(out).unwrap()
}

fn one(session: &mut Session, line: &[u8]) -> (String, Next) {
    let mut out = Vec::new();
    let step = session.handle(line, &mut out);
    assert_eq!(step.consumed, line.len());
    (String::from_utf8(out).unwrap(), step.next)
}

#[test]
fn a_long_listing_stops_at_the_limit_of_the_output_and_goes_on() {
    let limit = 10_000;
    let mut session = logged_in(5000, limit);
    let mut all = Vec::new();
    let mut writes = 0;
    let mut input = &b"LIST\r\nUIDL\r\nNOOP\r\n"[..];
    loop {
        let mut out = Vec::new();
        let step = session.handle(input, &mut out);
        input = &input[step.consumed..];
        // Over the limit by less than one line.
        assert!(out.len() < limit + 100);
        all.extend_from_slice(&out);
        match step.next {
            Next::Write => writes += 1,
            Next::Read => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(input.is_empty());
    assert!(writes >= all.len() / (limit + 100));
    let mut expected = String::from("+OK 5000 messages (22497500 octets)\r\n");
    for index in 0..5000 {
        expected += &format!("{} {}\r\n", index + 1, 2000 + index);
    }
    expected += ".\r\n+OK 5000 messages\r\n";
    for index in 0..5000 {
        expected += &format!("{} 0123456789abcdef.{index}\r\n", index + 1);
    }
    expected += ".\r\n+OK\r\n";
    assert_eq!(String::from_utf8(all).unwrap(), expected);
}

#[test]
fn a_listing_of_a_hundred_thousand_takes_milliseconds() {
    let mut session = logged_in(100_000, 65_536);
    let start = Instant::now();
    let (mut octets, mut out) = (0, Vec::new());
    let mut input = &b"LIST\r\nUIDL\r\n"[..];
    loop {
        out.clear();
        let step = session.handle(input, &mut out);
        input = &input[step.consumed..];
        octets += out.len();
        if let Next::Read = step.next {
            break;
        }
    }
    assert!(octets > 4_000_000);
    // Without optimisation, on a loaded machine; what is meant is a few milliseconds.
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_line_without_end_is_consumed_as_it_comes() {
    let mut session = logged_in(1, 65_536);
    let mut out = Vec::new();
    for _ in 0..1000 {
        let step = session.handle(&[b'x'; 4096], &mut out);
        assert_eq!(step.consumed, 4096);
        assert!(matches!(step.next, Next::Read));
        assert!(out.is_empty());
    }
    let step = session.handle(b"x\r\nNOOP\r\n", &mut out);
    assert_eq!(step.consumed, 9);
    assert_eq!(out, b"-ERR line is too long\r\n+OK\r\n");
}

#[test]
fn what_waits_in_the_input_is_bounded() {
    let mut session = session(512, 65_536);
    let mut out = Vec::new();
    assert_eq!(session.handle(&[b'x'; 511], &mut out).consumed, 0);
    assert_eq!(session.handle(&[b'x'; 512], &mut out).consumed, 512);
    out.clear();
    session.handle(b"\nAUTH PLAIN\r\n", &mut out);
    assert_eq!(out, b"-ERR line is too long\r\n+ \r\n");
    let line = vec![b'A'; SASL_OCTETS_MAX];
    assert_eq!(session.handle(&line[1..], &mut out).consumed, 0);
    assert_eq!(session.handle(&line, &mut out).consumed, line.len());
}

#[test]
fn a_limit_that_is_too_small_is_not_kept() {
    let mut session = session(0, 0);
    let line = format!("USER {}\r\n", "x".repeat(200));
    let (said, next) = one(&mut session, line.as_bytes());
    assert_eq!(said, "+OK\r\n");
    assert!(matches!(next, Next::Read));
}

#[test]
fn the_status_line_of_a_text_is_taken_back() {
    let mut session = logged_in(2, 65_536);
    let mut out = Vec::new();
    let step = session.handle(b"NOOP\r\nRETR 1\r\nNOOP\r\n", &mut out);
    assert!(matches!(step.next, Next::Send(number, Part::Whole, _) if number.get() == 1));
    assert_eq!(step.consumed, 14);
    assert_eq!(out, b"+OK\r\n+OK 2000 octets\r\n");
    session.refused(Refusal::Unavailable, &mut out);
    let expected = format!("+OK\r\n{}", line(Refusal::Unavailable));
    assert_eq!(out, expected.as_bytes());
    assert_eq!(session.summary().messages_retrieved, 0);
}

#[test]
fn a_status_line_that_has_left_cannot_be_taken_back_so_the_session_ends() {
    let mut session = logged_in(2, 65_536);
    let (said, _) = one(&mut session, b"RETR 1\r\n");
    assert_eq!(said, "+OK 2000 octets\r\n");
    let mut out = Vec::new();
    session.refused(Refusal::Unavailable, &mut out);
    assert!(out.is_empty());
    let step = session.handle(b"NOOP\r\n", &mut out);
    assert!(matches!(step.next, Next::Close));
    assert!(out.is_empty());
}

#[test]
fn nothing_is_handled_while_the_driver_owes_an_answer() {
    let mut session = session(512, 65_536);
    let mut out = Vec::new();
    session.handle(b"USER bob\r\nPASS redqueen\r\n", &mut out);
    out.clear();
    let step = session.handle(b"QUIT\r\n", &mut out);
    assert_eq!((step.consumed, out.len()), (0, 0));
    session.opened("bob", listing(1), Rules::default(), &mut out);
    session.handle(b"RETR 1\r\n", &mut out);
    out.clear();
    let step = session.handle(b"QUIT\r\n", &mut out);
    assert_eq!((step.consumed, out.len()), (0, 0));
    session.sent(&mut out);
    assert_eq!(out, b".\r\n");
    let step = session.handle(b"QUIT\r\nNOOP\r\n", &mut out);
    assert!(matches!(step.next, Next::Commit(_)));
    assert_eq!(step.consumed, 6);
    assert_eq!(session.handle(b"NOOP\r\n", &mut out).consumed, 0);
}

#[test]
fn what_is_deleted_because_it_was_retrieved_leaves_first() {
    let mut session = session(512, 65_536);
    let mut out = Vec::new();
    session.handle(b"USER bob\r\nPASS redqueen\r\n", &mut out);
    session.opened("bob", listing(3), Expire::Retrieved.into(), &mut out);
    session.handle(b"RETR 1\r\n", &mut out);
    session.sent(&mut out);
    let step = session.handle(b"RETR 2\r\nDELE 3\r\nQUIT\r\n", &mut out);
    assert!(matches!(step.next, Next::Send(..)));
    session.sent(&mut out);
    let step = session.handle(b"DELE 3\r\nQUIT\r\n", &mut out);
    assert_eq!(step.consumed, 14);
    // A client that is gone is found out here, and keeps its mail.
    assert!(matches!(step.next, Next::Write));
    // Nobody was asked yet.
    let said = out.len();
    session.committed(0, &mut out);
    session.refused(Refusal::Unavailable, &mut out);
    assert_eq!(out.len(), said);
    out.clear();
    let Next::Commit(deletions) = session.handle(b"", &mut out).next else {
        panic!("UPDATE is next");
    };
    assert_eq!(deletions.len(), 3);
    assert!(matches!(session.handle(b"", &mut out).next, Next::Read));
    session.committed(0, &mut out);
    assert_eq!(
        out,
        b"+OK dewey POP3 server signing off (maildrop empty)\r\n"
    );
    let summary = session.summary();
    assert_eq!((summary.messages_deleted, summary.octets_left), (3, 0));
}

#[test]
fn what_was_marked_need_not_leave_first() {
    let mut session = session(512, 65_536);
    let mut out = Vec::new();
    session.handle(b"USER bob\r\nPASS redqueen\r\n", &mut out);
    session.opened("bob", listing(2), Expire::Retrieved.into(), &mut out);
    session.handle(b"RETR 1\r\n", &mut out);
    session.sent(&mut out);
    // One write for the whole batch: the client has marked the same message itself.
    let step = session.handle(b"DELE 1\r\nDELE 2\r\nQUIT\r\n", &mut out);
    assert!(matches!(step.next, Next::Commit(_)));
}

#[test]
fn an_answer_that_nobody_asked_for_does_nothing() {
    let mut out = Vec::new();
    let mut before = session(512, 65_536);
    before.opened("bob", listing(1), Rules::default(), &mut out);
    before.refused(Refusal::Credentials, &mut out);
    before.sent(&mut out);
    before.committed(1, &mut out);
    assert!(out.is_empty());
    assert!(!before.is_logged_in());
    assert_eq!(one(&mut before, b"STAT\r\n").0, "-ERR log in first\r\n");

    let mut after = logged_in(1, 65_536);
    after.opened("bob", listing(7), Rules::default(), &mut out);
    after.refused(Refusal::Damaged, &mut out);
    after.sent(&mut out);
    after.committed(0, &mut out);
    assert!(out.is_empty());
    assert_eq!(one(&mut after, b"STAT\r\n").0, "+OK 1 2000\r\n");
}

#[test]
fn the_marks_go_to_the_driver_and_the_summary_tells_the_rest() {
    let mut session = logged_in(4, 65_536);
    assert!(session.is_logged_in());
    one(&mut session, b"DELE 2\r\nDELE 3\r\nRETR 1\r\n");
    session.sent(&mut Vec::new());
    one(&mut session, b"TOP 1 0\r\n");
    session.sent(&mut Vec::new());
    let before = Summary {
        user: Some("bob".into()),
        messages_retrieved: 1,
        octets_retrieved: 2000,
        messages_deleted: 0,
        messages_hidden: 0,
        messages_left: 4,
        octets_left: 8006,
        signed_off: false,
        passwords_not_utf8: 0,
    };
    assert_eq!(*session.summary(), before);
    let (_, next) = one(&mut session, b"QUIT\r\n");
    let Next::Commit(deletions) = next else {
        panic!("QUIT enters UPDATE")
    };
    let numbers: Vec<_> = deletions.iter().map(MessageNumber::get).collect();
    assert_eq!(numbers, [2, 3]);
    // One more has been delivered since the maildrop was opened.
    let mut out = Vec::new();
    session.committed(3, &mut out);
    assert_eq!(
        out,
        b"+OK dewey POP3 server signing off (3 messages left)\r\n"
    );
    let after = Summary {
        messages_deleted: 2,
        messages_left: 3,
        octets_left: 4003,
        signed_off: true,
        ..before
    };
    assert_eq!(*session.summary(), after);
    let step = session.handle(b"", &mut out);
    assert!(matches!(step.next, Next::Close));
}

#[test]
fn a_failed_update_deletes_nothing_and_ends_the_session() {
    let mut session = logged_in(2, 65_536);
    one(&mut session, b"DELE 1\r\nQUIT\r\n");
    let mut out = Vec::new();
    session.refused(Refusal::Unavailable, &mut out);
    let expected = line(Refusal::NotDeletedNow);
    assert_eq!(out, expected.as_bytes());
    assert_eq!(session.summary().messages_deleted, 0);
    assert_eq!(session.summary().messages_left, 2);
    assert!(!session.summary().signed_off);
    assert!(matches!(session.handle(b"", &mut out).next, Next::Close));
}

#[test]
fn a_goodbye_before_login_is_no_refusal() {
    let mut polite = session(512, 65_536);
    assert!(matches!(one(&mut polite, b"QUIT\r\n").1, Next::Close));
    assert!(polite.summary().signed_off);
    let mut rude = session(512, 65_536);
    let (_, next) = one(&mut rude, b"X\r\nX\r\nX\r\n");
    assert!(matches!(next, Next::Close));
    assert!(!rude.summary().signed_off);
}

#[test]
fn nothing_after_stls_is_handled() {
    let mut session = session(512, 65_536);
    let mut out = Vec::new();
    let input = b"STLS\r\nUSER bob\r\nPASS redqueen\r\n";
    let step = session.handle(input, &mut out);
    assert!(matches!(step.next, Next::StartTls));
    assert_eq!(step.consumed, 6);
    assert_eq!(out, b"+OK begin TLS\r\n");
    // The driver closes when it sees the rest; a driver that forgets gets nothing more.
    let step = session.handle(&input[6..], &mut out);
    assert!(matches!(step.next, Next::Close));
    assert_eq!(step.consumed, 0);
}

#[test]
fn secrets_are_not_printed_with_the_session() {
    let mut session = session(512, 65_536);
    let mut out = Vec::new();
    let step = session.handle(b"USER bob\r\nPASS redqueen\r\n", &mut out);
    let printed = format!("{session:?} {step:?}");
    assert!(
        printed.contains("bob") && !printed.contains("redqueen"),
        "{printed}"
    );
}

#[test]
fn surrogates_are_measured_once_and_not_without_end() {
    let mut session = session(512, 1 << 20);
    let mut out = Vec::new();
    session.handle(b"USER bob\r\nPASS redqueen\r\n", &mut out);
    let mut listing = ScanListing::default();
    for index in 0..5000 {
        let id = UniqueId::new(format!("{index}").into_bytes()).unwrap();
        listing.push(Octets(100), &id);
        listing.internationalise_last();
    }
    session.opened("bob", listing, Rules::default(), &mut out);

    let (said, next) = one(&mut session, b"STAT\r\n");
    let Next::Measure(numbers) = next else {
        panic!("STAT shows what is sent");
    };
    assert_eq!((said.as_str(), numbers.len()), ("", 4096));
    let surrogate = crate::surrogate::Surrogate::of_stored(b"Subject: \xc3\xa9\r\n\r\n");
    // 15 octets give way to 29.
    let longer = surrogate.wire().len() as u64 - 15;
    let sizes: Vec<_> = numbers.iter().map(|&it| (it, surrogate.sizes())).collect();
    session.measured(&sizes);
    let expected = format!("+OK 5000 {}\r\n", 500_000 + 4096 * longer);
    let (said, next) = one(&mut session, b"");
    assert_eq!(said, expected);
    assert!(matches!(next, Next::Read));

    // What was shown stays; nobody is asked again.
    let (said, _) = one(&mut session, b"STAT\r\n");
    assert_eq!(said, expected);
    let (said, next) = one(&mut session, b"RETR 5000\r\n");
    assert_eq!(said, "+OK 100 octets\r\n");
    assert!(matches!(
        next,
        Next::Send(_, Part::Whole, Header::Surrogate)
    ));
}

#[test]
fn sizes_that_nobody_has_asked_for_change_nothing() {
    let mut session = logged_in(1, 65_536);
    let sizes = crate::surrogate::Surrogate::of_stored(b"X: \xc3\xa9\r\n\r\n").sizes();
    session.measured(&[(MessageNumber::new(1).unwrap(), sizes)]);
    let (said, next) = one(&mut session, b"STAT\r\n");
    assert_eq!(said, "+OK 1 2000\r\n");
    assert!(matches!(next, Next::Read));
}

#[test]
fn what_can_be_promised_is_asked_when_a_client_asks_and_once() {
    let mut session = session(512, 1 << 20);
    session.connection.expire = Promise::OnRequest;
    one(&mut session, b"USER bob\r\n");
    let (said, next) = one(&mut session, b"CAPA\r\n");
    assert_eq!(said, "");
    assert!(matches!(next, Next::Promise), "{next:?}");
    let mut out = Vec::new();
    session.promised(
        Promise::Least(Expire::Days(30.try_into().unwrap())),
        &mut out,
    );
    let said = String::from_utf8(out).unwrap();
    assert!(said.contains("\r\nEXPIRE 30 USER\r\n"), "{said}");
    let (said, next) = one(&mut session, b"CAPA\r\n");
    assert!(said.contains("\r\nEXPIRE 30 USER\r\n"), "{said}");
    assert!(matches!(next, Next::Read));
    // Nobody has asked: nothing is said.
    let mut out = Vec::new();
    session.promised(Promise::Unknown, &mut out);
    assert!(out.is_empty());
}
