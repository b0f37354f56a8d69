//! A text as it may be said behind DATA: each line ends with CRLF and has its dots doubled, and so has the last one.
//!
//! A bare LF ends a line for some servers and not for others, so whoever writes one into a mail could have the second half
//! of it taken for commands: here it becomes a line end that everybody sees. A bare CR is as bad for servers of SMTP only, which get
//! a space for it (RFC 5321 §2.3.8 allows them neither).

use memchr::memchr2;

/// What becomes of a CR without LF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BareCr {
    Stays,
    IsSpace,
}

/// From a text with nothing stuffed, cut anywhere.
#[derive(Debug)]
pub(super) struct Lines {
    bare_cr: BareCr,
    at_line_start: bool,
    /// A CR that may be half of a line end.
    cr: bool,
}

impl Lines {
    pub(super) fn new(bare_cr: BareCr) -> Self {
        Self {
            bare_cr,
            at_line_start: true,
            cr: false,
        }
    }

    pub(super) fn take(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.cr) && first != b'\n' {
                self.bare_cr(out);
            }
            match first {
                b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    self.at_line_start = true;
                    rest = &rest[1..];
                }
                b'\r' => {
                    self.cr = true;
                    rest = &rest[1..];
                }
                _ => {
                    if self.at_line_start && first == b'.' {
                        out.push(b'.');
                    }
                    self.at_line_start = false;
                    let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    out.extend_from_slice(&rest[..end]);
                    rest = &rest[end..];
                }
            }
        }
    }

    fn bare_cr(&mut self, out: &mut Vec<u8>) {
        out.push(match self.bare_cr {
            BareCr::Stays => b'\r',
            BareCr::IsSpace => b' ',
        });
        self.at_line_start = false;
    }

    /// Ends the last line, and the text.
    pub(super) fn end(mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.cr) {
            self.bare_cr(out);
        }
        if !self.at_line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(bare_cr: BareCr, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut lines, mut out) = (Lines::new(bare_cr), Vec::new());
        for piece in pieces {
            lines.take(piece, &mut out);
        }
        lines.end(&mut out);
        out
    }

    #[test]
    fn every_line_has_its_end_and_its_dots() {
        for (text, lmtp, smtp) in [
            ("", ".\r\n", ".\r\n"),
            ("a\r\n", "a\r\n.\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n", "a\r\n.\r\n"),
            (".\r\n..", "..\r\n...\r\n.\r\n", "..\r\n...\r\n.\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            (
                "a\n.\r\nb",
                "a\r\n..\r\nb\r\n.\r\n",
                "a\r\n..\r\nb\r\n.\r\n",
            ),
            ("a\r.\r\n", "a\r.\r\n.\r\n", "a .\r\n.\r\n"),
            ("a\r\r\n.", "a\r\r\n..\r\n.\r\n", "a \r\n..\r\n.\r\n"),
            ("a\r", "a\r\r\n.\r\n", "a \r\n.\r\n"),
        ] {
            for size in 1..=text.len().max(1) {
                let pieces: Vec<_> = text.as_bytes().chunks(size).collect();
                let came = |bare_cr| String::from_utf8(said(bare_cr, &pieces)).unwrap();
                assert_eq!(came(BareCr::Stays), lmtp, "{text:?}");
                assert_eq!(came(BareCr::IsSpace), smtp, "{text:?}");
            }
        }
    }

    proptest! {
        /// However a server takes line ends, the text ends where we say so.
        #[test]
        fn nothing_ends_early(words in prop::collection::vec(prop::sample::select(vec!["\r\n", ".", "a", "\r", "\n"]), 0..60)) {
            let said = String::from_utf8(said(BareCr::IsSpace, &[words.concat().as_bytes()])).unwrap();
            let body = said.strip_suffix(".\r\n").unwrap();
            let lines: Vec<_> = body.split(['\r', '\n']).collect();
            prop_assert!(!lines.contains(&"."));
            prop_assert!(body.is_empty() || body.ends_with("\r\n"));
            prop_assert_eq!(body.matches('\r').count(), body.matches("\r\n").count());
            prop_assert_eq!(body.matches('\n').count(), body.matches("\r\n").count());
        }
    }
}
