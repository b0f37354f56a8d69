//! A connection that blocks, to a server that takes mail: in clear or inside TLS, and every wait has an end.

mod blocks;
mod open;
mod timed;

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::destination::{Address, NotDelivered};
use crate::trust::{self, Trusted};
use timed::Timed;

pub(super) use blocks::Unsaid;

/// How octets travel to a server that takes mail. There is no "TLS if it is offered": who can take the offer away reads the mail then.
#[derive(Clone, Debug)]
pub enum Protection {
    /// Inside TLS from the first octet on.
    Tls(Trusted),
    /// Inside TLS after STARTTLS, which must be there.
    StartTls(Trusted),
    /// In clear; the server must be on this machine.
    OnThisMachine,
    /// In clear, over whatever network.
    InClear,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: Stream,
    used: Instant,
}

#[derive(Debug)]
enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Link {
    /// Connects, and begins TLS if that comes first.
    pub(super) fn open(
        address: &Address,
        protection: &Protection,
        limit: Duration,
    ) -> Result<Self, NotDelivered> {
        let until = Instant::now() + limit;
        let socket = open::connect(address, until).map_err(|error| {
            NotDelivered::NotNow(format!("{address} cannot be reached: {error}"))
        })?;
        if matches!(protection, Protection::OnThisMachine) && !socket.is_local() {
            return Err(NotDelivered::Unusable(format!(
                "{address} is another machine, and mail would travel in clear; use TLS, or say that it may"
            )));
        }
        let link = Self::over(Stream::Plain(Timed::new(socket, until)));
        match protection {
            Protection::Tls(trusted) => link.begin_tls(address, trusted, limit),
            _ => Ok(link),
        }
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream,
            used: Instant::now(),
        }
    }

    /// Shakes hands.
    pub(super) fn begin_tls(
        self,
        address: &Address,
        trusted: &Trusted,
        limit: Duration,
    ) -> Result<Self, NotDelivered> {
        let unusable =
            |why: String| NotDelivered::Unusable(format!("no TLS with {address}: {why}"));
        let Stream::Plain(mut socket) = self.stream else {
            return Err(unusable("it has begun already".to_owned()));
        };
        let host = match address {
            Address::Tcp { host, .. } => host.as_str(),
            Address::Unix(_) => "localhost",
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| unusable(format!("no certificate can be for {host}")))?;
        // The other users of this configuration name their protocol, and a server that knows only its own one hangs up.
        let mut config = (*trusted.config).clone();
        config.alpn_protocols.clear();
        let mut connection = ClientConnection::new(Arc::new(config), name)
            .map_err(|error| unusable(error.to_string()))?;
        socket.until = Instant::now() + limit;
        while connection.is_handshaking() {
            connection
                .complete_io(&mut socket)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => unusable(trust::explain(&error)),
                    _ => NotDelivered::NotNow(format!("no TLS with {address}: {error}")),
                })?;
        }
        Ok(Self::over(Stream::Tls(Box::new(StreamOwned::new(
            connection, socket,
        )))))
    }

    /// For how long it was neither written to nor read from.
    pub(super) fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    /// Whether a password may go through it.
    pub(super) fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// How we are called where nobody has given us a name: our end's address, as a literal (RFC 5321 §4.1.4).
    pub(super) fn own_literal(&self) -> String {
        self.timed().socket.own_literal()
    }

    fn timed(&self) -> &Timed {
        match &self.stream {
            Stream::Plain(timed) => timed,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    fn wait_until(&mut self, until: Instant) {
        self.used = Instant::now();
        match &mut self.stream {
            Stream::Plain(timed) => timed.until = until,
            Stream::Tls(stream) => stream.sock.until = until,
        }
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, octets: &[u8], limit: Duration) -> io::Result<()> {
        self.wait_until(Instant::now() + limit);
        match &mut self.stream {
            Stream::Plain(timed) => timed.write_all(octets),
            Stream::Tls(stream) => {
                stream.write_all(octets)?;
                stream.flush()
            }
        }
    }

    /// Reads at least one octet, and puts what came behind what is there.
    pub(super) fn read(&mut self, input: &mut Vec<u8>, until: Instant) -> io::Result<()> {
        self.wait_until(until);
        let mut piece = [0; 4096];
        let octets = match &mut self.stream {
            Stream::Plain(timed) => timed.read(&mut piece)?,
            Stream::Tls(stream) => stream.read(&mut piece)?,
        };
        if octets == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server has closed the connection",
            ));
        }
        input.extend_from_slice(&piece[..octets]);
        Ok(())
    }
}
