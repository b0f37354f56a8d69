//! The login: one [`Way`] after the other, until one leads in.

use pop3::Command;
use pop3::client::{Answer, Capabilities, Channel, Event, Exchange, Session, Status, printable};
use sasl::client::{ChannelBinding, Exchange as Mechanics, Failed};
use sasl::nonce::{Nonces, SEED_OCTETS};
use sasl::scram::Hash;
use sasl::{BindingType, Binds, Mechanism, Secret};

use crate::account::{Account, Credentials, Transport};
use crate::conversation::Conversation;
use crate::error::ClientError;
use crate::trace::Line;
use crate::way::{Bindable, Greeting, Ground, Way};

const AWAITED: &str = "the reply to the login";

/// Octets of an explanation that are shown; they come from somebody else's server.
const EXPLANATION_OCTETS_MAX: usize = 500;

/// What comes of a way.
enum Outcome {
    LoggedIn,
    Refused(Refusal),
    /// It cannot be gone, or not to its end, which the server knows; another one can perhaps.
    GivenUp(Failed),
}

/// A login that was refused.
struct Refusal {
    status: Status,
    /// What the server said before, of a token, in its own words.
    explanation: Option<String>,
    /// Whether it was refused before the server had asked anything.
    at_once: bool,
}

/// When the client says its first words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    /// With AUTH, if they fit on its line.
    WithAuth,
    /// When the server has asked for them, on a line of their own.
    Asked,
}

/// Whether the server takes commands ahead of its replies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    Ahead,
    OneAtATime,
}

/// What goes out behind USER and PASS, if they go ahead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Behind {
    Capa,
    /// And the listing that nearly everybody wants next.
    CapaAndListing,
}

/// Whether a CAPA was sent behind the login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    Already,
    NotYet,
}

/// Logs in.
pub(crate) async fn log_in(
    conversation: &mut Conversation,
    capabilities: &Capabilities,
    greeting: Greeting,
    account: &Account,
    pace: Pace,
    behind: Behind,
) -> Result<Asked, ClientError> {
    let exporter = conversation.stream.exporter();
    let ground = Ground {
        capabilities,
        channel: match account.transport {
            Transport::InClear => Channel::Plain,
            Transport::Tls(_) | Transport::Stls(_) => Channel::Tls,
        },
        binding: match exporter {
            Some(_) => Bindable::Yes,
            None => Bindable::No,
        },
        greeting,
    };
    let ways = ground.ways(&account.credentials, account.way)?;
    let (mut refused, mut given_up) = (None, None);
    for way in ways {
        let mut login = Login {
            conversation,
            capabilities,
            exporter: exporter.as_deref(),
            account,
            pace,
            behind,
        };
        match login.go(way).await? {
            Outcome::LoggedIn => return Ok(login.asked(way)),
            Outcome::Refused(refusal) => match ClientError::login(refusal.status.clone()) {
                ClientError::LoginRefused(_) => refused = Some(refusal),
                other => return Err(other),
            },
            Outcome::GivenUp(why) => given_up = Some(why),
        }
    }
    Err(match (refused, given_up, &account.credentials) {
        (Some(refusal), _, Credentials::Token(_)) => ClientError::TokenRefused {
            explanation: refusal.explain(),
        },
        (Some(refusal), ..) => ClientError::LoginRefused(refusal.status),
        (None, Some(why @ Failed::Unpreparable), _) => {
            ClientError::NoMechanism(format!("{}; {why}", offered(capabilities)))
        }
        (None, Some(why), _) => why.into(),
        (None, None, _) => ClientError::NoMechanism(offered(capabilities)),
    })
}

/// What the server offers, for people.
fn offered(capabilities: &Capabilities) -> String {
    let names: Vec<_> = capabilities.mechanisms().collect();
    match names.is_empty() {
        true => "nothing by AUTH".to_owned(),
        false => names.join(", "),
    }
}

/// One attempt.
struct Login<'a> {
    conversation: &'a mut Conversation,
    capabilities: &'a Capabilities,
    exporter: Option<&'a [u8]>,
    account: &'a Account,
    pace: Pace,
    behind: Behind,
}

impl Login<'_> {
    async fn go(&mut self, way: Way) -> Result<Outcome, ClientError> {
        match (way, &self.account.credentials) {
            (Way::Pass, Credentials::Password(secret)) => self.pass(secret).await,
            (Way::Apop, Credentials::Password(secret)) => self.apop(secret).await,
            (Way::Auth(mechanism), _) => self.auth(mechanism).await,
            (way, credentials) => Err(ClientError::Unfit {
                way,
                why: format!("it has no place for {credentials}"),
            }),
        }
    }

    /// USER and PASS.
    async fn pass(&mut self, secret: &Secret) -> Result<Outcome, ClientError> {
        let user = Command::User(self.account.user.clone());
        let pass = Command::Pass(secret.clone());
        self.conversation.send(&user)?;
        if self.pace == Pace::Ahead {
            self.conversation.send(&pass)?;
            self.conversation.ask_for_capabilities()?;
            if self.behind == Behind::CapaAndListing {
                for command in [Command::Stat, Command::List(None), Command::Uidl(None)] {
                    self.conversation.send_ahead(command)?;
                }
            }
        }
        let named = self.conversation.next(AWAITED).await?;
        match (named, self.pace) {
            (Event::Refused { status, .. }, Pace::OneAtATime) => Ok(Outcome::refused(status)),
            (Event::Refused { status, .. }, Pace::Ahead) => match self.outcome().await {
                // Why the name is refused says more than that there was none before the password.
                Ok(Outcome::Refused(_)) => Ok(Outcome::refused(status)),
                // Without a code it may be that the server cannot bear both at once.
                Err(ClientError::Lost { .. }) if status.code.is_some() => {
                    Ok(Outcome::refused(status))
                }
                outcome => outcome,
            },
            (_, Pace::OneAtATime) => {
                self.conversation.send(&pass)?;
                self.outcome().await
            }
            (_, Pace::Ahead) => self.outcome().await,
        }
    }

    /// Whether CAPA went out behind the login.
    fn asked(&self, way: Way) -> Asked {
        match (way, self.pace) {
            (Way::Pass, Pace::Ahead) => Asked::Already,
            _ => Asked::NotYet,
        }
    }

    /// APOP.
    async fn apop(&mut self, secret: &Secret) -> Result<Outcome, ClientError> {
        let user = &self.account.user;
        self.conversation.put(Line::Command, |session, output| {
            session.apop(user, secret, output)
        })?;
        self.outcome().await
    }

    /// The reply to a login that has no second step.
    async fn outcome(&mut self) -> Result<Outcome, ClientError> {
        match self.conversation.next(AWAITED).await? {
            Event::LoggedIn(_) => Ok(Outcome::LoggedIn),
            Event::Refused { status, .. } => Ok(Outcome::refused(status)),
            _ => Err(pop3::client::Broken::OutOfStep.into()),
        }
    }

    /// AUTH, and once more with the first words on a line of their own if the server did not understand
    /// them on AUTH's.
    async fn auth(&mut self, mechanism: Mechanism) -> Result<Outcome, ClientError> {
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

impl Outcome {
    fn refused(status: Status) -> Self {
        Self::Refused(Refusal {
            status,
            explanation: None,
            at_once: true,
        })
    }
}

impl Refusal {
    /// Whether the server did not understand the line, and has not looked at what it says. A wrong password
    /// must not be shown twice, or the account is locked the sooner, so this wants a clear word.
    fn is_of_form(&self) -> bool {
        let words = [
            "syntax",
            "protocol error",
            "argument",
            "parameter",
            "too long",
            "initial response",
        ];
        let text = self.status.text.to_ascii_lowercase();
        self.at_once && self.status.code.is_none() && words.iter().any(|word| text.contains(word))
    }

    fn explain(self) -> String {
        match self.explanation {
            Some(explanation) if !explanation.is_empty() => {
                format!("{explanation} ({})", self.status)
            }
            _ => self.status.to_string(),
        }
    }
}
