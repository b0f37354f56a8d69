//! A text as a client has room for it: shown in somebody else's buffer, and taken off only as far as it has left.
//!
//! Nothing is kept of what has not; it is read again when there is room.

use super::{PIECES, Text, Wire};
use crate::native::Peeked;
use crate::native::media::File;

/// Where a text is when all that was shown of it has left.
pub(super) struct Ahead {
    at: u64,
    wire: Wire,
    /// Octets from where the text is now.
    octets: usize,
}

/// Octets read at once: most messages. What was read is still in the processor's cache when it gets its line ends.
const PIECE: usize = 128 << 10;

impl<F: File> Text<F> {
    /// Whether [`Text::peek`] may ever show anything: not of a part, nor of what an mbox adds to.
    pub(crate) fn is_peekable(&self) -> bool {
        self.wire.is_whole() && self.shown.is_none() && !self.wire.is_over()
    }

    /// Octets of the text from where it is now, without taking them off it: as many as `room` has place for, and
    /// where in it they are. None when the page cache has not got the next ones, or the file has not, or when the text
    /// is not peekable; then [`Text::read`] goes on from here, and says why.
    pub(crate) fn peek(&mut self, room: &mut [u8]) -> Option<Peeked> {
        if !self.is_peekable() {
            return None;
        }
        PIECES.with_borrow_mut(|(piece, _)| {
            piece.resize(piece.len().max(PIECE), 0);
            self.pass_gone(piece, room)?;
            let (mut at, mut wire, mut made) = (self.at, self.wire.clone(), 0);
            while at < self.end && made < room.len() {
                let Some(read) = self.read_cached(piece, at, room.len() - made) else {
                    break;
                };
                let (taken, more) = wire.fill(read, &mut room[made..]);
                (at, made) = (at + taken as u64, made + more);
                if taken < read.len() {
                    break;
                }
            }
            if at == self.end
                && let Some(more) = wire.finish_in(&mut room[made..])
            {
                made += more;
            }
            let is_end = wire.is_over();
            self.ahead = Some(Ahead {
                at,
                wire,
                octets: made,
            });
            (made > self.gone || is_end).then_some(Peeked {
                octets: self.gone..made,
                is_end,
            })
        })
    }

    /// Takes so many of the octets that [`Text::peek`] has shown off the text.
    pub(crate) fn advance(&mut self, octets: usize) {
        self.gone += octets;
        if let Some(ahead) = self.ahead.take()
            && ahead.octets <= self.gone
        {
            (self.at, self.wire, self.gone) = (ahead.at, ahead.wire, 0);
        }
    }

    /// Goes on to what has not gone yet, but for an octet that is one of two. None: the page cache has not got it.
    fn pass_gone(&mut self, piece: &mut [u8], room: &mut [u8]) -> Option<()> {
        while self.gone > 0 && self.at < self.end {
            let most = self.gone.min(room.len());
            let read = self.read_cached(piece, self.at, most)?;
            let (taken, made) = self.wire.fill(read, &mut room[..most]);
            if made == 0 {
                break;
            }
            self.at += taken as u64;
            self.gone -= made;
        }
        Some(())
    }

    /// At most so many octets of the file, if the page cache has them.
    fn read_cached<'p>(&self, piece: &'p mut [u8], at: u64, most: usize) -> Option<&'p [u8]> {
        let left = usize::try_from(self.end - at).unwrap_or(usize::MAX);
        let want = left.min(most).min(PIECE);
        let read = self.file.read_cached(&mut piece[..want], at).ok()??;
        (read == want).then(|| &piece[..want])
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use pop3::{MessageNumber, Part};
    use proptest::prelude::*;

    use super::*;
    use crate::native::media::{Disk, RealDisk, RealFile};
    use crate::{Patience, Progress};

    fn text(octets: &[u8]) -> (tempfile::TempDir, Text<RealFile>) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), octets).unwrap();
        let file = RealDisk::existing(directory.path()).unwrap();
        let file = Arc::new(file.open("a").unwrap());
        let (number, end) = (MessageNumber::new(1).unwrap(), octets.len() as u64);
        (
            directory,
            Text::new(file, (0, end), None, number, Part::Whole),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// A client takes what it likes, and somebody may have to wait for the disk in between.
        #[test]
        fn however_little_a_client_takes_it_gets_the_text(
            octets in "([\r\n.a]{0,9}a{0,40}){0,5}",
            steps in proptest::collection::vec((4_usize..90, 0_usize..90, any::<bool>()), 1..6),
        ) {
            let mut expected = Vec::new();
            let mut wire = Wire::new(Part::Whole);
            wire.take(octets.as_bytes(), &mut expected);
            wire.finish(&mut expected);
            let (_directory, mut text) = text(octets.as_bytes());
            let (mut out, mut steps) = (Vec::new(), steps.into_iter().cycle());
            for _ in 0..1000 {
                let (room, take, is_read) = steps.next().unwrap();
                let mut room = vec![0; room];
                let peeked = text.peek(&mut room).filter(|_| !is_read);
                let Some(Peeked { octets, is_end }) = peeked else {
                    if text.read(&mut out, Patience::Wait).unwrap() == Progress::End {
                        break;
                    }
                    continue;
                };
                let shown = &room[octets];
                let taken = take.max(1).min(shown.len());
                out.extend_from_slice(&shown[..taken]);
                text.advance(taken);
                if is_end && taken == shown.len() {
                    break;
                }
            }
            prop_assert_eq!(out, expected);
            prop_assert_eq!(text.octets(), Some(wire.octets()));
        }
    }
}
