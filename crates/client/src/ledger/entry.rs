//! What is known of one message.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use pop3::surrogate;
use sha2::{Digest as _, Sha256};

use crate::hex::Hex;

/// What is known of one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// What has become of it.
    pub fate: Fate,
    /// Since when it is known, in seconds since 1970.
    pub at: i64,
    /// Its octets, as LIST said when it was fetched; none if it was not fetched here.
    pub octets: Option<u64>,
    /// What its text holds.
    pub content: Option<Content>,
    /// That of the lines by which people know it.
    pub print: Option<Print>,
    /// Since when the server does not list it, in seconds since 1970.
    pub absent: Option<i64>,
}

impl Entry {
    /// One of which nothing else is known.
    pub fn new(fate: Fate, at: i64) -> Self {
        Self {
            fate,
            at,
            octets: None,
            content: None,
            print: None,
            absent: None,
        }
    }

    /// Whether it was fetched here, under this key or under one that the server gave it before.
    pub fn was_fetched(&self) -> bool {
        self.fate == Fate::Delivered || (self.fate == Fate::Seen && self.octets.is_some())
    }
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is where it should be.
    Delivered,
    /// It was not fetched, and shall count as if it had been: another program has, or its owner said so.
    Seen,
    /// A rule says that it stays where it is.
    Skipped,
    /// It is larger than what shall be fetched.
    TooLarge,
    /// A destination will not have it; it stays on the server.
    Refused,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Delivered,
        Self::Seen,
        Self::Skipped,
        Self::TooLarge,
        Self::Refused,
    ];

    /// As the ledger writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Seen => "seen",
            Self::Skipped => "skipped",
            Self::TooLarge => "too-large",
            Self::Refused => "refused",
        }
    }

    /// Whether the owner has what the message says, so that it may be deleted from the server.
    pub fn is_had(self) -> bool {
        matches!(self, Self::Delivered | Self::Seen)
    }
}

/// What a text holds: the first 12 octets of the SHA-256 of its header in wire form, and the CRC-32C of all of it. It tells messages apart that
/// are there; whoever writes messages can make two whose bodies have the same, so nothing is deleted for it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Content(pub [u8; 16]);

/// The first 8 octets of the SHA-256 of those header lines that no program on the way changes: Date, From, To, Subject, Message-ID.
/// Whoever has fetched the message has them as well, whatever it has put before them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Print(pub [u8; 8]);

impl Content {
    /// That of a text with this header and this checksum.
    pub fn of(header: &[u8], checksum: u32) -> Self {
        let digest: [u8; 32] = Sha256::digest(header).into();
        let mut content = [0; 16];
        content[..12].copy_from_slice(&digest[..12]);
        content[12..].copy_from_slice(&checksum.to_be_bytes());
        Self(content)
    }
}

impl Print {
    /// That of a header, with lines that end with LF or CRLF; none if it has none of those lines.
    pub fn of(header: &[u8]) -> Option<Self> {
        const NAMES: [&[u8]; 5] = [b"date:", b"from:", b"to:", b"subject:", b"message-id:"];
        let mut fields: [Option<Vec<u8>>; NAMES.len()] = Default::default();
        let mut inside = None;
        let header = in_ascii(header);
        for line in header.split(|&octet| octet == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // Stuffing is of the wire, not of the message.
            let line = match line {
                [b'.', b'.', ..] => &line[1..],
                line => line,
            };
            if line.is_empty() {
                break;
            }
            let is_first = !line.starts_with(b" ") && !line.starts_with(b"\t");
            if is_first {
                let named = |name: &[u8]| {
                    let start = line.get(..name.len());
                    start.is_some_and(|start| start.eq_ignore_ascii_case(name))
                };
                // The second Subject of a message may be of a program on the way.
                inside = NAMES.iter().position(|name| named(name));
                inside = inside.filter(|&place| fields[place].is_none());
            }
            if let Some(place) = inside {
                // Programs fold lines anew.
                let value = match is_first {
                    true => &line[NAMES[place].len()..],
                    false => line,
                };
                let letters = value.iter().filter(|octet| !octet.is_ascii_whitespace());
                fields[place].get_or_insert_default().extend(letters);
            }
        }
        if fields.iter().all(Option::is_none) {
            return None;
        }
        let mut hash = Sha256::new();
        for field in &fields {
            let field = field.as_deref().unwrap_or_default();
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Some(Self(first))
    }
}

/// A header as it comes to whoever has not said UTF8, for a session may say it and the next one not; one that is not UTF-8 as it is.
fn in_ascii(header: &[u8]) -> Cow<'_, [u8]> {
    let ends = |ending: &[u8]| memmem::find(header, ending).map(|at| at + 1);
    let ends = [ends(b"\n\r\n"), ends(b"\n\n")].into_iter().flatten().min();
    let header = &header[..ends.unwrap_or(header.len())];
    // A server makes none of a longer one.
    let is_long = header.len() > surrogate::HEADER_OCTETS_MAX;
    match str::from_utf8(header) {
        Ok(text) if !text.is_ascii() && !is_long => {
            let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
            Cow::Owned(surrogate::header(lines.as_bytes()))
        }
        _ => Cow::Borrowed(header),
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_is_the_same_whatever_programs_put_before_it() {
        let sent =
            b"From: a@example.org\r\nSubject: tea\r\n at five\r\nDate: today\r\n\r\nbody\r\n";
        let kept =
            b"Received: by pop\nDelivered-To: bob\nfrom: a@example.org\nSubject: tea at\n\tfive\n\
              X-Mine: 1\nDate:today\nSubject: [spam]\n";
        let print = Print::of(sent);
        assert!(print.is_some());
        assert_eq!(print, Print::of(kept));
        assert_ne!(print, Print::of(b"From: b@example.org\r\n"));
        assert_ne!(
            Print::of(b"From: ab\nTo: c\n"),
            Print::of(b"From: a\nTo: bc\n")
        );
        assert_eq!(Print::of(b"X-Nothing: known\r\n\r\nFrom: body\r\n"), None);
    }

    #[test]
    fn a_print_is_the_same_whether_utf8_was_said_or_not() {
        let own = "From: J\u{f6}rg <joerg@example.org>\r\nTo: \u{e4}@example.org\r\nSubject: na\u{ef}ve\r\n plan\r\nX-\u{e9}: 1\r\n";
        let surrogate = surrogate::header(own.as_bytes());
        assert!(surrogate.is_ascii());
        let print = Print::of(own.as_bytes());
        assert_eq!(print, Print::of(&surrogate));
        let local = own.replace("\r\n", "\n") + "\nbody \u{e4}\n";
        assert_eq!(print, Print::of(local.as_bytes()));
        let latin = |subject: &[u8]| Print::of(&[b"Subject: ", subject, b"\r\n"].concat());
        assert_ne!(latin(b"\xe4"), latin(b"\xf6"));
        assert_ne!(latin("\u{e4}".as_bytes()), latin("\u{f6}".as_bytes()));
    }
}
