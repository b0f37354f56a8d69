//! Surrogates: the header of an internationalised message for clients that have not said UTF8
//! (RFC 6856 §2.1).
//!
//! Such a client must not get a header with octets that are not ASCII. It gets one that says as much
//! of it as ASCII can (RFC 6858, the simplified one of the two ways to downgrade):
//!
//! | field | becomes |
//! |---|---|
//! | all in ASCII | itself, octet for octet |
//! | From, To, Cc and other lists of addresses | names in encoded words; an address that is not ASCII becomes one that is nobody's, and the name shows it |
//! | Content-Type, Content-Disposition | themselves, without the parameters that are not ASCII |
//! | Subject, Comments, Content-Description | encoded words (RFC 2047) |
//! | any other, and what is no field | nothing |
//!
//! What is not UTF-8 is `unknown-8bit` (RFC 1428 §3). Bodies stay as they are, with the headers of
//! the parts in them.
//!
//! ```
//! use pop3::surrogate;
//!
//! let header = "From: J\u{f6}rg <joerg@dobbs.org>\r\nSubject: na\u{ef}ve plan\r\nX-\u{e9}: 1\r\n\r\n";
//! assert_eq!(
//!     surrogate::header(header.as_bytes()),
//!     b"From: =?utf-8?Q?J=C3=B6rg?= <joerg@dobbs.org>\r\nSubject: =?utf-8?Q?na=C3=AFve?= plan\r\n\r\n"
//! );
//! ```

mod address;
mod encoded;
mod line;
mod parameter;
#[cfg(test)]
mod tests;

use memchr::memchr;

use crate::{Octets, wire};
use line::Line;

/// Longest header in octets, as it is stored, of which a surrogate is made. Larger ones are refused
/// with `[UTF8]`.
pub const HEADER_OCTETS_MAX: usize = 256 << 10;

/// Longest piece that cannot be folded; what is longer is encoded or left out, so that no line comes
/// near the 998 octets of RFC 5322 §2.1.1.
const UNFOLDED_OCTETS_MAX: usize = 800;

/// A surrogate of a header, ready to be sent in its place.
#[derive(Clone, Debug)]
pub struct Surrogate {
    wire: Vec<u8>,
    sizes: Sizes,
}

/// Octets of a header and of its surrogate, as LIST counts them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sizes {
    own: usize,
    surrogate: usize,
}

impl Surrogate {
    /// Of a header in stored form: dot-stuffed, up to and including the blank line. One that is not
    /// UTF-8 stands for itself.
    pub fn of_stored(stored: &[u8]) -> Self {
        let mut plain = Vec::with_capacity(stored.len());
        wire::unstuff(stored, &mut plain);
        // What is not UTF-8 is no internationalised message (RFC 6532 §3.2), but one of those that were
        // always sent as they came, in whatever character set.
        let surrogate = match str::from_utf8(&plain) {
            Ok(_) => header(&plain),
            Err(_) => plain.clone(),
        };
        let mut wire = Vec::with_capacity(surrogate.len());
        wire::stuff(&surrogate, &mut wire);
        Self {
            wire,
            sizes: Sizes {
                own: plain.len(),
                surrogate: surrogate.len(),
            },
        }
    }

    /// As it is sent: dot-stuffed.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// How large it is, and what it stands for.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }
}

impl Sizes {
    /// Size of a message with the surrogate, from its size with its own header.
    pub fn of_message(self, octets: Octets) -> Octets {
        let body = octets.0.saturating_sub(self.own as u64);
        Octets(body.saturating_add(self.surrogate as u64))
    }
}

/// The surrogate of a header that ends with its blank line, if it has one.
pub fn header(header: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(header.len());
    let mut rest = header;
    while !rest.is_empty() {
        let (field, after) = rest.split_at(field_octets(rest));
        match field.is_ascii() {
            true => out.extend_from_slice(field),
            false => rewrite(field, &mut out),
        }
        rest = after;
    }
    out
}

/// Octets of the first field: its line, and those after it that begin with white space.
fn field_octets(header: &[u8]) -> usize {
    let mut octets = 0;
    while let Some(end) = memchr(b'\n', &header[octets..]) {
        octets += end + 1;
        if !matches!(header.get(octets), Some(b' ' | b'\t')) {
            return octets;
        }
    }
    header.len()
}

/// Appends what is left of a field that is not ASCII.
fn rewrite(field: &[u8], out: &mut Vec<u8>) {
    let Some(colon) = memchr(b':', field) else {
        return;
    };
    let name = field[..colon].trim_ascii_end();
    let Some(content) = content(name) else {
        return;
    };
    let value = unfolded(&field[colon + 1..]);
    let mut line = Line::begin(name);
    match content {
        Content::Text => encoded::text(&value, &mut line),
        Content::Addresses => address::list(&value, &mut line),
        Content::Path => address::path(&value, &mut line),
        Content::Parameters => parameter::list(&value, &mut line),
    }
    line.end(out);
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Content {
    Text,
    Addresses,
    Path,
    Parameters,
}

fn content(name: &[u8]) -> Option<Content> {
    const FIELDS: [(&str, Content); 18] = [
        ("Subject", Content::Text),
        ("Comments", Content::Text),
        ("Content-Description", Content::Text),
        ("From", Content::Addresses),
        ("To", Content::Addresses),
        ("Cc", Content::Addresses),
        ("Bcc", Content::Addresses),
        ("Sender", Content::Addresses),
        ("Reply-To", Content::Addresses),
        ("Resent-From", Content::Addresses),
        ("Resent-To", Content::Addresses),
        ("Resent-Cc", Content::Addresses),
        ("Resent-Bcc", Content::Addresses),
        ("Resent-Sender", Content::Addresses),
        ("Resent-Reply-To", Content::Addresses),
        ("Return-Path", Content::Path),
        ("Content-Type", Content::Parameters),
        ("Content-Disposition", Content::Parameters),
    ];
    FIELDS
        .iter()
        .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
        .map(|&(_, content)| content)
}

/// The value on one line, without white space around it.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = value
        .iter()
        .copied()
        .filter(|octet| !matches!(octet, b'\r' | b'\n'))
        .collect();
    let end = octets.trim_ascii_end().len();
    octets.truncate(end);
    let start = octets.len() - octets.trim_ascii_start().len();
    octets.drain(..start);
    octets
}
