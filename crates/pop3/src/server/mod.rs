//! The server's side of a session: octets in, octets out, and what must happen next.
//!
//! [`Session::handle`] answers by itself whatever needs nothing from outside, as many lines as
//! there are, and stops with a [`Next`] when the driver has to do something. The three states of
//! RFC 1939 §3 are three structs, so that a user name, an exchange, a listing or a mark of
//! deletion exists only while it means something.
//!
//! ```
//! use pop3::server::{
//!     Channel, Connection, Next, Passwords, Rules, Sasl, Session, Settings, Stls, Utf8Messages,
//! };
//! use pop3::xclient::Speaker;
//! use pop3::{Expire, Language, Octets, Promise, ScanListing, Tolerances, UniqueId};
//!
//! let settings = Settings {
//!     name: "dewey".into(),
//!     command_octets_max: 512,
//!     output_octets_max: 65536,
//!     language: Language::English,
//!     utf8_messages: Utf8Messages::Surrogate,
//!     tolerances: Tolerances::default(),
//!     login_delay: None,
//! };
//! let connection = Connection {
//!     channel: Channel::Tls,
//!     passwords: Passwords::Accepted,
//!     stls: Stls::NotOffered,
//!     speaker: Speaker::Client,
//!     timestamp: "<1896.6971@mailgate.dobbs.org>".into(),
//!     expire: Promise::All(Expire::Never),
//!     sasl: Sasl::new(sasl::nonce::Nonces::new([0; 32])), // random ones
//! };
//! let mut session = Session::new(settings.into(), connection);
//! let mut out = Vec::new();
//!
//! let step = session.handle(b"USER bob\r\nPASS redqueen\r\nSTAT\r\n", &mut out);
//! assert_eq!(out, b"+OK bob\r\n");
//! assert_eq!(step.consumed, 25);
//! let Next::Authenticate(login) = step.next else { panic!("PASS is a login") };
//! assert_eq!(login.user(), "bob");
//!
//! // The driver finds the login right, opens the maildrop, and goes on with the rest.
//! let mut listing = ScanListing::default();
//! listing.push(Octets(120), &UniqueId::new(*b"a.1").unwrap());
//! out.clear();
//! session.opened("bob", listing, Rules::default(), &mut out);
//! session.handle(b"STAT\r\n", &mut out);
//! assert_eq!(out, b"+OK bob's maildrop has 1 message (120 octets)\r\n+OK 1 120\r\n");
//! ```

mod authorization;
mod confirmation;
mod headers;
mod manner;
mod rules;
mod sasl;
#[cfg(test)]
mod tests;
mod transaction;
mod update;

use std::num::NonZeroU32;
use std::sync::Arc;

use ::sasl::scram::{Hash, Verifier};
use ::sasl::{Login, base64};

use crate::capability::{self, Asked};
use crate::reply::{self, Refusal};
use crate::surrogate::Sizes;
use crate::wire::{self, Frame};
use crate::xclient::{Attributes, Speaker};
use crate::{
    Command, Deletions, Header, Keyword, Language, MessageNumber, Part, Promise, ScanListing,
    Tolerance, Tolerances,
};

use authorization::Authorization;
use confirmation::Confirmation;
use manner::Manner;
use transaction::Transaction;
use update::Update;

pub use self::sasl::Sasl;
pub(crate) use self::sasl::offered;
pub use headers::Utf8Messages;
pub use rules::Rules;

/// Longest line of a SASL exchange in octets, CRLF included, and of the AUTH command that may
/// carry its first response. RFC 5034 §4 sets no limit of its own; tokens have been seen to
/// exceed 4096 octets.
pub const SASL_OCTETS_MAX: usize = 65_536;

/// Longest line of XCLIENT in octets, CRLF included, from a front end: what it forwards beside the
/// address can be long.
pub const XCLIENT_OCTETS_MAX: usize = 8192;

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
    /// Only after TLS: USER, APOP and every mechanism but SCRAM are refused at their first line and
    /// not announced.
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
    /// Longest command line in octets, CRLF included; never below the 255 that RFC 2449 §4 asks
    /// for. Lines of a SASL exchange have a limit of their own, [`SASL_OCTETS_MAX`].
    pub command_octets_max: usize,
    /// `handle` stops with [`Next::Write`] when so many octets of replies wait.
    pub output_octets_max: usize,
    /// What `LANG *` chooses (RFC 6856 §3.2). It is the same for everybody, so it tells nobody
    /// whether there is a user of some name.
    pub language: Language,
    /// What clients get that have not said UTF8 of a message whose header is not ASCII.
    pub utf8_messages: Utf8Messages,
    /// Which known odd clients are borne with.
    pub tolerances: Tolerances,
    /// Seconds that CAPA asks clients to let pass from one login to the next (RFC 2449 §6.5). Who
    /// does not is refused by the driver, with [`Refusal::TooSoon`].
    pub login_delay: Option<NonZeroU32>,
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
    /// Whether XCLIENT is a command here.
    pub speaker: Speaker,
    /// `<unique@hostname>` of the greeting, new for each connection (RFC 1939 §7).
    pub timestamp: String,
    /// How long mail is kept, as far as it can be said before the login (RFC 2449 §6.7).
    pub expire: Promise,
    /// What AUTH offers.
    pub sasl: Sasl,
}

impl Connection {
    /// Appends its greeting.
    pub fn greeting(&self, out: &mut Vec<u8>) {
        greeting(self.speaker, self.passwords, &self.timestamp, out);
    }
}

/// Appends the greeting of a connection, of which no session need exist yet: what it says is known before
/// a TLS handshake is over. It carries the timestamp, which is that of the [`Connection`], only where APOP
/// may be used (RFC 1939 §7).
pub fn greeting(speaker: Speaker, passwords: Passwords, timestamp: &str, out: &mut Vec<u8>) {
    let timestamp = match passwords {
        Passwords::Accepted => Some(timestamp),
        Passwords::AfterTls => None,
    };
    reply::greeting(speaker, timestamp, out);
}

/// What the driver must do before it calls the session again.
#[derive(Debug)]
pub enum Next {
    /// Flush the output; read more.
    Read,
    /// Flush the output; call `handle` again with what is left of the input.
    Write,
    /// A front end has said so much of its client, in one command or in several; then `forwarded`,
    /// or `refused`, which also ends the session: who is turned away may not go on as his front end.
    Forwarded(Attributes),
    /// Check the login and open the maildrop; then `opened` or `refused`.
    Authenticate(Login),
    /// Find a SCRAM verifier, or make an imaginary one; then `found`, or `refused` if it cannot be
    /// said now. Only the name is claimed, nothing is proved yet.
    Lookup {
        /// Whose.
        user: String,
        /// Of this hash.
        hash: Hash,
    },
    /// Say how long mail is kept, for CAPA before the login; then `promised`. Only where the connection's
    /// promise is [`Promise::OnRequest`].
    Promise,
    /// Tell the sizes of these messages as they are with a [surrogate](crate::surrogate) header; then
    /// `measured`. The output may wait until then.
    Measure(Vec<MessageNumber>),
    /// Send this part of a message's text as stored (dot-stuffed, without terminator), with this
    /// header in place of its own; then `sent`, or `refused` if not one octet of it could be read. The status line is the last of the
    /// output already, and must stay there until the first chunk is read: so `refused` can take
    /// it back, and a small message leaves with it in one write. If the text fails later, cut the
    /// connection: a text without its end is the only honest reply left.
    Send(MessageNumber, Part, Header),
    /// Commit the deletions (UPDATE, RFC 1939 §6); then `committed`.
    Commit(Deletions),
    /// Hide these messages from later sessions, durably, all or none; then `committed`.
    Hide(Deletions),
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

/// What a session was, for the line that the log keeps of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Whose maildrop was opened; none if nobody has logged in.
    pub user: Option<String>,
    /// Messages sent by RETR, each as often as it was sent.
    pub messages_retrieved: u64,
    /// Octets of those messages, as LIST shows them.
    pub octets_retrieved: u64,
    /// Messages deleted by UPDATE; 0 if the session ended without it.
    pub messages_deleted: usize,
    /// Messages hidden by UPDATE, likewise.
    pub messages_hidden: usize,
    /// Messages of this session's listing that are left and not hidden.
    pub messages_left: usize,
    /// Octets of the messages of this session that are left.
    pub octets_left: u64,
    /// Whether the client said QUIT and was told goodbye: what it deleted is deleted.
    pub signed_off: bool,
    /// Passwords that were refused unseen because they are not UTF-8: a program that does not know
    /// better sends them in another charset.
    pub passwords_not_utf8: u64,
}

/// One session, from the greeting to its end.
///
/// It keeps no input: what is not consumed is the driver's. At most
/// [`SASL_OCTETS_MAX`] octets, or the command limit if that is more, can wait there unconsumed
/// while the answer is [`Next::Read`]; a longer line is consumed and dropped up to its end, and
/// then refused.
///
/// `opened`, `found`, `refused`, `measured`, `sent` and `committed` answer a [`Next`] that asked for them; without one
/// they do nothing.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    connection: Connection,
    state: State,
    line: Line,
    summary: Summary,
}

#[derive(Debug)]
enum State {
    Authorization(Authorization),
    Confirmation(Confirmation),
    Transaction(Transaction),
    Update(Update),
    /// Nothing is left to say.
    Closed,
}

/// What the next octet of the input belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    /// A line that is still in the input from its beginning.
    Whole,
    /// A line that is too long and partly dropped.
    Dropped,
}

/// What a state says after a line.
enum After {
    /// On to the next line.
    Line,
    /// Something from outside first.
    Wait(Next),
    /// The session is over.
    End(Next),
    /// QUIT before a login: the client has been told goodbye.
    SignedOff,
    /// QUIT after a login.
    Update,
}

impl Session {
    /// A session in the AUTHORIZATION state.
    pub fn new(settings: Arc<Settings>, connection: Connection) -> Self {
        let authorization = Authorization::new(connection.sasl.nonces.clone());
        Self {
            settings,
            connection,
            state: State::Authorization(authorization),
            line: Line::Whole,
            summary: Summary::default(),
        }
    }

    /// Handles as many whole lines as need nothing from outside.
    pub fn handle(&mut self, input: &[u8], out: &mut Vec<u8>) -> Step {
        let mut consumed = 0;
        let next = loop {
            if let Some(next) = self.before_line(out) {
                break next;
            }
            let rest = &input[consumed..];
            let after = match self.line {
                _ if self.is_measured() => self.resume(out),
                Line::Whole => match wire::frame(rest, self.line_octets_max(rest)) {
                    Frame::Unfinished => break Next::Read,
                    Frame::TooLong => {
                        self.line = Line::Dropped;
                        self.begin_dropping(rest, out)
                    }
                    Frame::Line { text, octets } => {
                        consumed += octets;
                        let line = match text.len() + 1 == octets {
                            true if !self.settings.tolerances.has(Tolerance::BareLf) => {
                                Err(Refusal::BareLf)
                            }
                            _ => Ok(text),
                        };
                        self.handle_line(line, out)
                    }
                },
                Line::Dropped => match memchr::memchr(b'\n', rest) {
                    None => {
                        consumed = input.len();
                        break Next::Read;
                    }
                    Some(end) => {
                        consumed += end + 1;
                        self.line = Line::Whole;
                        self.handle_line(Err(Refusal::LineTooLong), out)
                    }
                },
            };
            match after {
                After::Line => {}
                After::Wait(next) => break next,
                After::End(next) => {
                    self.state = State::Closed;
                    break next;
                }
                After::SignedOff => {
                    self.summary.signed_off = true;
                    self.state = State::Closed;
                    break Next::Close;
                }
                After::Update => {
                    if let State::Transaction(transaction) = self.take_state() {
                        self.state = State::Update(transaction.quit());
                    }
                }
            }
        };
        Step { consumed, next }
    }

    /// What [`Next::Promise`] asked for: appends the answer to CAPA.
    pub fn promised(&mut self, promise: Promise, out: &mut Vec<u8>) {
        if let State::Authorization(authorization) = &mut self.state
            && let Some(language) = authorization.promised()
        {
            self.connection.expire = promise;
            let asked = Asked::BeforeLogin;
            capability::list(&self.settings, &self.connection, asked, language, out);
        }
    }

    /// The client that XCLIENT names is noted, and may log in like this. STLS is over: what was said
    /// of the client was said in clear, and would have to be forgotten (RFC 2595 §4). So is EXTERNAL: a
    /// certificate that was shown here is the front end's.
    pub fn forwarded(&mut self, passwords: Passwords, out: &mut Vec<u8>) {
        if let State::Authorization(authorization) = &mut self.state
            && authorization.forwarded()
        {
            self.connection.passwords = passwords;
            self.connection.stls = Stls::NotOffered;
            self.connection.sasl.certificate = None;
            reply::ok(out);
        }
    }

    /// The login was right and the account's maildrop is open: enters the TRANSACTION state, with SCRAM as
    /// soon as the client has seen the server's proof and consents; if it does not, the session ends.
    pub fn opened(&mut self, account: &str, listing: ScanListing, rules: Rules, out: &mut Vec<u8>) {
        let State::Authorization(authorization) = &mut self.state else {
            return;
        };
        let Some((manner, signature)) = authorization.verified() else {
            return;
        };
        let language = manner.language;
        // With SCRAM the answer to the login waits for the client's consent.
        let mut welcome = Vec::new();
        let answer = match signature {
            Some(_) => &mut welcome,
            None => &mut *out,
        };
        reply::opened(account, &listing, language, answer);
        self.summary.messages_left = listing.len();
        self.summary.octets_left = listing.total().0;
        self.summary.user = Some(account.to_owned());
        let transaction = Transaction::new(listing, rules, manner, &self.settings);
        self.state = match signature {
            Some(signature) => {
                reply::challenge(&base64::encode(&signature), out);
                State::Confirmation(Confirmation::new(transaction, welcome, language))
            }
            None => State::Transaction(transaction),
        };
    }

    /// The verifier that [`Next::Lookup`] asked for. A name that has none gets
    /// [`Verifier::imaginary`], so that nobody learns who exists.
    pub fn found(&mut self, verifier: Verifier, out: &mut Vec<u8>) {
        if let State::Authorization(authorization) = &mut self.state {
            authorization.found(verifier, out);
        }
    }

    /// The login was refused, or not one octet of the text can be read, or UPDATE failed.
    ///
    /// If the status line of a text has left the output already, against the rule of
    /// [`Next::Send`], no refusal is possible any more: the next `handle` closes the session.
    pub fn refused(&mut self, why: Refusal, out: &mut Vec<u8>) {
        match &mut self.state {
            State::Authorization(authorization) => {
                let turned_away = authorization.is_forwarding();
                authorization.refused(why, out);
                if turned_away {
                    self.state = State::Closed;
                }
            }
            State::Transaction(transaction) => {
                if transaction.refused(why, out).is_err() {
                    self.state = State::Closed;
                }
            }
            State::Update(update) if update.is_waiting() => {
                update.refused(why, out);
                self.state = State::Closed;
            }
            State::Confirmation(_) | State::Update(_) | State::Closed => {}
        }
    }

    /// The sizes of surrogates, as far as they could be told: the others are listed as they are
    /// stored. The next `handle` goes on with the command that waits for them.
    pub fn measured(&mut self, sizes: &[(MessageNumber, Sizes)]) {
        if let State::Transaction(transaction) = &mut self.state {
            transaction.measured(sizes);
        }
    }

    /// The text has been sent: appends the terminator line.
    pub fn sent(&mut self, out: &mut Vec<u8>) {
        if let State::Transaction(transaction) = &mut self.state
            && let Some(octets) = transaction.sent(out)
        {
            self.summary.messages_retrieved += 1;
            self.summary.octets_retrieved += octets.0;
        }
    }

    /// What was to be deleted or hidden is so, durably: appends the sign-off; so many messages of the
    /// listing are left.
    pub fn committed(&mut self, messages_left: usize, out: &mut Vec<u8>) {
        if let State::Update(update) = &self.state
            && update.is_waiting()
        {
            update.committed(&self.settings.name, messages_left, out);
            self.summary.messages_left = messages_left;
            self.summary.messages_deleted = update.messages_deleted();
            self.summary.messages_hidden = update.messages_hidden();
            self.summary.octets_left = update.octets_left();
            self.summary.signed_off = true;
            self.state = State::Closed;
        }
    }

    /// What the session was up to now.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What the connection is, as `new` and `forwarded` were told.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether somebody has logged in, so that the longer time limits hold.
    pub fn is_logged_in(&self) -> bool {
        self.summary.user.is_some()
    }

    /// What must happen before a line may be looked at.
    fn before_line(&mut self, out: &mut Vec<u8>) -> Option<Next> {
        // A limit of nothing would never let a listing end.
        let output_octets_max = self.settings.output_octets_max.max(512);
        match &mut self.state {
            State::Authorization(authorization) if authorization.is_waiting() => {
                return Some(Next::Read);
            }
            State::Transaction(transaction) if transaction.is_waiting() => {
                return Some(Next::Read);
            }
            State::Transaction(transaction) => transaction.list_on(output_octets_max, out),
            State::Authorization(_) | State::Confirmation(_) => {}
            State::Update(update) => return Some(update.next(out.is_empty())),
            State::Closed => return Some(Next::Close),
        }
        (out.len() >= output_octets_max).then_some(Next::Write)
    }

    /// Whether a command waits that can be answered now.
    fn is_measured(&self) -> bool {
        matches!(&self.state, State::Transaction(transaction) if transaction.is_measured())
    }

    /// Answers it.
    fn resume(&mut self, out: &mut Vec<u8>) -> After {
        match &mut self.state {
            State::Transaction(transaction) => {
                transaction.resume(&self.settings, &self.connection, out)
            }
            _ => After::Line,
        }
    }

    /// The limit of the line that begins the input.
    fn line_octets_max(&self, beginning: &[u8]) -> usize {
        let command_octets_max = self.settings.command_octets_max.max(255);
        match &self.state {
            State::Authorization(authorization)
                if authorization.is_sasl(beginning, self.settings.tolerances) =>
            {
                command_octets_max.max(SASL_OCTETS_MAX)
            }
            State::Authorization(_)
                if self.connection.speaker == Speaker::FrontEnd && is_xclient(beginning) =>
            {
                command_octets_max.max(XCLIENT_OCTETS_MAX)
            }
            _ => command_octets_max,
        }
    }

    fn begin_dropping(&self, beginning: &[u8], out: &mut Vec<u8>) -> After {
        match &self.state {
            State::Authorization(authorization) => authorization.begin_dropping(beginning, out),
            _ => After::Line,
        }
    }

    /// Handles a line, or refuses it for what it is.
    fn handle_line(&mut self, line: Result<&[u8], Refusal>, out: &mut Vec<u8>) -> After {
        match &mut self.state {
            State::Authorization(authorization) => {
                let after = authorization.handle(line, &self.settings, &self.connection, out);
                self.summary.passwords_not_utf8 = authorization.passwords_not_utf8();
                after
            }
            State::Transaction(transaction) => {
                transaction.handle(line, &self.settings, &self.connection, out)
            }
            State::Confirmation(_) => self.confirm(line, out),
            State::Update(_) | State::Closed => After::End(Next::Close),
        }
    }

    /// Takes the client's answer to the server's proof.
    fn confirm(&mut self, line: Result<&[u8], Refusal>, out: &mut Vec<u8>) -> After {
        let consents = match self.take_state() {
            State::Confirmation(confirmation) => confirmation.handle(line, out),
            _ => None,
        };
        match consents {
            Some(transaction) => {
                self.state = State::Transaction(transaction);
                After::Line
            }
            None => After::End(Next::Close),
        }
    }

    fn take_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Closed)
    }
}

/// Reads a line. From somebody who is no front end XCLIENT is no command, whatever its arguments, nor
/// is LAST where it is not tolerated.
fn parse(line: &[u8], speaker: Speaker, tolerances: Tolerances) -> Result<Command, Refusal> {
    match Command::parse(line) {
        Ok(Command::Xclient(_))
        | Err(Refusal::Usage(Keyword::Xclient) | Refusal::ForwardedInACircle)
            if speaker == Speaker::Client =>
        {
            Err(Refusal::UnknownCommand)
        }
        Ok(Command::Last) | Err(Refusal::Usage(Keyword::Last))
            if !tolerances.has(Tolerance::Last) =>
        {
            Err(Refusal::UnknownCommand)
        }
        Ok(Command::AuthList) if !tolerances.has(Tolerance::AuthAlone) => {
            Err(Refusal::Usage(Keyword::Auth))
        }
        read => read,
    }
}

fn is_xclient(beginning: &[u8]) -> bool {
    beginning
        .get(..8)
        .is_some_and(|keyword| keyword.eq_ignore_ascii_case(b"XCLIENT "))
}
