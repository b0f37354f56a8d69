//! From nothing to a greeting: TCP, TLS, and the server's first words.
//!
//! STLS is never silently gone without: if it is not offered or refused, or if anything came in clear
//! behind its reply, that is the end (RFC 2595 §4, RFC 8314 §5). What was said in clear is forgotten.

use std::io;
use std::sync::Arc;

use pop3::Command;
use pop3::client::{Channel, Credentials, Event, Session, Settings, Status};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::account::{Account, Transport};
use crate::ahead::UNANSWERED_MAX;
use crate::conversation::Conversation;
use crate::dial::dial;
use crate::error::ClientError;
use crate::listing::MESSAGES_MAX;
use crate::patience::Patience;
use crate::stream::Stream;
use crate::trust;
use crate::way::Greeting;

/// A server that has greeted, inside TLS where there is to be any.
pub(crate) async fn reach(
    account: &Account,
    patience: Patience,
) -> Result<(Conversation, Greeting), ClientError> {
    let socket = connect(account, patience).await?;
    let trace = || account.trace.clone();
    match &account.transport {
        Transport::Tls(trusted) => {
            let stream = shake_hands(account, &trusted.config, socket).await?;
            let session = Session::new(settings(Credentials::InsideTls), Channel::Tls);
            greeted(Conversation::new(stream, session, trace())).await
        }
        Transport::Stls(trusted) => {
            let (socket, session) = agree_on_tls(account, socket).await?;
            let stream = shake_hands(account, &trusted.config, socket).await?;
            // Whoever could write in clear could have chosen what the greeting says.
            Ok((Conversation::new(stream, session, trace()), Greeting::Plain))
        }
        Transport::InClear => {
            let session = Session::new(settings(Credentials::InClearToo), Channel::Plain);
            greeted(Conversation::new(Stream::Plain(socket), session, trace())).await
        }
    }
}

fn settings(credentials: Credentials) -> Settings {
    Settings {
        credentials,
        messages_max: MESSAGES_MAX,
        unanswered_max: UNANSWERED_MAX,
        ..Settings::default()
    }
}

pub(crate) async fn connect(
    account: &Account,
    patience: Patience,
) -> Result<TcpStream, ClientError> {
    let connecting = async {
        match &account.proxy {
            Some(proxy) => proxy.connect(&account.host, account.port).await,
            None => dial(&account.host, account.port).await,
        }
    };
    timeout(patience.connect, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .and_then(|socket| {
            socket.set_nodelay(true)?;
            Ok(socket)
        })
        .map_err(|source| ClientError::Unreachable {
            server: account.server(),
            source,
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

/// STLS, which must be accepted. What comes next on the socket is TLS, and the session is inside it.
pub(crate) async fn agree_on_tls(
    account: &Account,
    socket: TcpStream,
) -> Result<(TcpStream, Session), ClientError> {
    let session = Session::new(settings(Credentials::InsideTls), Channel::Plain);
    let clear = Conversation::new(Stream::Plain(socket), session, account.trace.clone());
    let (mut clear, _) = greeted(clear).await?;
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
    Ok((socket, session))
}

fn no_stls(account: &Account, status: &Status) -> ClientError {
    ClientError::NoTls {
        server: account.server(),
        why: format!("it refuses STLS: {status}"),
    }
}

pub(crate) async fn shake_hands(
    account: &Account,
    config: &Arc<ClientConfig>,
    socket: TcpStream,
) -> Result<Stream, ClientError> {
    let failed = |why: String| ClientError::NoTls {
        server: account.server(),
        why,
    };
    let name = ServerName::try_from(account.host.clone())
        .map_err(|_| failed(format!("no certificate can be for {}", account.host)))?;
    let stream = TlsConnector::from(Arc::clone(config))
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
