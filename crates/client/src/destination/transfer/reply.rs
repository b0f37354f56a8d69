//! What a server says: replies of one or many lines (RFC 5321 §4.2), with or without an enhanced status code (RFC 3463).

use std::fmt;

use crate::destination::told::told;

/// Octets of a line, its end included. 512 are allowed (RFC 5321 §4.5.3.1.5); some servers explain a lot.
const LINE_OCTETS_MAX: usize = 4096;

/// Octets of a reply.
const REPLY_OCTETS_MAX: usize = 64 << 10;

/// A reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reply {
    /// 200 to 599.
    pub(super) code: u16,
    /// What follows the code in each line.
    pub(super) lines: Vec<String>,
}

/// What came is no reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NotAReply {
    #[error("it does not say what a mail server says")]
    Form,
    #[error("its reply has no end")]
    Endless,
}

impl Reply {
    /// Takes a reply off the input, once all of it is there.
    pub(super) fn take(input: &mut Vec<u8>) -> Result<Option<Self>, NotAReply> {
        let mut lines = Vec::new();
        let mut code = None;
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return match rest.len() > LINE_OCTETS_MAX || input.len() > REPLY_OCTETS_MAX {
                    true => Err(NotAReply::Endless),
                    false => Ok(None),
                };
            };
            at += end + 1;
            if end >= LINE_OCTETS_MAX || at > REPLY_OCTETS_MAX {
                return Err(NotAReply::Endless);
            }
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            let (said, last, text) = split(line).ok_or(NotAReply::Form)?;
            if *code.get_or_insert(said) != said {
                return Err(NotAReply::Form);
            }
            lines.push(String::from_utf8_lossy(text).into_owned());
            if last {
                input.drain(..at);
                return Ok(Some(Self { code: said, lines }));
            }
        }
    }

    /// The second and the third number of the enhanced status code, if there is one.
    pub(super) fn detail(&self) -> Option<(u16, u16)> {
        let (word, _) = self.lines.last()?.split_once(' ')?;
        let mut numbers = word.split('.').map(|it| it.parse::<u16>().ok());
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let right = numbers.next().is_none() && class == self.code / 100;
        right.then_some((subject, detail))
    }
}

/// A line's code, whether it is the last one, and its text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = str::from_utf8(digits).ok()?.parse::<u16>().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) || !(200..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = format!("{} {}", self.code, self.lines.join(" "));
        f.write_str(&told(&said))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replies_are_taken_one_by_one_however_they_are_cut() {
        let said = b"220 mail.example.org\r\n250-one\r\n250 two\n354\r\n550 5.1.1 no such user\r\n";
        for size in 1..said.len() {
            let (mut input, mut came) = (Vec::new(), Vec::new());
            for piece in said.chunks(size) {
                input.extend_from_slice(piece);
                while let Some(reply) = Reply::take(&mut input).unwrap() {
                    came.push(reply.to_string());
                }
            }
            let expected = [
                "220 mail.example.org",
                "250 one two",
                "354",
                "550 5.1.1 no such user",
            ];
            assert_eq!(came, expected);
        }
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for wrong in [
            "+OK POP3 ready\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "99 a\r\n",
            "+20 a\r\n",
            "600 a\r\n",
            "100 a\r\n",
            "250_a\r\n",
            "250-a\r\n220 b\r\n",
            "\r\n",
        ] {
            let mut input = wrong.as_bytes().to_vec();
            assert_eq!(Reply::take(&mut input), Err(NotAReply::Form), "{wrong:?}");
        }
        for endless in ["250-a\r\n".repeat(20_000), "2".repeat(5_000)] {
            let mut input = endless.into_bytes();
            assert_eq!(Reply::take(&mut input), Err(NotAReply::Endless));
        }
    }

    #[test]
    fn enhanced_status_codes_are_read_where_they_fit() {
        for (said, expected) in [
            ("452 4.2.2 full\r\n", Some((2, 2))),
            ("552-5.2.2 very\r\n552 5.2.2 full\r\n", Some((2, 2))),
            ("552 4.2.2 no\r\n", None),
            ("552 5.2 no\r\n", None),
            ("552 full\r\n", None),
            ("552\r\n", None),
        ] {
            let reply = Reply::take(&mut said.as_bytes().to_vec()).unwrap().unwrap();
            assert_eq!(reply.detail(), expected, "{said}");
        }
    }

    proptest! {
        /// Whatever comes, cut wherever: the same replies, or the same end, and never more is kept than a reply may have.
        #[test]
        fn cuts_make_no_difference(
            words in prop::collection::vec(prop::sample::select(vec!["250", "-", " ", "\r\n", "\n", "a", "354", "\r", "4.2.2 "]), 0..40),
            size in 1usize..9,
        ) {
            let said = words.concat().into_bytes();
            let all = |pieces: &mut dyn Iterator<Item = &[u8]>| {
                let (mut input, mut came) = (Vec::new(), Vec::new());
                for piece in pieces {
                    input.extend_from_slice(piece);
                    loop {
                        match Reply::take(&mut input) {
                            Ok(Some(reply)) => came.push(reply),
                            Ok(None) => break,
                            Err(wrong) => return (came, Some(wrong)),
                        }
                    }
                }
                (came, None)
            };
            let whole = all(&mut std::iter::once(&said[..]));
            prop_assert_eq!(all(&mut said.chunks(size)), whole);
        }
    }
}
