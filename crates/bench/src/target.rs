//! The server that is measured, its accounts, and who connects to it from where.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use pop3::Command;
use sasl::Secret;
use socket2::{Domain, Protocol, Socket, Type};

use crate::conversation::Conversation;
use crate::error::BenchError;
pub(crate) use crate::transport::Stream;
use crate::transport::Transport;

/// Loopback addresses that connections may come from: 127.0.0.2 and on.
pub const SOURCES_MAX: u32 = 1 << 20;

/// A server, accounts on it, and how to reach it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// How octets travel.
    pub transport: Transport,
    /// Accounts that the connections use in turn.
    pub users: Vec<String>,
    /// The password of all of them.
    pub password: Secret,
    /// Connections come from so many loopback addresses in turn; 0: from where the system says.
    pub sources: u32,
    /// Silence after which the server counts as hung.
    pub patience: Duration,
}

impl Target {
    /// The first address that `host:port` stands for.
    ///
    /// # Errors
    ///
    /// When it stands for none.
    pub fn resolve(host_and_port: &str) -> Result<SocketAddr, BenchError> {
        let unknown = || BenchError::Address(host_and_port.to_owned());
        host_and_port
            .to_socket_addrs()
            .map_err(|_| unknown())?
            .next()
            .ok_or_else(unknown)
    }

    /// That connections can come from where they shall.
    pub(crate) fn check(&self) -> Result<(), BenchError> {
        let reaches = match self.address.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(_) => false,
        };
        match self.sources == 0 || reaches {
            true => Ok(()),
            false => Err(BenchError::NotLoopback(self.address.to_string())),
        }
    }

    /// What TLS negotiates, by a session that does nothing else; none in clear.
    pub(crate) fn cipher(&self) -> Result<Option<String>, BenchError> {
        match self.transport {
            Transport::Plain => Ok(None),
            Transport::Tls(..) => {
                let mut conversation = Conversation::open(&self.seat(0))?;
                conversation.ask(&Command::Quit)?;
                Ok(conversation.cipher())
            }
        }
    }

    /// The place of the n-th connection. What TLS remembers stays with it.
    pub(crate) fn seat(&self, connection: usize) -> Seat<'_> {
        let source = u32::try_from(connection)
            .unwrap_or(u32::MAX)
            .checked_rem(self.sources.min(SOURCES_MAX))
            .map(|nth| Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + 1 + nth));
        Seat {
            target: self,
            user: &self.users[connection % self.users.len()],
            source,
            transport: self.transport.with_own_memory(),
        }
    }
}

/// Who connects: an account, and from where.
pub(crate) struct Seat<'a> {
    target: &'a Target,
    user: &'a str,
    source: Option<Ipv4Addr>,
    transport: Transport,
}

impl<'a> Seat<'a> {
    pub(crate) fn user(&self) -> &'a str {
        self.user
    }

    pub(crate) fn password(&self) -> &'a Secret {
        &self.target.password
    }

    /// Connects, and shakes hands if the transport is TLS.
    pub(crate) fn connect(&self) -> io::Result<Stream> {
        let socket = self.socket()?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(self.target.patience))?;
        self.transport.over(socket)
    }

    fn socket(&self) -> io::Result<TcpStream> {
        let Some(source) = self.source else {
            return TcpStream::connect(self.target.address);
        };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        // The source port is chosen when the other end is known: it may serve several of them.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect(&self.target.address.into())?;
        Ok(socket.into())
    }
}
