//! Text as local programs keep it: a line ends with LF, and in an mbox no line begins with
//! `From `.
//!
//! Only the CRLF of a line end becomes LF. Where another CR stands before it, both octets stay:
//! `restante maildrop import` reads CRLF as a line end as well, so whatever was exported comes
//! back octet by octet.

/// Whether lines that look like the beginning of a message get a `>`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Quoting {
    /// Each message has a file of its own.
    None,
    /// mboxrd: `From `, `>From `, `>>From ` and so on get one `>` more, so that all of them can be
    /// told apart again.
    Mboxrd,
}

/// Turns a plain text, which comes in pieces split anywhere, into local form.
#[derive(Debug)]
pub(super) struct Lines {
    quoting: Quoting,
    cr: Cr,
    at: At,
}

/// What was read of CRs that are not followed by anything yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cr {
    None,
    /// One is held back.
    Held,
    /// One is held back, and the octet before it was a CR too.
    Again,
}

/// Where in its line the next octet of the output stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// At its beginning, or behind nothing but `>`.
    Start,
    /// Behind so many octets of `From ` that are held back.
    From(usize),
    Inside,
}

const FROM: &[u8] = b"From ";

impl Lines {
    pub(super) fn new(quoting: Quoting) -> Self {
        Self {
            quoting,
            cr: Cr::None,
            at: At::Start,
        }
    }

    /// Appends the local form of what is read.
    pub(super) fn take(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.reserve(plain.len() + 8);
        for &octet in plain {
            self.cr = match (self.cr, octet) {
                (Cr::None, b'\r') => Cr::Held,
                (Cr::None, _) => {
                    self.put(octet, out);
                    Cr::None
                }
                (Cr::Held | Cr::Again, b'\r') => {
                    self.put(b'\r', out);
                    Cr::Again
                }
                (Cr::Held, b'\n') => {
                    self.put(b'\n', out);
                    Cr::None
                }
                (Cr::Held | Cr::Again, _) => {
                    self.put(b'\r', out);
                    self.put(octet, out);
                    Cr::None
                }
            };
        }
    }

    /// Appends what was held back. The text ends with a line end then, unless it is empty.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        if self.cr != Cr::None {
            self.put(b'\r', out);
        }
        if let At::From(held) = self.at {
            out.extend_from_slice(&FROM[..held]);
        }
    }

    fn put(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.quoting == Quoting::Mboxrd && self.at != At::Inside {
            let held = match self.at {
                At::From(held) => held,
                _ => 0,
            };
            if octet == FROM[held] {
                self.at = At::From(held + 1);
                if held + 1 == FROM.len() {
                    out.push(b'>');
                    out.extend_from_slice(FROM);
                    self.at = At::Inside;
                }
                return;
            }
            out.extend_from_slice(&FROM[..held]);
            if held == 0 && octet == b'>' {
                out.push(octet);
                return;
            }
        }
        out.push(octet);
        self.at = match octet {
            b'\n' => At::Start,
            _ => At::Inside,
        };
    }
}

#[cfg(test)]
mod tests {
    use delivery::normalise::{FromLine, Plain};
    use pop3::wire;
    use proptest::prelude::*;

    use super::*;

    fn local(plain: &[u8], quoting: Quoting, piece: usize) -> Vec<u8> {
        let (mut lines, mut out) = (Lines::new(quoting), Vec::new());
        for piece in plain.chunks(piece) {
            lines.take(piece, &mut out);
        }
        lines.finish(&mut out);
        out
    }

    /// The stored form of a text that a program writes.
    fn stored(text: &[u8]) -> Vec<u8> {
        let (mut plain, mut out) = (Plain::new(FromLine::Keep), Vec::new());
        plain.take(text, &mut out);
        plain.finish(&mut out);
        out
    }

    fn unstuffed(stored: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        wire::unstuff(stored, &mut plain);
        plain
    }

    #[test]
    fn line_ends_and_quoting() {
        for (plain, expected) in [
            (&b"a\r\nb\r\n"[..], &b"a\nb\n"[..]),
            (
                b"From a\r\n>From b\r\n>>From\r\n",
                b">From a\n>>From b\n>>From\n",
            ),
            (b" From a\r\nx From b\r\n", b" From a\nx From b\n"),
            (b"FroFrom a\r\nFrom", b"FroFrom a\nFrom"),
            (b"a\r\r\nFrom b\r\n", b"a\r\r\n>From b\n"),
            (b"a\rb\r\n\r\n\r", b"a\rb\n\n\r"),
            (b">\r\n>F\r\n", b">\n>F\n"),
            (b"", b""),
        ] {
            for piece in 1..9 {
                let out = local(plain, Quoting::Mboxrd, piece);
                assert_eq!(out, expected, "{}", String::from_utf8_lossy(plain));
            }
        }
        assert_eq!(local(b"From a\r\n", Quoting::None, 3), b"From a\n");
    }

    proptest! {
        #[test]
        fn what_is_exported_comes_back(
            text in "[\\r\\n.>From a]{0,80}",
            piece in 1_usize..20,
        ) {
            let stored_form = stored(text.as_bytes());
            let file = local(&unstuffed(&stored_form), Quoting::None, piece);
            prop_assert_eq!(stored(&file), stored_form);
        }
    }
}
