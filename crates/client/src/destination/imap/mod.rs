//! A mailbox on a server of IMAP (RFC 9051, RFC 3501), to which messages are appended.
//!
//! The conversation is our own: it is a handful of commands, a text goes through it in blocks whatever its size, no answer is kept that is longer than
//! it should be, and no secret is in a trace. The connection is kept from one message to the next, and opened again if the server has closed it meanwhile.
//!
//! When the last run was not ended in order, or a connection was lost where the answer to a message was due, one message may be there that the ledger
//! does not know. Until it is found each message is looked for by its Message-ID and its size before it is appended. A message without
//! Message-ID, or on a server that counts octets in its own way, may come twice.

mod response;
mod session;
#[cfg(test)]
mod tests;
mod words;

use std::io;
use std::ops::RangeInclusive;

use super::link::Protection;
use super::{
    Address, Destination, Ended, Exactness, Form, KnownBy, Limits, Message, NotDelivered, Text,
    word,
};
use session::{Session, Trouble};

/// A mailbox, and the way to it.
#[derive(Debug)]
pub struct Settings {
    /// Where the server listens: port 993 for [`Protection::Tls`], 143 else.
    pub address: Address,
    /// How octets travel, what we are known by too.
    pub protection: Protection,
    /// Who logs in.
    pub user: String,
    /// By what.
    pub by: KnownBy,
    /// The mailbox, with the server's own separators, such as `INBOX` or `Archive/2026`. It must be there.
    pub mailbox: String,
    /// Whether messages count as read.
    pub seen: Seen,
    /// How long is waited.
    pub limits: Limits,
}

/// Whether messages count as read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Seen {
    /// As any new message.
    #[default]
    No,
    /// They get `\Seen`.
    Yes,
}

/// A mailbox on a server of IMAP as a destination.
#[derive(Debug)]
pub struct Imap {
    settings: Settings,
    name: String,
    /// The mailbox, as commands write it.
    mailbox: String,
    session: Option<Session>,
    /// Some message may be there that the ledger does not know.
    in_doubt: bool,
    messages: Option<u64>,
}

impl Imap {
    /// One that is not connected yet.
    ///
    /// # Errors
    ///
    /// When no mailbox is named.
    pub fn new(settings: Settings) -> Result<Self, NotDelivered> {
        let mailbox = words::quoted(words::mailbox(&settings.mailbox).as_bytes());
        let Some(mailbox) = mailbox.filter(|_| !settings.mailbox.is_empty()) else {
            let why = format!("no mailbox is named for {}", settings.address);
            return Err(NotDelivered::Unusable(why));
        };
        let (user, address) = (&settings.user, &settings.address);
        let name = word("imap", &format!("{user}@{address}:{}", settings.mailbox));
        Ok(Self {
            settings,
            name,
            mailbox,
            session: None,
            in_doubt: false,
            messages: None,
        })
    }

    /// The connection that was kept, if it can still be trusted.
    fn kept(&mut self) -> Option<Session> {
        let mut session = self.session.take()?;
        if session.idle() > self.settings.limits.idle {
            session.quit();
            return None;
        }
        Some(session)
    }

    /// Whether the message is there already that may be there.
    fn is_there(&mut self, session: &mut Session, text: &mut Text) -> Result<bool, NotDelivered> {
        if !self.in_doubt {
            return Ok(false);
        }
        let Some(id) = words::message_id(text.header()) else {
            return Ok(false);
        };
        let sizes =
            sizes(text).map_err(|error| NotDelivered::io("the spool cannot be read", &error))?;
        let found = session.has(&self.mailbox, &id, sizes)?;
        // Only one can be in doubt.
        self.in_doubt = !found;
        Ok(found)
    }

    fn append(
        &mut self,
        session: &mut Session,
        message: &Message,
        text: &mut Text,
    ) -> Result<(), Trouble> {
        if self.is_there(session, text).map_err(Trouble::Gone)? {
            return Ok(());
        }
        let flags = match self.settings.seen {
            Seen::Yes => "(\\Seen) ",
            Seen::No => "",
        };
        session.append(&self.mailbox, flags, message.received, text)
    }
}

/// The sizes that a server may give a text: Dovecot counts a bare LF as a line end, which are two octets.
fn sizes(text: &mut Text) -> io::Result<RangeInclusive<u64>> {
    let (mut bare, mut last) = (0, 0);
    text.pieces(Form::Crlf, |piece| {
        for at in memchr::memchr_iter(b'\n', piece) {
            let before = at.checked_sub(1).map_or(last, |before| piece[before]);
            bare += u64::from(before != b'\r');
        }
        last = piece.last().copied().unwrap_or(last);
        Ok::<(), io::Error>(())
    })?;
    let octets = text.octets().0;
    Ok(octets..=octets + bare)
}

impl Destination for Imap {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::OneInDoubt
    }

    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered> {
        self.in_doubt |= ended == Ended::InDoubt;
        let mut session = match self.kept() {
            Some(session) => session,
            None => Session::begin(&mut self.settings)?,
        };
        self.messages = Some(session.messages(&self.mailbox)?);
        self.session = Some(session);
        Ok(())
    }

    fn holds_mail(&self) -> Option<bool> {
        self.messages.map(|messages| messages > 0)
    }

    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        loop {
            let kept = self.kept();
            let was_kept = kept.is_some();
            let mut session = match kept {
                Some(session) => session,
                None => Session::begin(&mut self.settings)?,
            };
            match self.append(&mut session, message, text) {
                Ok(()) => {
                    self.session = Some(session);
                    return Ok(());
                }
                Err(Trouble::Refused(why)) => {
                    self.session = Some(session);
                    return Err(why);
                }
                // It was closed while nothing was due.
                Err(Trouble::Gone(NotDelivered::NotNow(_))) if was_kept => {}
                Err(Trouble::Gone(why) | Trouble::Over(why)) => return Err(why),
                Err(Trouble::InDoubt(why)) => {
                    self.in_doubt = true;
                    return Err(why);
                }
            }
        }
    }
}

impl Drop for Imap {
    fn drop(&mut self) {
        if let Some(session) = &mut self.session {
            session.quit();
        }
    }
}
