//! The side that answers: from a mechanism's name to a login to be verified.
//!
//! An exchange exists only while a challenge is unanswered; each step consumes it.
//!
//! ```
//! use sasl::server::{Exchange, Step};
//! use sasl::Mechanism;
//!
//! let Step::Challenge(challenge, exchange) = Exchange::start(Mechanism::Plain, None) else {
//!     panic!("the client has said nothing yet");
//! };
//! assert!(challenge.is_empty());
//! let Step::Verify(login) = exchange.step(b"\0bob\0redqueen") else {
//!     panic!("PLAIN is one message");
//! };
//! assert_eq!(login.user(), "bob");
//! ```

use crate::{Login, Mechanism, plain};

/// What must happen next in an exchange.
#[derive(Debug)]
pub enum Step {
    /// Send this to the client (it may be empty) and give its answer to [`Exchange::step`].
    Challenge(Vec<u8>, Exchange),
    /// The client has said everything: is it true?
    Verify(Login),
    /// The exchange has failed; nothing was claimed that could be verified.
    Refused(Refused),
}

/// Why an exchange failed before anything could be verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The message is not one of this mechanism.
    Malformed,
    /// Somebody wants to act for somebody else.
    OtherIdentity,
}

/// An exchange that waits for the client's answer.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
}

impl Exchange {
    /// Begins an exchange; with an initial response, which may be empty, it begins with a step of
    /// the client's (RFC 4422 §3).
    pub fn start(mechanism: Mechanism, initial_response: Option<&[u8]>) -> Step {
        let exchange = Self { mechanism };
        match initial_response {
            Some(response) => exchange.step(response),
            // In PLAIN the client speaks first, so it is asked with an empty challenge.
            None => Step::Challenge(Vec::new(), exchange),
        }
    }

    /// Takes the client's answer to the last challenge, base 64 removed.
    pub fn step(self, response: &[u8]) -> Step {
        match self.mechanism {
            Mechanism::Plain => match plain::read(response) {
                Ok(login) => Step::Verify(login),
                Err(why) => Step::Refused(why),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_initial_response_is_a_response() {
        let step = Exchange::start(Mechanism::Plain, Some(b""));
        assert!(matches!(step, Step::Refused(Refused::Malformed)));
    }

    #[test]
    fn an_initial_response_saves_the_challenge() {
        let step = Exchange::start(Mechanism::Plain, Some(b"\0bob\0redqueen"));
        assert!(matches!(step, Step::Verify(login) if login.user() == "bob"));
    }
}
