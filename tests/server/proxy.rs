//! The PROXY protocol: whose a connection is, when a front end says so and when somebody else does.
//!
//! The server listens on 127.0.0.1. Who connects from there is a front end; 127.0.0.2 is not.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use server::{Config, FrontEndTls, PlaintextLogin, Protocol};

use crate::harness::{Client, PASSWORD, Server, Setup, Stream, tls_client, wait_until};

const PROTOCOLS: [Protocol; 3] = [Protocol::Pop3, Protocol::Pop3s, Protocol::Lmtp];

/// A server of which every listener has 127.0.0.1 for a front end. Passwords may travel in clear.
pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Server {
    let setup = Setup::new().with(|config| {
        for listener in &mut config.listeners {
            listener.front_ends.proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
        }
        config.listeners[0].plaintext_login = PlaintextLogin::Always;
        change(config);
    });
    setup.start()
}

/// A connection from an address of this machine.
pub(crate) fn from(source: [u8; 4], to: SocketAddr) -> Client {
    let ours = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let port_of_choice = 0;
    bind(
        &ours,
        &SocketAddrV4::new(Ipv4Addr::from(source), port_of_choice),
    )
    .unwrap();
    connect(&ours, &to).unwrap();
    let stream = TcpStream::from(ours);
    stream.set_nodelay(true).unwrap();
    Client::new(Stream::Tcp(stream))
}

/// A line of version 1 that names the client.
pub(crate) fn line(client: &str) -> Vec<u8> {
    let family = if client.contains(':') { "TCP6" } else { "TCP4" };
    let server = if client.contains(':') {
        "2001:db8::1"
    } else {
        "198.51.100.1"
    };
    format!("PROXY {family} {client} {server} 51234 995\r\n").into_bytes()
}

/// A block of version 2: command, family, addresses and parts.
fn block(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let fixed = [0x20 | command, family, length[0], length[1]];
    [b"\r\n\r\n\0\r\nQUIT\n", &fixed[..], rest].concat()
}

/// A block of version 2 that names an IPv4 client, with parts.
pub(crate) fn block_v4(client: [u8; 4], parts: &[u8]) -> Vec<u8> {
    let addresses = [&client[..], &[198, 51, 100, 1, 0xc8, 0x22, 3, 0xe3]].concat();
    block(1, 0x11, &[&addresses, parts].concat())
}

/// The part that says that the client speaks TLS, or that it does not.
fn tls_part(flags: u8) -> Vec<u8> {
    let version = b"\x21\0\x07TLSv1.3";
    let mut part = vec![0x20, 0, 5 + version.len() as u8, flags, 0, 0, 0, 1];
    part.extend_from_slice(version);
    part
}

/// A connection of the front end that has begun with these octets.
pub(crate) fn begun(server: &Server, protocol: Protocol, octets: &[u8]) -> Client {
    let mut client = server.connect(protocol);
    client.send(octets);
    client
}

/// The address in the Received field of what a connection with these octets delivers.
fn received_from(server: &Server, pieces: &[&[u8]]) -> String {
    let mut client = from([127, 0, 0, 1], server.address(Protocol::Lmtp));
    for piece in pieces {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(1));
    }
    client.expect("220");
    client.say("LHLO relay.example");
    client.reply("250");
    client.deliver("a@example.com", &["bob"], b"Subject: x\r\n\r\n");
    client.reply("250");
    let number = server.messages("bob");
    let mut reader = begun(server, Protocol::Pop3, b"PROXY UNKNOWN\r\n");
    reader.expect("+OK");
    reader.log_in("bob");
    reader.ask(&format!("RETR {number}"), "+OK");
    let text = String::from_utf8(reader.text()).unwrap();
    reader.ask("QUIT", "+OK");
    wait_until("the maildrop is free", || {
        server.maildrops.open(server.maildrop("bob")).is_ok()
    });
    let (_, rest) = text.split_once("from relay.example (").unwrap();
    rest.split_once(')').unwrap().0.to_owned()
}

#[test]
fn a_header_names_the_client_in_both_versions_and_in_any_pieces() {
    let server = start(|_| {});
    let v4 = "[192.0.2.7]";
    let v6 = "[IPv6:2001:db8::7]";
    let own = "[127.0.0.1]";
    let addresses = [
        &[0x20, 1, 0xd, 0xb8][..],
        &[0; 11],
        &[7],
        &[0; 16],
        &[0xc8, 0x22, 3, 0xe3],
    ];
    let block_v6 = block(1, 0x21, &addresses.concat());
    for (header, address) in [
        (line("192.0.2.7"), v4),
        (line("2001:db8::7"), v6),
        (line("::ffff:192.0.2.7"), v4),
        (block_v4([192, 0, 2, 7], &[]), v4),
        (block_v4([192, 0, 2, 7], &tls_part(1)), v4),
        (block_v6, v6),
        // The front end for itself, or for somebody without an address.
        (b"PROXY UNKNOWN\r\n".to_vec(), own),
        (block(0, 0, &[]), own),
        (block(0, 0x11, &[192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0]), own),
        (block(1, 0, &[]), own),
        (block(1, 0x31, &[0; 216]), own),
    ] {
        assert_eq!(received_from(&server, &[&header]), address);
        let octets: Vec<_> = header.chunks(1).collect();
        assert_eq!(received_from(&server, &octets), address, "octet by octet");
    }
}

#[test]
fn nothing_is_said_before_the_header_is_whole_and_nothing_behind_it_is_lost() {
    let server = start(|_| {});
    for header in [line("192.0.2.7"), block_v4([192, 0, 2, 7], &tls_part(1))] {
        let mut client = server.connect(Protocol::Pop3);
        let (last, first) = header.split_last().unwrap();
        client.send(first);
        let Stream::Tcp(stream) = &client.stream else {
            panic!("a connection in clear");
        };
        let moment = Some(Duration::from_millis(100));
        stream.set_read_timeout(moment).unwrap();
        assert!(stream.peek(&mut [0]).is_err(), "a word before the header");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // The rest and a whole session in one segment.
        let session = format!("USER bob\r\nPASS {PASSWORD}\r\nSTAT\r\nQUIT\r\n");
        client.send(&[&[*last], session.as_bytes()].concat());
        let said = String::from_utf8(client.rest()).unwrap();
        assert!(said.starts_with("+OK POP3 server ready"), "{said}");
        assert!(said.ends_with("signing off (maildrop empty)\r\n"), "{said}");
    }
}

#[test]
fn what_is_no_header_is_cut_without_a_word() {
    let server = start(|_| {});
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let wrong: Vec<&[u8]> = vec![
        b"CAPA\r\n",
        b"USER bob\r\nPASS redqueen\r\n",
        b"\r\n",
        b"\r\nPROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\rCAPA\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
        b"PROXY TCP4 192.0.2.007 192.0.2.1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
        b"proxy tcp4 192.0.2.7 192.0.2.1 1 2\r\n",
        long.as_bytes(),
        b"\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x51\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b\0\0\0\0\0\0\0\0\0\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
        b"\x16\x03\x01\x02\0\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0",
    ];
    for protocol in PROTOCOLS {
        for octets in &wrong {
            let start = Instant::now();
            // A lone CRLF may still become a header; what follows it does not.
            let octets = match *octets {
                b"\r\n" => b"\r\nCAPA\r\n",
                octets => octets,
            };
            let mut client = begun(&server, protocol, octets);
            assert_eq!(client.rest(), b"", "{protocol}: {octets:?}");
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{protocol}: {octets:?}"
            );
        }
    }
    // A checksum that is wrong.
    let sound = block_v4([192, 0, 2, 7], b"\x03\0\x04abcd");
    assert_eq!(begun(&server, Protocol::Pop3, &sound).rest(), b"");
}

#[test]
fn a_header_that_does_not_come_is_not_waited_for() {
    let limit = Duration::from_millis(400);
    let server = start(|config| config.limits.handshake_timeout = limit);
    for protocol in PROTOCOLS {
        for begin in [
            &b""[..],
            b"PROXY TCP4 192",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0",
        ] {
            let start = Instant::now();
            let mut client = begun(&server, protocol, begin);
            assert_eq!(client.rest(), b"", "{protocol}: {begin:?}");
            let waited = start.elapsed();
            assert!(waited >= limit - Duration::from_millis(50), "{waited:?}");
            assert!(waited < limit * 5, "{waited:?}");
        }
    }
    // An octet now and then makes it no longer.
    let start = Instant::now();
    let mut client = server.connect(Protocol::Pop3);
    for octet in b"PROXY UNKNOWN ".iter().chain(&[b'x'; 80]) {
        if client.try_send(&[*octet]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(40));
    }
    assert!(start.elapsed() < limit * 5);
    assert_eq!(client.rest(), b"");
    // Gone before it said anything: nobody's fault, and nothing stays behind.
    drop(server.connect(Protocol::Pop3));
    begun(&server, Protocol::Pop3, b"PROXY UNKNOWN\r\n").expect("+OK");
}

#[test]
fn from_elsewhere_a_header_is_nonsense() {
    let server = start(|_| {});
    // It is served at once, as who it is.
    let mut client = from([127, 0, 0, 2], server.address(Protocol::Pop3));
    client.expect("+OK POP3 server ready");
    for header in [line("192.0.2.7"), b"PROXY UNKNOWN\r\n".to_vec()] {
        client.send(&header);
        client.expect("-ERR unknown command");
    }
    client.log_in("bob");
    let mut client = from([127, 0, 0, 2], server.address(Protocol::Pop3));
    client.expect("+OK POP3 server ready");
    client.send(&block_v4([192, 0, 2, 7], &[]));
    let said = String::from_utf8(client.rest()).unwrap();
    assert!(
        said.starts_with("-ERR") && said.ends_with("closing\r\n"),
        "{said}"
    );
    let mut client = from([127, 0, 0, 2], server.address(Protocol::Lmtp));
    client.expect("220");
    client.send(&line("192.0.2.7"));
    client.expect("500 5.5.1");
    // Inside TLS nothing but a handshake is one.
    let client = from([127, 0, 0, 2], server.address(Protocol::Pop3s));
    client.start_tls(&server).expect("+OK");
    let mut client = from([127, 0, 0, 2], server.address(Protocol::Pop3s));
    client.send(&line("192.0.2.7"));
    assert!(!client.rest().starts_with(b"+OK"));
}

#[test]
fn limits_count_the_client_and_not_its_front_end() {
    let server = start(|config| config.limits.sessions_per_address_max = 2);
    let open = |client: &str| begun(&server, Protocol::Pop3, &line(client));
    let mut held = Vec::new();
    for number in 1..=10 {
        let address = format!("192.0.2.{number}");
        for _ in 0..2 {
            let mut client = open(&address);
            client.expect("+OK");
            held.push(client);
        }
        let mut third = open(&address);
        third.expect("-ERR [SYS/TEMP]");
        assert_eq!(third.rest(), b"");
    }
    // The same address in version 2, and inside TLS, where nobody hears why.
    begun(&server, Protocol::Pop3, &block_v4([192, 0, 2, 1], &[])).expect("-ERR [SYS/TEMP]");
    assert_eq!(
        begun(&server, Protocol::Pop3s, &line("192.0.2.1")).rest(),
        b""
    );
    // A connection that waits for its header counts for nobody.
    let waiting: Vec<_> = (0..5).map(|_| server.connect(Protocol::Pop3)).collect();
    // The front end for itself is one address like any other.
    let own = || begun(&server, Protocol::Pop3, &block(0, 0, &[]));
    let (mut first, mut second) = (own(), own());
    first.expect("+OK");
    second.expect("+OK");
    own().expect("-ERR [SYS/TEMP]");
    drop(waiting);
    held.clear();
    wait_until("the places are free", || {
        open("192.0.2.1").line().starts_with("+OK")
    });
}

#[test]
fn nobody_makes_room_for_a_client_that_may_not_come() {
    let server = start(|config| {
        config.limits.session_count_max = 2;
        config.limits.sessions_per_address_max = 1;
    });
    let open = |client: &str| begun(&server, Protocol::Pop3, &line(client));
    let (mut first, mut second) = (open("192.0.2.1"), open("192.0.2.2"));
    first.expect("+OK");
    second.expect("+OK");
    for _ in 0..5 {
        let mut third = open("192.0.2.2");
        third.expect("-ERR [SYS/TEMP]");
        third.rest();
    }
    first.ask("USER bob", "+OK");
    // The last of those who waited outside may be leaving still.
    wait_until("there is room", || {
        open("192.0.2.3").line().starts_with("+OK")
    });
    assert_eq!(first.rest(), b"");
    second.log_in("bob");
}

#[test]
fn the_throttle_knows_the_client_and_not_its_front_end() {
    let server = start(|_| {});
    let refused = |client: &str, user: &str| {
        let mut client = begun(&server, Protocol::Pop3, &line(client));
        client.expect("+OK");
        client.ask(&format!("USER {user}"), "+OK");
        let start = Instant::now();
        client.ask("PASS wrong", "-ERR [AUTH]");
        start.elapsed()
    };
    // 300 ms, doubled with every failure of the address.
    refused("192.0.2.7", "nobody1");
    assert!(refused("192.0.2.7", "nobody2") >= Duration::from_millis(590));
    assert!(refused("192.0.2.7", "nobody3") >= Duration::from_millis(1190));
    assert!(refused("192.0.2.8", "nobody4") < Duration::from_millis(1000));
}

#[test]
fn an_account_that_is_for_some_networks_is_so_behind_a_front_end_too() {
    let server = start(|_| {});
    let change = auth::Change {
        networks: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        ..auth::Change::default()
    };
    server.auth.accounts().set("bob", &change).unwrap();
    for (client, answer) in [("192.0.2.7", "+OK"), ("203.0.113.7", "-ERR [AUTH]")] {
        let mut session = begun(&server, Protocol::Pop3, &line(client));
        session.expect("+OK");
        session.ask("USER bob", "+OK");
        session.ask(&format!("PASS {PASSWORD}"), answer);
    }
}

#[test]
fn a_header_loosens_no_policy() {
    let loopback = start(|config| {
        config.listeners[0].plaintext_login = PlaintextLogin::Loopback;
    });
    for header in [
        line("127.0.0.1"),
        line("::1"),
        line("192.0.2.7"),
        block_v4([127, 0, 0, 1], &[]),
    ] {
        let mut client = begun(&loopback, Protocol::Pop3, &header);
        let greeting = client.expect("+OK");
        assert!(!greeting.contains('<'), "APOP is not offered: {greeting}");
        client.ask("USER bob", "-ERR passwords are accepted only inside TLS");
        // Its own TLS, through the front end, is what it always was.
        client.ask("STLS", "+OK");
        client.start_tls(&loopback).log_in("bob");
        wait_until("the maildrop is free", || {
            loopback.maildrops.open(loopback.maildrop("bob")).is_ok()
        });
    }
    // A balancer on this machine that names nobody: who speaks there may be anywhere.
    for header in [b"PROXY UNKNOWN\r\n".to_vec(), block(0, 0, &[])] {
        let mut client = begun(&loopback, Protocol::Pop3, &header);
        client.expect("+OK");
        client.ask("USER bob", "-ERR passwords are accepted only inside TLS");
    }
    // Without a balancer it is what it was.
    let mut client = from([127, 0, 0, 2], loopback.address(Protocol::Pop3));
    client.expect("+OK");
    client.log_in("bob");

    // TLS at the front end counts where the listener says so, and only there.
    let header = block_v4([192, 0, 2, 7], &tls_part(1));
    let never = |config: &mut Config| config.listeners[0].plaintext_login = PlaintextLogin::Never;
    let strict = start(never);
    let mut client = begun(&strict, Protocol::Pop3, &header);
    client.expect("+OK");
    client.ask("USER bob", "-ERR");
    client.ask("STLS", "+OK");
    let trusting = start(|config| {
        never(config);
        config.listeners[0].front_ends.client_tls = FrontEndTls::Believed;
    });
    let mut client = begun(&trusting, Protocol::Pop3, &header);
    client.expect("+OK");
    client.ask("CAPA", "+OK");
    let capabilities = String::from_utf8(client.text()).unwrap();
    assert!(
        capabilities.contains("USER\r\n") && !capabilities.contains("STLS"),
        "{capabilities}"
    );
    client.ask("STLS", "-ERR");
    client.log_in("bob");
    // A client in clear at the same front end is one in clear.
    for header in [block_v4([192, 0, 2, 7], &tls_part(0)), line("192.0.2.7")] {
        let mut client = begun(&trusting, Protocol::Pop3, &header);
        client.expect("+OK");
        client.ask("USER bob", "-ERR");
        client.ask("STLS", "+OK");
    }
    // Nor does it help who connects himself.
    let mut client = from([127, 0, 0, 2], trusting.address(Protocol::Pop3));
    client.expect("+OK");
    client.ask("USER bob", "-ERR");
}

#[test]
fn tls_begins_behind_the_header() {
    let server = start(|_| {});
    let certificate = server.config.tls.clone().unwrap().certificate;
    for header in [
        line("192.0.2.7"),
        block_v4([192, 0, 2, 7], &[]),
        block(0, 0, &[]),
    ] {
        let client = begun(&server, Protocol::Pop3s, &header);
        let mut client = client
            .start_tls_with(tls_client(&certificate, &[b"pop3"]))
            .unwrap();
        client.expect("+OK");
        client.log_in("alice");
        client.ask("QUIT", "+OK");
        wait_until("the maildrop is free", || {
            server.maildrops.open(server.maildrop("alice")).is_ok()
        });
    }
    // The header and the beginning of the handshake in one segment.
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let config = std::sync::Arc::new(tls_client(&certificate, &[]));
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    let mut segment = line("192.0.2.7");
    tls.write_tls(&mut segment).unwrap();
    let mut socket = TcpStream::connect(server.address(Protocol::Pop3s)).unwrap();
    std::io::Write::write_all(&mut socket, &segment).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).unwrap();
    }
    let stream = rustls::StreamOwned::new(tls, socket);
    Client::new(Stream::Tls(Box::new(stream))).expect("+OK POP3 server ready");
}

#[test]
fn tls_for_a_web_server_is_not_led_here_by_a_front_end() {
    let server = start(|_| {});
    let with = |alpn: &[u8]| {
        let part = [&[1, 0, alpn.len() as u8], alpn].concat();
        block_v4([192, 0, 2, 7], &part)
    };
    for protocol in [Protocol::Pop3, Protocol::Pop3s] {
        assert_eq!(begun(&server, protocol, &with(b"http/1.1")).rest(), b"");
        assert_eq!(begun(&server, protocol, &with(b"h2")).rest(), b"");
    }
    begun(&server, Protocol::Pop3, &with(b"pop3")).expect("+OK");
    begun(&server, Protocol::Lmtp, &with(b"smtp")).expect("220");
}

#[test]
fn a_draining_server_does_not_wait_for_headers() {
    let server = start(|config| config.limits.handshake_timeout = Duration::from_secs(60));
    let mut waiting = begun(&server, Protocol::Pop3, b"PROXY ");
    let start = Instant::now();
    std::thread::sleep(Duration::from_millis(100));
    server.shutdown();
    assert_eq!(waiting.rest(), b"");
    server.ended();
    assert!(start.elapsed() < Duration::from_secs(10));
}
