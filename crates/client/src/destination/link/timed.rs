//! A socket that is waited for up to an instant: a server that gives an octet now and then moves no limit.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A socket of either kind.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Whether the other end is on this machine.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(socket) => socket
                .peer_addr()
                .is_ok_and(|peer| peer.ip().to_canonical().is_loopback()),
            Self::Unix(_) => true,
        }
    }

    pub(super) fn own_literal(&self) -> String {
        let Self::Tcp(socket) = self else {
            return "localhost".to_owned();
        };
        match socket.local_addr().map(|own| own.ip().to_canonical()) {
            Ok(IpAddr::V4(own)) => format!("[{own}]"),
            Ok(IpAddr::V6(own)) => format!("[IPv6:{own}]"),
            Err(_) => "localhost".to_owned(),
        }
    }

    fn set_limits(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_read_timeout(Some(limit))?;
                socket.set_write_timeout(Some(limit))
            }
            Self::Unix(socket) => {
                socket.set_read_timeout(Some(limit))?;
                socket.set_write_timeout(Some(limit))
            }
        }
    }
}

/// A socket, and the instant at which waiting for it ends.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) socket: Socket,
    pub(super) until: Instant,
}

impl Timed {
    pub(super) fn new(socket: Socket, until: Instant) -> Self {
        Self { socket, until }
    }

    fn wait(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        // Less than this is 0 for the system, which means to wait for ever.
        match left > Duration::from_millis(1) {
            true => self.socket.set_limits(left),
            false => Err(too_slow()),
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server takes too long")
}

/// As the system says that the time is over.
fn told(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => too_slow(),
        _ => error,
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        match &mut self.socket {
            Socket::Tcp(socket) => socket.read(buffer),
            Socket::Unix(socket) => socket.read(buffer),
        }
        .map_err(told)
    }
}

impl Write for Timed {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.wait()?;
        match &mut self.socket {
            Socket::Tcp(socket) => socket.write(octets),
            Socket::Unix(socket) => socket.write(octets),
        }
        .map_err(told)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
