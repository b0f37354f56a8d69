//! The part that the two ways by a browser share: an address to open, what it comes back with, and tokens for that.
//!
//! The code is bound to us by PKCE with SHA-256 (RFC 7636), the answer to the question by `state` (RFC 6749 §10.12).

use oauth2::url::form_urlencoded;
use oauth2::{AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use sasl::Secret;

use super::OauthError;
use super::error::{Answer, told};
use super::grant::{Grant, Login};
use super::http::Http;
use super::provider::Provider;

/// A login that a browser has to go through.
pub(super) struct Question<'provider> {
    provider: &'provider Provider,
    redirect: RedirectUrl,
    verifier: PkceCodeVerifier,
    state: CsrfToken,
    /// What the browser opens.
    pub(super) address: String,
}

/// What a browser came back with.
#[derive(Debug)]
pub(super) enum Reply {
    /// What tokens are given for.
    Code(Secret),
    /// The person, or the provider, said no.
    Denied(String),
}

impl<'provider> Question<'provider> {
    pub(super) fn new(provider: &'provider Provider, redirect: &str) -> Result<Self, OauthError> {
        let redirect = RedirectUrl::new(redirect.to_owned())
            .map_err(|_| OauthError::Refused("the redirect is no address".to_owned()))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let asker = provider.asker()?.set_auth_uri(provider.authorize().clone());
        let mut request = asker
            .authorize_url(CsrfToken::new_random)
            .set_redirect_uri(std::borrow::Cow::Borrowed(&redirect))
            .set_pkce_challenge(challenge)
            .add_scopes(provider.scopes());
        for (name, value) in &provider.settings().extra {
            request = request.add_extra_param(name, value);
        }
        if let Some(hint) = &provider.settings().login_hint {
            request = request.add_extra_param("login_hint", hint);
        }
        let (address, state) = request.url();
        Ok(Self {
            provider,
            redirect,
            verifier,
            state,
            address: address.to_string(),
        })
    }

    /// Reads the query of the address that the browser came back to. `State::Needed` where only a browser can have
    /// brought it; whoever pastes may have left it out.
    pub(super) fn reply(&self, query: &str, state: State) -> Result<Reply, OauthError> {
        let one = |name: &str| {
            let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(it, _)| it == name);
            match (all.next(), all.next()) {
                (Some(_), Some(_)) => Err(OauthError::NotOurs("a parameter comes twice")),
                (first, _) => Ok(first.map(|(_, value)| value.into_owned())),
            }
        };
        let ours = Secret::new(self.state.secret().as_bytes());
        match one("state")? {
            Some(theirs) if Secret::new(theirs.as_bytes()) == ours => {}
            None if state == State::IfThere => {}
            _ => return Err(OauthError::NotOurs("its state is another one")),
        }
        if let Some(code) = one("error")? {
            return Ok(Reply::Denied(told(
                &code,
                one("error_description")?.as_ref(),
            )));
        }
        match one("code")? {
            Some(code) if !code.is_empty() => Ok(Reply::Code(Secret::new(code))),
            _ => Err(OauthError::NotOurs("it has no code")),
        }
    }

    /// Tokens for what the browser came back with.
    pub(super) fn settle(self, reply: Reply) -> Result<Login, OauthError> {
        let code = match reply {
            Reply::Code(code) => code,
            Reply::Denied(why) => return Err(OauthError::Denied(why)),
        };
        let code =
            std::str::from_utf8(code.expose()).map_err(|_| OauthError::NotText("the code"))?;
        let http = Http::new(self.provider)?;
        let asker = self.provider.asker()?.set_redirect_uri(self.redirect);
        let answer = asker
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(self.verifier)
            .request(&|request| http.send(request))
            .map_err(|error| Answer::of(error).refused())?;
        Grant::of(self.provider, &answer, None).map(Login)
    }
}

/// Whether an answer must say to which question it belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    Needed,
    IfThere,
}
