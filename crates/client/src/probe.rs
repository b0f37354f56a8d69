//! Whether a server keeps commands apart that are sent together: asked by whoever wants to know before mail depends on it.

use pop3::Command;
use pop3::client::Event;
use tokio::time::timeout;

use crate::connect::Maildrop;
use crate::error::ClientError;

impl Maildrop {
    /// Sends three commands at once, whatever the server announces; whether each is answered in its turn. Nothing else may be
    /// on its way, and the session is of no use afterwards if they are not.
    ///
    /// # Errors
    ///
    /// When the connection ends or the server falls silent, which many do that cannot take this.
    pub async fn answers_in_order(&mut self) -> Result<bool, ClientError> {
        let awaited = "the replies to three commands at once";
        // The reply to the second is unlike the two others, so that one out of its turn is noticed.
        for command in [Command::Noop, Command::Stat, Command::Noop] {
            self.conversation.send(&command)?;
        }
        let replies = async {
            for place in 0..3 {
                let event = self.conversation.next(awaited).await?;
                let fits = match event {
                    Event::Accepted { .. } | Event::Refused { .. } => place != 1,
                    Event::Totals { .. } => place == 1,
                    _ => false,
                };
                if !fits {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        timeout(self.patience.silence, replies)
            .await
            .map_err(|_| ClientError::TooSlow { awaited })?
    }
}
