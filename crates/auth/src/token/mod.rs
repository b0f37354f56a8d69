//! Whom an access token speaks for: JWTs of one issuer, by a file of its keys.
//!
//! OAUTHBEARER (RFC 7628) and XOAUTH2 bring a bearer token instead of a password. Here it must be a
//! JWT (RFC 7519) that an issuer has signed with a key of its key set (RFC 7517), for this service,
//! with the scope that stands for mail, not expired: the profile of RFC 9068. One claim of it names
//! the account. Which algorithms count, and what else is refused, follows RFC 8725.
//!
//! Nothing here speaks to a network or reads a clock.
//!
//! ```
//! use std::time::SystemTime;
//! use auth::{TokenError, TokenSettings, TokenVerifier};
//! use sasl::Secret;
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let jwks = directory.path().join("jwks.json");
//! # std::fs::write(&jwks, br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026",
//! #     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#).unwrap();
//! let verifier = TokenVerifier::open(TokenSettings {
//!     jwks,
//!     issuer: "https://id.dobbs.org/realms/mail".into(),
//!     audience: "pop3".into(),
//!     scope: "mail".into(),
//!     account_claim: "sub".into(),
//!     openid_configuration: None,
//! })?;
//! // {"alg":"none"}, {"sub":"bob"}, and no signature.
//! let forged = Secret::new("eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.");
//! let error = verifier.verify(&forged, SystemTime::now()).unwrap_err();
//! assert_eq!(error, TokenError::Header);
//! // What the client is told beside its being refused, so that it can get a better one.
//! assert_eq!(verifier.hints().scope.as_deref(), Some("mail"));
//! # Ok::<(), auth::JwksError>(())
//! ```

mod claims;
mod error;
mod file;
mod keys;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{AlgorithmFamily, Header, Validation, decode, decode_header};
use sasl::Secret;
use sasl::oauth::Hints;
use serde_json::{Map, Value};

use crate::name::AccountName;

pub use claims::TOKEN_LEEWAY;
pub use error::{JwksError, TokenError};
pub use file::JWKS_OCTETS_MAX;

/// The most octets that a token may have; those of large issuers have 2 to 4 KiB.
pub const TOKEN_OCTETS_MAX: usize = 16 << 10;

/// What a token must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSettings {
    /// The file with the issuer's key set.
    pub jwks: PathBuf,
    /// `iss`, octet for octet.
    pub issuer: String,
    /// `aud`, or one of several.
    pub audience: String,
    /// Every word of it must be in the token's scope.
    pub scope: String,
    /// The claim that names the account. With `email` the token must say that it is verified.
    pub account_claim: String,
    /// What a refused client is told of where to get a token.
    pub openid_configuration: Option<String>,
}

/// Whom a token speaks for. That the account exists and is enabled is not said yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenIdentity {
    /// The account that the token names; a name that the client sent beside it must be the same.
    pub account: AccountName,
    /// When the token ends, without leeway.
    pub expires: SystemTime,
}

/// Checks tokens of one issuer.
pub struct TokenVerifier {
    settings: TokenSettings,
    keys: file::KeyFile,
}

impl TokenVerifier {
    /// Reads the key set.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or has no key that can be used.
    pub fn open(settings: TokenSettings) -> Result<Self, JwksError> {
        let keys = file::KeyFile::open(&settings.jwks)?;
        Ok(Self { settings, keys })
    }

    /// Whom the token speaks for at this moment.
    ///
    /// Takes one `stat`, and a tenth of a millisecond for the signature; a key set that has changed
    /// is read first.
    ///
    /// # Errors
    ///
    /// [`TokenError`], for the log; the client gets [`Self::hints`].
    pub fn verify(&self, token: &Secret, now: SystemTime) -> Result<TokenIdentity, TokenError> {
        let token = token.expose();
        if token.len() > TOKEN_OCTETS_MAX {
            return Err(TokenError::TooLong);
        }
        if !is_compact(token) {
            return Err(TokenError::Shape);
        }
        let header = decode_header(token).map_err(|_| TokenError::Header)?;
        check_header(&header)?;
        let keys = self.keys.current();
        let key = keys.select(header.kid.as_deref(), header.alg)?;
        let verified = decode::<Map<String, Value>>(token, key, &signature_only(&header));
        let claims = verified
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Signature,
                // What else can be wrong now is base64 or JSON.
                _ => TokenError::Shape,
            })?
            .claims;
        claims::check(&claims, &self.settings, now)
    }

    /// What a client is told whose token was refused (RFC 7628 §3.2.2).
    pub fn hints(&self) -> Hints {
        Hints {
            scope: Some(self.settings.scope.clone()),
            openid_configuration: self.settings.openid_configuration.clone(),
        }
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Three parts of base64url. Five would be encrypted (RFC 7516).
fn is_compact(token: &[u8]) -> bool {
    let is_part = |part: &[u8]| {
        part.iter()
            .all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(octet))
    };
    token.split(|&octet| octet == b'.').count() == 3
        && token.split(|&octet| octet == b'.').all(is_part)
}

fn check_header(header: &Header) -> Result<(), TokenError> {
    // `jwk`, `jku` and `x5u` would bring keys of the sender's choice: nothing reads them.
    if header.crit.is_some() {
        return Err(TokenError::Critical);
    }
    if header.alg.family() == AlgorithmFamily::Hmac {
        return Err(TokenError::Algorithm);
    }
    // RFC 9068 §4 wants at+jwt only, but issuers send `JWT`, or nothing, unless told otherwise.
    // What keeps an ID token out then is that it has another audience and no scope.
    let kinds = ["at+jwt", "application/at+jwt", "JWT"];
    match &header.typ {
        Some(kind) if !kinds.iter().any(|known| known.eq_ignore_ascii_case(kind)) => {
            Err(TokenError::Kind)
        }
        _ => Ok(()),
    }
}

/// The library checks the signature; claims are checked here, where time is an argument, `iss` must
/// be one text, and an error names the claim.
fn signature_only(header: &Header) -> Validation {
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}
