//! The server's side of a session: bytes in, bytes out, and what must happen next.

use std::sync::Arc;

use sasl::Login;

use crate::reply::Refusal;
use crate::{Deletions, MessageNumber, Part, ScanListing};

/// Whether octets travel in clear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// Anybody on the way can read.
    Plain,
    /// Inside TLS.
    Tls,
}

/// Whether this connection may carry a password (design decision 14).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passwords {
    /// Yes.
    Accepted,
    /// Only after TLS: USER, APOP and PLAIN are refused at their first line and not announced.
    AfterTls,
}

/// Whether STLS can work on this connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stls {
    /// A certificate is loaded and the channel is plain.
    Offered,
    /// Not announced, and refused.
    NotOffered,
}

/// What all sessions of a server share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the server signs off (`dewey`).
    pub name: String,
    /// Longest command line in octets, CRLF included.
    pub command_octets_max: usize,
    /// `handle` stops with [`Next::Write`] when so many octets of replies wait.
    pub output_octets_max: usize,
}

/// What one connection is.
#[derive(Clone, Debug)]
pub struct Connection {
    /// In clear or inside TLS.
    pub channel: Channel,
    /// Whether passwords may travel.
    pub passwords: Passwords,
    /// Whether STLS is offered.
    pub stls: Stls,
    /// `<unique@hostname>` of the greeting, new for each connection (RFC 1939 §7).
    pub timestamp: String,
}

/// What the driver must do before it calls the session again.
#[derive(Debug)]
pub enum Next {
    /// Flush the output; read more.
    Read,
    /// Flush the output; call `handle` again with what is left of the input.
    Write,
    /// Check the login and open the maildrop; then `opened` or `refused`.
    Authenticate(Login),
    /// Send this part of a message's text as stored (dot-stuffed, without terminator); then `sent`,
    /// or `refused` if not one octet of it could be read. The status line is the session's:
    /// it is in the output already, so `refused` takes it back.
    Send(MessageNumber, Part),
    /// Commit the deletions (UPDATE, RFC 1939 §6); then `committed`.
    Commit(Deletions),
    /// Flush; if input is left over, close; else start TLS and a new session.
    StartTls,
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

/// One session, from the greeting to its end.
pub struct Session {}

impl Session {
    /// A session in the AUTHORIZATION state.
    pub fn new(_settings: Arc<Settings>, _connection: Connection) -> Self {
        todo!()
    }
    /// Appends the greeting.
    pub fn greeting(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    /// Handles as many whole command lines as need nothing from outside.
    pub fn handle(&mut self, _input: &[u8], _out: &mut Vec<u8>) -> Step {
        todo!()
    }
    /// The login was right and the maildrop is open.
    pub fn opened(&mut self, _listing: ScanListing, _out: &mut Vec<u8>) {
        todo!()
    }
    /// The login was refused, or the text of a message cannot be read, or UPDATE failed.
    pub fn refused(&mut self, _why: Refusal, _out: &mut Vec<u8>) {
        todo!()
    }
    /// The text has been sent: appends the terminator line.
    pub fn sent(&mut self, _out: &mut Vec<u8>) {
        todo!()
    }
    /// The deletions are durable: appends the sign-off; so many messages are left in the maildrop.
    pub fn committed(&mut self, _messages_left: usize, _out: &mut Vec<u8>) {
        todo!()
    }
}
