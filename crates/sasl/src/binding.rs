//! Channel bindings: names of one TLS channel that both ends know and nobody between them shares
//! (RFC 5056, RFC 5929, RFC 9266).

use std::fmt;

/// A way to name a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BindingType {
    /// 32 octets exported from the session (RFC 9266 §2). TLS 1.3 only, where it is the default.
    TlsExporter,
    /// A hash of the server's certificate (RFC 5929 §4). The only one left for TLS 1.2, whose
    /// `tls-unique` broke.
    TlsServerEndPoint,
}

impl BindingType {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }

    /// The type of that name; upper and lower case differ.
    pub fn named(name: &str) -> Option<Self> {
        [Self::TlsExporter, Self::TlsServerEndPoint]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl fmt::Display for BindingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The names that one channel has. Both are public or as good as public: they are no secrets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bindings {
    /// See [`BindingType::TlsExporter`].
    pub tls_exporter: Option<Vec<u8>>,
    /// See [`BindingType::TlsServerEndPoint`].
    pub tls_server_end_point: Option<Vec<u8>>,
}

impl Bindings {
    /// Whether the channel has no name, so that nothing can be bound to it.
    pub fn is_empty(&self) -> bool {
        self.tls_exporter.is_none() && self.tls_server_end_point.is_none()
    }

    /// Its name of a type.
    pub fn octets(&self, kind: BindingType) -> Option<&[u8]> {
        match kind {
            BindingType::TlsExporter => self.tls_exporter.as_deref(),
            BindingType::TlsServerEndPoint => self.tls_server_end_point.as_deref(),
        }
    }

    /// The best name that there is.
    pub fn best(&self) -> Option<(BindingType, &[u8])> {
        [BindingType::TlsExporter, BindingType::TlsServerEndPoint]
            .into_iter()
            .find_map(|kind| Some((kind, self.octets(kind)?)))
    }
}
