//! A SASL exchange in AUTH's lines (RFC 5034 §4): when the first words go out, and base 64.
//!
//! The mechanism itself is a function from challenge to answer; what it keeps between two steps is its
//! own.
//!
//! ```
//! use pop3::client::{Answer, Challenge, Channel, Event, Exchange, Session, Settings};
//! use sasl::{Secret, plain};
//!
//! let mut session = Session::new(Settings::default(), Channel::Tls);
//! let mut out = Vec::new();
//! session.read(b"+OK\r\n", &mut Vec::new()).unwrap();
//!
//! // Some servers want PLAIN's one message on a line of its own.
//! let message = plain::message(None, "tim", &Secret::new("tanstaaftanstaaf"));
//! let more = |_challenge: &[u8]| Answer::Cancel;
//! let mut exchange =
//!     Exchange::begin_asked(&mut session, "PLAIN", Some(message), more, &mut out).unwrap();
//! assert_eq!(out, b"AUTH PLAIN\r\n");
//!
//! out.clear();
//! let read = session.read(b"+ \r\n", &mut Vec::new()).unwrap();
//! let Some(Event::Challenge(challenge)) = read.event else { panic!("it asks") };
//! exchange.step(&mut session, &challenge, &mut out).unwrap();
//! assert_eq!(out, b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n");
//! ```

use sasl::Secret;

use super::Session;
use super::dialogue::Challenge;
use super::error::CannotSend;
use crate::Command;

/// Longest line of AUTH with an initial response in octets, CRLF included; a longer one must wait until
/// it is asked for (RFC 5034 §4, RFC 2449 §4).
const LINE_OCTETS_MAX: usize = 255;

/// What a mechanism says to a challenge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// These octets, which may be none.
    Respond(Secret),
    /// Nothing more: the challenge is wrong, or the server has not proved what it had to. The server
    /// will refuse the AUTH.
    Cancel,
}

/// An exchange that is under way.
///
/// It ends with [`Event::LoggedIn`](super::Event::LoggedIn) or
/// [`Event::Refused`](super::Event::Refused). A mechanism in which the server must prove itself has to
/// be asked then whether it did ([`Exchange::into_mechanism`]): a `+OK` alone proves nothing.
#[derive(Debug)]
pub struct Exchange<M> {
    /// The initial response, while nobody has asked for it.
    unsaid: Option<Secret>,
    mechanism: M,
}

impl<M: FnMut(&[u8]) -> Answer> Exchange<M> {
    /// Begins, with the initial response on the line of AUTH if it is short enough.
    ///
    /// # Errors
    ///
    /// When AUTH must not be sent now, or cannot be.
    pub fn begin(
        session: &mut Session,
        name: &str,
        initial_response: Option<Secret>,
        mechanism: M,
        out: &mut Vec<u8>,
    ) -> Result<Self, CannotSend> {
        let encoded = |response: &Secret| match response.expose().len() {
            // `=` stands for an empty one.
            0 => 1,
            octets => octets.div_ceil(3) * 4,
        };
        let octets = initial_response.as_ref().map_or(0, encoded);
        if octets + name.len() + "AUTH  \r\n".len() > LINE_OCTETS_MAX {
            return Self::begin_asked(session, name, initial_response, mechanism, out);
        }
        auth(session, name, initial_response, out)?;
        Ok(Self {
            unsaid: None,
            mechanism,
        })
    }

    /// Begins, with the initial response on a line of its own, after the server has asked for it. For
    /// servers that know no other way, such as Microsoft's.
    ///
    /// # Errors
    ///
    /// When AUTH must not be sent now, or cannot be.
    pub fn begin_asked(
        session: &mut Session,
        name: &str,
        initial_response: Option<Secret>,
        mechanism: M,
        out: &mut Vec<u8>,
    ) -> Result<Self, CannotSend> {
        auth(session, name, None, out)?;
        Ok(Self {
            unsaid: initial_response,
            mechanism,
        })
    }

    /// Answers a challenge.
    ///
    /// # Errors
    ///
    /// When the session waits for no answer.
    pub fn step(
        &mut self,
        session: &mut Session,
        challenge: &Challenge,
        out: &mut Vec<u8>,
    ) -> Result<(), CannotSend> {
        let answer = match (challenge, self.unsaid.take()) {
            (Challenge::NotBase64, _) => Answer::Cancel,
            // What a server says before the client's first words answers nothing; some say something.
            (Challenge::Octets(_), Some(response)) => Answer::Respond(response),
            (Challenge::Octets(octets), None) => (self.mechanism)(octets.expose()),
        };
        session.answer(&answer, out)
    }

    /// The mechanism, to be asked whether the server has proved itself.
    pub fn into_mechanism(self) -> M {
        self.mechanism
    }
}

fn auth(
    session: &mut Session,
    name: &str,
    initial_response: Option<Secret>,
    out: &mut Vec<u8>,
) -> Result<(), CannotSend> {
    let mechanism = name.to_owned();
    let command = Command::Auth {
        mechanism,
        initial_response,
    };
    session.send(&command, out)
}
