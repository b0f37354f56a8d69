//! The server's side of LMTP (RFC 2033): no I/O, like the POP3 session.

use std::sync::Arc;

use maildrop::Measure;

/// What all LMTP sessions of a server share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// In the greeting and in Received.
    pub hostname: String,
    /// Largest message, announced as SIZE.
    pub message_octets_max: u64,
    /// Most recipients of one message.
    pub recipients_max: usize,
}

/// Who is at the other end, for the Received line.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client's address in text, or `local` for a Unix socket.
    pub address: String,
}

/// A recipient that the accounts know.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// The address as it was given, without angle brackets.
    pub address: String,
    /// The account's name.
    pub account: String,
    /// The id of its maildrop.
    pub maildrop: maildrop::MaildropId,
}

/// Why a recipient is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecipientRefusal {
    /// 550 5.1.1.
    Unknown,
    /// 550 5.2.1.
    Disabled,
    /// 451 4.3.0.
    Unavailable,
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
    /// The Received line's part up to the date: `from … by … with LMTP…`.
    pub received: String,
}

/// What the driver must do before it calls the session again.
#[derive(Debug)]
pub enum Next {
    /// Flush the output; read more. (Text that was appended goes to the draft first.)
    Read,
    /// Ask the accounts for this address; then `resolved`.
    Resolve(String),
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
pub struct Session {}

impl Session {
    /// A session before LHLO.
    pub fn new(_settings: Arc<Settings>, _client: Client) -> Self {
        todo!()
    }
    /// Appends the greeting.
    pub fn greeting(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    /// Handles input: replies are appended to `out`, message text in stored form to `text`.
    pub fn handle(&mut self, _input: &[u8], _out: &mut Vec<u8>, _text: &mut Vec<u8>) -> Step {
        todo!()
    }
    /// The answer to [`Next::Resolve`].
    pub fn resolved(
        &mut self,
        _recipient: Result<Recipient, RecipientRefusal>,
        _out: &mut Vec<u8>,
    ) {
        todo!()
    }
    /// The answer to [`Next::Deliver`]: one result a recipient, in order.
    pub fn delivered(
        &mut self,
        _results: &[Result<(), maildrop::DeliverError>],
        _out: &mut Vec<u8>,
    ) {
        todo!()
    }
    /// The draft could not be written: the message's text goes on being read and thrown away, then
    /// every recipient gets 452 4.3.1.
    pub fn draft_failed(&mut self, _why: maildrop::DeliverError) {
        todo!()
    }
}
