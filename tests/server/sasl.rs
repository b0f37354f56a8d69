//! SASL over real sockets: our client against our server, and channels that are what they say.

use std::io::Read as _;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sasl::client::{ChannelBinding, Exchange, Failed};
use sasl::scram::Hash;
use sasl::{BindingType, Mechanism, Secret, base64};
use server::{PlaintextLogin, Protocol};
use sha2::{Digest as _, Sha256};

use crate::harness::{Client, PASSWORD, Server, Setup, Stream, tls_client, wait_until};

const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

pub(crate) fn scram(
    hash: Hash,
    binding: ChannelBinding<'_>,
    user: &str,
    password: &str,
) -> Exchange {
    Exchange::scram(hash, binding, user, &Secret::new(password), NONCE).unwrap()
}

/// Plays an exchange to its end; the last line of the server, and whether the client believes it.
pub(crate) fn log_in(client: &mut Client, mut exchange: Exchange) -> (String, Result<(), Failed>) {
    let encode = |secret: &Secret| base64::encode(secret.expose());
    match exchange.initial_response() {
        Some(first) if first.expose().is_empty() => {
            client.say(&format!("AUTH {} =", exchange.mechanism()));
        }
        Some(first) => client.say(&format!("AUTH {} {}", exchange.mechanism(), encode(&first))),
        None => client.say(&format!("AUTH {}", exchange.mechanism())),
    }
    loop {
        let line = client.line();
        let Some(challenge) = line.strip_prefix("+ ") else {
            return (line, exchange.finish());
        };
        let challenge = base64::decode(challenge.as_bytes()).unwrap();
        match exchange.step(&challenge) {
            Ok(answer) => client.say(&encode(&answer)),
            Err(failed) => {
                client.say("*");
                return (client.line(), Err(failed));
            }
        }
    }
}

fn mechanisms(client: &mut Client) -> String {
    client.ask("AUTH", "+OK");
    String::from_utf8(client.text())
        .unwrap()
        .replace("\r\n", " ")
}

/// What both ends export from the session (RFC 9266).
fn exporter(client: &Client) -> Vec<u8> {
    let Stream::Tls(stream) = &client.stream else {
        panic!("inside TLS");
    };
    let connection = &stream.conn;
    connection
        .export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None)
        .unwrap()
}

fn end_point(server: &Server) -> Vec<u8> {
    let tls = server.config.tls.as_ref().unwrap();
    let certificate = CertificateDer::from_pem_file(&tls.certificate).unwrap();
    Sha256::digest(&certificate).to_vec()
}

/// A connection that knows TLS 1.2 only.
fn old_tls(server: &Server) -> Client {
    let tls = server.config.tls.as_ref().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&tls.certificate).unwrap())
        .unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = server.connect(Protocol::Pop3s);
    let mut client = client.start_tls_with(config).unwrap();
    client.expect("+OK POP3 server ready");
    client
}

#[test]
fn scram_logs_in_where_passwords_may_not_travel() {
    let server = Setup::new()
        .with(|config| {
            for listener in &mut config.listeners {
                listener.plaintext_login = PlaintextLogin::Never;
            }
        })
        .start();
    let mut client = server.plain();
    assert_eq!(mechanisms(&mut client), "SCRAM-SHA-256 ");
    client.ask("USER bob", "-ERR");
    client.ask("AUTH PLAIN", "-ERR passwords");
    let exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, "BOB", PASSWORD);
    let (line, believed) = log_in(&mut client, exchange);
    assert_eq!(line, "+OK bob's maildrop has 0 messages (0 octets)");
    believed.unwrap();
    client.ask("STAT", "+OK 0 0");
}

#[test]
fn scram_plus_is_bound_to_its_own_channel() {
    let server = Server::start();
    let mut client = server.tls();
    let list = mechanisms(&mut client);
    assert_eq!(list, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN ");
    let name = exporter(&client);
    let bound = ChannelBinding::Bound(BindingType::TlsExporter, &name);

    // On another channel, as somebody in the middle would have it.
    let mut other = server.tls();
    let (line, believed) = log_in(&mut other, scram(Hash::Sha256, bound, "bob", PASSWORD));
    assert!(line.starts_with("-ERR [AUTH]"), "{line}");
    assert_eq!(believed, Err(Failed::ServerUnproved));
    // Nor does it get a second exchange out of its own (RFC 9266 §4.1).
    let own = exporter(&other);
    let own = ChannelBinding::Bound(BindingType::TlsExporter, &own);
    let (line, _) = log_in(&mut other, scram(Hash::Sha256, own, "bob", PASSWORD));
    assert!(line.starts_with("-ERR the channel binding"), "{line}");

    let (line, believed) = log_in(&mut client, scram(Hash::Sha256, bound, "bob", PASSWORD));
    assert!(line.starts_with("+OK bob's"), "{line}");
    believed.unwrap();
}

#[test]
fn scram_plus_is_bound_to_the_certificate() {
    let server = Server::start();
    let name = end_point(&server);
    let bound = ChannelBinding::Bound(BindingType::TlsServerEndPoint, &name);
    for mut client in [server.tls(), old_tls(&server)] {
        let (line, believed) = log_in(&mut client, scram(Hash::Sha256, bound, "bob", PASSWORD));
        assert!(line.starts_with("+OK bob's"), "{line}");
        believed.unwrap();
        client.ask("QUIT", "+OK");
    }
    let bound = ChannelBinding::Bound(BindingType::TlsServerEndPoint, &[0; 32]);
    let (line, _) = log_in(
        &mut server.tls(),
        scram(Hash::Sha256, bound, "bob", PASSWORD),
    );
    assert!(line.starts_with("-ERR [AUTH]"), "{line}");
}

#[test]
fn tls_1_2_exports_nothing_to_bind_to() {
    let server = Server::start();
    let mut client = old_tls(&server);
    let name = exporter(&client);
    let bound = ChannelBinding::Bound(BindingType::TlsExporter, &name);
    let (line, _) = log_in(&mut client, scram(Hash::Sha256, bound, "bob", PASSWORD));
    assert!(line.starts_with("-ERR channel binding"), "{line}");
}

#[test]
fn a_channel_begun_by_stls_has_its_names_too() {
    let server = Server::start();
    let mut client = server.plain();
    client.ask("STLS", "+OK");
    let mut client = client.start_tls(&server);
    let name = exporter(&client);
    let bound = ChannelBinding::Bound(BindingType::TlsExporter, &name);
    let (line, believed) = log_in(&mut client, scram(Hash::Sha256, bound, "bob", PASSWORD));
    assert!(line.starts_with("+OK bob's"), "{line}");
    believed.unwrap();
}

#[test]
fn a_downgrade_is_noticed() {
    let server = Server::start();
    let mut client = server.tls();
    let exchange = scram(Hash::Sha256, ChannelBinding::NotOffered, "bob", PASSWORD);
    let (line, _) = log_in(&mut client, exchange);
    assert!(line.starts_with("-ERR channel binding"), "{line}");
}

#[test]
fn a_wrong_password_and_no_user_are_refused_alike_and_late() {
    let server = Server::start();
    for user in ["bob", "nobody"] {
        let mut client = server.plain();
        let started = Instant::now();
        let exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, user, "wrong");
        let (line, _) = log_in(&mut client, exchange);
        assert!(line.starts_with("-ERR [AUTH] wrong user name"), "{line}");
        assert!(started.elapsed() >= Duration::from_millis(300));
    }
    // The challenge itself looks the same, and is the same the next time.
    let salt = |user: &str| {
        let mut client = server.plain();
        let first = base64::encode(format!("n,,n={user},r=x").as_bytes());
        let challenge = client.ask(&format!("AUTH SCRAM-SHA-256 {first}"), "+ ");
        let challenge = base64::decode(&challenge.as_bytes()[2..]).unwrap();
        let challenge = String::from_utf8(challenge).unwrap();
        challenge.split_once(",s=").unwrap().1.to_owned()
    };
    for user in ["bob", "nobody"] {
        assert_eq!(salt(user), salt(&user.to_uppercase()), "{user}");
        assert!(salt(user).ends_with(",i=4096"));
    }
    assert_ne!(salt("nobody"), salt("nobodi"));
    assert_eq!(salt("bob").len(), salt("nobody").len());
}

#[test]
fn nonces_never_come_twice() {
    let server = Server::start();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..8 {
        let mut client = server.plain();
        let challenge = client.ask("AUTH SCRAM-SHA-256 biwsbj1ib2Iscj14", "+ ");
        assert!(seen.insert(challenge));
    }
    // Nor in one connection. To give up counts as a wrong guess, so it is told late.
    let mut client = server.plain();
    for _ in 0..2 {
        let challenge = client.ask("AUTH SCRAM-SHA-256 biwsbj1ib2Iscj14", "+ ");
        assert!(seen.insert(challenge));
        client.ask("*", "-ERR [AUTH]");
    }
}

/// Who guesses must not see at once that he has guessed right, and hang up where he has not.
#[test]
fn the_servers_proof_is_held_back_like_the_answer_to_a_password() {
    let server = Server::start();
    // 300 ms, and twice as long after a failure of the address.
    let mut client = server.plain();
    client.ask("USER nobody", "+OK");
    client.ask("PASS wrong", "-ERR [AUTH]");
    for (password, answer) in [("wrong", "-ERR [AUTH]"), (PASSWORD, "+ ")] {
        let mut client = server.plain();
        let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, "alice", password);
        let first = base64::encode(exchange.initial_response().unwrap().expose());
        let challenge = client.ask(&format!("AUTH SCRAM-SHA-256 {first}"), "+ ");
        let challenge = base64::decode(&challenge.as_bytes()[2..]).unwrap();
        let proof = base64::encode(exchange.step(&challenge).unwrap().expose());
        let start = Instant::now();
        client.ask(&proof, answer);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(590), "{answer}: {took:?}");
    }
}

/// A client that does not believe the server gives the maildrop back.
#[test]
fn who_does_not_consent_to_the_servers_proof_has_no_maildrop() {
    let server = Server::start();
    server.deliver("bob", "Subject: x\r\n\r\n");
    let mut client = server.plain();
    let mut exchange = scram(Hash::Sha256, ChannelBinding::Unsupported, "bob", PASSWORD);
    let first = base64::encode(exchange.initial_response().unwrap().expose());
    let challenge = client.ask(&format!("AUTH SCRAM-SHA-256 {first}"), "+ ");
    let challenge = base64::decode(&challenge.as_bytes()[2..]).unwrap();
    let proof = base64::encode(exchange.step(&challenge).unwrap().expose());
    client.ask(&proof, "+ ");
    client.ask("*", "-ERR authentication cancelled");
    assert_eq!(client.rest(), b"");
    wait_until("the maildrop is free", || {
        server.maildrops.open(server.maildrop("bob")).is_ok()
    });
    assert_eq!(server.messages("bob"), 1);
}

#[test]
fn old_mechanisms_are_there_if_they_are_asked_for() {
    let server = Server::start();
    for mechanism in [
        "LOGIN",
        "CRAM-MD5",
        "SCRAM-SHA-1",
        "OAUTHBEARER",
        "XOAUTH2",
        "EXTERNAL",
    ] {
        server
            .plain()
            .ask(&format!("AUTH {mechanism}"), "-ERR unknown mechanism");
    }
    let server = Setup::new()
        .with(|config| {
            config
                .mechanisms
                .extend([Mechanism::Login, Mechanism::CramMd5])
        })
        .start();
    let apop = Secret::new("tanstaaf");
    server.auth.accounts().set_apop("bob", &apop).unwrap();
    let password = Secret::new(PASSWORD);
    for (exchange, right) in [
        (Exchange::login("bob", &password), true),
        (Exchange::login("bob", &apop), false),
        (Exchange::plain("bob", &password), true),
        (Exchange::cram_md5("bob", &apop), true),
        (Exchange::cram_md5("bob", &password), false),
        (Exchange::cram_md5("alice", &apop), false),
    ] {
        let mut client = server.plain();
        let (line, believed) = log_in(&mut client, exchange);
        let start = if right { "+OK bob's" } else { "-ERR [AUTH]" };
        assert!(line.starts_with(start), "{line}");
        assert_eq!(believed, Ok(()));
        client.ask("QUIT", "+OK");
    }
}

#[test]
fn alpn_of_a_bound_channel_changes_nothing() {
    let server = Server::start();
    let tls = server.config.tls.as_ref().unwrap();
    let config = tls_client(&tls.certificate, &[b"pop3"]);
    let client = server.connect(Protocol::Pop3s);
    let mut client = client.start_tls_with(config).unwrap();
    client.expect("+OK POP3 server ready");
    let name = exporter(&client);
    let bound = ChannelBinding::Bound(BindingType::TlsExporter, &name);
    let (line, _) = log_in(&mut client, scram(Hash::Sha256, bound, "bob", PASSWORD));
    assert!(line.starts_with("+OK bob's"), "{line}");
}

#[test]
fn what_strangers_make_us_keep_is_bounded_for_all_of_them_together() {
    // 60 KiB of a token each, and no line end: 15 pages of the 16,384 that there are for all.
    const STRANGERS: usize = 1_150;
    const PLACES: usize = 16_384 / 15;
    let beginning = [&b"AUTH PLAIN "[..], &[b'A'; 60 << 10][..]].concat();
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 2_000;
        config.limits.sessions_per_address_max = 0;
    });
    let server = setup.start();
    let mut strangers: Vec<_> = (0..STRANGERS).map(|_| server.plain()).collect();
    for stranger in &mut strangers {
        // Whoever finds no room may be gone before his last octets are.
        let _ = stranger.try_send(&beginning);
        if let Stream::Tcp(stream) = &stranger.stream {
            stream.set_nonblocking(true).unwrap();
        }
    }
    let mut told = 0;
    wait_until("all who found no room are told", || {
        let mut said = [0; 256];
        for stranger in &mut strangers {
            if let Stream::Tcp(stream) = &mut stranger.stream
                && let Ok(octets @ 1..) = stream.read(&mut said)
            {
                assert!(said[..octets].starts_with(b"-ERR [SYS/TEMP] "));
                told += 1;
            }
        }
        told >= STRANGERS - PLACES
    });
    // Some more may be told: who finds no room for his last page gives back what he held.
    assert!(told < STRANGERS - PLACES + 15, "{told}");
    // Short lines need no such room, and it is there again when they are gone.
    server.plain().logged_in("bob").ask("QUIT", "+OK");
    drop(strangers);
    wait_until("there is room again", || {
        let mut client = server.plain();
        client.send(&beginning);
        client.say("");
        client.line() == "-ERR not a message of this mechanism"
    });
}
