//! AUTH: which mechanism says what, and when (RFC 5034 §4).

use pop3::client::{Answer, Event, Exchange, Session, printable};
use sasl::client::{ChannelBinding, Exchange as Mechanics, Failed};
use sasl::nonce::{Nonces, SEED_OCTETS};
use sasl::scram::Hash;
use sasl::{BindingType, Binds, Mechanism, Secret};

use super::{AWAITED, Login, Outcome, Refusal};
use crate::account::Credentials;
use crate::error::ClientError;
use crate::trace::Line;

/// Octets of an explanation that are shown; they come from somebody else's server.
const EXPLANATION_OCTETS_MAX: usize = 500;

/// When the client says its first words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// With AUTH, if they fit on its line.
    WithAuth,
    /// When the server has asked for them, on a line of their own.
    Asked,
}

impl Login<'_> {
    /// AUTH, and once more with the first words on a line of their own if the server did not understand
    /// them on AUTH's.
    pub(super) async fn auth(&mut self, mechanism: Mechanism) -> Result<Outcome, ClientError> {
        // Microsoft's servers know XOAUTH2 in two lines only, and hang up on it in one; nobody is known
        // who wants it in one.
        let form = match mechanism {
            Mechanism::XOauth2 => Form::Asked,
            _ => Form::WithAuth,
        };
        let outcome = self.exchange(mechanism, form).await?;
        match (&outcome, form, mechanism) {
            // It has no first words.
            (_, _, Mechanism::Login | Mechanism::CramMd5) => Ok(outcome),
            (Outcome::Refused(refusal), Form::WithAuth, _) if refusal.is_of_form() => {
                self.exchange(mechanism, Form::Asked).await
            }
            _ => Ok(outcome),
        }
    }

    async fn exchange(&mut self, mechanism: Mechanism, form: Form) -> Result<Outcome, ClientError> {
        let mut mechanics = match self.mechanics(mechanism) {
            Ok(mechanics) => mechanics,
            // Such a password can only be sent.
            Err(why @ Failed::Unpreparable) => return Ok(Outcome::GivenUp(why)),
            Err(failed) => return Err(failed.into()),
        };
        let name = mechanism.name();
        let first = match mechanics.initial_response() {
            Some(_) if mechanism == Mechanism::External => {
                Some(Secret::new(self.account.user.clone()))
            }
            first => first,
        };
        let mut failed = None;
        let step = |challenge: &[u8]| match mechanics.step(challenge) {
            Ok(response) => Answer::Respond(response),
            Err(why) => {
                failed = Some(why);
                Answer::Cancel
            }
        };
        let begin = |session: &mut Session, output: &mut Vec<u8>| match form {
            Form::WithAuth => Exchange::begin(session, name, first, step, output),
            Form::Asked => Exchange::begin_asked(session, name, first, step, output),
        };
        let mut exchange = self.conversation.put(Line::Command, begin)?;
        let mut at_once = true;
        let status = loop {
            match self.conversation.next(AWAITED).await? {
                Event::Challenge(challenge) => {
                    at_once = false;
                    self.conversation.put(Line::Answer, |session, output| {
                        exchange.step(session, &challenge, output)
                    })?;
                }
                Event::LoggedIn(_) => break None,
                Event::Refused { status, .. } => break Some(status),
                _ => return Err(pop3::client::Broken::OutOfStep.into()),
            }
        };
        drop(exchange);
        match (failed, status) {
            (None | Some(Failed::Refused), Some(status)) => Ok(Outcome::Refused(Refusal {
                status,
                explanation: mechanics.explanation().map(clean),
                at_once,
            })),
            // A server that keeps old verifiers is none that knows no password.
            (Some(why @ Failed::Iterations(_)), Some(_)) => Ok(Outcome::GivenUp(why)),
            (Some(why), _) => Err(why.into()),
            (None, None) => {
                mechanics.finish()?;
                Ok(Outcome::LoggedIn)
            }
        }
    }

    fn mechanics(&self, mechanism: Mechanism) -> Result<Mechanics, Failed> {
        let account = self.account;
        let user = account.user.as_str();
        let secret = match &account.credentials {
            Credentials::Password(secret) | Credentials::Token(secret) => secret,
            Credentials::Certificate => return Ok(Mechanics::external()),
        };
        Ok(match mechanism {
            Mechanism::CramMd5 => Mechanics::cram_md5(user, secret),
            Mechanism::Login => Mechanics::login(user, secret),
            Mechanism::XOauth2 => Mechanics::xoauth2(user, secret),
            Mechanism::OauthBearer => {
                let user = (!user.is_empty()).then_some(user);
                Mechanics::oauth_bearer(user, Some((&account.host, account.port)), secret)
            }
            _ => match mechanism.scram() {
                Some((hash, binds)) => {
                    let binding = self.binding(hash, binds);
                    return Mechanics::scram(hash, binding, user, secret, &nonce());
                }
                None => Mechanics::plain(user, secret),
            },
        })
    }

    fn binding(&self, hash: Hash, binds: Binds) -> ChannelBinding<'_> {
        match (binds, self.exporter) {
            (Binds::Yes, Some(octets)) => ChannelBinding::Bound(BindingType::TlsExporter, octets),
            (_, Some(_)) if !self.offers_plus(hash) => ChannelBinding::NotOffered,
            _ => ChannelBinding::Unsupported,
        }
    }

    fn offers_plus(&self, hash: Hash) -> bool {
        let plus = match hash {
            Hash::Sha256 => Mechanism::ScramSha256Plus,
            Hash::Sha1 => Mechanism::ScramSha1Plus,
        };
        self.capabilities
            .mechanisms()
            .any(|name| name == plus.name())
    }
}

fn nonce() -> String {
    let mut seed = [0; SEED_OCTETS];
    getrandom::fill(&mut seed).expect("the system gives random octets");
    Nonces::new(seed).next()
}

/// What a server explains, as a person may see it.
fn clean(explanation: &[u8]) -> String {
    let octets = explanation.len().min(EXPLANATION_OCTETS_MAX);
    printable(explanation[..octets].trim_ascii())
}
