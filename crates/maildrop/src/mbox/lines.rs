//! The lines of a file, of any length, in a buffer of one size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// What can be read from any place.
pub trait ReadAt {
    /// Reads from an offset; fewer octets than there is room for only at the end.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match FileExt::read_at(self, &mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(octets) => read += octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).map_or(self.len(), |from| from.min(self.len()));
        let octets = buffer.len().min(self.len() - from);
        buffer[..octets].copy_from_slice(&self[from..from + octets]);
        Ok(octets)
    }
}

/// A line of a file.
pub(super) struct Line {
    /// Where it begins.
    pub(super) start: u64,
    /// Where the next one does.
    pub(super) end: u64,
    /// Its first octets without its end, at most [`HEAD_OCTETS_MAX`].
    pub(super) head: Vec<u8>,
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }
}

/// One line after the other.
pub(super) struct Lines<'a, S: ReadAt + ?Sized> {
    source: &'a S,
    buffer: Vec<u8>,
    /// What of the buffer has not been looked at.
    from: usize,
    to: usize,
    /// Where the next line begins.
    at: u64,
}

impl<'a, S: ReadAt + ?Sized> Lines<'a, S> {
    pub(super) fn new(source: &'a S) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER_OCTETS],
            from: 0,
            to: 0,
            at: 0,
        }
    }

    /// Goes on from another place.
    pub(super) fn seek(&mut self, at: u64) {
        let ahead = at
            .checked_sub(self.at)
            .and_then(|ahead| usize::try_from(ahead).ok());
        match ahead.filter(|&ahead| ahead <= self.to - self.from) {
            Some(ahead) => self.from += ahead,
            None => (self.from, self.to) = (0, 0),
        }
        self.at = at;
    }

    /// Where the next line begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next line; the last one may have no end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let start = self.at;
        let mut head = Vec::new();
        loop {
            if self.from == self.to {
                self.to = self.source.read_at(&mut self.buffer, self.at)?;
                self.from = 0;
                if self.to == 0 {
                    break;
                }
            }
            let rest = &self.buffer[self.from..self.to];
            let end = memchr::memchr(b'\n', rest);
            let octets = end.map_or(rest.len(), |end| end + 1);
            let room = HEAD_OCTETS_MAX - head.len();
            head.extend_from_slice(&rest[..octets.min(room)]);
            self.from += octets;
            self.at += octets as u64;
            if end.is_some() {
                break;
            }
        }
        if self.at == start {
            return Ok(None);
        }
        if head.last() == Some(&b'\n') {
            head.pop();
            if head.last() == Some(&b'\r') {
                head.pop();
            }
        }
        let end = self.at;
        Ok(Some(Line { start, end, head }))
    }
}

const BUFFER_OCTETS: usize = 64 << 10;

/// As much as a postmark or the name of a header field can have.
const HEAD_OCTETS_MAX: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_whatever_their_length() {
        let long = vec![b'x'; 3 * BUFFER_OCTETS + 7];
        let file = [b"a\r\n\n", &long[..], b"\nend"].concat();
        let mut lines = Lines::new(&file[..]);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.start, line.end, line.head.len()));
        }
        let long = long.len() as u64;
        assert_eq!(
            found,
            [
                (0, 3, 1),
                (3, 4, 0),
                (4, 5 + long, HEAD_OCTETS_MAX),
                (5 + long, 8 + long, 3)
            ]
        );
        lines.seek(3);
        assert!(lines.next().unwrap().is_some_and(|line| line.is_empty()));
    }
}
