//! LMTP and SMTP to servers that follow a script, right ones and wrong ones.

use std::time::Duration;

use sasl::Secret;

use super::*;
use crate::destination::script::{Server, message, text};

const WIRE: &[u8] = b"Subject: a\r\n\r\n..\r\n...b\r\nc\r\n";

/// A server of LMTP that pipelines, up to where the first message is due.
const LMTP: &str = "S: 220 a\nC: LHLO x\nS: 250-a\nS: 250 PIPELINING\n";
const MAIL: &str = "C: MAIL FROM:<>\n";
const RCPT: &str = "C: RCPT TO:<mrose@example.org>\n";

/// A message in one packet, accepted up to its text.
fn begun() -> String {
    format!("{MAIL}{RCPT}C: DATA\nS: 250 a\nS: 250 a\nS: 354 a\nTEXT\n")
}

fn settings(server: &Server) -> Settings {
    let recipients = vec!["mrose@example.org".to_owned()];
    let short = Duration::from_secs(15);
    Settings {
        hello: Some("x".into()),
        limits: Limits {
            connect: short,
            reply: short,
            block: short,
            end: short,
            idle: short,
        },
        ..Settings::new(
            server.address.clone(),
            Protection::OnThisMachine,
            recipients,
        )
    }
}

fn password() -> KnownBy {
    KnownBy::Password(Secret::new("redqueen"))
}

fn transfer(dialect: Dialect, settings: Settings) -> Transfer {
    Transfer::new(dialect, settings).unwrap()
}

/// What becomes of one message.
fn deliver(transfer: &mut Transfer, wire: &[u8]) -> Result<(), NotDelivered> {
    let (mut text, _directory) = text(wire);
    transfer.deliver(&message(), &mut text)
}

/// How a message fares at a server that has greeted, and goes on by the script.
fn fares(script: &str) -> Result<(), NotDelivered> {
    let server = Server::start(&[&format!("{LMTP}{script}")]);
    let outcome = deliver(&mut transfer(Dialect::Lmtp, settings(&server)), WIRE);
    server.done();
    outcome
}

#[track_caller]
fn refused(outcome: Result<(), NotDelivered>) -> String {
    match outcome {
        Err(NotDelivered::Refused(why)) => why,
        other => panic!("refused was expected: {other:?}"),
    }
}

#[track_caller]
fn not_now(outcome: Result<(), NotDelivered>) -> String {
    match outcome {
        Err(NotDelivered::NotNow(why)) => why,
        other => panic!("not now was expected: {other:?}"),
    }
}

#[track_caller]
fn unusable(outcome: Result<(), NotDelivered>) -> String {
    match outcome {
        Err(NotDelivered::Unusable(why)) => why,
        other => panic!("unusable was expected: {other:?}"),
    }
}

#[test]
fn two_messages_go_over_one_connection_with_their_octets() {
    let begun = begun();
    let script = format!("{LMTP}{begun}S: 250 a\n{begun}S: 250 a\nC: QUIT\nS: 221 a\n");
    for server in [Server::start(&[&script]), Server::start_unix(&[&script])] {
        let mut transfer = transfer(Dialect::Lmtp, settings(&server));
        transfer.open(Ended::InOrder).unwrap();
        deliver(&mut transfer, WIRE).unwrap();
        deliver(&mut transfer, b"").unwrap();
        drop(transfer);
        let texts = server.done();
        assert_eq!(texts, [[WIRE, b".\r\n"].concat(), b".\r\n".to_vec()]);
    }
}

#[test]
fn without_pipelining_each_command_waits() {
    let server = Server::start(&["S: 220-a\nS: 220 a\nC: EHLO [127.0.0.1]\nS: 250 a\n\
         C: MAIL FROM:<>\nS: 250 a\nC: RCPT TO:<mrose@example.org>\nS: 250 a\nC: DATA\nS: 354 a\nTEXT\nS: 250 a\nWAIT"]);
    let settings = Settings {
        hello: None,
        ..settings(&server)
    };
    let mut transfer = transfer(Dialect::Smtp, settings);
    deliver(&mut transfer, b"a\n.\nb\rc").unwrap();
    transfer.session = None;
    assert_eq!(server.done(), [b"a\r\n..\r\nb c\r\n.\r\n"]);
}

#[test]
fn a_large_text_arrives_as_it_is() {
    let server = Server::start(&[&format!("{LMTP}{}S: 250 a\nC: QUIT\n", begun())]);
    let wire = b"..a line of a large text \xe4\r\n".repeat(100_000);
    deliver(&mut transfer(Dialect::Lmtp, settings(&server)), &wire).unwrap();
    assert!(server.done() == [[&wire[..], b".\r\n"].concat()]);
}

#[test]
fn what_the_server_offers_is_used() {
    let server = Server::start(&[
        "S: 220 a\nC: EHLO x\nS: 250-a\nS: 250-SIZE 1000\nS: 250-8BITMIME\nS: 250 SMTPUTF8\n\
         C: RSET\nS: 250 a\nC: MAIL FROM:<m@example.org> SIZE=42 BODY=8BITMIME SMTPUTF8\nS: 250 a\nC: RCPT TO:<mrose@example.org>\n\
         S: 250 a\nC: DATA\nS: 354 a\nTEXT\nS: 250 a\nC: QUIT\n",
    ]);
    let settings = Settings {
        sender: Sender::ReturnPath,
        ..settings(&server)
    };
    let mut transfer = transfer(Dialect::Smtp, settings);
    let wire = "Return-Path: <m@example.org>\r\nA: \u{e4}\r\n\r\n".as_bytes();
    let (mut whole, _directory) = text(wire);
    assert_eq!(whole.octets().0, 39);
    let why = refused(deliver(&mut transfer, &b"a\r\n".repeat(400)));
    assert!(why.ends_with("it takes 1000 octets at most"), "{why}");
    whole.append(b"a\r\n").unwrap();
    transfer.deliver(&message(), &mut whole).unwrap();
    drop(transfer);
    server.done();
}

#[test]
fn a_refusal_at_each_step_says_what_to_do() {
    let sent = format!("{MAIL}{RCPT}C: DATA\n");
    for (replies, expected) in [
        ("S: 451 a\nS: 503 a\nS: 503 a\n", "not now"),
        ("S: 550 a\nS: 503 a\nS: 503 a\n", "unusable"),
        ("S: 552 a\nS: 503 a\nS: 503 a\n", "refused"),
        ("S: 250 a\nS: 450 a\nS: 554 a\n", "not now"),
        (
            "S: 250 a\nS: 550-5.1.1 b\nS: 550 5.1.1 c\nS: 554 a\n",
            "unusable",
        ),
        ("S: 250 a\nS: 250 a\nS: 451 a\n", "not now"),
        ("S: 250 a\nS: 250 a\nS: 554 a\n", "refused"),
        (
            "S: 250 a\nS: 250 a\nS: 354 a\nTEXT\nS: 452 4.2.2 full\n",
            "not now",
        ),
        (
            "S: 250 a\nS: 250 a\nS: 354 a\nTEXT\nS: 552 5.2.2 full\n",
            "not now",
        ),
        (
            "S: 250 a\nS: 250 a\nS: 354 a\nTEXT\nS: 550 5.7.1 spam\n",
            "refused",
        ),
    ] {
        // The connection is good for the next message.
        let script = format!(
            "{sent}{replies}C: RSET\nS: 250 a\n{}S: 250 a\nC: QUIT\n",
            begun()
        );
        let server = Server::start(&[&format!("{LMTP}{script}")]);
        let mut transfer = transfer(Dialect::Lmtp, settings(&server));
        let outcome = deliver(&mut transfer, WIRE);
        match expected {
            "not now" => not_now(outcome),
            "refused" => refused(outcome),
            _ => unusable(outcome),
        };
        deliver(&mut transfer, WIRE).unwrap();
        drop(transfer);
        assert_eq!(server.done().last().unwrap(), &[WIRE, b".\r\n"].concat());
    }
}

#[test]
fn a_server_that_wants_the_text_for_nobody_gets_none() {
    let why = unusable(fares(&format!(
        "{MAIL}{RCPT}C: DATA\nS: 250 a\nS: 550 no such user\nS: 354 a\nWAIT"
    )));
    assert!(
        why.contains("mrose@example.org") && why.contains("no such user"),
        "{why}"
    );
}

#[test]
fn a_server_that_does_not_want_us_is_told() {
    for (script, expected) in [
        ("S: 554 go away\nWAIT", "unusable"),
        ("S: 421 later\nWAIT", "not now"),
        ("S: +OK POP3\nWAIT", "unusable"),
        ("RAW 220 a\n", "not now"),
        ("S: 220 a\nC: LHLO x\nS: 502 a\nWAIT", "unusable"),
        ("S: 220 a\nC: LHLO x\nS: 451 a\nWAIT", "not now"),
        ("S: 220 a\nC: LHLO x\n", "not now"),
        ("FLOOD 220-a\\n", "unusable"),
        ("FLOOD a", "unusable"),
        ("S: 220 a\nC: LHLO x\nFLOOD 250-PIPELINING\\n", "unusable"),
    ] {
        let server = Server::start(&[script]);
        let outcome = transfer(Dialect::Lmtp, settings(&server)).open(Ended::InOrder);
        let why = match expected {
            "not now" => not_now(outcome),
            _ => unusable(outcome),
        };
        assert!(why.starts_with("localhost:"), "{why}");
        server.done();
    }
}

#[test]
fn a_connection_that_ends_is_told_and_only_the_end_is_in_doubt() {
    let sent = format!("{MAIL}{RCPT}C: DATA\n");
    for replies in [
        "",
        "S: 250 a\n",
        "S: 250 a\nS: 250 a\n",
        "RAW 250",
        "S: 421 bye\n",
    ] {
        let why = not_now(fares(&format!("{sent}{replies}")));
        assert!(!why.contains("twice"), "{why}");
    }
    for last in ["", "RAW 250", "S: nonsense\n"] {
        let why = not_now(fares(&format!("{}{last}", begun())));
        assert!(why.contains("may come twice"), "{why}");
    }
}

#[test]
fn what_was_refused_counts_more_than_that_the_server_hung_up() {
    let why = unusable(fares(&format!(
        "{MAIL}{RCPT}C: DATA\nS: 250 a\nS: 550 no such user\n"
    )));
    assert!(why.contains("no such user"), "{why}");
}

#[test]
fn a_kept_connection_that_was_closed_is_opened_again() {
    let begun = begun();
    for end in ["", "S: 421 idle for too long\n"] {
        let first = format!("{LMTP}{begun}S: 250 a\n{end}");
        let second = format!("{LMTP}{begun}S: 250 a\nC: QUIT\n");
        let server = Server::start(&[&first, &second]);
        let mut transfer = transfer(Dialect::Lmtp, settings(&server));
        deliver(&mut transfer, WIRE).unwrap();
        deliver(&mut transfer, WIRE).unwrap();
        drop(transfer);
        assert_eq!(server.done().len(), 2);
    }
    // One that was not used for long is not tried.
    let whole = format!("{LMTP}{begun}S: 250 a\nC: QUIT\n");
    let server = Server::start(&[&whole, &whole]);
    let mut idle = settings(&server);
    idle.limits.idle = Duration::ZERO;
    let mut again = transfer(Dialect::Lmtp, idle);
    deliver(&mut again, WIRE).unwrap();
    deliver(&mut again, WIRE).unwrap();
    drop(again);
    assert_eq!(server.done().len(), 2);
    // Not for ever: a new one that is closed as well is told.
    let first = format!("{LMTP}{begun}S: 250 a\n");
    let server = Server::start(&[&first, LMTP]);
    let mut transfer = transfer(Dialect::Lmtp, settings(&server));
    deliver(&mut transfer, WIRE).unwrap();
    not_now(deliver(&mut transfer, WIRE));
    server.done();
}

#[test]
fn a_server_that_closes_in_the_middle_of_a_text_may_say_why() {
    let wire = b"a line of a text that is too large\r\n".repeat(200_000);
    let script = format!("{LMTP}{MAIL}{RCPT}C: DATA\nS: 250 a\nS: 250 a\nS: 354 a\nSOME 100000\n");
    let server = Server::start(&[&script]);
    let why = not_now(deliver(
        &mut transfer(Dialect::Lmtp, settings(&server)),
        &wire,
    ));
    assert!(!why.contains("twice"), "{why}");
    server.done();
    // It reads on, so that what it says is not lost with what it has not read.
    let script = format!("{script}S: 552 5.3.4 too large\nSOME 6000000\n");
    let server = Server::start(&[&script]);
    let outcome = deliver(&mut transfer(Dialect::Lmtp, settings(&server)), &wire);
    assert!(
        matches!(
            outcome,
            Err(NotDelivered::Refused(_) | NotDelivered::NotNow(_))
        ),
        "{outcome:?}"
    );
    server.done();
}

#[test]
fn a_message_counts_as_delivered_when_all_have_it() {
    let rcpt = "C: RCPT TO:<a@x>\nC: RCPT TO:<b@x>\nC: RCPT TO:<c@x>\n";
    let begun =
        format!("{MAIL}{rcpt}S: 250 a\nS: 250 a\nS: 250 a\nS: 250 a\nC: DATA\nS: 354 a\nTEXT\n");
    for (replies, expected) in [
        ("S: 250 a\nS: 250 a\nS: 250 a\n", "delivered"),
        ("S: 250 a\nS: 451 a\nS: 550 a\n", "not now"),
        ("S: 250 a\nS: 550 a\nS: 250 a\n", "refused"),
        ("S: 550 a\nS: 550 a\nS: 451 a\n", "not now"),
    ] {
        let rest = match expected {
            "delivered" => "C: QUIT\n",
            _ => "C: RSET\nS: 250 a\nC: QUIT\n",
        };
        let server = Server::start(&[&format!("{LMTP}{begun}{replies}{rest}")]);
        let settings = Settings {
            recipients: vec!["a@x".into(), "b@x".into(), "c@x".into()],
            ..settings(&server)
        };
        let outcome = deliver(&mut transfer(Dialect::Lmtp, settings), WIRE);
        match expected {
            "delivered" => outcome.unwrap(),
            "not now" => drop(not_now(outcome)),
            _ => {
                let why = refused(outcome);
                assert!(
                    why.contains("for b@x") && why.contains("2 other recipients"),
                    "{why}"
                );
            }
        }
        server.done();
    }
    // One that is refused before: nobody gets it.
    let script = format!(
        "{LMTP}{MAIL}{rcpt}S: 250 a\nS: 250 a\nS: 550 a\nS: 250 a\nC: RSET\nS: 250 a\nC: QUIT\n"
    );
    let server = Server::start(&[&script]);
    let settings = Settings {
        recipients: vec!["a@x".into(), "b@x".into(), "c@x".into()],
        ..settings(&server)
    };
    unusable(deliver(&mut transfer(Dialect::Lmtp, settings), WIRE));
    assert!(server.done().is_empty());
}

#[test]
fn every_wait_has_an_end() {
    let short = Duration::from_millis(100);
    let sent = format!("{LMTP}{MAIL}{RCPT}C: DATA\n");
    let begun = begun();
    for script in [
        "WAIT".to_owned(),
        "DRIP 220-a\\n".to_owned(),
        "S: 220 a\nC: LHLO x\nWAIT".to_owned(),
        "S: 220 a\nC: LHLO x\nDRIP 250-a\\n".to_owned(),
        format!("{sent}WAIT"),
        format!("{sent}S: 250 a\nDRIP 250-a\\n"),
        format!("{LMTP}{begun}WAIT"),
        format!("{LMTP}{begun}DRIP 250-a\\n"),
        // It never reads the text.
        format!("{sent}S: 250 a\nS: 250 a\nS: 354 a\nDEAF 4000"),
    ] {
        let server = Server::start(&[&script]);
        let mut settings = settings(&server);
        settings.limits.reply = Duration::from_millis(700);
        settings.limits.end = short;
        settings.limits.block = Duration::from_millis(700);
        let wire = match script.contains("DEAF") {
            true => b"a line of a text that is too large\r\n".repeat(1_000_000),
            false => WIRE.to_vec(),
        };
        let why = not_now(deliver(&mut transfer(Dialect::Lmtp, settings), &wire));
        assert!(why.contains("takes too long"), "{script}: {why}");
        assert_eq!(
            why.contains("may come twice"),
            script.contains("TEXT"),
            "{why}"
        );
        server.done();
    }
}

#[test]
fn tls_is_begun_by_starttls_or_before_and_the_password_goes_inside() {
    let after = "S: 250-a\nS: 250 AUTH PLAIN LOGIN\n\
         C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: 235 a\n\
         C: MAIL FROM:<>\nS: 250 a\nC: RCPT TO:<mrose@example.org>\nS: 250 a\nC: DATA\nS: 354 a\nTEXT\nS: 250 a\nC: QUIT\n";
    let starttls =
        "S: 220 a\nC: EHLO x\nS: 250-a\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 a\nTLS\nC: EHLO x\n";
    let implicit = "TLS\nS: 220 a\nC: EHLO x\n";
    for before in [starttls, implicit] {
        let server = Server::start(&[&format!("{before}{after}")]);
        let trusted = server.trusted();
        let settings = Settings {
            protection: match before == implicit {
                true => Protection::Tls(trusted),
                false => Protection::StartTls(trusted),
            },
            login: Some(("mrose".into(), password())),
            ..settings(&server)
        };
        deliver(&mut transfer(Dialect::Smtp, settings), WIRE).unwrap();
        assert_eq!(server.done(), [[WIRE, b".\r\n"].concat()]);
    }
}

#[test]
fn logins_that_fail_are_told() {
    let login =
        "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: bXJvc2U=\nS: 334 UGFzc3dvcmQ6\nC: cmVkcXVlZW4=\n";
    for (script, expected) in [
        (format!("S: 250 AUTH LOGIN\n{login}S: 235 a\nWAIT"), "well"),
        (
            format!("S: 250 AUTH LOGIN\n{login}S: 535 5.7.8 wrong\nWAIT"),
            "wrong",
        ),
        (
            format!("S: 250 AUTH LOGIN\n{login}S: 334 \nWAIT"),
            "challenge",
        ),
        (
            format!("S: 250 AUTH LOGIN\n{login}S: 454 later\nWAIT"),
            "later",
        ),
        (
            "S: 250 AUTH LOGIN\nC: AUTH LOGIN\nS: 334 !\nWAIT".to_owned(),
            "base 64",
        ),
        (
            "S: 250 AUTH GSSAPI\nWAIT".to_owned(),
            "neither PLAIN nor LOGIN",
        ),
        ("S: 250 a\nWAIT".to_owned(), "neither PLAIN nor LOGIN"),
    ] {
        let server = Server::start(&[&format!("TLS\nS: 220 a\nC: EHLO x\nS: 250-a\n{script}")]);
        let settings = Settings {
            protection: Protection::Tls(server.trusted()),
            login: Some(("mrose".into(), password())),
            ..settings(&server)
        };
        let mut transfer = transfer(Dialect::Smtp, settings);
        let outcome = transfer.open(Ended::InOrder);
        match expected {
            "well" => outcome.unwrap(),
            "later" => assert!(not_now(outcome).contains("later")),
            _ => {
                let why = unusable(outcome);
                assert!(why.contains(expected) && !why.contains("redqueen"), "{why}");
            }
        }
        transfer.session = None;
        server.done();
    }
}

#[test]
fn without_tls_that_was_asked_for_nothing_is_said() {
    let other = Server::start(&[]).trusted();
    for (script, trusted, expected) in [
        ("S: 220 a\nC: EHLO x\nS: 250 a\nWAIT", &other, "no STARTTLS"),
        (
            "S: 220 a\nC: EHLO x\nS: 250-a\nS: 250 STARTTLS\nC: STARTTLS\nS: 502 a\nWAIT",
            &other,
            "STARTTLS",
        ),
        (
            "S: 220 a\nC: EHLO x\nS: 250-a\nS: 250 STARTTLS\nC: STARTTLS\nRAW 220 a\\n250 b\\n\nWAIT",
            &other,
            "in clear",
        ),
        (
            "S: 220 a\nC: EHLO x\nS: 250-a\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 a\nWAIT",
            &other,
            "",
        ),
    ] {
        let server = Server::start(&[script]);
        let mut settings = settings(&server);
        settings.protection = Protection::StartTls(trusted.clone());
        settings.limits.connect = Duration::from_millis(700);
        let outcome = transfer(Dialect::Smtp, settings).open(Ended::InOrder);
        match expected {
            "" => drop(not_now(outcome)),
            _ => assert!(unusable(outcome).contains(expected)),
        }
        server.done();
    }
    // A password in clear: not even to this machine.
    let server = Server::start(&["S: 220 a\nC: EHLO x\nS: 250-a\nS: 250 AUTH PLAIN\nWAIT"]);
    let settings = Settings {
        login: Some(("mrose".into(), password())),
        ..settings(&server)
    };
    let why = unusable(transfer(Dialect::Smtp, settings).open(Ended::InOrder));
    assert!(why.contains("not sent in clear"), "{why}");
    server.done();
}

#[test]
fn what_cannot_be_said_is_refused_beforehand() {
    let address: Address = "unix:/run/a b".parse().unwrap();
    let with = |recipients: &[&str], sender: Sender, hello: Option<&str>| {
        let recipients = recipients.iter().map(|it| (*it).to_owned()).collect();
        let settings = Settings {
            sender,
            hello: hello.map(str::to_owned),
            ..Settings::new(address.clone(), Protection::OnThisMachine, recipients)
        };
        Transfer::new(Dialect::Lmtp, settings)
    };
    for (recipients, sender, hello) in [
        (&[][..], Sender::Nobody, None),
        (&[""], Sender::Nobody, None),
        (&["a@x", "b@x>\r\nRCPT TO:<c@x"], Sender::Nobody, None),
        (&["a b@x"], Sender::Nobody, None),
        (&["a@x"], Sender::Address("a@x> SIZE=1".into()), None),
        (&["a@x"], Sender::Nobody, Some("a\r\nRSET")),
    ] {
        assert!(matches!(
            with(recipients, sender, hello),
            Err(NotDelivered::Unusable(_))
        ));
    }
    let right = with(&["a@x", "b@x"], Sender::ReturnPath, Some("y")).unwrap();
    assert_eq!(right.name(), "lmtp:unix:/run/a%20b:a@x,b@x");
    assert_eq!(right.exactness(), Exactness::OneInDoubt);
    drop(right);
    let nobody: Address = "unix:/nonexistent/socket".parse().unwrap();
    let settings = Settings::new(nobody, Protection::OnThisMachine, vec!["a@x".into()]);
    not_now(transfer(Dialect::Lmtp, settings).open(Ended::InOrder));
}
