//! STLS and what is sent around it: nothing that came in clear counts inside TLS, in either
//! direction, wherever the segments end (RFC 2595 §4; NO STARTTLS, USENIX Security 2021).
//!
//! The listener takes passwords in clear, so that whatever were executed would succeed.

use std::time::{Duration, Instant};

use server::{PlaintextLogin, Protocol};

use crate::harness::{Client, PASSWORD, Server, Setup, Stream};

/// What may have been said in clear before STLS, and leaves the session in AUTHORIZATION.
const BEFORE: [&str; 11] = [
    "",
    "CAPA\r\n",
    "NOOP\r\n",
    "USER bob\r\n",
    "USER alice\r\nUSER bob\r\n",
    "AUTH\r\n",
    "AUTH PLAIN\r\n*\r\n",
    "AUTH PLAIN\r\nAGJvYg==\r\n",
    "USER bob\r\nPASS wrong\r\nUSER bob\r\n",
    // Not UTF8: there is no STLS behind it (RFC 6856 §2.1).
    "LANG *\r\n",
    "STLS now\r\nUSER bob\r\n",
];

/// What somebody on the way may put behind STLS.
fn injections() -> Vec<Vec<u8>> {
    let text = |text: &str| text.replace("PASSWORD", PASSWORD).into_bytes();
    vec![
        text("USER bob\r\nPASS PASSWORD\r\nDELE 1\r\nQUIT\r\n"),
        text("PASS PASSWORD\r\nDELE 1\r\nQUIT\r\n"),
        text("AUTH PLAIN AGJvYgByZWRxdWVlbg==\r\nDELE 1\r\nQUIT\r\n"),
        text("AUTH PLAIN\r\nAGJvYgByZWRxdWVlbg==\r\n"),
        text("USER bob\r\n"),
        text("CAPA\r\n"),
        text("QUIT\r\n"),
        text("STLS\r\n"),
        text("\r\n"),
        text("\n"),
        text("Q"),
        text("*\r\n"),
        text("UTF8\r\nLANG en\r\n"),
        text("XCLIENT ADDR=127.0.0.1\r\n"),
        text("PROXY UNKNOWN\r\n"),
        vec![0],
        b"NOOP\r\n".repeat(5_000),
        // Looks like a handshake, and is none.
        b"\x16\x03\x01\x00\x05HELLO".to_vec(),
        b"\x16\x03\x01USER bob\r\n".to_vec(),
    ]
}

fn start() -> Server {
    let setup = Setup::new().with(|config| {
        config.listeners[0].plaintext_login = PlaintextLogin::Always;
        config.limits.handshake_timeout = Duration::from_secs(2);
    });
    let server = setup.start();
    server.deliver("bob", "Subject: stays\r\n\r\n");
    server
}

fn connect(server: &Server) -> Client {
    let client = server.plain();
    if let Stream::Tcp(stream) = &client.stream {
        // Each piece in a segment of its own.
        stream.set_nodelay(true).unwrap();
    }
    client
}

/// Sends pieces, each in a segment of its own, and returns everything that comes back before the
/// server closes.
fn said(server: &Server, pieces: &[&[u8]]) -> Vec<u8> {
    let mut client = connect(server);
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Closed already: so much the better.
        let _ = client.try_send(piece);
    }
    client.rest()
}

/// Everything behind the reply to STLS, which must be there.
fn after_stls<'a>(said: &'a [u8], what: &str) -> &'a [u8] {
    let ready = b"+OK begin TLS\r\n";
    let place = said.windows(ready.len()).position(|octets| octets == ready);
    let place = place.unwrap_or_else(|| panic!("{what}: {}", said.escape_ascii()));
    &said[place + ready.len()..]
}

/// At most an alert of TLS: no reply, and no octet of one.
fn holds_no_reply(rest: &[u8], what: &str) {
    assert!(
        rest.is_empty() || rest[0] == 0x15,
        "{what}: {}",
        rest.escape_ascii()
    );
    assert!(rest.len() <= 64, "{what}: {} octets", rest.len());
    for reply in [&b"+OK"[..], b"-ERR", b"+ "] {
        let found = rest.windows(reply.len()).any(|octets| octets == reply);
        assert!(!found, "{what}: {}", rest.escape_ascii());
    }
}

#[test]
fn what_is_behind_stls_closes_the_connection_and_is_never_executed() {
    let server = start();
    let mut cases = 0;
    let mut play = |pieces: &[&[u8]], what: &str| {
        let start = Instant::now();
        let said = said(&server, pieces);
        holds_no_reply(after_stls(&said, what), what);
        assert!(start.elapsed() < Duration::from_secs(8), "{what}");
        cases += 1;
    };
    // In one segment with STLS, or in the next, whatever was before.
    for injection in injections() {
        for before in BEFORE.iter().take(5) {
            let what = format!("{before:?}, {:?}", injection.escape_ascii().to_string());
            let stls = [before.as_bytes(), b"STLS\r\n"].concat();
            let at_once = [&stls[..], &injection].concat();
            play(&[&at_once], &what);
            // A single octet may be the beginning of a handshake: that has its own time limit.
            if injection.len() > 5 {
                play(
                    &[&stls, &injection],
                    &format!("{what} in a segment of its own"),
                );
            }
        }
    }
    for before in BEFORE {
        let injected = format!("{before}STLS\r\nUSER bob\r\nPASS {PASSWORD}\r\nDELE 1\r\nQUIT\r\n");
        play(&[injected.as_bytes()], before);
    }
    // However STLS is written.
    for stls in ["stls\r\n", "STLS \r\n", "STLS\n", "sTLs   \n"] {
        let injected = format!("{stls}USER bob\r\nPASS {PASSWORD}\r\nDELE 1\r\nQUIT\r\n");
        play(&[injected.as_bytes()], stls);
    }
    // Split at every octet.
    let injected = format!("USER bob\r\nSTLS\r\nUSER bob\r\nPASS {PASSWORD}\r\nDELE 1\r\n");
    for split in 1..injected.len() {
        let (first, second) = injected.as_bytes().split_at(split);
        play(&[first, second], &format!("split at {split}"));
    }
    assert!(cases >= 60, "{cases} cases");
    assert_eq!(server.messages("bob"), 1);
    server.plain().log_in("bob");
}

#[test]
fn what_was_before_stls_is_answered_before_it_and_forgotten_inside() {
    let server = start();
    for before in BEFORE {
        for at_once in [true, false] {
            let mut client = connect(&server);
            let all = format!("{before}STLS\r\n");
            match at_once {
                true => client.send(all.as_bytes()),
                false => {
                    for line in all.split_inclusive("\r\n") {
                        client.send(line.as_bytes());
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
            }
            // Every reply of before comes in clear, and the one to STLS is the last.
            let mut replies = Vec::new();
            while replies.last().is_none_or(|line| line != "+OK begin TLS") {
                replies.push(client.line());
            }
            assert!(client.input.is_empty(), "{before:?}: {:?}", client.input);
            let mut client = client.start_tls(&server);
            // So the first line inside is the answer to the first command inside.
            client.ask("NOOP", "-ERR log in first");
            client.ask(&format!("PASS {PASSWORD}"), "-ERR USER first");
            client.ask("STLS", "-ERR already inside TLS");
            // No exchange goes on either.
            client.say("AGJvYgByZWRxdWVlbg==");
            client.expect("-ERR unknown command");
            client.say("CAPA");
            client.expect("+OK");
            let capabilities = String::from_utf8(client.text()).unwrap();
            assert!(!capabilities.contains("STLS"), "{capabilities}");
            client.ask("QUIT", "+OK");
        }
    }
}

#[test]
fn stls_within_an_exchange_is_a_response_and_starts_nothing() {
    let server = start();
    for injection in [&b"STLS\r\n"[..], b"STLS\r\nCAPA\r\n", b"stls\r\n"] {
        let mut client = connect(&server);
        client.send(&[b"AUTH PLAIN\r\n", injection].concat());
        client.expect("+ ");
        client.expect("-ERR");
        // In clear as before.
        client.ask("USER bob", "+OK");
    }
}

#[test]
fn where_passwords_need_tls_nothing_around_stls_makes_them_travel() {
    let setup = Setup::new().with(|config| {
        config.listeners[0].plaintext_login = PlaintextLogin::Never;
    });
    let server = setup.start();
    for pieces in [
        vec![format!("USER bob\r\nPASS {PASSWORD}\r\nSTLS\r\n")],
        vec![
            "STLS x\r\nUSER bob\r\n".to_owned(),
            format!("PASS {PASSWORD}\r\nSTLS\r\n"),
        ],
        vec![
            "AUTH PLAIN\r\n".to_owned(),
            "AGJvYgByZWRxdWVlbg==\r\nSTLS\r\n".to_owned(),
        ],
    ] {
        let mut client = connect(&server);
        for piece in &pieces {
            client.send(piece.as_bytes());
        }
        let mut replies = Vec::new();
        while replies.last().is_none_or(|line| line != "+OK begin TLS") {
            replies.push(client.line());
        }
        let (_, refused) = replies.split_last().unwrap();
        assert!(
            refused.iter().all(|line| line.starts_with("-ERR")),
            "{replies:?}"
        );
        client.start_tls(&server).log_in("bob");
    }
}

#[test]
fn a_handshake_that_commands_are_mixed_into_fails() {
    let server = start();
    let certificate = &server.config.tls.as_ref().unwrap().certificate;
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let config = std::sync::Arc::new(crate::harness::tls_client(certificate, &[]));
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    let mut hello = Vec::new();
    tls.write_tls(&mut hello).unwrap();
    let command = format!("USER bob\r\nPASS {PASSWORD}\r\nDELE 1\r\nQUIT\r\n");
    let command = command.as_bytes();
    for split in [0, 1, 5, hello.len() / 2] {
        let (first, second) = hello.split_at(split);
        let mixed = [b"STLS\r\n", first, command, second].concat();
        let all = said(&server, &[&mixed]);
        holds_no_reply(after_stls(&all, "at once"), "at once");
        let mixed = [first, command, second].concat();
        let mut client = connect(&server);
        client.ask("STLS", "+OK");
        let _ = client.try_send(&mixed);
        holds_no_reply(&client.rest(), "later");
    }
    // The handshake itself, in the segment of STLS: a client must wait for the reply, and one that
    // does not cannot be told from one whose octets are somebody else's.
    let eager = [b"STLS\r\n", &hello[..]].concat();
    let all = said(&server, &[&eager]);
    assert_eq!(after_stls(&all, "eager"), b"");
    assert_eq!(server.messages("bob"), 1);
    let mut client = server.connect(Protocol::Pop3s).start_tls(&server);
    client.expect("+OK");
}
