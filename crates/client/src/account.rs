//! One remote maildrop: where it is, how to get there, and whose it is.

use std::fmt;

use sasl::Secret;

use crate::memory::Memory;
use crate::proxy::Proxy;
use crate::trace::Trace;
use crate::trust::Trusted;
use crate::way::Way;

/// One remote maildrop.
#[derive(Clone, Debug)]
pub struct Account {
    /// A name or an address of the server; the certificate must be for it.
    pub host: String,
    /// 995 for [`Transport::Tls`], 110 for the others, unless the server says otherwise.
    pub port: u16,
    /// How octets travel.
    pub transport: Transport,
    /// Who logs in. With [`Credentials::Certificate`] it may be empty: whomever the certificate stands for.
    pub user: String,
    /// By what.
    pub credentials: Credentials,
    /// The one way to log in, whatever the server announces; none: the best that it announces.
    pub way: Option<Way>,
    /// What is remembered of the server ([`Maildrop::memory`](crate::Maildrop::memory)); nothing at first.
    pub memory: Memory,
    /// In which characters headers may come.
    pub headers: Headers,
    /// What is asked right after the login.
    pub next: Next,
    /// Who makes the connection; none: we do.
    pub proxy: Option<Proxy>,
    /// Who wants to see what is said.
    pub trace: Option<Trace>,
}

/// What shows that it is the user who logs in.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A password.
    Password(Secret),
    /// An access token of an authorisation server (RFC 7628). One that is refused can be renewed:
    /// [`ClientError::TokenRefused`](crate::ClientError::TokenRefused).
    Token(Secret),
    /// The certificate that was shown in the handshake (EXTERNAL, RFC 4422 appendix A).
    Certificate,
}

/// In which characters the headers of messages may be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Headers {
    /// In ASCII, as always; a server says as much of a header in UTF-8 by it as it can, or does not give the message (RFC 6856 §2.1).
    #[default]
    Ascii,
    /// In UTF-8, too (RFC 6532): whoever gets the messages takes them so.
    Utf8,
}

/// What is asked right after a login.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Next {
    /// Nobody says. A server that has gone on to take commands ahead is asked for the listing that nearly everybody wants.
    #[default]
    Unsaid,
    /// The listing ([`Maildrop::listing`](crate::Maildrop::listing)): it is asked for with USER and PASS where commands may be sent
    /// ahead, at a first contact too.
    Listing,
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
    /// An account of which only the necessary is said.
    pub fn new(
        host: impl Into<String>,
        port: u16,
        transport: Transport,
        user: impl Into<String>,
        credentials: Credentials,
    ) -> Self {
        Self {
            host: host.into(),
            port,
            transport,
            user: user.into(),
            credentials,
            way: None,
            memory: Memory::default(),
            headers: Headers::default(),
            next: Next::default(),
            proxy: None,
            trace: None,
        }
    }

    /// As messages name the server.
    pub(crate) fn server(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Which kind it is, for people.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "a password",
            Self::Token(_) => "a token",
            Self::Certificate => "a certificate",
        })
    }
}
