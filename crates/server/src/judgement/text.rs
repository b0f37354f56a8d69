//! What the judge keeps of a message that goes by: its header, and the hashes of its body.
//!
//! The text is watched in the form in which it is stored, dot-stuffed with CRLF line ends, while it
//! is written. Only the header is kept, because signatures are over fields of it; the body is hashed
//! as it passes ([`BodyHash`]). So a message may be as large as it likes, and costs as much memory as
//! its header has octets. All headers together have [`HEADERS_OCTETS_MAX`], beyond a small part that
//! every message may have.

use std::sync::Arc;

use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Canonicalization;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::BodyHash;

/// One message on its way in. Made by [`super::Judge::text`], fed while the message is stored.
#[derive(Debug)]
pub struct Text {
    part: Part,
    /// The next octet begins a line, where a dot is stuffing.
    line_start: bool,
    header: Vec<u8>,
    room: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
    bodies: Bodies,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Header,
    Body,
    /// Nothing more is looked at.
    Lost(Lost),
}

/// Why there is no header to judge by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    /// It has more than [`HEADER_OCTETS_MAX`].
    TooLarge,
    /// Other messages had all the room at that time.
    NoRoom,
}

/// The hashes that the signatures ask for.
#[derive(Debug, Default)]
struct Bodies {
    relaxed: Option<BodyHash>,
    simple: Option<BodyHash>,
}

/// All that is left of a message when it has passed.
#[derive(Debug)]
pub(super) struct Passed {
    /// With its blank line; not stuffed.
    pub(super) header: Vec<u8>,
    /// None: no signature asks for it.
    pub(super) relaxed: Option<Vec<u8>>,
    pub(super) simple: Option<Vec<u8>>,
    /// Held for as long as the header is.
    _room: Option<OwnedSemaphorePermit>,
}

impl Text {
    pub(super) fn new(room: &Arc<Semaphore>) -> Self {
        Self {
            part: Part::Header,
            line_start: true,
            header: Vec::new(),
            room: Arc::clone(room),
            taken: None,
            bodies: Bodies::default(),
        }
    }

    /// Watches the next octets of the stored form, cut anywhere. What goes before the message, such
    /// as `Received`, is no part of it.
    pub fn take(&mut self, stored: &[u8]) {
        if matches!(self.part, Part::Lost(_)) {
            return;
        }
        let mut from = 0;
        if self.line_start && stored.first() == Some(&b'.') {
            from = 1;
        }
        for lf in memchr::memchr_iter(b'\n', stored) {
            // Every LF of the stored form ends a line.
            if stored.get(lf + 1) == Some(&b'.') {
                self.pass(&stored[from..=lf]);
                from = lf + 2;
            }
        }
        self.pass(&stored[from..]);
        if let Some(last) = stored.last() {
            self.line_start = *last == b'\n';
        }
    }

    /// The message has ended.
    pub(super) fn finish(mut self) -> Result<Passed, Lost> {
        if self.part == Part::Header {
            // A header and nothing else has an empty body.
            self.ask_for_bodies();
        }
        match self.part {
            Part::Lost(lost) => Err(lost),
            Part::Header | Part::Body => Ok(Passed {
                header: self.header,
                relaxed: self.bodies.relaxed.map(BodyHash::finish),
                simple: self.bodies.simple.map(BodyHash::finish),
                _room: self.taken,
            }),
        }
    }

    fn pass(&mut self, text: &[u8]) {
        let body = match self.part {
            Part::Header => self.pass_header(text),
            Part::Body => text,
            Part::Lost(_) => return,
        };
        let Bodies { relaxed, simple } = &mut self.bodies;
        for hash in [relaxed, simple].into_iter().flatten() {
            hash.take(body);
        }
    }

    /// Keeps what belongs to the header; returns what does not.
    fn pass_header<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let mut done = 0;
        while let Some(lf) = memchr::memchr(b'\n', &text[done..]) {
            let line = &text[done..=done + lf];
            let whole = self.header.last().is_none_or(|last| *last == b'\n');
            self.keep(line);
            done += lf + 1;
            let blank = match whole {
                true => line == b"\r\n",
                false => self.header.ends_with(b"\n\r\n") || self.header == b"\r\n",
            };
            if blank && self.part == Part::Header {
                self.part = Part::Body;
                self.ask_for_bodies();
                return &text[done..];
            }
        }
        self.keep(&text[done..]);
        &[]
    }

    fn keep(&mut self, octets: &[u8]) {
        if self.part != Part::Header {
            return;
        }
        let len = self.header.len() + octets.len();
        let lost = match len {
            len if len > HEADER_OCTETS_MAX => Some(Lost::TooLarge),
            len if !self.has_room(len) => Some(Lost::NoRoom),
            _ => None,
        };
        match lost {
            None => self.header.extend_from_slice(octets),
            Some(lost) => {
                self.header = Vec::new();
                self.taken = None;
                self.part = Part::Lost(lost);
            }
        }
    }

    /// Takes room for a long header, once and for the longest: one that grows need not ask twice.
    fn has_room(&mut self, len: usize) -> bool {
        if len > HEADER_OCTETS_FREE && self.taken.is_none() {
            let room = Arc::clone(&self.room);
            self.taken = room.try_acquire_owned().ok();
            return self.taken.is_some();
        }
        true
    }

    fn ask_for_bodies(&mut self) {
        let Some(message) = AuthenticatedMessage::parse(&self.header) else {
            return;
        };
        for header in message.dkim_headers.iter().map(|header| &header.header) {
            if header.a == Algorithm::RsaSha1 {
                continue;
            }
            let form = header.cb;
            let hash = match form {
                Canonicalization::Relaxed => &mut self.bodies.relaxed,
                Canonicalization::Simple => &mut self.bodies.simple,
            };
            hash.get_or_insert_with(|| BodyHash::new(form));
        }
    }
}

/// Places for long headers.
pub(super) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(HEADERS_OCTETS_MAX / HEADER_OCTETS_MAX))
}

/// Longest header that is judged. A kibibyte for each of a hundred `Received` and list fields, and
/// as much again; most have 5 to 20 KiB.
pub(super) const HEADER_OCTETS_MAX: usize = 256 << 10;

/// So much of a header every message may have, whatever the others have.
const HEADER_OCTETS_FREE: usize = 32 << 10;

/// Memory of all headers that are longer than that.
const HEADERS_OCTETS_MAX: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    const SIGNED: &str = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; \
        s=a; h=from; bh=AA==; b=AA==\r\n\
        DKIM-Signature: v=1; a=rsa-sha1; c=relaxed/relaxed; d=example.org; \
        s=a; h=from; bh=AA==; b=AA==\r\nFrom: a@example.org\r\n";

    fn passed(stored: &[u8], piece: usize) -> Result<Passed, Lost> {
        let mut text = Text::new(&room());
        stored.chunks(piece).for_each(|piece| text.take(piece));
        text.finish()
    }

    #[test]
    fn it_keeps_the_header_and_hashes_the_body_without_stuffing() {
        let stored = format!("{SIGNED}..odd: x\r\n\r\n..a\r\n\r\n.. \r\n");
        for piece in 1..stored.len() {
            let passed = passed(stored.as_bytes(), piece).unwrap();
            let header = format!("{SIGNED}.odd: x\r\n\r\n");
            assert_eq!(String::from_utf8(passed.header).unwrap(), header);
            let expected = Sha256::digest(b".a\r\n\r\n. \r\n").to_vec();
            assert_eq!(passed.simple, Some(expected), "pieces of {piece}");
            // That of the signature with SHA-1, which does not count.
            assert_eq!(passed.relaxed, None);
        }
    }

    #[test]
    fn a_message_may_have_no_body_and_no_header() {
        let empty = Sha256::digest(b"\r\n").to_vec();
        let only = passed(SIGNED.as_bytes(), 7).unwrap();
        assert_eq!(
            (only.header.len(), only.simple),
            (SIGNED.len(), Some(empty))
        );
        let none = passed(b"\r\nFrom: a@example.org\r\n", 1).unwrap();
        assert_eq!(none.header, b"\r\n");
    }

    #[test]
    fn a_header_has_an_end_to_its_memory() {
        let line = format!("X: {}\r\n", "x".repeat(1019));
        let fits = line.repeat(HEADER_OCTETS_MAX >> 10);
        assert!(passed(fits.as_bytes(), 4096).is_ok());
        let over = passed((fits + "\r\n").as_bytes(), 4096);
        assert_eq!(over.unwrap_err(), Lost::TooLarge);
    }

    #[test]
    fn all_headers_together_have_an_end_to_their_memory() {
        let room = room();
        let long = format!("X: {}\r\n", "x".repeat(HEADER_OCTETS_FREE));
        let places = HEADERS_OCTETS_MAX / HEADER_OCTETS_MAX;
        let mut texts: Vec<_> = (0..=places).map(|_| Text::new(&room)).collect();
        texts.iter_mut().for_each(|text| text.take(long.as_bytes()));
        let last = texts.pop().unwrap();
        assert_eq!(last.finish().unwrap_err(), Lost::NoRoom);
        assert!(texts.pop().unwrap().finish().is_ok());
        let mut next = Text::new(&room);
        next.take(long.as_bytes());
        assert!(next.finish().is_ok(), "there is a place again");
        // A short one needs no place.
        let mut short = Text::new(&Arc::new(Semaphore::new(0)));
        short.take(SIGNED.as_bytes());
        assert!(short.finish().is_ok());
    }
}
