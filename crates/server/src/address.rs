//! Where a listener listens, and how that is written.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a listener listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// `host:port`; every address that the host name has. `[::]` takes IPv4 connections too.
    Tcp(String),
    /// `unix:PATH`; a stale socket of a dead server is replaced.
    Unix(PathBuf),
}

impl Address {
    /// Whether nobody but this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(text) => match text.parse::<SocketAddr>() {
                Ok(address) => address.ip().to_canonical().is_loopback(),
                Err(_) => text.starts_with("localhost:"),
            },
            Self::Unix(_) => true,
        }
    }
}

/// Reads `127.0.0.1:110`, `[::]:995`, `localhost:1110` or `unix:/run/restante/lmtp`. The error is
/// what to write instead.
impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            // The longest path that fits the kernel's sockaddr_un, with its final NUL.
            return match (path.is_absolute(), path.as_os_str().len() < 108) {
                (true, true) => Ok(Self::Unix(path)),
                (false, _) => {
                    Err("give the socket's whole path: \"unix:/run/restante/lmtp\"".to_owned())
                }
                (_, false) => Err("a socket's path has at most 107 octets".to_owned()),
            };
        }
        if text.starts_with("systemd:") {
            return Err(
                "sockets from systemd are not available in this version; give host:port \
                        or \"unix:PATH\""
                    .to_owned(),
            );
        }
        if text.parse::<SocketAddr>().is_ok() {
            return Ok(Self::Tcp(text.to_owned()));
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse::<u16>().ok()),
            None => (text, None),
        };
        match (name, port) {
            ("" | "*", Some(port)) => Err(format!(
                "write \"[::]:{port}\" for every address of this machine, or \"127.0.0.1:{port}\""
            )),
            (name, Some(_)) if host_name(name).is_ok() => Ok(Self::Tcp(text.to_owned())),
            (_, Some(_)) => {
                Err("write an IPv6 address in brackets, such as \"[::1]:110\"".to_owned())
            }
            (_, None) => {
                Err("give address and port, such as \"[::]:995\", or \"unix:PATH\"".to_owned())
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A host name or a domain in lower case: labels of letters, digits and hyphens (RFC 1123 §2.1).
///
/// The greeting's timestamp and the trace headers hold it, so nothing else may be in it.
///
/// # Errors
///
/// What to write instead.
pub fn host_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    match text.len() <= 253 && text.split('.').all(label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(
            "give a name of letters, digits, hyphens and dots, such as \"mail.example.org\""
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<Address, String> {
        text.parse()
    }

    #[test]
    fn addresses_are_read_and_a_wrong_one_says_what_would_be_right() {
        assert!(matches!(address("[::]:995"), Ok(Address::Tcp(_))));
        assert!(matches!(address("localhost:1110"), Ok(Address::Tcp(_))));
        assert!(matches!(address("unix:/run/r/lmtp"), Ok(Address::Unix(_))));
        for (wrong, words) in [
            ("", "address and port"),
            (":110", "\"[::]:110\""),
            ("*:110", "\"[::]:110\""),
            ("110", "address and port"),
            ("localhost", "address and port"),
            ("::1:110", "in brackets"),
            ("unix:", "whole path"),
            ("unix:x", "whole path"),
            ("systemd:pop3", "not available in this version"),
            ("[::]:65536", "address and port"),
            ("localhost:99999", "address and port"),
        ] {
            let remedy = address(wrong).unwrap_err();
            assert!(remedy.contains(words), "{wrong}: {remedy}");
        }
        let long = address(&format!("unix:/{}", "x".repeat(200))).unwrap_err();
        assert!(long.contains("107"), "{long}");
    }

    #[test]
    fn what_only_this_machine_reaches_is_local() {
        for (text, local) in [
            ("127.0.0.1:24", true),
            ("[::1]:24", true),
            ("[::ffff:127.0.0.1]:24", true),
            ("localhost:24", true),
            ("unix:/run/restante/lmtp", true),
            ("[::]:24", false),
            ("192.0.2.1:24", false),
            ("mail.example.org:24", false),
        ] {
            assert_eq!(address(text).map(|a| a.is_local()), Ok(local), "{text}");
        }
    }

    #[test]
    fn host_names() {
        assert_eq!(
            host_name("MailGate.dobbs.org"),
            Ok("mailgate.dobbs.org".to_owned())
        );
        for wrong in ["", "a b", "a..b", "-a", "a<b", "a\r\nb", "ä.org", "a."] {
            assert!(host_name(wrong).is_err(), "{wrong:?}");
        }
    }
}
