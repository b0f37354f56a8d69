//! A message's text between the wire and its destinations: small ones in memory, the rest of large ones in a file without a name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use memchr::memchr;
use pop3::Octets;

/// So many octets of a text are kept in memory; what comes behind them goes to a file.
const FRONT_OCTETS: usize = 512 << 10;

/// Octets that are read from the file at once.
const PIECE_OCTETS: usize = 128 << 10;

/// How a destination wants a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// As it travels: CRLF, dot-stuffed, without the terminator line. For LMTP and SMTP.
    Wire,
    /// CRLF, nothing stuffed. For IMAP.
    Crlf,
    /// Lines end with LF. For files and commands.
    Local,
}

/// Where the rest of large texts is kept meanwhile.
#[derive(Clone, Debug)]
pub struct Spool(PathBuf);

impl Spool {
    /// In a directory, which must be there.
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }
}

/// A whole text, or one that is still coming.
#[derive(Debug)]
pub struct Text {
    spool: Spool,
    /// In wire form.
    front: Vec<u8>,
    rest: Option<File>,
    rest_octets: u64,
    /// Dots that are not part of the text.
    stuffed: u64,
    place: Place,
}

/// Where in a line of the wire form the next octet is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    LineStart,
    Inside,
    /// Behind a CR.
    Cr,
}

impl Text {
    /// One that begins.
    pub fn new(spool: &Spool) -> Self {
        Self {
            spool: spool.clone(),
            front: Vec::new(),
            rest: None,
            rest_octets: 0,
            stuffed: 0,
            place: Place::LineStart,
        }
    }

    /// A short one that is there already, in wire form.
    pub fn whole(spool: &Spool, wire: &[u8]) -> io::Result<Self> {
        let mut text = Self::new(spool);
        text.append(wire)?;
        Ok(text)
    }

    /// Begins anew; the memory is used again.
    pub fn clear(&mut self) {
        self.front.clear();
        // One large text must not cost its memory for ever.
        self.front.shrink_to(FRONT_OCTETS / 4);
        self.rest = None;
        self.rest_octets = 0;
        self.stuffed = 0;
        self.place = Place::LineStart;
    }

    /// Takes octets in wire form.
    ///
    /// # Errors
    ///
    /// When the spool cannot be written.
    pub fn append(&mut self, wire: &[u8]) -> io::Result<()> {
        self.count_stuffing(wire);
        let room = FRONT_OCTETS.saturating_sub(self.front.len());
        let (front, rest) = wire.split_at(room.min(wire.len()));
        self.front.extend_from_slice(front);
        if rest.is_empty() {
            return Ok(());
        }
        let file = match &mut self.rest {
            Some(file) => file,
            None => self.rest.insert(tempfile::tempfile_in(&self.spool.0)?),
        };
        file.write_all(rest)?;
        self.rest_octets += rest.len() as u64;
        Ok(())
    }

    fn count_stuffing(&mut self, wire: &[u8]) {
        let mut rest = wire;
        while let Some(&first) = rest.first() {
            match self.place {
                Place::LineStart => {
                    self.stuffed += u64::from(first == b'.');
                    self.place = Place::Inside;
                }
                Place::Cr if first == b'\n' => {
                    self.place = Place::LineStart;
                    rest = &rest[1..];
                }
                Place::Cr | Place::Inside => match memchr(b'\r', rest) {
                    Some(at) => {
                        self.place = Place::Cr;
                        rest = &rest[at + 1..];
                    }
                    None => {
                        self.place = Place::Inside;
                        rest = &[];
                    }
                },
            }
        }
    }

    /// The octets of the text, line ends counted as two, dots of the transfer not counted (as LIST should).
    pub fn octets(&self) -> Octets {
        Octets(self.wire_octets() - self.stuffed)
    }

    /// The octets of the wire form.
    pub fn wire_octets(&self) -> u64 {
        self.front.len() as u64 + self.rest_octets
    }

    /// What of the text is in memory, in wire form: all of a small one, the beginning of a large one.
    pub fn front(&self) -> &[u8] {
        &self.front
    }

    /// The header in wire form, with the line end of its last line and without the empty line, as far as it is in memory.
    pub fn header(&self) -> &[u8] {
        header_of(&self.front)
    }

    /// Hands on the whole text in pieces.
    ///
    /// # Errors
    ///
    /// What `take` says, or when the spool cannot be read.
    pub fn pieces<E: From<io::Error>>(
        &mut self,
        form: Form,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut shape = Shape::new(form);
        let mut shaped = Vec::new();
        shape.take(&self.front, &mut shaped, &mut take)?;
        if let Some(file) = &mut self.rest {
            file.seek(SeekFrom::Start(0))?;
            let mut piece = vec![0; PIECE_OCTETS];
            loop {
                let octets = file.read(&mut piece)?;
                if octets == 0 {
                    break;
                }
                shape.take(&piece[..octets], &mut shaped, &mut take)?;
            }
            file.seek(SeekFrom::End(0))?;
        }
        shape.end(&mut take)
    }

    /// The whole text in a file without a name, to be read from its beginning.
    ///
    /// # Errors
    ///
    /// When the spool cannot be read or written.
    pub fn file(&mut self, form: Form) -> io::Result<File> {
        let mut file = tempfile::tempfile_in(&self.spool.0)?;
        self.pieces(form, |piece| file.write_all(piece))?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// The header of a text in wire form: up to the empty line, without it.
pub fn header_of(text: &[u8]) -> &[u8] {
    if text.starts_with(b"\r\n") {
        return &[];
    }
    match memchr::memmem::find(text, b"\r\n\r\n") {
        Some(at) => &text[..at + 2],
        None => text,
    }
}

/// From the wire form to another.
struct Shape {
    form: Form,
    at_line_start: bool,
    /// A CR has been held back that may belong to a line end.
    cr: bool,
}

impl Shape {
    fn new(form: Form) -> Self {
        Self {
            form,
            at_line_start: true,
            cr: false,
        }
    }

    fn take<E>(
        &mut self,
        wire: &[u8],
        shaped: &mut Vec<u8>,
        take: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.form == Form::Wire {
            return match wire {
                [] => Ok(()),
                _ => take(wire),
            };
        }
        shaped.clear();
        shaped.reserve(wire.len() + 1);
        let mut rest = wire;
        while let Some(&first) = rest.first() {
            if self.cr {
                self.cr = false;
                if first == b'\n' {
                    shaped.extend_from_slice(match self.form {
                        Form::Local => b"\n",
                        Form::Wire | Form::Crlf => b"\r\n",
                    });
                    self.at_line_start = true;
                    rest = &rest[1..];
                } else {
                    shaped.push(b'\r');
                    self.at_line_start = false;
                }
                continue;
            }
            if std::mem::take(&mut self.at_line_start) && first == b'.' {
                rest = &rest[1..];
                continue;
            }
            match memchr(b'\r', rest) {
                Some(at) => {
                    shaped.extend_from_slice(&rest[..at]);
                    self.cr = true;
                    rest = &rest[at + 1..];
                }
                None => {
                    shaped.extend_from_slice(rest);
                    rest = &[];
                }
            }
        }
        match shaped.is_empty() {
            true => Ok(()),
            false => take(shaped),
        }
    }

    fn end<E>(&self, take: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self.cr {
            true => take(b"\r"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shaped(text: &mut Text, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        text.pieces(form, |piece| {
            out.extend_from_slice(piece);
            Ok::<(), io::Error>(())
        })
        .unwrap();
        out
    }

    #[test]
    fn each_destination_gets_its_form() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path());
        let wire = b"A: b\r\n\r\n..\r\nx\r.y\n.z\r\n...\r\n\r";
        let mut text = Text::whole(&spool, wire).unwrap();
        assert_eq!(text.octets(), Octets(wire.len() as u64 - 2));
        assert_eq!(text.header(), b"A: b\r\n");
        assert_eq!(shaped(&mut text, Form::Wire), wire);
        let crlf = b"A: b\r\n\r\n.\r\nx\r.y\n.z\r\n..\r\n\r";
        assert_eq!(shaped(&mut text, Form::Crlf), crlf);
        let local = b"A: b\n\n.\nx\r.y\n.z\n..\n\r";
        assert_eq!(shaped(&mut text, Form::Local), local);
    }

    #[test]
    fn a_large_text_goes_through_the_spool_and_its_memory_is_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut text = Text::new(&Spool::new(directory.path()));
        let line = b"..line of a large text\r\n";
        let lines = 3 * FRONT_OCTETS / line.len();
        for _ in 0..lines {
            text.append(line).unwrap();
        }
        assert_eq!(text.octets(), Octets((lines * (line.len() - 1)) as u64));
        assert_eq!(text.front().len(), FRONT_OCTETS);
        for _ in 0..2 {
            assert_eq!(
                shaped(&mut text, Form::Local),
                b".line of a large text\n".repeat(lines)
            );
        }
        let mut read = Vec::new();
        text.file(Form::Wire)
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert!(read == line.repeat(lines));
        text.clear();
        assert_eq!(text.octets(), Octets(0));
        assert!(text.front.capacity() < FRONT_OCTETS);
    }

    proptest! {
        /// Whatever comes, cut wherever, each form is what a look at the whole gives.
        #[test]
        fn cuts_make_no_difference(
            words in prop::collection::vec(prop::sample::select(vec!["\r\n", ".", "a", "\r", "\n", "\r\n."]), 0..60),
            sizes in prop::collection::vec(1usize..7, 1..9),
        ) {
            let wire: Vec<u8> = words.concat().into_bytes();
            let directory = tempfile::tempdir().unwrap();
            let mut text = Text::new(&Spool::new(directory.path()));
            let (mut rest, mut sizes) = (&wire[..], sizes.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                text.append(piece).unwrap();
                rest = behind;
            }
            let lines: Vec<Vec<u8>> = String::from_utf8(wire).unwrap()
                .split("\r\n")
                .map(|line| line.strip_prefix('.').unwrap_or(line).as_bytes().to_vec())
                .collect();
            prop_assert_eq!(shaped(&mut text, Form::Crlf), lines.join(&b"\r\n"[..]));
            prop_assert_eq!(shaped(&mut text, Form::Local), lines.join(&b"\n"[..]));
            prop_assert_eq!(text.octets().0 as usize, lines.join(&b"\r\n"[..]).len());
        }
    }
}
