//! Ends of sessions: QUIT that is answered late, never or with a refusal, connections that are cut, and what does not end.

use std::time::Duration;

use pop3::client::Outcome;
use pop3::{MessageNumber, Octets};

use super::server::Server;
use super::{PATIENCE, account, block_on, login, open};
use crate::{ClientError, Maildrop, Patience, Step, Transport, Trusted, connect};

const SHORT: Patience = Patience {
    silence: Duration::from_millis(300),
    listing: Duration::from_millis(300),
    ..PATIENCE
};

/// Deletes a message and ends the session; what is known of it then.
fn committed(end: &str, patience: Patience) -> Outcome {
    let script = login("") + "C: DELE 1\nS: +OK\nC: QUIT\n" + end;
    let server = Server::start(script);
    let outcome = block_on(async {
        let mut maildrop = open(server.port, patience).await.unwrap();
        delete(&mut maildrop).await;
        maildrop.commit().await.unwrap()
    });
    server.done();
    outcome
}

async fn delete(maildrop: &mut Maildrop) {
    let first = MessageNumber::new(1).unwrap();
    let mut retrieval = maildrop.retrieve(Vec::new());
    retrieval.delete(first);
    assert!(matches!(retrieval.step().await.unwrap(), Step::Deleted(it) if it == first));
}

#[test]
fn what_quit_brought_is_known_only_if_it_was_answered() {
    assert_eq!(committed("S: +OK bye\n", PATIENCE), Outcome::Deleted);
    // A server that deletes a lot takes its time.
    assert_eq!(
        committed("PAUSE 500\nS: +OK bye\n", PATIENCE),
        Outcome::Deleted
    );
    let refused = committed("S: -ERR some are still there\n", PATIENCE);
    assert!(matches!(refused, Outcome::Refused(status) if status.text == "some are still there"));
    for end in ["WAIT\n", "DRIP +OK \n"] {
        assert_eq!(committed(end, SHORT), Outcome::Unknown, "{end}");
    }
    for end in ["", "RAW +OK", "RAW what\\n\n", "RAW -ER"] {
        assert_eq!(committed(end, PATIENCE), Outcome::Unknown, "{end}");
    }
}

#[test]
fn a_goodbye_that_deletes_nothing_is_not_waited_for_long() {
    for end in ["S: +OK\n", "S: -ERR no\n", "WAIT\n", "DRIP +OK \n", ""] {
        let server = Server::start(login("") + "C: QUIT\n" + end);
        block_on(async { open(server.port, SHORT).await.unwrap().quit().await });
        server.done();
    }
}

#[test]
fn a_sign_of_life_may_be_refused_and_must_be_answered() {
    for (reply, is_there) in [
        ("S: +OK\n", true),
        ("S: -ERR unknown command\n", true),
        ("WAIT\n", false),
        ("DRIP +OK \n", false),
        ("", false),
        ("S: what\n", false),
        ("S: -ERR bye\n", true),
    ] {
        let server = Server::start(login("") + "C: NOOP\n" + reply);
        let sign = block_on(async { open(server.port, SHORT).await.unwrap().sign_of_life().await });
        assert_eq!(sign.is_ok(), is_there, "{reply}: {sign:?}");
        server.done();
    }
}

/// What a test does inside TLS with a server that goes away at the end of its script, and does not say so (no close_notify).
fn truncated<T>(script: &str, then: impl AsyncFnOnce(Maildrop) -> T) -> T {
    let server = Server::start(format!("TLS\n{}{script}", login("")));
    let trusted = Trusted::pinned(server.pin()).unwrap();
    let account = account(server.port, Transport::Tls(trusted));
    let outcome = block_on(async { then(connect(&account, PATIENCE).await.unwrap()).await });
    server.done();
    outcome
}

#[test]
fn who_cuts_tls_off_makes_no_text_end_and_no_deletion_certain() {
    // Without its last line a text is none, wherever it is cut, and even where it has the size that LIST said.
    for rest in ["", "S: half\n", "S: half\nRAW .", "S: half\nRAW .\r"] {
        let script = format!("C: RETR 1\nS: +OK\n{rest}");
        let error = truncated(&script, async |mut maildrop| {
            let wanted = vec![(MessageNumber::new(1).unwrap(), Octets(6))];
            let mut retrieval = maildrop.retrieve(wanted);
            loop {
                match retrieval.step().await {
                    Ok(Step::Piece(_)) => {}
                    Ok(step) => panic!("{step:?}"),
                    Err(error) => return error,
                }
            }
        });
        assert!(matches!(error, ClientError::Lost { .. }), "{error}");
        assert!(error.may_pass());
    }
    for (reply, expected) in [("S: +OK\n", Outcome::Deleted), ("", Outcome::Unknown)] {
        let script = format!("C: DELE 1\nS: +OK\nC: QUIT\n{reply}");
        let outcome = truncated(&script, async |mut maildrop| {
            delete(&mut maildrop).await;
            maildrop.commit().await.unwrap()
        });
        assert_eq!(outcome, expected);
    }
}

#[test]
fn a_line_of_a_mebibyte_is_no_line_of_a_reply() {
    let long = "x".repeat(1 << 20);
    let listing = "C: STAT\nS: +OK 1 1\nC: UIDL\n";
    for (before, line) in [
        ("", format!("RAW +OK {long}")),
        ("S: +OK\nC: CAPA\n", format!("RAW -ERR {long}")),
        ("S: +OK\nC: CAPA\nS: +OK\n", format!("RAW SASL {long}")),
        (
            "S: +OK\nC: CAPA\nS: -ERR\nC: USER mrose\n",
            format!("RAW +OK {long}"),
        ),
        (&(login("") + "C: STAT\n"), format!("RAW +OK 1 {long}")),
        (&(login("") + listing + "S: +OK\n"), format!("RAW 1 {long}")),
    ] {
        let server = Server::start(format!("{before}{line}\nWAIT\n"));
        let error = block_on(async { open(server.port, PATIENCE).await?.listing().await });
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("a line that does not end"),
            "{before}: {error}"
        );
    }
    // A text may have such lines.
    let script = login("") + "C: RETR 1\nS: +OK\nS: " + &long + "\nS: .\n";
    let server = Server::start(script);
    let octets = block_on(async {
        let mut maildrop = open(server.port, PATIENCE).await.unwrap();
        let wanted = vec![(MessageNumber::new(1).unwrap(), Octets((1 << 20) + 2))];
        let mut retrieval = maildrop.retrieve(wanted);
        let mut octets = 0;
        let count = |piece: &[u8]| {
            octets += piece.len();
            std::ops::ControlFlow::Continue(())
        };
        retrieval.next(count).await.unwrap();
        octets
    });
    assert_eq!(octets, (1 << 20) + 2);
    server.done();
}

#[test]
fn capabilities_that_do_not_end_are_left() {
    let server = Server::start("S: +OK\nC: CAPA\nS: +OK\nREPEAT X-MORE\\n\n");
    let error = block_on(open(server.port, PATIENCE)).unwrap_err();
    assert_eq!(error.to_string(), "server sent a list that does not end");
    server.done();
}
