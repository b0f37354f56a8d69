//! How a server ends: draining, cutting, and what a cut leaves undone.

use std::net::TcpStream;
use std::time::Duration;

use server::{Ended, Protocol, Stage};

use crate::harness::{Server, Setup};

#[test]
fn a_server_without_sessions_ends_at_once() {
    let server = Server::start();
    server.shutdown();
    assert_eq!(server.ended(), Ended::Drained);
}

#[test]
fn draining_lets_a_session_come_to_its_end() {
    let server = Server::start();
    server.deliver("bob", "Subject: x\r\n\r\n");
    let mut logged_in = server.plain().logged_in("bob");
    let mut stranger = server.plain();
    let mut delivery = server.lmtp();
    let mut mid_text = server.lmtp();
    mid_text.ask("MAIL FROM:<>", "250");
    mid_text.ask("RCPT TO:<alice>", "250");
    mid_text.ask("DATA", "354");
    mid_text.send(b"Subject: half\r\n\r\n");
    // The text must have arrived: then the delivery is under way.
    std::thread::sleep(Duration::from_millis(200));
    server.shutdown();
    server.reached(Stage::Draining);
    assert_eq!(stranger.rest(), b"", "AUTHORIZATION ends");
    delivery.expect("421 4.3.2");
    assert_eq!(delivery.rest(), b"");
    let address = server.address(Protocol::Pop3);
    crate::harness::wait_until("nobody new comes in", || {
        TcpStream::connect(address).is_err()
    });
    // TRANSACTION and the message that is coming in go on.
    logged_in.ask("RETR 1", "+OK");
    logged_in.text();
    logged_in.ask("DELE 1", "+OK");
    logged_in.ask("QUIT", "+OK dewey POP3 server signing off (maildrop empty)");
    mid_text.send(b"other half\r\n.\r\n");
    mid_text.reply("250");
    mid_text.expect("421 4.3.2");
    let (bob, alice) = (server.messages("bob"), server.messages("alice"));
    assert_eq!((bob, alice), (0, 1));
    drop((logged_in, mid_text));
    assert_eq!(server.ended(), Ended::Drained);
}

#[test]
fn what_is_left_after_the_drain_timeout_is_cut_and_deletes_nothing() {
    let setup = Setup::new().with(|config| {
        config.limits.drain_timeout = Duration::from_millis(200);
    });
    let server = setup.start();
    server.deliver("bob", "Subject: x\r\n\r\n");
    let mut client = server.plain().logged_in("bob");
    client.ask("DELE 1", "+OK");
    server.shutdown();
    assert_eq!(client.rest(), b"");
    let (maildrops, bob) = (server.maildrops.clone(), server.maildrop("bob"));
    assert_eq!(server.ended(), Ended::Cut);
    assert_eq!(maildrops.summary(bob).unwrap().messages, 1);
}

#[test]
fn a_second_shutdown_cuts_at_once() {
    let server = Server::start();
    let big = format!("Subject: b\r\n\r\n{}", "0123456789\r\n".repeat(1_000_000));
    server.deliver("bob", &big);
    let mut client = server.plain().logged_in("bob");
    // One that waits for its client, and one that writes to a client that does not read.
    let waiting = server.tls().logged_in("alice");
    client.send(b"DELE 1\r\nRETR 1\r\nRSET\r\nRETR 1\r\n");
    server.shutdown();
    server.shutdown();
    let (maildrops, bob) = (server.maildrops.clone(), server.maildrop("bob"));
    assert_eq!(server.ended(), Ended::Cut);
    assert!(!client.rest().ends_with(b"\r\n.\r\n"));
    drop(waiting);
    assert_eq!(maildrops.summary(bob).unwrap().messages, 1);
}

#[test]
fn many_servers_live_side_by_side() {
    let (one, two) = (Server::start(), Server::start());
    one.deliver("bob", "Subject: x\r\n\r\n");
    assert_eq!((one.messages("bob"), two.messages("bob")), (1, 0));
    one.shutdown();
    assert_eq!(one.ended(), Ended::Drained);
    two.plain().log_in("bob");
}
