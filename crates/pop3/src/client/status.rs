//! Status lines as servers really send them (RFC 1939 §3).
//!
//! ```
//! use pop3::client::{ResponseCode, Status};
//!
//! let status = Status::parse(b"-ERR [IN-USE] another session").unwrap();
//! assert!(!status.is_ok());
//! assert_eq!(status.code, Some(ResponseCode::InUse));
//! assert_eq!(status.to_string(), "-ERR [IN-USE] another session");
//! ```

use std::fmt;

use super::code::ResponseCode;
use super::listing::decimal;
use crate::Octets;

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
    /// The response code (RFC 2449 §8).
    pub code: Option<ResponseCode>,
    /// The rest of the line, for people. What is not printable is U+FFFD, so that a hostile server
    /// cannot steer a terminal or forge a line of a log.
    pub text: String,
}

impl Status {
    /// Reads a line, its end removed; none if it is no status line.
    ///
    /// The RFC wants upper case and one space. Forgiven are lower case, other white space, none
    /// before a response code, and `+ERR`, which some servers say for no.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let word = |word: &str| {
            let (start, rest) = line.split_at_checked(word.len())?;
            let ends = !rest.first().is_some_and(u8::is_ascii_alphanumeric);
            (start.eq_ignore_ascii_case(word.as_bytes()) && ends).then_some(rest)
        };
        let (verdict, rest) = match (word("+OK"), word("-ERR").or_else(|| word("+ERR"))) {
            (Some(rest), _) => (Verdict::Ok, rest),
            (None, Some(rest)) => (Verdict::Refused, rest),
            (None, None) => return None,
        };
        let text = rest.trim_ascii();
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
        let mut words = self.text.split_ascii_whitespace();
        let messages = decimal(words.next()?.as_bytes())?;
        let octets = decimal(words.next()?.as_bytes())?;
        Some((messages, Octets(octets)))
    }

    /// The size that a RETR announces, as in `+OK 120 octets`; servers need not (RFC 1957).
    pub fn announced(&self) -> Option<Octets> {
        let mut words = self.text.split_ascii_whitespace();
        let octets = decimal(words.next()?.as_bytes())?;
        let unit = words.next()?;
        let is_unit = ["octets", "bytes", "octets.", "bytes."]
            .iter()
            .any(|name| unit.eq_ignore_ascii_case(name));
        is_unit.then_some(Octets(octets))
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

/// A tab becomes a space; what is not printable otherwise, or would make what is look like something
/// else, becomes U+FFFD.
pub fn printable(text: &[u8]) -> String {
    let reorders = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    String::from_utf8_lossy(text)
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            _ if c.is_control() || reorders(c) => char::REPLACEMENT_CHARACTER,
            _ => c,
        })
        .collect()
}

/// Splits `[CODE] text`.
fn code(text: &[u8]) -> Option<(ResponseCode, &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    let end = memchr::memchr(b']', inside)?;
    let code = ResponseCode::parse(&inside[..end])?;
    Some((code, inside[end + 1..].trim_ascii_start()))
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
            ("-ERR[AUTH]no", Verdict::Refused, Some("AUTH"), "no"),
            ("-ERR [sys/temp]", Verdict::Refused, Some("SYS/TEMP"), ""),
            ("-ERR [] x", Verdict::Refused, None, "[] x"),
            ("-ERR [x", Verdict::Refused, None, "[x"),
            ("-ERR [in queue] x", Verdict::Refused, None, "[in queue] x"),
            ("-ERR a [AUTH] b", Verdict::Refused, None, "a [AUTH] b"),
            ("+ok ready", Verdict::Ok, None, "ready"),
            ("-err no", Verdict::Refused, None, "no"),
            ("+ERR no", Verdict::Refused, None, "no"),
            ("+OK\tready\r", Verdict::Ok, None, "ready"),
            ("-ERR: no", Verdict::Refused, None, ": no"),
            ("+OK a\0b", Verdict::Ok, None, "a\u{fffd}b"),
            ("+OK a\u{202e}b", Verdict::Ok, None, "a\u{fffd}b"),
            (
                "+OK \x1b[2J\u{9b}",
                Verdict::Ok,
                None,
                "\u{fffd}[2J\u{fffd}",
            ),
        ] {
            let expected = Status {
                verdict,
                code: code.and_then(|code| ResponseCode::parse(code.as_bytes())),
                text: text.to_owned(),
            };
            assert_eq!(Status::parse(line.as_bytes()), Some(expected), "{line}");
        }
        for line in [
            "", "OK", "-ERROR", "-OK", "* BYE", "+ ", "+OKAY", " +OK", "+O",
        ] {
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
    fn counts() {
        let status = |line: &str| Status::parse(line.as_bytes()).unwrap();
        assert_eq!(status("+OK 2 320").stat(), Some((2, Octets(320))));
        assert_eq!(status("+OK  2   320 more").stat(), Some((2, Octets(320))));
        assert_eq!(status("+OK 2").stat(), None);
        assert_eq!(status("+OK two 320").stat(), None);
        assert_eq!(status("+OK 120 octets").announced(), Some(Octets(120)));
        assert_eq!(
            status("+OK 120 Bytes follow").announced(),
            Some(Octets(120))
        );
        assert_eq!(status("+OK 120").announced(), None);
        assert_eq!(status("+OK message 1").announced(), None);
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
