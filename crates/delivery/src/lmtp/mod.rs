//! The server's side of LMTP (RFC 2033): no I/O, like the POP3 session.
//!
//! The driver reads octets, calls [`Session::handle`], and does what [`Next`] says. `handle` keeps
//! going through everything that needs nothing from outside, so a pipelined batch is one call and
//! its replies are one write (RFC 2920). Whatever `Next` says, text that was appended goes to the
//! draft first, and the output may be flushed at any time; it must be before more is read.
//!
//! The session holds no input: a line that is not whole stays with the driver, which need not keep
//! more than [`COMMAND_OCTETS_MAX`] octets for it.
//!
//! `250` for a recipient is written by [`Session::delivered`] and by nothing else, and it takes a
//! [`maildrop::Delivered`] to do so: what is acknowledged is durable.

mod command;
mod data;
mod reply;
#[cfg(test)]
mod tests;

use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use maildrop::{DeliverError, Delivered, Draft, Maildrops, Measure};
use pop3::xclient::{Attributes, Speaker, Wrong};

use self::command::Command;
use self::data::{Ended, Envelope, Incoming, Taken};
use self::reply::{Farewell, Refusal};
use crate::{Arrival, Trace};
pub use crate::{QuotaExceeded, Recipient, RecipientRefusal};

/// Longest command line, CRLF included: 512 (RFC 5321 §4.5.3.1.4), and what SIZE (RFC 1870 §3) and
/// BODY (RFC 6152 §3) add to it.
pub const COMMAND_OCTETS_MAX: usize = 512 + 26 + 17;

/// So many lines in a row that are no command of LMTP end the session. Commands that only come at
/// the wrong time do not count: a pipelined batch may hold a hundred of them.
const REFUSALS_MAX: u32 = 20;

/// Most octets of text taken before the driver is asked to put them away.
const TEXT_OCTETS_MAX: usize = 64 * 1024;

/// What all LMTP sessions of a server share.
#[derive(Clone, Debug)]
pub struct Settings {
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

/// Who is at the other end, for the Received line.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client's address in text, or `local` for a Unix socket.
    pub address: String,
    /// Whether it may name somebody else by XCLIENT.
    pub speaker: Speaker,
}

/// A message whose end has come, with everything that delivering it needs.
#[derive(Debug)]
pub struct Message {
    /// Envelope sender; empty: the null sender.
    pub sender: String,
    /// Accepted recipients, in the order of their RCPT; one reply each.
    pub recipients: Vec<Recipient>,
    /// What is known of the text.
    pub measure: Measure,
    /// The Received line's part up to `for`: `from … by … with LMTP`.
    pub received: String,
}

impl Message {
    /// Delivers the draft to every recipient, one after the other. Blocks. The results are those
    /// that [`Session::delivered`] wants. `at_us`: now, in µs since the beginning of 1970.
    pub fn deliver(
        &self,
        maildrops: &Maildrops,
        draft: &mut Draft,
        at_us: i64,
    ) -> Vec<Result<Delivered, DeliverError>> {
        let arrival = Arrival {
            sender: Some(&self.sender),
            trace: Trace::Lmtp(&self.received),
            at_us,
        };
        let deliver =
            |recipient| crate::deliver(maildrops, draft, &self.measure, recipient, &arrival);
        self.recipients.iter().map(deliver).collect()
    }
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

/// One LMTP session.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    client: Client,
    /// What the client called itself; none before LHLO.
    name: Option<String>,
    state: State,
    /// Lines that were no command since the last command that was accepted.
    refusals: u32,
    signed_off: bool,
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
    Text(Incoming),
    /// Behind the terminator, for as long as the maildrops are at it.
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
    /// A session before LHLO.
    pub fn new(settings: Arc<Settings>, client: Client) -> Self {
        Self {
            settings,
            client,
            name: None,
            state: State::Idle,
            refusals: 0,
            signed_off: false,
        }
    }

    /// Whether the client has said QUIT: the session ends in good order.
    pub fn signed_off(&self) -> bool {
        self.signed_off
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
                State::Undelivered { .. } => (0, self.undelivered(out)),
                // The driver asks again instead of answering: so do we.
                State::Resolving { envelope, address } => {
                    let (address, octets) = (address.clone(), envelope.octets);
                    (0, Some(Next::Resolve { address, octets }))
                }
                State::Delivering { .. } => (0, Some(Next::Read)),
                State::Closed => (rest.len(), Some(Next::Close)),
                State::Idle | State::Transaction(_) | State::Overlong { .. } => {
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
        matches!(self.state, State::Text(_))
    }

    /// The answer to [`Next::Resolve`].
    pub fn resolved(&mut self, recipient: Result<Recipient, RecipientRefusal>, out: &mut Vec<u8>) {
        match mem::take(&mut self.state) {
            State::Resolving {
                mut envelope,
                address,
            } => {
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
            }
            // Nobody asked.
            other => self.state = other,
        }
    }

    /// The answer to [`Next::Deliver`]: one result a recipient, in order. A recipient without a
    /// result has not been delivered to.
    pub fn delivered(&mut self, results: &[Result<Delivered, DeliverError>], out: &mut Vec<u8>) {
        match mem::take(&mut self.state) {
            State::Delivering { addresses } => {
                let mut results = results.iter();
                for address in addresses {
                    match results.next() {
                        Some(Ok(delivered)) => reply::delivered(out, &address, delivered),
                        Some(Err(why)) => {
                            let why = Refusal::of_message(why, &self.settings);
                            reply::recipient_refusal(out, &address, why);
                        }
                        None => reply::recipient_refusal(out, &address, Refusal::NotDelivered),
                    }
                }
            }
            other => self.state = other,
        }
    }

    /// The draft could not be written: the message's text goes on being read and thrown away, then
    /// every recipient gets 452 4.3.1 or 451 4.3.0. May also take the place of
    /// [`Session::delivered`]; then `handle` writes the replies, whether or not there is input.
    pub fn draft_failed(&mut self, why: DeliverError) {
        let why = Refusal::of_message(&why, &self.settings);
        match mem::take(&mut self.state) {
            State::Text(mut incoming) => {
                incoming.draft_failed(why);
                self.state = State::Text(incoming);
            }
            State::Delivering { addresses } => self.state = State::Undelivered { addresses, why },
            other => self.state = other,
        }
    }

    /// Takes message text.
    fn text(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        text: &mut Vec<u8>,
    ) -> (usize, Option<Next>) {
        let State::Text(incoming) = &mut self.state else {
            return (0, None);
        };
        let piece = &input[..input.len().min(TEXT_OCTETS_MAX)];
        let (used, taken) = incoming.take(piece, &self.settings, text);
        let next = match taken {
            Taken::Ended => Some(self.text_ended(out)),
            Taken::Refused => Some(Next::Discard),
            Taken::On if used == input.len() => Some(Next::Read),
            Taken::On if text.is_empty() => None,
            Taken::On => Some(Next::Text),
        };
        (used, next)
    }

    fn text_ended(&mut self, out: &mut Vec<u8>) -> Next {
        let State::Text(incoming) = mem::take(&mut self.state) else {
            return Next::Discard;
        };
        match incoming.end(&self.settings) {
            Ended::Whole(envelope, measure) => {
                let addresses = addresses(&envelope.recipients);
                self.state = State::Delivering { addresses };
                Next::Deliver(Message {
                    sender: envelope.sender,
                    recipients: envelope.recipients,
                    measure,
                    received: self.received(),
                })
            }
            Ended::Refused(envelope, why) => {
                for address in addresses(&envelope.recipients) {
                    reply::recipient_refusal(out, &address, why);
                }
                Next::Discard
            }
        }
    }

    fn undelivered(&mut self, out: &mut Vec<u8>) -> Option<Next> {
        if let State::Undelivered { addresses, why } = mem::take(&mut self.state) {
            for address in addresses {
                reply::recipient_refusal(out, &address, why);
            }
        }
        Some(Next::Discard)
    }

    /// Takes a command line, or what there is of it.
    fn line(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Option<Next>) {
        let Some(lf) = memchr::memchr(b'\n', input) else {
            return (self.unfinished_line(input), Some(Next::Read));
        };
        let (used, line) = (lf + 1, &input[..lf]);
        let (behind_cr, too_long) = match mem::take(&mut self.state) {
            State::Overlong { cr, before } => {
                self.state = *before;
                (line.last().map_or(cr, |&octet| octet == b'\r'), true)
            }
            state => {
                self.state = state;
                (line.ends_with(b"\r"), used > COMMAND_OCTETS_MAX)
            }
        };
        // A line that ends otherwise for us than for the peer is how commands are smuggled.
        if !behind_cr {
            return (used, Some(self.farewell(Farewell::BareLf, out)));
        }
        let answer = match too_long {
            true => Err(Refusal::LineTooLong),
            false => Command::parse(&line[..lf - 1]).and_then(|command| self.command(command, out)),
        };
        let next = match answer {
            Ok(next) => {
                self.refusals = 0;
                next
            }
            Err(why) => {
                reply::refusal(out, why);
                self.refusals += u32::from(why.is_nonsense());
                (self.refusals >= REFUSALS_MAX)
                    .then(|| self.farewell(Farewell::TooManyRefusals, out))
            }
        };
        (used, next)
    }

    /// Leaves a line without end to the driver, unless it is too long to become a command.
    fn unfinished_line(&mut self, input: &[u8]) -> usize {
        let Some(&last) = input.last() else {
            return 0;
        };
        let before = match mem::take(&mut self.state) {
            State::Overlong { before, .. } => before,
            state if input.len() >= COMMAND_OCTETS_MAX => Box::new(state),
            state => {
                self.state = state;
                return 0;
            }
        };
        let cr = last == b'\r';
        self.state = State::Overlong { cr, before };
        input.len()
    }

    fn farewell(&mut self, why: Farewell, out: &mut Vec<u8>) -> Next {
        reply::farewell(out, &self.settings, why);
        self.state = State::Closed;
        Next::Close
    }

    /// Answers one command outside of a message's text.
    fn command(&mut self, command: Command, out: &mut Vec<u8>) -> Answer {
        match command {
            Command::Lhlo { name } => {
                // Also ends a transaction, as RSET does (RFC 5321 §4.1.4).
                self.state = State::Idle;
                self.name = Some(name);
                reply::lhlo(out, &self.settings, self.client.speaker);
            }
            Command::Mail { sender, octets } => self.mail(sender, octets, out)?,
            Command::Rcpt { address } => return self.rcpt(address),
            Command::Data => self.data(out)?,
            Command::Rset => {
                self.state = State::Idle;
                reply::ok(out);
            }
            Command::Noop => reply::ok(out),
            Command::Vrfy => reply::vrfy(out),
            Command::Help => reply::help(out),
            Command::Quit => {
                self.signed_off = true;
                reply::bye(out, &self.settings);
                self.state = State::Closed;
                return Ok(Some(Next::Close));
            }
            Command::Xclient(said) => return self.xclient(said, out),
            Command::Http => return Ok(Some(self.farewell(Farewell::Http, out))),
        }
        Ok(None)
    }

    /// A front end names its client: everything begins anew, as Postfix has it, with the greeting.
    fn xclient(&mut self, said: Result<Attributes, Wrong>, out: &mut Vec<u8>) -> Answer {
        let said = match (self.client.speaker, &self.state) {
            (Speaker::Client, _) => return Err(Refusal::NoFrontEnd),
            (_, State::Transaction(_)) => return Err(Refusal::WithinTransaction),
            _ => said.map_err(Refusal::of_attributes)?,
        };
        if let Some(address) = said.address {
            self.client.address = address.to_canonical().to_string();
        }
        self.name = None;
        self.state = State::Idle;
        reply::greeting(out, &self.settings);
        Ok(Some(Next::Forwarded(said)))
    }

    fn mail(&mut self, sender: String, octets: u64, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let octets_max = self.settings.message_octets_max;
        match (&self.name, &self.state) {
            (None, _) => Err(Refusal::LhloFirst),
            (_, State::Transaction(_)) => Err(Refusal::SenderTwice),
            // Refused before it travels (RFC 1870 §6.1).
            _ if octets_max != 0 && octets > octets_max => Err(Refusal::TooLarge),
            _ => {
                self.state = State::Transaction(Envelope {
                    sender,
                    octets,
                    recipients: Vec::new(),
                });
                reply::sender(out);
                Ok(())
            }
        }
    }

    fn rcpt(&mut self, address: String) -> Answer {
        match mem::take(&mut self.state) {
            State::Transaction(envelope) => {
                if envelope.recipients.len() >= self.settings.recipients_max {
                    self.state = State::Transaction(envelope);
                    return Err(Refusal::TooManyRecipients);
                }
                let next = Next::Resolve {
                    address: address.clone(),
                    octets: envelope.octets,
                };
                self.state = State::Resolving { envelope, address };
                Ok(Some(next))
            }
            other => {
                self.state = other;
                Err(self.no_transaction())
            }
        }
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match mem::take(&mut self.state) {
            State::Transaction(envelope) if !envelope.recipients.is_empty() => {
                self.state = State::Text(Incoming::new(envelope));
                reply::go_ahead(out);
                Ok(())
            }
            State::Transaction(envelope) => {
                self.state = State::Transaction(envelope);
                Err(Refusal::RecipientFirst)
            }
            other => {
                self.state = other;
                Err(self.no_transaction())
            }
        }
    }

    fn no_transaction(&self) -> Refusal {
        match self.name {
            Some(_) => Refusal::SenderFirst,
            None => Refusal::LhloFirst,
        }
    }

    /// The Received field up to `for` (RFC 5321 §4.4): what the client called itself, where it
    /// really is, and who we are.
    fn received(&self) -> String {
        let name: String = match &self.name {
            // Only what a domain or an address literal may hold: no comment, no field of its own.
            Some(name) => name.chars().map(domain_char).collect(),
            None => String::from("unknown"),
        };
        let address = match self.client.address.parse().or_else(|_| {
            let address: Result<SocketAddr, _> = self.client.address.parse();
            address.map(|address| address.ip())
        }) {
            Ok(IpAddr::V4(address)) => format!("[{address}]"),
            Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
            Err(_) => self.client.address.chars().map(domain_char).collect(),
        };
        format!(
            "from {name} ({address}) by {} with LMTP",
            self.settings.hostname
        )
    }
}

fn addresses(recipients: &[Recipient]) -> Vec<String> {
    let address = |recipient: &Recipient| recipient.address.clone();
    recipients.iter().map(address).collect()
}

fn domain_char(c: char) -> char {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | ':' | '[' | ']' => c,
        _ => '?',
    }
}
