//! The verifier and an issuer that signs what it should not.

mod claims;
pub(crate) mod issuer;
mod keys;
mod replaced;
mod shape;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sasl::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::issuer::{Key, base64url, hs256, message, set};
use super::*;
use crate::name::NameError;

pub(crate) const ISSUER: &str = "https://id.dobbs.org/realms/mail";
/// 2026-11-26 00:00 UTC: the moment of every test.
const NOW: u64 = 1_795_651_200;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn settings(jwks: &Path) -> TokenSettings {
    TokenSettings {
        jwks: jwks.to_owned(),
        issuer: ISSUER.into(),
        audience: "pop3".into(),
        scope: "mail".into(),
        account_claim: "email".into(),
        openid_configuration: Some(format!("{ISSUER}/.well-known/openid-configuration")),
    }
}

fn good() -> Value {
    json!({
        "iss": ISSUER,
        "aud": "pop3",
        "sub": "4f2c8a6e-0b1d-4c3e-9f57-2a6d8e1b7c90",
        "email": "MRose@dobbs.org",
        "email_verified": true,
        "scope": "openid mail profile",
        "iat": NOW - 10,
        "nbf": NOW - 10,
        "exp": NOW + 300,
    })
}

/// The good claims with one of them different; null: without it.
fn with(claim: &str, value: Value) -> Value {
    let mut claims = good();
    let members = claims.as_object_mut().unwrap();
    members.remove(claim);
    if !value.is_null() {
        members.insert(claim.into(), value);
    }
    claims
}

/// A verifier that knows some keys; the directory lives as long as it does.
struct Bench {
    _directory: TempDir,
    verifier: TokenVerifier,
}

impl Bench {
    fn with(jwks: &str, change: impl FnOnce(&mut TokenSettings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jwks.json");
        std::fs::write(&file, jwks).unwrap();
        let mut settings = settings(&file);
        change(&mut settings);
        let verifier = TokenVerifier::open(settings).unwrap();
        Self {
            _directory: directory,
            verifier,
        }
    }

    fn knowing(keys: &[&Key]) -> Self {
        Self::with(&set(keys), |_| {})
    }

    fn verify(&self, token: &str) -> Result<TokenIdentity, TokenError> {
        self.verifier.verify(&Secret::new(token), now())
    }

    fn account(&self, token: &str) -> Result<String, TokenError> {
        self.verify(token)
            .map(|identity| identity.account.to_string())
    }
}
