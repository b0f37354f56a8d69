//! TLS: injection around STLS, ALPN, what a handshake leaves behind, new certificates.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use server::Protocol;

use crate::harness::{PASSWORD, Server, Setup, Stream, certificate, tls_client, wait_until};

#[test]
fn octets_behind_stls_close_the_connection() {
    let server = Server::start();
    let injected = format!("STLS\r\nUSER bob\r\nPASS {PASSWORD}\r\nSTAT\r\n");
    let pipelined = format!("CAPA\r\n{injected}");
    for octets in [injected.as_str(), "STLS\r\n\r\n", "STLS\r\nQ", &pipelined] {
        let mut client = server.plain();
        client.send(octets.as_bytes());
        let said = String::from_utf8(client.rest()).unwrap();
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("+OK"), "{said}");
        assert!(!said.contains("+OK bob"), "{said}");
        assert!(!said.contains("maildrop"), "{said}");
    }
}

#[test]
fn octets_in_a_segment_of_their_own_are_no_commands_either() {
    let server = Server::start();
    for split in 1..6 {
        let mut client = server.plain();
        let octets = format!("STLS\r\nUSER bob\r\nPASS {PASSWORD}\r\n");
        let (first, second) = octets.as_bytes().split_at(split);
        client.send(first);
        std::thread::sleep(Duration::from_millis(20));
        client.send(second);
        let said = client.rest();
        assert!(!said.windows(7).any(|window| window == b"+OK bob"));
    }
    let mut client = server.plain();
    client.ask("STLS", "+OK");
    // Not TLS: the handshake fails, and nothing is executed.
    let _ = client.try_send(format!("USER bob\r\nPASS {PASSWORD}\r\n").as_bytes());
    let said = client.rest();
    assert!(!said.windows(3).any(|window| window == b"+OK"));
}

#[test]
fn nothing_from_before_the_handshake_counts_inside() {
    let server = Server::start();
    let mut client = server.plain();
    client.ask("USER bob", "+OK bob");
    client.ask("STLS", "+OK");
    let mut client = client.start_tls(&server);
    client.ask(&format!("PASS {PASSWORD}"), "-ERR");
    client.ask("STLS", "-ERR");
    client.log_in("bob");
    client.ask("STLS", "-ERR");
}

#[test]
fn alpn_is_pop3_or_nothing() {
    let server = Server::start();
    let certificate = &server.config.tls.as_ref().unwrap().certificate;
    for (offered, accepted) in [
        (&[][..], true),
        (&[&b"pop3"[..]][..], true),
        (&[&b"http/1.1"[..], b"pop3"][..], true),
        (&[&b"http/1.1"[..]][..], false),
        (&[&b"h2"[..], b"imap"][..], false),
    ] {
        for stls in [false, true] {
            let client = match stls {
                true => {
                    let mut client = server.plain();
                    client.ask("STLS", "+OK");
                    client
                }
                false => server.connect(Protocol::Pop3s),
            };
            let answer = client.start_tls_with(tls_client(certificate, offered));
            match answer {
                Ok(mut client) if accepted => {
                    if !stls {
                        client.expect("+OK");
                    }
                    client.ask("QUIT", "+OK");
                }
                Err(alert) if !accepted => {
                    assert!(alert.contains("NoApplicationProtocol"), "{alert}");
                }
                Ok(_) => panic!("{offered:?} accepted"),
                Err(alert) => panic!("{offered:?} refused: {alert}"),
            }
        }
    }
}

#[test]
fn tls_ends_with_close_notify() {
    let server = Server::start();
    let mut client = server.tls();
    client.ask("QUIT", "+OK");
    let Stream::Tls(stream) = &mut client.stream else {
        panic!("a TLS stream");
    };
    // rustls tells a close without notice as an error.
    assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0);
}

#[test]
fn nothing_goes_on_in_clear_when_tls_has_ended() {
    let server = Server::start();
    let mut client = server.tls();
    client.log_in("bob");
    let Stream::Tls(stream) = &mut client.stream else {
        panic!("a TLS stream");
    };
    stream.conn.send_close_notify();
    stream.conn.write_tls(&mut stream.sock).unwrap();
    // RFC 2595 §2.2: what comes behind the end of TLS is answered neither in clear nor at all. The server
    // may be gone before it is sent.
    let _ = stream.sock.write_all(b"STAT\r\nQUIT\r\n");
    let mut said = Vec::new();
    let _ = stream.sock.read_to_end(&mut said);
    assert!(!said.windows(3).any(|window| window == b"+OK"), "{said:?}");
}

#[test]
fn the_greeting_comes_with_the_handshake_and_nothing_else_before_its_end() {
    let server = Server::start();
    let certificate = &server.config.tls.as_ref().unwrap().certificate;
    let connection = server.connect(Protocol::Pop3s);
    let (early, mut client) = connection.said_early(tls_client(certificate, &[]));
    assert!(early.starts_with("+OK "), "{early}");
    assert_eq!(early.lines().count(), 1, "{early}");
    client.ask("FROB", "-ERR");
    // After STLS there is no greeting, and a reply that was due in clear was given in clear.
    let mut client = server.plain();
    client.ask("STLS", "+OK");
    let (early, mut client) = client.said_early(tls_client(certificate, &[]));
    assert_eq!(early, "");
    client.ask("FROB", "-ERR");
}

#[test]
fn whoever_must_go_need_not_end_the_handshake_first() {
    let setup =
        || Setup::new().with(|config| config.limits.handshake_timeout = Duration::from_secs(60));
    let stalled = |server: &Server| {
        let mut stls = server.plain();
        stls.ask("STLS", "+OK");
        [server.connect(Protocol::Pop3s), stls]
    };
    // The time to log in is over.
    let server = setup()
        .with(|config| config.limits.authorization_timeout = Duration::from_millis(400))
        .start();
    for mut client in stalled(&server) {
        assert_eq!(client.rest(), b"");
    }
    // The server ends.
    let server = setup().start();
    let clients = stalled(&server);
    server.shutdown();
    for mut client in clients {
        assert_eq!(client.rest(), b"");
    }
    server.ended();
}

#[test]
fn a_stalled_handshake_is_ended() {
    let setup = Setup::new().with(|config| {
        config.limits.handshake_timeout = Duration::from_millis(200);
    });
    let server = setup.start();
    let mut silent = server.connect(Protocol::Pop3s);
    assert_eq!(silent.rest(), b"");
    let mut stls = server.plain();
    stls.ask("STLS", "+OK");
    stls.send(&[0x16, 3, 1]);
    assert_eq!(stls.rest(), b"");
}

#[test]
fn tls_1_1_is_refused() {
    let server = Server::start();
    // Two suites that it has, one of them with forward secrecy; no extension.
    let mut hello = vec![3, 2];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    let mut record = vec![0x16, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0];
    record.push(hello.len() as u8);
    record.extend_from_slice(&hello);
    let mut client = server.connect(Protocol::Pop3s);
    client.send(&record);
    let said = client.rest();
    // A fatal alert and nothing else.
    assert_eq!(said.len(), 7, "{said:?}");
    assert_eq!((said[0], said[5]), (0x15, 2), "{said:?}");
}

#[test]
fn a_reload_brings_the_new_certificate_to_new_connections() {
    let server = Server::start();
    let old = server.config.tls.clone().unwrap();
    let mut open = server.tls();
    let mut config = server.config.clone();
    config.tls = Some(certificate(server.dir.path(), "second"));
    config.name = "huey".to_owned();
    let new = config.tls.clone().unwrap();
    let serves = |tls: &server::Tls| {
        let client = server.connect(Protocol::Pop3s);
        client
            .start_tls_with(tls_client(&tls.certificate, &[]))
            .is_ok()
    };
    assert!(serves(&old) && !serves(&new));
    server.reload(config.clone());
    wait_until("the new certificate is served", || serves(&new));
    assert!(!serves(&old));
    // The session that was there keeps what it started with.
    open.ask("QUIT", "+OK dewey");

    // A broken one changes nothing, nor does a configuration that cannot be served.
    std::fs::write(&new.key, "no key").unwrap();
    let mut broken = config.clone();
    broken.name = "louie".to_owned();
    server.reload(broken);
    let mut without = config.clone();
    without.tls = None;
    server.reload(without);
    let mut last = config;
    last.tls = Some(old.clone());
    last.name = "donald".to_owned();
    server.reload(last.clone());
    wait_until("the last configuration counts", || serves(&old));
    server.tls().ask("QUIT", "+OK donald");

    // A listener that is gone from the file listens on till the restart, with its certificate.
    last.tls = None;
    last.name = "louie".to_owned();
    last.listeners
        .retain(|listener| listener.protocol != Protocol::Pop3s);
    server.reload(last);
    for _ in 0..10 {
        server.tls().ask("QUIT", "+OK donald");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_session_resumes_by_ticket() {
    let server = Server::start();
    let tls = server.config.tls.clone().unwrap();
    let config = tls_client(&tls.certificate, &[b"pop3"]);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let client = server.connect(Protocol::Pop3s);
        let mut client = client.start_tls_with(config.clone()).unwrap();
        client.expect("+OK");
        client.ask("QUIT", "+OK");
        let Stream::Tls(stream) = &client.stream else {
            panic!("a TLS stream");
        };
        kinds.push(stream.conn.handshake_kind());
    }
    assert_eq!(
        kinds,
        [
            Some(rustls::HandshakeKind::Full),
            Some(rustls::HandshakeKind::Resumed)
        ]
    );
}
