//! The header that begins the messages of SCRAM and OAUTHBEARER (RFC 5801 §4, RFC 5802 §7).
//!
//! `n,a=bob,`: whether the client binds to the channel, and for whom it wants to act.

use std::fmt;

use crate::prepare;
use crate::server::Refused;

/// What the client says about channel binding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Flag {
    /// `n`: it cannot.
    Unsupported,
    /// `y`: it could, but thinks that the server cannot. If the server can, somebody between them
    /// has changed the list of mechanisms.
    NotOffered,
    /// `p=NAME`: it does, with a binding of that type.
    Bound(String),
}

/// The header.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) flag: Flag,
    /// For whom the client acts, if not for itself; prepared, where it was read.
    pub(crate) authzid: Option<String>,
}

impl Header {
    /// The header that a message begins with, as value and as text, and the rest of the message.
    ///
    /// # Errors
    ///
    /// [`Refused::Malformed`] when there is none; [`Refused::Name`] when the name in it cannot be
    /// prepared (RFC 5034 §4).
    pub(crate) fn read(message: &str) -> Result<(Self, &str, &str), Refused> {
        let parts = || {
            let (flag, rest) = message.split_once(',')?;
            let (authzid, rest) = rest.split_once(',')?;
            let authzid = match authzid {
                "" => None,
                _ => Some(authzid.strip_prefix("a=")?),
            };
            Some((Flag::read(flag)?, authzid, rest))
        };
        let (flag, authzid, rest) = parts().ok_or(Refused::Malformed)?;
        let authzid = authzid.map(name).transpose()?;
        let (text, _) = message.split_at(message.len() - rest.len());
        Ok((Self { flag, authzid }, text, rest))
    }
}

impl Flag {
    fn read(text: &str) -> Option<Self> {
        match text {
            "n" => Some(Self::Unsupported),
            "y" => Some(Self::NotOffered),
            _ => {
                let name = text.strip_prefix("p=")?;
                let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b".-".contains(&octet);
                let is_name = !name.is_empty() && name.bytes().all(allowed);
                is_name.then(|| Self::Bound(name.to_owned()))
            }
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flag {
            Flag::Unsupported => f.write_str("n,")?,
            Flag::NotOffered => f.write_str("y,")?,
            Flag::Bound(name) => write!(f, "p={name},")?,
        }
        if let Some(authzid) = &self.authzid {
            write!(f, "a={}", escape(authzid))?;
        }
        f.write_str(",")
    }
}

/// A name as `saslname`: `=` and `,` would end it.
pub(crate) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// The name that a `saslname` stands for, prepared (RFC 5802 §5.1).
///
/// # Errors
///
/// [`Refused::Malformed`] when it is no such thing; [`Refused::Name`] when it cannot be prepared.
pub(crate) fn name(text: &str) -> Result<String, Refused> {
    // After the escapes: a comma of another width becomes a comma, and stands for nothing else.
    prepare::name(unescape(text).ok_or(Refused::Malformed)?.as_bytes())
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (octet, rest) = match part.strip_prefix("2C") {
            Some(rest) => (',', rest),
            None => ('=', part.strip_prefix("3D")?),
        };
        name.push(octet);
        name.push_str(rest);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_are_printed() {
        for (text, flag, authzid) in [
            ("n,,", Flag::Unsupported, None),
            ("y,,", Flag::NotOffered, None),
            ("n,a=bob,", Flag::Unsupported, Some("bob")),
            ("p=tls-exporter,,", Flag::Bound("tls-exporter".into()), None),
            ("y,a=a=3Db,", Flag::NotOffered, Some("a=b")),
        ] {
            let message = format!("{text}n=user,r=x");
            let (header, read, rest) = Header::read(&message).unwrap();
            assert_eq!((read, rest), (text, "n=user,r=x"));
            assert_eq!((&header.flag, header.authzid.as_deref()), (&flag, authzid));
            assert_eq!(header.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_header_is_not_read() {
        for text in [
            "",
            "n",
            "n,",
            "x,,",
            "N,,",
            "p,,",
            "p=,,",
            "p=a b,,",
            "n,bob,",
            "n,a=,",
            "n,a==,",
            "n,a=b=20,",
            "n,A=bob,",
            "F,n,,",
            ",,",
        ] {
            assert_eq!(Header::read(text), Err(Refused::Malformed), "{text}");
        }
    }

    #[test]
    fn names_are_escaped_one_way() {
        assert_eq!(escape("a,b=c"), "a=2Cb=3Dc");
        assert_eq!(name("a=2Cb=3Dc").as_deref(), Ok("a,b=c"));
        for text in ["", "=", "a=2c", "a=3d", "a=", "a=2", "=2Cb=41"] {
            assert_eq!(name(text), Err(Refused::Malformed), "{text}");
        }
        // What is escaped twice comes back as it was.
        assert_eq!(name(&escape("=2C")).as_deref(), Ok("=2C"));
    }

    #[test]
    fn names_are_prepared_behind_their_escapes() {
        for (text, told) in [
            ("\u{ff42}o\u{ad}b", Ok("bob")),
            ("a\u{a0}b", Ok("a b")),
            ("a\u{ff0c}b\u{ff1d}2C", Ok("a,b=2C")),
            ("=3D\u{2168}", Ok("=IX")),
            ("\u{ad}", Err(Refused::Name)),
            ("a\0", Err(Refused::Name)),
            ("\u{7}", Err(Refused::Name)),
            ("\u{7f}", Err(Refused::Name)),
            ("bob\u{202e}", Err(Refused::Name)),
            ("\u{627}1", Err(Refused::Name)),
            ("\u{fffd}", Err(Refused::Name)),
        ] {
            assert_eq!(name(text).as_deref().map_err(|why| *why), told, "{text:?}");
            let header = format!("n,a={text},");
            let read = Header::read(&header).map(|(read, text, _)| (read.authzid, text));
            let told = told.map(|name| (Some(name.to_owned()), &*header));
            assert_eq!(read, told, "what the proof is about stays as it was sent");
        }
    }
}
