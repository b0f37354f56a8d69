//! From nothing to an open maildrop: TCP, TLS, greeting, CAPA, login.
//!
//! STLS is never silently gone without: if it is not offered or refused, or if anything came in clear
//! behind its reply, that is the end (RFC 2595 §4, RFC 8314 §5). What was said in clear is forgotten.

use std::io;

use pop3::client::{
    Capabilities, Capability, Channel, Credentials, Event, Session, Settings, Status,
};
use pop3::{Command, Expire};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::account::{Account, Transport};
use crate::conversation::Conversation;
use crate::error::ClientError;
use crate::login;
use crate::patience::Patience;
use crate::stream::Stream;
use crate::trust::{self, Trusted};
use crate::way::Greeting;

/// Most messages of a maildrop: what a listing of them holds stays below 128 MiB.
const MESSAGES_MAX: u32 = 1_000_000;

/// A remote maildrop that is open and ours.
#[derive(Debug)]
pub struct Maildrop {
    pub(crate) conversation: Conversation,
    /// What the server said before the login that it can do.
    before: Capabilities,
    /// What it says now, which may be something else (RFC 2449 §5); none if it does not.
    now: Option<Capabilities>,
    pub(crate) patience: Patience,
}

/// Connects and logs in.
///
/// # Errors
///
/// See [`ClientError`].
pub async fn connect(account: &Account, patience: Patience) -> Result<Maildrop, ClientError> {
    let awaited = "the login";
    timeout(patience.login, open(account, patience))
        .await
        .map_err(|_| ClientError::TooSlow { awaited })?
}

async fn open(account: &Account, patience: Patience) -> Result<Maildrop, ClientError> {
    let connecting = TcpStream::connect((account.host.as_str(), account.port));
    let socket = timeout(patience.connect, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .and_then(|socket| {
            socket.set_nodelay(true)?;
            Ok(socket)
        })
        .map_err(|source| ClientError::Unreachable {
            server: account.server(),
            source,
        })?;
    let settings = |credentials| Settings {
        credentials,
        messages_max: MESSAGES_MAX,
        ..Settings::default()
    };
    let inside_tls = settings(Credentials::InsideTls);
    let (mut conversation, greeting) = match &account.transport {
        Transport::Tls(trusted) => {
            let stream = shake_hands(account, trusted, socket).await?;
            let session = Session::new(inside_tls, Channel::Tls);
            greeted(Conversation::new(stream, session)).await?
        }
        Transport::Stls(trusted) => {
            let session = Session::new(inside_tls, Channel::Plain);
            let (clear, _) = greeted(Conversation::new(Stream::Plain(socket), session)).await?;
            // Whoever could write in clear could have chosen what it said.
            let inside = begin_tls(account, trusted, clear).await?;
            (inside, Greeting::Plain)
        }
        Transport::InClear => {
            let session = Session::new(settings(Credentials::InClearToo), Channel::Plain);
            greeted(Conversation::new(Stream::Plain(socket), session)).await?
        }
    };
    let known = capabilities(&mut conversation).await?;
    let knows_capa = known.is_some();
    let before = known.unwrap_or_default();
    login::log_in(&mut conversation, &before, greeting, account).await?;
    let now = match knows_capa {
        true => capabilities(&mut conversation).await?,
        false => None,
    };
    Ok(Maildrop {
        conversation,
        before,
        now,
        patience,
    })
}

async fn greeted(mut conversation: Conversation) -> Result<(Conversation, Greeting), ClientError> {
    match conversation.next("the greeting").await? {
        Event::TurnedAway(status) => Err(ClientError::turned_away(status)),
        Event::Greeting(status) if status.timestamp().is_some() => {
            Ok((conversation, Greeting::Timestamp))
        }
        _ => Ok((conversation, Greeting::Plain)),
    }
}

/// STLS, which must be accepted, and the handshake.
async fn begin_tls(
    account: &Account,
    trusted: &Trusted,
    mut clear: Conversation,
) -> Result<Conversation, ClientError> {
    match clear.ask(&Command::Stls, "the reply to STLS").await? {
        Event::TlsReady => {}
        Event::Refused { status, .. } => return Err(no_stls(account, &status)),
        _ => return Err(pop3::client::Broken::OutOfStep.into()),
    }
    let (stream, session, left_over) = clear.into_parts();
    let session = session.start_tls(&left_over)?;
    let Stream::Plain(socket) = stream else {
        return Err(pop3::client::Broken::NotAgreed.into());
    };
    let stream = shake_hands(account, trusted, socket).await?;
    Ok(Conversation::new(stream, session))
}

fn no_stls(account: &Account, status: &Status) -> ClientError {
    ClientError::NoTls {
        server: account.server(),
        why: format!("it refuses STLS: {status}"),
    }
}

async fn shake_hands(
    account: &Account,
    trusted: &Trusted,
    socket: TcpStream,
) -> Result<Stream, ClientError> {
    let failed = |why: String| ClientError::NoTls {
        server: account.server(),
        why,
    };
    let name = ServerName::try_from(account.host.clone())
        .map_err(|_| failed(format!("no certificate can be for {}", account.host)))?;
    let stream = TlsConnector::from(trusted.0.clone())
        .connect(name, socket)
        .await
        .map_err(|error| match error.kind() {
            // What rustls says of a certificate or of a server that speaks no TLS.
            io::ErrorKind::InvalidData => failed(trust::explain(&error)),
            _ => ClientError::Lost {
                awaited: "the TLS handshake",
                source: error,
            },
        })?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// What the server says that it can do; none if it does not know CAPA, or not here.
async fn capabilities(
    conversation: &mut Conversation,
) -> Result<Option<Capabilities>, ClientError> {
    let awaited = "the reply to CAPA";
    match conversation.ask(&Command::Capa, awaited).await? {
        Event::Refused { .. } => Ok(None),
        _ => match conversation.next(awaited).await? {
            Event::Capabilities(capabilities) => Ok(Some(capabilities)),
            _ => Err(pop3::client::Broken::OutOfStep.into()),
        },
    }
}

impl Maildrop {
    /// Whether commands may be sent ahead (RFC 2449 §6.6).
    pub fn pipelines(&self) -> bool {
        let now = self.now.as_ref().unwrap_or(&self.before);
        now.offers(&Capability::Pipelining)
    }

    /// Whether the server deletes what was retrieved, without being asked to (RFC 2449 §6.7). It may say so only
    /// to whom it concerns; what it said to everybody counts too.
    fn deletes_what_is_retrieved(&self) -> bool {
        let deletes = |it: &Capability| matches!(it, Capability::Expire(Expire::Retrieved, _));
        self.before.iter().any(deletes) || self.now.iter().flat_map(Capabilities::iter).any(deletes)
    }

    /// Ends the session in good order; nothing was marked as deleted.
    ///
    /// A server that deletes what was retrieved does so in UPDATE, so it is not brought there: without
    /// QUIT it must not delete anything (RFC 1939 §6).
    pub async fn quit(mut self) {
        if self.deletes_what_is_retrieved() {
            return;
        }
        // Everything is here already; whatever comes of it changes nothing.
        let bye = self.conversation.ask(&Command::Quit, "the reply to QUIT");
        let _ = timeout(self.patience.silence, bye).await;
    }
}
