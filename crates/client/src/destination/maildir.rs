//! A Maildir: one file for each message, under a name that is made of the message, so that it is there once whatever happens.
//!
//! `1764316800.R6f0c…9a.host,S=8123,W=8192`: the time, then 40 digits that are the same whenever this message comes again. Files
//! are written in tmp/ and become durable together, and are renamed into new/ after that. When the program or the machine was
//! stopped in the middle, the names in new/ and cur/ tell what is there already, whatever flags a mail program has put behind them.
//!
//! Together means syncfs (2), which tells since Linux 5.8 whether anything of the file system could not be written. A few files are
//! synced one by one: others may have left much to be written that is nothing to us.

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;

use super::{Destination, Ended, Exactness, Form, Message, NotDelivered, Text};
use crate::account::Headers;

/// Up to so many files are synced one by one.
const SYNCED_ALONE_MAX: usize = 4;

/// A Maildir that mail is fetched into.
#[derive(Debug)]
pub struct Maildir {
    path: PathBuf,
    name: String,
    host: String,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    tmp: File,
    new: File,
    /// Names of messages that were found here, if the last session has left any in doubt.
    known: HashMap<String, Vec<PathBuf>>,
    staged: Vec<Staged>,
    syncs_together: bool,
}

#[derive(Debug)]
struct Staged {
    written: String,
    last: String,
}

impl Maildir {
    /// That directory; it is made if it is not there. `host` is part of the names of files.
    pub fn new(path: &Path, host: &str) -> Self {
        let letter = |c: char| match c {
            // As the specification of Maildir wants it; a comma begins what Dovecot adds.
            '/' => "\\057".to_owned(),
            ':' => "\\072".to_owned(),
            ',' => "\\054".to_owned(),
            c if c.is_control() || c.is_whitespace() => "_".to_owned(),
            c => c.to_string(),
        };
        Self {
            path: path.to_owned(),
            name: super::word("maildir", &path.display().to_string()),
            host: host.chars().map(letter).collect(),
            open: None,
        }
    }

    fn failed(&self, error: &io::Error) -> NotDelivered {
        NotDelivered::io(self.path.display(), error)
    }

    fn make(&self) -> io::Result<()> {
        let mut made = false;
        for part in ["", "tmp", "new", "cur"] {
            let directory = self.path.join(part);
            if directory.is_dir() {
                continue;
            }
            let recursive = part.is_empty();
            DirBuilder::new()
                .recursive(recursive)
                .mode(0o700)
                .create(&directory)?;
            made = true;
        }
        if made {
            File::open(&self.path)?.sync_all()?;
            if let Some(parent) = self.path.parent().filter(|it| !it.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(())
    }

    /// The messages of ours in new/ and cur/ of a directory, by their 40 digits, and their files.
    fn names_in(directory: &Path, found: &mut impl FnMut(&str, PathBuf)) -> io::Result<()> {
        for part in ["new", "cur"] {
            let entries = match std::fs::read_dir(directory.join(part)) {
                Ok(entries) => entries,
                // A directory that is no folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                if let Some(digits) = entry.file_name().to_str().and_then(digits_of) {
                    found(digits, entry.path());
                }
            }
        }
        Ok(())
    }

    fn stage(&self, message: &Message, text: &mut Text) -> io::Result<Staged> {
        let Some(open) = &self.open else {
            return Err(io::Error::other("it is not open"));
        };
        let written = format!("R{}.{}", message.name, self.host);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // What a crash has left of it is overwritten.
        let mut file = File::from(openat(
            &open.tmp,
            &written,
            flags,
            Mode::from_raw_mode(0o600),
        )?);
        let mut octets = 0_u64;
        text.pieces(Form::Local, |piece| {
            octets += piece.len() as u64;
            file.write_all(piece)
        })?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        let last = format!("{seconds}.{written},S={octets},W={}", message.octets.0);
        Ok(Staged { written, last })
    }
}

/// Whether a file holds this text. One that its owner has moved meanwhile does: a server that gives the same unique-id to another message
/// just then is rarer than an owner who reads his mail.
fn holds(file: &Path, text: &mut Text) -> bool {
    let Ok(file) = File::open(file) else {
        return true;
    };
    let mut file = io::BufReader::new(file);
    let mut piece_of_file = Vec::new();
    let compared = text.pieces(Form::Local, |piece| {
        piece_of_file.resize(piece.len(), 0);
        file.read_exact(&mut piece_of_file)?;
        match piece_of_file == piece {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    });
    compared.is_ok() && file.fill_buf().is_ok_and(<[u8]>::is_empty)
}

/// The digits by which a message of ours is known ([`Message::name`]), of the name of its file in a Maildir.
pub fn digits_of(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once(".R")?;
    let (digits, _) = rest.split_once('.')?;
    let right = digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    right.then_some(digits)
}

impl Open {
    fn commit(&mut self) -> io::Result<()> {
        if self.staged.is_empty() {
            return Ok(());
        }
        match self.syncs_together && self.staged.len() > SYNCED_ALONE_MAX {
            true => rustix::fs::syncfs(&self.tmp)?,
            false => {
                for staged in &self.staged {
                    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                    let file = openat(&self.tmp, &staged.written, flags, Mode::empty())?;
                    rustix::fs::fsync(file)?;
                }
            }
        }
        for staged in self.staged.drain(..) {
            let rename =
                |flags| renameat_with(&self.tmp, &staged.written, &self.new, &staged.last, flags);
            match rename(RenameFlags::NOREPLACE) {
                // It was fetched in this second, and is wanted once more.
                Err(Errno::EXIST) => {
                    let last = format!("0{}", staged.last);
                    renameat_with(
                        &self.tmp,
                        &staged.written,
                        &self.new,
                        &last,
                        RenameFlags::NOREPLACE,
                    )?;
                }
                // A file system that knows no such flag; no other program makes such names.
                Err(Errno::INVAL | Errno::NOSYS) => rename(RenameFlags::empty())?,
                renamed => renamed?,
            }
        }
        self.new.sync_all()
    }
}

impl Destination for Maildir {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::Once
    }

    fn headers(&self) -> Headers {
        Headers::Utf8
    }

    fn open(&mut self, ended: Ended) -> Result<(), NotDelivered> {
        let open = || {
            self.make()?;
            // Before anything is written, so that syncfs tells of it.
            let tmp = File::open(self.path.join("tmp"))?;
            let new = File::open(self.path.join("new"))?;
            let mut known: HashMap<String, Vec<PathBuf>> = HashMap::new();
            if ended == Ended::InDoubt {
                Self::names_in(&self.path, &mut |digits, file| {
                    known.entry(digits.to_owned()).or_default().push(file);
                })?;
            }
            Ok(Open {
                tmp,
                new,
                known,
                staged: Vec::new(),
                syncs_together: syncfs_tells(),
            })
        };
        self.open = Some(open().map_err(|error| self.failed(&error))?);
        Ok(())
    }

    fn holds_mail(&self) -> Option<bool> {
        let holds = |part| {
            let entries = std::fs::read_dir(self.path.join(part)).ok()?;
            Some(entries.flatten().any(|entry| {
                let name = entry.file_name();
                !name.as_encoded_bytes().starts_with(b".")
            }))
        };
        Some(holds("new").unwrap_or_default() || holds("cur").unwrap_or_default())
    }

    fn present(&mut self) -> Option<Result<HashSet<String>, NotDelivered>> {
        let all = || {
            let mut all = HashSet::new();
            let mut found = |digits: &str, _| {
                all.insert(digits.to_owned());
            };
            // One whose disk is not there is not one whose mail was deleted.
            std::fs::metadata(self.path.join("cur"))?;
            Self::names_in(&self.path, &mut found)?;
            // The folders of Maildir++: their names begin with a dot.
            for entry in std::fs::read_dir(&self.path)? {
                let entry = entry?;
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    Self::names_in(&entry.path(), &mut found)?;
                }
            }
            Ok(all)
        };
        Some(all().map_err(|error| self.failed(&error)))
    }

    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        let known = |open: &Open| open.known.get(&message.name).cloned();
        let known = self.open.as_ref().and_then(known).unwrap_or_default();
        if known.iter().any(|file| holds(file, text)) {
            return Ok(());
        }
        let staged = self
            .stage(message, text)
            .map_err(|error| self.failed(&error))?;
        if let Some(open) = &mut self.open {
            open.staged.push(staged);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), NotDelivered> {
        let committed = match &mut self.open {
            Some(open) => open.commit(),
            None => Ok(()),
        };
        committed.map_err(|error| self.failed(&error))
    }
}

/// Whether syncfs tells of what it could not write, which it does since Linux 5.8.
fn syncfs_tells() -> bool {
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (5, 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Spool;
    use crate::ledger::Key;
    use pop3::Octets;
    use pop3::client::ForeignId;

    struct Place(tempfile::TempDir);

    impl Place {
        fn open(&self, ended: Ended) -> Maildir {
            let mut maildir = Maildir::new(&self.0.path().join("Mail"), "a/b:c");
            maildir.open(ended).unwrap();
            maildir
        }

        fn files(&self, part: &str) -> Vec<(String, String)> {
            let directory = self.0.path().join("Mail").join(part);
            let mut files: Vec<_> = std::fs::read_dir(directory)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .map(|path| {
                    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                    (name, std::fs::read_to_string(path).unwrap())
                })
                .collect();
            files.sort();
            files
        }

        fn deliver(&self, maildir: &mut Maildir, digit: char, wire: &str) {
            let mut text = Text::whole(&Spool::new(self.0.path()), wire.as_bytes()).unwrap();
            let message = Message {
                key: Key::UniqueId(ForeignId::new(b"x").unwrap()),
                name: digit.to_string().repeat(40),
                octets: text.octets(),
                account: "bob@here".into(),
                received: None,
            };
            assert!(message.octets > Octets(0));
            maildir.deliver(&message, &mut text).unwrap();
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    #[test]
    fn nothing_is_seen_before_the_commit_and_all_after_it() {
        for number in [1, 12] {
            let place = place();
            let mut maildir = place.open(Ended::InOrder);
            assert_eq!(maildir.holds_mail(), Some(false));
            for digit in "0123456789abcdef".chars().take(number) {
                place.deliver(&mut maildir, digit, "A: b\r\n\r\n..\r\n");
            }
            assert_eq!(place.files("new"), []);
            maildir.commit().unwrap();
            maildir.commit().unwrap();
            assert_eq!(place.files("tmp"), []);
            let files = place.files("new");
            assert_eq!(files.len(), number);
            let (name, text) = &files[0];
            assert_eq!(text, "A: b\n\n.\n");
            assert!(name.ends_with(",S=8,W=11"), "{name}");
            assert!(name.contains(".R0000000000000000000000000000000000000000.a\\057b\\072c,"));
            assert_eq!(maildir.holds_mail(), Some(true));
        }
    }

    #[test]
    fn what_is_there_after_a_crash_is_not_written_again_whatever_became_of_it() {
        let place = place();
        let mut maildir = place.open(Ended::InOrder);
        place.deliver(&mut maildir, '1', "A: b\r\n");
        place.deliver(&mut maildir, '2', "A: b\r\n");
        maildir.commit().unwrap();
        // The third was written and not renamed.
        place.deliver(&mut maildir, '3', "A: long before the crash\r\n");
        drop(maildir);
        let root = place.0.path().join("Mail");
        let (read, _) = &place.files("new")[0];
        std::fs::rename(
            root.join("new").join(read),
            root.join("cur").join(format!("{read}:2,S")),
        )
        .unwrap();
        let mut maildir = place.open(Ended::InDoubt);
        for digit in ['1', '2', '3'] {
            place.deliver(&mut maildir, digit, "A: b\r\n");
        }
        maildir.commit().unwrap();
        assert_eq!((place.files("new").len(), place.files("cur").len()), (2, 1));
        assert!(place.files("new").iter().all(|(_, text)| text == "A: b\n"));
        assert_eq!(place.files("tmp"), []);
        assert_eq!(maildir.present().unwrap().unwrap().len(), 3);
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        let place = place();
        std::fs::write(place.0.path().join("Mail"), "a file").unwrap();
        let mut maildir = Maildir::new(&place.0.path().join("Mail"), "here");
        let told = maildir.open(Ended::InOrder).unwrap_err();
        assert!(matches!(
            told,
            NotDelivered::NotNow(_) | NotDelivered::Unusable(_)
        ));
        assert!(told.to_string().contains("Mail"));
    }
}
