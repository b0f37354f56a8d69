//! A message on its way into an mbox: what a dialect makes of it.
//!
//! A draft has lines that end with CRLF, and dots that are stuffed; an mbox has lines that end with LF, in
//! which what looks like a postmark is quoted. And a sender must not speak to the programs that keep notes in
//! a message's header: fields of their names are called `X-Original-…` from here on, so nothing of them is
//! lost and nobody believes them.
//!
//! What cannot be kept: a CR before the end of a line; in `Mboxo` and `Mboxcl` whether a `>` before `From `
//! was there before; and the same in the *header* of `Mboxcl2` and `Mmdf`, and for lines of an MMDF body that
//! begin with four octets 1.

use super::Variant;
use super::index::MARK;
use super::shown::{FROM, HEAD_OCTETS_MAX, HIDDEN};

/// Takes stored text piece by piece, split anywhere, and gives it on as the mbox shall have it.
pub(super) struct Written {
    stored: Stored,
    quoted: Quoted,
    plain: Vec<u8>,
}

/// What a text is like as it is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Lengths {
    /// Octets behind the empty line; none if there is no such line.
    pub(super) body: Option<u64>,
}

impl Written {
    /// For one message. `lengths`: of the same text, if it was written before; the header says it then, where
    /// the dialect has that.
    pub(super) fn new(variant: Variant, lengths: Option<Lengths>) -> Self {
        Self {
            stored: Stored::default(),
            quoted: Quoted {
                variant,
                length: lengths
                    .and_then(|lengths| lengths.body)
                    .filter(|_| variant.has_lengths()),
                body: None,
                is_known: false,
                is_within: false,
                head: Vec::new(),
            },
            plain: Vec::new(),
        }
    }

    /// Appends what becomes of the next octets.
    pub(super) fn take(&mut self, stored: &[u8], out: &mut Vec<u8>) {
        self.plain.clear();
        self.stored.take(stored, &mut self.plain);
        self.quoted.take(&self.plain, out);
    }

    /// The text ends; its last line does, too.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> Lengths {
        self.plain.clear();
        self.stored.finish(&mut self.plain);
        self.quoted.take(&self.plain, out);
        Lengths {
            body: self.quoted.body,
        }
    }
}

/// From stored form to lines with LF.
#[derive(Default)]
struct Stored {
    is_within_line: bool,
    /// A CR that may be half of a line's end.
    has_cr: bool,
}

impl Stored {
    fn take(&mut self, stored: &[u8], out: &mut Vec<u8>) {
        let mut rest = stored;
        while let Some(&first) = rest.first() {
            if self.has_cr {
                self.has_cr = false;
                if first != b'\n' {
                    out.push(b'\r');
                }
            } else if !self.is_within_line && first == b'.' {
                self.is_within_line = true;
                rest = &rest[1..];
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            out.extend_from_slice(&rest[..end]);
            self.is_within_line |= end > 0;
            match rest.get(end) {
                Some(b'\r') => (self.has_cr, self.is_within_line) = (true, true),
                Some(_) => {
                    out.push(b'\n');
                    self.is_within_line = false;
                }
                None => {}
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        if self.has_cr {
            out.push(b'\r');
        }
        if self.is_within_line {
            out.push(b'\n');
        }
    }
}

/// From lines with LF to those of a dialect.
struct Quoted {
    variant: Variant,
    /// What the header shall say of the body.
    length: Option<u64>,
    /// Octets of the body so far; none: this is the header.
    body: Option<u64>,
    /// Whether the rest of the line goes out as it is.
    is_known: bool,
    /// Whether something of the line has gone out: any number of `>`.
    is_within: bool,
    /// The beginning of a line, as long as it is not known.
    head: Vec<u8>,
}

impl Quoted {
    fn take(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        while !text.is_empty() {
            let before = out.len();
            let is_in_body = self.body.is_some();
            if self.is_known {
                let end = memchr::memchr(b'\n', text).map(|end| end + 1);
                let (line, rest) = text.split_at(end.unwrap_or(text.len()));
                out.extend_from_slice(line);
                self.is_known = end.is_none();
                text = rest;
            } else {
                let octet = text[0];
                text = &text[1..];
                self.head.push(octet);
                self.judge(octet == b'\n', out);
            }
            if is_in_body && let Some(body) = &mut self.body {
                *body += (out.len() - before) as u64;
            }
        }
    }

    /// Looks at the beginning of a line; `is_all`: there is no more of it.
    fn judge(&mut self, is_all: bool, out: &mut Vec<u8>) {
        let may_begin = |what: &[u8]| !is_all && what.starts_with(&self.head);
        let is_mmdf = self.variant == Variant::Mmdf;
        let is_in_header = self.body.is_none();
        if self.variant == Variant::Mboxrd && self.head == b">" {
            // Of any number of them there will be one more, wherever.
            self.head.clear();
            self.is_within = true;
            out.push(b'>');
            return;
        }
        // What is quoted in the header: the first line, behind the postmark, would be another one.
        let quotes_from = match self.variant {
            Variant::Mboxcl2 | Variant::Mmdf => is_in_header,
            _ => true,
        };
        let is_quoted = (quotes_from && self.head.starts_with(FROM))
            || (is_mmdf && self.head.starts_with(MARK));
        let may_be_quoted = (quotes_from && may_begin(FROM)) || (is_mmdf && may_begin(MARK));
        if is_quoted {
            out.push(b'>');
        } else if is_in_header && !self.is_within {
            let is_blank = is_all && matches!(&*self.head, b"\n" | b"\r\n");
            if is_blank {
                if let Some(octets) = self.length {
                    out.extend_from_slice(format!("Content-Length: {octets}\n").as_bytes());
                }
                self.body = Some(0);
            } else if let Some(name) = self.head.strip_suffix(b":") {
                let name = name.trim_ascii_end();
                let is_believed = HIDDEN.iter().any(|it| it.eq_ignore_ascii_case(name));
                if is_believed || name.eq_ignore_ascii_case(b"X-UIDL") {
                    out.extend_from_slice(b"X-Original-");
                }
            } else if !is_all && self.head.len() < HEAD_OCTETS_MAX {
                return;
            }
        } else if may_be_quoted {
            return;
        }
        out.append(&mut self.head);
        self.is_known = !is_all;
        self.is_within = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, variant: Variant, piece: usize) -> String {
        let write = |lengths| {
            let (mut written, mut out) = (Written::new(variant, lengths), Vec::new());
            for piece in text.as_bytes().chunks(piece) {
                written.take(piece, &mut out);
            }
            let lengths = written.finish(&mut out);
            (String::from_utf8(out).unwrap(), lengths)
        };
        write(Some(write(None).1)).0
    }

    #[test]
    fn each_dialect_quotes_as_it_does() {
        let text = "A: b\r\nstatus : RO\r\n\tx\r\nX-Uidl: 7\r\n\r\n..\r\nFrom a\r\n>From b\r\n>>Fro\r\n\
            \u{1}\u{1}\u{1}\u{1}\r\ncr\rcr\r\n\r\nFrom";
        let header = "A: b\nX-Original-status : RO\n\tx\nX-Original-X-Uidl: 7\n";
        let ones = "\u{1}\u{1}\u{1}\u{1}";
        for (variant, length, [from, quoted], ones) in [
            (Variant::Mboxrd, None, [">From a", ">>From b"], ones),
            (Variant::Mboxo, None, [">From a", ">From b"], ones),
            (Variant::Mboxcl, Some(41), [">From a", ">From b"], ones),
            (Variant::Mboxcl2, Some(40), ["From a", ">From b"], ones),
            (
                Variant::Mmdf,
                None,
                ["From a", ">From b"],
                &*format!(">{ones}"),
            ),
        ] {
            let length = length.map_or(String::new(), |it| format!("Content-Length: {it}\n"));
            let expected =
                format!("{header}{length}\n.\n{from}\n{quoted}\n>>Fro\n{ones}\ncr\rcr\n\nFrom\n");
            for piece in 1..=text.len() {
                assert_eq!(
                    written(text, variant, piece),
                    expected,
                    "{variant:?} by {piece}"
                );
            }
        }
    }

    #[test]
    fn no_header_hides_a_postmark() {
        for (text, expected) in [
            ("From a\r\n", ">From a\n"),
            ("\r\r\nFrom a\r\n", "\r\n>From a\n"),
            ("A: b", "A: b\n"),
            ("", ""),
        ] {
            for variant in [Variant::Mboxrd, Variant::Mboxo, Variant::Mboxcl] {
                let found = written(text, variant, 1);
                let found = found.replace("Content-Length: 8\n", "");
                assert_eq!(found, expected, "{variant:?}");
            }
        }
    }
}
