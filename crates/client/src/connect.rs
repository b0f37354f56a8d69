//! From nothing to an open maildrop: [`reach`], CAPA, login.

use pop3::client::{Capabilities, Capability, Event};
use pop3::{Command, Expire};
use tokio::time::timeout;

use crate::account::Account;
use crate::conversation::Conversation;
use crate::error::ClientError;
use crate::login;
use crate::patience::Patience;
use crate::reach::reach;

/// A remote maildrop that is open and ours.
#[derive(Debug)]
pub struct Maildrop {
    pub(crate) conversation: Conversation,
    /// What the server said before the login that it can do.
    before: Capabilities,
    /// What it says now, which may be something else (RFC 2449 §5); none if it does not.
    now: Option<Capabilities>,
    pub(crate) patience: Patience,
}

/// Connects and logs in.
///
/// # Errors
///
/// See [`ClientError`].
pub async fn connect(account: &Account, patience: Patience) -> Result<Maildrop, ClientError> {
    let awaited = "the login";
    timeout(patience.login, open(account, patience))
        .await
        .map_err(|_| ClientError::TooSlow { awaited })?
}

async fn open(account: &Account, patience: Patience) -> Result<Maildrop, ClientError> {
    let (mut conversation, greeting) = reach(account, patience).await?;
    let known = capabilities(&mut conversation).await?;
    let knows_capa = known.is_some();
    let before = known.unwrap_or_default();
    login::log_in(&mut conversation, &before, greeting, account).await?;
    let now = match knows_capa {
        true => capabilities(&mut conversation).await?,
        false => None,
    };
    Ok(Maildrop {
        conversation,
        before,
        now,
        patience,
    })
}

/// What the server says that it can do; none if it does not know CAPA, or not here.
async fn capabilities(
    conversation: &mut Conversation,
) -> Result<Option<Capabilities>, ClientError> {
    let awaited = "the reply to CAPA";
    match conversation.ask(&Command::Capa, awaited).await? {
        Event::Refused { .. } => Ok(None),
        _ => match conversation.next(awaited).await? {
            Event::Capabilities(capabilities) => Ok(Some(capabilities)),
            _ => Err(pop3::client::Broken::OutOfStep.into()),
        },
    }
}

impl Maildrop {
    /// Whether commands may be sent ahead (RFC 2449 §6.6).
    pub fn pipelines(&self) -> bool {
        let now = self.now.as_ref().unwrap_or(&self.before);
        now.offers(&Capability::Pipelining)
    }

    /// Whether the server deletes what was retrieved, without being asked to (RFC 2449 §6.7). It may say so only
    /// to whom it concerns; what it said to everybody counts too.
    fn deletes_what_is_retrieved(&self) -> bool {
        let deletes = |it: &Capability| matches!(it, Capability::Expire(Expire::Retrieved, _));
        self.before.iter().any(deletes) || self.now.iter().flat_map(Capabilities::iter).any(deletes)
    }

    /// Ends the session in good order; nothing was marked as deleted.
    ///
    /// A server that deletes what was retrieved does so in UPDATE, so it is not brought there: without
    /// QUIT it must not delete anything (RFC 1939 §6).
    pub async fn quit(mut self) {
        if self.deletes_what_is_retrieved() {
            return;
        }
        // Everything is here already; whatever comes of it changes nothing.
        let bye = self.conversation.ask(&Command::Quit, "the reply to QUIT");
        let _ = timeout(self.patience.silence, bye).await;
    }
}
