//! The server that is measured, and how to reach it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sasl::Secret;

use crate::BenchError;

/// Silence after which a measured server counts as hung.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How octets travel to the server.
#[derive(Clone, Debug)]
pub enum Transport {
    /// In clear.
    Plain,
    /// Inside TLS from the first octet on; the certificate must be for this name.
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

impl Transport {
    /// TLS that trusts the certificates of a PEM file and nothing else, without resumption, so
    /// that each connection pays a full handshake.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no certificate, or the name is not one.
    pub fn tls(roots: &Path, name: &str) -> Result<Self, BenchError> {
        let unreadable = |why: String| BenchError::Roots {
            file: roots.to_owned(),
            why,
        };
        let mut store = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(roots).map_err(|error| unreadable(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            store
                .add(certificate)
                .map_err(|error| unreadable(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(unreadable("it holds no certificate".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unreadable(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = vec![b"pop3".to_vec()];
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| BenchError::ServerName(name.to_owned()))?;
        Ok(Self::Tls(Arc::new(config), name))
    }
}

/// A server, an account on it, and how to reach it.
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

    /// Connects, and shakes hands if the transport is TLS.
    pub(crate) fn connect(&self) -> io::Result<Stream> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        match &self.transport {
            Transport::Plain => Ok(Stream::Plain(socket)),
            Transport::Tls(config, name) => {
                let connection = ClientConnection::new(Arc::clone(config), name.clone())
                    .map_err(io::Error::other)?;
                Ok(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
            }
        }
    }
}

/// A connection's octets, in clear or inside TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
