//! Where another server's maildrop is: `pop3s://USER@HOST[:PORT]`, `pop3://USER@HOST[:PORT]`.

use std::path::Path;

use crate::failure::{Code, Failure};

/// A maildrop at another server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// How TLS begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    /// With the connection; port 995.
    Pop3s,
    /// With STLS; port 110.
    Pop3,
}

impl Address {
    /// Reads an address; none if it is a path.
    ///
    /// # Errors
    ///
    /// When it is an address, and a wrong one.
    pub(super) fn parse(source: &Path) -> Result<Option<Self>, Failure> {
        // A path that is no text is no address.
        let Some((scheme, rest)) = source.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(None);
        };
        let wrong = |what: &str| {
            Failure::new(Code::Usage, format!("{}: {what}", shown(scheme, rest)))
                .remedy("write pop3s://USER@HOST[:PORT], or pop3:// for STLS; %40 in USER stands for @, %3A for :")
        };
        // User names often have an @ themselves.
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.contains(':')) {
            // Everybody on the machine can read the command line. Nor is it a path that could be named.
            return Err(wrong(
                "a password belongs into a file (--password-file), not here",
            ));
        }
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "pop3s" => Scheme::Pop3s,
            "pop3" => Scheme::Pop3,
            _ => return Ok(None),
        };
        let user = user.ok_or_else(|| wrong("it names no user"))?;
        let user = decoded(user).ok_or_else(|| wrong("its user name is none"))?;
        let (host, port) = place_of(place.strip_suffix('/').unwrap_or(place))
            .ok_or_else(|| wrong("its host or port is none"))?;
        Ok(Some(Self {
            scheme,
            user,
            host: host.to_owned(),
            port: port.unwrap_or(match scheme {
                Scheme::Pop3s => 995,
                Scheme::Pop3 => 110,
            }),
        }))
    }
}

/// An address for people: what stands behind a `:` and may be a password is left out, and with it its user.
fn shown(scheme: &str, rest: &str) -> String {
    let shown = match rest.rsplit_once('@') {
        Some((user, place)) if user.contains(':') => place,
        Some(_) => rest,
        // A port, or the password of who has forgotten the host.
        None => rest.split_once(':').map_or(rest, |(before, _)| before),
    };
    format!("{scheme}://{shown}")
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
fn place_of(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            match rest {
                "" => (host, None),
                _ => (host, Some(rest.strip_prefix(':')?)),
            }
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let is_host = !host.is_empty() && host.bytes().all(|it| it.is_ascii_graphic() && it != b'/');
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    is_host.then_some((host, port))
}

/// A text in which `%40` stands for `@` (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let value = |digit: u8| char::from(digit).to_digit(16);
                octets.push(u8::try_from(value(*high)? << 4 | value(*low)?).ok()?);
                rest = behind;
            }
            (b'%', _) => return None,
            (octet, behind) => {
                octets.push(*octet);
                rest = behind;
            }
        }
    }
    String::from_utf8(octets)
        .ok()
        .filter(|user| !user.is_empty() && !user.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        let address = |scheme, user: &str, host: &str, port| {
            Some(Address {
                scheme,
                user: user.to_owned(),
                host: host.to_owned(),
                port,
            })
        };
        for (text, expected) in [
            ("/var/mail/bob", None),
            ("pop3s", None),
            ("http://bob@host", None),
            (
                "pop3s://bob@host",
                address(Scheme::Pop3s, "bob", "host", 995),
            ),
            (
                "POP3://bob@host/",
                address(Scheme::Pop3, "bob", "host", 110),
            ),
            (
                "pop3://bob@dobbs.org@host:1110",
                address(Scheme::Pop3, "bob@dobbs.org", "host", 1110),
            ),
            (
                "pop3s://bob*master@[::1]:9",
                address(Scheme::Pop3s, "bob*master", "::1", 9),
            ),
            (
                "pop3s://b%3ab%40c@[::1]",
                address(Scheme::Pop3s, "b:b@c", "::1", 995),
            ),
        ] {
            assert_eq!(Address::parse(Path::new(text)).unwrap(), expected, "{text}");
        }
        for wrong in [
            "pop3s://host",
            "pop3s://@host",
            "pop3s://bob:redqueen@host",
            "pop3s://bob:red@queen@host",
            "pop3s://bob:redqueen",
            "imap://bob:redqueen@host",
            "pop3s://bob@",
            "pop3s://bob@host:",
            "pop3s://bob@host:0",
            "pop3s://bob@host:65536",
            "pop3s://bob@host/inbox",
            "pop3s://bob@[::1",
            "pop3s://bob@[::1]9",
            "pop3s://b%4@host",
            "pop3s://b%0ab@host",
            "pop3s://%ff@host",
        ] {
            let failure = Address::parse(Path::new(wrong)).unwrap_err();
            assert_eq!(failure.code(), Code::Usage, "{wrong}");
            let told = failure.to_string();
            assert!(!told.contains("red") && !told.contains("queen"), "{told}");
        }
    }
}
