//! Texts of messages: of all sizes that matter to the format, and such that imitate it.

use std::fmt;

use maildrop::{Measure, flags};
use restante_tests::random::Random;

/// A message as it is stored and retrieved, and what is known of it.
pub(crate) struct Text {
    /// Prefix and text; what a session must get back.
    pub(crate) whole: Vec<u8>,
    /// How much of it is the prefix.
    pub(crate) prefix: usize,
    /// Of the text alone.
    pub(crate) measure: Measure,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let imitates = match self.measure.flags & flags::NUL {
            0 => "",
            _ => ", imitates records",
        };
        write!(
            f,
            "{} octets ({} of prefix, {} dots{imitates})",
            self.whole.len(),
            self.prefix,
            self.measure.stuffed
        )
    }
}

/// Bodies up to this size have one checksum, longer ones one for each block.
const BLOCK: usize = 64 * 1024;
/// Drafts beyond this size are spilled.
const MEMORY_MAX: usize = 256 * 1024;

impl Text {
    /// A text of its own for each number; `file` are octets of the maildrop's file.
    pub(crate) fn new(random: &mut Random, number: usize, file: &[u8]) -> Self {
        let size = size(random);
        let mut text = Vec::with_capacity(size + 64);
        let mut stuffed = 0;
        text.extend_from_slice(format!("Subject: {number}\r\nTo: mrose\r\n\r\n").as_bytes());
        let mut header = text.len();
        let mut marks = 0;
        if size > 200 && random.once_in(8) {
            marks = flags::NUL;
            imitate(random, file, size, &mut text);
        }
        if size > 100 && random.once_in(4) {
            text.extend_from_slice(b"\r\n..\r\n...a line with dots\r\n");
            stuffed = 2;
        }
        let line = format!("this is message {number:9} of this life and goes on for some time\r\n");
        while text.len() < size {
            text.extend_from_slice(line.as_bytes());
        }
        if text.len() > size {
            text.truncate(size);
            // A cut line must not leave one dot of two.
            if size < 100 {
                stuffed = 0;
            }
        }
        header = header.min(text.len());
        let prefix: &[u8] = match random.once_in(3) {
            true => b"Return-Path: <>\r\n",
            false => b"",
        };
        Self {
            measure: Measure {
                octets: (text.len() - stuffed) as u64,
                stuffed: stuffed as u32,
                header_octets: header as u64,
                flags: marks,
            },
            prefix: prefix.len(),
            whole: [prefix, &text].concat(),
        }
    }

    /// A short and plain one.
    pub(crate) fn short(number: usize) -> Self {
        let whole = format!("Subject: {number}\r\n\r\n{number}\r\n").into_bytes();
        Self {
            measure: Measure {
                octets: whole.len() as u64,
                header_octets: (whole.len() - number.to_string().len() - 2) as u64,
                ..Measure::default()
            },
            prefix: 0,
            whole,
        }
    }

    /// The text without the prefix.
    pub(crate) fn text(&self) -> &[u8] {
        &self.whole[self.prefix..]
    }

    /// Octets as LIST shows them.
    pub(crate) fn octets(&self) -> u64 {
        self.prefix as u64 + self.measure.octets
    }

    /// What TOP gives: the header and so many lines.
    pub(crate) fn top(&self, lines: u64) -> &[u8] {
        let header = self.prefix + self.measure.header_octets as usize;
        let body = &self.whole[header..];
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        let end: usize = body
            .split_inclusive(|&octet| octet == b'\n')
            .take(lines)
            .map(<[u8]>::len)
            .sum();
        &self.whole[..header + end]
    }
}

fn size(random: &mut Random) -> usize {
    match random.below(64) {
        0..3 => 0,
        3..7 => random.below(40),
        7..44 => 60 + random.below(900),
        44..54 => 900 + random.below(6000),
        54..59 => BLOCK - 300 + random.below(600),
        59..61 => BLOCK + random.pick(&[0, 1, 2]) - 1,
        61..63 => 2 * BLOCK + random.below(3) - 1,
        _ if random.once_in(4) => MEMORY_MAX + random.pick(&[0, 1, 5000, 90_000]),
        _ => 300,
    }
}

/// Octets that look like records: made up, or real ones from elsewhere in the file.
fn imitate(random: &mut Random, file: &[u8], size: usize, text: &mut Vec<u8>) {
    // A record begins at a multiple of 8, and where this text will lie is not known.
    for _ in 0..random.below(8) {
        text.push(b' ');
    }
    if random.once_in(2) && file.len() > 4096 {
        let from = 4096 + random.below((file.len() - 4096) / 8 + 1) * 8;
        let to = file.len().min(from + size.min(6000));
        text.extend_from_slice(&file[from..to]);
        return;
    }
    let kind = random.pick(&[1_u8, 2, 3, 5]);
    while text.len() + 64 < size.min(4000) {
        let body = random.pick(&[0, 16, 64, 4096]) as u64;
        text.extend_from_slice(&0x4D53_5211_u32.to_le_bytes());
        text.extend_from_slice(&[kind, 0, 0, 0]);
        text.extend_from_slice(&body.to_le_bytes());
        for _ in 0..6 {
            let number = (random.below(20) as u64).to_le_bytes();
            text.extend_from_slice(&number);
        }
    }
}
