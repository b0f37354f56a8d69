//! What a server says that it can do (RFC 2449 §5), read.
//!
//! ```
//! use pop3::client::{Capabilities, Capability};
//!
//! let mut capabilities = Capabilities::default();
//! capabilities.push(b"SASL PLAIN SCRAM-SHA-256");
//! capabilities.push(b"PIPELINING");
//! assert!(capabilities.offers(&Capability::Pipelining));
//! assert!(capabilities.mechanisms().any(|name| name == "SCRAM-SHA-256"));
//! ```

use std::fmt;

use super::status::printable;
use crate::Expire;

/// One line of the answer to CAPA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Capability {
    /// TOP (RFC 2449 §6.2).
    Top,
    /// USER and PASS (RFC 2449 §6.3).
    User,
    /// Mechanisms of AUTH, in upper case (RFC 5034 §3).
    Sasl(Vec<String>),
    /// A text that begins with a bracket is a response code (RFC 2449 §6.4).
    RespCodes,
    /// `[AUTH]` and nothing else tells that credentials are wrong (RFC 3206 §6).
    AuthRespCode,
    /// Seconds that must lie between two logins (RFC 2449 §6.5).
    LoginDelay(u64, Scope),
    /// Commands may be sent before the replies to earlier ones are read (RFC 2449 §6.6).
    Pipelining,
    /// How long mail is kept that nobody deletes (RFC 2449 §6.7).
    Expire(Expire, Scope),
    /// UIDL (RFC 2449 §6.8).
    Uidl,
    /// Which program it is (RFC 2449 §6.9).
    Implementation(String),
    /// STLS (RFC 2595 §4).
    Stls,
    /// Headers in UTF-8, and whether user names and passwords may be (RFC 6856 §2.1).
    Utf8(Names),
    /// Texts in other languages (RFC 6856 §3.2).
    Lang,
    /// Another one, or one of these with arguments that make no sense; what is not printable is
    /// U+FFFD.
    Other(String),
}

/// Whom a capability is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Everybody, or the account that is logged in.
    All,
    /// The worst of all accounts; after the login it may be said better (the argument `USER`).
    Worst,
}

/// In which characters a user name and a password may be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Names {
    /// ASCII.
    Ascii,
    /// UTF-8 (the argument `USER`).
    Utf8,
}

impl Capability {
    /// Reads a line, its end and its dot-stuffing removed. Keywords have no case.
    pub fn parse(line: &[u8]) -> Self {
        let text = printable(line.trim_ascii());
        let mut words = text.split_ascii_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        let argument = words.clone().next();
        let is_user =
            |word: Option<&str>| word.is_some_and(|word| word.eq_ignore_ascii_case("USER"));
        let scope = match is_user(words.clone().nth(1)) {
            true => Scope::Worst,
            false => Scope::All,
        };
        match (keyword.as_str(), argument) {
            ("TOP", _) => Self::Top,
            ("USER", _) => Self::User,
            ("SASL", _) => Self::Sasl(words.map(str::to_ascii_uppercase).collect()),
            ("RESP-CODES", _) => Self::RespCodes,
            ("AUTH-RESP-CODE", _) => Self::AuthRespCode,
            ("PIPELINING", _) => Self::Pipelining,
            ("UIDL", _) => Self::Uidl,
            ("STLS", _) => Self::Stls,
            ("LANG", _) => Self::Lang,
            ("UTF8", argument) => Self::Utf8(match is_user(argument) {
                true => Names::Utf8,
                false => Names::Ascii,
            }),
            ("IMPLEMENTATION", Some(_)) => {
                let name = &text["IMPLEMENTATION".len()..];
                Self::Implementation(name.trim_start().to_owned())
            }
            ("LOGIN-DELAY", Some(seconds)) => match seconds.parse() {
                Ok(seconds) => Self::LoginDelay(seconds, scope),
                Err(_) => Self::Other(text),
            },
            ("EXPIRE", Some(days)) => match expire(days) {
                Some(expire) => Self::Expire(expire, scope),
                None => Self::Other(text),
            },
            _ => Self::Other(text),
        }
    }
}

fn expire(days: &str) -> Option<Expire> {
    match days {
        "0" => Some(Expire::Retrieved),
        _ if days.eq_ignore_ascii_case("NEVER") => Some(Expire::Never),
        _ => Some(Expire::Days(days.parse().ok()?)),
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = |scope: &Scope| match scope {
            Scope::All => "",
            Scope::Worst => " USER",
        };
        match self {
            Self::Top => f.write_str("TOP"),
            Self::User => f.write_str("USER"),
            Self::Sasl(mechanisms) => {
                f.write_str("SASL")?;
                mechanisms.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::RespCodes => f.write_str("RESP-CODES"),
            Self::AuthRespCode => f.write_str("AUTH-RESP-CODE"),
            Self::LoginDelay(seconds, scope) => write!(f, "LOGIN-DELAY {seconds}{}", user(scope)),
            Self::Pipelining => f.write_str("PIPELINING"),
            Self::Expire(expire, scope) => write!(f, "EXPIRE {expire}{}", user(scope)),
            Self::Uidl => f.write_str("UIDL"),
            Self::Implementation(name) => write!(f, "IMPLEMENTATION {name}"),
            Self::Stls => f.write_str("STLS"),
            Self::Utf8(Names::Ascii) => f.write_str("UTF8"),
            Self::Utf8(Names::Utf8) => f.write_str("UTF8 USER"),
            Self::Lang => f.write_str("LANG"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// All that a server has announced.
///
/// It holds for one connection and for one side of the start of TLS: what was announced in clear
/// must be forgotten inside TLS (RFC 2595 §4). Servers are known that announce less than they can,
/// or announce UIDL or USER in one state only; what is missing here may still work.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Capabilities(Vec<Capability>);

impl Capabilities {
    /// Adds a line of the answer.
    pub fn push(&mut self, line: &[u8]) {
        self.0.push(Capability::parse(line));
    }

    /// Whether this was announced, with these arguments.
    pub fn offers(&self, capability: &Capability) -> bool {
        self.0.contains(capability)
    }

    /// The mechanisms of AUTH, in upper case, in the server's order.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|capability| match capability {
            Capability::Sasl(mechanisms) => mechanisms.iter().map(String::as_str),
            _ => [].iter().map(String::as_str),
        })
    }

    /// Whether UTF8 is announced, and in which characters names and passwords may then be.
    pub fn utf8(&self) -> Option<Names> {
        self.0.iter().find_map(|capability| match capability {
            Capability::Utf8(names) => Some(*names),
            _ => None,
        })
    }

    /// Everything, in the server's order.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_is_read_and_printed() {
        let month = Expire::Days(30.try_into().unwrap());
        for (line, capability) in [
            ("TOP", Capability::Top),
            ("USER", Capability::User),
            ("SASL", Capability::Sasl(Vec::new())),
            (
                "SASL PLAIN XOAUTH2",
                Capability::Sasl(vec!["PLAIN".into(), "XOAUTH2".into()]),
            ),
            ("RESP-CODES", Capability::RespCodes),
            ("AUTH-RESP-CODE", Capability::AuthRespCode),
            ("LOGIN-DELAY 900", Capability::LoginDelay(900, Scope::All)),
            (
                "LOGIN-DELAY 900 USER",
                Capability::LoginDelay(900, Scope::Worst),
            ),
            ("PIPELINING", Capability::Pipelining),
            (
                "EXPIRE NEVER",
                Capability::Expire(Expire::Never, Scope::All),
            ),
            (
                "EXPIRE 0 USER",
                Capability::Expire(Expire::Retrieved, Scope::Worst),
            ),
            ("EXPIRE 30", Capability::Expire(month, Scope::All)),
            ("UIDL", Capability::Uidl),
            (
                "IMPLEMENTATION Shlemazle-Plotz-v302",
                Capability::Implementation("Shlemazle-Plotz-v302".into()),
            ),
            ("STLS", Capability::Stls),
            ("UTF8", Capability::Utf8(Names::Ascii)),
            ("UTF8 USER", Capability::Utf8(Names::Utf8)),
            ("LANG", Capability::Lang),
            ("EXPIRE soon", Capability::Other("EXPIRE soon".into())),
            ("LOGIN-DELAY", Capability::Other("LOGIN-DELAY".into())),
            ("X-RICO 1", Capability::Other("X-RICO 1".into())),
            ("", Capability::Other(String::new())),
        ] {
            assert_eq!(Capability::parse(line.as_bytes()), capability, "{line}");
            assert_eq!(capability.to_string(), line);
        }
    }

    #[test]
    fn reading_is_lenient() {
        let plain = Capability::Sasl(vec!["PLAIN".into(), "LOGIN".into()]);
        assert_eq!(Capability::parse(b"sasl  plain\tLogin \r"), plain);
        assert_eq!(Capability::parse(b" Pipelining"), Capability::Pipelining);
        let name = Capability::Implementation("a \u{fffd}[2J".into());
        assert_eq!(Capability::parse(b"implementation  a \x1b[2J"), name);
    }
}
