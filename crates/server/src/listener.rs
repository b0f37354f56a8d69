//! Accepting connections: each gets its place, its socket options and a task of its own.
//!
//! The loop that accepts never ends before the server does, whatever a connection does or the
//! system lacks. When there are no descriptors left it gives up a spare one for a moment, so that
//! the client hears `[SYS/TEMP]` instead of waiting for nobody.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::pop3::reply::Refusal;
use ::pop3::xclient::Speaker;
use auth::Peer;
use nix::errno::Errno;
use socket2::SockRef;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::field::Empty;
use tracing::{Instrument as _, Span, debug, error, info_span, warn};

use crate::bind::{SocketFile, tune};
use crate::config::{ClientCertificates, Limits, PlaintextLogin, Protocol};
use crate::connection::{Connection, Socket, draining};
use crate::control::Phase;
use crate::front::{Begins, Client, FrontEnds, canonical, header};
use crate::limits::{Caller, Permit, Turned};
use crate::log::{End, Summary};
use crate::server::{Live, Server};
use crate::tls::Acceptor;
use crate::{lmtp, pop3};

/// A listener that is being served.
pub(crate) struct Door {
    pub(crate) server: Arc<Server>,
    pub(crate) live: watch::Receiver<Arc<Live>>,
    pub(crate) phase: watch::Receiver<Phase>,
    /// Held by every session; when the last one is gone, the server has drained.
    pub(crate) alive: mpsc::Sender<()>,
    pub(crate) protocol: Protocol,
    pub(crate) plaintext_login: PlaintextLogin,
    pub(crate) client_certificates: Option<Arc<ClientCertificates>>,
    pub(crate) front_ends: Arc<FrontEnds>,
    /// For the log.
    pub(crate) name: String,
}

/// One connection's circumstances: everything that its session may need beside its octets.
pub(crate) struct Visit {
    pub(crate) server: Arc<Server>,
    /// The configuration as it was when the connection came in.
    pub(crate) live: Arc<Live>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) protocol: Protocol,
    pub(crate) plaintext_login: PlaintextLogin,
    pub(crate) client_certificates: Option<Arc<ClientCertificates>>,
    pub(crate) front_ends: Arc<FrontEnds>,
    /// Whose the connection is.
    pub(crate) client: Client,
    /// Its place.
    pub(crate) permit: Permit,
    /// Set when the log has the client's name.
    named: OnceLock<()>,
}

impl Visit {
    /// Puts the client's name into the log's span, once: a front end may name another one only as
    /// long as nothing has happened for the first.
    pub(crate) fn name(&self, client: &Client) {
        if self.named.set(()).is_ok() {
            Span::current().record("peer", &client.name);
        }
    }

    /// What accepts TLS behind STARTTLS where mail comes in; none where there is no certificate.
    pub(crate) fn transfer_acceptor(&self) -> Option<&Acceptor> {
        self.live.tls.as_ref().map(|tls| &tls.transfer)
    }

    /// What accepts TLS here; none where there is no certificate.
    pub(crate) fn acceptor(&self) -> Option<&Acceptor> {
        let asked = self.client_certificates.as_deref();
        self.live.tls.as_ref().and_then(|tls| tls.of(asked))
    }
}

/// A socket that accepts.
pub(crate) enum Accepting {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "removed when dropped")] SocketFile,
    ),
}

impl Accepting {
    /// Gives all connections to come the options of these limits.
    fn tune(&self, limits: &Limits) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => tune(&SockRef::from(listener), limits),
            Self::Unix(..) => Ok(()),
        }
    }

    /// The next connection, its peer, and how that is named in the log.
    async fn accept(&self) -> io::Result<(Socket, Peer, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // An IPv4 client of a dual-stack socket is named as everybody knows it.
                let peer = canonical(peer);
                let name = peer.to_string();
                Ok((Socket::Tcp(stream), Peer::Address(peer.ip()), name))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                // The kernel's word on who is there: it cannot be forged.
                let name = match stream.peer_cred() {
                    Ok(cred) => format!("uid {}", cred.uid()),
                    Err(_) => "local".to_owned(),
                };
                Ok((Socket::Unix(stream), Peer::Local, name))
            }
        }
    }
}

impl Door {
    /// Accepts until the server drains.
    pub(crate) async fn keep(self, socket: Accepting) {
        let mut spare = Spare::new();
        let mut live = self.live.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = draining(&self.phase) => return,
                Ok(()) = live.changed() => {
                    if let Err(error) = socket.tune(&live.borrow().config.limits) {
                        warn!(listener = self.name, %error, "socket options cannot be set");
                    }
                    continue;
                }
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer, name)) => self.admit(socket, peer, name),
                Err(error) => self.recover(&error, &socket, &mut spare).await,
            }
        }
    }

    /// Gives a connection its place and a task, or turns it away.
    fn admit(&self, socket: Socket, peer: Peer, name: String) {
        let accepted = Instant::now();
        let live = self.live.borrow().clone();
        let client = Client::of(&socket, peer, name, &self.front_ends);
        let begins = self.front_ends.begins(&client);
        let permit = match self.place(&client, begins, &live) {
            Ok(permit) => permit,
            Err(turned) => {
                let (listener, peer) = (&self.name, &client.name);
                debug!(listener, peer, ?turned, "connection turned away");
                return self.turn_away(&socket);
            }
        };
        let id = self.server.sessions.next();
        let (peer, via) = (Empty, Empty);
        let span = info_span!("session", id, listener = self.name, peer, via);
        // Of a front end that is to name its client, `peer` is not known yet.
        let to_be_named = begins == Begins::WithHeader || client.speaker == Speaker::FrontEnd;
        if to_be_named {
            span.record("via", &client.name);
        }
        // Elsewhere, since a task has room for its arguments twice.
        let visit = Box::new(Visit {
            server: Arc::clone(&self.server),
            phase: self.phase.clone(),
            protocol: self.protocol,
            plaintext_login: self.plaintext_login,
            client_certificates: self.client_certificates.clone(),
            front_ends: Arc::clone(&self.front_ends),
            client,
            permit,
            named: OnceLock::new(),
            live,
        });
        let alive = self.alive.clone();
        let session = async move {
            match begins {
                Begins::Itself => converse(socket, visit, None).await,
                Begins::WithHeader => converse(socket, visit, Some(accepted)).await,
            }
            drop(alive);
        };
        tokio::spawn(session.instrument(span));
    }

    /// A place, which counts for the client's address if that is known already.
    fn place(&self, client: &Client, begins: Begins, live: &Live) -> Result<Permit, Turned> {
        // A front end's own address would be full at once.
        let caller = match (begins, client.speaker) {
            (Begins::Itself, Speaker::Client) => Caller::Known(client.address()),
            _ => Caller::ToBeNamed,
        };
        let limits = &live.config.limits;
        self.server.admission.admit(self.protocol, caller, limits)
    }

    /// A last line for somebody who is not served; inside TLS there is nobody yet to say it to.
    fn turn_away(&self, socket: &Socket) {
        match self.protocol {
            Protocol::Pop3s => {}
            Protocol::Lmtp | Protocol::Smtp => {
                let hostname = &self.live.borrow().config.hostname;
                socket.say(&too_many_connections(hostname));
            }
            Protocol::Pop3 => socket.say(&too_many_sessions()),
        }
    }

    /// A connection could not be accepted; the loop goes on, and never in a circle without a pause.
    async fn recover(&self, error: &io::Error, socket: &Accepting, spare: &mut Spare) {
        match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            // That client's connection failed before it was ours (accept(2)).
            Errno::ECONNABORTED
            | Errno::EINTR
            | Errno::EAGAIN
            | Errno::EPROTO
            | Errno::ENETDOWN
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::EHOSTUNREACH => debug!(%error, "connection lost before it was accepted"),
            Errno::EMFILE | Errno::ENFILE => {
                // The system wants a descriptor even to say that nobody is waiting, so this may be
                // about nobody: only who comes while there is still none is turned away.
                spare.release();
                let accepted = tokio::time::timeout(PAUSE, socket.accept()).await;
                if let Ok(Ok((socket, peer, name))) = accepted {
                    if spare.regain() {
                        return self.admit(socket, peer, name);
                    }
                    warn!(listener = self.name, peer = name, %error, "no descriptor for a connection");
                    self.turn_away(&socket);
                }
                if !spare.regain() {
                    sleep(PAUSE).await;
                }
            }
            _ => {
                error!(listener = self.name, %error, "connections cannot be accepted");
                sleep(PAUSE).await;
            }
        }
    }
}

fn too_many_sessions() -> Vec<u8> {
    let mut line = Vec::new();
    Refusal::TooManySessions.print(&mut line);
    line
}

fn too_many_connections(hostname: &str) -> Vec<u8> {
    format!("421 4.3.2 {hostname} too many connections, try again later\r\n").into_bytes()
}

/// Serves one connection to its end, and writes the line about it. `accepted`: when it came in, if
/// it begins with a PROXY header.
async fn converse(socket: Socket, mut visit: Box<Visit>, accepted: Option<Instant>) {
    let mut summary = Summary::new();
    let buffers = Arc::clone(&visit.server.buffers);
    let write_timeout = visit.live.config.limits.write_timeout;
    let mut connection = Connection::new(socket, buffers, visit.phase.clone(), write_timeout);
    if let Some(accepted) = accepted {
        if header::receive(&mut connection, &mut visit, accepted)
            .await
            .is_err()
        {
            return connection.cut();
        }
        let limits = &visit.live.config.limits;
        let counted = match visit.client.speaker {
            Speaker::Client => visit.permit.count(visit.client.address(), limits),
            Speaker::FrontEnd => Ok(()),
        };
        if let Err(turned) = counted {
            visit.name(&visit.client);
            debug!(?turned, "connection turned away");
            connection.output = match visit.protocol {
                Protocol::Pop3s => Vec::new(),
                Protocol::Pop3 => too_many_sessions(),
                Protocol::Lmtp | Protocol::Smtp => {
                    too_many_connections(&visit.live.config.hostname)
                }
            };
            let _ = connection.flush().await;
            part(connection, End::Refused).await;
            return;
        }
    }
    let visit = &*visit;
    let transfers = visit.protocol.transfers();
    // Where mail comes in a front end may speak for one client after the other.
    if visit.client.speaker == Speaker::Client || transfers {
        visit.name(&visit.client);
    }
    let (connection, mut end) = match transfers {
        // In a place of its own: a connection of POP3 waits with the task that the two share.
        true => Box::pin(lmtp::serve(connection, visit, &mut summary)).await,
        false => pop3::serve(connection, visit, &mut summary).await,
    };
    if let Some(connection) = connection {
        end = part(connection, end).await;
    }
    visit.name(&visit.client);
    match transfers {
        true => summary.transfer_ended(end),
        false => summary.pop3_ended(end),
    }
}

/// Resolves when the session has to make room for another.
pub(crate) async fn evicted(visit: &Visit) -> End {
    visit.permit.evicted().await;
    End::Evicted
}

/// Ends a connection as its end deserves; how it ended, if that came to nothing.
async fn part(connection: Connection, end: End) -> End {
    match end {
        End::Quit => return connection.leave().await.err().unwrap_or(end),
        End::Refused | End::NoRoom => connection.close().await,
        // A truncated message must look truncated, also inside TLS.
        End::Damaged | End::Cut | End::Injection | End::Fault => connection.cut(),
        _ => connection.abandon().await,
    }
    end
}

/// Runs what may wait for the disk on a thread that may. A panic there is a fault of ours: it is
/// logged, and ends this session only.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, End> {
    let span = Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.map_err(|fault| {
        error!(%fault, "a fault in this program ended the session");
        End::Fault
    })
}

/// A descriptor held in reserve.
struct Spare(Option<File>);

impl Spare {
    fn new() -> Self {
        Self(File::open("/dev/null").ok())
    }

    fn release(&mut self) {
        self.0 = None;
    }

    fn regain(&mut self) -> bool {
        self.0 = File::open("/dev/null").ok();
        self.0.is_some()
    }
}

/// A pause before accepting again when the system lacks something.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    /// What every connection costs, whether or not anybody speaks: the task that waits for it.
    fn task_octets<T, F: Future>(_: impl FnOnce(Socket, T) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_waiting_connection_is_small() {
        async fn session(socket: Socket, visit: Box<Visit>) {
            converse(socket, visit, None).await;
        }
        let octets = task_octets(session);
        assert!(octets <= 4 * 1024, "{octets} octets for each connection");
    }
}
