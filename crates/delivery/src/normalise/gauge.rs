//! What is known of a text from the way it went by: octets, header, flags, hops.
//!
//! The gauge sees the stored form, in pieces. It looks at lines only until the header ends; of the
//! body it only counts, with vector instructions.

use maildrop::{Measure, flags};

/// The measuring of one text. Fed by the normalisers; read when the text has ended.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    stored: u64,
    stuffed: u64,
    carriage_returns: u64,
    line_feeds: u64,
    flags: u8,
    hops: u32,
    place: Place,
}

/// Where in the message the next octet is.
#[derive(Clone, Debug)]
enum Place {
    /// In the header, in a line that began so.
    Header(LineHead),
    /// Behind the blank line, which ended at this offset of the stored form.
    Body { header_octets: u64 },
}

impl Default for Place {
    fn default() -> Self {
        Self::Header(LineHead::default())
    }
}

impl Gauge {
    /// Counts a dot that the stored form has and the text has not.
    pub(super) fn stuffed_dot(&mut self) {
        self.stuffed += 1;
    }

    /// Looks at the next octets of the stored form.
    pub(super) fn pass(&mut self, stored: &[u8]) {
        let header = self.pass_header(stored);
        let (header, body) = stored.split_at(header);
        if !header.is_ascii() {
            self.flags |= flags::HEADER_8BIT;
        }
        if self.flags & flags::BODY_8BIT == 0 && !body.is_ascii() {
            self.flags |= flags::BODY_8BIT;
        }
        if self.flags & flags::NUL == 0 && memchr::memchr(0, stored).is_some() {
            self.flags |= flags::NUL;
        }
        self.carriage_returns += memchr::memchr_iter(b'\r', stored).count() as u64;
        self.line_feeds += memchr::memchr_iter(b'\n', stored).count() as u64;
        self.stored += stored.len() as u64;
    }

    /// Reads header lines; returns how many of the octets belong to the header.
    fn pass_header(&mut self, stored: &[u8]) -> usize {
        let mut done = 0;
        while let Place::Header(line) = &mut self.place {
            let rest = &stored[done..];
            let Some(lf) = memchr::memchr(b'\n', rest) else {
                line.push(rest);
                return stored.len();
            };
            line.push(&rest[..=lf]);
            done += lf + 1;
            if line.is_blank() {
                self.place = Place::Body {
                    header_octets: self.stored + done as u64,
                };
            } else {
                self.hops = self.hops.saturating_add(u32::from(line.is_received()));
                *line = LineHead::default();
            }
        }
        done
    }

    /// Octets so far as RFC 1939 §11 counts them: CRLF, not stuffed.
    pub fn octets(&self) -> u64 {
        self.stored - self.stuffed
    }

    /// Received fields in the header so far: one for each host that the message has passed
    /// (RFC 5321 §6.3 counts them to find loops).
    pub fn hops(&self) -> u32 {
        self.hops
    }

    /// Whether the text is larger than that; 0: there is no limit.
    pub fn is_over(&self, octets_max: u64) -> bool {
        // The stored form counts its stuffed dots in 32 bits; a text beyond that is too large for
        // any limit.
        (octets_max != 0 && self.octets() > octets_max) || u32::try_from(self.stuffed).is_err()
    }

    /// All that was found, once the text has ended.
    pub fn measure(&self) -> Measure {
        // Each LF of the stored form has its CR, so what CRs there are beyond that stand alone.
        let bare = match self.carriage_returns > self.line_feeds {
            true => flags::BARE_CR,
            false => 0,
        };
        Measure {
            octets: self.octets(),
            stuffed: u32::try_from(self.stuffed).unwrap_or(u32::MAX),
            header_octets: match self.place {
                Place::Header(_) => self.stored,
                Place::Body { header_octets } => header_octets,
            },
            flags: self.flags | bare,
        }
    }
}

/// The first octets of a header line, wherever the pieces were cut.
#[derive(Clone, Debug, Default)]
struct LineHead {
    octets: [u8; Self::OCTETS_MAX],
    len: usize,
}

impl LineHead {
    const RECEIVED: &'static [u8] = b"received";
    const OCTETS_MAX: usize = Self::RECEIVED.len() + 1;

    fn push(&mut self, octets: &[u8]) {
        let room = &mut self.octets[self.len..];
        let count = room.len().min(octets.len());
        room[..count].copy_from_slice(&octets[..count]);
        self.len += count;
    }

    fn is_blank(&self) -> bool {
        &self.octets[..self.len] == b"\r\n"
    }

    fn is_received(&self) -> bool {
        // White space before the colon is obsolete, not wrong (RFC 5322 §4.5).
        let (name, colon) = self.octets.split_at(Self::RECEIVED.len());
        name.eq_ignore_ascii_case(Self::RECEIVED) && matches!(colon, b":" | b" " | b"\t")
    }
}
