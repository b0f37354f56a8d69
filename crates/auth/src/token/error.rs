//! Why a token was not believed.
//!
//! [`TokenError`] is for the log of the operator, who must find out which of two systems is set up
//! wrongly. Its text says which rule was broken and never what was in the token. What its sender is
//! told is made in [`sasl::oauth`].

use std::io;

use crate::name::NameError;

use super::{JWKS_OCTETS_MAX, TOKEN_OCTETS_MAX};

/// Why a token was refused. No variant holds anything that opens an account.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// More than [`TOKEN_OCTETS_MAX`] octets.
    #[error("the token has more than {TOKEN_OCTETS_MAX} octets")]
    TooLong,
    /// Not three parts in base64url (RFC 7515 §7.1): encrypted, opaque, or no token at all.
    #[error("this is not a signed JWT: three parts of base64url with dots between")]
    Shape,
    /// The header is not one that we know, or names an algorithm that is none (RFC 7515 §4).
    #[error("the header of the token cannot be read, or its algorithm is unknown, or none")]
    Header,
    /// `typ` is that of another kind of JWT (RFC 8725 §3.11).
    #[error("the token is not an access token: its typ must be at+jwt or JWT")]
    Kind,
    /// The header says that it must be understood in full, and it is not (RFC 7515 §4.1.11).
    #[error("the token has critical header parameters, and none is understood here")]
    Critical,
    /// HMAC, or an algorithm that the key is not for (RFC 8725 §3.1).
    #[error("the algorithm of the token is not one that the key may be used with")]
    Algorithm,
    /// No usable key has the `kid` of the token, or more than one has.
    #[error("no usable key of the key set has the kid of the token")]
    UnknownKey,
    /// The token does not say which of several keys has signed it.
    #[error("the token has no kid, and more than one key of the key set could have signed it")]
    NoKeyNamed,
    /// Signed by somebody else, or changed since.
    #[error("the signature is wrong")]
    Signature,
    /// A claim that must be there is missing, or one is not of its kind.
    #[error("the claim {0:?} is missing, or is not what it must be")]
    Claim(String),
    /// Another issuer's (RFC 7519 §4.1.1).
    #[error("the token is from another issuer")]
    Issuer,
    /// Meant for another service (RFC 7519 §4.1.3).
    #[error("the token is for another audience")]
    Audience,
    /// Too old (RFC 7519 §4.1.4).
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future (RFC 7519 §4.1.5): one of two clocks is wrong.
    #[error("the token counts only later: it, or the clock of this machine, is ahead of its time")]
    Early,
    /// Of use only with a proof of possession (RFC 7800), which POP3 has no way to give.
    #[error("the token is bound to a key of its client, and a proof cannot be given here")]
    Bound,
    /// The address is what the user says, and nobody has checked it.
    #[error("the token does not say that the e-mail address is verified (email_verified)")]
    Unverified,
    /// The claim that names the account does not.
    #[error("the claim that names the account is not an account name: {0}")]
    Account(NameError),
    /// Everything is right, but mail was not what the user has allowed (RFC 6750 §3.1).
    #[error("the token does not have the scope that is asked for")]
    Scope,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// It is not there, or cannot be read.
    #[error("the key set cannot be read")]
    Unreadable(#[source] io::Error),
    /// A directory, a device or a pipe.
    #[error("the key set is not a file")]
    NotAFile,
    /// Whoever may write here may log in as anybody.
    #[error("the key set can be written by everybody (chmod o-w)")]
    Writable,
    /// More than [`JWKS_OCTETS_MAX`] octets.
    #[error("the key set has more than {JWKS_OCTETS_MAX} octets")]
    TooLong,
    /// Not JSON, or without the member `keys` (RFC 7517 §5).
    #[error(
        "the key set is not JSON with a list \"keys\" (RFC 7517): line {line}, column {column}"
    )]
    Malformed {
        /// Counted from 1; 0 when it is JSON of another shape.
        line: usize,
        /// Counted from 1, in octets; 0 when it is JSON of another shape.
        column: usize,
    },
    /// There is no public key in it that could have signed a token.
    #[error(
        "the key set has no key that can be used: RSA of 2048 to 8192 bits, P-256, P-384 or Ed25519, for signatures"
    )]
    NoKey,
}
