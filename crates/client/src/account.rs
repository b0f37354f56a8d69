//! One remote maildrop: where it is, how to get there, and whose it is.

use sasl::Secret;

use crate::trust::Trusted;

/// One remote maildrop.
#[derive(Clone, Debug)]
pub struct Account {
    /// A name or an address of the server; the certificate must be for it.
    pub host: String,
    /// 995 for [`Transport::Tls`], 110 for the others, unless the server says otherwise.
    pub port: u16,
    /// How octets travel.
    pub transport: Transport,
    /// Who logs in.
    pub user: String,
    /// By which password.
    pub secret: Secret,
}

/// How octets travel. There is no "TLS if it is offered": who can take the offer away reads the
/// password then (RFC 8314 §5).
#[derive(Clone, Debug)]
pub enum Transport {
    /// Inside TLS from the first octet on (RFC 8314 §3.3).
    Tls(Trusted),
    /// In clear up to STLS, which must be there, and inside TLS from then on (RFC 2595 §4).
    Stls(Trusted),
    /// In clear, the password too.
    InClear,
}

impl Account {
    /// As messages name the server.
    pub(crate) fn server(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}
