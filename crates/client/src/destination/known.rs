//! By what a server that takes mail knows us: a password, or a token that is asked for whenever one is needed.

use std::fmt;

use sasl::client::Exchange;
use sasl::{Mechanism, Secret};

use super::{Address, NotDelivered};

#[cfg(test)]
mod tests;

/// Gives a token; [`Age::New`] when the last one was refused. The error says what to do.
pub type Tokens = Box<dyn FnMut(Age) -> Result<Secret, NotDelivered> + Send>;

/// Which token is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Age {
    /// One that should be good.
    Any,
    /// Another one than the last, which a server has refused.
    New,
}

/// By what a server knows us.
pub enum KnownBy {
    /// A password, the same each time.
    Password(Secret),
    /// Tokens, which end.
    Tokens(Tokens),
}

impl fmt::Debug for KnownBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::Tokens(_) => "Tokens(…)",
        })
    }
}

impl KnownBy {
    /// What is shown to the server.
    pub(super) fn shown(&mut self, age: Age) -> Result<Shown, NotDelivered> {
        Ok(match self {
            Self::Password(secret) => Shown::Password(secret.clone()),
            Self::Tokens(tokens) => Shown::Token(tokens(age)?),
        })
    }
}

/// What one login shows to the server.
pub(super) enum Shown {
    Password(Secret),
    Token(Secret),
}

impl Shown {
    /// The exchange of the best mechanism that the server offers; none if it offers none that fits.
    pub(super) fn exchange(
        &self,
        user: &str,
        address: &Address,
        offers: impl Fn(Mechanism) -> bool,
    ) -> Option<Exchange> {
        match self {
            Self::Password(secret) if offers(Mechanism::Plain) => {
                Some(Exchange::plain(user, secret))
            }
            Self::Password(secret) if offers(Mechanism::Login) => {
                Some(Exchange::login(user, secret))
            }
            Self::Token(token) if offers(Mechanism::OauthBearer) => {
                let peer = match address {
                    Address::Tcp { host, port } => Some((host.as_str(), *port)),
                    Address::Unix(_) => None,
                };
                Some(Exchange::oauth_bearer(Some(user), peer, token))
            }
            Self::Token(token) if offers(Mechanism::XOauth2) => {
                Some(Exchange::xoauth2(user, token))
            }
            _ => None,
        }
    }

    /// What a server must offer, for people.
    pub(super) fn wants(&self) -> &'static str {
        match self {
            Self::Password(_) => "neither PLAIN nor LOGIN",
            Self::Token(_) => "neither OAUTHBEARER nor XOAUTH2",
        }
    }

    /// Whether another one may be taken where this one, which was asked for so, was refused.
    pub(super) fn renews(&self, age: Age) -> bool {
        matches!((self, age), (Self::Token(_), Age::Any))
    }
}

/// Why a connection takes no messages.
pub(super) enum NotBegun {
    /// The server does not believe what it was shown.
    Refused(String),
    Other(NotDelivered),
}

impl From<NotDelivered> for NotBegun {
    fn from(why: NotDelivered) -> Self {
        Self::Other(why)
    }
}

impl NotBegun {
    /// What it means where this was shown.
    pub(super) fn by(self, shown: Option<&Shown>) -> NotDelivered {
        match (self, shown) {
            (Self::Refused(why), Some(Shown::Token(_))) => NotDelivered::NoLogin(why),
            (Self::Refused(why), _) => NotDelivered::Unusable(why),
            (Self::Other(why), _) => why,
        }
    }
}
