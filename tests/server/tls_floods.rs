//! TLS peers that stall, ask for new keys without end, or send one octet a record (T12).

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use server::{Limits, Protocol};

use crate::harness::{Client, Server, Setup, Stream, tls_client, wait_until};

const HANDSHAKE: Duration = Duration::from_secs(2);

fn session(server: &Server) -> ClientConnection {
    let tls = server.config.tls.as_ref().unwrap();
    let config = Arc::new(tls_client(&tls.certificate, &[]));
    ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap()
}

/// What the session wants to send.
fn flight(session: &mut ClientConnection) -> Vec<u8> {
    let mut octets = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut octets).unwrap();
    }
    octets
}

/// A connection whose handshake stops before its last flight, of which so many octets are sent, and
/// how long that flight is.
fn stalled_at_the_end(server: &Server, octets: usize) -> (Client, usize) {
    let mut client = server.connect(Protocol::Pop3s);
    let mut session = session(server);
    client.send(&flight(&mut session));
    let last = loop {
        let Stream::Tcp(stream) = &mut client.stream else {
            panic!("a connection in clear");
        };
        session.read_tls(stream).unwrap();
        session.process_new_packets().unwrap();
        let octets = flight(&mut session);
        if !octets.is_empty() {
            break octets;
        }
    };
    client.send(&last[..octets.min(last.len())]);
    (client, last.len())
}

/// A TLS connection's halves.
fn halves(client: &mut Client) -> (&mut ClientConnection, &mut std::net::TcpStream) {
    match &mut client.stream {
        Stream::Tls(stream) => (&mut stream.conn, &mut stream.sock),
        _ => panic!("a connection inside TLS"),
    }
}

#[test]
fn a_handshake_that_stalls_at_any_octet_ends_in_time_and_holds_no_place() {
    let hello_octets = {
        let server = Server::start();
        flight(&mut session(&server)).len()
    };
    let last_octets = {
        let server = Server::start();
        stalled_at_the_end(&server, 0).1
    };
    let places = hello_octets + last_octets;
    let setup = Setup::new().with(|config| {
        config.limits = Limits {
            session_count_max: places,
            sessions_per_address_max: places,
            handshake_timeout: HANDSHAKE,
            ..Limits::default()
        };
    });
    let server = setup.start();
    let mut stalled = Vec::new();
    for octets in 0..hello_octets {
        let mut client = server.connect(Protocol::Pop3s);
        let begun = Instant::now();
        let hello = flight(&mut session(&server));
        client.send(&hello[..octets.min(hello.len() - 1)]);
        stalled.push((client, begun));
    }
    for octets in 0..last_octets {
        let begun = Instant::now();
        let (client, length) = stalled_at_the_end(&server, octets);
        assert_eq!(length, last_octets);
        stalled.push((client, begun));
    }
    for (index, (mut client, begun)) in stalled.into_iter().enumerate() {
        client.rest();
        let took = begun.elapsed();
        // Those behind in the line have been over for longer than we have been looking.
        assert!(
            took >= HANDSHAKE - Duration::from_millis(100),
            "{index}: {took:?}"
        );
        assert!(
            took < HANDSHAKE + Duration::from_secs(10),
            "{index}: {took:?}"
        );
    }
    println!("{hello_octets} octets of a ClientHello, {last_octets} of the last flight");
    // Every place is free: as many as there are find one, and nobody had to go for another.
    let mut held = Vec::new();
    wait_until("all places are free", || {
        while held.len() < places {
            let mut client = server.connect(Protocol::Pop3);
            if !client.line().starts_with("+OK") {
                return false;
            }
            held.push(client);
        }
        true
    });
    assert!(held.iter_mut().all(|client| {
        client.say("QUIT");
        client.line().starts_with("+OK")
    }));
}

#[test]
fn a_flood_of_key_updates_ends_the_connection() {
    let server = Server::start();
    let mut client = server.tls().logged_in("bob");
    // New keys now and then are the client's right.
    for _ in 0..100 {
        for _ in 0..8 {
            halves(&mut client).0.refresh_traffic_keys().unwrap();
        }
        client.ask("NOOP", "+OK");
    }
    let mut sent = 0;
    let (session, socket) = halves(&mut client);
    // Without a limit this would send until the test is ended.
    while sent < 100_000 {
        session.refresh_traffic_keys().unwrap();
        if socket.write_all(&flight(session)).is_err() {
            break;
        }
        sent += 1;
        if sent % 100 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(sent < 100_000, "the connection is still there");
    assert_eq!(client.rest(), b"", "nothing but an alert");
    wait_until("the maildrop is free", || {
        server.maildrops.open(server.maildrop("bob")).is_ok()
    });
}

#[test]
fn records_of_one_octet_work() {
    let server = Server::start();
    server.deliver("bob", "Subject: x\r\n\r\ntext\r\n");
    let mut client = server.tls();
    let commands = format!(
        "USER bob\r\nPASS {}\r\nLIST\r\nRETR 1\r\nDELE 1\r\nRSET\r\nQUIT\r\n",
        crate::harness::PASSWORD
    );
    let records = one_by_one(&mut client, commands.as_bytes(), 1);
    halves(&mut client).1.write_all(&records).unwrap();
    let said = String::from_utf8(client.rest()).unwrap();
    assert!(
        said.contains("\r\nSubject: x\r\n\r\ntext\r\n.\r\n"),
        "{said}"
    );
    assert!(said.ends_with("signing off (1 message left)\r\n"), "{said}");
}

/// The octets in records of so many each.
fn one_by_one(client: &mut Client, octets: &[u8], each: usize) -> Vec<u8> {
    let (session, _) = halves(client);
    let mut records = Vec::new();
    for part in octets.chunks(each) {
        session.writer().write_all(part).unwrap();
        records.extend(flight(session));
    }
    records
}

#[test]
fn records_of_one_octet_cost_no_more_than_as_many_octets_of_commands() {
    // In a process of its own: its CPU time is what is compared.
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--test-threads=1", "--nocapture"])
        .arg("tls_floods::cost_of_tiny_records")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by records_of_one_octet_cost_no_more_than_as_many_octets_of_commands, in a process of its own"]
fn cost_of_tiny_records() {
    let server = Server::start();
    let mut client = server.tls().logged_in("bob");
    let noops = b"NOOP\r\n".repeat(100);
    // (octets a record, CPU time of the server, octets on the wire)
    let mut costs = Vec::new();
    for each in [6, 1, 6, 1, 6, 1] {
        let (before, mut wire) = (server_time(), 0);
        while wire < 1 << 20 {
            let records = one_by_one(&mut client, &noops, each);
            wire += records.len();
            halves(&mut client).1.write_all(&records).unwrap();
            for _ in 0..100 {
                client.expect("+OK");
            }
        }
        let spent = server_time().saturating_sub(before);
        costs.push((each, spent, wire));
    }
    println!("{costs:?}");
    let least = |of: usize| {
        let costs = costs.iter().filter(|(each, ..)| *each == of);
        costs.map(|(_, spent, _)| *spent).min().unwrap()
    };
    // Half as much again, for what a busy machine adds.
    assert!(least(1) <= least(6) * 3 / 2, "{costs:?}");
}

/// CPU time of this process without this thread, which is the client's.
fn server_time() -> Duration {
    let of = |who| {
        let usage: Usage = getrusage(who).unwrap();
        let microseconds =
            usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(microseconds.try_into().unwrap())
    };
    of(UsageWho::RUSAGE_SELF).saturating_sub(of(UsageWho::RUSAGE_THREAD))
}
