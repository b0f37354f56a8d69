//! A claim to be checked: who somebody says they are, and what they show for it.

use crate::Secret;
use crate::scram::Verifier;

/// What a session asks the server to verify. Made by USER/PASS, APOP and the SASL mechanisms.
///
/// `authzid` is for whom the user wants to act, if another name was given (RFC 4422 §3.4.1); who
/// may act for whom is decided where the login is checked.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user name and a password in clear (USER/PASS, PLAIN, LOGIN).
    Password {
        /// The name as it was sent.
        user: String,
        /// For whom.
        authzid: Option<String>,
        /// The password as it was sent.
        secret: Secret,
    },
    /// A digest over the greeting's timestamp (RFC 1939 §7, APOP).
    Apop {
        /// The name as it was sent.
        user: String,
        /// The greeting's timestamp, angle brackets included.
        timestamp: String,
        /// What the client computed: MD5(timestamp ‖ secret).
        digest: [u8; 16],
    },
    /// A keyed digest over a challenge (RFC 2195, CRAM-MD5).
    CramMd5 {
        /// The name as it was sent.
        user: String,
        /// The challenge, angle brackets included.
        challenge: String,
        /// What the client computed: HMAC-MD5(secret, challenge).
        digest: [u8; 16],
    },
    /// SCRAM has proved that the password of this verifier is known. What is left to check is that
    /// the verifier is still that of the account, and that the account may log in.
    Proved {
        /// The name, prepared (RFC 4013).
        user: String,
        /// For whom.
        authzid: Option<String>,
        /// What was proved to belong to the password.
        verifier: Box<Verifier>,
    },
    /// A proof of SCRAM was wrong. It is a login as any other that fails.
    Disproved {
        /// The name, prepared (RFC 4013).
        user: String,
    },
    /// A certificate has shown who it is (EXTERNAL).
    External {
        /// The name that the certificate stands for.
        user: String,
        /// For whom.
        authzid: Option<String>,
    },
    /// A token of an authorisation server (OAUTHBEARER, XOAUTH2).
    Token {
        /// The name that the client gives with it. The token alone says who it is; a name that does
        /// not fit must be refused.
        user: Option<String>,
        /// The token. Empty if the client only asks what kind of token is wanted (RFC 7628 §4.3).
        token: Secret,
        /// The host that the client thinks it has connected to (RFC 7628 §3.1).
        host: Option<String>,
        /// The port likewise.
        port: Option<u16>,
    },
}

impl Login {
    /// The login of somebody who acts for nobody else.
    pub fn password(user: impl Into<String>, secret: Secret) -> Self {
        Self::Password {
            user: user.into(),
            authzid: None,
            secret,
        }
    }

    /// The name that is claimed; empty only if a token alone must say it.
    pub fn user(&self) -> &str {
        match self {
            Self::Password { user, .. }
            | Self::Apop { user, .. }
            | Self::CramMd5 { user, .. }
            | Self::Proved { user, .. }
            | Self::Disproved { user }
            | Self::External { user, .. } => user,
            Self::Token { user, .. } => user.as_deref().unwrap_or_default(),
        }
    }

    /// The same claim under another name: every name in it goes through `other`.
    pub fn rename(&mut self, other: impl Fn(&str) -> String) {
        match self {
            Self::Password { user, authzid, .. }
            | Self::Proved { user, authzid, .. }
            | Self::External { user, authzid } => {
                *user = other(user);
                if let Some(authzid) = authzid {
                    *authzid = other(authzid);
                }
            }
            Self::Apop { user, .. } | Self::CramMd5 { user, .. } | Self::Disproved { user } => {
                *user = other(user);
            }
            Self::Token { user, .. } => {
                if let Some(user) = user {
                    *user = other(user);
                }
            }
        }
    }

    /// For whom the user wants to act, if that was said.
    pub fn authzid(&self) -> Option<&str> {
        match self {
            Self::Password { authzid, .. }
            | Self::Proved { authzid, .. }
            | Self::External { authzid, .. } => authzid.as_deref(),
            Self::Apop { .. }
            | Self::CramMd5 { .. }
            | Self::Disproved { .. }
            | Self::Token { .. } => None,
        }
    }
}
