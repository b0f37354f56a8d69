//! From an address to a socket, up to an instant.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with,
};

use super::timed::Socket;
use crate::destination::Address;

/// How soon a server that has no room for one more is asked again.
const AGAIN: Duration = Duration::from_millis(100);

pub(super) fn connect(address: &Address, until: Instant) -> io::Result<Socket> {
    match address {
        Address::Tcp { host, port } => tcp(host, *port, until).map(Socket::Tcp),
        Address::Unix(path) => unix(path, until).map(Socket::Unix),
    }
}

/// Tries all addresses that the host has, each for its part of the time. How long a name is looked for is up to the system's resolver.
fn tcp(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (place, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let parts = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
        let limit = (left / parts).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(address, limit) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// A server that takes nobody up would hold a connect for ever, so it must not block.
fn unix(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    loop {
        match connect_to(&socket, &address) {
            Ok(()) => break,
            Err(Errno::AGAIN) if Instant::now() + AGAIN < until => sleep(AGAIN),
            Err(error) => return Err(error.into()),
        }
    }
    let socket = UnixStream::from(socket);
    socket.set_nonblocking(false)?;
    Ok(socket)
}
