//! A text in wire form becomes one of local line ends.

use memchr::memchr;

/// Takes a text in stored wire form piece by piece, split anywhere, and gives it on as local programs keep it:
/// CRLF becomes LF, and a stuffed dot goes.
///
/// Where another CR stands before CRLF all three octets stay: whoever gives the text its wire form again takes
/// CRLF for a line end as it is, so that what was delivered comes back octet by octet.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    at_start: bool,
    /// CRs that are held back, as long as nothing else has come: no more than two matter.
    held: Held,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Held {
    Nothing,
    /// One CR.
    Cr,
    /// One CR, and one before it that is out already.
    Another,
}

impl Local {
    pub(crate) fn new() -> Self {
        Self {
            at_start: true,
            held: Held::Nothing,
        }
    }

    /// Appends what becomes of the next octets.
    pub(crate) fn take(&mut self, mut wire: &[u8], out: &mut Vec<u8>) {
        while let Some(&first) = wire.first() {
            if self.held != Held::Nothing {
                self.release(first, out);
                wire = &wire[1..];
                continue;
            }
            if self.at_start && first == b'.' {
                self.at_start = false;
                wire = &wire[1..];
                continue;
            }
            let end = memchr(b'\r', wire).unwrap_or(wire.len());
            let (text, rest) = wire.split_at(end);
            if let Some(&last) = text.last() {
                out.extend_from_slice(text);
                // A bare LF, which no stored text has, would not begin a line on the wire either.
                self.at_start = false;
                debug_assert!(last != b'\r');
            }
            if !rest.is_empty() {
                self.held = Held::Cr;
                self.at_start = false;
                wire = &rest[1..];
            } else {
                wire = rest;
            }
        }
    }

    /// A CR was held back, and this octet follows.
    fn release(&mut self, octet: u8, out: &mut Vec<u8>) {
        match (self.held, octet) {
            (Held::Cr, b'\n') => {
                out.push(b'\n');
                (self.held, self.at_start) = (Held::Nothing, true);
            }
            (_, b'\n') => {
                out.extend_from_slice(b"\r\n");
                (self.held, self.at_start) = (Held::Nothing, true);
            }
            (_, b'\r') => {
                out.push(b'\r');
                self.held = Held::Another;
            }
            (_, octet) => {
                out.extend_from_slice(&[b'\r', octet]);
                self.held = Held::Nothing;
            }
        }
    }

    /// The text ends here.
    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        if self.held != Held::Nothing {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use pop3::{Part, wire};
    use proptest::prelude::*;

    use super::super::Wire;
    use super::*;

    fn local(wire: &[u8], piece: usize) -> Vec<u8> {
        let (mut local, mut out) = (Local::new(), Vec::new());
        for piece in wire.chunks(piece) {
            local.take(piece, &mut out);
        }
        local.finish(&mut out);
        out
    }

    #[test]
    fn line_ends_and_dots_however_the_text_is_cut() {
        for (wire, expected) in [
            (&b"a\r\n\r\n..b\r\n"[..], &b"a\n\n.b\n"[..]),
            (b"a\r\r\n\rb\r\n", b"a\r\r\n\rb\n"),
            (b"a\r\r\r\n", b"a\r\r\r\n"),
            (b"a..\r\n", b"a..\n"),
            (b"", b""),
        ] {
            for piece in 1..9 {
                let out = local(wire, piece);
                assert_eq!(out, expected, "{}", String::from_utf8_lossy(wire));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_delivered_comes_back(
            lines in proptest::collection::vec("[\\r. a\u{e9}]{0,4}", 0..8),
            piece in 1_usize..20,
        ) {
            let mut text = lines.join("\r\n");
            text.push_str("\r\n");
            let mut stored = Vec::new();
            wire::stuff(text.as_bytes(), &mut stored);
            let file = local(&stored, piece);
            let (mut back, mut out) = (Wire::new(Part::Whole), Vec::new());
            for piece in file.chunks(piece) {
                back.take(piece, &mut out);
            }
            back.finish(&mut out);
            prop_assert_eq!(&out, &stored);
            prop_assert_eq!(back.octets(), text.len() as u64);
        }
    }
}
