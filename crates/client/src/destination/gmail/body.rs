//! A request's body as HTTP asks for it, piece by piece, while the text is read from its spool on another thread.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::scope;

use crate::destination::{Form, Text};

/// What is read of a body: what comes before the text, the text, and what comes behind it.
pub(super) struct Body<'a> {
    head: &'a [u8],
    pieces: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    tail: &'a [u8],
    left: u64,
}

impl Body<'_> {
    /// Whether all of it has been taken: it may have arrived from then on.
    pub(super) fn is_taken(&self) -> bool {
        self.left == 0
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut octets = self.head.read(buffer)?;
        while octets == 0 && !buffer.is_empty() {
            octets = (&self.piece[self.at..]).read(buffer)?;
            self.at += octets;
            if octets > 0 {
                break;
            }
            match self.pieces.recv() {
                Ok(piece) => (self.piece, self.at) = (piece, 0),
                Err(_) => {
                    octets = self.tail.read(buffer)?;
                    break;
                }
            }
        }
        self.left = self.left.saturating_sub(octets as u64);
        Ok(octets)
    }
}

/// Why a text was not handed on to its end.
enum Unread {
    Spool(io::Error),
    /// Nobody wants more of it.
    Unwanted,
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Spool(error)
    }
}

/// Hands a body to `send`; no more than three pieces of the text are in memory at once.
///
/// # Errors
///
/// When the spool cannot be read: what was sent has no end then.
pub(super) fn with<T>(
    head: &[u8],
    text: &mut Text,
    tail: &[u8],
    send: impl FnOnce(&mut Body<'_>) -> T,
) -> io::Result<T> {
    let left = octets(head, text, tail);
    scope(|threads| {
        let (give, pieces) = sync_channel(1);
        let reading = threads.spawn(move || read(text, &give));
        let mut body = Body {
            head,
            pieces,
            piece: Vec::new(),
            at: 0,
            tail,
            left,
        };
        let sent = send(&mut body);
        drop(body);
        let read = reading
            .join()
            .map_err(|_| io::Error::other("a thread has died"))?;
        read.map(|()| sent)
    })
}

/// How long a body is.
pub(super) fn octets(head: &[u8], text: &Text, tail: &[u8]) -> u64 {
    head.len() as u64 + text.octets().0 + tail.len() as u64
}

fn read(text: &mut Text, give: &SyncSender<Vec<u8>>) -> io::Result<()> {
    let read = text.pieces(Form::Crlf, |piece| {
        give.send(piece.to_vec()).map_err(|_| Unread::Unwanted)
    });
    match read {
        Ok(()) | Err(Unread::Unwanted) => Ok(()),
        Err(Unread::Spool(error)) => Err(error),
    }
}
