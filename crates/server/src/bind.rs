//! The first half of a start: sockets, certificate, descriptors; everything that may need rights.
//!
//! Synchronous, and before any thread exists. What is wrong is said here, with the listener or the
//! file that it concerns and what to do about it; after this nothing of the configuration can
//! stop the server.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Group;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tracing::warn;

use crate::address::Address;
use crate::config::{Config, Limits, Listener, PlaintextLogin, Protocol};
use crate::front::FrontEndTls;
use crate::sandbox::raise_descriptors;
use crate::tls::{self, TlsError};

/// Why the server cannot start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nobody could be served.
    #[error("the configuration cannot be served: {0}")]
    Unservable(String),
    /// A listener's socket cannot be made.
    #[error("cannot listen on {address} ({protocol}): {source}; {remedy}")]
    Listen {
        /// What would be spoken there.
        protocol: Protocol,
        /// Where.
        address: String,
        /// What the system says.
        source: io::Error,
        /// What to do.
        remedy: String,
    },
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The limit of open descriptors cannot be read or is far too low.
    #[error("cannot make room for sessions: {0}; raise the limit of open files (ulimit -n)")]
    Descriptors(#[source] io::Error),
}

/// Where a bound listener can be reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LocalAddress {
    /// Address and port; the port that the system chose if the configuration says 0.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A server that has its sockets and its certificate, and serves nobody yet.
///
/// Clients can connect already: they wait in the sockets' queues until [`run`](crate::run).
pub struct Bound {
    pub(crate) config: Config,
    pub(crate) tls: Option<tls::Acceptors>,
    pub(crate) sockets: Vec<BoundSocket>,
}

pub(crate) struct BoundSocket {
    pub(crate) listener: Listener,
    pub(crate) address: LocalAddress,
    pub(crate) socket: ListeningSocket,
}

pub(crate) enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; removed when dropped, if it is still ours.
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        if ours {
            // A directory of root's may forbid it now; the next start replaces a stale socket.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Bound {
    /// What is spoken where, in the order of the configuration; a host name with several addresses
    /// comes once for each.
    pub fn addresses(&self) -> impl Iterator<Item = (Protocol, &LocalAddress)> {
        self.sockets
            .iter()
            .map(|socket| (socket.listener.protocol, &socket.address))
    }

    /// The configuration as it is served; `session_count_max` is lower than asked for if the
    /// system does not allow enough open files.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Binds all sockets, loads certificate and key, makes room for descriptors.
///
/// # Errors
///
/// See [`StartError`]; what was bound is given up again.
pub fn bind(config: &Config) -> Result<Bound, StartError> {
    servable(config)?;
    let mut config = config.clone();
    fit_descriptors(&mut config.limits).map_err(StartError::Descriptors)?;
    let load = |tls| tls::load(tls, &config.listeners);
    let tls = config.tls.as_ref().map(load).transpose()?;
    let mut sockets = Vec::new();
    for listener in &config.listeners {
        match &listener.address {
            Address::Tcp(text) => {
                let resolved = text
                    .to_socket_addrs()
                    .map_err(|error| explain(listener, text, error))?;
                for address in resolved {
                    let shown = address.to_string();
                    let socket = bind_tcp(address, &config.limits)
                        .map_err(|error| explain(listener, &shown, error))?;
                    let bound = socket
                        .local_addr()
                        .map_err(|error| explain(listener, &shown, error))?;
                    sockets.push(BoundSocket {
                        listener: listener.clone(),
                        address: LocalAddress::Tcp(bound),
                        socket: ListeningSocket::Tcp(socket),
                    });
                }
            }
            Address::Unix(path) => {
                let (socket, file) = bind_unix(path, listener)
                    .map_err(|error| explain(listener, &listener.address.to_string(), error))?;
                sockets.push(BoundSocket {
                    listener: listener.clone(),
                    address: LocalAddress::Unix(path.clone()),
                    socket: ListeningSocket::Unix(socket, file),
                });
            }
        }
    }
    Ok(Bound {
        config,
        tls,
        sockets,
    })
}

/// Whether there is a listener, and each can be used with the certificate that there is or is not.
pub(crate) fn servable(config: &Config) -> Result<(), StartError> {
    if config.listeners.is_empty() {
        let what = "there is no [[listener]], so it would listen nowhere";
        return Err(StartError::Unservable(what.to_owned()));
    }
    for listener in &config.listeners {
        if listener.protocol.transfers() && listener.client_certificates.is_some() {
            let what = "cannot ask for client certificates; they are for pop3 and pop3s";
            return Err(StartError::Unservable(format!(
                "listener {} {} {what}",
                listener.protocol, listener.address
            )));
        }
    }
    for listener in config.listeners.iter().filter(|_| config.tls.is_none()) {
        let what = match (listener.protocol, listener.plaintext_login) {
            (Protocol::Pop3s, _) => "needs [tls]",
            (Protocol::Pop3, _) if listener.client_certificates.is_some() => {
                "needs [tls] to ask for client certificates"
            }
            // Behind a front end with TLS somebody can.
            (Protocol::Pop3, PlaintextLogin::Never)
                if listener.front_ends.client_tls == FrontEndTls::Ignored =>
            {
                "needs [tls], or nobody could log in"
            }
            _ => continue,
        };
        return Err(StartError::Unservable(format!(
            "listener {} {} {what}; add [tls] with certificate and key",
            listener.protocol, listener.address
        )));
    }
    Ok(())
}

/// Raises the limit of descriptors, and lowers the number of sessions if that is not enough.
pub(crate) fn fit_descriptors(limits: &mut Limits) -> io::Result<()> {
    let asked =
        limits.session_count_max + limits.lmtp_session_count_max + limits.smtp_session_count_max;
    let wanted = asked as u64 * DESCRIPTORS_PER_SESSION + DESCRIPTORS_OF_THE_SERVER;
    let allowed = raise_descriptors(wanted)?;
    if allowed >= wanted {
        return Ok(());
    }
    let places = allowed.saturating_sub(DESCRIPTORS_OF_THE_SERVER) / DESCRIPTORS_PER_SESSION;
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    if places < 2 {
        return Err(io::Error::other(format!(
            "only {allowed} open files allowed"
        )));
    }
    // All kinds shrink alike, so that none starves another.
    let share = |max: usize| (max as u128 * places as u128 / asked as u128).max(1) as usize;
    let before = limits.session_count_max;
    limits.session_count_max = share(limits.session_count_max);
    limits.lmtp_session_count_max = share(limits.lmtp_session_count_max);
    limits.smtp_session_count_max = share(limits.smtp_session_count_max);
    warn!(
        asked = before,
        session_count_max = limits.session_count_max,
        open_files = allowed,
        "session_count_max is lowered: the system does not allow enough open files (ulimit -n)"
    );
    Ok(())
}

fn bind_tcp(address: SocketAddr, limits: &Limits) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // After a restart the old connections' ports are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Before anybody can connect: who waits in the queue while the stores are opened has the options
    // that the socket had when he came.
    if let Err(error) = tune(&SockRef::from(&socket), limits) {
        warn!(%address, %error, "socket options cannot be set");
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Small replies leave at once, and a dead peer is noticed: by keep-alive probes when nothing is under
/// way, by the user timeout when something is. Linux hands the options of a listening socket on to what
/// it accepts, which saves every connection six system calls.
pub(crate) fn tune(socket: &SockRef<'_>, limits: &Limits) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let dead = limits.dead_peer_timeout;
    let pause = (dead / 6).max(Duration::from_secs(1));
    let keepalive = TcpKeepalive::new()
        .with_time((dead / 3).max(Duration::from_secs(1)))
        .with_interval(pause)
        .with_retries(4);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(dead))
}

/// Makes the socket under another name and moves it to its place, so that nobody can connect
/// before it has its permissions, and a stale socket is replaced in one step.
fn bind_unix(path: &Path, listener: &Listener) -> io::Result<(UnixListener, SocketFile)> {
    match std::fs::symlink_metadata(path) {
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the file is there and is no socket",
            ));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        // Nobody answers: a stale socket. Any other fault shows when it is replaced.
        Ok(_) | Err(_) => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    let socket = UnixListener::bind(&fresh)?;
    let ready = (|| -> io::Result<u64> {
        if let Some(name) = &listener.group {
            let group = Group::from_name(name)?.ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("no group {name:?} here"))
            })?;
            std::os::unix::fs::chown(&fresh, None, Some(group.gid.as_raw()))?;
        }
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(listener.mode))?;
        socket.set_nonblocking(true)?;
        let inode = std::fs::symlink_metadata(&fresh)?.ino();
        std::fs::rename(&fresh, path)?;
        Ok(inode)
    })();
    let inode = ready.inspect_err(|_| {
        let _ = std::fs::remove_file(&fresh);
    })?;
    let path = path.to_owned();
    Ok((socket, SocketFile { path, inode }))
}

fn explain(listener: &Listener, address: &str, source: io::Error) -> StartError {
    let unix = matches!(listener.address, Address::Unix(_));
    let remedy = match source.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there (another restante?): stop it or choose another address"
        }
        io::ErrorKind::PermissionDenied if unix => {
            "the directory must be writable for the user that starts the server"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a start as root with `user = …`, or a higher port"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::AlreadyExists => "choose another path, or move that file away",
        io::ErrorKind::NotFound if unix => "make the directory first, and check the group",
        _ if listener_is_ipv6(address) && source.raw_os_error() == Some(EAFNOSUPPORT) => {
            "this machine has no IPv6: write 0.0.0.0 instead of [::]"
        }
        _ => "check `address` of this [[listener]]",
    };
    StartError::Listen {
        protocol: listener.protocol,
        address: address.to_owned(),
        source,
        remedy: remedy.to_owned(),
    }
}

fn listener_is_ipv6(address: &str) -> bool {
    address.starts_with('[')
}

/// The system has no such family of addresses.
const EAFNOSUPPORT: i32 = nix::errno::Errno::EAFNOSUPPORT as i32;

/// Connections that may wait to be accepted; the system may set a lower limit.
const BACKLOG: i32 = 1024;

/// A session's socket and its maildrop's file.
const DESCRIPTORS_PER_SESSION: u64 = 2;

/// Listeners, accounts, logs, the runtime, and what delivery opens for a moment.
const DESCRIPTORS_OF_THE_SERVER: u64 = 128;

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn config(protocol: Protocol, address: &str) -> Config {
        let mut listener = Listener::new(protocol, address.parse().unwrap());
        listener.plaintext_login = PlaintextLogin::Loopback;
        Config {
            listeners: vec![listener],
            limits: Limits {
                session_count_max: 10,
                ..Limits::default()
            },
            ..Config::default()
        }
    }

    #[test]
    fn an_address_in_use_is_named() {
        let first = bind(&config(Protocol::Pop3, "127.0.0.1:0")).ok().unwrap();
        let (_, address) = first.addresses().next().unwrap();
        let error = bind(&config(Protocol::Pop3, &address.to_string()))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("another program listens there"), "{error}");
    }

    #[test]
    fn who_connects_before_the_server_runs_is_no_less_noticed_when_dead() {
        let bound = bind(&config(Protocol::Pop3, "127.0.0.1:0")).ok().unwrap();
        let ListeningSocket::Tcp(listener) = &bound.sockets[0].socket else {
            panic!("a TCP socket");
        };
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let options = SockRef::from(&stream);
        assert!(options.tcp_nodelay().unwrap() && options.keepalive().unwrap());
        let dead = bound.config.limits.dead_peer_timeout;
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(dead));
        let probes =
            options.tcp_keepalive_interval().unwrap() * options.tcp_keepalive_retries().unwrap();
        assert!(options.tcp_keepalive_time().unwrap() + probes <= dead);
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lmtp");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dead server leaves its socket behind");
        let config = config(Protocol::Lmtp, &format!("unix:{}", path.display()));
        let first = bind(&config).ok().unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = bind(&config).err().unwrap().to_string();
        assert!(error.contains("another program listens there"), "{error}");
        UnixStream::connect(&path).unwrap();
        drop(first);
        assert!(!path.exists(), "our own socket is removed");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mail");
        std::fs::write(&path, "precious").unwrap();
        let config = config(Protocol::Lmtp, &format!("unix:{}", path.display()));
        let error = bind(&config).err().unwrap().to_string();
        assert!(error.contains("is no socket"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_configuration_that_serves_nobody_is_refused() {
        let error = |config: &Config| bind(config).err().unwrap().to_string();
        assert!(error(&Config::default()).contains("listen nowhere"));
        assert!(error(&config(Protocol::Pop3s, "127.0.0.1:0")).contains("needs [tls]"));
        let mut shut = config(Protocol::Pop3, "127.0.0.1:0");
        shut.listeners[0].plaintext_login = PlaintextLogin::Never;
        assert!(error(&shut).contains("nobody could log in"));
    }
}
