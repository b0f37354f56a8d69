//! Where a destination listens: `host:port`, or `unix:` and a path.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a destination listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// A host, by its name or its address, and a port.
    Tcp {
        /// The certificate must be for it.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an address is host:port, [2001:db8::1]:port or unix:/path")]
pub struct NotAnAddress;

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Self::Unix(path.into())),
                false => Err(NotAnAddress),
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        // Without brackets nobody knows which colon is the last one of the address.
        if bare.is_none() && host.contains([':', '[', ']']) {
            return Err(NotAnAddress);
        }
        let host = bare.unwrap_or(host);
        let odd = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '/';
        match port.parse() {
            Ok(port) if port > 0 && !host.is_empty() && !host.contains(odd) => Ok(Self::Tcp {
                host: host.to_owned(),
                port,
            }),
            _ => Err(NotAnAddress),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_come_back() {
        for text in [
            "localhost:24",
            "[::1]:24",
            "192.0.2.1:25",
            "unix:/run/dovecot/lmtp",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "localhost",
            "localhost:",
            ":25",
            "[]:25",
            "::1:25",
            "a b:25",
            "a:0",
            "a:65536",
            "unix:",
            "unix:lmtp",
            "smtp://host:25",
        ] {
            assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress), "{wrong}");
        }
    }
}
