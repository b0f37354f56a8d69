//! Listings as servers really send them: `1 120`, `1 whqtswO00WBw418f9t5JxYwZ` (RFC 1939 §5, §7).
//!
//! ```
//! use pop3::client::{scan_line, unique_id_line};
//!
//! assert_eq!(scan_line(b"2 200 and more").unwrap().1.0, 200);
//! let (number, id) = unique_id_line(b"2  QhdPYR:00WBw1Ph7x7").unwrap();
//! assert_eq!((number.get(), id.as_bytes()), (2, &b"QhdPYR:00WBw1Ph7x7"[..]));
//! ```

use std::fmt;
use std::sync::Arc;

use crate::{MessageNumber, Octets, UniqueId};

/// The unique-id that a server gives a message, whether it keeps the rules for it or not.
///
/// RFC 1939 §7 allows 1 to 70 octets of 0x21 to 0x7E. Servers exist that give longer ones or put
/// spaces or 8-bit octets into them; a client that refuses those, or cuts them, fetches the same
/// mail for ever or misses some.
///
/// A copy is the same octets: clients keep lists of all messages in several orders.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ForeignId(Arc<[u8]>);

impl ForeignId {
    /// Most octets that are taken for a unique-id.
    pub const OCTETS_MAX: usize = 1024;

    /// The unique-id, if the octets can be one: not empty, no control character, no space around.
    pub fn new(octets: &[u8]) -> Option<Self> {
        let well_formed = (1..=Self::OCTETS_MAX).contains(&octets.len())
            && !octets.iter().any(u8::is_ascii_control)
            && octets.trim_ascii().len() == octets.len();
        well_formed.then(|| Self(octets.into()))
    }

    /// The octets as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as a unique-id of ours, if it keeps the rules.
    pub fn strict(&self) -> Option<UniqueId> {
        UniqueId::new(Box::<[u8]>::from(&*self.0))
    }
}

impl fmt::Display for ForeignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// Reads a scan listing; what comes after the size is ignored (RFC 1939 §5).
pub fn scan_line(line: &[u8]) -> Option<(MessageNumber, Octets)> {
    let (number, rest) = numbered(line)?;
    let (octets, _) = word(rest);
    Some((number, Octets(decimal(octets)?)))
}

/// Reads a unique-id listing.
///
/// Everything after the number is the unique-id, spaces inside it too: two ids that differ only
/// behind a space must not become one, since the second message would count as seen.
pub fn unique_id_line(line: &[u8]) -> Option<(MessageNumber, ForeignId)> {
    let (number, rest) = numbered(line)?;
    Some((number, ForeignId::new(rest)?))
}

/// A message number, and what comes after it.
fn numbered(line: &[u8]) -> Option<(MessageNumber, &[u8])> {
    let (digits, rest) = word(line.trim_ascii());
    let number = u32::try_from(decimal(digits)?).ok()?;
    Some((MessageNumber::new(number)?, rest))
}

/// The first word, and what comes after it and the white space behind it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|octet| b" \t".contains(octet))
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii_start())
}

pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(digits).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(number: u32) -> MessageNumber {
        MessageNumber::new(number).unwrap()
    }

    #[test]
    fn scan_listings() {
        for (line, expected) in [
            ("1 120", Some((1, 120))),
            ("2 200 extra", Some((2, 200))),
            (" 3   300 ", Some((3, 300))),
            ("4\t400", Some((4, 400))),
            ("5 500\r", Some((5, 500))),
            ("007 18446744073709551615", Some((7, u64::MAX))),
            ("", None),
            ("1", None),
            ("0 120", None),
            ("1 ", None),
            ("a 1", None),
            ("1 -1", None),
            ("1 +1", None),
            ("1 18446744073709551616", None),
            ("4294967296 1", None),
            ("1\0 120", None),
            ("1 120\0", None),
        ] {
            let expected = expected.map(|(number, octets)| (n(number), Octets(octets)));
            assert_eq!(scan_line(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn unique_id_listings() {
        let longest = "x".repeat(ForeignId::OCTETS_MAX);
        let (longest_line, too_long_line) = (format!("2 {longest}"), format!("2 {longest}x"));
        for (line, expected) in [
            ("2 QhdPYR:00WBw1Ph7x7", Some((2, "QhdPYR:00WBw1Ph7x7"))),
            ("2    id", Some((2, "id"))),
            ("2\tid ", Some((2, "id"))),
            ("2 one two", Some((2, "one two"))),
            ("2 \u{e4}", Some((2, "\u{e4}"))),
            (longest_line.as_str(), Some((2, longest.as_str()))),
            (too_long_line.as_str(), None),
            ("", None),
            ("1", None),
            ("1 ", None),
            ("0 a", None),
            ("1 a\0b", None),
            ("1 \u{1b}[2J", None),
        ] {
            let expected = expected.map(|(number, id)| (n(number), id.as_bytes().to_vec()));
            let read = unique_id_line(line.as_bytes());
            let read = read.map(|(number, id)| (number, id.as_bytes().to_vec()));
            assert_eq!(read, expected, "{line:?}");
        }
    }

    #[test]
    fn a_foreign_id_that_keeps_the_rules_is_one_of_ours() {
        let strict = |id: &str| ForeignId::new(id.as_bytes()).unwrap().strict();
        assert_eq!(strict("a.1"), UniqueId::new(*b"a.1"));
        assert_eq!(strict(&"x".repeat(70)).unwrap().as_bytes().len(), 70);
        assert_eq!(strict(&"x".repeat(71)), None);
        assert_eq!(strict("a b"), None);
        assert_eq!(
            ForeignId::new("a\u{e4}".as_bytes()).unwrap().to_string(),
            "a\\xc3\\xa4"
        );
    }
}
