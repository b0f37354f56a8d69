//! XCLIENT: a front end says for which client it speaks. Not in an RFC: Postfix made it for SMTP, and
//! Dovecot's proxies speak it to POP3 and LMTP servers.
//!
//! Attributes as `NAME=value`, values in xtext (RFC 3461 §4: `+2B` for a plus). Those that mean
//! nothing here are read over, as Postfix and Dovecot do with each other's. To POP3 Dovecot 2.3 sends
//! SESSION as it is, which is base 64 and may have a plus. Whom to believe is not decided here.
//!
//! ```
//! use pop3::xclient::Attributes;
//!
//! let said = Attributes::parse(b"ADDR=192.0.2.7 PORT=51234 SESSION=a+2Bb TTL=4 DESTPORT=110");
//! let said = said.unwrap();
//! assert_eq!(said.address, Some("192.0.2.7".parse().unwrap()));
//! assert_eq!(said.session.as_deref(), Some("a+b"));
//! assert_eq!(said.to_string(), " ADDR=192.0.2.7 PORT=51234 SESSION=a+2Bb TTL=4");
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::{NonZeroU16, NonZeroU32};

/// Whether the other side may say for whom it speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Speaker {
    /// It speaks for itself; XCLIENT is no command.
    #[default]
    Client,
    /// It is a front end that is believed.
    FrontEnd,
}

/// What a front end says of its client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attributes {
    /// ADDR: the client's address; none also where the front end does not know it.
    pub address: Option<IpAddr>,
    /// PORT: the client's port.
    pub port: Option<NonZeroU16>,
    /// SESSION: the front end's own name for the session; printable ASCII.
    pub session: Option<String>,
    /// TTL: how many more times the connection may be passed on.
    pub ttl: Option<NonZeroU32>,
    /// CLIENT-TRANSPORT: what is between client and front end.
    pub transport: Option<Transport>,
}

/// What is between a client and its front end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// TLS.
    Tls,
    /// Something else.
    Insecure,
}

/// Why attributes are not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// They are none, or a value is none of its kind, or a name comes twice.
    Form,
    /// TTL has reached 0: front ends pass this connection on in a circle.
    Loop,
}

/// Longest session name that is taken.
const SESSION_OCTETS_MAX: usize = 255;

impl Attributes {
    /// Reads what follows the keyword.
    ///
    /// # Errors
    ///
    /// See [`Wrong`].
    pub fn parse(text: &[u8]) -> Result<Self, Wrong> {
        let mut attributes = Self::default();
        let mut names = Vec::new();
        let words = text.split(|&octet| octet == b' ');
        for word in words.filter(|word| !word.is_empty()) {
            let equals = memchr::memchr(b'=', word).ok_or(Wrong::Form)?;
            let (name, value) = (&word[..equals], &word[equals + 1..]);
            let letters = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
            if name.is_empty() || !name.iter().all(letters) {
                return Err(Wrong::Form);
            }
            if !value.iter().all(u8::is_ascii_graphic) {
                return Err(Wrong::Form);
            }
            let name = name.to_ascii_uppercase();
            attributes.read(&name, value)?;
            if names.contains(&name) {
                return Err(Wrong::Form);
            }
            names.push(name);
        }
        match names.is_empty() {
            true => Err(Wrong::Form),
            false => Ok(attributes),
        }
    }

    fn read(&mut self, name: &[u8], value: &[u8]) -> Result<(), Wrong> {
        let known: [&[u8]; 5] = [b"ADDR", b"PORT", b"SESSION", b"TTL", b"CLIENT-TRANSPORT"];
        if !known.contains(&name) {
            return Ok(());
        }
        let value = match (xtext(value), name) {
            (Some(value), _) => value,
            // A name for the log is worth no login.
            (None, b"SESSION") => String::from_utf8_lossy(value).into_owned(),
            (None, _) => return Err(Wrong::Form),
        };
        // Postfix's words for what it does not know.
        if ["[UNAVAILABLE]", "[TEMPUNAVAIL]"].contains(&value.as_str()) {
            return Ok(());
        }
        match name {
            b"ADDR" => self.address = Some(address(&value).ok_or(Wrong::Form)?),
            b"PORT" => {
                let port = u16::try_from(number(&value)?).ok();
                self.port = Some(port.and_then(NonZeroU16::new).ok_or(Wrong::Form)?);
            }
            b"TTL" => self.ttl = Some(NonZeroU32::new(number(&value)?).ok_or(Wrong::Loop)?),
            b"SESSION" if value.is_empty() || value.len() > SESSION_OCTETS_MAX => {
                return Err(Wrong::Form);
            }
            b"SESSION" => self.session = Some(value),
            _ => {
                self.transport = Some(match value.eq_ignore_ascii_case("TLS") {
                    true => Transport::Tls,
                    false => Transport::Insecure,
                });
            }
        }
        Ok(())
    }

    /// What two commands say together: long lines come as two. None if they speak of the same thing,
    /// since then one of them is perhaps the client's own.
    #[must_use]
    pub fn and(self, more: Self) -> Option<Self> {
        fn one<T>(first: Option<T>, second: Option<T>) -> Option<Option<T>> {
            match (first, second) {
                (Some(_), Some(_)) => None,
                (first, second) => Some(first.or(second)),
            }
        }
        Some(Self {
            address: one(self.address, more.address)?,
            port: one(self.port, more.port)?,
            session: one(self.session, more.session)?,
            ttl: one(self.ttl, more.ttl)?,
            transport: one(self.transport, more.transport)?,
        })
    }
}

/// As they follow the keyword, which is never alone.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str(" ADDR=[UNAVAILABLE]");
        }
        if let Some(address) = self.address {
            write!(f, " ADDR={address}")?;
        }
        if let Some(port) = self.port {
            write!(f, " PORT={port}")?;
        }
        if let Some(session) = &self.session {
            f.write_str(" SESSION=")?;
            for octet in session.bytes() {
                match octet {
                    b'+' | b'=' => write!(f, "+{octet:02X}")?,
                    b'!'..=b'~' => fmt::Write::write_char(f, char::from(octet))?,
                    _ => write!(f, "+{octet:02X}")?,
                }
            }
        }
        if let Some(ttl) = self.ttl {
            write!(f, " TTL={ttl}")?;
        }
        match self.transport {
            Some(Transport::Tls) => f.write_str(" CLIENT-TRANSPORT=TLS"),
            Some(Transport::Insecure) => f.write_str(" CLIENT-TRANSPORT=insecure"),
            None => Ok(()),
        }
    }
}

/// Printable ASCII behind xtext (RFC 3461 §4).
fn xtext(mut value: &[u8]) -> Option<String> {
    let mut text = String::new();
    while let [first, rest @ ..] = value {
        let (octet, rest) = match (first, rest) {
            (b'+', [high, low, rest @ ..]) => (hexadecimal(*high)? << 4 | hexadecimal(*low)?, rest),
            (b'+' | b'=', _) => return None,
            (octet, rest) => (*octet, rest),
        };
        if !matches!(octet, b' '..=b'~') {
            return None;
        }
        text.push(char::from(octet));
        value = rest;
    }
    Some(text)
}

/// Upper case, as the RFC wants them; lower case is forgiven.
fn hexadecimal(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

/// An address as Dovecot writes it, or as Postfix does: `IPV6:2001:db8::7`.
fn address(text: &str) -> Option<IpAddr> {
    match text.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPV6:") => {
            v6.parse::<Ipv6Addr>().map(IpAddr::V6).ok()
        }
        _ => text.parse().ok(),
    }
}

fn number(text: &str) -> Result<u32, Wrong> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or(Wrong::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Attributes, Wrong> {
        Attributes::parse(text.as_bytes())
    }

    #[test]
    fn attributes_of_dovecot_and_of_postfix() {
        let said = parse(
            "ADDR=2001:db8::7 PORT=1 SESSION=kZ/7+2FzG TTL=4 CLIENT-TRANSPORT=TLS \
             DESTADDR=192.0.2.1 DESTPORT=110 DESTNAME=pop.example FORWARD=a2V5PXZhbHVl+/8=",
        );
        assert_eq!(
            said,
            Ok(Attributes {
                address: Some("2001:db8::7".parse().unwrap()),
                port: NonZeroU16::new(1),
                session: Some("kZ/7/zG".to_owned()),
                ttl: NonZeroU32::new(4),
                transport: Some(Transport::Tls),
            })
        );
        let said = parse("name=[UNAVAILABLE] addr=IPv6:::1 proto=ESMTP helo=x login=+5BTEMP+5D");
        let address = Some("::1".parse().unwrap());
        assert_eq!(
            said,
            Ok(Attributes {
                address,
                ..Attributes::default()
            })
        );
        // Nothing known, but nothing wrong.
        for text in ["ADDR=[UNAVAILABLE]", "PORT=[UNAVAILABLE]", "X-UNHEARD_OF="] {
            assert_eq!(parse(text), Ok(Attributes::default()), "{text}");
        }
        let insecure = parse("CLIENT-TRANSPORT=insecure").unwrap();
        assert_eq!(insecure.transport, Some(Transport::Insecure));
    }

    #[test]
    fn what_is_wrong_with_attributes() {
        let long = format!("SESSION={}", "x".repeat(256));
        for text in [
            "",
            "  ",
            "ADDR",
            "=1",
            "ADDR=",
            "ADDR=localhost",
            "ADDR=192.0.2",
            "ADDR=192.0.2.07",
            "ADDR=IPV6:192.0.2.7",
            "ADDR=[192.0.2.7]",
            "ADDR=192.0.2.7/24",
            "ADDR=192.0.2.7 addr=192.0.2.7",
            "ADDR=192.0.2.7\tPORT=1",
            "A:B=1",
            "PORT=0",
            "PORT=65536",
            "PORT=+31x",
            "PORT=-1",
            "PORT=",
            "TTL=x",
            "TTL=4294967296",
            "SESSION=",
            "SESSION=a\x7f",
            "ADDR=192.0.2.7+",
            "ADDR=+0D",
            "FORWARD=\x7f",
            "NAME=é",
            &long,
        ] {
            assert_eq!(parse(text), Err(Wrong::Form), "{text:?}");
        }
        assert_eq!(parse("ADDR=192.0.2.7 TTL=0"), Err(Wrong::Loop));
        assert_eq!(parse("TTL=000"), Err(Wrong::Loop));
    }

    #[test]
    fn a_session_that_is_no_xtext_is_taken_as_it_came() {
        for name in [
            "a9Swajhh0+F/AABN",
            "a=b",
            "a+",
            "a+2",
            "a+0D+0AUSER",
            "a+7F",
            "a+FF",
        ] {
            let said = parse(&format!("SESSION={name}")).unwrap();
            assert_eq!(said.session.as_deref(), Some(name));
            assert_eq!(parse(&said.to_string()), Ok(said), "{name}");
        }
    }

    #[test]
    fn two_commands_may_not_speak_of_the_same_thing() {
        let (address, port) = (parse("ADDR=192.0.2.7").unwrap(), parse("PORT=7").unwrap());
        let both = parse("PORT=7 ADDR=192.0.2.7").unwrap();
        assert_eq!(address.clone().and(port), Some(both.clone()));
        assert_eq!(both.and(address), None);
    }
}
