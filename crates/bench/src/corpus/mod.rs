//! Generated mail: the same octets at every run for the same name and sizes.
//!
//! Each message carries a stamp by which it can be verified wherever it is read. What is in it is what
//! makes work for a server: a header of the usual size, lines that begin with dots, and text in lines
//! of 76, as attachments are.

mod files;
mod series;

use fastrand::Rng;

pub use files::{Format, write};
pub(crate) use series::Series;

use crate::verify::{FIELD, Stamp};

/// How large messages are, in octets with CRLF line ends; about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    median: u64,
    mean: u64,
}

/// Larger messages are not made, whatever the distribution says: most servers refuse them.
const OCTETS_MAX: u64 = 32 << 20;

/// Letters of base 64; a line of them, as RFC 2045 §6.8 has it.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LINE: usize = 76;

/// Lines that are wrong to a server or a client that does not stuff dots.
const DOTS: &[u8] = b"Some lines begin with a dot:\r\n.\r\n..\r\n.dot\r\n...\r\n \r\n";

impl Sizes {
    /// All of one size.
    pub fn fixed(octets: u64) -> Self {
        Self {
            median: octets,
            mean: octets,
        }
    }

    /// Log-normal, as mail is: many small messages and a few large ones. The mean is no less than
    /// the median.
    pub fn log_normal(median: u64, mean: u64) -> Self {
        Self {
            median,
            mean: mean.max(median),
        }
    }

    fn draw(self, random: &mut Rng) -> u64 {
        if self.median == self.mean {
            return self.median;
        }
        let deviation = (2.0 * (self.mean as f64 / self.median.max(1) as f64).ln()).sqrt();
        // Box and Muller; 1 - x, for the logarithm of 0 is none.
        let (radius, angle) = (1.0 - random.f64(), random.f64());
        let normal = (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        let octets = self.median as f64 * (deviation * normal).exp();
        (octets as u64).clamp(1, OCTETS_MAX)
    }
}

/// A set of messages, by number.
#[derive(Clone, Debug)]
pub struct Corpus {
    name: String,
    sizes: Sizes,
}

impl Corpus {
    /// A corpus; its name has no white space and is part of what the octets are made from.
    pub fn new(name: &str, sizes: Sizes) -> Self {
        Self {
            name: name.split_ascii_whitespace().collect(),
            sizes,
        }
    }

    /// A message with CRLF line ends, not dot-stuffed.
    pub fn message(&self, number: u64) -> Vec<u8> {
        let (header, body) = (self.header(number), self.body(number));
        let stamp = Stamp {
            name: self.name.clone(),
            number,
            header: header.len() as u64,
            body: body.len() as u64,
            checksum: checksum(&header, &body),
        };
        let mut message = format!("{FIELD}: {stamp}\r\n").into_bytes();
        message.extend_from_slice(&header);
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(&body);
        message
    }

    fn body(&self, number: u64) -> Vec<u8> {
        let seed = crc32c::crc32c(self.name.as_bytes());
        let mut random = Rng::with_seed((u64::from(seed) << 32) ^ number);
        let octets = usize::try_from(self.sizes.draw(&mut random)).unwrap_or(usize::MAX);
        let mut body = DOTS.to_vec();
        // Of the stamp about 80 octets are not counted here.
        let length = octets.saturating_sub(self.header(number).len() + body.len() + 82);
        letters(length, &mut random, &mut body);
        body
    }

    fn header(&self, number: u64) -> Vec<u8> {
        format!(
            "Date: Mon, 23 Nov 2026 08:24:39 +0000\r\n\
             From: sender{} <sender{}@example.org>\r\n\
             To: owner@example.org\r\n\
             Subject: message {number} of {}\r\n\
             Message-ID: <{number}.{}@example.org>\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n",
            number % 97,
            number % 97,
            self.name,
            self.name
        )
        .into_bytes()
    }
}

/// Appends so many octets of letters in lines, the line ends among them.
fn letters(octets: usize, random: &mut Rng, out: &mut Vec<u8>) {
    let end = out.len() + octets;
    while out.len() + 2 < end {
        let length = (end - out.len() - 2).min(LINE);
        let mut bits = 0_u64;
        for at in 0..length {
            // Ten letters of six bits come out of each number.
            if at % 10 == 0 {
                bits = random.u64(..);
            }
            out.push(LETTERS[usize::try_from(bits & 63).unwrap_or(0)]);
            bits >>= 6;
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// CRC-32C of header and body as they travel.
fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut wire = Vec::with_capacity(body.len() + 16);
    pop3::wire::stuff(body, &mut wire);
    crc32c::crc32c_append(crc32c::crc32c(header), &wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_is_the_same_at_every_run() {
        let corpus = Corpus::new("x", Sizes::log_normal(2000, 8000));
        for number in 0..50 {
            let message = corpus.message(number);
            assert_eq!(message, corpus.message(number));
            assert_ne!(message, corpus.message(number + 1));
            let lines: Vec<&[u8]> = message.split_inclusive(|octet| *octet == b'\n').collect();
            assert!(
                lines
                    .iter()
                    .all(|line| line.ends_with(b"\r\n") && line.len() <= 200)
            );
            assert_eq!(memchr::memchr_iter(b'\r', &message).count(), lines.len());
        }
    }

    #[test]
    fn sizes_are_about_what_was_asked_for() {
        let fixed = Corpus::new("f", Sizes::fixed(4096));
        for number in [0, 9, 123_456] {
            let octets = fixed.message(number).len();
            assert!((4060..=4110).contains(&octets), "{octets}");
        }
        let sizes = Sizes::log_normal(20 << 10, 75 << 10);
        let mut random = Rng::with_seed(1);
        let mut drawn: Vec<u64> = (0..20_000).map(|_| sizes.draw(&mut random)).collect();
        drawn.sort_unstable();
        let (median, mean) = (drawn[10_000], drawn.iter().sum::<u64>() / 20_000);
        assert!((18 << 10..22 << 10).contains(&median), "{median}");
        assert!((60 << 10..90 << 10).contains(&mean), "{mean}");
    }
}
