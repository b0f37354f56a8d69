//! Lines and multi-line texts as they travel: framing, dot-stuffing both ways, TOP's cut.
//!
//! A multi-line reply ends with a line holding a single `.`, so a message line that begins
//! with `.` is sent with one more (RFC 1939 §3). LMTP's DATA uses the same rule
//! (RFC 5321 §4.5.2), which is why the native maildrop stores messages in this form.
//!
//! In texts a line ends with CRLF and with nothing else: a CR or an LF alone is an octet like any
//! other, on both sides, so that no two programs can disagree about where a text ends. In
//! command lines a bare LF is accepted as well.
//!
//! ```
//! let mut wire = Vec::new();
//! pop3::wire::stuff(b"hello\r\n.sig\r\n", &mut wire);
//! assert_eq!(wire, b"hello\r\n..sig\r\n");
//! ```

use memchr::{memchr, memchr_iter, memmem};

/// The line that ends a multi-line reply.
pub const TERMINATOR: &[u8] = b".\r\n";

/// What the beginning of an input holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame<'a> {
    /// A line.
    Line {
        /// Without its line end.
        text: &'a [u8],
        /// With its line end: so many octets of the input are done with.
        octets: usize,
    },
    /// No line end yet, and the line may still become one that is short enough.
    Unfinished,
    /// The line is longer than allowed, whether its end is here or not.
    TooLong,
}

/// Takes the first line off an input. It ends with LF, with or without a CR before it, and may
/// have `octets_max` octets, line end included.
///
/// ```
/// use pop3::wire::{Frame, frame};
///
/// let (text, octets) = (&b"STAT"[..], 6);
/// assert_eq!(frame(b"STAT\r\nLIST\r\n", 512), Frame::Line { text, octets });
/// assert_eq!(frame(b"STA", 512), Frame::Unfinished);
/// ```
pub fn frame(input: &[u8], octets_max: usize) -> Frame<'_> {
    // Nothing beyond the limit is looked at, so a long line costs no more than a legal one.
    match memchr(b'\n', &input[..input.len().min(octets_max)]) {
        Some(end) => {
            let text = &input[..end];
            Frame::Line {
                text: text.strip_suffix(b"\r").unwrap_or(text),
                octets: end + 1,
            }
        }
        None if input.len() >= octets_max => Frame::TooLong,
        None => Frame::Unfinished,
    }
}

/// Appends a whole text in stuffed form, without the terminator line.
pub fn stuff(text: &[u8], out: &mut Vec<u8>) {
    Stuffer::new().stuff(text, out);
}

/// Dot-stuffs a text that comes in chunks, split anywhere.
#[derive(Clone, Debug)]
pub struct Stuffer {
    place: Place,
}

impl Stuffer {
    /// At the first octet of a text, which begins a line.
    pub fn new() -> Self {
        Self {
            place: Place::LineStart,
        }
    }

    /// Appends the next chunk in stuffed form; returns the number of dots added.
    pub fn stuff(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> usize {
        let mut added = 0;
        let mut copied = 0;
        for dot in line_dots(self.place, chunk) {
            out.extend_from_slice(&chunk[copied..dot]);
            out.push(b'.');
            copied = dot;
            added += 1;
        }
        out.extend_from_slice(&chunk[copied..]);
        self.place = self.place.after(chunk);
        added
    }
}

impl Default for Stuffer {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends a whole stuffed text, which has no terminator line, as it was before stuffing.
///
/// ```
/// let mut text = Vec::new();
/// pop3::wire::unstuff(b"..sig\r\n", &mut text);
/// assert_eq!(text, b".sig\r\n");
/// ```
pub fn unstuff(wire: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    for dot in line_dots(Place::LineStart, wire) {
        out.extend_from_slice(&wire[copied..dot]);
        copied = dot + 1;
    }
    out.extend_from_slice(&wire[copied..]);
}

/// What one call of [`TextReader::read`] did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TextRead {
    /// So many octets of the input are done with.
    pub consumed: usize,
    /// So many octets of the text were handed on, counted as LIST counts them: without stuffing.
    pub octets: usize,
    /// Whether the terminator line was among them; then nothing after it was looked at.
    pub ended: bool,
}

/// How [`TextReader`] hands on a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// As it travels, dots and all: the form that the native maildrop stores.
    Stuffed,
    /// As it was before stuffing.
    Plain,
}

/// Reads a multi-line text that comes in chunks, split anywhere, and finds its end.
///
/// Keeps back at most the two octets of which it cannot say yet whether they are text.
#[derive(Clone, Debug)]
pub struct TextReader {
    form: Form,
    place: Place,
}

impl TextReader {
    /// At the first octet after the status line.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            place: Place::LineStart,
        }
    }

    /// Appends what the input holds of the text, up to and without the terminator line.
    pub fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> TextRead {
        let (mut consumed, mut dots, before) = (0, 0, out.len());
        while consumed < input.len() {
            let rest = &input[consumed..];
            match (self.place, rest[0]) {
                (Place::LineStart, b'.') => {
                    self.place = Place::Dot;
                    consumed += 1;
                }
                (Place::Dot, b'\r') => {
                    self.place = Place::DotCr;
                    consumed += 1;
                }
                (Place::DotCr, b'\n') => {
                    return TextRead {
                        consumed: consumed + 1,
                        octets: out.len() - before - dots,
                        ended: true,
                    };
                }
                // The dot was text or stuffing after all. A line `.` CR octet was sent by a
                // server that does not stuff; what it meant is what it sent, less the dot.
                (Place::Dot, _) => {
                    dots += self.put_dot(out);
                    self.place = Place::Inside;
                }
                (Place::DotCr, _) => {
                    dots += self.put_dot(out);
                    out.push(b'\r');
                    self.place = Place::Cr;
                }
                _ => {
                    // Everything up to the next line that begins with a dot is plain text.
                    let end = line_dots(self.place, rest).next().unwrap_or(rest.len());
                    out.extend_from_slice(&rest[..end]);
                    self.place = self.place.after(&rest[..end]);
                    consumed += end;
                }
            }
        }
        TextRead {
            consumed,
            octets: out.len() - before - dots,
            ended: false,
        }
    }

    /// Appends a dot that is stuffing, where stuffing is wanted; returns how many that was.
    fn put_dot(&self, out: &mut Vec<u8>) -> usize {
        match self.form {
            Form::Stuffed => {
                out.push(b'.');
                1
            }
            Form::Plain => 0,
        }
    }
}

/// Where TOP ends: counts the lines of a body that comes in chunks (RFC 1939 §7).
///
/// Works on either form, stuffed or not, since both have the same lines.
///
/// ```
/// let mut cut = pop3::wire::TopCut::new(1);
/// assert_eq!(cut.cut(b"one\r\ntwo\r\n"), 5);
/// assert!(cut.is_done());
/// ```
#[derive(Clone, Debug)]
pub struct TopCut {
    lines_left: u64,
}

impl TopCut {
    /// Lets so many lines of a body pass.
    pub fn new(lines: u64) -> Self {
        Self { lines_left: lines }
    }

    /// Number of octets at the beginning of the next chunk that still belong to the lines asked
    /// for.
    pub fn cut(&mut self, chunk: &[u8]) -> usize {
        if self.lines_left == 0 {
            return 0;
        }
        // Every LF of a stored text ends a line, since delivery leaves none without its CR.
        for end in memchr_iter(b'\n', chunk) {
            self.lines_left -= 1;
            if self.lines_left == 0 {
                return end + 1;
            }
        }
        chunk.len()
    }

    /// Whether all lines asked for have passed.
    pub fn is_done(&self) -> bool {
        self.lines_left == 0
    }
}

/// What was read last, as far as line ends and dots need it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    LineStart,
    /// A dot at the start of a line, not yet handed on.
    Dot,
    /// That dot and a CR, neither handed on.
    DotCr,
    /// A CR that may be half of a line end.
    Cr,
    Inside,
}

impl Place {
    fn after(self, chunk: &[u8]) -> Self {
        match *chunk {
            [] => self,
            [.., b'\r', b'\n'] => Self::LineStart,
            [b'\n'] if self == Self::Cr => Self::LineStart,
            [.., b'\r'] => Self::Cr,
            _ => Self::Inside,
        }
    }
}

/// Positions of the dots that begin a line, when `place` was read before `chunk`.
fn line_dots(place: Place, chunk: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let first = match (place, chunk) {
        (Place::LineStart, [b'.', ..]) => Some(0),
        (Place::Cr, [b'\n', b'.', ..]) => Some(1),
        _ => None,
    };
    let rest = memmem::find_iter(chunk, b"\r\n.").map(|line_end| line_end + 2);
    first.into_iter().chain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_ends_with_crlf_or_lf_and_has_a_limit() {
        for (input, octets_max, expected) in [
            (&b"STAT\r\nX"[..], 6, Some((&b"STAT"[..], 6))),
            (b"STAT\nX", 6, Some((b"STAT", 5))),
            (b"\r\n", 6, Some((b"", 2))),
            (b"\n", 6, Some((b"", 1))),
            (b"A\r\r\n", 6, Some((b"A\r", 4))),
            (b"A\rB\n", 6, Some((b"A\rB", 4))),
        ] {
            let expected = expected.map(|(text, octets)| Frame::Line { text, octets });
            assert_eq!(Some(frame(input, octets_max)), expected);
        }
        assert_eq!(frame(b"", 6), Frame::Unfinished);
        assert_eq!(frame(b"STAT\r", 6), Frame::Unfinished);
        assert_eq!(frame(b"STATUS", 6), Frame::TooLong);
        assert_eq!(frame(b"STATUS\n", 6), Frame::TooLong);
    }

    #[test]
    fn only_dots_at_the_start_of_a_line_are_stuffed() {
        for (text, expected) in [
            (&b""[..], &b""[..]),
            (b".", b".."),
            (b".\r\n", b"..\r\n"),
            (b"..\r\n", b"...\r\n"),
            (b"a.b\r\n.c", b"a.b\r\n..c"),
            (b"a\n.b\r.c", b"a\n.b\r.c"),
            (b"\r\n.\r\n.\r\n", b"\r\n..\r\n..\r\n"),
            (b"\r\r\n.", b"\r\r\n.."),
        ] {
            let mut out = Vec::new();
            stuff(text, &mut out);
            assert_eq!(out, expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_text_ends_at_its_terminator_and_nowhere_else() {
        for (wire, expected, rest) in [
            (&b".\r\n"[..], &b""[..], &b""[..]),
            (b"a\r\n.\r\n+OK\r\n", b"a\r\n", b"+OK\r\n"),
            (b"..\r\n.\r\n", b".\r\n", b""),
            (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n", b""),
            (b"a\r.\r\nb\r\n.\r\n", b"a\r.\r\nb\r\n", b""),
            (b".\n\r\n.\r\n", b"\n\r\n", b""),
            (b".\r\r\n.\r\n", b"\r\r\n", b""),
            (b".x\r\n.\r\n", b"x\r\n", b""),
        ] {
            let mut reader = TextReader::new(Form::Plain);
            let mut out = Vec::new();
            let read = reader.read(wire, &mut out);
            assert!(read.ended);
            assert_eq!(out, expected, "{:?}", String::from_utf8_lossy(wire));
            assert_eq!(&wire[read.consumed..], rest);
        }
    }

    #[test]
    fn top_counts_lines_across_chunks() {
        let mut cut = TopCut::new(0);
        assert_eq!(cut.cut(b"one\r\n"), 0);
        assert!(cut.is_done());
        let mut cut = TopCut::new(2);
        assert_eq!(cut.cut(b"one\r"), 4);
        assert_eq!(cut.cut(b"\ntw"), 3);
        assert_eq!(cut.cut(b""), 0);
        assert_eq!(cut.cut(b"o\r\nthree\r\n"), 3);
        assert!(cut.is_done());
        assert_eq!(cut.cut(b"three\r\n"), 0);
        let mut cut = TopCut::new(9);
        assert_eq!(cut.cut(b"one\r\nno end"), 11);
        assert!(!cut.is_done());
    }

    /// Text in which everything that matters here is frequent.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(&b"..\r\n\r\nab\0\xff"[..]), 0..60)
    }

    proptest! {
        #[test]
        fn what_is_stuffed_comes_back(text in text()) {
            let mut wire = Vec::new();
            stuff(&text, &mut wire);
            let mut back = Vec::new();
            unstuff(&wire, &mut back);
            prop_assert_eq!(back, text);
        }

        #[test]
        fn stuffing_does_not_depend_on_chunks(text in text(), size in 1usize..7) {
            let mut whole = Vec::new();
            let dots = Stuffer::new().stuff(&text, &mut whole);
            prop_assert_eq!(whole.len(), text.len() + dots);
            let (mut stuffer, mut parts) = (Stuffer::new(), Vec::new());
            for chunk in text.chunks(size) {
                stuffer.stuff(chunk, &mut parts);
            }
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn a_stuffed_text_is_read_back_from_any_chunks(text in text(), size in 1usize..7) {
            let mut text = text;
            text.extend_from_slice(b"\r\n");
            let mut stuffed = Vec::new();
            stuff(&text, &mut stuffed);
            let mut wire = stuffed.clone();
            wire.extend_from_slice(TERMINATOR);
            wire.extend_from_slice(b".\r\nnext");
            for (form, expected) in [(Form::Plain, &text), (Form::Stuffed, &stuffed)] {
                let (mut reader, mut out, mut place) = (TextReader::new(form), Vec::new(), 0);
                let mut octets = 0;
                for chunk in wire.chunks(size) {
                    let read = reader.read(chunk, &mut out);
                    place += read.consumed;
                    octets += read.octets;
                    if read.ended {
                        break;
                    }
                    prop_assert_eq!(read.consumed, chunk.len());
                }
                prop_assert_eq!(&out, expected);
                prop_assert_eq!(octets, text.len());
                prop_assert_eq!(place, stuffed.len() + TERMINATOR.len());
            }
        }

        #[test]
        fn top_cuts_where_splitting_into_lines_does(text in text(), lines in 0u64..5, size in 1usize..7) {
            let expected: usize = text
                .split_inclusive(|&octet| octet == b'\n')
                .take(lines as usize)
                .map(<[u8]>::len)
                .sum();
            let mut cut = TopCut::new(lines);
            let passed: usize = text.chunks(size).map(|chunk| cut.cut(chunk)).sum();
            prop_assert_eq!(passed, expected);
        }
    }
}
