//! What Dovecot's POP3 server calls a message that has no name of its own.

use std::fmt;
use std::str::FromStr;

use pop3::UniqueId;

/// Dovecot's setting `pop3_uidl_format`.
///
/// `%u` is the uid, `%v` the uid validity, `%f` the name of the file, `%g` the globally unique name, `%%` a
/// percent sign. `%Xu` is in hexadecimal digits, `%08Xu` in at least eight of them; every other modifier,
/// and `%m` (a hash of the header), is refused. Version 2.4 spells the default
/// `%{uid | hex(8)}%{uidvalidity | hex(8)}`, which is understood in this form only.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UidlFormat(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(char),
    Number(Which, Digits),
    File,
    Guid,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    Uid,
    Validity,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Digits {
    hexadecimal: bool,
    least: usize,
}

/// A format that is not understood: where, counted in octets from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnknownFormat(pub usize);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(
            out,
            "what begins at octet {place} is not understood; known are %u, %v, %f, %g and %%, numbers also \
             like %Xu and %08Xu"
        )
    }
}

impl std::error::Error for UnknownFormat {}

impl Default for UidlFormat {
    /// `%08Xu%08Xv`, as Dovecot's is.
    fn default() -> Self {
        let digits = Digits {
            hexadecimal: true,
            least: 8,
        };
        Self(vec![
            Part::Number(Which::Uid, digits),
            Part::Number(Which::Validity, digits),
        ])
    }
}

impl FromStr for UidlFormat {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        if text == "%{uid | hex(8)}%{uidvalidity | hex(8)}" {
            return Ok(Self::default());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let place = text.len() - rest.len();
            rest = &rest[letter.len_utf8()..];
            parts.push(match letter {
                '%' => variable(&mut rest).ok_or(UnknownFormat(place))?,
                letter => Part::Text(letter),
            });
        }
        Ok(Self(parts))
    }
}

impl UidlFormat {
    /// Whether it calls no two messages alike.
    pub fn is_unique(&self) -> bool {
        let tells =
            |part: &Part| matches!(part, Part::Number(Which::Uid, _) | Part::File | Part::Guid);
        self.0.iter().any(tells)
    }

    /// Whether what it makes of two uids differs in nothing else, and in that: the uid is there once, beside what all messages
    /// have in common.
    pub(in crate::maildir) fn is_numbers(&self) -> bool {
        let is_uid = |part: &&Part| matches!(part, Part::Number(Which::Uid, _));
        let is_name = |part: &Part| matches!(part, Part::File | Part::Guid);
        self.0.iter().filter(is_uid).count() == 1 && !self.0.iter().any(is_name)
    }

    /// What it makes of a message.
    pub(super) fn print(&self, uid: u32, validity: u32, file: &[u8], guid: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(UniqueId::OCTETS_MAX);
        for part in &self.0 {
            match part {
                Part::Text(letter) => text.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
                Part::Number(which, digits) => {
                    let number = match which {
                        Which::Uid => uid,
                        Which::Validity => validity,
                    };
                    digits.print(number, &mut text);
                }
                Part::File => text.extend_from_slice(file),
                Part::Guid => text.extend_from_slice(guid),
            }
        }
        text
    }
}

impl Digits {
    fn print(self, mut number: u32, out: &mut Vec<u8>) {
        let start = out.len();
        while number > 0 || out.len() - start < self.least.max(1) {
            let (digit, rest) = match self.hexadecimal {
                true => (number & 15, number >> 4),
                false => (number % 10, number / 10),
            };
            out.push(b"0123456789abcdef"[digit as usize]);
            number = rest;
        }
        out[start..].reverse();
    }
}

/// What comes after a percent sign; takes it off the rest.
fn variable(rest: &mut &str) -> Option<Part> {
    let (least, after) = match rest.strip_prefix('0') {
        Some(padded) => {
            let end = padded.find(|letter: char| !letter.is_ascii_digit())?;
            let (digits, after) = padded.split_at(end);
            let least = digits.parse().ok();
            (
                least.filter(|least| (1..=DIGITS_MAX).contains(least))?,
                after,
            )
        }
        None => (0, *rest),
    };
    let (hexadecimal, after) = match after.strip_prefix('X') {
        Some(after) => (true, after),
        None => (false, after),
    };
    let is_plain = least == 0 && !hexadecimal;
    let digits = Digits { hexadecimal, least };
    let letter = after.chars().next()?;
    let part = match letter {
        'u' => Part::Number(Which::Uid, digits),
        'v' => Part::Number(Which::Validity, digits),
        'f' if is_plain => Part::File,
        'g' if is_plain => Part::Guid,
        '%' if is_plain => Part::Text('%'),
        _ => return None,
    };
    *rest = &after[letter.len_utf8()..];
    Some(part)
}

/// More digits no unique-id has room for.
const DIGITS_MAX: usize = UniqueId::OCTETS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_usual_format() {
        assert_eq!("%08Xu%08Xv".parse(), Ok(UidlFormat::default()));
    }

    #[test]
    fn formats_that_are_not_understood_are_refused_with_their_place() {
        for (format, place) in [
            ("%m", 0),
            ("a%Mf", 1),
            ("%u%", 2),
            ("%8u", 0),
            ("%08", 0),
            ("%0u", 0),
            ("%099u", 0),
            ("%08Xf", 0),
            ("\u{e9}%{uid}", 2),
        ] {
            assert_eq!(
                format.parse::<UidlFormat>(),
                Err(UnknownFormat(place)),
                "{format}"
            );
        }
    }
}
