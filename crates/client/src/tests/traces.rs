//! What is shown of a session.

use std::sync::{Arc, Mutex};

use super::server::Server;
use super::{PATIENCE, account, block_on};
use crate::{Account, ClientError, Credentials, Heard, Trace, Transport, connect};
use sasl::{Secret, base64};

/// What is shown of a login and what follows it, with `C:` and `S:` before the lines.
fn shown(script: &str, change: impl FnOnce(&mut Account)) -> (Result<(), ClientError>, String) {
    let lines = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&lines);
    let trace = Trace::new(move |heard, line| {
        let who = match heard {
            Heard::Client => "C:",
            Heard::Server => "S:",
        };
        *kept.lock().unwrap() += &format!("{who} {line}\n");
    });
    let server = Server::start(script);
    let mut account = Account {
        trace: Some(trace),
        ..account(server.port, Transport::InClear)
    };
    change(&mut account);
    let outcome = block_on(async {
        let mut maildrop = connect(&account, PATIENCE).await?;
        let listing = maildrop.listing().await?;
        let mut retrieval = maildrop.retrieve(listing.numbered());
        while retrieval
            .next(|_| std::ops::ControlFlow::Continue(()))
            .await?
            .is_some()
        {}
        maildrop.quit().await;
        Ok(())
    });
    server.done();
    let lines = lines.lock().unwrap().clone();
    (outcome, lines)
}

#[test]
fn commands_and_status_lines_are_shown_and_bodies_are_counted() {
    let script = "S: +OK ready <1@b>\nC: CAPA\nS: +OK here\nS: USER\nS: SASL PLAIN\nS: .\n\
                  C: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK in\nC: CAPA\nS: -ERR no\n\
                  C: STAT\nS: +OK 1 6\nC: UIDL\nS: +OK\nS: 1 a\nS: .\nC: LIST\nS: +OK 1 message\nS: 1 6\nS: .\n\
                  C: RETR 1\nS: +OK 6 octets\nS: secret\nS: .\nC: QUIT\nS: +OK bye\n";
    let (outcome, told) = shown(script, |account| account.way = Some(crate::Way::Pass));
    outcome.unwrap();
    let expected = "S: +OK ready <1@b>\nC: CAPA\nS: +OK here\nS: (21 octets)\n\
                    C: USER mrose\nS: +OK\nC: PASS …\nS: +OK in\nC: CAPA\nS: -ERR no\n\
                    C: STAT\nS: +OK 1 6\nC: UIDL\nS: +OK\nS: (8 octets)\nC: LIST\nS: +OK 1 message\nS: (8 octets)\n\
                    C: RETR 1\nS: +OK 6 octets\nS: (11 octets)\nC: QUIT\nS: +OK bye\n";
    assert_eq!(told, expected);
}

#[test]
fn no_secret_is_shown_whatever_the_way() {
    let capa = "S: +OK <1@b>\nC: CAPA\nS: -ERR\n";
    let json = base64::encode(b"{\"status\":\"401\"}");
    let token = |account: &mut Account| {
        account.credentials = Credentials::Token(Secret::new("redqueen"));
    };
    let forced = |way: &str| {
        let way = way.parse().ok();
        move |account: &mut Account| account.way = way
    };
    let plain = "C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: -ERR no\n";
    let login = format!("C: AUTH LOGIN\nS: + {json}\nPROOF\nS: + {json}\nPROOF\nS: -ERR no\n");
    let xoauth2 = format!("C: AUTH XOAUTH2\nS: +\nPROOF\nS: + {json}\nC: \nS: -ERR no\n");
    let begin = "S: +OK <1@b>\nC: CAPA\nS: -ERR\n";
    let (_, told) = shown(&format!("{capa}{plain}"), forced("plain"));
    assert_eq!(told, format!("{begin}C: AUTH PLAIN …\nS: -ERR no\n"));
    let (_, told) = shown(&format!("{capa}{login}"), forced("login"));
    let answers = "S: + …\nC: …\nS: + …\nC: …\nS: -ERR no\n";
    assert_eq!(told, format!("{begin}C: AUTH LOGIN\n{answers}"));
    let (_, told) = shown(&format!("{capa}{xoauth2}"), token);
    let answers = "S: + …\nC: …\nS: + …\nC: \nS: -ERR no\n";
    assert_eq!(told, format!("{begin}C: AUTH XOAUTH2\n{answers}"));
    let apop = format!("C: APOP mrose {APOP}\nS: -ERR no\n");
    let (_, told) = shown(&format!("{capa}{apop}"), forced("apop"));
    assert_eq!(told, format!("{begin}C: APOP mrose …\nS: -ERR no\n"));
}

/// Of `<1@b>redqueen`.
const APOP: &str = "a7a2554539507fb4f488dea27fadd146";

#[test]
fn what_is_no_pop3_is_shown_to_its_first_octets() {
    let long = "y".repeat(200);
    let (outcome, told) = shown(&format!("S: HTTP/1.1 \x1b{long}\nWAIT\n"), |_| ());
    outcome.unwrap_err();
    assert_eq!(told, format!("S: HTTP/1.1 \u{fffd}{}\n", "y".repeat(70)));
}
