//! Messages as local programs keep them, on their way out: lines that end with LF, in a file or a part of one.

mod local;
mod peek;
mod wire;

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use pop3::{MessageNumber, Part};

use crate::error::TextError;
use crate::mbox::Shown;
use crate::native::media::File;
use crate::{Patience, Progress};

pub(crate) use local::Local;
pub(crate) use wire::Wire;

/// A part of a message, to be read chunk by chunk.
///
/// Of a chunk nothing is copied but from the page cache into a buffer that all sessions of a thread use, and
/// from there, with the line ends that it gets, into the output.
pub(crate) struct Text<F> {
    file: Arc<F>,
    number: MessageNumber,
    at: u64,
    end: u64,
    /// What an mbox adds to a message, which a client does not see.
    shown: Option<Shown>,
    wire: Wire,
    /// Octets that went out of those that come next.
    gone: usize,
    /// What the last look at the text has shown.
    ahead: Option<peek::Ahead>,
}

/// Octets read at once: in wire form at most twice as many.
const PIECE: usize = 32 * 1024;

thread_local! {
    static PIECES: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl<F: File> Text<F> {
    /// What lies between two offsets of a file; `shown`: as an mbox has it.
    pub(crate) fn new(
        file: Arc<F>,
        (at, end): (u64, u64),
        shown: Option<Shown>,
        number: MessageNumber,
        part: Part,
    ) -> Self {
        Self {
            file,
            number,
            at,
            end,
            shown,
            wire: Wire::new(part),
            gone: 0,
            ahead: None,
        }
    }

    /// Octets that went out so far, dots that were stuffed apart, if all of the message was asked for.
    pub(crate) fn octets(&self) -> Option<u64> {
        self.wire.is_whole().then(|| self.wire.octets())
    }

    /// Whether all of it went out.
    pub(crate) fn is_over(&self) -> bool {
        self.wire.is_over()
    }

    /// Appends the next chunk, at most 64 KiB.
    ///
    /// # Errors
    ///
    /// See [`TextError`]: `Damaged` where the file is shorter than it was.
    pub(crate) fn read(
        &mut self,
        out: &mut Vec<u8>,
        patience: Patience,
    ) -> Result<Progress, TextError> {
        if self.wire.is_over() {
            return Ok(Progress::End);
        }
        self.ahead = None;
        let start = out.len();
        PIECES.with_borrow_mut(|(piece, plain)| {
            piece.resize(piece.len().max(PIECE), 0);
            let want = usize::try_from(self.end - self.at).map_or(PIECE, |left| left.min(PIECE));
            let room = &mut piece[..want];
            let read = match patience {
                Patience::Wait => Some(self.file.read_at(room, self.at)),
                Patience::CacheOnly => self.file.read_cached(room, self.at).transpose(),
            };
            let Some(read) = read else {
                return Ok(Progress::Cold);
            };
            if read.map_err(TextError::Unavailable)? < want {
                return Err(TextError::Damaged {
                    number: self.number,
                    what: "its file has become shorter".into(),
                });
            }
            self.at += want as u64;
            let is_end = self.at == self.end;
            match &mut self.shown {
                None => self.wire.take(room, out),
                Some(shown) => {
                    plain.clear();
                    shown.take(room, plain);
                    self.wire.take(plain, out);
                }
            }
            if is_end {
                if let Some(shown) = self.shown.take() {
                    plain.clear();
                    shown.finish(plain);
                    self.wire.take(plain, out);
                }
                self.wire.finish(out);
            }
            let gone = self.gone.min(out.len() - start);
            out.drain(start..start + gone);
            self.gone -= gone;
            Ok(match self.wire.is_over() {
                true => Progress::End,
                false => Progress::More,
            })
        })
    }
}

/// Octets of a message in wire form, dots that are stuffed apart: as LIST says (RFC 1939 §11).
///
/// # Errors
///
/// What the system says; `UnexpectedEof` where the file is shorter than it was.
pub(crate) fn measure<F: File>(
    file: &F,
    (mut at, end): (u64, u64),
    mut shown: Option<Shown>,
) -> io::Result<Measured> {
    let (mut piece, mut plain, mut out) = (vec![0; PIECE], Vec::new(), Vec::new());
    let mut wire = Wire::new(Part::Whole);
    let mut header = Wire::new(Part::Top(0));
    let mut is_8bit = false;
    while at < end {
        let want = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
        if file.read_at(&mut piece[..want], at)? < want {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += want as u64;
        let text = match &mut shown {
            None => &piece[..want],
            Some(shown) => {
                plain.clear();
                shown.take(&piece[..want], &mut plain);
                &plain
            }
        };
        out.clear();
        wire.take(text, &mut out);
        if !header.is_over() {
            out.clear();
            header.take(text, &mut out);
            is_8bit = is_8bit || !out.is_ascii();
        }
    }
    if let Some(shown) = shown {
        plain.clear();
        shown.finish(&mut plain);
        wire.take(&plain, &mut out);
        if !header.is_over() {
            is_8bit = is_8bit || !plain.is_ascii();
        }
    }
    wire.finish(&mut out);
    Ok(Measured {
        octets: wire.octets(),
        internationalised: is_8bit,
    })
}

/// What a session must know of a message before anybody asks for its text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Measured {
    /// As LIST says.
    pub(crate) octets: u64,
    /// Whether there are octets ≥ 0x80 in the header (RFC 6856).
    pub(crate) internationalised: bool,
}
