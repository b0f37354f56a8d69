//! The text that follows LMTP's `DATA`, up to the line that ends it.
//!
//! The end is decided first and by one rule: CRLF.CRLF, whose first CRLF may be that of the `DATA`
//! command (RFC 5321 §4.1.1.4). LF.LF, LF.CRLF, CR.CR and the like end nothing: servers that
//! disagreed about this let strangers smuggle messages past each other. Only then are the lines put
//! in order: a first dot behind CRLF is the sender's stuffing and goes (§4.5.2); an LF without CR
//! becomes CRLF; a line that begins with a dot after that gets its stuffed dot.

use super::Gauge;
use super::forged::ForgedResults;

/// Reads one message's text as it stands on the wire and writes its stored form.
#[derive(Clone, Debug, Default)]
pub struct Dotted {
    at: At,
    gauge: Gauge,
    /// Only for texts of strangers: a delivery that is trusted pays for a look at this.
    forged: Option<Box<ForgedResults>>,
}

/// What a call did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken {
    /// So many octets of the input belong to the text or to its terminator.
    pub consumed: usize,
    /// Whether the terminator was among them.
    pub ended: bool,
}

/// Where the next octet stands.
#[derive(Clone, Copy, Debug, Default)]
enum At {
    /// At the start of a line, behind CRLF: a dot here is stuffing or the terminator.
    #[default]
    Start,
    /// At the start of a line, behind an LF that had no CR: a dot here is text.
    LooseStart,
    /// Behind a dot that [`At::Start`] held back.
    Dot,
    /// Behind that dot and a CR, both held back.
    DotCr,
    /// Within a line, behind CR or not.
    Line { cr: bool },
    /// Behind the terminator.
    End,
}

impl Dotted {
    /// The text of a stranger: `Authentication-Results` fields that carry this name, which is ours,
    /// are renamed (RFC 8601 §5).
    pub fn of_stranger(authserv_id: &str) -> Self {
        Self {
            forged: Some(Box::new(ForgedResults::new(authserv_id))),
            ..Self::default()
        }
    }

    /// Reads octets and appends their stored form. Stops behind the terminator.
    ///
    /// Appends at most twice as many octets as it reads, and one. Of a stranger's text up to a
    /// kibibyte may be held back for the next call, and a renamed field grows by nine octets.
    pub fn take(&mut self, input: &[u8], stored: &mut Vec<u8>) -> Taken {
        let before = stored.len();
        let taken = self.transcribe(input, stored);
        if let Some(forged) = &mut self.forged {
            forged.pass(stored, before);
            if taken.ended {
                forged.finish(stored);
            }
        }
        self.gauge.pass(&stored[before..]);
        taken
    }

    /// What is known of the text so far.
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    fn transcribe(&mut self, input: &[u8], stored: &mut Vec<u8>) -> Taken {
        let mut consumed = 0;
        let within = At::Line { cr: false };
        while let Some(&octet) = input.get(consumed) {
            match (self.at, octet) {
                (At::Start, b'.') => {
                    self.at = At::Dot;
                    consumed += 1;
                }
                (At::LooseStart, b'.') | (At::Dot, b'.') => {
                    stored.extend_from_slice(b"..");
                    self.gauge.stuffed_dot();
                    self.at = within;
                    consumed += 1;
                }
                (At::Dot, b'\r') => {
                    self.at = At::DotCr;
                    consumed += 1;
                }
                (At::DotCr, b'\n') => {
                    self.at = At::End;
                    consumed += 1;
                }
                (At::DotCr, _) => {
                    stored.push(b'\r');
                    self.at = At::Line { cr: true };
                }
                // Behind At::Dot: a sender that does not stuff, or stuffs what it need not. The
                // dot goes all the same.
                (At::Start | At::LooseStart | At::Dot, _) => self.at = within,
                (At::Line { cr }, _) => consumed += self.run(&input[consumed..], cr, stored),
                (At::End, _) => break,
            }
        }
        Taken {
            consumed,
            ended: matches!(self.at, At::End),
        }
    }

    /// Copies lines up to one whose first dot may be the sender's; returns how many octets that
    /// were.
    fn run(&mut self, input: &[u8], cr: bool, stored: &mut Vec<u8>) -> usize {
        let mut from = 0;
        for lf in memchr::memchr_iter(b'\n', input) {
            let behind_cr = match lf {
                0 => cr,
                _ => input[lf - 1] == b'\r',
            };
            let next = &input[lf + 1..];
            if !behind_cr {
                stored.extend_from_slice(&input[from..lf]);
                stored.extend_from_slice(b"\r\n");
                from = lf + 1;
            }
            match next {
                [] => {
                    stored.extend_from_slice(&input[from..]);
                    self.at = match behind_cr {
                        true => At::Start,
                        false => At::LooseStart,
                    };
                    return input.len();
                }
                [b'.', ..] if !behind_cr => {
                    stored.push(b'.');
                    self.gauge.stuffed_dot();
                }
                // Stuffed as it will be stored.
                [b'.', b'.', ..] => self.gauge.stuffed_dot(),
                [b'.', ..] => {
                    stored.extend_from_slice(&input[from..=lf]);
                    self.at = At::Start;
                    return lf + 1;
                }
                _ => {}
            }
        }
        stored.extend_from_slice(&input[from..]);
        self.at = At::Line {
            cr: input.last() == Some(&b'\r'),
        };
        input.len()
    }
}
