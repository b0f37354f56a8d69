//! The side that answers: from a mechanism's name to a login to be verified.
//!
//! An exchange exists only while a challenge is unanswered; each step consumes it.
//!
//! ```
//! use sasl::server::{Exchange, Ground, Step};
//! use sasl::Mechanism;
//!
//! let ground = Ground::default();
//! let Step::Challenge(challenge, exchange) = Exchange::start(Mechanism::Plain, None, &ground) else {
//!     panic!("the client has said nothing yet");
//! };
//! assert!(challenge.is_empty());
//! let Step::Verify(login, _) = exchange.step(b"\0bob\0redqueen") else {
//!     panic!("PLAIN is one message");
//! };
//! assert_eq!(login.user(), "bob");
//! ```

use crate::binding::Bindings;
use crate::mechanism::Binds;
use crate::oauth::{self, Hints};
use crate::scram::Hash;
use crate::scram::server::{Challenged, first};
use crate::{Login, Mechanism, cram_md5, external, plain, prompted};

pub use crate::scram::server::Lookup;

/// What an exchange stands on: all that comes from outside.
#[derive(Clone, Debug, Default)]
pub struct Ground {
    /// Printable ASCII without comma, new and not to be foreseen (RFC 5802 §5.1).
    pub nonce: String,
    /// `<unique@hostname>`, for the challenge of CRAM-MD5.
    pub timestamp: String,
    /// The names of the TLS channel.
    pub bindings: Bindings,
    /// Whom the client's certificate stands for.
    pub certificate: Option<String>,
    /// What a client may be told about tokens.
    pub hints: Hints,
}

/// What must happen next in an exchange.
#[derive(Debug)]
pub enum Step {
    /// Send this to the client (it may be empty) and give its answer to [`Exchange::step`].
    Challenge(Vec<u8>, Exchange),
    /// Find the verifier of a name and give it to [`Lookup::found`].
    Lookup(Lookup),
    /// The client has said everything: is it true?
    Verify(Login, Ending),
    /// The exchange has failed; nothing was claimed that could be verified.
    Refused(Refused),
}

/// What is left to say when a login has been verified.
#[derive(Debug)]
pub enum Ending {
    /// Nothing.
    AtOnce,
    /// If it is refused: send this challenge, take whatever the client answers, and then refuse
    /// (RFC 7628 §3.2.3).
    IfRefused(Vec<u8>),
    /// If it is right: send this challenge, which proves the server, and take an empty answer for the
    /// client's consent; success carries no data in POP3 (RFC 5034 §4). Not before the login is verified:
    /// who guesses passwords would know at once that one is right, however long his answers are held back.
    IfRight(Vec<u8>),
}

/// Why an exchange failed before anything could be verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// The message is not one of this mechanism.
    Malformed,
    /// The message is one, but its name is nobody's: SASLprep does not allow it, or it is not UTF-8.
    Name,
    /// An initial response to a mechanism in which the server speaks first (RFC 5034 §4).
    ServerFirst,
    /// Bound to another channel or in another way than is possible here, or not bound though both
    /// could (RFC 5802 §6).
    Binding,
    /// The mechanism stands on something that is not there: a certificate, or a channel's name.
    NotHere,
}

/// An exchange that waits for the client's answer.
#[derive(Debug)]
pub struct Exchange(Box<State>);

#[derive(Debug)]
enum State {
    Plain,
    Login,
    LoginPassword(String),
    CramMd5 {
        challenge: String,
    },
    External {
        user: String,
    },
    Token {
        mechanism: Mechanism,
        hints: Hints,
    },
    Scram {
        hash: Hash,
        binds: Binds,
        nonce: String,
        bindings: Bindings,
    },
    ScramChallenged(Challenged),
}

impl Exchange {
    /// Begins an exchange; with an initial response, which may be empty, it begins with a step of
    /// the client's (RFC 4422 §3).
    pub fn start(mechanism: Mechanism, initial_response: Option<&[u8]>, ground: &Ground) -> Step {
        let state = match mechanism {
            Mechanism::Plain => State::Plain,
            Mechanism::Login => State::Login,
            Mechanism::CramMd5 => State::CramMd5 {
                challenge: cram_md5::challenge(&ground.nonce, &ground.timestamp),
            },
            Mechanism::External => match ground.certificate.clone() {
                Some(user) => State::External { user },
                None => return Step::Refused(Refused::NotHere),
            },
            Mechanism::OauthBearer | Mechanism::XOauth2 => State::Token {
                mechanism,
                hints: ground.hints.clone(),
            },
            Mechanism::ScramSha256Plus
            | Mechanism::ScramSha256
            | Mechanism::ScramSha1Plus
            | Mechanism::ScramSha1 => match mechanism.scram() {
                Some((_, Binds::Yes)) if ground.bindings.is_empty() => {
                    return Step::Refused(Refused::NotHere);
                }
                Some((hash, binds)) => State::Scram {
                    hash,
                    binds,
                    nonce: ground.nonce.clone(),
                    bindings: ground.bindings.clone(),
                },
                None => return Step::Refused(Refused::NotHere),
            },
        };
        match (initial_response, state) {
            (None, state) => {
                // Where the client speaks first it is asked with an empty challenge.
                let challenge = match &state {
                    State::CramMd5 { challenge } => challenge.clone().into_bytes(),
                    State::Login => prompted::USER_PROMPT.to_vec(),
                    _ => Vec::new(),
                };
                Step::Challenge(challenge, Self::of(state))
            }
            (Some(_), State::CramMd5 { .. }) => Step::Refused(Refused::ServerFirst),
            // LOGIN's name may come at once: its programs do that, and nothing is lost.
            (Some(response), state) => Self::of(state).step(response),
        }
    }

    /// Takes the client's answer to the last challenge, base 64 removed.
    pub fn step(self, response: &[u8]) -> Step {
        let login = match *self.0 {
            State::Plain => plain::read(response),
            State::Login => match prompted::user(response) {
                Ok(user) => {
                    let prompt = prompted::PASSWORD_PROMPT.to_vec();
                    return Step::Challenge(prompt, Self::of(State::LoginPassword(user)));
                }
                Err(why) => Err(why),
            },
            State::LoginPassword(user) => prompted::login(user, response),
            State::CramMd5 { challenge } => cram_md5::read(challenge, response),
            State::External { user } => external::read(user, response),
            State::Token { mechanism, hints } => {
                let login = match mechanism {
                    Mechanism::XOauth2 => oauth::read_xoauth2(response),
                    _ => oauth::read_bearer(response),
                };
                return match login {
                    Ok(login) => {
                        let why = oauth::explanation(mechanism, &hints);
                        Step::Verify(login, Ending::IfRefused(why))
                    }
                    Err(why) => Step::Refused(why),
                };
            }
            State::Scram {
                hash,
                binds,
                nonce,
                bindings,
            } => {
                return match first(hash, binds, response, &nonce, &bindings) {
                    Ok(lookup) => Step::Lookup(lookup),
                    Err(why) => Step::Refused(why),
                };
            }
            State::ScramChallenged(challenged) => return challenged.step(response),
        };
        match login {
            Ok(login) => Step::Verify(login, Ending::AtOnce),
            Err(why) => Step::Refused(why),
        }
    }

    /// The name whose verifier was looked up, if one was. Whoever has seen its salt and goes no further
    /// has failed to log in ([`Login::Disproved`]): a look costs what a guess costs.
    pub fn looked_up(&self) -> Option<&str> {
        match &*self.0 {
            State::ScramChallenged(challenged) => Some(challenged.user()),
            _ => None,
        }
    }

    pub(crate) fn challenged(challenged: Challenged) -> Self {
        Self::of(State::ScramChallenged(challenged))
    }

    fn of(state: State) -> Self {
        Self(Box::new(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(mechanism: Mechanism, response: Option<&[u8]>) -> Step {
        let ground = Ground {
            nonce: "abc".into(),
            timestamp: "<1@host>".into(),
            ..Ground::default()
        };
        Exchange::start(mechanism, response, &ground)
    }

    #[test]
    fn an_empty_initial_response_is_a_response() {
        let step = start(Mechanism::Plain, Some(b""));
        assert!(matches!(step, Step::Refused(Refused::Malformed)));
    }

    #[test]
    fn an_initial_response_saves_the_challenge() {
        let step = start(Mechanism::Plain, Some(b"\0bob\0redqueen"));
        assert!(matches!(step, Step::Verify(login, _) if login.user() == "bob"));
    }

    #[test]
    fn where_the_server_speaks_first_the_client_waits() {
        let step = start(Mechanism::CramMd5, None);
        assert!(matches!(step, Step::Challenge(c, _) if c == b"<abc.1@host>"));
        let step = start(Mechanism::CramMd5, Some(b""));
        assert!(matches!(step, Step::Refused(Refused::ServerFirst)));
    }

    #[test]
    fn what_stands_on_nothing_does_not_begin() {
        for mechanism in [
            Mechanism::External,
            Mechanism::ScramSha256Plus,
            Mechanism::ScramSha1Plus,
        ] {
            let step = start(mechanism, None);
            assert!(
                matches!(step, Step::Refused(Refused::NotHere)),
                "{mechanism}"
            );
        }
    }
}
