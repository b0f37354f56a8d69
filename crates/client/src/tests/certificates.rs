//! Certificates: whose are believed, what is shown of them, and ours.

use super::server::Server;
use super::{PATIENCE, account, block_on, login};
use crate::{
    ClientError, Kind, OwnCertificate, Patience, Pin, Transport, Trust, Trusted, certificate_of,
    connect,
};
use std::time::{Duration, SystemTime};

fn pins(pins: &[Pin]) -> Transport {
    let trust = Trust {
        pins: pins.to_vec(),
        ..Trust::default()
    };
    Transport::Tls(Trusted::new(&trust).unwrap())
}

/// Pins that are nobody's.
fn strangers() -> [Pin; 2] {
    [
        "00".repeat(32).parse().unwrap(),
        format!("spki:{}", "00".repeat(32)).parse().unwrap(),
    ]
}

#[test]
fn any_of_the_pins_will_do_and_nothing_else() {
    let [one, two] = strangers();
    for of_key in [false, true] {
        let server = Server::start(format!("TLS\n{}", login("USER")));
        let pin = match of_key {
            true => Pin::of_key(server.certificate()).unwrap(),
            false => server.pin(),
        };
        let account = account(server.port, pins(&[one, two, pin]));
        block_on(connect(&account, PATIENCE)).unwrap();
        server.done();
    }
    let server = Server::start("TLS\nS: +OK\n");
    let account = account(server.port, pins(&[one, two]));
    let error = block_on(connect(&account, PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(
        error.to_string().contains(&server.pin().to_string()),
        "{error}"
    );
}

#[test]
fn authorities_of_ones_own_are_added_to_others() {
    let server = Server::start(format!("TLS\n{}", login("USER")));
    let stranger = Server::start("");
    let trust = Trust {
        authorities: Some(stranger.authority()),
        more_authorities: Some(server.authority()),
        ..Trust::default()
    };
    let trusted = Trusted::new(&trust).unwrap();
    let account = account(server.port, Transport::Tls(trusted));
    block_on(connect(&account, PATIENCE)).unwrap();
    server.done();
}

#[test]
fn a_server_that_asks_who_we_are_gets_our_certificate_however_it_is_believed() {
    for pinned in [false, true] {
        let server = Server::asking(format!("TLS\n{}", login("USER")));
        let own = OwnCertificate {
            certificate: server.authority(),
            key: server.key(),
        };
        let trust = Trust {
            authorities: Some(server.authority()),
            pins: pinned.then(|| server.pin()).into_iter().collect(),
            own: Some(own),
            ..Trust::default()
        };
        let trusted = Trusted::new(&trust).unwrap();
        let account = account(server.port, Transport::Tls(trusted));
        block_on(connect(&account, PATIENCE)).unwrap();
        server.done();
    }
    let server = Server::asking("TLS\nS: +OK\n");
    let trusted = Trusted::authorities(&server.authority()).unwrap();
    let account = account(server.port, Transport::Tls(trusted));
    let error = block_on(connect(&account, PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "{error}");
    // Under TLS 1.3 it is only told in the place of the first words.
    assert!(
        error.to_string().to_lowercase().contains("certificate"),
        "{error}"
    );
}

#[test]
fn a_certificate_is_shown_without_a_login() {
    for stls in [false, true] {
        for believed in [false, true] {
            let server = Server::start(match stls {
                true => "S: +OK\nC: STLS\nS: +OK\nTLS\nWAIT\n",
                false => "TLS\nWAIT\n",
            });
            let trusted = match believed {
                true => Trusted::authorities(&server.authority()).unwrap(),
                false => Trusted::pinned(strangers()[0]).unwrap(),
            };
            let transport = match stls {
                true => Transport::Stls(trusted),
                false => Transport::Tls(trusted),
            };
            let account = account(server.port, transport);
            let found = block_on(certificate_of(&account, PATIENCE)).unwrap();
            assert_eq!(found.pin, server.pin());
            assert!(found.key_pin.is_of(server.certificate()));
            assert_eq!(found.names, ["localhost"]);
            assert_eq!(found.subject, "CN=rcgen self signed cert");
            assert_eq!(found.issuer, found.subject);
            let now = SystemTime::now();
            assert!(found.not_before < now && now < found.not_after);
            match believed {
                true => assert_eq!(found.distrust, None),
                false => assert!(found.distrust.unwrap().contains("pinned")),
            }
        }
    }
}

#[test]
fn a_certificate_that_does_not_come_is_told() {
    let server = Server::start("S: +OK\nC: STLS\nRAW +OK\\n+OK injected\\n\nWAIT\n");
    let trusted = Trusted::authorities(&server.authority()).unwrap();
    let stls = account(server.port, Transport::Stls(trusted.clone()));
    let error = block_on(certificate_of(&stls, PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);

    let server = Server::start("WAIT\n");
    let patience = Patience {
        login: Duration::from_millis(200),
        ..PATIENCE
    };
    let silent = account(server.port, Transport::Tls(trusted));
    let error = block_on(certificate_of(&silent, patience)).unwrap_err();
    assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");

    let clear = account(1, Transport::InClear);
    let error = block_on(certificate_of(&clear, PATIENCE)).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
}
