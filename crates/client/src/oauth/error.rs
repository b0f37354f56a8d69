//! Why there is no token: each variant is what the caller does about it.

use std::io;

use oauth2::{ErrorResponseType, RequestTokenError, StandardErrorResponse};

use super::http::HttpError;
use crate::secret::SecretError;

/// Longest explanation of a provider that is shown.
const TOLD_CHARACTERS_MAX: usize = 300;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The provider has ended the login. A person must log in again.
    #[error("the login at {provider} has ended ({why}); run `restante fetch auth login {account}`")]
    Dead {
        /// Whose login.
        account: String,
        /// Where.
        provider: String,
        /// What the provider says.
        why: String,
    },
    /// Nobody has logged in yet.
    #[error("nobody has logged in at {provider}; run `restante fetch auth login {account}`")]
    NoLogin {
        /// Whose login.
        account: String,
        /// Where.
        provider: String,
    },
    /// What is kept belongs to another provider or client id than the configuration says now.
    #[error(
        "the login that is kept is not one at {provider} with this client id; run `restante fetch auth login {account}`"
    )]
    OtherProvider {
        /// Whose login.
        account: String,
        /// What the configuration says.
        provider: String,
    },
    /// What is kept cannot be read as a login.
    #[error("{file} holds no login; run `restante fetch auth login {account}`")]
    Damaged {
        /// Whose login.
        account: String,
        /// Where it is kept.
        file: String,
    },
    /// The person, or who decides for him, said no.
    #[error("the login was refused: {0}")]
    Denied(String),
    /// Nobody logged in while the provider, or we, waited.
    #[error("nobody logged in in time; begin again")]
    Expired,
    /// The provider does not want us, or not so: the configuration is wrong.
    #[error("the provider refuses the request: {0}")]
    Refused(String),
    /// The provider cannot serve this now; may pass by itself.
    #[error("the provider cannot serve this now: {0}")]
    NotNow(String),
    /// No reply that can be used.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A reply that OAuth does not have; may pass by itself, since something in between may have sent it.
    #[error("the reply is not one of OAuth ({0})")]
    NotOauth(String),
    /// The address that the browser ended at belongs to another login.
    #[error("that is not the answer to this login ({0}); begin again")]
    NotOurs(&'static str),
    /// No code for another device can be had there.
    #[error("{0}")]
    NoDeviceFlow(&'static str),
    /// The browser cannot come back to us.
    #[error("cannot wait for the browser at {at}: {source}")]
    Listen {
        /// Where.
        at: String,
        /// What the system says.
        source: io::Error,
    },
    /// There is no login to keep or to end: a command gives the tokens.
    #[error("the tokens come from a command; log in and out by the program behind it")]
    OfACommand,
    /// The pasted text could not be read.
    #[error("nothing was pasted: {0}")]
    NotPasted(#[source] io::Error),
    /// Something that must be text is not.
    #[error("{0} is no text")]
    NotText(&'static str),
    /// A secret, or where tokens are kept.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl OauthError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotNow(_) | Self::NotOauth(_) => true,
            Self::Http(error) => error.may_pass(),
            Self::Secret(error) => error.may_pass(),
            _ => false,
        }
    }

    /// Whether a person must log in (again).
    pub fn needs_login(&self) -> bool {
        matches!(
            self,
            Self::Dead { .. }
                | Self::NoLogin { .. }
                | Self::OtherProvider { .. }
                | Self::Damaged { .. }
        )
    }
}

/// What came of asking for a token, when none came.
#[derive(Debug)]
pub(super) enum Answer {
    /// `invalid_grant` and its kin: what was shown is not good, or not any more.
    Ended(String),
    /// Anything else.
    Other(OauthError),
}

impl Answer {
    /// What the provider, or our own side, says.
    pub(super) fn of<T>(error: RequestTokenError<HttpError, StandardErrorResponse<T>>) -> Self
    where
        T: ErrorResponseType + std::fmt::Display + 'static,
    {
        Self::Other(match error {
            RequestTokenError::ServerResponse(response) => {
                let code = response.error().to_string();
                let told = told(&code, response.error_description());
                match code.as_str() {
                    // The first is RFC 6749 §5.2; the others are OpenID Connect's (§3.1.2.6), sent here too.
                    "invalid_grant"
                    | "interaction_required"
                    | "login_required"
                    | "consent_required" => return Self::Ended(told),
                    "access_denied" | "authorization_declined" => OauthError::Denied(told),
                    "expired_token" => OauthError::Expired,
                    "temporarily_unavailable" | "server_error" | "slow_down" => {
                        OauthError::NotNow(told)
                    }
                    _ => OauthError::Refused(told),
                }
            }
            RequestTokenError::Request(error) => error.into(),
            // The text itself may hold tokens, so only the place is told.
            RequestTokenError::Parse(error, _) => {
                OauthError::NotOauth(format!("at {}", shown(&error.path().to_string())))
            }
            RequestTokenError::Other(why) => OauthError::NotOauth(shown(&why)),
        })
    }

    /// Where a login cannot have ended yet, it was refused.
    pub(super) fn refused(self) -> OauthError {
        match self {
            Self::Ended(why) => OauthError::Refused(why),
            Self::Other(error) => error,
        }
    }
}

/// A code and its explanation, for people.
pub(super) fn told(code: &str, explanation: Option<&String>) -> String {
    match explanation {
        Some(explanation) => format!("{}: {}", shown(code), shown(explanation)),
        None => shown(code),
    }
}

/// A stranger's text on one line, without what would move a terminal's cursor, and not too long.
pub(super) fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = words.chars().filter(|it| !it.is_control());
    plain.take(TOLD_CHARACTERS_MAX).collect()
}
