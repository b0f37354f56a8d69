//! Where fetched mail goes. Each destination takes whole messages, one after the other, and says when they are durable.
//!
//! A destination is asked in this order: [`Destination::open`] before anything is retrieved; then
//! [`deliver`](Destination::deliver) for each message, and now and then [`commit`](Destination::commit), after which all that
//! was delivered is durable and visible. Only then does the ledger say so, and only then is a message deleted from the server.
//! Everything here blocks; it runs on a thread of its own.

mod address;
pub mod command;
pub mod gmail;
pub mod imap;
mod known;
mod limits;
mod link;
mod maildir;
mod mbox;
#[cfg(test)]
mod script;
mod text;
mod told;
pub mod transfer;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::time::SystemTime;

use pop3::Octets;

use crate::account::Headers;
use crate::ledger::Key;

pub use address::{Address, NotAnAddress};
pub use command::Command;
pub use gmail::Gmail;
pub use imap::Imap;
pub use known::{Age, KnownBy, Tokens};
pub use limits::Limits;
pub use link::Protection;
pub use maildir::{Maildir, digits_of};
pub use mbox::Mbox;
pub use text::{Form, Spool, Text, header_of};
pub use transfer::Transfer;

/// What is known of a message that is handed over.
#[derive(Clone, Debug)]
pub struct Message {
    /// What tells it from every other one of the account.
    pub key: Key,
    /// 40 hexadecimal digits that are made of the account and of the key: the same whenever this message comes again.
    pub name: String,
    /// Its octets, line ends counted as two.
    pub octets: Octets,
    /// Who fetches it, as user@host.
    pub account: String,
    /// When it was first handed over to a server of the owner, by its header ([`crate::dated`]).
    pub received: Option<SystemTime>,
}

/// What is known of the last time that something was delivered here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// All that was delivered is in the ledger.
    InOrder,
    /// The program was killed, or the machine fell: some messages may be here that the ledger does not know.
    InDoubt,
}

/// What happens when a message is delivered once more whose delivery the ledger does not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exactness {
    /// Nothing: it is found to be there.
    Once,
    /// It is there twice, so the ledger is written before and after each message: at most one is in doubt.
    OneInDoubt,
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum NotDelivered {
    /// The destination will never take this message; others it may.
    #[error("{0}")]
    Refused(String),
    /// The destination takes nothing now; all of it may be tried again.
    #[error("{0}")]
    NotNow(String),
    /// Somebody must do something about the destination.
    #[error("{0}")]
    Unusable(String),
    /// Somebody must log in, with the provider of the destination's tokens, before it takes anything.
    #[error("{0}")]
    NoLogin(String),
}

impl NotDelivered {
    /// What a failure of the system is: a full disk passes, missing rights do not.
    pub fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        let text = format!("{what}: {error}");
        match error.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ReadOnlyFilesystem => Self::Unusable(text),
            _ => Self::NotNow(text),
        }
    }
}

/// Where mail goes.
pub trait Destination: fmt::Debug + Send {
    /// As the ledger names it: one word without spaces that stays the same, such as `maildir:/home/mrose/Mail`.
    fn name(&self) -> &str;

    /// Whether it knows a message again.
    fn exactness(&self) -> Exactness;

    /// In which characters it takes headers. It is asked before anything is opened: the server must be told before the login
    /// (RFC 6856 §2), so what may turn out otherwise is [`Headers::Ascii`].
    fn headers(&self) -> Headers {
        Headers::Ascii
    }

    /// Gets ready; tells whether it can be used at all.
    ///
    /// # Errors
    ///
    /// When it cannot.
    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered>;

    /// Whether it holds anything, ours or not: without a ledger nobody knows what of it is on the server as well. None if it cannot
    /// be asked.
    fn holds_mail(&self) -> Option<bool> {
        None
    }

    /// The names ([`Message::name`]) of all messages of ours that are still there, wherever their owner has moved them within it. None
    /// if that cannot be known.
    fn present(&mut self) -> Option<Result<HashSet<String>, NotDelivered>> {
        None
    }

    /// Takes a message. It need not be durable, nor visible, before the next commit.
    ///
    /// # Errors
    ///
    /// When it is not taken; then nothing of it will be there.
    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered>;

    /// Makes all that was delivered durable and visible.
    ///
    /// # Errors
    ///
    /// When that failed; each of the messages may be there or not.
    fn commit(&mut self) -> Result<(), NotDelivered> {
        Ok(())
    }
}

/// A name for the ledger, in one word.
pub(crate) fn word(kind: &str, place: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_whitespace() || c.is_control() || c == '%' => {
            let mut octets = [0; 4];
            let octets = c.encode_utf8(&mut octets).bytes();
            octets.map(|octet| format!("%{octet:02x}")).collect()
        }
        c => c.to_string(),
    };
    let place: String = place.chars().map(letter).collect();
    format!("{kind}:{place}")
}
