//! The server's side of LMTP (RFC 2033) and of SMTP (RFC 5321): no I/O, like the POP3 session.
//!
//! The driver reads octets, calls [`Session::handle`], and does what [`Next`] says. `handle` keeps
//! going through everything that needs nothing from outside, so a pipelined batch is one call and
//! its replies are one write (RFC 2920). Whatever `Next` says, text that was appended goes to the
//! draft first, and the output may be flushed at any time; it must be before more is read.
//!
//! The session holds no input: a line that is not whole stays with the driver, which need not keep
//! more than [`COMMAND_OCTETS_MAX`] octets for it.
//!
//! `250` for a message is written by [`Session::delivered`] and by nothing else, and it takes a
//! [`maildrop::Delivered`] for each recipient to do so: what is acknowledged is durable.

mod address;
mod command;
mod commands;
mod data;
mod dialect;
mod message;
mod parameters;
mod received;
mod reply;
#[cfg(test)]
mod tests;
mod texts;

use std::mem;
use std::sync::Arc;

use maildrop::{DeliverError, Delivered};
use pop3::xclient::{Attributes, Speaker};

use self::data::{Chunks, Dots, Envelope};
pub use self::dialect::{Dialect, Encryption};
pub use self::message::Message;
use self::reply::{Farewell, Refusal};
pub use crate::{QuotaExceeded, Recipient, RecipientRefusal};

/// Longest command line, CRLF included: 512 (RFC 5321 §4.5.3.1.4), and what the parameters add that are
/// known: at most 26 for SIZE, 17 for BODY, 10 for SMTPUTF8, 500 for AUTH and 500 for DSN.
pub const COMMAND_OCTETS_MAX: usize = 2048;

/// So many lines in a row that are no command end the session. Commands that only come at
/// the wrong time do not count: a pipelined batch may hold a hundred of them.
const REFUSALS_MAX: u32 = 20;

/// So many recipients that nobody knows end a session of SMTP: whoever asks for more is guessing, or has
/// bought a list. LMTP's clients are our own, and pass on what others ask.
const STRANGERS_MAX: u32 = 20;

/// Most octets of text taken before the driver is asked to put them away.
const TEXT_OCTETS_MAX: usize = 64 * 1024;

/// What all sessions of one protocol share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is spoken.
    pub dialect: Dialect,
    /// In the greeting and in Received.
    pub hostname: String,
    /// Largest message in octets as `LIST` would count them, without trace headers; announced as
    /// SIZE (RFC 1870). 0: no limit.
    pub message_octets_max: u64,
    /// Most recipients of one message; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub recipients_max: usize,
    /// What the sender is told of a message that does not fit into its recipient's maildrop.
    pub quota_exceeded: QuotaExceeded,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client's address in text, or `local` for a Unix socket.
    pub address: String,
    /// Whether it may name somebody else by XCLIENT.
    pub speaker: Speaker,
    /// Whether its octets come through TLS.
    pub encryption: Encryption,
}

/// Why nobody gets a message, where that is decided on outside of the session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rejection {
    /// Reply code, 4xx or 5xx.
    pub code: u16,
    /// Enhanced status code of the same class (RFC 3463).
    pub status: &'static str,
    /// What is told; one line of printable ASCII, at most 400 octets.
    pub why: String,
}

/// What the driver must do before it calls the session again.
#[derive(Debug)]
pub enum Next {
    /// Flush the output; read more. (Text that was appended goes to the draft first.)
    Read,
    /// Ask the accounts for this address, and whether a message of so many octets would fit (0: the
    /// client did not say); then `resolved`.
    Resolve {
        /// The address.
        address: String,
        /// Octets as SIZE declared them (RFC 1870 §6.1).
        octets: u64,
    },
    /// Note what a front end has said of its client, and call `handle` again. The session knows it
    /// already, and begins anew with its greeting.
    Forwarded(Attributes),
    /// Flush the output. Is there input left? Then close: it came in clear, behind STARTTLS (RFC 3207
    /// §6). Otherwise begin TLS, and go on with [`Session::secured`].
    StartTls,
    /// Put the text so far into the draft, empty the buffer, call `handle` again.
    Text,
    /// The message is whole: deliver it to every recipient; then `delivered`, a result a recipient.
    Deliver(Message),
    /// The message is refused as a whole or abandoned: drop the draft; call `handle` again.
    Discard,
    /// Flush and close.
    Close,
}

/// What one call of `handle` did.
#[derive(Debug)]
pub struct Step {
    /// So many octets of the input are done with.
    pub consumed: usize,
    /// What must happen next.
    pub next: Next,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    client: Client,
    /// The address at the other end, whoever it has spoken for since.
    own_address: String,
    /// How the client has greeted; none before it has.
    hello: Option<Hello>,
    state: State,
    /// Lines that were no command since the last command that was accepted.
    refusals: u32,
    /// All of them.
    nonsense: u32,
    /// Recipients that nobody knew.
    strangers: u32,
    signed_off: bool,
}

/// LHLO, EHLO or HELO.
#[derive(Debug)]
struct Hello {
    /// What the client calls itself.
    name: String,
    /// Whether it has asked for extensions: not HELO.
    extended: bool,
}

#[derive(Debug, Default)]
enum State {
    /// No mail transaction.
    #[default]
    Idle,
    /// Behind MAIL.
    Transaction(Envelope),
    /// Behind RCPT, for as long as the accounts are asked.
    Resolving { envelope: Envelope, address: String },
    /// Behind DATA.
    Text(Dots),
    /// Behind the octets of a chunk that was not the last.
    Chunks(Chunks),
    /// Behind BDAT, with so many octets of its chunk to come.
    Chunk {
        text: Chunks,
        chunk: command::Chunk,
        left: u64,
    },
    /// In a chunk that nobody wants, with so many octets of it to come.
    Unwanted {
        left: u64,
        why: Refusal,
        before: Box<Self>,
    },
    /// Behind the text, for as long as the maildrops are at it.
    Delivering { addresses: Vec<String> },
    /// The driver lost the draft when all that was left to do was to deliver it: the replies are
    /// due at the next call.
    Undelivered {
        addresses: Vec<String>,
        why: Refusal,
    },
    /// Within a command line that is too long, behind CR or not.
    Overlong { cr: bool, before: Box<Self> },
    /// Behind QUIT or 421.
    Closed,
}

/// What handling one command comes to: an answer that was written, or one to write.
type Answer = Result<Option<Next>, Refusal>;

impl Session {
    /// A session before its greeting.
    pub fn new(settings: Arc<Settings>, client: Client) -> Self {
        Self {
            settings,
            own_address: client.address.clone(),
            client,
            hello: None,
            state: State::Idle,
            refusals: 0,
            nonsense: 0,
            strangers: 0,
            signed_off: false,
        }
    }

    /// The session that goes on inside TLS: nothing that was said in clear counts any more (RFC 3207
    /// §4.2), and there is no second greeting.
    #[must_use]
    pub fn secured(self) -> Self {
        let client = Client {
            encryption: Encryption::Active,
            ..self.client
        };
        Self {
            nonsense: self.nonsense,
            strangers: self.strangers,
            own_address: self.own_address,
            ..Self::new(self.settings, client)
        }
    }

    /// Whether the client has said QUIT: the session ends in good order.
    pub fn signed_off(&self) -> bool {
        self.signed_off
    }

    /// Lines that were no command, and recipients that nobody knew, since the beginning.
    pub fn mistakes(&self) -> u32 {
        self.nonsense + self.strangers
    }

    /// What the client calls itself; empty before it has said so. Nobody has checked it.
    pub fn name(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| &hello.name)
    }

    /// The sender that MAIL has named; none outside of a transaction.
    pub fn sender(&self) -> Option<&str> {
        match &self.state {
            State::Transaction(envelope) | State::Resolving { envelope, .. } => {
                Some(&envelope.sender)
            }
            _ => None,
        }
    }

    /// Appends the greeting.
    pub fn greeting(&self, out: &mut Vec<u8>) {
        reply::greeting(out, &self.settings);
    }

    /// Handles input: replies are appended to `out`, message text in stored form to `text`.
    ///
    /// `out` grows by a small multiple of the input at most, `text` by about twice
    /// 64 KiB.
    pub fn handle(&mut self, input: &[u8], out: &mut Vec<u8>, text: &mut Vec<u8>) -> Step {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            let (used, next) = match &mut self.state {
                State::Text(_) => self.text(rest, out, text),
                State::Chunk { .. } => self.chunk(rest, out, text),
                State::Unwanted { .. } => self.unwanted(rest, out),
                State::Undelivered { .. } => (0, self.undelivered(out)),
                // The driver asks again instead of answering: so do we.
                State::Resolving { envelope, address } => {
                    let (address, octets) = (address.clone(), envelope.octets);
                    (0, Some(Next::Resolve { address, octets }))
                }
                State::Delivering { .. } => (0, Some(Next::Read)),
                State::Closed => (rest.len(), Some(Next::Close)),
                State::Idle | State::Transaction(_) | State::Chunks(_) | State::Overlong { .. } => {
                    self.line(rest, out)
                }
            };
            consumed += used;
            if let Some(next) = next {
                return Step { consumed, next };
            }
        }
    }

    /// Whether what comes next is text of a message: then each octet is progress, while one of a
    /// command is none before the command is whole.
    pub fn is_in_text(&self) -> bool {
        matches!(
            self.state,
            State::Text(_) | State::Chunk { .. } | State::Unwanted { .. }
        )
    }

    /// The answer to [`Next::Resolve`].
    pub fn resolved(&mut self, recipient: Result<Recipient, RecipientRefusal>, out: &mut Vec<u8>) {
        match mem::take(&mut self.state) {
            State::Resolving {
                mut envelope,
                address,
            } => {
                let refused = recipient.as_ref().err().copied();
                match recipient {
                    Ok(recipient) => {
                        envelope.recipients.push(Recipient {
                            address,
                            ..recipient
                        });
                        reply::recipient(out);
                    }
                    Err(why) => {
                        reply::refusal(out, Refusal::of_recipient(why, &self.settings));
                    }
                }
                self.state = State::Transaction(envelope);
                if refused == Some(RecipientRefusal::Unknown) {
                    self.strangers += 1;
                    if self.settings.dialect == Dialect::Smtp && self.strangers >= STRANGERS_MAX {
                        self.farewell(Farewell::TooManyStrangers, out);
                    }
                }
            }
            // Nobody asked.
            other => self.state = other,
        }
    }

    /// The answer to [`Next::Deliver`]: one result a recipient, in order. A recipient without a
    /// result has not been delivered to.
    pub fn delivered(&mut self, results: &[Result<Delivered, DeliverError>], out: &mut Vec<u8>) {
        match mem::take(&mut self.state) {
            State::Delivering { addresses } => match self.settings.dialect {
                Dialect::Lmtp => self.delivered_each(&addresses, results, out),
                Dialect::Smtp => match self.failed(addresses.len(), results) {
                    None => reply::delivered_to_all(out),
                    Some(why) => reply::refusal(out, why),
                },
            },
            other => self.state = other,
        }
    }

    fn delivered_each(
        &self,
        addresses: &[String],
        results: &[Result<Delivered, DeliverError>],
        out: &mut Vec<u8>,
    ) {
        let mut results = results.iter();
        for address in addresses {
            match results.next() {
                Some(Ok(delivered)) => reply::delivered(out, address, delivered),
                Some(Err(why)) => {
                    let why = Refusal::of_message(why, &self.settings);
                    reply::recipient_refusal(out, address, why);
                }
                None => reply::recipient_refusal(out, address, Refusal::NotDelivered),
            }
        }
    }

    /// What one reply says for all: why the message has to come again, or why it never can. Rather twice
    /// than never: while one recipient has it and another has not, it has to come again.
    fn failed(
        &self,
        recipients: usize,
        results: &[Result<Delivered, DeliverError>],
    ) -> Option<Refusal> {
        let refusals: Vec<Refusal> = results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .map(|why| Refusal::of_message(why, &self.settings))
            .collect();
        let temporary = refusals.iter().find(|why| why.is_temporary());
        match (temporary, refusals.first()) {
            (Some(&why), _) => Some(why),
            (None, Some(&why)) if refusals.len() == recipients => Some(why),
            (None, Some(Refusal::Full)) => Some(Refusal::FullNow),
            (None, None) if results.len() == recipients => None,
            (None, _) => Some(Refusal::NotDelivered),
        }
    }

    /// Another answer to [`Next::Deliver`]: nobody gets the message. One reply does for all, so this is
    /// for SMTP; in LMTP each recipient has it.
    pub fn rejected(&mut self, why: &Rejection, out: &mut Vec<u8>) {
        match mem::take(&mut self.state) {
            State::Delivering { addresses } => {
                let replies = match self.settings.dialect {
                    Dialect::Lmtp => addresses.len(),
                    Dialect::Smtp => 1,
                };
                (0..replies).for_each(|_| reply::rejection(out, why));
            }
            other => self.state = other,
        }
    }

    /// The draft could not be written: the message's text goes on being read and thrown away, then
    /// every recipient gets 452 4.3.1 or 451 4.3.0. May also take the place of
    /// [`Session::delivered`]; then `handle` writes the replies, whether or not there is input.
    pub fn draft_failed(&mut self, why: DeliverError) {
        let why = Refusal::of_message(&why, &self.settings);
        let mut state = &mut self.state;
        if let State::Overlong { before, .. } = state {
            state = before;
        }
        match state {
            State::Text(text) => text.draft_failed(why),
            State::Chunk { text, .. } | State::Chunks(text) => text.draft_failed(why),
            State::Delivering { addresses } => {
                let addresses = mem::take(addresses);
                *state = State::Undelivered { addresses, why };
            }
            _ => {}
        }
    }

    fn farewell(&mut self, why: Farewell, out: &mut Vec<u8>) -> Next {
        reply::farewell(out, &self.settings, why);
        self.state = State::Closed;
        Next::Close
    }
}
