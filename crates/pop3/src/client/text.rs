//! Reading a message off the wire, with the line ends that a server is known to send.
//!
//! A text ends with CRLF, a dot, CRLF and with nothing else: a right server may send a message that
//! holds LF, a dot, LF, and who takes that for the end reads the rest of the message as replies, which
//! its sender has then chosen. A server whose lines end with a bare LF can only be read by breaking
//! that rule, so it is a switch, and off.

use memchr::memchr;

use crate::wire::{Form, TextRead, TextReader};

/// What ends a line of a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LineEnds {
    /// CRLF only (RFC 1939 §3).
    #[default]
    Crlf,
    /// A bare LF as well, for a server that is known to send it. Never for others.
    LfToo,
}

/// Reads one message.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    Strict(TextReader),
    Lenient(LfReader),
}

impl Reader {
    pub(super) fn new(form: Form, line_ends: LineEnds) -> Self {
        match line_ends {
            LineEnds::Crlf => Self::Strict(TextReader::new(form)),
            LineEnds::LfToo => Self::Lenient(LfReader {
                form,
                place: Place::LineStart,
            }),
        }
    }

    /// Appends what the input holds of the text, up to and without the terminator line.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> TextRead {
        match self {
            Self::Strict(reader) => reader.read(input, out),
            Self::Lenient(reader) => reader.read(input, out),
        }
    }
}

/// Reads a text whose lines end with LF, whatever is before it. What it hands on keeps the line ends
/// that came.
#[derive(Clone, Debug)]
pub(super) struct LfReader {
    form: Form,
    place: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    LineStart,
    /// A dot at the start of a line, not yet handed on.
    Dot,
    /// That dot and a CR, neither handed on.
    DotCr,
    Inside,
}

impl LfReader {
    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> TextRead {
        let (mut consumed, mut dots, before) = (0, 0, out.len());
        let mut ended = false;
        while consumed < input.len() && !ended {
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
                (Place::Dot | Place::DotCr, b'\n') => {
                    consumed += 1;
                    ended = true;
                }
                (Place::Dot | Place::DotCr, _) => {
                    if self.form == Form::Stuffed {
                        out.push(b'.');
                        dots += 1;
                    }
                    if self.place == Place::DotCr {
                        out.push(b'\r');
                    }
                    self.place = Place::Inside;
                }
                (Place::LineStart | Place::Inside, _) => {
                    let (end, place) = match memchr(b'\n', rest) {
                        Some(end) => (end + 1, Place::LineStart),
                        None => (rest.len(), Place::Inside),
                    };
                    out.extend_from_slice(&rest[..end]);
                    self.place = place;
                    consumed += end;
                }
            }
        }
        TextRead {
            consumed,
            octets: out.len() - before - dots,
            ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line_ends: LineEnds, form: Form, wire: &[u8], size: usize) -> (Vec<u8>, usize, usize) {
        let mut reader = Reader::new(form, line_ends);
        let (mut out, mut octets, mut place) = (Vec::new(), 0, 0);
        for chunk in wire.chunks(size) {
            let read = reader.read(chunk, &mut out);
            place += read.consumed;
            octets += read.octets;
            if read.ended {
                return (out, octets, place);
            }
            assert_eq!(read.consumed, chunk.len());
        }
        panic!("{:?} has no end", wire.escape_ascii().to_string());
    }

    #[test]
    fn a_text_with_bare_lf_is_read_when_it_is_asked_for() {
        for (wire, plain, stuffed, rest) in [
            (&b".\n+OK"[..], &b""[..], &b""[..], 3),
            (b".\r\n+OK", b"", b"", 3),
            (b"a\nb\n.\n+OK", b"a\nb\n", b"a\nb\n", 3),
            (b"a\r\n..\n.\r\n", b"a\r\n.\n", b"a\r\n..\n", 0),
            (b".\rx\n.\n", b"\rx\n", b".\rx\n", 0),
            (b".x.\n.\n", b"x.\n", b".x.\n", 0),
            (b".\r\r\n.\n", b"\r\r\n", b".\r\r\n", 0),
        ] {
            for size in 1..=wire.len() {
                let end = wire.len() - rest;
                let found = read(LineEnds::LfToo, Form::Plain, wire, size);
                assert_eq!(found, (plain.to_vec(), plain.len(), end));
                let found = read(LineEnds::LfToo, Form::Stuffed, wire, size);
                assert_eq!(found, (stuffed.to_vec(), plain.len(), end));
            }
        }
    }

    #[test]
    fn a_bare_lf_ends_nothing_when_it_is_not() {
        let wire = b"a\n.\nb\n.\r\n\r\n.\r\n";
        let text = b"a\n.\nb\n.\r\n\r\n";
        for size in 1..=wire.len() {
            let found = read(LineEnds::Crlf, Form::Plain, wire, size);
            assert_eq!(found, (text.to_vec(), text.len(), wire.len()));
        }
    }
}
