//! Mail handed on to a server: LMTP (RFC 2033) and SMTP (RFC 5321).
//!
//! The connection is kept from one message to the next, and opened again if the server has closed it meanwhile. Nothing is ever
//! delivered in part: with several recipients a message counts as delivered when all of them have it. What a server said cannot
//! be known where the connection ends between the end of a text and the reply to it: then the message is tried again, and may come twice.

mod envelope;
mod lines;
mod offers;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod verdict;

use super::link::Protection;
use super::{
    Address, Destination, Ended, Exactness, KnownBy, Limits, Message, NotDelivered, Text, word,
};
pub use envelope::Sender;
use session::{Session, Trouble};

/// What a server speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// To a program that has the mailboxes; one reply for each recipient.
    Lmtp,
    /// To a program that sends on; one reply for all of them.
    Smtp,
}

/// Where mail is handed on, and how.
#[derive(Debug)]
pub struct Settings {
    /// Where the server listens.
    pub address: Address,
    /// How octets travel.
    pub protection: Protection,
    /// Who gets the mail; at least one.
    pub recipients: Vec<String>,
    /// Who hears of what cannot be delivered.
    pub sender: Sender,
    /// Who logs in, and by what; only inside TLS.
    pub login: Option<(String, KnownBy)>,
    /// What we call ourselves; else our end's address (RFC 5321 §4.1.4).
    pub hello: Option<String>,
    /// How long is waited.
    pub limits: Limits,
}

impl Settings {
    /// For recipients at a server, with everything else as it should be.
    pub fn new(address: Address, protection: Protection, recipients: Vec<String>) -> Self {
        Self {
            address,
            protection,
            recipients,
            sender: Sender::default(),
            login: None,
            hello: None,
            limits: Limits::default(),
        }
    }
}

/// A server of LMTP or SMTP as a destination.
#[derive(Debug)]
pub struct Transfer {
    dialect: Dialect,
    settings: Settings,
    name: String,
    session: Option<Session>,
}

impl Transfer {
    /// One that is not connected yet.
    ///
    /// # Errors
    ///
    /// When there is no recipient, or an address or a name cannot be said in a command.
    pub fn new(dialect: Dialect, settings: Settings) -> Result<Self, NotDelivered> {
        let sender = match &settings.sender {
            Sender::Address(address) => Some(address),
            Sender::Nobody | Sender::ReturnPath => None,
        };
        let mut addresses = settings.recipients.iter().chain(sender);
        if let Some(wrong) = addresses.find(|it| !envelope::can_be_said(it)) {
            let why = format!("{wrong:?} is no address that a server could be told");
            return Err(NotDelivered::Unusable(why));
        }
        if settings.recipients.is_empty() {
            let why = format!("no recipient is named for {}", settings.address);
            return Err(NotDelivered::Unusable(why));
        }
        let odd = |name: &String| name.is_empty() || !name.bytes().all(|it| it.is_ascii_graphic());
        if let Some(wrong) = settings.hello.as_ref().filter(|it| odd(it)) {
            let why = format!("{wrong:?} is no name that a server could be greeted with");
            return Err(NotDelivered::Unusable(why));
        }
        let kind = match dialect {
            Dialect::Lmtp => "lmtp",
            Dialect::Smtp => "smtp",
        };
        let recipients = settings.recipients.join(",");
        let name = word(kind, &format!("{}:{recipients}", settings.address));
        Ok(Self {
            dialect,
            settings,
            name,
            session: None,
        })
    }
}

impl Transfer {
    /// The connection that was kept, if it can still be trusted.
    fn kept(&mut self) -> Option<Session> {
        let mut session = self.session.take()?;
        if session.idle() > self.settings.limits.idle {
            session.quit();
            return None;
        }
        Some(session)
    }
}

impl Destination for Transfer {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::OneInDoubt
    }

    fn open(&mut self, _ended: Ended) -> Result<(), NotDelivered> {
        self.session = Some(match self.kept() {
            Some(session) => session,
            None => Session::begin(self.dialect, &mut self.settings)?,
        });
        Ok(())
    }

    fn deliver(&mut self, _message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        loop {
            let kept = self.kept();
            let was_kept = kept.is_some();
            let mut session = match kept {
                Some(session) => session,
                None => Session::begin(self.dialect, &mut self.settings)?,
            };
            match session.deliver(self.dialect, &self.settings, text) {
                Ok(()) => {
                    self.session = Some(session);
                    return Ok(());
                }
                Err(Trouble::Refused(why)) => {
                    if session.reset(&self.settings.limits) {
                        self.session = Some(session);
                    }
                    return Err(why);
                }
                // It was closed while nothing was due.
                Err(Trouble::Gone(_)) if was_kept => {}
                Err(Trouble::Gone(why) | Trouble::Over(why)) => return Err(why),
            }
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(session) = &mut self.session {
            session.quit();
        }
    }
}
