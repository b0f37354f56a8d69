//! What strangers have written, for a terminal: header fields decoded (RFC 2047), and nothing that moves a cursor.

use pop3::client::printable;

/// No more letters of a field are shown.
const LETTERS_MAX: usize = 200;

/// What stands in the header under a name, in one line; empty if it does not.
pub(super) fn field(header: &[u8], name: &str) -> String {
    let mut value: Option<Vec<u8>> = None;
    for line in header.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let is_continued = line.starts_with(b" ") || line.starts_with(b"\t");
        match &mut value {
            Some(value) if is_continued => value.extend_from_slice(line),
            Some(_) => break,
            None => {
                let (start, rest) = line.split_at(name.len().min(line.len()));
                if let (true, Some(rest)) = (
                    start.eq_ignore_ascii_case(name.as_bytes()),
                    rest.strip_prefix(b":"),
                ) {
                    value = Some(rest.to_vec());
                }
            }
        }
    }
    let decoded = printable(decoded(&value.unwrap_or_default()).as_bytes());
    let words: Vec<&str> = decoded.split_whitespace().collect();
    words.join(" ").chars().take(LETTERS_MAX).collect()
}

/// A text with its encoded words decoded. What cannot be read stays as it is.
fn decoded(value: &[u8]) -> String {
    let mut text = String::new();
    // Octets of encoded words that follow each other: a letter of UTF-8 may be cut between two.
    let mut waiting: Option<(Charset, Vec<u8>)> = None;
    let mut rest = value;
    while !rest.is_empty() {
        let start = rest.windows(2).position(|pair| pair == b"=?");
        let (before, from) = rest.split_at(start.unwrap_or(rest.len()));
        // White space between two encoded words is none (RFC 2047 §6.2).
        if waiting.is_none() || !before.iter().all(u8::is_ascii_whitespace) || from.is_empty() {
            flush(&mut waiting, &mut text);
            text.push_str(&String::from_utf8_lossy(before));
        }
        let Some((charset, octets, behind)) = word(from) else {
            flush(&mut waiting, &mut text);
            let (raw, behind) = from.split_at(from.len().min(2));
            text.push_str(&String::from_utf8_lossy(raw));
            rest = behind;
            continue;
        };
        match &mut waiting {
            Some((same, before)) if *same == charset => before.extend_from_slice(&octets),
            _ => {
                flush(&mut waiting, &mut text);
                waiting = Some((charset, octets));
            }
        }
        rest = behind;
    }
    flush(&mut waiting, &mut text);
    text
}

fn flush(waiting: &mut Option<(Charset, Vec<u8>)>, text: &mut String) {
    if let Some((charset, octets)) = waiting.take() {
        text.push_str(&charset.letters(&octets));
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Charset {
    Utf8,
    Latin1,
}

impl Charset {
    /// A language may follow it (RFC 2231 §5).
    fn of(name: &[u8]) -> Option<Self> {
        let name = name.split(|&octet| octet == b'*').next()?;
        match name.to_ascii_lowercase().as_slice() {
            b"utf-8" | b"us-ascii" | b"utf8" => Some(Self::Utf8),
            // They differ in signs that hardly occur in a name or a subject.
            b"iso-8859-1" | b"iso-8859-15" | b"windows-1252" => Some(Self::Latin1),
            _ => None,
        }
    }

    fn letters(self, octets: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(octets).into_owned(),
            Self::Latin1 => octets.iter().copied().map(char::from).collect(),
        }
    }
}

/// The encoded word at the front of a text: `=?charset?B or Q?…?=`, its octets, and what stands behind it.
fn word(text: &[u8]) -> Option<(Charset, Vec<u8>, &[u8])> {
    let rest = text.strip_prefix(b"=?")?;
    let mut parts = rest.splitn(3, |&octet| octet == b'?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let end = rest.windows(2).position(|pair| pair == b"?=")?;
    let (encoded, behind) = (&rest[..end], &rest[end + 2..]);
    let octets = match encoding {
        b"B" | b"b" => sasl::base64::decode(encoded).ok()?,
        b"Q" | b"q" => quoted(encoded)?,
        _ => return None,
    };
    Some((Charset::of(charset)?, octets, behind))
}

fn quoted(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&octet) = rest.next() {
        octets.push(match octet {
            b'_' => b' ',
            b'=' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            octet => octet,
        });
    }
    Some(octets)
}

/// A text on its way to a terminal, made harmless: letters, line ends and tabs pass.
#[derive(Debug, Default)]
pub(super) struct Harmless(Vec<u8>);

impl Harmless {
    /// What of these octets, and of some before them, can be shown.
    pub(super) fn take(&mut self, octets: &[u8]) -> String {
        self.0.extend_from_slice(octets);
        // A letter that is cut waits for its end; what is none does not wait.
        let cut = match str::from_utf8(&self.0) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.0.len(),
        };
        // Behind octets that are no UTF-8 at all there may be a cut letter as well.
        let tail = self.0.len() - cut;
        let cut = if tail > 3 { self.0.len() } else { cut };
        let shown = harmless(&self.0[..cut]);
        self.0.drain(..cut);
        shown
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> String {
        harmless(&self.0)
    }
}

fn harmless(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let lines = text.split('\n').map(|line| {
        let parts = line.split('\t').map(|part| printable(part.as_bytes()));
        parts.collect::<Vec<_>>().join("\t")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_harmless() {
        for (header, expected) in [
            ("Subject: tea at five\r\n", "tea at five"),
            ("subject:tea\r\n at\r\n\tfive\r\nFrom: a\r\n", "tea at five"),
            (
                "X: y\r\nSubject: =?utf-8?Q?caf=C3=A9_?=\r\n =?UTF-8?b?YXUgbGFpdA==?=\r\n",
                "caf\u{e9} au lait",
            ),
            // A letter that is cut between two words.
            ("Subject: =?utf-8?q?=C3?= =?utf-8?q?=A9?= x\r\n", "\u{e9} x"),
            (
                "Subject: =?iso-8859-1*de?q?=E4?= =?iso-8859-1?B?9g==?= a =?utf-8?q?b?=\r\n",
                "\u{e4}\u{f6} a b",
            ),
            (
                "Subject: =?koi8-r?B?9g==?= =?utf-8?x?y?= =? =?utf-8?q?=ZZ?=\r\n",
                "=?koi8-r?B?9g==?= =?utf-8?x?y?= =? =?utf-8?q?=ZZ?=",
            ),
            (
                "Subject: \x1b[31m=?utf-8?q?=1B[2J=0A?=x\r\n",
                "\u{fffd}[31m\u{fffd}[2J\u{fffd}x",
            ),
            ("Subject: \u{e4}\r\n", "\u{e4}"),
            ("From: a\r\n\r\nSubject: body\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(field(header.as_bytes(), "Subject"), expected, "{header:?}");
        }
        let long = format!("Subject: {}\r\n", "x".repeat(5000));
        assert_eq!(field(long.as_bytes(), "Subject").len(), LETTERS_MAX);
    }

    #[test]
    fn a_terminal_gets_letters_wherever_they_are_cut() {
        let text = "\u{e4}\tb\n\x1b]0;x\x07\u{9b}\u{202e}\r\n\u{1f600}\n".as_bytes();
        for size in 1..9 {
            let (mut harmless, mut shown) = (Harmless::default(), String::new());
            for piece in text.chunks(size) {
                shown.push_str(&harmless.take(piece));
            }
            shown.push_str(&harmless.finish());
            assert_eq!(
                shown,
                "\u{e4}\tb\n\u{fffd}]0;x\u{fffd}\u{fffd}\u{fffd}\u{fffd}\n\u{1f600}\n"
            );
        }
        let mut harmless = Harmless::default();
        assert_eq!(harmless.take(b"\xff\xffab"), "\u{fffd}\u{fffd}ab");
    }
}
