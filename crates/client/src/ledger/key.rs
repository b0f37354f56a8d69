//! What tells a message from every other one of an account.

use std::fmt;
use std::str::FromStr;

use pop3::client::ForeignId;

/// What tells a message from every other one of an account.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Key {
    /// The server's unique-id.
    UniqueId(ForeignId),
    /// The server has no unique-ids, or gives one to several messages: what the message holds, and which of those that hold the
    /// same it is, from 1.
    Content(String, u32),
}

/// A text that is no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no key of a message")]
pub struct NotAKey;

impl Key {
    /// A key of what a message holds: the SHA-256 of its header, and its size.
    pub fn content(print: &str, place: u32) -> Self {
        Self::Content(print.to_owned(), place)
    }
}

impl fmt::Display for Key {
    /// One word: what is not a plain letter is written as `%` and two digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UniqueId(id) => {
                f.write_str("u:")?;
                id.as_bytes().iter().try_for_each(|&octet| match octet {
                    b'%' => f.write_str("%25"),
                    0x21..=0x7e => write!(f, "{}", char::from(octet)),
                    _ => write!(f, "%{octet:02x}"),
                })
            }
            Self::Content(print, place) => write!(f, "c:{print}.{place}"),
        }
    }
}

impl FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        if let Some(content) = text.strip_prefix("c:") {
            let (print, place) = content.split_once('.').ok_or(NotAKey)?;
            let place = place.parse().map_err(|_| NotAKey)?;
            return Ok(Self::Content(print.to_owned(), place));
        }
        let mut rest = text.strip_prefix("u:").ok_or(NotAKey)?.bytes();
        let mut octets = Vec::new();
        while let Some(octet) = rest.next() {
            octets.push(match octet {
                b'%' => {
                    let mut digit = || char::from(rest.next()?).to_digit(16);
                    let (high, low) = (digit().ok_or(NotAKey)?, digit().ok_or(NotAKey)?);
                    u8::try_from(high << 4 | low).map_err(|_| NotAKey)?
                }
                octet => octet,
            });
        }
        ForeignId::new(&octets).map(Self::UniqueId).ok_or(NotAKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_one_word_and_come_back() {
        for (id, expected) in [
            (&b"QhdPYR:00WBw1Ph7x7"[..], "u:QhdPYR:00WBw1Ph7x7"),
            (b"one two", "u:one%20two"),
            (b"100%", "u:100%25"),
            ("\u{e4}".as_bytes(), "u:%c3%a4"),
        ] {
            let key = Key::UniqueId(ForeignId::new(id).unwrap());
            assert_eq!(key.to_string(), expected);
            assert_eq!(expected.parse(), Ok(key));
        }
        let key = Key::content("00ff-120", 2);
        assert_eq!(key.to_string().parse(), Ok(key));
        for wrong in [
            "", "u:", "x:a", "u:%", "u:%0", "u:%zz", "u:%00", "c:a", "c:a.b",
        ] {
            assert_eq!(wrong.parse::<Key>(), Err(NotAKey), "{wrong}");
        }
    }
}
