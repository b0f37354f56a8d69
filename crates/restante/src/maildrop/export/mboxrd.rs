//! One file of the mboxrd kind.
//!
//! A message is a line `From sender date` (the date as asctime writes it, in UTC), the text with
//! `From ` lines quoted, and a blank line. The file has another name until it is whole and
//! durable; what was there under the wanted name is never replaced.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::lines::{Lines, Quoting};
use crate::date;

/// The mbox that is being written.
#[derive(Debug)]
pub(super) struct Mbox {
    file: NamedTempFile,
    path: PathBuf,
    /// Octets of the messages that are whole.
    whole: u64,
}

impl Mbox {
    /// Begins a file that shall be called so.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something of that name; what the file system says.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Only the owner may read it: tempfile sees to that.
        let file = tempfile::Builder::new()
            .prefix(".restante-export-")
            .tempfile_in(above(path))
            .map_err(without_path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            whole: 0,
        })
    }

    /// Begins a message.
    pub(super) fn message(
        &mut self,
        sender: Option<&[u8]>,
        received: SystemTime,
    ) -> io::Result<Lines> {
        self.write(&from_line(sender, received))?;
        Ok(Lines::new(Quoting::Mboxrd))
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    /// Ends a message.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.write(b"\n")?;
        self.whole = self.file.stream_position()?;
        Ok(())
    }

    /// Takes a message back that turned out to be damaged.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        self.file.as_file().set_len(self.whole)?;
        self.file.seek(SeekFrom::Start(self.whole)).map(drop)
    }

    /// Makes the file durable and gives it its name.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file
            .persist_noclobber(&self.path)
            .map_err(|error| error.error)?;
        File::open(above(&self.path))?.sync_all()
    }
}

/// An error of tempfile without the temporary name, which says nothing to anybody.
fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((what, _)) => io::Error::new(error.kind(), what.to_owned()),
        None => error,
    }
}

/// The directory that a path lies in.
pub(super) fn above(path: &Path) -> &Path {
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    }
}

fn from_line(sender: Option<&[u8]>, received: SystemTime) -> Vec<u8> {
    let mut line = b"From ".to_vec();
    match sender.filter(|sender| !sender.is_empty()) {
        // Readers take the first word for the sender; a local part may have spaces in quotes.
        Some(sender) => line.extend(sender.iter().map(|&octet| match octet {
            0..=b' ' | 0x7f => b'_',
            other => other,
        })),
        None => line.extend_from_slice(b"MAILER-DAEMON"),
    }
    line.push(b' ');
    line.extend_from_slice(date::asctime(received).as_bytes());
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::*;

    /// Reads mboxrd as its definition says: a message begins at a line `From ` at the beginning
    /// or after a blank line, which belongs to the message before; one `>` goes.
    fn read(mbox: &[u8]) -> Vec<Vec<u8>> {
        let mut messages: Vec<Vec<u8>> = Vec::new();
        for line in mbox.split_inclusive(|&octet| octet == b'\n') {
            if line.starts_with(b"From ") {
                if let Some(last) = messages.last_mut() {
                    assert_eq!(last.pop(), Some(b'\n'));
                }
                messages.push(Vec::new());
                continue;
            }
            let unquoted = line.iter().skip_while(|&&octet| octet == b'>');
            let quoted =
                line.starts_with(b">") && unquoted.copied().take(5).collect::<Vec<_>>() == b"From ";
            let message = messages.last_mut().expect("it begins with a From line");
            message.extend_from_slice(&line[usize::from(quoted)..]);
        }
        if let Some(last) = messages.last_mut() {
            assert_eq!(last.pop(), Some(b'\n'));
        }
        messages
    }

    #[test]
    fn the_line_between_messages() {
        let received = UNIX_EPOCH + Duration::from_secs(1_795_422_279);
        for (sender, expected) in [
            (Some(&b"bob@dobbs.org"[..]), "bob@dobbs.org"),
            (Some(b"\"a b\tc\"@x\n"), "\"a_b_c\"@x_"),
            (Some(b""), "MAILER-DAEMON"),
            (None, "MAILER-DAEMON"),
        ] {
            let line = String::from_utf8(from_line(sender, received)).unwrap();
            assert_eq!(line, format!("From {expected} Mon Nov 23 08:24:39 2026\n"));
        }
    }

    proptest! {
        #[test]
        fn messages_come_back(texts in prop::collection::vec("([>From \\r.a]{0,9}\\r\\n){0,6}", 0..5)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("mbox");
            let mut mbox = Mbox::begin(&path).unwrap();
            for text in &texts {
                // A damaged one before each leaves nothing behind.
                for (piece, damaged) in [(3, true), (7, false)] {
                    let mut lines = mbox.message(None, UNIX_EPOCH).unwrap();
                    let mut out = Vec::new();
                    for piece in text.as_bytes().chunks(piece) {
                        lines.take(piece, &mut out);
                    }
                    lines.finish(&mut out);
                    mbox.write(&out).unwrap();
                    match damaged {
                        true => mbox.take_back().unwrap(),
                        false => mbox.end().unwrap(),
                    }
                }
            }
            mbox.finish().unwrap();
            let expected: Vec<Vec<u8>> = texts
                .iter()
                .map(|text| {
                    let (mut lines, mut out) = (Lines::new(Quoting::None), Vec::new());
                    lines.take(text.as_bytes(), &mut out);
                    lines.finish(&mut out);
                    out
                })
                .collect();
            prop_assert_eq!(read(&fs::read(&path).unwrap()), expected);
            prop_assert!(Mbox::begin(&path).is_err());
        }
    }
}
