//! What a server of IMAP says: lines, some with literals in them (RFC 9051 §2.2.2).

/// Octets of a response, its literals included. Nothing is asked for whose answer is long.
const RESPONSE_OCTETS_MAX: usize = 256 << 10;

/// A response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Response {
    /// `+`: the server waits for more.
    Continue(String),
    /// `*`: what follows it.
    Untagged(String),
    /// The end of a command.
    Tagged {
        /// Of which one.
        tag: String,
        status: Status,
        /// What follows the status.
        text: String,
    },
}

/// How a command ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Ok,
    No,
    Bad,
}

/// What came is no response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum NotAResponse {
    #[error("it does not say what an IMAP server says")]
    Form,
    #[error("its response has no end")]
    Endless,
}

impl Response {
    /// Takes a response off the input, once all of it is there. Literals are left out.
    pub(super) fn take(input: &mut Vec<u8>) -> Result<Option<Self>, NotAResponse> {
        let mut text = String::new();
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return match input.len() > RESPONSE_OCTETS_MAX {
                    true => Err(NotAResponse::Endless),
                    false => Ok(None),
                };
            };
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            text.push_str(&String::from_utf8_lossy(line));
            at += end + 1;
            let octets = literal(line);
            at = at.saturating_add(octets.unwrap_or(0));
            if at > RESPONSE_OCTETS_MAX {
                return Err(NotAResponse::Endless);
            }
            if octets.is_none() {
                input.drain(..at);
                return Self::read(&text).map(Some).ok_or(NotAResponse::Form);
            }
            if at > input.len() {
                return Ok(None);
            }
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once(' ').unwrap_or((text, ""));
        match tag {
            "+" => Some(Self::Continue(rest.to_owned())),
            "*" if !rest.is_empty() => Some(Self::Untagged(rest.to_owned())),
            "" | "*" => None,
            _ => {
                let (status, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Some(Self::Tagged {
                    tag: tag.to_owned(),
                    status: Status::read(status)?,
                    text: text.to_owned(),
                })
            }
        }
    }
}

impl Status {
    fn read(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "OK" => Some(Self::Ok),
            "NO" => Some(Self::No),
            "BAD" => Some(Self::Bad),
            _ => None,
        }
    }
}

/// How long the literal is that a line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}")?;
    let open = line.iter().rposition(|&octet| octet == b'{')?;
    let digits = str::from_utf8(&line[open + 1..]).ok()?;
    let digits = digits.strip_suffix('+').unwrap_or(digits);
    let all_digits = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
    // One that has too many digits is too long in any case.
    all_digits.then(|| digits.parse().unwrap_or(usize::MAX / 2))
}

/// The response code in brackets at the beginning of a text, in capitals, without what follows its name.
pub(super) fn code(text: &str) -> Option<String> {
    let (code, _) = text.strip_prefix('[')?.split_once(']')?;
    let name = code.split(' ').next()?;
    Some(name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn responses_are_taken_one_by_one_however_they_are_cut() {
        let said = b"* OK [CAPABILITY IMAP4rev1] ready\r\n* 1 FETCH (BODY[] {5}\r\na\r\n{9 X {3+}\r\n\r\n\n)\r\n\
            +\r\n+ go\r\nr1 ok [APPENDUID 1 2] done\nr2 NO\r\n";
        let expected = [
            Response::Untagged("OK [CAPABILITY IMAP4rev1] ready".into()),
            Response::Untagged("1 FETCH (BODY[] {5} X {3+})".into()),
            Response::Continue(String::new()),
            Response::Continue("go".into()),
            Response::Tagged {
                tag: "r1".into(),
                status: Status::Ok,
                text: "[APPENDUID 1 2] done".into(),
            },
            Response::Tagged {
                tag: "r2".into(),
                status: Status::No,
                text: String::new(),
            },
        ];
        for size in 1..said.len() {
            let (mut input, mut came) = (Vec::new(), Vec::new());
            for piece in said.chunks(size) {
                input.extend_from_slice(piece);
                while let Some(response) = Response::take(&mut input).unwrap() {
                    came.push(response);
                }
            }
            assert_eq!(came, expected, "{size}");
        }
    }

    #[test]
    fn what_is_no_response_is_told() {
        for wrong in [
            "\r\n",
            "220 mail ESMTP\r\n",
            "+OK POP3\r\n",
            "*\r\n",
            "r1\r\n",
            "r1 YES\r\n",
        ] {
            let mut input = wrong.as_bytes().to_vec();
            assert_eq!(
                Response::take(&mut input),
                Err(NotAResponse::Form),
                "{wrong:?}"
            );
        }
        for endless in [
            "a".repeat(RESPONSE_OCTETS_MAX + 1),
            "* {99999999999999999999999}\r\n".to_owned(),
            "* {300000}\r\n".to_owned(),
            "* {2}\r\nab".repeat(100_000),
        ] {
            let mut input = endless.into_bytes();
            assert_eq!(Response::take(&mut input), Err(NotAResponse::Endless));
        }
    }

    #[test]
    fn response_codes_are_read() {
        assert_eq!(code("[trycreate] no such").as_deref(), Some("TRYCREATE"));
        assert_eq!(code("[APPENDUID 1 2] done").as_deref(), Some("APPENDUID"));
        assert_eq!(code("done [A]"), None);
        assert_eq!(code("[A"), None);
    }

    proptest! {
        /// Whatever comes, cut wherever: the same responses, or the same end.
        #[test]
        fn cuts_make_no_difference(
            words in prop::collection::vec(prop::sample::select(vec!["* ", "r1 OK", " ", "\r\n", "\n", "a", "{3}", "{0+}", "+", "\r"]), 0..40),
            size in 1usize..9,
        ) {
            let said = words.concat().into_bytes();
            let all = |pieces: &mut dyn Iterator<Item = &[u8]>| {
                let (mut input, mut came) = (Vec::new(), Vec::new());
                for piece in pieces {
                    input.extend_from_slice(piece);
                    loop {
                        match Response::take(&mut input) {
                            Ok(Some(response)) => came.push(response),
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
