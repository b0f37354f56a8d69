//! Messages of a corpus in the form in which they travel, one after the other, and cheaply.
//!
//! To make a message takes as long as a fast server needs to take it, and whoever waits for its answer
//! before he makes the next one would measure both. So bodies are made before the clock runs, and come
//! again; number, header and stamp are new each time, hence the checksum of each message is.

use std::io::Write as _;

use super::{Corpus, FIELD, Stamp};

/// Bodies that are made; fewer if they have this size together.
const BODIES_MAX: u64 = 256;
const OCTETS_MAX: usize = 64 << 20;

pub(crate) struct Series {
    corpus: Corpus,
    bodies: Vec<Body>,
}

struct Body {
    /// Dot-stuffed, without a terminator.
    wire: Vec<u8>,
    /// Its checksum.
    checksum: u32,
    /// Before stuffing.
    octets: u64,
}

impl Series {
    /// The first so many messages of a corpus, and no end of them if it is more than are made.
    pub(crate) fn new(corpus: Corpus, messages: u64) -> Self {
        let (mut bodies, mut octets) = (Vec::new(), 0);
        for number in 0..messages.clamp(1, BODIES_MAX) {
            let body = corpus.body(number);
            let mut wire = Vec::with_capacity(body.len() + body.len() / 64);
            pop3::wire::stuff(&body, &mut wire);
            octets += wire.len();
            bodies.push(Body {
                checksum: crc32c::crc32c(&wire),
                octets: body.len() as u64,
                wire,
            });
            if octets >= OCTETS_MAX {
                break;
            }
        }
        Self { corpus, bodies }
    }

    /// Puts a message into the buffer in place of what is there, dot-stuffed and without a terminator;
    /// how many octets it has before stuffing.
    pub(crate) fn write(&self, number: u64, wire: &mut Vec<u8>) -> u64 {
        let index = usize::try_from(number % self.bodies.len() as u64).unwrap_or(0);
        let (header, body) = (self.corpus.header(number), &self.bodies[index]);
        let checksum = crc32c::crc32c(&header);
        let stamp = Stamp {
            name: self.corpus.name.clone(),
            number,
            header: header.len() as u64,
            body: body.octets,
            checksum: crc32c::crc32c_combine(checksum, body.checksum, body.wire.len()),
        };
        wire.clear();
        write!(wire, "{FIELD}: {stamp}\r\n").expect("a Vec takes all octets");
        wire.extend_from_slice(&header);
        wire.extend_from_slice(b"\r\n");
        let head = wire.len() as u64;
        wire.extend_from_slice(&body.wire);
        head + body.octets
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;
    use super::*;

    #[test]
    fn a_series_begins_as_its_corpus_and_no_message_comes_twice() {
        let corpus = Corpus::new("x", Sizes::log_normal(2000, 8000));
        let series = Series::new(corpus.clone(), u64::MAX);
        let mut wire = Vec::new();
        for number in 0..BODIES_MAX {
            let octets = series.write(number, &mut wire);
            let mut text = Vec::new();
            pop3::wire::unstuff(&wire, &mut text);
            assert_eq!(text, corpus.message(number));
            assert_eq!(octets, text.len() as u64);
        }
        let first = wire.clone();
        series.write(2 * BODIES_MAX - 1, &mut wire);
        assert_ne!(wire, first);
        let mut inspector = crate::verify::Inspector::of_unknown();
        inspector.see(&wire).unwrap();
        let mut text = Vec::new();
        pop3::wire::unstuff(&wire, &mut text);
        let (_, stamp) = inspector.end(pop3::Octets(text.len() as u64)).unwrap();
        assert_eq!(stamp.unwrap().number, 2 * BODIES_MAX - 1);
    }
}
