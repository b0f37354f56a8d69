//! SASL exchanges with strangers: whatever comes, on either side, nothing stumbles, nothing grows
//! without limit, every name is prepared, an imaginary verifier is never proved, and no server is
//! believed that has not shown that it knows the password.
//!
//! The input: an octet that chooses the mechanism, one for the ground, then messages that 0xff ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sasl::client::{self, ChannelBinding};
use sasl::nonce::Nonces;
use sasl::scram::{Hash, Verifier};
use sasl::server::{Ending, Exchange, Ground, Step};
use sasl::{BindingType, Bindings, Login, Mechanism, Secret, base64, prepare};

fn ground(choice: u8) -> Ground {
    let choose = |bit: u8| choice & bit != 0;
    Ground {
        nonce: Nonces::new([choice; 32]).next(),
        timestamp: "<1.2@mailgate.dobbs.org>".into(),
        bindings: Bindings {
            tls_exporter: choose(1).then(|| vec![1; 32]),
            tls_server_end_point: choose(2).then(|| vec![2; 32]),
        },
        certificate: choose(4).then(|| "bob".into()),
        ..Ground::default()
    }
}

/// A stranger talks to the server.
fn serve(mechanism: Mechanism, choice: u8, messages: &[&[u8]]) {
    let mut messages = messages.iter();
    let first = match choice & 8 {
        0 => None,
        _ => messages.next().copied(),
    };
    let mut step = Exchange::start(mechanism, first, &ground(choice));
    loop {
        step = match step {
            Step::Challenge(challenge, exchange) => {
                let said = first.map_or(0, <[u8]>::len) + messages.as_slice().concat().len();
                assert!(challenge.len() <= said + 1024);
                assert!(challenge.iter().all(|octet| (0x20..0x7f).contains(octet)));
                match messages.next() {
                    Some(message) => exchange.step(message),
                    None => return,
                }
            }
            Step::Lookup(lookup) => {
                assert!(!lookup.user().is_empty());
                let found = Verifier::imaginary(lookup.hash(), b"secret", lookup.user(), 4096);
                lookup.found(found)
            }
            Step::Verify(login, ending) => {
                assert!(!matches!(login, Login::Proved { .. }), "by chance?");
                let token = matches!(login, Login::Token { .. });
                assert!(token || !login.user().is_empty());
                let names = [Some(login.user()), login.authzid()].into_iter().flatten();
                for name in names.filter(|name| !name.is_empty()) {
                    assert_eq!(prepare::query(name).unwrap().as_str(), name);
                }
                assert_eq!(token, matches!(ending, Ending::IfRefused(_)));
                return;
            }
            Step::Refused(_) => return,
        };
    }
}

/// A stranger answers the client.
fn ask(mechanism: Mechanism, choice: u8, messages: &[&[u8]]) {
    let secret = Secret::new("red queen");
    let octets = [1; 32];
    let scram =
        |hash, binding| client::Exchange::scram(hash, binding, "bob", &secret, "nonce").ok();
    let bound = ChannelBinding::Bound(BindingType::TlsExporter, &octets);
    let exchange = match mechanism {
        Mechanism::ScramSha256Plus => scram(Hash::Sha256, bound),
        Mechanism::ScramSha256 => scram(Hash::Sha256, ChannelBinding::Unsupported),
        Mechanism::ScramSha1Plus => scram(Hash::Sha1, bound),
        Mechanism::ScramSha1 => scram(Hash::Sha1, ChannelBinding::NotOffered),
        Mechanism::External => Some(client::Exchange::external()),
        Mechanism::OauthBearer => Some(client::Exchange::oauth_bearer(None, None, &secret)),
        Mechanism::XOauth2 => Some(client::Exchange::xoauth2("bob", &secret)),
        Mechanism::Plain => Some(client::Exchange::plain("bob", &secret)),
        Mechanism::Login => Some(client::Exchange::login("bob", &secret)),
        Mechanism::CramMd5 => Some(client::Exchange::cram_md5("bob", &secret)),
    };
    let Some(mut exchange) = exchange else { return };
    assert_eq!(exchange.mechanism(), mechanism);
    if choice & 16 != 0 {
        exchange.initial_response();
    }
    for message in messages {
        // As many iterations as a stranger may ask for take seconds.
        let many = message
            .split(|&octet| octet == b',')
            .any(|attribute| attribute.starts_with(b"i=") && attribute.len() > 6);
        if many || exchange.step(message).is_err() {
            break;
        }
    }
    let finished = exchange.finish();
    assert!(
        mechanism.scram().is_none() || finished.is_err(),
        "the stranger knows no password"
    );
}

fuzz_target!(|data: &[u8]| {
    let [which, choice, rest @ ..] = data else {
        return;
    };
    let mechanism = Mechanism::ALL[usize::from(*which) % Mechanism::ALL.len()];
    let messages: Vec<&[u8]> = rest.split(|&octet| octet == 0xff).take(6).collect();
    serve(mechanism, *choice, &messages);
    ask(mechanism, *choice, &messages);
    if let Ok(octets) = base64::decode(rest) {
        assert_eq!(base64::encode(&octets).as_bytes(), rest);
    }
});
