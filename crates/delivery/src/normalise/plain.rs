//! A text as programs write it to a pipe or a file: LF or CRLF, nothing stuffed, no terminator.
//!
//! A lone dot is text. A CR without LF stays what it is. A missing last line end is added, and
//! counted; a text without any octet stays empty.

use maildrop::Measure;

use super::Gauge;
use super::forged::ForgedResults;

/// What to do with the `From ` line that mbox files put before a message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FromLine {
    /// It is text like any other.
    #[default]
    Keep,
    /// Not part of the message, if it is the first line.
    Drop,
}

/// Reads one message's text and writes its stored form.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    at: At,
    gauge: Gauge,
    /// Only for texts of strangers, as in [`super::Dotted`].
    forged: Option<Box<ForgedResults>>,
}

/// Where the next octet stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// At the start of a line.
    #[default]
    Start,
    /// Within a line, behind CR or not.
    Line { cr: bool },
    /// At the start of the text, behind so many octets of [`FROM`].
    From { matched: usize },
    /// In the `From ` line.
    FromRest,
}

const FROM: &[u8] = b"From ";

impl Plain {
    /// A text that has not begun.
    pub fn new(from_line: FromLine) -> Self {
        Self {
            at: match from_line {
                FromLine::Keep => At::Start,
                FromLine::Drop => At::From { matched: 0 },
            },
            gauge: Gauge::default(),
            forged: None,
        }
    }

    /// The text of a stranger: `Authentication-Results` fields that carry this name, which is ours,
    /// are renamed (RFC 8601 §5).
    pub fn of_stranger(authserv_id: &str) -> Self {
        Self {
            forged: Some(Box::new(ForgedResults::new(authserv_id))),
            ..Self::default()
        }
    }

    /// Reads octets and appends their stored form, at most twice as many and five; what a stranger's
    /// text may hold back and add is said at [`super::Dotted::take`].
    pub fn take(&mut self, input: &[u8], stored: &mut Vec<u8>) {
        let before = stored.len();
        let mut rest = input;
        while let Some(&octet) = rest.first() {
            rest = match self.at {
                At::Start => {
                    if octet == b'.' {
                        stored.push(b'.');
                        self.gauge.stuffed_dot();
                    }
                    self.at = At::Line { cr: false };
                    rest
                }
                At::Line { cr } => {
                    self.run(rest, cr, stored);
                    &[]
                }
                At::From { matched } if octet == FROM[matched] => {
                    self.at = match matched + 1 {
                        len if len == FROM.len() => At::FromRest,
                        matched => At::From { matched },
                    };
                    &rest[1..]
                }
                At::From { matched } => {
                    self.not_from(matched, stored);
                    rest
                }
                At::FromRest => match memchr::memchr(b'\n', rest) {
                    Some(lf) => {
                        self.at = At::Start;
                        &rest[lf + 1..]
                    }
                    None => &[],
                },
            };
        }
        if let Some(forged) = &mut self.forged {
            forged.pass(stored, before);
        }
        self.gauge.pass(&stored[before..]);
    }

    /// The text has ended: appends the last line end if it is missing.
    pub fn finish(mut self, stored: &mut Vec<u8>) -> Measure {
        let before = stored.len();
        if let At::From { matched } = self.at {
            self.not_from(matched, stored);
        }
        if let At::Line { .. } = self.at {
            stored.extend_from_slice(b"\r\n");
        }
        if let Some(forged) = &mut self.forged {
            forged.pass(stored, before);
            forged.finish(stored);
        }
        self.gauge.pass(&stored[before..]);
        self.gauge.measure()
    }

    /// What is known of the text so far.
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// The first line only began like a `From ` line: what was held back is text.
    fn not_from(&mut self, matched: usize, stored: &mut Vec<u8>) {
        stored.extend_from_slice(&FROM[..matched]);
        self.at = match matched {
            0 => At::Start,
            _ => At::Line { cr: false },
        };
    }

    /// Copies lines, all of them.
    fn run(&mut self, input: &[u8], cr: bool, stored: &mut Vec<u8>) {
        let mut from = 0;
        for lf in memchr::memchr_iter(b'\n', input) {
            let behind_cr = match lf {
                0 => cr,
                _ => input[lf - 1] == b'\r',
            };
            if !behind_cr {
                stored.extend_from_slice(&input[from..lf]);
                stored.extend_from_slice(b"\r\n");
                from = lf + 1;
            }
            if input.get(lf + 1) == Some(&b'.') {
                stored.extend_from_slice(&input[from..=lf]);
                stored.push(b'.');
                self.gauge.stuffed_dot();
                from = lf + 1;
            }
        }
        stored.extend_from_slice(&input[from..]);
        self.at = match input.last() {
            Some(b'\n') => At::Start,
            last => At::Line {
                cr: last == Some(&b'\r'),
            },
        };
    }
}
