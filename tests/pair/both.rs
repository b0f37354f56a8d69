//! Both sides, and what is on its way from one to the other.

use pop3::client::{Answer, CannotSend, Channel, Event, Exchange, Outcome, Session};
use pop3::server::{self, Connection, Passwords, Sasl, Stls};
use pop3::wire::Form;
use pop3::xclient::Speaker;
use pop3::{Command, Expire, Promise, client};
use restante_tests::driver::{Account, Driver, settings};
use restante_tests::random::Random;
use sasl::Secret;
use sasl::nonce::Nonces;

pub(crate) const TIMESTAMP: &str = "<1.2@mailgate.dobbs.org>";

/// An event, and the whole text if it is the end of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Heard {
    pub(crate) event: Event,
    pub(crate) text: Vec<u8>,
}

/// Where the connection is cut: so many octets of each direction arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) to_server: usize,
    pub(crate) to_client: usize,
}

pub(crate) struct Both {
    pub(crate) driver: Driver,
    client: Session,
    cut: Cut,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    /// All that has reached the server.
    pub(crate) received: Vec<u8>,
    /// All that the server has said.
    pub(crate) said: Vec<u8>,
    /// So much of it has reached the client.
    pub(crate) arrived: usize,
    pub(crate) heard: Vec<Heard>,
    waiting: Vec<u8>,
    text: Vec<u8>,
    text_octets: u64,
    answered: usize,
    asked: usize,
}

type Mechanism = Box<dyn FnMut(&[u8]) -> Answer>;

pub(crate) fn server_settings(output_octets_max: usize) -> server::Settings {
    server::Settings {
        output_octets_max,
        ..settings()
    }
}

impl Both {
    pub(crate) fn new(accounts: Vec<Account>, output_octets_max: usize, cut: Option<Cut>) -> Self {
        let connection = Connection {
            channel: Channel::Tls,
            passwords: Passwords::Accepted,
            stls: Stls::NotOffered,
            speaker: Speaker::Client,
            sasl: Sasl::new(Nonces::new([0; 32])),
            timestamp: TIMESTAMP.into(),
            expire: Promise::All(Expire::Never),
        };
        let settings = client::Settings {
            form: Form::Plain,
            ..client::Settings::default()
        };
        let mut both = Self {
            driver: Driver::new(server_settings(output_octets_max), connection, accounts),
            client: Session::new(settings, Channel::Tls),
            cut: cut.unwrap_or(Cut {
                to_server: usize::MAX,
                to_client: usize::MAX,
            }),
            to_server: Vec::new(),
            to_client: Vec::new(),
            received: Vec::new(),
            said: Vec::new(),
            arrived: 0,
            heard: Vec::new(),
            waiting: Vec::new(),
            text: Vec::new(),
            text_octets: 0,
            answered: 0,
            asked: 0,
        };
        both.hear_server();
        both.carry(&mut Random::new(0), usize::MAX);
        both
    }

    pub(crate) fn send(&mut self, command: &Command) -> Result<(), CannotSend> {
        self.client.send(command, &mut self.to_server)?;
        self.asked += 1;
        Ok(())
    }

    pub(crate) fn apop(&mut self, user: &str, secret: &str) -> Result<(), CannotSend> {
        let secret = Secret::new(secret);
        self.client.apop(user, &secret, &mut self.to_server)?;
        self.asked += 1;
        Ok(())
    }

    /// Begins PLAIN, with the message asked for or not, or giving up where nothing is said.
    pub(crate) fn auth(&mut self, message: Option<Secret>, asks: bool) -> Exchange<Mechanism> {
        let (client, out) = (&mut self.client, &mut self.to_server);
        let gives_up: Mechanism = Box::new(|_| Answer::Cancel);
        self.asked += 1;
        match asks {
            true => Exchange::begin_asked(client, "PLAIN", message, gives_up, out),
            false => Exchange::begin(client, "PLAIN", message, gives_up, out),
        }
        .unwrap()
    }

    /// Answers the challenge that came last, if one did.
    pub(crate) fn step_exchange(&mut self, exchange: &mut Exchange<Mechanism>) {
        if let Some(Heard {
            event: Event::Challenge(challenge),
            ..
        }) = self.heard.last()
        {
            exchange
                .step(&mut self.client, challenge, &mut self.to_server)
                .unwrap();
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.client.outcome()
    }

    /// Whether nothing more will arrive.
    pub(crate) fn is_cut(&self) -> bool {
        self.received.len() >= self.cut.to_server || self.arrived >= self.cut.to_client
    }

    /// Carries what is on its way, in segments of up to so many octets, until nothing is.
    pub(crate) fn carry(&mut self, random: &mut Random, segment_octets_max: usize) {
        while self.step(random, segment_octets_max) {}
    }

    /// Carries one segment, if anything is on its way.
    pub(crate) fn step(&mut self, random: &mut Random, segment_octets_max: usize) -> bool {
        let (forth, back) = (!self.to_server.is_empty(), !self.to_client.is_empty());
        if !forth && !back {
            return false;
        }
        let forth = forth && (!back || random.once_in(2));
        let on_its_way = match forth {
            true => &mut self.to_server,
            false => &mut self.to_client,
        };
        let octets = 1 + random.below(on_its_way.len().min(segment_octets_max));
        let mut segment: Vec<u8> = on_its_way.drain(..octets).collect();
        match forth {
            true => {
                segment.truncate(self.cut.to_server - self.received.len());
                self.received.extend_from_slice(&segment);
                self.driver.receive(&segment);
                self.hear_server();
            }
            false => {
                segment.truncate(self.cut.to_client - self.arrived);
                self.arrived += segment.len();
                self.hear_client(&segment);
            }
        }
        true
    }

    fn hear_server(&mut self) {
        let said = self.driver.said();
        self.said.extend_from_slice(&said);
        self.to_client.extend_from_slice(&said);
    }

    fn hear_client(&mut self, segment: &[u8]) {
        self.waiting.extend_from_slice(segment);
        loop {
            let read = self.client.read(&self.waiting, &mut self.text).unwrap();
            self.waiting.drain(..read.consumed);
            self.answered += usize::from(read.answered.is_some());
            let Some(event) = read.event else {
                break;
            };
            match &event {
                Event::TextBegins { .. } => self.text_octets = 0,
                Event::Text(octets) => {
                    self.text_octets += octets.0;
                    assert_eq!(self.text_octets, self.text.len() as u64);
                    continue;
                }
                Event::TextEnds { octets, .. } => assert_eq!(octets.0, self.text.len() as u64),
                _ => {}
            }
            let text = match event {
                Event::TextEnds { .. } => std::mem::take(&mut self.text),
                _ => Vec::new(),
            };
            self.heard.push(Heard { event, text });
        }
    }

    /// After everything has been carried and nothing was cut: each command has its reply, and no
    /// octet is left.
    pub(crate) fn is_quiet(&self) {
        assert!(self.waiting.is_empty() && self.text.is_empty());
        assert_eq!(self.client.unanswered(), 0);
        assert_eq!(self.answered, self.asked);
    }
}
