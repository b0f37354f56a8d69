//! The login: one [`Way`] after the other, until one leads in.

mod auth;

use std::time::SystemTime;

use pop3::Command;
use pop3::client::{Capabilities, Channel, Event, Names, Status};
use sasl::Secret;
use sasl::client::Failed;

use crate::account::{Account, Credentials, Transport};
use crate::conversation::Conversation;
use crate::error::ClientError;
use crate::trace::Line;
use crate::way::{Bindable, Greeting, Ground, Way};

const AWAITED: &str = "the reply to the login";

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

/// What is to be remembered of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Learned {
    Nothing,
    /// The server refused a proof that the password is known, and took the password.
    ProofRefused,
}

/// Logs in; by which way, whether CAPA was asked with it, and what is to be remembered.
pub(crate) async fn log_in(
    conversation: &mut Conversation,
    capabilities: &Capabilities,
    greeting: Greeting,
    account: &Account,
    pace: Pace,
    behind: Behind,
) -> Result<(Way, Asked, Learned), ClientError> {
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
        names: names(account),
    };
    let mut ways = ground.ways(&account.credentials, account.way)?;
    // A proof that was refused lately, when the password was taken behind it, would be refused again.
    if ways.len() > 1 && account.memory.refuses_proof(SystemTime::now()) {
        ways.remove(0);
    }
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
            Outcome::LoggedIn => {
                let learned = match refused {
                    Some(_) => Learned::ProofRefused,
                    None => Learned::Nothing,
                };
                return Ok((way, login.asked(way), learned));
            }
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

/// In which characters the name and the password are.
fn names(account: &Account) -> Names {
    let password = match &account.credentials {
        Credentials::Password(secret) => secret.expose(),
        Credentials::Token(_) | Credentials::Certificate => &[],
    };
    match account.user.is_ascii() && password.is_ascii() {
        true => Names::Ascii,
        false => Names::Utf8,
    }
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
                for command in crate::listing::COMMANDS {
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
