//! A driver for the server's session that has no socket, no disk and no clock.
//!
//! It does what `server` does with every [`Next`], on a maildrop that is a list of texts, and can
//! be told to fail where a real one would.

use std::sync::Arc;

use pop3::reply::Refusal;
use pop3::server::{Channel, Connection, Next, Passwords, Session, Settings, Stls, Summary};
use pop3::{Deletions, Expire, MessageNumber, Octets, Part, ScanListing, UniqueId, wire};
use sasl::{Login, Secret};

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
    /// Why a right login is refused all the same, if it is.
    pub opening: Option<Refusal>,
    /// Why UPDATE fails, if it does.
    pub committing: Option<Refusal>,
    /// How long its mail is kept.
    pub expire: Expire,
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

/// A server with one connection.
pub struct Driver {
    settings: Arc<Settings>,
    accounts: Vec<Account>,
    session: Session,
    connection: Connection,
    /// Who is logged in.
    account: Option<usize>,
    input: Vec<u8>,
    out: Vec<u8>,
    standing: Standing,
}

impl Driver {
    /// A connection that has just been accepted; the greeting waits in the output.
    pub fn new(settings: Settings, connection: Connection, accounts: Vec<Account>) -> Self {
        let settings = Arc::new(settings);
        let session = Session::new(Arc::clone(&settings), connection.clone());
        let mut out = Vec::new();
        session.greeting(&mut out);
        Self {
            settings,
            accounts,
            session,
            connection,
            account: None,
            input: Vec::new(),
            out,
            standing: Standing::Open,
        }
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
                Next::Authenticate(login) => match self.verify(&login) {
                    Ok((listing, expire)) => self.session.opened(listing, expire, &mut said),
                    Err(why) => self.session.refused(why, &mut said),
                },
                Next::Send(number, part) => self.send(number, part, &mut said),
                Next::Commit(deletions) => match self.commit(&deletions) {
                    Ok(left) => self.session.committed(left, &mut said),
                    Err(why) => self.session.refused(why, &mut said),
                },
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
        self.session = Session::new(Arc::clone(&self.settings), self.connection.clone());
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

    fn verify(&mut self, login: &Login) -> Result<(ScanListing, Expire), Refusal> {
        let place = self
            .accounts
            .iter()
            .position(|account| account.user == login.user())
            .ok_or(Refusal::Credentials)?;
        let account = &self.accounts[place];
        let right = match login {
            Login::Password { secret, .. } => secret.same(&account.password),
            Login::Apop {
                timestamp, digest, ..
            } => *timestamp == self.connection.timestamp && Some(*digest) == account.digest,
            Login::CramMd5 { .. }
            | Login::Proved { .. }
            | Login::Disproved { .. }
            | Login::External { .. }
            | Login::Token { .. } => false,
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
        let mut listing = ScanListing::with_capacity(account.messages.len());
        for message in &account.messages {
            listing.push(Octets(message.octets), &message.unique_id);
        }
        self.account = Some(place);
        Ok((listing, account.expire))
    }

    fn messages(&self) -> &[Message] {
        self.account
            .map_or(&[], |place| &self.accounts[place].messages)
    }

    fn send(&mut self, number: MessageNumber, part: Part, said: &mut Vec<u8>) {
        let message = &self.messages()[number.index()];
        let mut stored = Vec::new();
        wire::stuff(&message.text, &mut stored);
        stored.truncate(octets_of(part, &stored));
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

    fn commit(&mut self, deletions: &Deletions) -> Result<usize, Refusal> {
        let Some(place) = self.account else {
            return Ok(0);
        };
        let account = &mut self.accounts[place];
        if let Some(why) = account.committing {
            return Err(why);
        }
        let mut index = 0;
        account.messages.retain(|_| {
            let number = MessageNumber::from_index(index);
            index += 1;
            !number.is_some_and(|number| deletions.contains(number))
        });
        Ok(account.messages.len())
    }
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
