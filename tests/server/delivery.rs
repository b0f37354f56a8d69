//! LMTP over sockets, and that POP3 hands out what came in.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use auth::{Accounts, Change, State};
use server::{Address, Listener, Protocol};

use crate::harness::{Client, Server, Setup, Stream, wait_until};

#[test]
fn each_recipient_has_a_reply_and_a_copy() {
    let server = Server::start();
    let mut client = server.lmtp();
    client.ask("MAIL FROM:<sender@example.com>", "250");
    client.ask("RCPT TO:<bob@dobbs.org>", "250");
    client.ask("RCPT TO:<nobody@dobbs.org>", "550 5.1.1");
    client.ask("RCPT TO:<alice>", "250");
    client.ask("RCPT TO:<alice@elsewhere.example>", "550 5.1.1");
    client.ask("DATA", "354");
    client.send(b"Subject: both\r\n\r\n..a dot\r\n.\r\n");
    client.reply("250");
    client.reply("250");
    // The session goes on.
    client.deliver("", &["bob"], b"");
    client.reply("250");
    client.ask("QUIT", "221");
    assert_eq!(client.rest(), b"");
    for (user, count) in [("bob", 2), ("alice", 1)] {
        assert_eq!(server.messages(user), count);
        let mut reader = server.plain().logged_in(user);
        reader.ask("RETR 1", "+OK");
        let text = String::from_utf8(reader.text()).unwrap();
        assert!(
            text.starts_with("Return-Path: <sender@example.com>\r\n"),
            "{text}"
        );
        assert!(text.contains("Received: from test.example"), "{text}");
        assert!(
            text.ends_with("\r\nSubject: both\r\n\r\n.a dot\r\n"),
            "{text}"
        );
    }
}

#[test]
fn who_was_found_once_is_known_until_the_accounts_or_the_rules_change() {
    let server = Server::start();
    // As another process does.
    let elsewhere = Accounts::open(&server.dir.path().join("data")).unwrap();
    let set = |state| {
        let change = Change {
            state: Some(state),
            ..Change::default()
        };
        elsewhere.set("bob", &change).unwrap();
    };
    let mut client = server.lmtp();
    client.ask("MAIL FROM:<a@example.com>", "250");
    for _ in 0..3 {
        client.ask("RCPT TO:<bob@dobbs.org>", "250");
        client.ask("RCPT TO:<alice@dobbs.org>", "250");
    }
    set(State::Disabled);
    client.ask("RCPT TO:<bob@dobbs.org>", "550 5.2.1");
    client.ask("RCPT TO:<bob@dobbs.org>", "550 5.2.1");
    set(State::Enabled);
    client.ask("RCPT TO:<bob@dobbs.org>", "250");
    elsewhere.rename("bob", "robert").unwrap();
    client.ask("RCPT TO:<bob@dobbs.org>", "550 5.1.1");
    client.ask("RCPT TO:<robert@dobbs.org>", "250");

    let mut config = server.config.clone();
    config.domains.clear();
    server.reload(config);
    wait_until("the domain is not ours", || {
        let mut client = server.lmtp();
        client.ask("MAIL FROM:<a@example.com>", "250");
        client.say("RCPT TO:<alice@dobbs.org>");
        client.line().starts_with("550 5.1.1")
    });
}

#[test]
fn a_pipelined_transaction_gets_its_replies_in_order() {
    let server = Server::start();
    let mut client = server.lmtp();
    client.send(
        b"MAIL FROM:<a@example.com>\r\nRCPT TO:<bob>\r\nRCPT TO:<no>\r\nRCPT TO:<alice>\r\nDATA\r\n",
    );
    for code in ["250", "250", "550", "250", "354"] {
        client.reply(code);
    }
    client.send(b"Subject: x\r\n\r\ny\r\n.\r\nNOOP\r\nQUIT\r\n");
    for code in ["250", "250", "250", "221"] {
        client.reply(code);
    }
    assert_eq!(client.rest(), b"");
    assert_eq!((server.messages("bob"), server.messages("alice")), (1, 1));
}

#[test]
fn a_message_beyond_the_limit_is_refused_and_the_session_goes_on() {
    let setup = Setup::new().with(|config| config.limits.message_octets_max = 400_000);
    let server = setup.start();
    let mut client = server.lmtp();
    client.ask("MAIL FROM:<a@example.com> SIZE=400001", "552");
    let line = [&[b'x'; 70][..], b"\r\n"].concat();
    let big = line.repeat(10_000);
    client.ask("MAIL FROM:<a@example.com>", "250");
    client.ask("RCPT TO:<bob>", "250");
    client.ask("DATA", "354");
    client.send(&big);
    client.send(b".\r\n");
    client.reply("552");
    assert_eq!(server.messages("bob"), 0);
    client.deliver("a@example.com", &["bob"], &line.repeat(5_000));
    client.reply("250");
    assert_eq!(server.messages("bob"), 1);
}

#[test]
fn a_lost_connection_within_a_text_delivers_nothing() {
    let server = Setup::new().native().start();
    let mut client = server.lmtp();
    client.ask("MAIL FROM:<a@example.com>", "250");
    client.ask("RCPT TO:<bob>", "250");
    client.ask("DATA", "354");
    client.send(&b"half a message\r\n".repeat(40_000));
    drop(client);
    server.deliver("bob", "Subject: whole\r\n\r\n");
    assert_eq!(server.messages("bob"), 1);
}

#[test]
fn a_message_that_comes_while_a_session_is_open_waits_for_the_next() {
    let server = Setup::new().native().start();
    server.deliver("bob", "Subject: one\r\n\r\n");
    let mut reader = server.plain().logged_in("bob");
    server.deliver("bob", "Subject: two\r\n\r\n");
    reader.ask("STAT", "+OK 1 ");
    reader.ask("DELE 1", "+OK");
    reader.ask("QUIT", "+OK dewey POP3 server signing off (maildrop empty)");
    let mut reader = server.plain().logged_in("bob");
    reader.ask("RETR 1", "+OK");
    assert!(reader.text().ends_with(b"Subject: two\r\n\r\n"));
}

#[test]
fn a_unix_socket_takes_deliveries() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lmtp");
    let setup = Setup::new().with(|config| {
        let mut listener = Listener::new(Protocol::Lmtp, Address::Unix(path.clone()));
        listener.mode = 0o600;
        config.listeners.push(listener);
    });
    let server = setup.start();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = Client::new(Stream::Unix(UnixStream::connect(&path).unwrap()));
    client.expect("220");
    client.say("LHLO postfix.example");
    client.reply("250");
    client.deliver("a@example.com", &["bob"], b"Subject: by file\r\n\r\n");
    client.reply("250");
    assert_eq!(server.messages("bob"), 1);
    drop(server);
    assert!(!path.exists(), "the socket goes with its server");
}
