//! Body hashes for DKIM while the body goes by (RFC 6376 §3.4.3, §3.4.4, §3.7).
//!
//! A signature names one of two canonical forms, and SHA-256 is the only hash that may count
//! (RFC 8301 §3.1). So a message needs at most two hashes, however many signatures it has, and no
//! octet of its body is kept.

use mail_auth::dkim::Canonicalization;
use sha2::{Digest, Sha256};

/// The hash of one canonical form of a body that comes in pieces, cut anywhere.
#[derive(Clone, Debug)]
pub(super) struct BodyHash {
    form: Canonicalization,
    hash: Sha256,
    canonical: Vec<u8>,
    /// Line ends that count only if a line with text follows.
    line_ends: u64,
    /// White space that counts, as one space, only if text follows in its line.
    space: bool,
    /// A CR whose LF may be the next octet.
    cr: bool,
    empty: bool,
}

impl BodyHash {
    pub(super) fn new(form: Canonicalization) -> Self {
        Self {
            form,
            hash: Sha256::new(),
            canonical: Vec::new(),
            line_ends: 0,
            space: false,
            cr: false,
            empty: true,
        }
    }

    /// Takes the next octets of the body, which is not dot-stuffed.
    pub(super) fn take(&mut self, body: &[u8]) {
        let mut rest = body;
        while let Some(&octet) = rest.first() {
            if std::mem::take(&mut self.cr) {
                if octet == b'\n' {
                    self.space = false;
                    self.line_ends += 1;
                    rest = &rest[1..];
                    continue;
                }
                // A CR alone is text.
                self.text(b"\r");
            }
            match octet {
                b'\r' => {
                    self.cr = true;
                    rest = &rest[1..];
                }
                b' ' | b'\t' if self.form == Canonicalization::Relaxed => {
                    self.space = true;
                    rest = &rest[1..];
                }
                _ => {
                    let run = rest.iter().position(|octet| self.ends_run(*octet));
                    let (run, behind) = rest.split_at(run.unwrap_or(rest.len()));
                    self.text(run);
                    rest = behind;
                }
            }
        }
        self.hash.update(&self.canonical);
        self.canonical.clear();
    }

    /// The body has ended.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if std::mem::take(&mut self.cr) {
            self.text(b"\r");
        }
        // In the simple form white space is text. An empty body is one line end in the simple form
        // and nothing in the relaxed one.
        if !self.empty || self.form == Canonicalization::Simple {
            self.canonical.extend_from_slice(b"\r\n");
        }
        self.hash.update(&self.canonical);
        self.hash.finalize().to_vec()
    }

    fn ends_run(&self, octet: u8) -> bool {
        match octet {
            b'\r' => true,
            b' ' | b'\t' => self.form == Canonicalization::Relaxed,
            _ => false,
        }
    }

    /// Text of a line: what was held back before it counts.
    fn text(&mut self, text: &[u8]) {
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.canonical.extend_from_slice(b"\r\n");
            if self.canonical.len() >= PIECE_OCTETS {
                self.hash.update(&self.canonical);
                self.canonical.clear();
            }
        }
        if std::mem::take(&mut self.space) {
            self.canonical.push(b' ');
        }
        self.canonical.extend_from_slice(text);
        self.empty = false;
    }
}

/// Held-back line ends are hashed in pieces of this size: a body of nothing else costs no memory.
const PIECE_OCTETS: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The clauses once more, on a whole body.
    fn canonical(body: &[u8], form: Canonicalization) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut line = Vec::new();
        for octet in body {
            line.push(*octet);
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                lines.push(std::mem::take(&mut line));
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        if form == Canonicalization::Relaxed {
            for line in &mut lines {
                let mut relaxed = Vec::new();
                for &octet in line.iter() {
                    match octet {
                        b' ' | b'\t' if relaxed.last() == Some(&b' ') => {}
                        b' ' | b'\t' => relaxed.push(b' '),
                        octet => relaxed.push(octet),
                    }
                }
                if relaxed.last() == Some(&b' ') {
                    relaxed.pop();
                }
                *line = relaxed;
            }
        }
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        if lines.is_empty() && form == Canonicalization::Simple {
            lines.push(Vec::new());
        }
        let ended = lines.into_iter().map(|line| [&line[..], b"\r\n"].concat());
        ended.collect::<Vec<_>>().concat()
    }

    fn hash(pieces: &[&[u8]], form: Canonicalization) -> Vec<u8> {
        let mut hash = BodyHash::new(form);
        for piece in pieces {
            hash.take(piece);
        }
        hash.finish()
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6376 §3.4.5.
        let body = b" C \r\nD \t E\r\n\r\n\r\n";
        for (form, expected) in [
            (Canonicalization::Relaxed, &b" C\r\nD E\r\n"[..]),
            (Canonicalization::Simple, b" C \r\nD \t E\r\n"),
        ] {
            assert_eq!(canonical(body, form), expected);
            let expected = Sha256::digest(expected).to_vec();
            assert_eq!(hash(&[body], form), expected, "{form:?}");
        }
    }

    #[test]
    fn lines_of_white_space_at_the_end_are_empty_in_the_relaxed_form() {
        let form = Canonicalization::Relaxed;
        let expected = Sha256::digest(b"a\r\n").to_vec();
        assert_eq!(hash(&[b"a\r\n \t\r\n\r\n  \r\n"], form), expected);
        assert_eq!(
            hash(&[b" \r\n"], form),
            Sha256::digest(b"").to_vec(),
            "nothing but white space"
        );
    }

    proptest! {
        #[test]
        fn cut_anywhere_it_hashes_the_canonical_form(
            body in prop::collection::vec(prop::sample::select(&b"\r\n\t .a\0\xff"[..]), 0..40),
            cut in 0..40usize,
        ) {
            let (head, tail) = body.split_at(cut.min(body.len()));
            for form in [Canonicalization::Relaxed, Canonicalization::Simple] {
                let expected = Sha256::digest(canonical(&body, form)).to_vec();
                prop_assert_eq!(&hash(&[head, tail], form), &expected);
                let octets: Vec<&[u8]> = body.chunks(1).collect();
                prop_assert_eq!(&hash(&octets, form), &expected);
            }
        }
    }
}
