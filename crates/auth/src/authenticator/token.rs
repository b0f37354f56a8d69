//! Tokens of an authorisation server (OAUTHBEARER, XOAUTH2): the place where they are checked.
//!
//! No verifier of tokens is built in, so none is right, and [`Authenticator::verifies_tokens`] says
//! so: a server then does not announce the mechanisms. A token that comes all the same is refused
//! like a wrong password, at the same instant.

use sasl::Secret;

use super::{Authenticator, Denied, Refused, Verdict};

/// What a client shows for itself.
pub(super) struct Shown {
    /// Empty if the client only asks which tokens are wanted (RFC 7628 §4.3).
    pub(super) token: Secret,
}

impl Authenticator {
    /// Whether a token can be right here.
    pub fn verifies_tokens(&self) -> bool {
        false
    }

    /// Checks a token: whose it is, and whether that account may log in.
    pub(super) async fn check_token(&self, shown: Shown) -> Result<Verdict, Denied> {
        let why = match shown.token.expose() {
            [] => "asks which tokens are wanted",
            _ => "tokens are not verified here",
        };
        Ok(Verdict::Wrong(Refused {
            why,
            row: None,
            fingerprint: None,
        }))
    }
}
