//! IMAP to servers that follow a script, right ones and wrong ones.

use std::time::{Duration, UNIX_EPOCH};

use sasl::Secret;

use super::*;
use crate::destination::script::{Server, message, text};

const WIRE: &[u8] = b"Message-ID: <a@b>\r\n\r\n..\r\nb\nc\r\n";
/// The same, as it is appended: 28 octets.
const CRLF: &[u8] = b"Message-ID: <a@b>\r\n\r\n.\r\nb\nc\r\n";

/// A server without anything special, up to the end of the login, the next command being r4.
const BEGUN: &str = "S: * OK ready\nC: r1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: r1 OK a\n\
    C: r2 LOGIN \"mrose\" \"red queen\\\"\"\nS: r2 OK a\nC: r3 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: r3 OK a\n";

/// One that has LITERAL+.
const PLUS: &str = "S: * OK ready\nC: r1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\nS: r1 OK a\n\
    C: r2 AUTHENTICATE PLAIN AG1yb3NlAHJlZCBxdWVlbiI=\nS: r2 OK a\nC: r3 CAPABILITY\nS: * CAPABILITY IMAP4rev1 literal+\nS: r3 OK a\n";

fn settings(server: &Server) -> Settings {
    let long = Duration::from_secs(15);
    Settings {
        address: server.address.clone(),
        protection: Protection::OnThisMachine,
        user: "mrose".into(),
        by: KnownBy::Password(Secret::new("red queen\"")),
        mailbox: "INBOX".into(),
        seen: Seen::No,
        limits: Limits {
            connect: long,
            reply: long,
            block: long,
            end: long,
            idle: long,
        },
    }
}

/// What becomes of a message at a server that has logged us in, and goes on by the script.
fn fares(rest: &str) -> Result<(), NotDelivered> {
    let server = Server::start(&[&format!("{}{rest}", BEGUN)]);
    let mut imap = Imap::new(settings(&server)).unwrap();
    let (mut text, _directory) = text(WIRE);
    let outcome = imap.deliver(&message(), &mut text);
    imap.session = None;
    server.done();
    outcome
}

fn kind(outcome: &Result<(), NotDelivered>) -> &'static str {
    match outcome {
        Ok(()) => "well",
        Err(NotDelivered::NotNow(_)) => "not now",
        Err(NotDelivered::Refused(_)) => "refused",
        Err(NotDelivered::Unusable(_) | NotDelivered::NoLogin(_)) => "unusable",
    }
}

#[test]
fn messages_are_appended_with_their_octets_flags_and_dates() {
    let octets = CRLF.len();
    let rest = format!(
        "C: r4 STATUS \"Archiv/&AOQ-\" (MESSAGES)\nS: * STATUS \"x\" (MESSAGES 231)\nS: r4 OK a\n\
         C: r5 APPEND \"Archiv/&AOQ-\" (\\Seen) \"28-Feb-2000 23:59:59 +0000\" {{{octets}}}\nS: + go\nLITERAL {octets}\nC: \n\
         S: * 232 EXISTS\nS: r5 OK [APPENDUID 1 2] a\n\
         C: r6 APPEND \"Archiv/&AOQ-\" (\\Seen) {{0}}\nS: +\nC: \nS: r6 OK a\n\
         C: r7 LOGOUT\nS: * BYE a\nS: r7 OK a\n"
    );
    let server = Server::start(&[&format!("{}{rest}", BEGUN)]);
    let mut imap = Imap::new(Settings {
        mailbox: "Archiv/\u{e4}".into(),
        seen: Seen::Yes,
        ..settings(&server)
    })
    .unwrap();
    imap.open(Ended::InOrder).unwrap();
    assert_eq!(imap.holds_mail(), Some(true));
    let (mut first, _directory) = text(WIRE);
    let mut known = message();
    known.received = Some(UNIX_EPOCH + Duration::from_secs(951_782_399));
    imap.deliver(&known, &mut first).unwrap();
    let (mut second, _directory) = text(b"");
    imap.deliver(&message(), &mut second).unwrap();
    let port = server.port();
    assert_eq!(
        imap.name(),
        format!("imap:mrose@localhost:{port}:Archiv/\u{e4}")
    );
    drop(imap);
    assert_eq!(server.done(), [CRLF]);
}

#[test]
fn with_literal_plus_small_messages_do_not_wait_and_large_ones_do() {
    let large = b"..a line of a large text\r\n".repeat(100_000);
    let crlf = b".a line of a large text\r\n".repeat(100_000);
    let (octets, many) = (CRLF.len(), crlf.len());
    let rest = format!(
        "C: r4 APPEND \"INBOX\" {{{octets}+}}\nLITERAL {octets}\nC: \nS: r4 OK a\n\
         C: r5 APPEND \"INBOX\" {{{many}}}\nS: + go\nLITERAL {many}\nC: \nS: r5 OK a\nC: r6 LOGOUT\n"
    );
    let server = Server::start(&[&format!("{PLUS}{rest}")]);
    let mut imap = Imap::new(settings(&server)).unwrap();
    for wire in [WIRE, &large] {
        let (mut text, _directory) = text(wire);
        imap.deliver(&message(), &mut text).unwrap();
    }
    drop(imap);
    assert!(server.done() == [CRLF.to_vec(), crlf]);
}

#[test]
fn tls_is_begun_by_starttls_or_before() {
    let octets = CRLF.len();
    let append = format!(
        "C: r4 APPEND \"INBOX\" {{{octets}+}}\nLITERAL {octets}\nC: \nS: r4 OK a\nC: r5 LOGOUT\n"
    );
    let inside = PLUS.replace("S: * OK ready\n", "");
    let starttls = format!(
        "S: * OK ready\nC: r1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 STARTTLS\nS: r1 OK a\nC: r2 STARTTLS\nS: r2 OK a\nTLS\n{inside}"
    );
    for before in [starttls.as_str(), &format!("TLS\n{PLUS}")] {
        let server = Server::start(&[&format!("{before}{append}")]);
        let trusted = server.trusted();
        let protection = match before == starttls {
            true => Protection::StartTls(trusted),
            false => Protection::Tls(trusted),
        };
        let mut imap = Imap::new(Settings {
            protection,
            ..settings(&server)
        })
        .unwrap();
        let (mut text, _directory) = text(WIRE);
        imap.deliver(&message(), &mut text).unwrap();
        drop(imap);
        assert_eq!(server.done(), [CRLF]);
    }
}

#[test]
fn a_server_that_does_not_want_us_is_told() {
    let capable =
        |words: &str| format!("S: * OK a\nC: r1 CAPABILITY\nS: * CAPABILITY {words}\nS: r1 OK a\n");
    for (script, expected, part) in [
        ("S: * BYE too many\nWAIT".to_owned(), "not now", "too many"),
        ("S: 220 ESMTP\nWAIT".to_owned(), "unusable", "IMAP server"),
        ("S: + go\nWAIT".to_owned(), "unusable", "IMAP server"),
        ("RAW * OK".to_owned(), "not now", "closed"),
        ("FLOOD aaaa".to_owned(), "unusable", "no end"),
        (
            "S: * OK a\nC: r1 CAPABILITY\nS: r2 OK a\nWAIT".to_owned(),
            "unusable",
            "IMAP server",
        ),
        (
            "S: * OK a\nC: r1 CAPABILITY\nS: r1 BAD a\nWAIT".to_owned(),
            "unusable",
            "CAPABILITY",
        ),
        (
            format!("{}WAIT", capable("LOGINDISABLED")),
            "unusable",
            "use TLS",
        ),
        (
            format!(
                "{}C: r2 LOGIN \"mrose\" \"red queen\\\"\"\nS: r2 NO [AUTHENTICATIONFAILED] wrong\nWAIT",
                capable("IMAP4rev1")
            ),
            "unusable",
            "wrong",
        ),
        (
            format!(
                "{}C: r2 LOGIN \"mrose\" \"red queen\\\"\"\nS: r2 NO [UNAVAILABLE] later\nWAIT",
                capable("IMAP4rev1")
            ),
            "not now",
            "later",
        ),
        (
            format!(
                "{}C: r2 AUTHENTICATE PLAIN\nS: + \nC: AG1yb3NlAHJlZCBxdWVlbiI=\nS: + more\nC: *\nS: r2 NO no\nWAIT",
                capable("AUTH=PLAIN")
            ),
            "unusable",
            "refuses the login",
        ),
        (
            format!(
                "{}C: r4 STATUS \"INBOX\" (MESSAGES)\nS: r4 NO no such\nWAIT",
                BEGUN
            ),
            "unusable",
            "is there a mailbox \"INBOX\"?",
        ),
        (
            format!(
                "{}C: r4 STATUS \"INBOX\" (MESSAGES)\nS: r4 NO [UNAVAILABLE] later\nWAIT",
                BEGUN
            ),
            "not now",
            "later",
        ),
    ] {
        let server = Server::start(&[&script]);
        let mut imap = Imap::new(settings(&server)).unwrap();
        let outcome = imap.open(Ended::InOrder);
        assert_eq!(kind(&outcome), expected, "{script}: {outcome:?}");
        let why = outcome.unwrap_err().to_string();
        assert!(why.contains(part) && !why.contains("queen"), "{why}");
        server.done();
    }
}

#[test]
fn without_tls_that_was_asked_for_no_password_is_said() {
    let capable = "S: * OK a\nC: r1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 STARTTLS\nS: r1 OK a\nC: r2 STARTTLS\n";
    for (script, part) in [
        (
            "S: * OK a\nC: r1 CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: r1 OK a\nWAIT".to_owned(),
            "no STARTTLS",
        ),
        (format!("{capable}S: r2 NO no\nWAIT"), "refuses STARTTLS"),
        (
            format!("{capable}RAW r2 OK a\\n* BYE b\\n\nWAIT"),
            "in clear",
        ),
        ("S: * PREAUTH a\nWAIT".to_owned(), "before STARTTLS"),
    ] {
        let server = Server::start(&[&script]);
        let mut imap = Imap::new(Settings {
            protection: Protection::StartTls(server.trusted()),
            ..settings(&server)
        })
        .unwrap();
        let why = match imap.open(Ended::InOrder) {
            Err(NotDelivered::Unusable(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why.contains(part), "{why}");
        server.done();
    }
}

#[test]
fn what_becomes_of_a_message_says_the_server() {
    let octets = CRLF.len();
    let asked = format!("C: r4 APPEND \"INBOX\" {{{octets}}}\n");
    let said = format!("{asked}S: + go\nLITERAL {octets}\nC: \n");
    for (rest, expected) in [
        (
            format!("{asked}S: r4 NO [TRYCREATE] no such\nWAIT"),
            "unusable",
        ),
        (format!("{asked}S: r4 NO [OVERQUOTA] full\nWAIT"), "not now"),
        (format!("{asked}S: r4 NO [TOOBIG] large\nWAIT"), "refused"),
        (format!("{asked}S: r4 BAD no\nWAIT"), "refused"),
        (format!("{asked}S: * BYE later\n"), "not now"),
        (asked, "not now"),
        (format!("{said}S: r4 OK a\nWAIT"), "well"),
        (format!("{said}S: r4 NO disk\nWAIT"), "not now"),
        (format!("{said}S: r4 NO [NOPERM] no\nWAIT"), "unusable"),
        (format!("{said}S: r4 BAD no\nWAIT"), "refused"),
    ] {
        let outcome = fares(&rest);
        assert_eq!(kind(&outcome), expected, "{rest}: {outcome:?}");
        assert!(
            !format!("{outcome:?}").contains("may have been delivered"),
            "{outcome:?}"
        );
    }
    for last in [
        "",
        "S: * BYE shutting down\n",
        "S: + more\nWAIT",
        "S: r9 OK\nWAIT",
        "RAW r4",
    ] {
        let outcome = fares(&format!("{said}{last}"));
        assert_eq!(kind(&outcome), "not now");
        assert!(
            outcome
                .unwrap_err()
                .to_string()
                .contains("may have been delivered"),
            "{last}"
        );
    }
}

#[test]
fn a_message_in_doubt_is_looked_for() {
    let octets = CRLF.len();
    // It has one bare LF, which some servers count as two octets.
    let (less, more) = (octets - 1, octets + 2);
    let append = |tag: u8| {
        format!("C: r{tag} APPEND \"INBOX\" {{{octets}}}\nS: + go\nLITERAL {octets}\nC: \n")
    };
    let status = "C: r4 STATUS \"INBOX\" (MESSAGES)\nS: * STATUS INBOX (MESSAGES 0)\nS: r4 OK a\n";
    let search = |tag: u8, answer: &str| {
        format!(
            "C: r{tag} UID SEARCH HEADER Message-ID \"<a@b>\" LARGER {less} SMALLER {more}\nS: * SEARCH{answer}\nS: r{tag} OK a\n"
        )
    };
    let examine = |tag: u8| format!("C: r{tag} EXAMINE \"INBOX\"\nS: * 1 EXISTS\nS: r{tag} OK a\n");
    // It is not there, it is appended and lost, and then it is there; the one behind it is not looked for.
    let first = [
        BEGUN.to_owned(),
        status.to_owned(),
        examine(5),
        search(6, ""),
        append(7),
    ]
    .concat();
    let second = [
        BEGUN.to_owned(),
        examine(4),
        search(5, " 17"),
        append(6),
        "S: r6 OK a\nC: r7 LOGOUT\n".to_owned(),
    ]
    .concat();
    let server = Server::start(&[&first, &second]);
    let mut imap = Imap::new(settings(&server)).unwrap();
    imap.open(Ended::InDoubt).unwrap();
    assert_eq!(imap.holds_mail(), Some(false));
    let (mut text, _directory) = text(WIRE);
    assert_eq!(kind(&imap.deliver(&message(), &mut text)), "not now");
    imap.deliver(&message(), &mut text).unwrap();
    imap.deliver(&message(), &mut text).unwrap();
    drop(imap);
    assert_eq!(server.done(), [CRLF, CRLF]);
    // A server that cannot search gets it once more.
    let rest = [
        status.to_owned(),
        "C: r5 EXAMINE \"INBOX\"\nS: r5 NO no\n".to_owned(),
        format!("C: r6 UID SEARCH HEADER Message-ID \"<a@b>\" LARGER {less} SMALLER {more}\nS: r6 BAD no\n"),
        append(7),
        "S: r7 OK a\nC: r8 LOGOUT\n".to_owned(),
    ]
    .concat();
    let server = Server::start(&[&format!("{}{rest}", BEGUN)]);
    let mut imap = Imap::new(settings(&server)).unwrap();
    imap.open(Ended::InDoubt).unwrap();
    imap.deliver(&message(), &mut text).unwrap();
    drop(imap);
    server.done();
}

#[test]
fn a_kept_connection_that_was_closed_is_opened_again() {
    let octets = CRLF.len();
    let append = format!(
        "C: r4 APPEND \"INBOX\" {{{octets}}}\nS: + go\nLITERAL {octets}\nC: \nS: r4 OK a\n"
    );
    for end in ["", "S: * BYE idle for too long\n"] {
        let first = format!("{}{append}{end}", BEGUN);
        let second = format!("{}{append}C: r5 LOGOUT\n", BEGUN);
        let server = Server::start(&[&first, &second]);
        let mut imap = Imap::new(settings(&server)).unwrap();
        let (mut text, _directory) = text(WIRE);
        imap.deliver(&message(), &mut text).unwrap();
        imap.deliver(&message(), &mut text).unwrap();
        drop(imap);
        assert_eq!(server.done().len(), 2);
    }
    // One that was not used for long is not tried.
    let whole = format!("{BEGUN}{append}C: r5 LOGOUT\n");
    let server = Server::start(&[&whole, &whole]);
    let mut idle = settings(&server);
    idle.limits.idle = Duration::ZERO;
    let mut imap = Imap::new(idle).unwrap();
    let (mut text, _directory) = text(WIRE);
    imap.deliver(&message(), &mut text).unwrap();
    imap.deliver(&message(), &mut text).unwrap();
    drop(imap);
    assert_eq!(server.done().len(), 2);
}

#[test]
fn every_wait_has_an_end() {
    let octets = CRLF.len();
    let asked = format!("{}C: r4 APPEND \"INBOX\" {{{octets}}}\n", BEGUN);
    for rest in [
        "WAIT".to_owned(),
        "DRIP * OK a".to_owned(),
        "S: * OK a\nC: r1 CAPABILITY\nDRIP * a\\n".to_owned(),
        format!("{asked}FLOOD * 1 EXISTS\\n"),
        format!("{asked}S: + go\nLITERAL {octets}\nC: \nWAIT"),
        format!("{asked}S: + go\nLITERAL {octets}\nC: \nDRIP * a\\n"),
    ] {
        let server = Server::start(&[&rest]);
        let mut settings = settings(&server);
        settings.limits.reply = Duration::from_millis(700);
        settings.limits.end = Duration::from_millis(100);
        let mut imap = Imap::new(settings).unwrap();
        let (mut text, _directory) = text(WIRE);
        let outcome = imap.deliver(&message(), &mut text);
        assert_eq!(kind(&outcome), "not now", "{rest}");
        let why = outcome.unwrap_err().to_string();
        assert!(why.contains("takes too long"), "{why}");
        drop(imap);
        server.done();
    }
}
