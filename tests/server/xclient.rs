//! XCLIENT over sockets: whose limits and whose policy count, when a front end names its client.
//!
//! 127.0.0.1 is a front end, 127.0.0.2 is not.

use std::time::{Duration, Instant};

use server::{Config, FrontEndTls, PlaintextLogin, Protocol};

use crate::harness::{Client, PASSWORD, Server, Setup, wait_until};
use crate::proxy::from;

fn start(change: impl FnOnce(&mut Config)) -> Server {
    let setup = Setup::new().with(|config| {
        for listener in &mut config.listeners {
            listener.front_ends.xclient = vec!["127.0.0.1".parse().unwrap()];
        }
        config.listeners[0].plaintext_login = PlaintextLogin::Always;
        change(config);
    });
    setup.start()
}

/// A connection of the front end.
fn front_end(server: &Server) -> Client {
    let mut client = server.connect(Protocol::Pop3);
    client.expect("+OK [XCLIENT] POP3 server ready");
    client
}

/// The same, when it has named its client.
fn for_client(server: &Server, address: &str) -> Client {
    let mut client = front_end(server);
    client.ask(
        &format!("XCLIENT ADDR={address} PORT=51234 SESSION=abc TTL=4"),
        "+OK",
    );
    client
}

#[test]
fn only_a_front_end_is_told_of_xclient_and_may_say_it() {
    let server = start(|_| {});
    let mut client = from([127, 0, 0, 2], server.address(Protocol::Pop3));
    client.expect("+OK POP3 server ready");
    client.ask("XCLIENT ADDR=192.0.2.7", "-ERR unknown command");
    client.log_in("bob");
    let mut client = from([127, 0, 0, 2], server.address(Protocol::Lmtp));
    client.expect("220");
    client.ask("XCLIENT ADDR=192.0.2.7", "550 5.7.0");
    // Nor is anybody where none is named.
    let server = Server::start();
    server
        .plain()
        .ask("XCLIENT ADDR=192.0.2.7", "-ERR unknown command");
}

#[test]
fn limits_count_the_client_and_not_its_front_end() {
    let server = start(|config| config.limits.sessions_per_address_max = 2);
    // Front ends that have not said for whom they are here count for nobody.
    let _waiting: Vec<_> = (0..5).map(|_| front_end(&server)).collect();
    let mut held = Vec::new();
    for number in 1..=5 {
        let address = format!("192.0.2.{number}");
        held.push(for_client(&server, &address));
        held.push(for_client(&server, &address));
        let mut third = front_end(&server);
        third.send(format!("XCLIENT ADDR={address}\r\nUSER bob\r\nPASS {PASSWORD}\r\n").as_bytes());
        third.expect("-ERR [SYS/TEMP]");
        assert_eq!(third.rest(), b"", "nobody goes on as the front end");
    }
    held.clear();
    wait_until("the places are free", || {
        let mut client = front_end(&server);
        client.say("XCLIENT ADDR=192.0.2.1");
        client.line().starts_with("+OK")
    });
}

#[test]
fn throttle_and_networks_know_the_client_and_not_its_front_end() {
    let server = start(|_| {});
    let refused = |address: &str, user: &str| {
        let mut client = for_client(&server, address);
        client.ask(&format!("USER {user}"), "+OK");
        let start = Instant::now();
        client.ask("PASS wrong", "-ERR [AUTH]");
        start.elapsed()
    };
    refused("192.0.2.7", "nobody1");
    refused("192.0.2.7", "nobody2");
    assert!(refused("192.0.2.7", "nobody3") >= Duration::from_millis(1190));
    assert!(refused("192.0.2.8", "nobody4") < Duration::from_millis(1000));
    let change = auth::Change {
        networks: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        ..auth::Change::default()
    };
    server.auth.accounts().set("bob", &change).unwrap();
    for (address, answer) in [("192.0.2.9", "+OK"), ("127.0.0.1", "-ERR [AUTH]")] {
        let mut client = for_client(&server, address);
        client.ask("USER bob", "+OK");
        client.ask(&format!("PASS {PASSWORD}"), answer);
    }
}

#[test]
fn xclient_loosens_no_policy() {
    let loopback = start(|config| {
        config.listeners[0].plaintext_login = PlaintextLogin::Loopback;
    });
    // The front end itself is on this machine.
    front_end(&loopback).ask("USER bob", "+OK");
    for address in ["127.0.0.1", "::1", "192.0.2.7"] {
        let mut client = for_client(&loopback, address);
        client.ask("USER bob", "-ERR passwords are accepted only inside TLS");
        client.ask("STLS", "-ERR TLS is not available here");
    }
    let mut client = front_end(&loopback);
    client.ask("XCLIENT ADDR=192.0.2.7 CLIENT-TRANSPORT=TLS", "+OK");
    client.ask("USER bob", "-ERR");
    // TLS first, then the client's name.
    let mut client = front_end(&loopback);
    client.ask("STLS", "+OK");
    let mut client = client.start_tls(&loopback);
    client.ask("XCLIENT ADDR=192.0.2.7", "+OK");
    client.log_in("bob");
    drop(client);
    let trusting = start(|config| {
        config.listeners[0].plaintext_login = PlaintextLogin::Never;
        config.listeners[0].front_ends.client_tls = FrontEndTls::Believed;
    });
    let mut client = front_end(&trusting);
    client.ask("XCLIENT ADDR=192.0.2.7 CLIENT-TRANSPORT=TLS", "+OK");
    client.log_in("bob");
    let mut client = front_end(&trusting);
    client.ask("XCLIENT ADDR=192.0.2.7 CLIENT-TRANSPORT=insecure", "+OK");
    client.ask("USER bob", "-ERR");
}

#[test]
fn behind_a_balancer_there_may_be_a_front_end() {
    let server = start(|config| {
        let believed = &mut config.listeners[0].front_ends;
        believed.proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
        believed.xclient = vec!["192.0.2.7".parse().unwrap()];
    });
    for (client, greeting) in [
        ("192.0.2.7", "+OK [XCLIENT] POP3 server ready"),
        ("192.0.2.8", "+OK POP3 server ready"),
        // The balancer's own network is none of a front end.
        ("127.0.0.1", "+OK POP3 server ready"),
    ] {
        let mut session = server.connect(Protocol::Pop3);
        session.send(format!("PROXY TCP4 {client} 192.0.2.1 1 2\r\n").as_bytes());
        session.expect(greeting);
    }
}

#[test]
fn a_delivery_has_the_address_of_the_client() {
    let server = start(|_| {});
    let mut client = server.connect(Protocol::Lmtp);
    client.expect("220");
    client.ask("XCLIENT ADDR=192.0.2.7", "220");
    client.say("LHLO mx.example");
    client.reply("250");
    client.deliver("a@example.com", &["bob"], b"Subject: x\r\n\r\n");
    client.reply("250");
    let mut reader = front_end(&server);
    reader.log_in("bob");
    reader.ask("RETR 1", "+OK");
    let text = String::from_utf8(reader.text()).unwrap();
    assert!(text.contains("from mx.example ([192.0.2.7])"), "{text}");
}
