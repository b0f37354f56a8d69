//! What a login gave: tokens, and until when. This is what is kept, as JSON.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oauth2::TokenResponse as _;
use oauth2::basic::{BasicTokenResponse, BasicTokenType};
use sasl::Secret;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::OauthError;
use super::provider::Provider;

/// An access token is replaced this long before its end, so that it does not end within a session.
const MARGIN: Duration = Duration::from_secs(300);

/// What is assumed when the provider does not say how long a token is good.
const LIFETIME: Duration = Duration::from_secs(3600);

/// What a login gave.
#[derive(Serialize, Deserialize)]
pub(super) struct Grant {
    provider: String,
    /// Where the refresh token may be sent, and as whose: nowhere else, whatever the configuration says later.
    token_endpoint: String,
    client_id: String,
    refresh_token: Option<String>,
    access_token: String,
    /// Seconds since 1970.
    obtained_at: u64,
    /// Seconds since 1970.
    expires_at: u64,
    scope: Option<String>,
    /// When the provider said that the login has ended, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Ended {
    at: u64,
    why: String,
}

/// A login that succeeded and is not kept yet: see [`Tokens::log_in`](super::Tokens::log_in).
#[derive(Debug)]
pub struct Login(pub(super) Grant);

/// What is known about a login.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// Where.
    pub provider: String,
    /// When the access token was given.
    pub obtained: SystemTime,
    /// Until when it is good.
    pub expires: SystemTime,
    /// Whether a new one can be had without a person.
    pub has_refresh_token: bool,
    /// What may be done with it, if the provider says.
    pub scope: Option<String>,
    /// When the provider said that the login has ended, and how: a person must log in again.
    pub ended: Option<(SystemTime, String)>,
}

impl Grant {
    /// What a provider answered. Without a refresh token of its own it goes on with the `previous` one's.
    pub(super) fn of(
        provider: &Provider,
        answer: &BasicTokenResponse,
        previous: Option<&Self>,
    ) -> Result<Self, OauthError> {
        if *answer.token_type() != BasicTokenType::Bearer {
            return Err(OauthError::NotOauth(
                "the token is no bearer token".to_owned(),
            ));
        }
        let access = answer.access_token().secret();
        // What a mechanism can carry (RFC 6750 §2.1 allows less).
        if access.is_empty() || !access.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(OauthError::NotOauth("the token is no token".to_owned()));
        }
        let now = now();
        let lifetime = answer.expires_in().unwrap_or(LIFETIME).as_secs();
        let refresh_token = match answer.refresh_token() {
            Some(fresh) => Some(fresh.secret().clone()),
            None => previous.and_then(|it| it.refresh_token.clone()),
        };
        let scope = answer.scopes().map(|scopes| {
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
            scopes.join(" ")
        });
        let grant = Self {
            provider: provider.name().to_owned(),
            token_endpoint: provider.token().as_str().to_owned(),
            client_id: provider.settings().client_id.clone(),
            refresh_token,
            access_token: access.clone(),
            obtained_at: now,
            expires_at: now.saturating_add(lifetime),
            scope: scope.or_else(|| previous.and_then(|it| it.scope.clone())),
            ended: None,
        };
        Ok(grant)
    }

    pub(super) fn of_json(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // As many octets as it can need, for a buffer that grows leaves secrets behind.
        let tokens = self.access_token.len() + self.refresh_token.as_ref().map_or(0, String::len);
        let mut text = Zeroizing::new(Vec::with_capacity(2 * tokens + 8192));
        serde_json::to_writer_pretty(&mut *text, self).expect("it has string keys only");
        text.push(b'\n');
        text
    }

    /// Whether it was given by this provider to this client.
    pub(super) fn is_of(&self, provider: &Provider) -> bool {
        self.token_endpoint == provider.token().as_str()
            && self.client_id == provider.settings().client_id
    }

    /// Whether the access token is good for the time of a session. One that lives shorter than that is used
    /// for half of its life, lest every access be a refresh.
    pub(super) fn is_fresh(&self) -> bool {
        let now = now();
        let lifetime = self.expires_at.saturating_sub(self.obtained_at);
        let margin = MARGIN.as_secs().min(lifetime / 2);
        // A clock that went back says nothing about how old the token is.
        self.ended.is_none()
            && self.obtained_at <= now
            && now.saturating_add(margin) < self.expires_at
    }

    pub(super) fn access(&self) -> Secret {
        Secret::new(self.access_token.as_bytes())
    }

    pub(super) fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_deref()
    }

    /// The token to give back: with the refresh token all of them end (RFC 7009 §2.1).
    pub(super) fn to_revoke(&self) -> (&str, &'static str) {
        match &self.refresh_token {
            Some(token) => (token, "refresh_token"),
            None => (&self.access_token, "access_token"),
        }
    }

    /// Writes down that the provider has ended it.
    pub(super) fn end(&mut self, why: &str) {
        self.ended = Some(Ended {
            at: now(),
            why: why.to_owned(),
        });
    }

    pub(super) fn status(&self) -> Status {
        let time = |seconds| {
            let since = Duration::from_secs(seconds);
            UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
        };
        let ended = self.ended.as_ref();
        Status {
            provider: self.provider.clone(),
            obtained: time(self.obtained_at),
            expires: time(self.expires_at),
            has_refresh_token: self.refresh_token.is_some(),
            scope: self.scope.clone(),
            ended: ended.map(|ended| (time(ended.at), ended.why.clone())),
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}
