//! The texts of messages: from a number alone, so that whoever finds one knows what it must be.

use fastrand::Rng;

/// A text of the rig.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Letter {
    /// What distinguishes runs.
    pub(crate) seed: u64,
    /// Which one of this run.
    pub(crate) number: u32,
}

/// How a message came in, which decides on what stands before its text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// `restante deliver`: nothing.
    Pipe,
    /// LMTP: Return-Path, Delivered-To and Received.
    Lmtp,
}

const MARK: &str = "X-Rig: ";

/// Beyond 64 KiB a text has block checksums, beyond 256 KiB it is copied before its header.
const SIZES: [usize; 10] = [
    0, 100, 1000, 1000, 4000, 4000, 30_000, 70_000, 70_000, 300_000,
];

impl Letter {
    /// The text with CRLF line ends.
    pub(crate) fn plain(self) -> Vec<u8> {
        let mut dice = Rng::with_seed(self.seed ^ u64::from(self.number).rotate_left(32));
        let octets = dice.choice(SIZES).unwrap_or(0);
        let mut text = format!("{MARK}{} {}\r\n\r\n", self.seed, self.number).into_bytes();
        while text.len() < octets {
            match dice.u8(..20) {
                0 => text.extend_from_slice(b".\r\n"),
                1 => text.extend_from_slice(b"..dots\r\n"),
                2 => text.extend_from_slice(b"\xff\0 octets\r\n"),
                _ => {
                    let line = (0..dice.usize(8..70)).map(|_| dice.alphanumeric());
                    text.extend_from_slice(line.collect::<String>().as_bytes());
                    text.extend_from_slice(b"\r\n");
                }
            }
        }
        text
    }

    /// The text as it is stored and sent, without the terminator line.
    pub(crate) fn stuffed(self) -> Vec<u8> {
        stuff(&self.plain())
    }

    /// Which letter a stored message is.
    ///
    /// # Errors
    ///
    /// When it is none of this run, or an octet is not as it was delivered.
    pub(crate) fn recognise(stored: &[u8], seed: u64) -> Result<(Self, Way), String> {
        let (trace, text) = split(stored);
        let beginning = String::from_utf8_lossy(&stored[..stored.len().min(200)]).into_owned();
        let end = text.iter().position(|&octet| octet == b'\r');
        let number = end
            .and_then(|end| std::str::from_utf8(&text[..end]).ok())
            .and_then(|line| line.strip_prefix(MARK)?.strip_prefix(&format!("{seed} ")))
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| format!("no message of ours: {beginning:?}"))?;
        let way = match trace {
            [] => Way::Pipe,
            _ => Way::Lmtp,
        };
        let names = ["Return-Path: ", "Delivered-To: ", "Received: ", "\t"];
        let lines = trace.split_inclusive(|&octet| octet == b'\n');
        let whole = way == Way::Pipe
            || lines.clone().count() == names.len()
                && lines.zip(names).all(|(line, name)| {
                    line.starts_with(name.as_bytes()) && line.ends_with(b"\r\n")
                });
        if !whole {
            return Err(format!("wrong trace headers: {beginning:?}"));
        }
        let letter = Self { seed, number };
        let expected = letter.stuffed();
        if text == expected {
            return Ok((letter, way));
        }
        let differs = text.iter().zip(&expected).position(|(a, b)| a != b);
        let at = differs.unwrap_or_else(|| text.len().min(expected.len()));
        let (is, was) = (text.len(), expected.len());
        Err(format!(
            "message {number} has {is} octets of {was} and differs from octet {at} on"
        ))
    }
}

/// What stands before the text, and the text.
fn split(stored: &[u8]) -> (&[u8], &[u8]) {
    let mark = format!("\n{MARK}");
    let head = &stored[..stored.len().min(4096)];
    let found = head
        .windows(mark.len())
        .position(|window| window == mark.as_bytes());
    match found {
        Some(at) if !stored.starts_with(MARK.as_bytes()) => stored.split_at(at + 1),
        _ => (&[], stored),
    }
}

/// Puts a dot before each line that begins with one (RFC 1939 §3).
pub(crate) fn stuff(plain: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(plain.len() + plain.len() / 16);
    for line in plain.split_inclusive(|&octet| octet == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_recognised_and_a_changed_one_is_not() {
        let trace: &[u8] =
            b"Return-Path: <>\r\nDelivered-To: a\r\nReceived: b\r\n\tfor <a>; now\r\n";
        for number in 0..40 {
            let letter = Letter { seed: 9, number };
            let stored = letter.stuffed();
            assert_eq!(Letter::recognise(&stored, 9), Ok((letter, Way::Pipe)));
            let traced = [trace, &stored].concat();
            assert_eq!(Letter::recognise(&traced, 9), Ok((letter, Way::Lmtp)));
            assert!(Letter::recognise(&stored, 8).is_err());
            assert!(Letter::recognise(&traced[2..], 9).is_err());
            assert!(Letter::recognise(&stored[..stored.len() - 1], 9).is_err());
            for at in [0, stored.len() / 2, stored.len() - 1] {
                let mut changed = stored.clone();
                changed[at] ^= 1;
                assert!(Letter::recognise(&changed, 9).is_err(), "{number} at {at}");
            }
        }
    }
}
