//! What a server says, read: status lines, listings, timestamps, capabilities.
//!
//! ```
//! use pop3::client::Status;
//!
//! let status = Status::parse(b"-ERR [IN-USE] another session").unwrap();
//! assert!(!status.is_ok());
//! assert_eq!(status.code.as_deref(), Some("IN-USE"));
//! assert_eq!(status.to_string(), "-ERR [IN-USE] another session");
//! ```

use std::fmt;

use crate::{MessageNumber, Octets, UniqueId};

/// Whether a server did what it was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// `+OK`
    Ok,
    /// `-ERR`
    Refused,
}

/// A status line (RFC 1939 §3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Status {
    /// Yes or no.
    pub verdict: Verdict,
    /// The response code without its brackets (RFC 2449 §8), upper case.
    pub code: Option<String>,
    /// The rest of the line, for people. What is not printable is U+FFFD, so that a hostile server
    /// cannot steer a terminal or forge a line of a log.
    pub text: String,
}

impl Status {
    /// Reads a line, its end removed; none if it is no status line.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let (verdict, rest) = if let Some(rest) = line.strip_prefix(b"+OK") {
            (Verdict::Ok, rest)
        } else {
            (Verdict::Refused, line.strip_prefix(b"-ERR")?)
        };
        let text = match rest {
            [] => rest,
            [b' ', text @ ..] => text,
            _ => return None,
        };
        let (code, text) = match code(text) {
            Some((code, text)) => (Some(code), text),
            None => (None, text),
        };
        Some(Self {
            verdict,
            code,
            text: printable(text),
        })
    }

    /// Whether it is `+OK`.
    pub fn is_ok(&self) -> bool {
        self.verdict == Verdict::Ok
    }

    /// The drop listing of a STAT: number of messages and sum of their sizes.
    pub fn stat(&self) -> Option<(u64, Octets)> {
        let mut words = self.text.split(' ');
        let messages = decimal(words.next()?.as_bytes())?;
        let octets = decimal(words.next()?.as_bytes())?;
        Some((messages, Octets(octets)))
    }

    /// The timestamp of a greeting, angle brackets included (RFC 1939 §7).
    ///
    /// Only what has the form of a message-id is one: who sits in the middle could otherwise
    /// choose octets from which the digest of APOP betrays the secret (RFC 6151 §2.1).
    pub fn timestamp(&self) -> Option<&str> {
        let start = self.text.rfind('<')?;
        let end = start + self.text[start..].find('>')?;
        let inside = &self.text[start + 1..end];
        let (left, right) = inside.split_once('@')?;
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_graphic());
        (is_word(left) && is_word(right) && !right.contains('@')).then(|| &self.text[start..=end])
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verdict {
            Verdict::Ok => "+OK",
            Verdict::Refused => "-ERR",
        })?;
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        match self.text.is_empty() {
            true => Ok(()),
            false => write!(f, " {}", self.text),
        }
    }
}

/// Reads a scan listing, `1 120`; what comes after the size is ignored (RFC 1939 §5).
pub fn scan_line(line: &[u8]) -> Option<(MessageNumber, Octets)> {
    let mut words = line.split(|&octet| octet == b' ');
    let number = message_number(words.next()?)?;
    let octets = decimal(words.next()?)?;
    Some((number, Octets(octets)))
}

/// Reads a unique-id listing, `1 whqtswO00WBw418f9t5JxYwZ` (RFC 1939 §7).
pub fn unique_id_line(line: &[u8]) -> Option<(MessageNumber, UniqueId)> {
    let space = memchr::memchr(b' ', line)?;
    let number = message_number(&line[..space])?;
    Some((number, UniqueId::new(&line[space + 1..])?))
}

/// What is not printable becomes U+FFFD.
fn printable(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .map(|c| match c.is_control() {
            true => char::REPLACEMENT_CHARACTER,
            false => c,
        })
        .collect()
}

/// Splits `[CODE] text`.
fn code(text: &[u8]) -> Option<(String, &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    let end = memchr::memchr(b']', inside)?;
    let (code, rest) = (&inside[..end], &inside[end + 1..]);
    let well_formed = !code.is_empty() && code.iter().all(|b| (0x20..0x7f).contains(b));
    well_formed.then(|| {
        let code = String::from_utf8_lossy(code).to_ascii_uppercase();
        (code, rest.strip_prefix(b" ").unwrap_or(rest))
    })
}

fn message_number(digits: &[u8]) -> Option<MessageNumber> {
    MessageNumber::new(u32::try_from(decimal(digits)?).ok()?)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(digits).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn status_lines() {
        for (line, verdict, code, text) in [
            ("+OK", Verdict::Ok, None, ""),
            ("+OK ", Verdict::Ok, None, ""),
            ("+OK 2 320", Verdict::Ok, None, "2 320"),
            ("-ERR", Verdict::Refused, None, ""),
            ("-ERR [AUTH] no", Verdict::Refused, Some("AUTH"), "no"),
            ("-ERR [sys/temp]", Verdict::Refused, Some("SYS/TEMP"), ""),
            ("-ERR [] x", Verdict::Refused, None, "[] x"),
            ("-ERR [x", Verdict::Refused, None, "[x"),
            ("-ERR a [AUTH] b", Verdict::Refused, None, "a [AUTH] b"),
            (
                "+OK \x1b[2J\u{9b}",
                Verdict::Ok,
                None,
                "\u{fffd}[2J\u{fffd}",
            ),
        ] {
            let expected = Status {
                verdict,
                code: code.map(str::to_owned),
                text: text.to_owned(),
            };
            assert_eq!(Status::parse(line.as_bytes()), Some(expected), "{line}");
        }
        for line in ["", "+ERR no", "+ok", "OK", "-ERROR", "* BYE", "+ ", "+OKAY"] {
            assert_eq!(Status::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn only_a_message_id_is_a_timestamp() {
        for (line, timestamp) in [
            (
                "+OK POP3 server ready <1896.6971@mailgate.dobbs.org>",
                Some("<1896.6971@mailgate.dobbs.org>"),
            ),
            ("+OK <a@b> ready", Some("<a@b>")),
            ("+OK <x> <a@b>", Some("<a@b>")),
            ("+OK ready", None),
            ("+OK <ready>", None),
            ("+OK <@b>", None),
            ("+OK <a@>", None),
            ("+OK <a b@c>", None),
            ("+OK <a@b@c>", None),
            ("+OK <a\u{1}@b>", None),
            ("+OK <\u{e4}@b>", None),
            ("+OK >a@b<", None),
        ] {
            let status = Status::parse(line.as_bytes()).unwrap();
            assert_eq!(status.timestamp(), timestamp, "{line}");
        }
    }

    #[test]
    fn listings() {
        let n = |number| MessageNumber::new(number).unwrap();
        assert_eq!(scan_line(b"1 120"), Some((n(1), Octets(120))));
        assert_eq!(scan_line(b"2 200 extra"), Some((n(2), Octets(200))));
        for line in [
            "",
            "1",
            "0 120",
            "1 ",
            "a 1",
            "1 -1",
            "1 18446744073709551616",
        ] {
            assert_eq!(scan_line(line.as_bytes()), None, "{line}");
        }
        let id = UniqueId::new(*b"QhdPYR:00WBw1Ph7x7").unwrap();
        assert_eq!(unique_id_line(b"2 QhdPYR:00WBw1Ph7x7"), Some((n(2), id)));
        for line in ["", "1", "1 ", "1 a b", "0 a", "1 \u{e4}"] {
            assert_eq!(unique_id_line(line.as_bytes()), None, "{line}");
        }
        let stat = |line: &[u8]| Status::parse(line).unwrap().stat();
        assert_eq!(stat(b"+OK 2 320"), Some((2, Octets(320))));
        assert_eq!(stat(b"+OK 2 320 more"), Some((2, Octets(320))));
        assert_eq!(stat(b"+OK 2"), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_printed_as_what_is_read_again(line in "(\\+OK|-ERR)( (\\[[A-Z/]{0,4}\\] ?)?.{0,20})?") {
            if let Some(status) = Status::parse(line.as_bytes()) {
                prop_assert_eq!(Status::parse(status.to_string().as_bytes()), Some(status));
            }
        }
    }
}
