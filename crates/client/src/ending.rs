//! The end of a session that has deleted something, and signs of life before it.

use pop3::client::{Event, Outcome};
use pop3::{Command, Keyword};
use tokio::time::timeout;

use crate::connect::Maildrop;
use crate::error::ClientError;

impl Maildrop {
    /// QUIT: what was marked is deleted (RFC 1939 §6). What comes back is what is known of that.
    ///
    /// # Errors
    ///
    /// When the command cannot be sent; then nothing is deleted.
    pub async fn commit(mut self) -> Result<Outcome, ClientError> {
        // Deleting many messages takes a server long.
        let patience = self.patience.listing;
        match timeout(patience, self.leave()).await {
            // Lost, late or garbled, the session knows best what that means.
            Ok(Ok(_)) | Err(_) => Ok(self.conversation.session.outcome()),
            Ok(Err(ClientError::Unsent(why))) => Err(why.into()),
            Ok(Err(_)) => Ok(self.conversation.session.outcome()),
        }
    }

    /// QUIT, and what comes before its reply: texts may be on their way that nobody wants any more.
    async fn leave(&mut self) -> Result<(), ClientError> {
        self.conversation.send(&Command::Quit)?;
        loop {
            match self.conversation.next("the reply to QUIT").await? {
                Event::SignedOff(_)
                | Event::Refused {
                    to: Keyword::Quit, ..
                } => return Ok(()),
                _ => {}
            }
        }
    }

    /// NOOP: we are still there.
    ///
    /// # Errors
    ///
    /// When the server is not.
    pub async fn sign_of_life(&mut self) -> Result<(), ClientError> {
        let awaited = "the reply to NOOP";
        let reply = self.conversation.ask(&Command::Noop, awaited);
        match timeout(self.patience.silence, reply).await {
            // A server that refuses it is there as well.
            Ok(Ok(Event::Accepted { .. } | Event::Refused { .. })) => Ok(()),
            Ok(Ok(_)) => Err(pop3::client::Broken::OutOfStep.into()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ClientError::TooSlow { awaited }),
        }
    }
}
