//! Tokens shown to servers of IMAP and SMTP that follow a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sasl::oauth::{bearer_message, xoauth2_message};
use sasl::{Secret, base64};

use super::*;
use crate::destination::imap::{self, Imap, Seen};
use crate::destination::script::{self, Server, message, text};
use crate::destination::transfer::{self, Dialect, Transfer};
use crate::destination::{Destination as _, Ended, Limits, Protection};

const WIRE: &[u8] = b"a\r\n";

/// What both servers explain of a refused token.
const WHY: &str = "{\"status\":\"401\"}";

fn limits() -> Limits {
    let long = Duration::from_secs(15);
    Limits {
        connect: long,
        reply: long,
        block: long,
        end: long,
        idle: long,
    }
}

/// Tokens `t1`, `t2` and so on, a new one whenever a new one is asked for; and how they were asked for.
fn tokens() -> (KnownBy, Arc<Mutex<Vec<Age>>>) {
    tokens_of(1)
}

/// The same, each of so many octets more.
fn tokens_of(octets: usize) -> (KnownBy, Arc<Mutex<Vec<Age>>>) {
    let (tokens, asked) = script::tokens(move |new| token(octets, new + 1));
    (KnownBy::Tokens(tokens), asked)
}

fn token(octets: usize, number: usize) -> Secret {
    Secret::new(format!("{}{number}", "t".repeat(octets)))
}

fn xoauth2(octets: usize, number: usize) -> String {
    base64::encode(xoauth2_message("mrose", &token(octets, number)).expose())
}

/// Puts the message of OAUTHBEARER, which holds the server's port, into a script.
fn with_bearer(script: &str, port: u16) -> String {
    let mut script = script.to_owned();
    for number in 1..3 {
        let bearer = bearer_message(Some("mrose"), Some(("localhost", port)), &token(1, number));
        script = script.replace(&format!("BEARER{number}"), &base64::encode(bearer.expose()));
    }
    script
}

fn imap(server: &Server, by: KnownBy) -> Imap {
    Imap::new(imap::Settings {
        address: server.address.clone(),
        protection: Protection::OnThisMachine,
        user: "mrose".into(),
        by,
        mailbox: "INBOX".into(),
        seen: Seen::No,
        limits: limits(),
    })
    .unwrap()
}

/// Opens a mailbox at servers that follow these scripts, one for each connection.
fn open_imap(scripts: &[&str], by: KnownBy) -> Result<(), NotDelivered> {
    let server =
        Server::start_with(|port| scripts.iter().map(|it| with_bearer(it, port)).collect());
    let mut imap = imap(&server, by);
    let outcome = imap.open(Ended::InOrder);
    drop(imap);
    server.done();
    outcome
}

fn imap_greets(capabilities: &str) -> String {
    format!("S: * OK a\nC: r1 CAPABILITY\nS: * CAPABILITY IMAP4rev1 {capabilities}\nS: r1 OK a\n")
}

const IMAP_GOES_ON: &str = "C: r3 CAPABILITY\nS: r3 OK a\nC: r4 STATUS \"INBOX\" (MESSAGES)\n\
    S: * STATUS INBOX (MESSAGES 1)\nS: r4 OK a\nC: r5 LOGOUT\n";

#[test]
fn imap_takes_a_token_by_either_mechanism_in_one_line_or_two() {
    let (one, two) = (xoauth2(1, 1), xoauth2(9000, 1));
    for (capabilities, said, octets) in [
        (
            "SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER",
            "C: r2 AUTHENTICATE OAUTHBEARER BEARER1\n".to_owned(),
            1,
        ),
        (
            "AUTH=OAUTHBEARER",
            "C: r2 AUTHENTICATE OAUTHBEARER\nS: + \nC: BEARER1\n".to_owned(),
            1,
        ),
        (
            "SASL-IR AUTH=PLAIN AUTH=XOAUTH2",
            format!("C: r2 AUTHENTICATE XOAUTH2 {one}\n"),
            1,
        ),
        (
            "AUTH=XOAUTH2",
            format!("C: r2 AUTHENTICATE XOAUTH2\nS: +\nC: {one}\n"),
            1,
        ),
        // One that is too long for a line goes on a line of its own.
        (
            "SASL-IR AUTH=XOAUTH2",
            format!("C: r2 AUTHENTICATE XOAUTH2\nS: + \nC: {two}\n"),
            9000,
        ),
    ] {
        let script = format!(
            "{}{said}S: r2 OK a\n{IMAP_GOES_ON}",
            imap_greets(capabilities)
        );
        let (by, asked) = tokens_of(octets);
        open_imap(&[&script], by).unwrap();
        assert_eq!(*asked.lock().unwrap(), [Age::Any], "{capabilities}");
    }
}

#[test]
fn imap_that_refuses_a_token_is_shown_one_more_over_another_connection() {
    let why = base64::encode(WHY.as_bytes());
    let bearer = |number: u8, said: &str| {
        let greets = imap_greets("SASL-IR AUTH=OAUTHBEARER");
        format!("{greets}C: r2 AUTHENTICATE OAUTHBEARER BEARER{number}\n{said}")
    };
    let refused = format!("S: + {why}\nC: AQ==\nS: r2 NO [AUTHENTICATIONFAILED] no\nWAIT\n");
    let taken = format!("S: r2 OK a\n{IMAP_GOES_ON}");
    let (by, asked) = tokens();
    open_imap(&[&bearer(1, &refused), &bearer(2, &taken)], by).unwrap();
    assert_eq!(*asked.lock().unwrap(), [Age::Any, Age::New]);

    // The second one is the last one, and somebody is told what to do.
    let (by, asked) = tokens();
    let outcome = open_imap(&[&bearer(1, &refused), &bearer(2, &refused)], by);
    let Err(NotDelivered::NoLogin(told)) = outcome else {
        panic!("{outcome:?}")
    };
    let end = format!("it refuses the login: {WHY} ([AUTHENTICATIONFAILED] no)");
    assert!(told.ends_with(&end), "{told}");
    assert_eq!(asked.lock().unwrap().len(), 2);

    // XOAUTH2 answers the explanation with nothing.
    let (first, second) = (xoauth2(1, 1), xoauth2(1, 2));
    let greets = imap_greets("AUTH=XOAUTH2");
    let asks = |it: &str| format!("{greets}C: r2 AUTHENTICATE XOAUTH2\nS: + \nC: {it}\n");
    let refused = format!("{}S: + {why}\nC: \nS: r2 NO no\nWAIT\n", asks(&first));
    let (by, _) = tokens();
    open_imap(&[&refused, &format!("{}{taken}", asks(&second))], by).unwrap();
}

#[test]
fn imap_that_cannot_look_at_a_token_now_is_asked_later() {
    let one = xoauth2(1, 1);
    let greets = imap_greets("SASL-IR AUTH=XOAUTH2");
    let script =
        format!("{greets}C: r2 AUTHENTICATE XOAUTH2 {one}\nS: r2 NO [UNAVAILABLE] later\nWAIT\n");
    let (by, asked) = tokens();
    let outcome = open_imap(&[&script], by);
    assert!(
        matches!(outcome, Err(NotDelivered::NotNow(_))),
        "{outcome:?}"
    );
    assert_eq!(asked.lock().unwrap().len(), 1);

    let (by, _) = tokens();
    let outcome = open_imap(&[&format!("{}WAIT\n", imap_greets("AUTH=PLAIN"))], by);
    let Err(NotDelivered::Unusable(told)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        told.ends_with("it offers neither OAUTHBEARER nor XOAUTH2"),
        "{told}"
    );
    // A server that explains and then says that all is well is none that is believed.
    let why = base64::encode(WHY.as_bytes());
    let script =
        format!("{greets}C: r2 AUTHENTICATE XOAUTH2 {one}\nS: + {why}\nC: \nS: r2 OK a\nWAIT\n");
    let (by, _) = tokens();
    let outcome = open_imap(&[&script], by);
    assert!(
        matches!(outcome, Err(NotDelivered::Unusable(_))),
        "{outcome:?}"
    );
}

/// Delivers a message to servers of SMTP inside TLS that follow these scripts.
fn deliver_smtp(scripts: &[&str], by: KnownBy) -> Result<(), NotDelivered> {
    let server = Server::start_with(|port| {
        let scripts = scripts.iter().map(|it| with_bearer(it, port));
        scripts
            .map(|it| format!("TLS\nS: 220 a\nC: EHLO x\nS: 250-a\n{it}"))
            .collect()
    });
    let mut settings = transfer::Settings::new(
        server.address.clone(),
        Protection::Tls(server.trusted()),
        vec!["mrose@example.org".to_owned()],
    );
    settings.hello = Some("x".into());
    settings.limits = limits();
    settings.login = Some(("mrose".into(), by));
    let mut transfer = Transfer::new(Dialect::Smtp, settings).unwrap();
    let (mut text, _directory) = text(WIRE);
    let outcome = transfer.deliver(&message(), &mut text);
    drop(transfer);
    server.done();
    outcome
}

const SMTP_GOES_ON: &str = "C: MAIL FROM:<>\nS: 250 a\nC: RCPT TO:<mrose@example.org>\nS: 250 a\n\
    C: DATA\nS: 354 a\nTEXT\nS: 250 a\nC: QUIT\n";

#[test]
fn smtp_takes_a_token_by_either_mechanism_in_one_line_or_two() {
    let (one, two) = (xoauth2(1, 1), xoauth2(500, 1));
    for (offers, said, octets) in [
        (
            "S: 250 AUTH PLAIN XOAUTH2 OAUTHBEARER\n",
            "C: AUTH OAUTHBEARER BEARER1\n".to_owned(),
            1,
        ),
        (
            "S: 250 AUTH LOGIN XOAUTH2\n",
            format!("C: AUTH XOAUTH2 {one}\n"),
            1,
        ),
        // With it the line of AUTH would be too long.
        (
            "S: 250 AUTH LOGIN XOAUTH2\n",
            format!("C: AUTH XOAUTH2\nS: 334 \nC: {two}\n"),
            500,
        ),
    ] {
        let (by, asked) = tokens_of(octets);
        deliver_smtp(&[&format!("{offers}{said}S: 235 a\n{SMTP_GOES_ON}")], by).unwrap();
        assert_eq!(*asked.lock().unwrap(), [Age::Any], "{offers}");
    }
}

#[test]
fn smtp_that_refuses_a_token_is_shown_one_more_over_another_connection() {
    let why = base64::encode(WHY.as_bytes());
    let bearer = |number: u8, said: &str| {
        format!("S: 250 AUTH OAUTHBEARER\nC: AUTH OAUTHBEARER BEARER{number}\n{said}")
    };
    let refused = format!("S: 334 {why}\nC: AQ==\nS: 535 5.7.8 no\nWAIT\n");
    let taken = format!("S: 235 a\n{SMTP_GOES_ON}");
    let (by, asked) = tokens();
    deliver_smtp(&[&bearer(1, &refused), &bearer(2, &taken)], by).unwrap();
    assert_eq!(*asked.lock().unwrap(), [Age::Any, Age::New]);

    let (by, _) = tokens();
    let outcome = deliver_smtp(&[&bearer(1, &refused), &bearer(2, &refused)], by);
    let Err(NotDelivered::NoLogin(told)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        told.ends_with(&format!("it answers AUTH with 535 5.7.8 no ({WHY})")),
        "{told}"
    );

    // What passes is no reason for another token, and neither is what no token changes.
    for (reply, is_passing) in [("454 4.7.0 later", true), ("504 5.5.4 unknown", false)] {
        let (by, asked) = tokens();
        let outcome = deliver_smtp(&[&bearer(1, &format!("S: {reply}\nWAIT\n"))], by);
        match is_passing {
            true => assert!(
                matches!(outcome, Err(NotDelivered::NotNow(_))),
                "{outcome:?}"
            ),
            false => assert!(
                matches!(outcome, Err(NotDelivered::Unusable(_))),
                "{outcome:?}"
            ),
        }
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
    let (by, _) = tokens();
    let outcome = deliver_smtp(&["S: 250 AUTH PLAIN LOGIN\nWAIT\n"], by);
    let Err(NotDelivered::Unusable(told)) = outcome else {
        panic!("{outcome:?}")
    };
    let end = "it offers neither OAUTHBEARER nor XOAUTH2 (it offers: PLAIN, LOGIN)";
    assert!(told.ends_with(end), "{told}");
}

#[test]
fn without_a_token_nobody_is_connected_to() {
    let nobody = || KnownBy::Tokens(Box::new(|_| Err(NotDelivered::NotNow("no network".into()))));
    let outcome = open_imap(&[], nobody());
    assert!(
        matches!(&outcome, Err(NotDelivered::NotNow(why)) if why == "no network"),
        "{outcome:?}"
    );
    let outcome = deliver_smtp(&[], nobody());
    assert!(
        matches!(&outcome, Err(NotDelivered::NotNow(why)) if why == "no network"),
        "{outcome:?}"
    );
    assert!(!format!("{:?}", tokens().0).contains("t1"));
}
