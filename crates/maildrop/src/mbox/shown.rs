//! What a client sees of a message in an mbox.

use super::Variant;

/// Takes the text of a message piece by piece, as it is in the file, and gives it on without the quoting and
/// without the header fields in which programs keep notes.
#[derive(Debug)]
pub struct Shown {
    unquotes: bool,
    is_in_body: bool,
    /// Whether the last header field is hidden, so that the lines that continue it are.
    is_hidden: bool,
    /// Whether the rest of the line goes out; none: it is not known yet.
    verdict: Option<bool>,
    /// The beginning of a line, as long as it is not known.
    head: Vec<u8>,
}

impl Shown {
    /// For the next message.
    pub fn new(variant: Variant) -> Self {
        Self {
            unquotes: variant == Variant::Mboxrd,
            is_in_body: false,
            is_hidden: false,
            verdict: None,
            head: Vec::new(),
        }
    }

    /// Takes octets, and appends what a client sees of them.
    pub fn take(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        while !octets.is_empty() {
            match self.verdict {
                Some(goes_out) => {
                    let end = memchr::memchr(b'\n', octets).map(|end| end + 1);
                    let (line, rest) = octets.split_at(end.unwrap_or(octets.len()));
                    if goes_out {
                        out.extend_from_slice(line);
                    }
                    if end.is_some() {
                        self.verdict = None;
                    }
                    octets = rest;
                }
                None => {
                    let octet = octets[0];
                    octets = &octets[1..];
                    self.head.push(octet);
                    self.judge(octet == b'\n', out);
                }
            }
        }
    }

    /// The message ends; appends what was kept back.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.verdict.is_none() && !self.head.is_empty() {
            self.judge(true, out);
        }
    }

    /// Looks at the beginning of a line; `is_all`: there is no more of it.
    fn judge(&mut self, is_all: bool, out: &mut Vec<u8>) {
        // No field begins with a `>`: it is quoted there as in the body.
        let is_text = self.is_in_body || (self.unquotes && self.head.first() == Some(&b'>'));
        let known = match is_text {
            true => {
                self.is_hidden = false;
                self.judge_text(is_all, out)
            }
            false => self.judge_field(is_all),
        };
        let Some(Verdict { goes_out, from }) = known else {
            return;
        };
        if goes_out {
            out.extend_from_slice(&self.head[from..]);
        }
        self.head.clear();
        // With the end of the line the next one begins.
        self.verdict = (!is_all).then_some(goes_out);
    }

    fn judge_text(&mut self, is_all: bool, out: &mut Vec<u8>) -> Option<Verdict> {
        let as_it_is = Verdict {
            goes_out: true,
            from: 0,
        };
        let Some(rest) = self.head.strip_prefix(b">").filter(|_| self.unquotes) else {
            return Some(as_it_is);
        };
        if rest == b">" {
            // Of any number of them one is in doubt.
            self.head.pop();
            out.push(b'>');
            None
        } else if rest.starts_with(FROM) {
            Some(Verdict {
                from: 1,
                ..as_it_is
            })
        } else if FROM.starts_with(rest) && !is_all {
            None
        } else {
            Some(as_it_is)
        }
    }

    fn judge_field(&mut self, is_all: bool) -> Option<Verdict> {
        let first = *self.head.first()?;
        let text = self.head.strip_suffix(b"\n").unwrap_or(&self.head);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if is_all && text.is_empty() {
            self.is_in_body = true;
        } else if first == b' ' || first == b'\t' {
            return Some(self.verdict_of_field());
        } else if let Some(name) = self.head.strip_suffix(b":") {
            let hides = |hidden: &&[u8]| hidden.eq_ignore_ascii_case(name.trim_ascii_end());
            self.is_hidden = HIDDEN.iter().any(hides);
            return Some(self.verdict_of_field());
        } else if !is_all && self.head.len() < HEAD_OCTETS_MAX {
            return None;
        }
        // No field, or one whose name is longer than any that is hidden.
        self.is_hidden = false;
        Some(self.verdict_of_field())
    }

    fn verdict_of_field(&self) -> Verdict {
        Verdict {
            goes_out: !self.is_hidden,
            from: 0,
        }
    }
}

struct Verdict {
    goes_out: bool,
    /// How many octets of the beginning do not.
    from: usize,
}

/// What is quoted.
pub(super) const FROM: &[u8] = b"From ";

/// Notes of mail programs about a message, which are theirs and not the sender's.
pub(super) const HIDDEN: &[&[u8]] = &[
    b"Status",
    b"X-Status",
    b"X-Keywords",
    b"X-UID",
    b"X-IMAP",
    b"X-IMAPbase",
    b"Content-Length",
];

/// Longer than the name of any hidden field.
pub(super) const HEAD_OCTETS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, variant: Variant, piece: usize) -> String {
        let (mut shown, mut out) = (Shown::new(variant), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            shown.take(piece, &mut out);
        }
        shown.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn notes_are_hidden_and_quoting_is_taken_off_however_the_text_is_cut() {
        let text = "Status: RO\nSubject: a\n b\nX-Keywords: \n\tmore\nstatus : O\nX-UIDL: 7\nX-Status: \r\n\n\
            Status: R\n>From a\n>>From b\n>Fro\n>\n>>>\nFrom c\n>From";
        let header = "Subject: a\n b\nX-UIDL: 7\n\n";
        let rd = format!("{header}Status: R\nFrom a\n>From b\n>Fro\n>\n>>>\nFrom c\n>From");
        let o = format!("{header}Status: R\n>From a\n>>From b\n>Fro\n>\n>>>\nFrom c\n>From");
        for piece in 1..text.len() {
            assert_eq!(shown(text, Variant::Mboxrd, piece), rd, "{piece}");
            assert_eq!(shown(text, Variant::Mboxo, piece), o, "{piece}");
        }
    }

    #[test]
    fn all_other_octets_are_what_they_were() {
        let long = format!("{}:x\n\n{}Fro x\n", "n".repeat(3000), ">".repeat(3000));
        for text in [
            "",
            "\n",
            "\r\nbody",
            "no header",
            "Status",
            "a\n\n\n",
            &long,
        ] {
            for piece in [1, 7, 10_000] {
                assert_eq!(shown(text, Variant::Mboxrd, piece), text, "{piece}");
            }
        }
        let quoted = |times| format!("\n{}From x\n", ">".repeat(times));
        assert_eq!(shown(&quoted(3000), Variant::Mboxrd, 7), quoted(2999));
    }
}
