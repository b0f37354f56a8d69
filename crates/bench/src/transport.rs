//! How octets travel: in clear or inside TLS, with or without resumption.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use crate::error::BenchError;

/// Servers that the memory of one connection's place holds tickets of: there is one.
const RESUMED_SERVERS_MAX: usize = 1;

/// What the handshakes after a connection's first are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Handshakes {
    /// A full one each.
    Full,
    /// Resumed from the session before.
    Resumed,
}

/// How octets travel to the server.
#[derive(Clone, Debug)]
pub enum Transport {
    /// In clear.
    Plain,
    /// Inside TLS from the first octet on; the certificate must be for this name.
    Tls(Arc<ClientConfig>, ServerName<'static>, Handshakes),
}

impl Transport {
    /// TLS that trusts the certificates of a PEM file and nothing else.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no certificate, or the name is not one.
    pub fn tls(roots: &Path, name: &str, handshakes: Handshakes) -> Result<Self, BenchError> {
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
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"pop3".to_vec()];
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| BenchError::ServerName(name.to_owned()))?;
        Ok(Self::Tls(Arc::new(config), name, handshakes))
    }

    /// As reports call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls(_, _, Handshakes::Full) => "tls",
            Self::Tls(_, _, Handshakes::Resumed) => "tls-resumed",
        }
    }

    /// The same for one connection's place: what it remembers for resumption is taken by nobody else.
    pub(crate) fn with_own_memory(&self) -> Self {
        match self {
            Self::Tls(config, name, handshakes @ Handshakes::Resumed) => {
                let mut config = ClientConfig::clone(config);
                config.resumption = Resumption::in_memory_sessions(RESUMED_SERVERS_MAX);
                Self::Tls(Arc::new(config), name.clone(), *handshakes)
            }
            other => other.clone(),
        }
    }

    pub(crate) fn over(&self, socket: TcpStream) -> io::Result<Stream> {
        match self {
            Self::Plain => Ok(Stream::Plain(socket)),
            Self::Tls(config, name, _) => {
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

impl Stream {
    /// Whether TLS was resumed; known once anything was read.
    pub(crate) fn is_resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.conn.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Protocol and cipher suite, such as `TLS13_AES_256_GCM_SHA384`; known once anything was read.
    pub(crate) fn cipher(&self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => {
                let suite = stream.conn.negotiated_cipher_suite()?.suite();
                Some(suite.as_str()?.to_owned())
            }
        }
    }
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
