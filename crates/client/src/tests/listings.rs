//! STAT, UIDL and LIST.

use std::time::Duration;

use pop3::Octets;

use super::server::Server;
use super::{PATIENCE, block_on, login, open};
use crate::{ClientError, Listing, Patience, UniqueIds};

fn listing(script: &str, patience: Patience) -> Result<Listing, ClientError> {
    let server = Server::start(script);
    let listing = block_on(async { open(server.port, patience).await?.listing().await });
    server.done();
    listing
}

#[test]
fn all_three_are_asked_for_at_once_where_that_is_allowed() {
    let ahead = login("PIPELINING")
        + "C: STAT\nC: UIDL\nC: LIST\nS: +OK 2 320\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nS: +OK\nS: 1 120\nS: 2 200\nS: .\n";
    let one_by_one = login("")
        + "C: STAT\nS: +OK 2 320\nC: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: .\nC: LIST\nS: +OK\nS: 1 120\nS: 2 200\nS: .\n";
    for script in [ahead, one_by_one] {
        let listing = listing(&script, PATIENCE).unwrap();
        assert_eq!(listing.total, Octets(320));
        assert_eq!(listing.sizes, [Octets(120), Octets(200)]);
        let UniqueIds::Told(ids) = listing.unique_ids else {
            panic!("they were told")
        };
        assert_eq!(
            ids.iter()
                .flatten()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}

#[test]
fn a_server_without_unique_ids_says_so() {
    let script = login("") + "C: STAT\nS: +OK 0 0\nC: UIDL\nS: -ERR what\nC: LIST\nS: +OK\nS: .\n";
    let listing = listing(&script, PATIENCE).unwrap();
    assert!(matches!(listing.unique_ids, UniqueIds::Refused(_)));
    assert!(listing.numbered().is_empty());
}

#[test]
fn a_listing_that_contradicts_itself_is_no_listing() {
    for (said, why) in [
        (
            "S: +OK 2 320\nC: UIDL\nS: +OK\nS: .\nC: LIST\nS: +OK\nS: 1 120\nS: .\n",
            "STAT says 2 messages, LIST says 1",
        ),
        (
            "S: +OK 1 1\nC: UIDL\nS: +OK\nS: .\nC: LIST\nS: +OK\nS: 1 1\nS: .\n",
            "STAT says 1 messages, UIDL says 0",
        ),
        (
            "S: +OK 2 2\nC: UIDL\nS: -ERR\nC: LIST\nS: +OK\nS: 1 1\nS: 3 1\nS: .\n",
            "LIST lists message 3 where message 2 is due",
        ),
        (
            "S: +OK 2 2\nC: UIDL\nS: -ERR\nC: LIST\nS: +OK\nS: 1 1\nS: 1 1\nS: .\n",
            "LIST lists message 1 where message 2 is due",
        ),
        (
            "S: +OK lots\nC: UIDL\nS: +OK\n",
            "STAT was answered with \"lots\"",
        ),
        (
            "S: +OK 1 1\nC: UIDL\nS: -ERR\nC: LIST\nS: +OK\nS: 1 big\nS: .\n",
            "LIST was answered with \"1 big\"",
        ),
        (
            "S: +OK 1 1\nC: UIDL\nS: -ERR\nC: LIST\nS: -ERR no\n",
            "refused LIST: -ERR no",
        ),
        (
            "S: +OK 3 3\nC: UIDL\nS: +OK\nS: 1 \u{1}\nS: 3 c\nS: .\n",
            "UIDL lists message 3 where message 1 is due",
        ),
        (
            "S: +OK 3 3\nC: UIDL\nS: +OK\nS: 1 \u{1}\nS: 2 b\nS: .\nC: LIST\nS: +OK\nS: 1 1\nS: 2 1\nS: 3 1\nS: .\n",
            "STAT says 3 messages, UIDL says 2",
        ),
    ] {
        // The rest of a script may not be followed: the client has gone.
        let script = login("") + "C: STAT\n" + said + "WAIT\n";
        let server = Server::start(script);
        let error = block_on(async { open(server.port, PATIENCE).await?.listing().await });
        let told = error.unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_unique_id_that_cannot_be_read_is_that_of_one_message() {
    let sizes = "C: LIST\nS: +OK\nS: 1 1\nS: 2 1\nS: 3 1\nS: .\n";
    let long = format!("2 {}", "x".repeat(1025));
    for (lines, expected) in [
        (&["1 a", "2 \u{1}", "3 c"][..], [true, false, true]),
        (&["1 a", "2", "3 c"], [true, false, true]),
        (&["1 a", &long, "3 c"], [true, false, true]),
        (&["what", "", "3 c"], [false, false, true]),
        (&["1 a", "2 b", "3 "], [true, true, false]),
        // One line too many says nothing of any message.
        (&["# these are", "1 a", "2 b", "3 c"], [true, true, true]),
        (&["a", "b", "c"], [false, false, false]),
    ] {
        let lines: String = lines.iter().map(|line| format!("S: {line}\n")).collect();
        let script =
            login("") + "C: STAT\nS: +OK 3 3\nC: UIDL\nS: +OK\n" + &lines + "S: .\n" + sizes;
        let listing = listing(&script, PATIENCE).unwrap();
        let UniqueIds::Told(ids) = listing.unique_ids else {
            panic!("they were told")
        };
        let readable: Vec<_> = ids.iter().map(Option::is_some).collect();
        assert_eq!(readable, expected, "{lines}");
    }
}

#[test]
fn a_listing_that_does_not_end_is_not_kept() {
    let patience = Patience {
        listing: Duration::from_millis(300),
        ..PATIENCE
    };
    let begun = login("") + "C: STAT\nS: +OK 1 1\nC: UIDL\nS: -ERR\nC: LIST\nS: +OK\n";
    let error = listing(&(begun.clone() + "REPEAT 1 1\\n\n"), PATIENCE).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("LIST lists message 1 where message 2 is due")
    );
    let error = listing(&(begun.clone() + "REPEAT 1\n"), PATIENCE).unwrap_err();
    assert_eq!(error.to_string(), "server sent a line that does not end");
    let error = listing(&(begun + "WAIT\n"), patience).unwrap_err();
    assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");
}
