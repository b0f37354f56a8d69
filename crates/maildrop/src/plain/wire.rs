//! A text of local line ends becomes one in wire form.

use memchr::{memchr, memchr_iter};
use pop3::Part;

/// Takes a text piece by piece, split anywhere, and gives it on as POP3 sends it: each line ends with CRLF, and
/// one that begins with a dot has one more (RFC 1939 §3). Stops where the part of it ends that was asked for.
///
/// LF and CRLF are line ends, in any mixture. A CR that no LF follows is an octet like any other.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    part: Part,
    /// Lines of the body that are still to come; none: all of it.
    lines: Option<u64>,
    is_in_body: bool,
    /// Whether the next octet begins a line.
    at_start: bool,
    /// Whether the last octet was a CR.
    after_cr: bool,
    /// Octets of the line so far, CR of its end apart: whether it is the blank one after the header.
    is_blank: bool,
    octets: u64,
    is_over: bool,
}

impl Wire {
    pub(crate) fn new(part: Part) -> Self {
        Self {
            part,
            lines: match part {
                Part::Whole => None,
                Part::Top(lines) => Some(lines),
            },
            is_in_body: false,
            at_start: true,
            after_cr: false,
            is_blank: true,
            octets: 0,
            is_over: false,
        }
    }

    /// Octets that went out, dots that were stuffed apart (RFC 1939 §11).
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether the part has ended, whatever more is in the text.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether all of the text was asked for.
    pub(crate) fn is_whole(&self) -> bool {
        self.part == Part::Whole
    }

    /// Appends what becomes of the next octets: at most twice as many.
    pub(crate) fn take(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut from = 0;
        for end in memchr_iter(b'\n', text) {
            if self.is_over {
                return;
            }
            self.copy(&text[from..end], out);
            self.end_line(out);
            from = end + 1;
        }
        if !self.is_over {
            self.copy(&text[from..], out);
        }
    }

    /// As [`Wire::take`], of a text that was asked for as a whole, as far as there is room. What are two octets for
    /// one is never cut. Returns how many octets of the text were taken, and of the room.
    pub(crate) fn fill(&mut self, text: &[u8], room: &mut [u8]) -> (usize, usize) {
        let (mut taken, mut made) = self.fill_blocks(text, room);
        loop {
            let end = memchr(b'\n', &text[taken..]).map(|end| taken + end);
            let line = &text[taken..end.unwrap_or(text.len())];
            if let Some(&first) = line.first() {
                let dot = usize::from(self.at_start && first == b'.');
                let fits = line.len().min((room.len() - made).saturating_sub(dot));
                if fits == 0 {
                    break;
                }
                room[made..made + dot].fill(b'.');
                made += dot;
                room[made..made + fits].copy_from_slice(&line[..fits]);
                (taken, made) = (taken + fits, made + fits);
                self.octets += fits as u64;
                (self.at_start, self.after_cr) = (false, line[fits - 1] == b'\r');
                if fits < line.len() {
                    break;
                }
            }
            let tail = self.line_end();
            if end.is_none() || room.len() - made < tail.len() {
                break;
            }
            room[made..made + tail.len()].copy_from_slice(tail);
            (taken, made) = (taken + 1, made + tail.len());
            self.octets += tail.len() as u64;
            (self.at_start, self.after_cr) = (true, false);
        }
        (taken, made)
    }

    /// As [`Wire::fill`], but for what is left of the text or of the room when it is too short for a block.
    ///
    /// A block is copied before anybody knows what is in it, which is faster than to find a line and copy that: lines are
    /// short, and each would be two calls.
    fn fill_blocks(&mut self, text: &[u8], room: &mut [u8]) -> (usize, usize) {
        let (mut taken, mut made, mut dots) = (0, 0, 0);
        while let Some(block) = text[taken..].first_chunk::<BLOCK>()
            && let Some(out) = room[made..].first_chunk_mut::<{ BLOCK + 1 }>()
        {
            if self.at_start && block[0] == b'.' {
                // What comes now is a dot like any other.
                self.at_start = false;
                out[0] = b'.';
                (made, dots) = (made + 1, dots + 1);
                continue;
            }
            out[..BLOCK].copy_from_slice(block);
            let Some(end) = line_feed(block) else {
                self.at_start = false;
                (taken, made) = (taken + BLOCK, made + BLOCK);
                continue;
            };
            let before = (taken + end).checked_sub(1).map(|before| text[before]);
            let after_cr = before.map_or(self.after_cr, |before| before == b'\r');
            if !after_cr {
                out[end..end + 2].copy_from_slice(b"\r\n");
                made += 1;
            }
            self.at_start = true;
            (taken, made) = (taken + end + 1, made + end + 1);
        }
        self.octets += (made - dots) as u64;
        if let Some(&last) = text[..taken].last() {
            self.after_cr = last == b'\r';
        }
        (taken, made)
    }

    /// As [`Wire::finish`], into a room; how many octets that are. None if it is too small.
    pub(crate) fn finish_in(&mut self, room: &mut [u8]) -> Option<usize> {
        let mut end = Vec::new();
        let mut finished = self.clone();
        finished.finish(&mut end);
        room.get_mut(..end.len())?.copy_from_slice(&end);
        *self = finished;
        Some(end.len())
    }

    /// The text ends here. Its last line ends as every other one.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.is_over && !self.at_start {
            // What is no line end is not made one half of it.
            self.after_cr = false;
            self.end_line(out);
        }
        self.is_over = true;
    }

    /// Octets within a line.
    fn copy(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let (Some(&first), Some(&last)) = (octets.first(), octets.last()) else {
            return;
        };
        if self.at_start && first == b'.' {
            out.push(b'.');
        }
        // A line of nothing but a CR is blank if an LF follows.
        self.is_blank = self.is_blank && self.at_start && octets == b"\r";
        self.at_start = false;
        self.after_cr = last == b'\r';
        out.extend_from_slice(octets);
        self.octets += octets.len() as u64;
    }

    /// What makes a line end of an LF here.
    fn line_end(&self) -> &'static [u8] {
        match self.after_cr {
            true => b"\n",
            false => b"\r\n",
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let end = self.line_end();
        out.extend_from_slice(end);
        self.octets += end.len() as u64;
        if self.is_in_body {
            if let Some(lines) = &mut self.lines {
                *lines -= 1;
            }
        } else if self.is_blank {
            self.is_in_body = true;
        }
        self.is_over = self.is_in_body && self.lines == Some(0);
        self.at_start = true;
        self.after_cr = false;
        self.is_blank = true;
    }
}

/// Octets that are copied at once.
const BLOCK: usize = 32;

/// Where the first LF of a block is.
fn line_feed(block: &[u8; BLOCK]) -> Option<usize> {
    // Most blocks have none, and that is seen without a branch for each octet.
    if !block
        .iter()
        .fold(false, |any, &octet| any | (octet == b'\n'))
    {
        return None;
    }
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (words, _) = block.as_chunks::<8>();
    words.iter().enumerate().find_map(|(index, &word)| {
        // An octet that is zero borrows from the one above it, and the lowest one has nothing below that does.
        let other = u64::from_le_bytes(word) ^ (ONES * u64::from(b'\n'));
        let found = other.wrapping_sub(ONES) & !other & (ONES << 7);
        (found != 0).then(|| index * 8 + found.trailing_zeros() as usize / 8)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_fills_rooms_is_what_is_taken(
            text in "([\r\n.a]{0,9}a{0,40}){0,9}",
            piece in 1_usize..200,
            rooms in proptest::collection::vec(2_usize..200, 1..5),
        ) {
            let (expected, octets) = wire(text.as_bytes(), Part::Whole, piece);
            let (mut wire, mut out) = (Wire::new(Part::Whole), Vec::new());
            let (mut at, mut rooms) = (0, rooms.iter().cycle());
            while at < text.len() {
                let mut room = vec![0; *rooms.next().unwrap()];
                let end = text.len().min(at + piece);
                let (taken, made) = wire.fill(&text.as_bytes()[at..end], &mut room);
                prop_assert!(made > 0);
                out.extend_from_slice(&room[..made]);
                at += taken;
            }
            let mut room = [0; 2];
            let made = wire.finish_in(&mut room).unwrap();
            out.extend_from_slice(&room[..made]);
            prop_assert_eq!(String::from_utf8(out).unwrap(), expected);
            prop_assert_eq!(wire.octets(), octets);
        }
    }

    fn wire(text: &[u8], part: Part, piece: usize) -> (String, u64) {
        let (mut wire, mut out) = (Wire::new(part), Vec::new());
        for piece in text.chunks(piece) {
            wire.take(piece, &mut out);
        }
        wire.finish(&mut out);
        (String::from_utf8(out).unwrap(), wire.octets())
    }

    #[test]
    fn every_line_ends_with_crlf_and_dots_are_stuffed_however_the_text_is_cut() {
        for (text, expected, octets) in [
            ("a: b\n\n.c\n..\n", "a: b\r\n\r\n..c\r\n...\r\n", 16),
            ("a\r\nb\nc\r\n", "a\r\nb\r\nc\r\n", 9),
            ("a\rb\r\r\nc", "a\rb\r\r\nc\r\n", 9),
            ("a\r", "a\r\r\n", 4),
            (".", "..\r\n", 3),
            ("\n", "\r\n", 2),
            ("", "", 0),
        ] {
            for piece in 1..=text.len().max(1) {
                let (out, counted) = wire(text.as_bytes(), Part::Whole, piece);
                assert_eq!((&*out, counted), (expected, octets), "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn the_top_is_the_header_and_so_many_lines() {
        let text = "a: b\nc: d\r\n\r\n1\n.2\n3";
        let header = "a: b\r\nc: d\r\n\r\n";
        for piece in 1..=text.len() {
            for (lines, body) in [
                (0, ""),
                (1, "1\r\n"),
                (2, "1\r\n..2\r\n"),
                (3, "1\r\n..2\r\n3\r\n"),
                (9, "1\r\n..2\r\n3\r\n"),
            ] {
                let (out, _) = wire(text.as_bytes(), Part::Top(lines), piece);
                assert_eq!(out, format!("{header}{body}"), "{lines} by {piece}");
            }
            let (out, _) = wire(b"no: body\n", Part::Top(0), piece);
            assert_eq!(out, "no: body\r\n");
            // A CR in the middle makes no blank line.
            let (out, _) = wire(b"a: b\n\rc: d\n\n1\n", Part::Top(0), piece);
            assert_eq!(out, "a: b\r\n\rc: d\r\n\r\n");
        }
    }
}
