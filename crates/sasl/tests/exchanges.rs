//! The examples of the RFCs, message by message, and both sides against each other.

#![allow(clippy::unwrap_used, reason = "what fails here is a test")]

use proptest::prelude::*;
use sasl::client::{self, ChannelBinding, Failed};
use sasl::scram::{Hash, Verifier};
use sasl::server::{Ending, Exchange, Ground, Refused, Step};
use sasl::{BindingType, Bindings, Login, Mechanism, Secret, base64, cram_md5, prepare};

fn verifier(hash: Hash, password: &str) -> Verifier {
    Verifier::derive(hash, &Secret::new(password), b"0123456789abcdef", 4096).unwrap()
}

/// A connection inside TLS, with everything that a mechanism can stand on.
fn ground() -> Ground {
    Ground {
        nonce: "3rfcNHYJY1ZVvWVs7j".into(),
        timestamp: "<1.2@host>".into(),
        bindings: Bindings {
            tls_exporter: Some(vec![5; 32]),
            tls_server_end_point: Some(vec![6; 32]),
        },
        certificate: Some("bob".into()),
        ..Ground::default()
    }
}

/// An exchange as an RFC prints it: what each side says, and nothing else.
struct Printed {
    hash: Hash,
    salt: &'static str,
    client_nonce: &'static str,
    server_nonce: &'static str,
    messages: [&'static str; 4],
}

fn plays(printed: &Printed) {
    let [client_first, server_first, client_final, server_final] = printed.messages;
    let password = Secret::new("pencil");
    let salt = base64::decode(printed.salt.as_bytes()).unwrap();
    let verifier = Verifier::derive(printed.hash, &password, &salt, 4096).unwrap();
    let unsupported = ChannelBinding::Unsupported;
    let mut client = client::Exchange::scram(
        printed.hash,
        unsupported,
        "user",
        &password,
        printed.client_nonce,
    )
    .unwrap();
    let ground = Ground {
        nonce: printed.server_nonce.into(),
        ..Ground::default()
    };
    let first = client.initial_response().unwrap();
    assert_eq!(first.expose(), client_first.as_bytes());
    let Step::Lookup(lookup) = Exchange::start(client.mechanism(), Some(first.expose()), &ground)
    else {
        panic!("the first message is read");
    };
    assert_eq!((lookup.user(), lookup.hash()), ("user", printed.hash));
    let Step::Challenge(challenge, server) = lookup.found(verifier.clone()) else {
        panic!("the second is made");
    };
    assert_eq!(challenge, server_first.as_bytes());
    let proof = client.step(&challenge).unwrap();
    assert_eq!(proof.expose(), client_final.as_bytes());
    let Step::Verify(
        Login::Proved {
            user,
            authzid,
            verifier: proved,
        },
        Ending::IfRight(signature),
    ) = server.step(proof.expose())
    else {
        panic!("the proof is right");
    };
    assert_eq!(signature, server_final.as_bytes());
    assert_eq!(client.step(&signature).unwrap().expose(), b"");
    assert_eq!((user.as_str(), authzid, *proved), ("user", None, verifier));
    client.finish().unwrap();
}

#[test]
fn the_exchange_of_rfc_5802() {
    plays(&Printed {
        hash: Hash::Sha1,
        salt: "QSXCR+Q6sek8bf92",
        client_nonce: "fyko+d2lbbFgONRv9qkxdawL",
        server_nonce: "3rfcNHYJY1ZVvWVs7j",
        messages: [
            "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        ],
    });
}

#[test]
fn the_exchange_of_rfc_7677() {
    plays(&Printed {
        hash: Hash::Sha256,
        salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
        client_nonce: "rOprNGfwEbeRWgbNEkqO",
        server_nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        messages: [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
    });
}

/// What came of an exchange between the two sides.
#[derive(Debug)]
enum Outcome {
    /// The server would verify this, the client is satisfied or not.
    Login(Login, Result<(), Failed>),
    Refused(Refused),
    /// The client gave up.
    Failed(Failed),
}

/// Plays both sides. `spoil` may change each message on its way to the server.
fn play(
    mut client: client::Exchange,
    initial: bool,
    ground: &Ground,
    found: &Verifier,
    mut spoil: impl FnMut(usize, &mut Vec<u8>),
) -> Outcome {
    let mut count = 0;
    let mut on_its_way = |message: Secret| {
        let mut octets = message.expose().to_vec();
        spoil(count, &mut octets);
        count += 1;
        octets
    };
    let first = match initial {
        true => client.initial_response().map(&mut on_its_way),
        false => None,
    };
    let mut step = Exchange::start(client.mechanism(), first.as_deref(), ground);
    for _ in 0..6 {
        step = match step {
            Step::Challenge(challenge, server) => match client.step(&challenge) {
                Ok(answer) => server.step(&on_its_way(answer)),
                Err(failed) => return Outcome::Failed(failed),
            },
            Step::Lookup(lookup) => lookup.found(found.clone()),
            Step::Verify(login, Ending::IfRight(signature)) => match client.step(&signature) {
                Ok(_) => return Outcome::Login(login, client.finish()),
                Err(failed) => return Outcome::Failed(failed),
            },
            Step::Verify(login, _) => return Outcome::Login(login, client.finish()),
            Step::Refused(why) => return Outcome::Refused(why),
        };
    }
    panic!("an exchange has few steps")
}

fn untouched(_: usize, _: &mut Vec<u8>) {}

fn scram(hash: Hash, binding: ChannelBinding<'_>, user: &str, password: &str) -> client::Exchange {
    let password = Secret::new(password);
    client::Exchange::scram(hash, binding, user, &password, "fyko+d2lbbFgONRv9qkxdawL").unwrap()
}

const EXPORTER: ChannelBinding<'static> = ChannelBinding::Bound(BindingType::TlsExporter, &[5; 32]);
const END_POINT: ChannelBinding<'static> =
    ChannelBinding::Bound(BindingType::TlsServerEndPoint, &[6; 32]);

#[test]
fn every_mechanism_logs_in_with_and_without_an_initial_response() {
    let secret = Secret::new("red queen");
    let found = |hash| verifier(hash, "red queen");
    let exchanges: [(fn() -> client::Exchange, Hash); 10] = [
        (
            || scram(Hash::Sha256, EXPORTER, "bob", "red queen"),
            Hash::Sha256,
        ),
        (
            || scram(Hash::Sha256, END_POINT, "bob", "red queen"),
            Hash::Sha256,
        ),
        (
            || scram(Hash::Sha1, EXPORTER, "bob", "red queen"),
            Hash::Sha1,
        ),
        (
            || {
                scram(
                    Hash::Sha256,
                    ChannelBinding::Unsupported,
                    "bob",
                    "red queen",
                )
            },
            Hash::Sha256,
        ),
        (
            || scram(Hash::Sha1, ChannelBinding::Unsupported, "bob", "red queen"),
            Hash::Sha1,
        ),
        (client::Exchange::external, Hash::Sha256),
        (
            || client::Exchange::plain("bob", &Secret::new("red queen")),
            Hash::Sha256,
        ),
        (
            || client::Exchange::login("bob", &Secret::new("red queen")),
            Hash::Sha256,
        ),
        (
            || client::Exchange::xoauth2("bob", &Secret::new("t0ken")),
            Hash::Sha256,
        ),
        (
            || client::Exchange::oauth_bearer(Some("bob"), Some(("h", 995)), &Secret::new("t0ken")),
            Hash::Sha256,
        ),
    ];
    for (exchange, hash) in exchanges {
        for initial in [true, false] {
            let mechanism = exchange().mechanism();
            let outcome = play(exchange(), initial, &ground(), &found(hash), untouched);
            let Outcome::Login(login, Ok(())) = outcome else {
                panic!("{mechanism}: {outcome:?}");
            };
            assert_eq!(
                (login.user(), login.authzid()),
                ("bob", None),
                "{mechanism}"
            );
            match login {
                Login::Password { secret: sent, .. } => assert_eq!(sent, secret),
                Login::Proved { verifier, .. } => assert_eq!(*verifier, found(hash)),
                Login::Token { token, .. } => assert_eq!(token, Secret::new("t0ken")),
                Login::External { .. } => assert_eq!(mechanism, Mechanism::External),
                other => panic!("{mechanism}: {other:?}"),
            }
        }
    }
    let cram = client::Exchange::cram_md5("bob", &secret);
    let outcome = play(cram, true, &ground(), &found(Hash::Sha256), untouched);
    let Outcome::Login(
        Login::CramMd5 {
            challenge, digest, ..
        },
        Ok(()),
    ) = outcome
    else {
        panic!("{outcome:?}");
    };
    assert!(cram_md5::proves(&digest, &challenge, &secret));
}

#[test]
fn a_wrong_password_is_disproved_and_known_by_its_user() {
    for hash in [Hash::Sha1, Hash::Sha256] {
        for binding in [EXPORTER, END_POINT, ChannelBinding::Unsupported] {
            let client = scram(hash, binding, "bob", "wrong");
            let outcome = play(client, true, &ground(), &verifier(hash, "right"), untouched);
            let Outcome::Login(Login::Disproved { user }, Err(Failed::ServerUnproved)) = outcome
            else {
                panic!("{outcome:?}");
            };
            assert_eq!(user, "bob");
        }
    }
}

#[test]
fn nobody_knows_the_password_of_an_imaginary_verifier() {
    let imaginary = Verifier::imaginary(Hash::Sha256, b"secret", "bob", 4096);
    for password in ["bob", "secret", "x"] {
        let client = scram(Hash::Sha256, EXPORTER, "bob", password);
        let outcome = play(client, true, &ground(), &imaginary, untouched);
        assert!(matches!(
            outcome,
            Outcome::Login(Login::Disproved { .. }, Err(_))
        ));
    }
}

#[test]
fn another_channel_is_noticed() {
    let found = verifier(Hash::Sha256, "right");
    // Somebody between the two has a channel to each; both have a name, but not the same.
    for binding in [
        ChannelBinding::Bound(BindingType::TlsExporter, &[9; 32]),
        ChannelBinding::Bound(BindingType::TlsServerEndPoint, &[5; 32]),
        ChannelBinding::Bound(BindingType::TlsExporter, &[]),
    ] {
        let client = scram(Hash::Sha256, binding, "bob", "right");
        let outcome = play(client, true, &ground(), &found, untouched);
        assert!(matches!(
            outcome,
            Outcome::Login(Login::Disproved { .. }, Err(_))
        ));
    }
    // No exporter in TLS 1.2.
    let mut old = ground();
    old.bindings.tls_exporter = None;
    let client = scram(Hash::Sha256, EXPORTER, "bob", "right");
    let outcome = play(client, true, &old, &found, untouched);
    assert!(matches!(outcome, Outcome::Refused(Refused::Binding)));
}

#[test]
fn a_list_without_plus_is_noticed_if_there_was_one() {
    let found = verifier(Hash::Sha256, "right");
    let client = || scram(Hash::Sha256, ChannelBinding::NotOffered, "bob", "right");
    let outcome = play(client(), true, &ground(), &found, untouched);
    assert!(matches!(outcome, Outcome::Refused(Refused::Binding)));
    let nothing = Ground {
        bindings: Bindings::default(),
        ..ground()
    };
    let outcome = play(client(), true, &nothing, &found, untouched);
    assert!(matches!(
        outcome,
        Outcome::Login(Login::Proved { .. }, Ok(()))
    ));
}

#[test]
fn a_plus_binds_and_nothing_else_does() {
    for (mechanism, first) in [
        (Mechanism::ScramSha256Plus, "n,,n=bob,r=x"),
        (Mechanism::ScramSha256Plus, "y,,n=bob,r=x"),
        (Mechanism::ScramSha256Plus, "p=tls-unique,,n=bob,r=x"),
        (Mechanism::ScramSha256Plus, "p=TLS-EXPORTER,,n=bob,r=x"),
        (Mechanism::ScramSha256, "p=tls-exporter,,n=bob,r=x"),
    ] {
        let step = Exchange::start(mechanism, Some(first.as_bytes()), &ground());
        assert!(
            matches!(step, Step::Refused(Refused::Binding)),
            "{mechanism} {first}"
        );
    }
}

#[test]
fn an_identity_is_carried_and_not_judged() {
    let step = Exchange::start(
        Mechanism::ScramSha256,
        Some(b"n,a=ur=2Csel,n=b=3Db,r=x"),
        &ground(),
    );
    let Step::Lookup(lookup) = step else { panic!() };
    assert_eq!(lookup.user(), "b=b");
    let step = Exchange::start(Mechanism::External, Some(b"ursel"), &ground());
    assert!(matches!(step, Step::Verify(login, _) if login.authzid() == Some("ursel")));
}

/// Wherever a message may say for whom, and whatever the mechanism (RFC 5034 §4).
#[test]
fn an_identity_is_prepared() {
    let messages = |name: &str| {
        [
            (Mechanism::Plain, format!("{name}\0bob\0red queen")),
            (Mechanism::External, name.to_owned()),
            (Mechanism::ScramSha256, format!("n,a={name},n=bob,r=x")),
            (
                Mechanism::ScramSha256Plus,
                format!("p=tls-exporter,a={name},n=bob,r=x"),
            ),
            (
                Mechanism::OauthBearer,
                format!("n,a={name},\x01auth=Bearer t\x01\x01"),
            ),
            (
                Mechanism::XOauth2,
                format!("user={name}\x01auth=Bearer t\x01\x01"),
            ),
        ]
    };
    let start =
        |mechanism, message: &str| Exchange::start(mechanism, Some(message.as_bytes()), &ground());
    for (mechanism, message) in messages("\u{ff42}o\u{ad}b") {
        let step = match start(mechanism, &message) {
            // For whom is told when it is proved.
            Step::Lookup(_) => continue,
            step => step,
        };
        let Step::Verify(login, _) = step else {
            panic!("{mechanism}: {step:?}")
        };
        let told = match &login {
            Login::Token { user, .. } => user.as_deref(),
            login => login.authzid(),
        };
        assert_eq!(told, Some("bob"), "{mechanism}");
    }
    let long = "b".repeat(1025);
    for (name, why) in [
        ("\u{ad}", Refused::Name),
        ("\u{7}", Refused::Name),
        ("\u{627}1", Refused::Name),
        ("bob\u{202e}", Refused::Name),
        ("\u{e000}", Refused::Name),
        ("\u{fdd0}", Refused::Name),
        (&long, Refused::Malformed),
    ] {
        for (mechanism, message) in messages(name) {
            let step = start(mechanism, &message);
            assert!(
                matches!(step, Step::Refused(told) if told == why),
                "{mechanism} {name:?}: {step:?}"
            );
        }
    }
}

/// `=` on the line of AUTH (RFC 5034 §4): only EXTERNAL has a message that is empty.
#[test]
fn an_empty_initial_response_is_a_message_of_external_only() {
    for mechanism in Mechanism::ALL {
        match Exchange::start(mechanism, Some(b""), &ground()) {
            Step::Verify(login, _) => {
                assert_eq!((mechanism, login.user()), (Mechanism::External, "bob"));
            }
            Step::Refused(Refused::ServerFirst) => assert_eq!(mechanism, Mechanism::CramMd5),
            Step::Refused(Refused::Malformed) => assert_ne!(mechanism, Mechanism::CramMd5),
            step => panic!("{mechanism}: {step:?}"),
        }
    }
}

#[test]
fn names_are_prepared() {
    for (name, expected) in [
        ("I\u{ad}X", "IX"),
        ("\u{aa}", "a"),
        ("\u{1f600}", "\u{1f600}"),
    ] {
        let first = format!("n,,n={name},r=x");
        let step = Exchange::start(Mechanism::ScramSha256, Some(first.as_bytes()), &ground());
        let Step::Lookup(lookup) = step else { panic!() };
        assert_eq!(lookup.user(), expected);
    }
    for name in ["\u{7}", "\u{ad}", "\u{627}\u{31}"] {
        let first = format!("n,,n={name},r=x");
        let step = Exchange::start(Mechanism::ScramSha256, Some(first.as_bytes()), &ground());
        assert!(matches!(step, Step::Refused(Refused::Name)));
    }
    // So are identities to act for; what the client repeats of them is as it was sent.
    for (name, expected) in [("I\u{ad}X", Some("IX")), ("\u{7}", None)] {
        let step = Exchange::start(Mechanism::External, Some(name.as_bytes()), &ground());
        match expected {
            Some(_) => assert!(matches!(step, Step::Verify(it, _) if it.authzid() == expected)),
            None => assert!(matches!(step, Step::Refused(Refused::Name))),
        }
        let first = format!("n,a={name},n=bob,r=x");
        let step = Exchange::start(Mechanism::ScramSha256, Some(first.as_bytes()), &ground());
        assert_eq!(matches!(step, Step::Lookup(_)), expected.is_some());
    }
}

/// What a server may try with a client.
#[test]
fn a_server_that_is_none_is_noticed() {
    let fresh = || {
        let mut client = scram(Hash::Sha256, ChannelBinding::Unsupported, "bob", "right");
        client.initial_response().unwrap();
        client
    };
    let nonce = "fyko+d2lbbFgONRv9qkxdawL";
    for (challenge, failed) in [
        (format!("r={nonce},s=QQ==,i=4096"), Failed::Nonce),
        ("r=fyko,s=QQ==,i=4096".into(), Failed::Nonce),
        (format!("r=x{nonce}y,s=QQ==,i=4096"), Failed::Nonce),
        (
            format!("r={nonce}x,s=QQ==,i=4095"),
            Failed::Iterations(4095),
        ),
        (format!("r={nonce}x,s=QQ==,i=1"), Failed::Iterations(1)),
        (
            format!("r={nonce}x,s=QQ==,i=10000001"),
            Failed::Iterations(10_000_001),
        ),
        (format!("r={nonce}x,s=QQ==,i=4294967296"), Failed::Malformed),
        (format!("m=x,r={nonce}x,s=QQ==,i=4096"), Failed::Malformed),
        (String::new(), Failed::Malformed),
        ("e=unknown-user".into(), Failed::Refused),
    ] {
        assert_eq!(
            fresh().step(challenge.as_bytes()),
            Err(failed),
            "{challenge}"
        );
    }
    for last in [
        &b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="[..],
        b"v=",
        b"v=QQ==",
        b"e=invalid-proof",
        b"",
        b"\xff",
    ] {
        let mut client = fresh();
        let challenge = format!("r={nonce}x,s=QQ==,i=4096");
        client.step(challenge.as_bytes()).unwrap();
        assert!(client.step(last).is_err());
        // And if it says +OK all the same:
        assert_eq!(client.finish(), Err(Failed::ServerUnproved));
    }
    assert_eq!(fresh().finish(), Err(Failed::ServerUnproved));
    let mut early = scram(Hash::Sha256, ChannelBinding::Unsupported, "bob", "right");
    assert_eq!(early.step(b"r=x"), Err(Failed::Malformed));
}

#[test]
fn a_refused_token_is_explained_and_acknowledged() {
    let token = Secret::new("t");
    for (mut client, acknowledgement) in [
        (
            client::Exchange::oauth_bearer(None, None, &token),
            &b"\x01"[..],
        ),
        (client::Exchange::xoauth2("bob", &token), b""),
    ] {
        let first = client.initial_response().unwrap();
        let step = Exchange::start(client.mechanism(), Some(first.expose()), &ground());
        let Step::Verify(_, Ending::IfRefused(why)) = step else {
            panic!()
        };
        assert_eq!(client.step(&why).unwrap().expose(), acknowledgement);
        assert_eq!(client.explanation(), Some(&why[..]));
        assert_eq!(client.step(&why), Err(Failed::Malformed));
        assert_eq!(client.finish(), Err(Failed::TokenRefused));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// One octet of one message is not what the client sent: nobody logs in as bob with it.
    #[test]
    fn a_flipped_bit_never_proves(message in 0usize..3, place in any::<prop::sample::Index>(), bit in 0u8..8) {
        let found = verifier(Hash::Sha256, "right");
        let client = scram(Hash::Sha256, EXPORTER, "bob", "right");
        let mut flipped = false;
        let outcome = play(client, true, &ground(), &found, |count, octets| {
            if count == message && !octets.is_empty() {
                let place = place.index(octets.len());
                octets[place] ^= 1 << bit;
                flipped = true;
            }
        });
        match outcome {
            Outcome::Login(Login::Proved { .. }, _) => prop_assert!(!flipped),
            Outcome::Login(Login::Disproved { .. }, satisfied) => prop_assert!(satisfied.is_err()),
            _ => prop_assert!(flipped),
        }
    }

    /// Whatever names and passwords hold, the two sides agree.
    #[test]
    fn both_sides_agree(user in "\\PC{1,20}", password in "\\PC{1,20}", other in "\\PC{1,20}") {
        let secret = Secret::new(password.as_str());
        let outcome = play(
            client::Exchange::plain(&user, &secret), true, &ground(),
            &Verifier::imaginary(Hash::Sha1, b"", "", 0), untouched);
        match (prepare::query(&user), outcome) {
            (Ok(name), Outcome::Login(Login::Password { user, secret: shown, .. }, Ok(()))) => {
                prop_assert!(user == *name && shown == secret);
            }
            (prepared, outcome) => {
                prop_assert!(prepared.is_err() && matches!(outcome, Outcome::Refused(Refused::Name)));
            }
        }

        let derive = |text: &str| Verifier::derive(Hash::Sha1, &Secret::new(text), b"salt", 4096);
        let Ok(found) = derive(&password) else { return Ok(()) };
        let unsupported = ChannelBinding::Unsupported;
        for typed in [&password, &other] {
            let client = client::Exchange::scram(Hash::Sha1, unsupported, &user, &Secret::new(typed.as_str()), "n");
            let Ok(client) = client else { return Ok(()) };
            let outcome = play(client, true, &ground(), &found, untouched);
            match derive(typed) {
                Err(_) => prop_assert!(matches!(outcome, Outcome::Failed(Failed::Unpreparable))),
                Ok(same) if same == found => {
                    let proved = matches!(outcome, Outcome::Login(Login::Proved { .. }, Ok(())));
                    prop_assert!(proved);
                }
                Ok(_) => {
                    let disproved = matches!(outcome, Outcome::Login(Login::Disproved { .. }, Err(_)));
                    prop_assert!(disproved);
                }
            }
        }
    }

    /// Nothing that a stranger sends makes a server stumble, or makes it believe.
    #[test]
    fn no_message_proves_by_chance(which in 0usize..10, messages in prop::collection::vec("(n,a=|n,,n=|user=|\\x00|\\x01auth=Bearer |\\x01\\x01|[a-z0-9=,+/\\x00\\x01 \u{ad}\u{ff42}\u{627}\u{202e}]){0,60}", 1..4)) {
        let mechanism = Mechanism::ALL[which];
        let mut step = Exchange::start(mechanism, None, &ground());
        for message in &messages {
            step = match step {
                Step::Challenge(_, exchange) => exchange.step(message.as_bytes()),
                Step::Lookup(lookup) => {
                    let found = Verifier::imaginary(lookup.hash(), b"s", lookup.user(), 4096);
                    lookup.found(found)
                }
                Step::Verify(login, _) => {
                    let proved = matches!(login, Login::Proved { .. });
                    prop_assert!(!proved);
                    for name in [Some(login.user()), login.authzid()].into_iter().flatten() {
                        let prepared = name.is_empty() || prepare::query(name).is_ok_and(|it| *it == name);
                        prop_assert!(prepared, "{name:?}");
                    }
                    break;
                }
                Step::Refused(_) => break,
            };
        }
    }
}
