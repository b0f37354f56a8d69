//! The login of an account: kept, refreshed, and asked for a token whenever one is needed.
//!
//! Only who holds the lock asks for new tokens, and he looks first whether another process has just done
//! it. What he gets is durable before it is used.

use std::path::Path;
use std::time::Duration;

use oauth2::basic::BasicTokenResponse;
use oauth2::url::{Url, form_urlencoded};
use oauth2::{RefreshToken, http};
use sasl::Secret;

use super::OauthError;
use super::error::Answer;
use super::grant::{Grant, Login, Status};
use super::http::Http;
use super::provider::Provider;
use crate::secret::{Command, Kept};

/// For another process to get its tokens: longer than a reply may take.
const LOCK_TIMEOUT: Duration = Duration::from_secs(90);

/// Where an account's tokens come from.
#[derive(Debug)]
pub struct Tokens {
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Login(Box<Keeping>),
    Command(Command),
}

/// A login that is kept.
#[derive(Debug)]
struct Keeping {
    account: String,
    provider: Provider,
    kept: Kept,
    /// The token that was given out last: what `force_refresh` is about.
    given: Option<Secret>,
}

/// What came of logging out. The tokens are deleted here whichever it is.
#[derive(Debug)]
pub enum LoggedOut {
    /// There was nothing.
    NoLogin,
    /// The provider has ended the login too.
    Revoked,
    /// The provider knows no way to end it; a person can do so in his account there.
    NotRevocable,
    /// The provider was asked to end it and did not say that it has.
    NotRevoked(OauthError),
}

impl Tokens {
    /// The login of an account, kept below this directory. Nothing is read yet.
    pub fn open(directory: &Path, account: &str, provider: &Provider) -> Self {
        Self {
            origin: Origin::Login(Box::new(Keeping {
                account: account.to_owned(),
                provider: provider.clone(),
                kept: Kept::new(directory, account),
                given: None,
            })),
        }
    }

    /// Tokens that another program looks after, such as `oama access me@example.org`. None is kept.
    pub fn of_command(command: Command) -> Self {
        Self {
            origin: Origin::Command(command),
        }
    }

    /// Where they are kept; none where another program looks after them.
    pub fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Login(keeping) => Some(keeping.kept.file()),
            Origin::Command(_) => None,
        }
    }

    /// An access token. `force_refresh` asks for another one than the last, which a server has refused although it
    /// should be good.
    ///
    /// # Errors
    ///
    /// See [`OauthError`]; [`OauthError::Dead`] when a person must log in again.
    pub fn access(&mut self, force_refresh: bool) -> Result<Secret, OauthError> {
        match &mut self.origin {
            Origin::Login(login) => login.access(force_refresh),
            Origin::Command(command) => Ok(command.run()?),
        }
    }

    /// Keeps what a person's login gave, in place of what was there.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or the tokens come from a command.
    pub fn log_in(&mut self, login: Login) -> Result<(), OauthError> {
        let keeping = self.keeping()?;
        keeping.given = None;
        let held = keeping.kept.hold(LOCK_TIMEOUT)?;
        held.reserve()?.keep(&login.0.to_json())?;
        Ok(())
    }

    /// What is known about the login; none where nobody has logged in, or where a command gives the tokens.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn status(&self) -> Result<Option<Status>, OauthError> {
        match &self.origin {
            Origin::Login(keeping) => Ok(keeping.read()?.map(|grant| grant.status())),
            Origin::Command(_) => Ok(None),
        }
    }

    /// Ends the login: deletes the tokens, and asks the provider to end it too (RFC 7009).
    ///
    /// # Errors
    ///
    /// When they cannot be deleted, or come from a command.
    pub fn log_out(&mut self) -> Result<LoggedOut, OauthError> {
        let keeping = self.keeping()?;
        keeping.given = None;
        let held = keeping.kept.hold(LOCK_TIMEOUT)?;
        // What is damaged is deleted all the same.
        let grant = keeping.read().unwrap_or_default();
        let there = held.delete()?;
        match grant {
            Some(grant) => Ok(keeping.revoke(&grant)),
            None if there => Ok(LoggedOut::NotRevocable),
            None => Ok(LoggedOut::NoLogin),
        }
    }

    fn keeping(&mut self) -> Result<&mut Keeping, OauthError> {
        match &mut self.origin {
            Origin::Login(keeping) => Ok(keeping),
            Origin::Command(_) => Err(OauthError::OfACommand),
        }
    }
}

impl Keeping {
    fn access(&mut self, force_refresh: bool) -> Result<Secret, OauthError> {
        let mut grant = self.ours()?;
        // Another process may have refreshed what was refused.
        let refused = |grant: &Grant| match (force_refresh, &self.given) {
            (false, _) => false,
            (true, Some(given)) => grant.access() == *given,
            (true, None) => true,
        };
        if !grant.is_fresh() || refused(&grant) {
            grant = self.refreshed(&grant)?;
        }
        let access = grant.access();
        self.given = Some(access.clone());
        Ok(access)
    }

    /// New tokens in place of `seen`, from the provider or from who was faster.
    fn refreshed(&self, seen: &Grant) -> Result<Grant, OauthError> {
        let held = self.kept.hold(LOCK_TIMEOUT)?;
        let mut grant = self.ours()?;
        if grant.is_fresh() && grant.access() != seen.access() {
            return Ok(grant);
        }
        // Taken before the provider is asked: what it gives may be the only thing that is good from then on.
        let room = held.reserve()?;
        let answer = match self.ask(&grant) {
            Ok(answer) => answer,
            Err(Answer::Other(error)) => return Err(error),
            Err(Answer::Ended(why)) => {
                grant.end(&why);
                room.keep(&grant.to_json())?;
                return Err(OauthError::Dead {
                    account: self.account.clone(),
                    provider: self.provider.name().to_owned(),
                    why,
                });
            }
        };
        let fresh = Grant::of(&self.provider, &answer, Some(&grant))?;
        room.keep(&fresh.to_json())?;
        Ok(fresh)
    }

    /// Asks the provider for new tokens (RFC 6749 §6).
    fn ask(&self, grant: &Grant) -> Result<BasicTokenResponse, Answer> {
        let refresh_token = grant.refresh_token().ok_or_else(|| {
            Answer::Ended(
                "the token is over, and the provider gave none to get another by".to_owned(),
            )
        })?;
        let asker = self.provider.asker().map_err(Answer::Other)?;
        let http = Http::new(&self.provider).map_err(|error| Answer::Other(error.into()))?;
        asker
            .exchange_refresh_token(&RefreshToken::new(refresh_token.to_owned()))
            .request(&|request| http.send(request))
            .map_err(Answer::of)
    }

    /// What is kept, if it is a login at our provider.
    fn ours(&self) -> Result<Grant, OauthError> {
        let account = self.account.clone();
        let provider = self.provider.name().to_owned();
        match self.read()? {
            None => Err(OauthError::NoLogin { account, provider }),
            Some(grant) if grant.is_of(&self.provider) => Ok(grant),
            Some(_) => Err(OauthError::OtherProvider { account, provider }),
        }
    }

    fn read(&self) -> Result<Option<Grant>, OauthError> {
        let Some(text) = self.kept.read()? else {
            return Ok(None);
        };
        let grant = Grant::of_json(&text).ok_or_else(|| OauthError::Damaged {
            account: self.account.clone(),
            file: self.kept.file().display().to_string(),
        })?;
        Ok(Some(grant))
    }

    fn revoke(&self, grant: &Grant) -> LoggedOut {
        match self
            .provider
            .revoke()
            .filter(|_| grant.is_of(&self.provider))
        {
            None => LoggedOut::NotRevocable,
            Some(url) => match self.revoke_at(url, grant) {
                Ok(()) => LoggedOut::Revoked,
                Err(error) => LoggedOut::NotRevoked(error),
            },
        }
    }

    /// Gives a login back (RFC 7009 §2.1).
    fn revoke_at(&self, url: &Url, grant: &Grant) -> Result<(), OauthError> {
        let (token, kind) = grant.to_revoke();
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("token", token)
            .append_pair("token_type_hint", kind)
            .append_pair("client_id", &self.provider.settings().client_id);
        if let Some(secret) = self.provider.client_secret()? {
            body.append_pair("client_secret", &secret);
        }
        let form = "application/x-www-form-urlencoded";
        let request = http::Request::post(url.as_str())
            .header(http::header::CONTENT_TYPE, form)
            .body(body.finish().into_bytes())
            .expect("an address that was parsed makes a request");
        let reply = Http::new(&self.provider)?.send(request)?;
        match reply.status() {
            http::StatusCode::OK => Ok(()),
            status => Err(OauthError::Refused(format!("status {status}"))),
        }
    }
}
