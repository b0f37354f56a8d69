//! The mail that is in a Maildir or an mbox: known by the names of our own files, and by what headers say.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use client::destination::digits_of;
use client::ledger::Print;
use maildrop::mbox::{self, IndexError, ReadAt, Shown, Variant};

use crate::failure::{Code, Failure};
use crate::output;

/// So much of a message is looked at; longer headers there are hardly any.
const HEAD_OCTETS_MAX: u64 = 256 << 10;

/// Folders are not followed any deeper: somebody's links could lead round in circles.
const DEPTH_MAX: usize = 16;

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Our own files, by their 40 digits, and what their headers say.
    pub(super) names: HashMap<String, Option<Print>>,
    /// What the headers of all messages say.
    pub(super) prints: HashSet<Print>,
    pub(super) messages: u64,
}

impl Present {
    /// Looks through a Maildir with all its folders, or an mbox.
    ///
    /// # Errors
    ///
    /// When it is none, or cannot be read.
    pub(super) fn look(&mut self, path: &Path) -> Result<(), Failure> {
        let is_directory = path.is_dir();
        let before = self.messages;
        let looked = match is_directory {
            true => self.directory(path, 0),
            false => self.mbox(path),
        };
        match looked {
            Ok(true) => Ok(()),
            Ok(false) if self.messages > before => Ok(()),
            Ok(false) => Err(none(path, "has no new/ and cur/, nor folders that have")),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(none(path, &error.to_string()))
            }
            Err(error) => Err(
                Failure::new(Code::NoInput, output::unreadable(path, &error))
                    .remedy("name a Maildir or an mbox file that can be read"),
            ),
        }
    }

    /// Whether it is a Maildir, or holds one.
    fn directory(&mut self, directory: &Path, depth: usize) -> io::Result<bool> {
        let mut is_maildir = false;
        for part in ["new", "cur"] {
            match fs::read_dir(directory.join(part)) {
                Ok(entries) => {
                    is_maildir = true;
                    for entry in entries {
                        self.file(&entry?)?;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if depth == DEPTH_MAX {
            return Ok(is_maildir);
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let is_part = ["new", "cur", "tmp"]
                .iter()
                .any(|part| entry.file_name() == *part);
            // The type is that of the entry itself: links are not followed.
            if !is_part && entry.file_type()?.is_dir() {
                is_maildir |= self.directory(&entry.path(), depth + 1)?;
            }
        }
        Ok(is_maildir)
    }

    fn file(&mut self, entry: &fs::DirEntry) -> io::Result<()> {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || !entry.file_type()?.is_file() {
            return Ok(());
        }
        let mut head = Vec::new();
        match File::open(entry.path()) {
            Ok(file) => file.take(HEAD_OCTETS_MAX).read_to_end(&mut head)?,
            // A mail program has just moved or deleted it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let print = Print::of(&head);
        if let Some(digits) = name.to_str().and_then(digits_of) {
            self.names.insert(digits.to_owned(), print);
        }
        self.prints.extend(print);
        self.messages += 1;
        Ok(())
    }

    fn mbox(&mut self, path: &Path) -> io::Result<bool> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "is no file"));
        }
        let found = mbox::index(&file, Variant::Mboxrd).map_err(|error| match error {
            IndexError::Unavailable(error) => error,
            IndexError::NoMbox(_) => {
                io::Error::new(io::ErrorKind::InvalidData, "does not begin as an mbox does")
            }
        })?;
        let (mut piece, mut head) = (Vec::new(), Vec::new());
        for message in found {
            let octets = (message.text.end - message.text.start).min(HEAD_OCTETS_MAX);
            piece.resize(usize::try_from(octets).unwrap_or(0), 0);
            let read = ReadAt::read_at(&file, &mut piece, message.text.start)?;
            head.clear();
            let mut shown = Shown::new(Variant::Mboxrd);
            shown.take(&piece[..read], &mut head);
            shown.finish(&mut head);
            self.prints.extend(Print::of(&head));
            self.messages += 1;
        }
        Ok(true)
    }
}

fn none(path: &Path, why: &str) -> Failure {
    let what = format!("{} {why}", path.display());
    Failure::new(Code::NoInput, what)
        .remedy("name a Maildir (with new/ and cur/), a directory of them, or an mbox file")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn all_folders_count_and_links_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (file, text) in [
            (format!("new/1.R{DIGITS}.here,S=1"), "Subject: a\n\n"),
            ("cur/2.x:2,S".to_owned(), "Subject: b\r\n\r\nbody\r\n"),
            (".Old/cur/3.x".to_owned(), "Subject: c\n\n"),
            ("lists/deep/new/4.x".to_owned(), "Subject: d\n\n"),
            ("cur/.hidden".to_owned(), "Subject: e\n\n"),
            ("tmp/5.x".to_owned(), "Subject: f\n\n"),
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("lists/round")).unwrap();
        let mut present = Present::default();
        present.look(root).unwrap();
        assert_eq!(present.messages, 4);
        assert_eq!(present.names.len(), 1);
        assert_eq!(present.names[DIGITS], Print::of(b"Subject: a\n"));
        for subject in ["a", "b", "c", "d"] {
            let print = Print::of(format!("Subject: {subject}\r\n").as_bytes());
            assert!(present.prints.contains(&print.unwrap()), "{subject}");
        }
        assert!(
            Present::default()
                .look(&root.join("lists/deep/new"))
                .is_err()
        );
        assert!(Present::default().look(&root.join("none")).is_err());
    }

    #[test]
    fn an_mbox_is_read_without_what_programs_keep_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mbox");
        let text = "From a Mon Nov 23 08:24:39 2026\nSubject: a\nStatus: RO\n\n>From x\n\n\
                    From b Mon Nov 23 08:24:39 2026\nSubject: b\n\n";
        fs::write(&path, text).unwrap();
        let mut present = Present::default();
        present.look(&path).unwrap();
        assert_eq!(present.messages, 2);
        assert!(
            present
                .prints
                .contains(&Print::of(b"Subject: b\n").unwrap())
        );
        fs::write(&path, "no mbox").unwrap();
        let failure = Present::default().look(&path).unwrap_err();
        assert!(
            failure.what().unwrap().contains("does not begin"),
            "{failure}"
        );
    }
}
