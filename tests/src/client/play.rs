//! Playing a transcript of the client's side.

use std::collections::VecDeque;

use pop3::client::{Answer, Challenge, Event, Exchange, Session};
use pop3::{Command, Language};
use sasl::Secret;

use super::{Attempt, Auth, Step, Transcript, event};

type Mechanism = Box<dyn FnMut(&[u8]) -> Answer>;

/// In which pieces the server's octets come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pieces {
    AtOnce,
    Octets,
    /// Two, each of what comes between two steps of the client's.
    Split(usize),
}

/// The client's side, while it is played.
struct Play {
    session: Session,
    pieces: Pieces,
    /// From the server, not yet given to the session.
    block: Vec<u8>,
    waiting: Vec<u8>,
    text: Vec<u8>,
    text_octets: u64,
    events: VecDeque<String>,
    challenge: Option<Challenge>,
    exchange: Option<Exchange<Mechanism>>,
    out: Vec<u8>,
    /// No reading on: TLS is ready, or the session is broken.
    stopped: bool,
}

impl Transcript {
    /// Plays it every way. Returns how often that was.
    ///
    /// # Errors
    ///
    /// What happened that should not have, or did not that should have.
    pub fn play(&self) -> Result<usize, String> {
        let longest = self.longest_block();
        // Every octet of an ordinary dialogue; every so many of one with very long lines.
        let stride = longest.div_ceil(600).max(1);
        let mut ways = vec![Pieces::AtOnce, Pieces::Octets];
        ways.extend((1..longest).step_by(stride).map(Pieces::Split));
        for &pieces in &ways {
            self.play_in(pieces)
                .map_err(|what| format!("{pieces:?}: {what}"))?;
        }
        Ok(ways.len())
    }

    fn longest_block(&self) -> usize {
        let (mut longest, mut octets) = (0, 0);
        for (_, step) in &self.steps {
            match step {
                Step::Server(more) => octets += more.len(),
                _ => octets = 0,
            }
            longest = longest.max(octets);
        }
        longest
    }

    fn play_in(&self, pieces: Pieces) -> Result<(), String> {
        let mut play = Play {
            session: Session::new(self.settings, self.channel),
            pieces,
            block: Vec::new(),
            waiting: Vec::new(),
            text: Vec::new(),
            text_octets: 0,
            events: VecDeque::new(),
            challenge: None,
            exchange: None,
            out: Vec::new(),
            stopped: false,
        };
        for (line, step) in &self.steps {
            play.step(step)
                .map_err(|what| format!("line {line}: {what}"))?;
        }
        play.read()?;
        play.quiet()?;
        match play.out.is_empty() {
            true => Ok(()),
            false => Err(format!("also sent: {}", play.out.escape_ascii())),
        }
    }
}

impl Play {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Server(octets) => {
                self.block.extend_from_slice(octets);
                return Ok(());
            }
            Step::Event(expected) => {
                self.read()?;
                let found = self.events.pop_front();
                return same(found.as_deref().unwrap_or("nothing"), expected);
            }
            _ => {
                self.read()?;
                self.quiet()?;
            }
        }
        match step {
            Step::Server(_) | Step::Event(_) => Ok(()),
            Step::Client(line) => self.client(line),
            Step::Apop(user, secret) => self
                .session
                .apop(user, &Secret::new(secret.as_str()), &mut self.out)
                .map_err(|why| why.to_string()),
            Step::Auth(auth) => self.auth(auth),
            Step::Answer => {
                let challenge = self.challenge.take().ok_or("there was no challenge")?;
                let exchange = self.exchange.as_mut().ok_or("there is no exchange")?;
                exchange
                    .step(&mut self.session, &challenge, &mut self.out)
                    .map_err(|why| why.to_string())
            }
            Step::Cannot(attempt, why) => self.cannot(attempt, why),
            Step::TlsStarts => {
                let session = self.start_tls().map_err(|why| why.to_string())?;
                self.session = session;
                self.stopped = false;
                Ok(())
            }
            Step::TlsFails(expected) => match self.start_tls() {
                Ok(_) => Err("TLS has started".into()),
                Err(why) => same(&why.to_string(), expected),
            },
            Step::Outcome(expected) => same(event::outcome(&self.session.outcome()), expected),
            Step::Unanswered(count) => match self.session.unanswered() == *count {
                true => Ok(()),
                false => Err(format!("{} are unanswered", self.session.unanswered())),
            },
        }
    }

    /// Gives the session what the server has said since the last step.
    fn read(&mut self) -> Result<(), String> {
        let block = std::mem::take(&mut self.block);
        let pieces: Vec<&[u8]> = match self.pieces {
            Pieces::AtOnce => vec![&block[..]],
            Pieces::Octets => block.chunks(1).collect(),
            Pieces::Split(place) => {
                let (first, second) = block.split_at(place.min(block.len()));
                vec![first, second]
            }
        };
        for piece in pieces {
            self.waiting.extend_from_slice(piece);
            while !self.stopped {
                let read = match self.session.read(&self.waiting, &mut self.text) {
                    Ok(read) => read,
                    Err(broken) => {
                        self.events.push_back(event::broken(&broken));
                        self.stopped = true;
                        break;
                    }
                };
                self.waiting.drain(..read.consumed);
                let Some(event) = read.event else {
                    break;
                };
                self.take(event)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<(), String> {
        match &event {
            Event::TlsReady => self.stopped = true,
            Event::Challenge(challenge) => self.challenge = Some(challenge.clone()),
            Event::TextBegins { .. } => self.text_octets = 0,
            Event::Text(octets) => self.text_octets += octets.0,
            Event::TextEnds { octets, .. } if self.text_octets > octets.0 => {
                return Err(format!("{} octets, then {octets}", self.text_octets));
            }
            _ => {}
        }
        self.events.extend(event::print(&event, &mut self.text));
        Ok(())
    }

    /// Nothing has happened that the transcript does not say.
    fn quiet(&mut self) -> Result<(), String> {
        match self.events.pop_front() {
            None => Ok(()),
            Some(event) => Err(format!("also: {event}")),
        }
    }

    fn client(&mut self, line: &[u8]) -> Result<(), String> {
        if self.out.is_empty() {
            let command =
                Command::parse(line).map_err(|why| why.text(Language::English).to_owned())?;
            self.session
                .send(&command, &mut self.out)
                .map_err(|why| why.to_string())?;
        }
        let end = self.out.iter().position(|&octet| octet == b'\n');
        let sent: Vec<u8> = self.out.drain(..end.map_or(0, |end| end + 1)).collect();
        let expected = [line, b"\r\n"].concat();
        same(
            &sent.escape_ascii().to_string(),
            &expected.escape_ascii().to_string(),
        )
    }

    fn auth(&mut self, auth: &Auth) -> Result<(), String> {
        let mut answers: VecDeque<Vec<u8>> = auth.answers.iter().cloned().collect();
        let mechanism: Mechanism = Box::new(move |_| match answers.pop_front() {
            Some(answer) if answer != b"*" => Answer::Respond(Secret::new(answer)),
            _ => Answer::Cancel,
        });
        let (session, out) = (&mut self.session, &mut self.out);
        let exchange = match (&auth.now, &auth.later) {
            (_, Some(later)) => {
                let first = Some(Secret::new(later.as_slice()));
                Exchange::begin_asked(session, &auth.name, first, mechanism, out)
            }
            (now, None) => {
                let first = now.as_ref().map(|now| Secret::new(now.as_slice()));
                Exchange::begin(session, &auth.name, first, mechanism, out)
            }
        };
        self.exchange = Some(exchange.map_err(|why| why.to_string())?);
        Ok(())
    }

    fn cannot(&mut self, attempt: &Attempt, expected: &str) -> Result<(), String> {
        let mut out = Vec::new();
        let sent = match attempt {
            Attempt::Apop(user, secret) => {
                let secret = Secret::new(secret.as_str());
                self.session.apop(user, &secret, &mut out)
            }
            Attempt::Send(command) => self.session.send(command, &mut out),
        };
        match sent {
            Ok(()) => Err(format!("sent: {}", out.escape_ascii())),
            Err(_) if !out.is_empty() => Err("refused, and sent all the same".into()),
            Err(why) => same(&why.to_string(), expected),
        }
    }

    /// What the session makes of the handshake; it is over in any case.
    fn start_tls(&mut self) -> Result<Session, pop3::client::Broken> {
        let fresh = Session::new(Default::default(), pop3::client::Channel::Tls);
        let session = std::mem::replace(&mut self.session, fresh);
        session.start_tls(&std::mem::take(&mut self.waiting))
    }
}

fn same(found: &str, expected: &str) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("\nexpected: {expected}\n   found: {found}")),
    }
}
