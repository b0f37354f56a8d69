//! mboxrd's quoting: a line of `From `, with any number of `>` before it, gets one `>` more.

use std::io;

use memchr::memchr;

const FROM: &[u8] = b"From ";

/// Quotes a text in local form, cut wherever it may be.
#[derive(Debug, Default)]
pub(super) struct Quoter {
    /// The beginning of a line that may be one of those.
    begun: Vec<u8>,
    is_inside: bool,
    ended_line: bool,
    has_text: bool,
}

impl Quoter {
    pub(super) fn take(
        &mut self,
        mut text: &[u8],
        put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while let Some(&first) = text.first() {
            self.has_text = true;
            if !self.is_inside {
                self.begun.push(first);
                text = &text[1..];
                match looks(&self.begun) {
                    Looks::Undecided => continue,
                    Looks::Quoted => put(b">")?,
                    Looks::Plain => {}
                }
                put(&self.begun)?;
                self.is_inside = first != b'\n';
                self.ended_line = first == b'\n';
                self.begun.clear();
                continue;
            }
            let end = memchr(b'\n', text);
            let (line, rest) = text.split_at(end.map_or(text.len(), |at| at + 1));
            put(line)?;
            self.ended_line = end.is_some();
            self.is_inside = end.is_none();
            text = rest;
        }
        Ok(())
    }

    /// The end: the last line has one, and an empty line comes behind it.
    pub(super) fn end(self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        put(&self.begun)?;
        let is_whole = self.begun.is_empty() && (self.ended_line || !self.has_text);
        put(if is_whole { b"\n" } else { b"\n\n" })
    }
}

enum Looks {
    Quoted,
    Plain,
    Undecided,
}

fn looks(begun: &[u8]) -> Looks {
    let marks = begun.iter().take_while(|&&octet| octet == b'>').count();
    let rest = &begun[marks..];
    match rest.len() {
        octets if octets >= FROM.len() && rest.starts_with(FROM) => Looks::Quoted,
        octets if octets < FROM.len() && FROM.starts_with(rest) => Looks::Undecided,
        _ => Looks::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quoted(text: &[u8], size: usize) -> String {
        let mut quoter = Quoter::default();
        let mut out = Vec::new();
        let mut put = |octets: &[u8]| {
            out.extend_from_slice(octets);
            Ok(())
        };
        for piece in text.chunks(size) {
            quoter.take(piece, &mut put).unwrap();
        }
        quoter.end(&mut put).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_looks_like_a_postmark_is_quoted() {
        for (text, expected) in [
            ("", "\n"),
            ("a\n", "a\n\n"),
            ("a", "a\n\n"),
            ("From a\n", ">From a\n\n"),
            (">>From a\nFrom\n", ">>>From a\nFrom\n\n"),
            ("a\nFrom b\n\n>Fro", "a\n>From b\n\n>Fro\n\n"),
            (">\n>", ">\n>\n\n"),
        ] {
            for size in 1..=text.len().max(1) {
                assert_eq!(quoted(text.as_bytes(), size), expected, "{text:?} {size}");
            }
        }
    }

    proptest! {
        #[test]
        fn unquoting_gives_the_text_back(lines in prop::collection::vec(">{0,2}(From |From|a| )?b?", 0..20), size in 1usize..9) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let out = quoted(text.as_bytes(), size);
            prop_assert!(out.lines().all(|line| !line.starts_with("From ")));
            let back: String = out.strip_suffix('\n').unwrap().split_inclusive('\n').map(|line| {
                let is_quoted = line.trim_start_matches('>').starts_with("From ") && line.starts_with('>');
                if is_quoted { &line[1..] } else { line }
            }).collect();
            prop_assert_eq!(back, text);
        }
    }
}
