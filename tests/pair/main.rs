//! Our client against our server, with no socket between them: whatever is asked, in whatever pieces
//! it travels and wherever it is cut, every octet and every event is the one that a list of messages
//! would give.
//!
//! `PAIR_SCRIPTS=100000` plays more scripts, `PAIR_SEED=17` plays one.

#![allow(clippy::unwrap_used, reason = "what fails here is a test")]

mod both;
mod maildrops;
mod model;
mod script;

use pop3::client::{CannotSend, Capability, Channel, Credentials, Event, Session, Settings};
use pop3::server::{Connection, Passwords, Sasl, Stls};
use pop3::xclient::Speaker;
use pop3::{Command, Expire, Octets, Promise};
use restante_tests::driver::{Driver, Standing};
use sasl::Secret;
use sasl::nonce::Nonces;

use both::{TIMESTAMP, server_settings};
use script::Tally;

/// Scripts of the short run.
const SCRIPTS: u64 = 6000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn each_octet_and_each_event_is_that_of_a_list() {
    let seeds = match number("PAIR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PAIR_SCRIPTS").unwrap_or(SCRIPTS),
    };
    let mut tally = Tally::default();
    for seed in seeds.clone() {
        script::play(seed, &mut tally);
    }
    println!("{} scripts: {tally:?}", seeds.end - seeds.start);
    if seeds.end - seeds.start >= SCRIPTS {
        tally.has_seen_everything(seeds.end / 100);
    }
}

/// What comes of feeding each side what the other says, until neither says anything.
fn talk(driver: &mut Driver, client: &mut Session, sent: &mut Vec<u8>) -> Vec<Event> {
    driver.receive(&std::mem::take(sent));
    let said = driver.said();
    let (mut events, mut rest, mut text) = (Vec::new(), &said[..], Vec::new());
    loop {
        let read = client.read(rest, &mut text).unwrap();
        rest = &rest[read.consumed..];
        match read.event {
            Some(event) => events.push(event),
            None => break,
        }
    }
    assert!(rest.is_empty());
    events
}

#[test]
fn a_password_waits_for_tls() {
    let connection = Connection {
        channel: Channel::Plain,
        passwords: Passwords::AfterTls,
        stls: Stls::Offered,
        speaker: Speaker::Client,
        sasl: Sasl::new(Nonces::new([0; 32])),
        timestamp: TIMESTAMP.into(),
        expire: Promise::All(Expire::Never),
    };
    let account = maildrops::account("bob", "redqueen", Vec::new());
    let mut driver = Driver::new(server_settings(65_536), connection, vec![account]);
    let settings = Settings::default();
    assert_eq!(settings.credentials, Credentials::InsideTls);
    let mut client = Session::new(settings, Channel::Plain);
    let mut sent = Vec::new();
    let greeting = talk(&mut driver, &mut client, &mut sent);
    assert!(matches!(&greeting[..], [Event::Greeting(_)]));

    let user = Command::User("bob".into());
    assert_eq!(client.send(&user, &mut sent), Err(CannotSend::InClear));
    client.send(&Command::Capa, &mut sent).unwrap();
    let events = talk(&mut driver, &mut client, &mut sent);
    let Some(Event::Capabilities(capabilities)) = events.last() else {
        panic!("{events:?}");
    };
    assert!(capabilities.offers(&Capability::Stls));
    assert!(!capabilities.offers(&Capability::User));

    client.send(&Command::Stls, &mut sent).unwrap();
    let events = talk(&mut driver, &mut client, &mut sent);
    assert_eq!(events, [Event::TlsReady]);
    driver.start_tls();
    let mut client = client.start_tls(b"").unwrap();

    for command in [
        Command::Capa,
        user,
        Command::Pass(Secret::new("redqueen")),
        Command::Quit,
    ] {
        client.send(&command, &mut sent).unwrap();
    }
    let events = talk(&mut driver, &mut client, &mut sent);
    let [
        _,
        Event::Capabilities(capabilities),
        _,
        logged_in,
        signed_off,
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    for capability in [
        Capability::User,
        Capability::Top,
        Capability::Uidl,
        Capability::Pipelining,
        Capability::RespCodes,
        Capability::AuthRespCode,
    ] {
        assert!(capabilities.offers(&capability), "{capability}");
    }
    assert!(!capabilities.offers(&Capability::Stls));
    assert!(capabilities.mechanisms().any(|name| name == "PLAIN"));
    assert!(matches!(logged_in, Event::LoggedIn(_)));
    assert!(matches!(signed_off, Event::SignedOff(_)));
    assert_eq!(driver.standing(), Standing::Closed);
}

#[test]
fn a_whole_maildrop_through_a_window() {
    use pop3::MessageNumber;
    use pop3::client::{Arrived, Window};

    let texts: Vec<_> = (0..200).map(|size| vec![b'x'; size * 7 % 997]).collect();
    let texts: Vec<_> = texts
        .into_iter()
        .map(|text| [&text[..], b"\r\n"].concat())
        .collect();
    let account = maildrops::account("bob", "redqueen", texts.clone());
    let mut both = both::Both::new(vec![account], 65_536, None);
    both.send(&Command::User("bob".into())).unwrap();
    both.send(&Command::Pass(Secret::new("redqueen"))).unwrap();
    both.send(&Command::List(None)).unwrap();
    let mut random = restante_tests::random::Random::new(1);
    both.carry(&mut random, 1000);
    let sizes: Vec<_> = both
        .heard
        .iter()
        .filter_map(|heard| match heard.event {
            Event::Size { octets, .. } => Some(octets),
            _ => None,
        })
        .collect();
    assert_eq!(sizes.len(), texts.len());

    let mut window = Window::new(Octets(3000), 16);
    let (mut next, mut arrived, mut most) = (0, 0, 0);
    while arrived < sizes.len() {
        for _ in 0..window.room(sizes[next..].iter().copied()) {
            let number = MessageNumber::from_index(next).unwrap();
            both.send(&Command::Retr(number)).unwrap();
            window.sent(number, sizes[next]);
            next += 1;
        }
        most = most.max(window.outstanding());
        both.heard.clear();
        both.step(&mut random, 500);
        for heard in &both.heard {
            if let Event::TextEnds { number, octets } = heard.event {
                assert_eq!(window.next(), Some(number));
                assert_eq!(window.arrived(octets), Some(Arrived::AsListed));
                assert_eq!(heard.text, texts[number.index()]);
                arrived += 1;
            }
        }
    }
    assert!((2..=16).contains(&most), "{most} were on their way");
}
