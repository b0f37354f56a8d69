//! A corpus as files, for servers that are filled from a disk. Lines end with LF there, as local
//! programs expect.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::Corpus;
use crate::error::BenchError;

/// What is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// A directory of .eml files, as `restante maildrop import` reads it.
    Eml,
    /// A Maildir; all mail is in `new/`.
    Maildir,
    /// The same, with sizes in the names: `S=` as the file is, `W=` with CRLF line ends.
    MaildirSizes,
    /// One file in mbox format.
    Mbox,
}

/// Arrival of the first message in a Maildir's names, in seconds of the epoch.
const ARRIVAL: u64 = 1_700_000_000;

/// Writes the messages with numbers from 0 to `messages`.
///
/// # Errors
///
/// When the place exists already, or cannot be written.
pub fn write(
    corpus: &Corpus,
    messages: u64,
    format: Format,
    place: &Path,
    mut done: impl FnMut(u64),
) -> Result<(), BenchError> {
    let unwritten = |why| BenchError::Unwritten {
        place: place.to_owned(),
        why,
    };
    let mut mbox = match format {
        Format::Mbox => Some(BufWriter::new(File::create_new(place).map_err(unwritten)?)),
        Format::Eml => {
            fs::create_dir(place).map_err(unwritten)?;
            None
        }
        Format::Maildir | Format::MaildirSizes => {
            fs::create_dir(place).map_err(unwritten)?;
            for part in ["cur", "new", "tmp"] {
                fs::create_dir(place.join(part)).map_err(unwritten)?;
            }
            None
        }
    };
    for number in 0..messages {
        let message = corpus.message(number);
        let text = with_lf(&message);
        let name = file_name(number);
        match (&mut mbox, format) {
            (Some(mbox), _) => {
                // No line of a corpus begins with "From ".
                mbox.write_all(b"From sender@example.org Mon Nov 23 08:24:39 2026\n")
                    .and_then(|()| mbox.write_all(&text))
                    .and_then(|()| mbox.write_all(b"\n"))
            }
            (None, Format::Maildir) => fs::write(place.join("new").join(name), &text),
            (None, Format::MaildirSizes) => {
                let name = format!("{name},S={},W={}", text.len(), message.len());
                fs::write(place.join("new").join(name), &text)
            }
            (None, _) => fs::write(place.join(format!("{number:06}.eml")), &text),
        }
        .map_err(unwritten)?;
        done(number + 1);
    }
    match mbox {
        Some(mut mbox) => mbox.flush().map_err(unwritten),
        None => Ok(()),
    }
}

/// A name as a delivery agent makes it: seconds, microseconds, process, host. The microseconds are all
/// over the second, as they are in life; names that differ in less than that are hard on the hash of
/// file names that at least one server has.
fn file_name(number: u64) -> String {
    let seconds = ARRIVAL + number;
    let microseconds = number * 618_033 % 1_000_000;
    let process = 1000 + number % 30_011;
    format!("{seconds}.M{microseconds:06}P{process}.bench")
}

fn with_lf(message: &[u8]) -> Vec<u8> {
    let octets = message.iter().copied();
    octets.filter(|octet| *octet != b'\r').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Sizes;

    fn corpus() -> Corpus {
        Corpus::new("files", Sizes::fixed(700))
    }

    #[test]
    fn a_maildir_has_sizes_in_its_names() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("Maildir");
        write(&corpus(), 3, Format::MaildirSizes, &place, drop).unwrap();
        let mut files = 0;
        for entry in fs::read_dir(place.join("new")).unwrap() {
            let entry = entry.unwrap();
            let text = fs::read(entry.path()).unwrap();
            let lines = text.iter().filter(|octet| **octet == b'\n').count();
            let name = entry.file_name().into_string().unwrap();
            let sizes = format!(",S={},W={}", text.len(), text.len() + lines);
            assert!(name.ends_with(&sizes), "{name}");
            files += 1;
        }
        assert_eq!(files, 3);
        let again = write(&corpus(), 3, Format::MaildirSizes, &place, drop);
        assert!(matches!(again, Err(BenchError::Unwritten { .. })));
    }

    #[test]
    fn an_mbox_holds_them_one_after_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("mbox");
        let mut last = 0;
        write(&corpus(), 2, Format::Mbox, &place, |done| last = done).unwrap();
        assert_eq!(last, 2);
        let text = String::from_utf8(fs::read(&place).unwrap()).unwrap();
        let from = text.lines().filter(|line| line.starts_with("From "));
        assert_eq!(from.count(), 2);
        assert!(text.contains("\n\nFrom ") && !text.contains('\r'));
    }

    #[test]
    fn eml_files_are_numbered() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("mail");
        write(&corpus(), 2, Format::Eml, &place, drop).unwrap();
        let text = fs::read(place.join("000001.eml")).unwrap();
        assert_eq!(text, with_lf(&corpus().message(1)));
    }
}
