//! The side that asks: what to send, and whether the server is who it should be.
//!
//! ```
//! use sasl::Secret;
//! use sasl::client::Exchange;
//!
//! let mut exchange = Exchange::plain("bob", &Secret::new("redqueen"));
//! let first = exchange.initial_response().unwrap();
//! assert_eq!(first.expose(), b"\0bob\0redqueen");
//! // The server says +OK.
//! assert!(exchange.finish().is_ok());
//! ```

use std::fmt;

use crate::binding::BindingType;
use crate::scram::client::Scram;
use crate::scram::{Hash, ITERATIONS_MAX, ITERATIONS_MIN};
use crate::{Mechanism, Secret, cram_md5, oauth, plain};

/// How a SCRAM client stands to the TLS channel (RFC 5802 §6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelBinding<'a> {
    /// The client cannot bind: there is no TLS, or no way to name the channel.
    Unsupported,
    /// The client could, but the server has offered no `-PLUS`. If it has and somebody between them
    /// took it away, the server will notice.
    NotOffered,
    /// The channel's name of that type.
    Bound(BindingType, &'a [u8]),
}

/// The exchange cannot go on, or the server is not what it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failed {
    /// A challenge that is none of this mechanism, or one too many.
    Malformed,
    /// The server's nonce does not begin with ours, or adds nothing to it.
    Nonce,
    /// The server wants fewer iterations than are safe, or more than are sane.
    Iterations(u32),
    /// The password has no form that SCRAM could use (RFC 4013).
    Unpreparable,
    /// The server has not shown that it knows the password: it may be anybody.
    ServerUnproved,
    /// The server has refused the token and said why.
    TokenRefused,
    /// The server says that something is wrong (`e=`, RFC 5802 §7): the proof, for one. Its refusal follows.
    Refused,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the server's challenge is not one of this mechanism",
            Self::Nonce => "the server did not use our nonce",
            Self::Iterations(count) => {
                return write!(
                    f,
                    "the server asks for {count} iterations, not {ITERATIONS_MIN} to {ITERATIONS_MAX}"
                );
            }
            Self::Unpreparable => "the password holds characters that SCRAM cannot use",
            Self::ServerUnproved => "the server did not prove that it knows the password",
            Self::TokenRefused => "the server refuses the token",
            Self::Refused => "the server refuses the proof",
        })
    }
}

impl std::error::Error for Failed {}

/// An exchange, from the choice of a mechanism to the server's `+OK`.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    /// What the client says first, until it is said.
    first: Option<Secret>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Everything is said in the first message.
    Said,
    Token {
        explanation: Option<Vec<u8>>,
    },
    Login {
        user: Secret,
        password: Secret,
    },
    LoginPassword {
        password: Secret,
    },
    CramMd5 {
        user: String,
        secret: Secret,
    },
    Scram(Box<Scram>),
    /// A challenge came that could not be answered; nothing makes that good.
    GivenUp,
}

impl Exchange {
    /// PLAIN (RFC 4616).
    pub fn plain(user: &str, password: &Secret) -> Self {
        let first = plain::message(None, user, password);
        Self::new(Mechanism::Plain, Some(first), State::Said)
    }

    /// LOGIN.
    pub fn login(user: &str, password: &Secret) -> Self {
        let state = State::Login {
            user: Secret::new(user),
            password: password.clone(),
        };
        Self::new(Mechanism::Login, None, state)
    }

    /// CRAM-MD5 (RFC 2195).
    pub fn cram_md5(user: &str, secret: &Secret) -> Self {
        let state = State::CramMd5 {
            user: user.to_owned(),
            secret: secret.clone(),
        };
        Self::new(Mechanism::CramMd5, None, state)
    }

    /// EXTERNAL, for whomever the certificate stands for (RFC 4422 appendix A).
    pub fn external() -> Self {
        let first = Secret::new(Vec::new());
        Self::new(Mechanism::External, Some(first), State::Said)
    }

    /// OAUTHBEARER (RFC 7628), with host and port as the client knows the server.
    pub fn oauth_bearer(user: Option<&str>, peer: Option<(&str, u16)>, token: &Secret) -> Self {
        let first = oauth::bearer_message(user, peer, token);
        let state = State::Token { explanation: None };
        Self::new(Mechanism::OauthBearer, Some(first), state)
    }

    /// XOAUTH2.
    pub fn xoauth2(user: &str, token: &Secret) -> Self {
        let first = oauth::xoauth2_message(user, token);
        let state = State::Token { explanation: None };
        Self::new(Mechanism::XOauth2, Some(first), state)
    }

    /// SCRAM (RFC 5802); the mechanism is a `-PLUS` if the channel is bound. The nonce must be new,
    /// not to be foreseen, printable ASCII and without comma.
    ///
    /// # Errors
    ///
    /// [`Failed::Unpreparable`] if the user name or the nonce cannot be sent, or the password not be used.
    pub fn scram(
        hash: Hash,
        binding: ChannelBinding<'_>,
        user: &str,
        password: &Secret,
        nonce: &str,
    ) -> Result<Self, Failed> {
        let bound = matches!(binding, ChannelBinding::Bound(..));
        let mechanism = match (hash, bound) {
            (Hash::Sha256, true) => Mechanism::ScramSha256Plus,
            (Hash::Sha256, false) => Mechanism::ScramSha256,
            (Hash::Sha1, true) => Mechanism::ScramSha1Plus,
            (Hash::Sha1, false) => Mechanism::ScramSha1,
        };
        let scram = Scram::new(hash, binding, user, password, nonce).ok_or(Failed::Unpreparable)?;
        let first = scram.first();
        Ok(Self::new(
            mechanism,
            Some(first),
            State::Scram(Box::new(scram)),
        ))
    }

    fn new(mechanism: Mechanism, first: Option<Secret>, state: State) -> Self {
        Self {
            mechanism,
            first,
            state,
        }
    }

    /// The mechanism to ask for.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// What goes with the command, if the client speaks first; else, and if it does not fit there,
    /// the server will ask with an empty challenge.
    pub fn initial_response(&mut self) -> Option<Secret> {
        self.first.take()
    }

    /// Answers a challenge, base 64 removed. With SCRAM this takes as long as the server's
    /// iterations: up to some seconds.
    ///
    /// # Errors
    ///
    /// When the exchange must be given up: [`Failed`] says why.
    pub fn step(&mut self, challenge: &[u8]) -> Result<Secret, Failed> {
        if let Some(first) = self.first.take() {
            return match challenge {
                [] => Ok(first),
                _ => Err(Failed::Malformed),
            };
        }
        match std::mem::replace(&mut self.state, State::GivenUp) {
            State::Said | State::GivenUp => Err(Failed::Malformed),
            refused @ State::Token {
                explanation: Some(_),
            } => {
                self.state = refused;
                Err(Failed::Malformed)
            }
            State::Token { explanation: None } => {
                self.state = State::Token {
                    explanation: Some(challenge.to_vec()),
                };
                Ok(Secret::new(oauth::acknowledgement(self.mechanism)))
            }
            // The prompts are for nobody: some servers say "Username:", some "User Name" and a NUL.
            State::Login { user, password } => {
                self.state = State::LoginPassword { password };
                Ok(user)
            }
            State::LoginPassword { password } => {
                self.state = State::Said;
                Ok(password)
            }
            State::CramMd5 { user, secret } => {
                let challenge = str::from_utf8(challenge).map_err(|_| Failed::Malformed)?;
                let digest = cram_md5::digest(challenge, &secret);
                self.state = State::Said;
                Ok(Secret::new(cram_md5::response(&user, &digest)))
            }
            State::Scram(mut scram) => {
                let answer = scram.step(challenge);
                self.state = State::Scram(scram);
                answer
            }
        }
    }

    /// Why the server refuses the token, in its own words (JSON), if it does.
    pub fn explanation(&self) -> Option<&[u8]> {
        match &self.state {
            State::Token { explanation } => explanation.as_deref(),
            _ => None,
        }
    }

    /// The server has said that all is well. Is it?
    ///
    /// # Errors
    ///
    /// [`Failed::ServerUnproved`] if a server that must prove itself has not, and others that the
    /// server cannot mean it.
    pub fn finish(self) -> Result<(), Failed> {
        match self.state {
            _ if self.first.is_some() => Err(Failed::Malformed),
            State::Scram(scram) => scram.finish(),
            State::Token {
                explanation: Some(_),
            } => Err(Failed::TokenRefused),
            State::Said | State::Token { explanation: None } => Ok(()),
            State::Login { .. }
            | State::LoginPassword { .. }
            | State::CramMd5 { .. }
            | State::GivenUp => Err(Failed::Malformed),
        }
    }
}
