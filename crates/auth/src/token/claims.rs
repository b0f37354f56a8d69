//! What a token whose signature is right must claim (RFC 7519 §4.1, RFC 9068 §4).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::name::AccountName;

use super::error::TokenError;
use super::{TokenIdentity, TokenSettings};

/// How far the clocks of issuer and server may be apart (RFC 7519 §4.1.4: a few minutes at most).
///
/// Machines that keep time by NTP are within a second; this is for those that do not quite.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(60);

/// Holds the claims against what is asked for, the scope last.
pub(super) fn check(
    claims: &Map<String, Value>,
    wanted: &TokenSettings,
    now: SystemTime,
) -> Result<TokenIdentity, TokenError> {
    if text(claims, "iss")? != wanted.issuer {
        return Err(TokenError::Issuer);
    }
    if !words(claims, "aud")?.contains(&wanted.audience.as_str()) {
        return Err(TokenError::Audience);
    }
    let expires = lifetime(claims, now)?;
    // RFC 7800 §3.1: sender-constrained by DPoP (RFC 9449) or mutual TLS (RFC 8705).
    if claims.contains_key("cnf") {
        return Err(TokenError::Bound);
    }
    let account = account(claims, &wanted.account_claim)?;
    let granted = scopes(claims)?;
    if !wanted
        .scope
        .split_ascii_whitespace()
        .all(|scope| granted.contains(&scope))
    {
        return Err(TokenError::Scope);
    }
    Ok(TokenIdentity { account, expires })
}

/// Whether the token counts at this moment, and until when it does.
fn lifetime(claims: &Map<String, Value>, now: SystemTime) -> Result<SystemTime, TokenError> {
    // A clock that stands before 1970 makes every token one of the future.
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = date(claims, "exp")?.ok_or_else(|| TokenError::Claim("exp".into()))?;
    if now >= end.saturating_add(TOKEN_LEEWAY) {
        return Err(TokenError::Expired);
    }
    // RFC 7519 asks nothing of `iat`. But a token that was issued tomorrow says that our clock went
    // back, and then an `exp` that is long past would look good.
    for name in ["nbf", "iat"] {
        if date(claims, name)?.is_some_and(|start| start > now.saturating_add(TOKEN_LEEWAY)) {
            return Err(TokenError::Early);
        }
    }
    UNIX_EPOCH
        .checked_add(end)
        .ok_or_else(|| TokenError::Claim("exp".into()))
}

fn account(claims: &Map<String, Value>, claim: &str) -> Result<AccountName, TokenError> {
    let name = text(claims, claim)?;
    // Not there is not verified either: issuers are known that let users write any address there
    // and say nothing about it.
    if claim == "email" && claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err(TokenError::Unverified);
    }
    AccountName::parse(name).map_err(TokenError::Account)
}

/// What the user has allowed: `scope` (RFC 8693 §4.2), or `scp` as some issuers call it.
fn scopes(claims: &Map<String, Value>) -> Result<Vec<&str>, TokenError> {
    let name = match (claims.contains_key("scope"), claims.contains_key("scp")) {
        (false, true) => "scp",
        (true, _) => "scope",
        (false, false) => return Ok(Vec::new()),
    };
    let lists = words(claims, name)?;
    Ok(lists
        .into_iter()
        .flat_map(str::split_ascii_whitespace)
        .collect())
}

/// A claim that must be a text.
fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<&'c str, TokenError> {
    claims
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| TokenError::Claim(name.to_owned()))
}

/// A claim that must be a text or a list of texts.
fn words<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<Vec<&'c str>, TokenError> {
    let words = match claims.get(name) {
        Some(Value::String(word)) => Some(vec![word.as_str()]),
        Some(Value::Array(words)) => words.iter().map(Value::as_str).collect(),
        _ => None,
    };
    words.ok_or_else(|| TokenError::Claim(name.to_owned()))
}

/// A NumericDate (RFC 7519 §2): seconds since 1970, maybe with a fraction.
fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<Duration>, TokenError> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    value
        .as_f64()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(Some)
        .ok_or_else(|| TokenError::Claim(name.to_owned()))
}
