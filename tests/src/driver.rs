//! A driver for the server's session that has no socket, no disk and no clock.
//!
//! It does what `server` does with every [`Next`], on a maildrop that is a list of texts, and can
//! be told to fail where a real one would.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use pop3::Promise;
use pop3::reply::Refusal;
use pop3::server::{
    Channel, Connection, Next, Passwords, Rules, Session, Settings, Stls, Summary, Utf8Messages,
};
use pop3::surrogate::{self, Sizes, Surrogate};
use pop3::xclient::Attributes;
use pop3::{
    Deletions, Header, Language, MessageNumber, Octets, Part, ScanListing, Tolerances, UniqueId,
    wire,
};
use sasl::scram::{Hash, ITERATIONS_MIN, Verifier};
use sasl::{Bindings, Login, Secret, cram_md5, prepare};

/// A server that is set to nothing in particular.
pub fn settings() -> Settings {
    Settings {
        name: "dewey".into(),
        command_octets_max: 512,
        output_octets_max: 65_536,
        language: Language::English,
        utf8_messages: Utf8Messages::Surrogate,
        tolerances: Tolerances::default(),
        login_delay: None,
    }
}

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Message {
    /// The text, as it was before dot-stuffing.
    pub text: Vec<u8>,
    /// The size that LIST shows; normally that of the text.
    pub octets: u64,
    /// The unique-id.
    pub unique_id: UniqueId,
    /// How reading it goes.
    pub reading: Reading,
    /// Whether sessions do not see it.
    pub hidden: bool,
}

impl Message {
    /// The header with its blank line.
    fn header(&self) -> &[u8] {
        &self.text[..octets_of(Part::Top(0), &self.text)]
    }

    /// What is sent in place of the header to clients that have not said UTF8.
    fn surrogate(&self) -> Result<Surrogate, Refusal> {
        if let Reading::Fails(why) = self.reading {
            return Err(why);
        }
        let mut stored = Vec::new();
        wire::stuff(self.header(), &mut stored);
        match stored.len() {
            ..=surrogate::HEADER_OCTETS_MAX => Ok(Surrogate::of_stored(&stored)),
            _ => Err(Refusal::NeedsUtf8),
        }
    }
}

/// How reading a message goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reading {
    /// Well.
    Works,
    /// Not an octet can be read.
    Fails(Refusal),
    /// It fails after so many octets of the stored form.
    FailsAfter(usize),
}

/// Somebody who may log in, and how the steps after that go.
#[derive(Clone, Debug)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The digest that APOP must show.
    pub digest: Option<[u8; 16]>,
    /// A token that an authorisation server has given out for it.
    pub token: Option<Secret>,
    /// Why a right login is refused all the same, if it is.
    pub opening: Option<Refusal>,
    /// Why UPDATE fails, if it does.
    pub committing: Option<Refusal>,
    /// How long its mail is kept, and what becomes of deletions.
    pub rules: Rules,
    /// How many messages at the end of the maildrop a session sees.
    pub shown: usize,
    /// The maildrop.
    pub messages: Vec<Message>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Open.
    Open,
    /// STLS was accepted and nothing has come in clear after it.
    BeforeTls,
    /// Closed after everything was said.
    Closed,
    /// Cut in the middle of a text.
    Cut,
}

/// What becomes of a client whom a front end names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Conduct {
    /// He may log in like this.
    Admit(Passwords),
    /// There is no place for him.
    TurnAway,
}

/// What UPDATE does with messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Deleted,
    Hidden,
}

/// A server with one connection.
pub struct Driver {
    settings: Arc<Settings>,
    accounts: Vec<Account>,
    session: Session,
    connection: Connection,
    /// Why no verifier can be looked up, if none can.
    looking_up: Option<Refusal>,
    /// Who is logged in.
    account: Option<usize>,
    /// The places of the messages that its session sees.
    seen: Vec<usize>,
    conduct: Conduct,
    /// What a front end has said of its client.
    client: Option<Attributes>,
    input: Vec<u8>,
    out: Vec<u8>,
    standing: Standing,
}

impl Driver {
    /// A connection that has just been accepted; the greeting waits in the output.
    pub fn new(settings: Settings, connection: Connection, accounts: Vec<Account>) -> Self {
        let settings = Arc::new(settings);
        let session = Session::new(Arc::clone(&settings), in_its_channel(&connection));
        let mut out = Vec::new();
        session.connection().greeting(&mut out);
        Self {
            settings,
            accounts,
            session,
            conduct: Conduct::Admit(connection.passwords),
            client: None,
            connection,
            looking_up: None,
            account: None,
            seen: Vec::new(),
            input: Vec::new(),
            out,
            standing: Standing::Open,
        }
    }

    /// What is to become of a client whom a front end names.
    pub fn set_conduct(&mut self, conduct: Conduct) {
        self.conduct = conduct;
    }

    /// What a front end has said of its client, as it is printed.
    pub fn client(&self) -> String {
        self.client
            .as_ref()
            .map(Attributes::to_string)
            .unwrap_or_default()
    }

    /// From now on no verifier can be looked up, and this is why.
    pub fn fail_lookups(&mut self, why: Option<Refusal>) {
        self.looking_up = why;
    }

    /// Octets come from the client. Those that come after the end are lost.
    pub fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        if self.standing == Standing::BeforeTls && !octets.is_empty() {
            // A command is no handshake, so TLS fails.
            self.standing = Standing::Closed;
        }
        let mut said = Vec::new();
        while self.standing == Standing::Open {
            let step = self.session.handle(&self.input, &mut said);
            self.input.drain(..step.consumed);
            match step.next {
                Next::Read => break,
                Next::Write => self.out.append(&mut said),
                Next::Forwarded(attributes) => {
                    match self.conduct {
                        Conduct::Admit(passwords) => self.session.forwarded(passwords, &mut said),
                        Conduct::TurnAway => {
                            self.session.refused(Refusal::TooManySessions, &mut said);
                        }
                    }
                    self.client = Some(attributes);
                }
                Next::Authenticate(login) => match self.verify(&login) {
                    Ok((user, listing, rules)) => {
                        self.session.opened(&user, listing, rules, &mut said);
                    }
                    Err(why) => self.session.refused(why, &mut said),
                },
                Next::Lookup { user, hash } => match self.looking_up {
                    None => self.session.found(self.verifier(&user, hash), &mut said),
                    Some(why) => self.session.refused(why, &mut said),
                },
                Next::Promise => self.session.promised(self.connection.expire, &mut said),
                Next::Measure(numbers) => {
                    let sizes = self.measure(&numbers);
                    self.session.measured(&sizes);
                }
                Next::Send(number, part, header) => self.send(number, part, header, &mut said),
                Next::Commit(deletions) => self.update(&deletions, Fate::Deleted, &mut said),
                Next::Hide(messages) => self.update(&messages, Fate::Hidden, &mut said),
                Next::StartTls if self.input.is_empty() => self.standing = Standing::BeforeTls,
                Next::StartTls | Next::Close => self.standing = Standing::Closed,
            }
        }
        self.out.append(&mut said);
    }

    /// What the server has said since the last call.
    pub fn said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The handshake that STLS asked for has succeeded.
    ///
    /// # Panics
    ///
    /// If STLS was not accepted.
    pub fn start_tls(&mut self) {
        assert_eq!(self.standing, Standing::BeforeTls, "STLS was not accepted");
        self.connection.channel = Channel::Tls;
        self.connection.passwords = Passwords::Accepted;
        self.connection.stls = Stls::NotOffered;
        self.session = Session::new(Arc::clone(&self.settings), in_its_channel(&self.connection));
        self.standing = Standing::Open;
    }

    /// How the connection stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Octets that wait for the rest of their line.
    pub fn waiting(&self) -> usize {
        self.input.len()
    }

    /// What the log would say of the session.
    pub fn summary(&self) -> &Summary {
        self.session.summary()
    }

    /// The accounts as they are now.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// What a server would keep of a password; of an account that there is not, what looks like it.
    fn verifier(&self, user: &str, hash: Hash) -> Verifier {
        let account = self.accounts.iter().find(|account| account.user == user);
        account
            .and_then(|account| verifier(hash, user, &account.password))
            .unwrap_or_else(|| Verifier::imaginary(hash, b"transcripts", user, ITERATIONS_MIN))
    }

    fn verify(&mut self, login: &Login) -> Result<(String, ScanListing, Rules), Refusal> {
        let place = self
            .accounts
            .iter()
            .position(|account| match login {
                Login::Token { token, user, .. } => {
                    account.token.as_ref() == Some(token)
                        && user.as_ref().is_none_or(|user| *user == account.user)
                }
                _ => account.user == login.user(),
            })
            .ok_or(Refusal::Credentials)?;
        let account = &self.accounts[place];
        let right = match login {
            Login::Password { secret, .. } => {
                let prepared = prepare::query_secret(secret);
                prepared.as_ref().unwrap_or(secret).same(&account.password)
            }
            Login::Apop {
                timestamp, digest, ..
            } => *timestamp == self.connection.timestamp && Some(*digest) == account.digest,
            Login::CramMd5 {
                challenge, digest, ..
            } => cram_md5::proves(digest, challenge, &account.password),
            Login::Proved { user, verifier, .. } => {
                **verifier == self.verifier(user, verifier.hash())
            }
            Login::Disproved { .. } => false,
            // By the name of the certificate, or by the token itself.
            Login::External { .. } | Login::Token { .. } => true,
        };
        let for_oneself = login
            .authzid()
            .is_none_or(|authzid| authzid == login.user());
        if !right || !for_oneself {
            return Err(Refusal::Credentials);
        }
        if let Some(why) = account.opening {
            return Err(why);
        }
        let visible = (0..account.messages.len()).filter(|&at| !account.messages[at].hidden);
        self.seen = visible.collect();
        let most = account.shown;
        self.seen.drain(..self.seen.len().saturating_sub(most));
        let mut listing = ScanListing::with_capacity(self.seen.len());
        if self.seen.len() < account.messages.len() {
            listing.leave_some_out();
        }
        for &at in &self.seen {
            let message = &account.messages[at];
            listing.push(Octets(message.octets), &message.unique_id);
            if !message.header().is_ascii() {
                listing.internationalise_last();
            }
        }
        self.account = Some(place);
        Ok((account.user.clone(), listing, account.rules))
    }

    /// A message of the session's listing.
    fn message(&self, number: MessageNumber) -> Option<&Message> {
        let messages = &self.accounts[self.account?].messages;
        messages.get(*self.seen.get(number.index())?)
    }

    fn measure(&self, numbers: &[MessageNumber]) -> Vec<(MessageNumber, Sizes)> {
        numbers
            .iter()
            .filter_map(|&number| {
                let surrogate = self.message(number)?.surrogate().ok()?;
                Some((number, surrogate.sizes()))
            })
            .collect()
    }

    fn send(&mut self, number: MessageNumber, part: Part, header: Header, said: &mut Vec<u8>) {
        let message = self.message(number).expect("it is listed").clone();
        let mut stored = Vec::new();
        wire::stuff(&message.text, &mut stored);
        stored.truncate(octets_of(part, &stored));
        if header == Header::Surrogate {
            match message.surrogate() {
                Ok(surrogate) => {
                    let replaced = octets_of(Part::Top(0), &stored);
                    drop(stored.splice(..replaced, surrogate.wire().iter().copied()));
                }
                Err(why) => return self.session.refused(why, said),
            }
        }
        match message.reading {
            Reading::Fails(why) => self.session.refused(why, said),
            Reading::FailsAfter(octets) if octets < stored.len() => {
                said.extend_from_slice(&stored[..octets]);
                self.standing = Standing::Cut;
            }
            Reading::Works | Reading::FailsAfter(_) => {
                said.extend_from_slice(&stored);
                self.session.sent(said);
            }
        }
    }

    fn update(&mut self, messages: &Deletions, fate: Fate, said: &mut Vec<u8>) {
        match self.commit(messages, fate) {
            Ok(left) => self.session.committed(left, said),
            Err(why) => self.session.refused(why, said),
        }
    }

    fn commit(&mut self, deletions: &Deletions, fate: Fate) -> Result<usize, Refusal> {
        let Some(place) = self.account else {
            return Ok(0);
        };
        let account = &mut self.accounts[place];
        if let Some(why) = account.committing {
            return Err(why);
        }
        let gone: Vec<usize> = deletions.iter().map(|it| self.seen[it.index()]).collect();
        match fate {
            Fate::Deleted => {
                let mut at = 0;
                account.messages.retain(|_| {
                    at += 1;
                    !gone.contains(&(at - 1))
                });
            }
            Fate::Hidden => gone
                .iter()
                .for_each(|&at| account.messages[at].hidden = true),
        }
        Ok(self.seen.len() - gone.len())
    }
}

/// The verifier of a password. It is slow to make, and a transcript is played hundreds of times, so
/// those that were made are kept.
fn verifier(hash: Hash, user: &str, password: &Secret) -> Option<Verifier> {
    type Made = HashMap<(Hash, String, Vec<u8>), Option<Verifier>>;
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (hash, user.to_owned(), password.expose().to_vec());
    made.entry(key)
        .or_insert_with(|| {
            let salt = format!("the salt of {user}");
            Verifier::derive(hash, password, salt.as_bytes(), ITERATIONS_MIN).ok()
        })
        .clone()
}

/// The connection as it stands: a channel in clear has no names and no certificate.
fn in_its_channel(connection: &Connection) -> Connection {
    let mut connection = connection.clone();
    // As the server has it: the accounts are not asked before somebody wants to know.
    connection.expire = Promise::OnRequest;
    if connection.channel == Channel::Plain {
        connection.sasl.bindings = Bindings::default();
        connection.sasl.certificate = None;
    }
    connection
}

/// Octets of a part of a stored text.
fn octets_of(part: Part, stored: &[u8]) -> usize {
    let Part::Top(lines) = part else {
        return stored.len();
    };
    let header = match stored.windows(4).position(|octets| octets == b"\r\n\r\n") {
        _ if stored.starts_with(b"\r\n") => 2,
        Some(end) => end + 4,
        None => stored.len(),
    };
    header + wire::TopCut::new(lines).cut(&stored[header..])
}
