//! The client's side of a session: commands in, octets out; octets in, events out.
//!
//! Like the server's side it does no I/O. A driver owns a socket and two buffers; the session tells
//! what may be sent in its state, matches replies to commands in order, so that commands may be sent
//! ahead (RFC 2449 §6.6, PIPELINING; [`Window`] says how far), and gives a meaning to what a
//! server says, right ones and odd ones alike. Whatever a server sends, the session keeps no more of
//! it than [`Settings`] allows.
//!
//! ```
//! use pop3::client::{Channel, Event, Session, Settings};
//! use pop3::{Command, MessageNumber};
//! use sasl::Secret;
//!
//! let mut session = Session::new(Settings::default(), Channel::Tls);
//! let (mut out, mut text) = (Vec::new(), Vec::new());
//! let read = session.read(b"+OK POP3 server ready\r\n", &mut text).unwrap();
//! assert!(matches!(read.event, Some(Event::Greeting(_))));
//!
//! let first = MessageNumber::new(1).unwrap();
//! for command in [
//!     Command::User("bob".into()),
//!     Command::Pass(Secret::new("redqueen")),
//!     Command::Retr(first),
//!     Command::Dele(first),
//!     Command::Quit,
//! ] {
//!     session.send(&command, &mut out).unwrap();
//! }
//! assert!(out.ends_with(b"RETR 1\r\nDELE 1\r\nQUIT\r\n"));
//!
//! let mut input: &[u8] = b"+OK\r\n+OK\r\n+OK 6 octets\r\n..a\r\n\r\n.\r\n+OK\r\n+OK bye\r\n";
//! let mut events = Vec::new();
//! while !input.is_empty() {
//!     let read = session.read(input, &mut text).unwrap();
//!     input = &input[read.consumed..];
//!     events.extend(read.event);
//! }
//! assert_eq!(text, b"..a\r\n\r\n");
//! assert!(events.contains(&Event::Deleted(first)));
//! assert!(matches!(events.last(), Some(Event::SignedOff(_))));
//! ```

mod authorization;
mod capabilities;
mod code;
mod collecting;
mod dialogue;
mod error;
mod event;
mod exchange;
mod hearing;
mod listing;
mod settings;
mod status;
mod text;
mod transaction;
mod update;
mod window;

use sasl::{Secret, apop};

use crate::{Command, Keyword};
use authorization::Authorization;
use collecting::Collecting;
use transaction::Transaction;

pub use crate::server::Channel;
pub use capabilities::{Capabilities, Capability, Names, Scope};
pub use code::ResponseCode;
pub use dialogue::{Asked, Challenge, Dialogue, Follows, Said};
pub use error::{Broken, CannotSend};
pub use event::Event;
pub use exchange::{Answer, Exchange};
pub use listing::{ForeignId, scan_line, unique_id_line};
pub use settings::{Credentials, Settings};
pub use status::{Status, Verdict, printable};
pub use text::LineEnds;
pub use update::Outcome;
pub use window::{Arrived, Window};

/// One session, from before the greeting to its end.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    dialogue: Dialogue,
    state: State,
    /// The multi-line reply that is coming in.
    collecting: Option<Collecting>,
}

#[derive(Debug)]
enum State {
    BeforeGreeting(Channel),
    Authorization(Authorization),
    /// STLS was accepted; what comes next is TLS.
    BeforeTls,
    Transaction(Transaction),
    Over(Outcome),
    Broken(Broken),
}

/// What one call of [`Session::read`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Read {
    /// So many octets of the input are done with.
    pub consumed: usize,
    /// What they said; none if more input is needed.
    pub event: Option<Event>,
    /// The command whose reply is complete with this event.
    pub answered: Option<Keyword>,
}

impl Session {
    /// A session on a connection that has just been made; the server speaks first.
    pub fn new(settings: Settings, channel: Channel) -> Self {
        Self {
            settings,
            dialogue: Dialogue::new(settings),
            state: State::BeforeGreeting(channel),
            collecting: None,
        }
    }

    /// Appends a command to what goes to the server.
    ///
    /// # Errors
    ///
    /// When it must not be sent now, or cannot be; then nothing is appended.
    pub fn send(&mut self, command: &Command, out: &mut Vec<u8>) -> Result<(), CannotSend> {
        let keyword = command.keyword();
        let last = self.dialogue.unanswered().next_back();
        match &self.state {
            State::BeforeGreeting(_) => return Err(CannotSend::BeforeGreeting),
            State::BeforeTls => return Err(CannotSend::Unanswered),
            State::Over(_) | State::Broken(_) => return Err(CannotSend::Over),
            State::Authorization(_) | State::Transaction(_) => {}
        }
        match last {
            Some(last) if last.keyword == Keyword::Quit => return Err(CannotSend::Over),
            Some(last) if last.keyword == Keyword::Stls || last.is_exchange() => {
                return Err(CannotSend::Unanswered);
            }
            _ => {}
        }
        match &self.state {
            State::Authorization(state) => {
                state.permit(keyword, &self.dialogue, self.settings.credentials)?;
            }
            State::Transaction(state) => state.permit(keyword)?,
            State::BeforeGreeting(_) | State::BeforeTls | State::Over(_) | State::Broken(_) => {}
        }
        if self.dialogue.unanswered().len() >= self.settings.unanswered_max {
            return Err(CannotSend::TooMany);
        }
        Ok(self.dialogue.send(command, out)?)
    }

    /// Logs in with APOP: the digest of the greeting's timestamp and a secret (RFC 1939 §7).
    ///
    /// # Errors
    ///
    /// When it must not be sent now, or cannot be.
    pub fn apop(
        &mut self,
        user: &str,
        secret: &Secret,
        out: &mut Vec<u8>,
    ) -> Result<(), CannotSend> {
        let digest = match &self.state {
            State::Authorization(state) => {
                let timestamp = state.timestamp().ok_or(CannotSend::NoTimestamp)?;
                apop::digest(timestamp, secret)
            }
            // Refused below, whatever it is.
            _ => [0; 16],
        };
        let user = user.to_owned();
        self.send(&Command::Apop { user, digest }, out)
    }

    /// Answers a challenge.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn answer(&mut self, answer: &Answer, out: &mut Vec<u8>) -> Result<(), CannotSend> {
        let State::Authorization(state) = &mut self.state else {
            return Err(CannotSend::NotChallenged);
        };
        state.answer()?;
        match answer {
            Answer::Respond(response) => self.dialogue.respond(response, out),
            Answer::Cancel => self.dialogue.cancel(out),
        }
        Ok(())
    }

    /// Number of commands whose reply has not begun.
    pub fn unanswered(&self) -> usize {
        self.dialogue.unanswered().len()
    }

    /// What is known of the messages that were marked as deleted, should the connection end now.
    pub fn outcome(&self) -> Outcome {
        let last = self.dialogue.unanswered().next_back();
        let quits = last.is_some_and(|last| last.keyword == Keyword::Quit);
        match &self.state {
            State::Over(outcome) => outcome.clone(),
            State::Authorization(_) if !authorization::logs_in(&self.dialogue) => {
                Outcome::NothingDeleted
            }
            _ if quits => Outcome::Unknown,
            _ => Outcome::NothingDeleted,
        }
    }

    /// Reads the next event off an input. What a message holds is appended to `text`.
    ///
    /// To be called until it has no event. At most
    /// [`line_octets_max`](Settings::line_octets_max) octets wait in the input without one.
    ///
    /// # Errors
    ///
    /// When the server does not speak POP3, or no more. The same comes back ever after.
    pub fn read(&mut self, input: &[u8], text: &mut Vec<u8>) -> Result<Read, Broken> {
        let read = self.next(input, text);
        if let Err(broken) = &read {
            // A QUIT that was under way keeps its outcome in the dialogue.
            self.state = State::Broken(broken.clone());
        }
        read
    }

    fn next(&mut self, input: &[u8], text: &mut Vec<u8>) -> Result<Read, Broken> {
        match &self.state {
            State::BeforeTls if !input.is_empty() => return Err(Broken::BeforeTls),
            State::Broken(broken) => return Err(broken.clone()),
            // Nothing that is said after the end means anything.
            State::Over(_) => {
                return Ok(Read {
                    consumed: input.len(),
                    event: None,
                    answered: None,
                });
            }
            _ => {}
        }
        let mut consumed = 0;
        loop {
            let (octets, said) = self.dialogue.read(&input[consumed..], text)?;
            consumed += octets;
            let (event, answered) = match said {
                None => (None, None),
                Some(said) => match self.meaning(said)? {
                    // A line of what is told at its end.
                    (None, None) => continue,
                    meaning => meaning,
                },
            };
            return Ok(Read {
                consumed,
                event,
                answered,
            });
        }
    }

    /// The session inside TLS, after [`Event::TlsReady`] and the handshake. `left_over` is what the
    /// input still held when the handshake began.
    ///
    /// It knows nothing of what was said in clear (RFC 2595 §4): capabilities must be asked for again,
    /// and there is no timestamp for APOP.
    ///
    /// # Errors
    ///
    /// When STLS was not accepted, or anything came after that reply: it was in clear, and must not
    /// be taken for what the server says inside TLS.
    pub fn start_tls(self, left_over: &[u8]) -> Result<Self, Broken> {
        match self.state {
            State::BeforeTls if left_over.is_empty() => Ok(Self {
                settings: self.settings,
                dialogue: Dialogue::greeted(self.settings),
                state: State::Authorization(Authorization::new(Channel::Tls, None)),
                collecting: None,
            }),
            State::BeforeTls => Err(Broken::BeforeTls),
            _ => Err(Broken::NotAgreed),
        }
    }
}

#[cfg(test)]
mod tests;
