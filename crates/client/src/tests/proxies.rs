//! Connections that a SOCKS5 proxy makes (RFC 1928).

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use sasl::Secret;

use super::{PATIENCE, account, block_on};
use crate::{Account, ClientError, Patience, Proxy, Transport, connect};

/// What is said in turn, from the client's first octets on, in octets.
type Turns = Vec<(Vec<u8>, Vec<u8>)>;

/// A proxy that expects and answers these.
fn proxy(turns: Turns) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("localhost:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        for (expected, answer) in turns {
            let mut came = vec![0; expected.len()];
            socket.read_exact(&mut came).unwrap();
            assert_eq!(came, expected);
            socket.write_all(&answer).unwrap();
        }
        let _ = socket.read_to_end(&mut Vec::new());
    });
    (port, thread)
}

fn through(turns: Turns, login: Option<(&str, &str)>, host: &str) -> Result<(), ClientError> {
    through_with(turns, login, host, PATIENCE)
}

fn through_with(
    turns: Turns,
    login: Option<(&str, &str)>,
    host: &str,
    patience: Patience,
) -> Result<(), ClientError> {
    let (port, thread) = proxy(turns);
    let account = Account {
        host: host.to_owned(),
        proxy: Some(Proxy {
            host: "localhost".to_owned(),
            port,
            login: login.map(|(user, password)| (user.to_owned(), Secret::new(password))),
        }),
        ..account(110, Transport::InClear)
    };
    let outcome = block_on(connect(&account, patience)).map(drop);
    thread.join().unwrap();
    outcome
}

fn turn(expected: impl AsRef<[u8]>, answer: impl AsRef<[u8]>) -> (Vec<u8>, Vec<u8>) {
    (expected.as_ref().to_vec(), answer.as_ref().to_vec())
}

/// A whole login behind the proxy.
fn session() -> Turns {
    vec![
        turn("CAPA\r\n", "-ERR\r\n"),
        turn("USER mrose\r\n", "+OK\r\n"),
        turn("PASS redqueen\r\n", "+OK\r\n"),
    ]
}

#[test]
fn the_proxy_resolves_the_name_and_what_it_says_is_not_taken_for_the_server() {
    let request = [&[5, 1, 0, 3, 15][..], b"pop.example.org", &[0, 110]].concat();
    for bound in [
        &[5, 0, 0, 1, 127, 0, 0, 1, 4, 56][..],
        &[5, 0, 0, 3, 3, b'a', b'.', b'b', 0, 1],
        &[&[5, 0, 0, 4][..], &[0; 18]].concat(),
    ] {
        let greeting = [bound, b"+OK ready\r\n"].concat();
        let mut turns = vec![turn([5, 1, 0], [5, 0]), turn(&request, greeting)];
        turns.extend(session());
        through(turns, None, "pop.example.org").unwrap();
    }
}

#[test]
fn addresses_go_as_addresses() {
    let v4 = [5, 1, 0, 1, 192, 0, 2, 1, 0, 110].to_vec();
    let v6 = [&[5, 1, 0, 4][..], &[0; 15], &[1, 0, 110]].concat();
    for (host, request) in [("192.0.2.1", v4), ("::1", v6)] {
        let granted = [&[5, 0, 0, 1][..], &[0; 6], b"+OK\r\n"].concat();
        let mut turns = vec![turn([5, 1, 0], [5, 0]), turn(request, granted)];
        turns.extend(session());
        through(turns, None, host).unwrap();
    }
}

#[test]
fn the_proxy_is_logged_into_if_it_wants_that() {
    let request = [5, 1, 0, 1, 192, 0, 2, 1, 0, 110];
    let granted = [&[5, 0, 0, 1][..], &[0; 6], b"+OK\r\n"].concat();
    let mut turns = vec![
        turn([5, 2, 0, 2], [5, 2]),
        turn(b"\x01\x03bob\x04pass", [1, 0]),
        turn(request, granted),
    ];
    turns.extend(session());
    through(turns, Some(("bob", "pass")), "192.0.2.1").unwrap();

    let turns = vec![
        turn([5, 2, 0, 2], [5, 2]),
        turn(b"\x01\x03bob\x04pass", [1, 1]),
    ];
    let error = through(turns, Some(("bob", "pass")), "192.0.2.1").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it refuses user name and password"),
        "{error}"
    );
}

#[test]
fn what_goes_wrong_is_told() {
    let request = [5, 1, 0, 1, 192, 0, 2, 1, 0, 110];
    for (code, why) in [
        (1, "it failed"),
        (2, "its rules do not allow this connection"),
        (4, "it cannot reach the server, or does not know its name"),
        (5, "the server refuses its connection"),
        (8, "it does not know this kind of address"),
        (77, "it failed with code 77"),
    ] {
        let answer = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let turns = vec![turn([5, 1, 0], [5, 0]), turn(request, answer)];
        let error = through(turns, None, "192.0.2.1").unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
        let told = error.to_string();
        assert!(
            told.contains("the proxy localhost:") && told.ends_with(why),
            "{told}"
        );
    }
    for (answer, why) in [
        (&b"\x05\xff"[..], "it wants a login"),
        (b"\x05\x02", "it wants a login that was not offered"),
        (b"HTTP/1.1 400", "it is no SOCKS5 proxy"),
        (b"+OK ready\r\n", "it is no SOCKS5 proxy"),
    ] {
        let error = through(vec![turn([5, 1, 0], answer)], None, "192.0.2.1").unwrap_err();
        assert!(error.to_string().ends_with(why), "{error}");
    }
    let long = "a".repeat(256);
    let error = through_nobody(&long);
    assert!(error.to_string().contains("255 octets"), "{error}");
}

/// A connection for which the proxy is not even asked.
fn through_nobody(host: &str) -> ClientError {
    let account = Account {
        host: host.to_owned(),
        proxy: Some(Proxy {
            host: "localhost".to_owned(),
            port: 1,
            login: None,
        }),
        ..account(110, Transport::InClear)
    };
    block_on(connect(&account, PATIENCE)).unwrap_err()
}

#[test]
fn a_proxy_is_not_waited_for_for_ever() {
    let patience = Patience {
        connect: Duration::from_millis(200),
        ..PATIENCE
    };
    let error = through_with(vec![], None, "192.0.2.1", patience).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    let error = through_nobody("192.0.2.1").to_string();
    assert!(error.contains("the proxy localhost:1: "), "{error}");
}
