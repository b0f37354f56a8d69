//! The directory of a user's maildrop, by way of the helper.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use super::home::Home;
use super::lanes::Helper;
use super::message::{Act, Done, Operation};
use crate::native::media::{Disk, PAUSE, RealDisk, RealFile, Stat, names, retry, visit};
use crate::places::{Absent, Place};

/// A directory that the helper reaches. What it opens, the server reads, writes and locks itself.
pub struct Helped {
    helper: Arc<Helper>,
    user: String,
    /// Relative to the root; empty if it is the root.
    directory: String,
}

impl Helped {
    /// Where the maildrop of a user lies.
    ///
    /// # Errors
    ///
    /// `NotFound` if its directory is not there and is not to be made; what the helper says.
    pub fn place(
        helper: Arc<Helper>,
        home: &Home,
        user: &str,
        absent: Absent,
    ) -> io::Result<Place<RealDisk>> {
        let (directory, file) = home.of(user);
        let disk = Self {
            helper,
            user: user.to_owned(),
            directory,
        };
        match disk.stat("") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(first) = home.first_of(user) {
                    disk.has_home(first)?;
                }
                match absent {
                    Absent::IsMade => disk.make()?,
                    Absent::Fails => return Err(error),
                }
            }
            other => drop(other?),
        }
        let disk = RealDisk::from(disk);
        Ok(Place { disk, file })
    }

    /// Fails loudly if the user has no home: a file system may not be mounted, and no mail is not what he has.
    fn has_home(&self, first: &str) -> io::Result<()> {
        match self.ask(Operation::At(Act::Stat, first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(io::Error::other(format!(
                    "the home of {} is not there: is its file system mounted?",
                    self.user
                )))
            }
            other => other.map(drop),
        }
    }

    /// Makes the directory, and those above it that are missing, durably.
    fn make(&self) -> io::Result<()> {
        let ends = self.directory.match_indices('/').map(|(end, _)| end);
        let mut above = "";
        for end in ends.chain([self.directory.len()]) {
            let path = &self.directory[..end];
            match self.ask(Operation::At(Act::Stat, path)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    match self.ask(Operation::At(Act::MakeDirectory, path)) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        other => drop(other?),
                    }
                    if !above.is_empty() {
                        self.ask(Operation::At(Act::SyncDirectory, above))?;
                    }
                }
                other => drop(other?),
            }
            above = path;
        }
        Ok(())
    }

    fn ask(&self, operation: Operation<'_>) -> io::Result<(Done, Option<OwnedFd>)> {
        self.helper.ask(&self.user, operation)
    }

    fn at(&self, act: Act, path: &str) -> io::Result<(Done, Option<OwnedFd>)> {
        self.ask(Operation::At(act, &self.path(path)))
    }

    /// A file that is opened or made.
    fn file(&self, act: Act, path: &str) -> io::Result<RealFile> {
        let (done, file) = self.at(act, path)?;
        let file = file.ok_or(io::ErrorKind::InvalidData)?;
        Ok(RealFile::of_user(file, done.uid))
    }

    /// A directory that is opened, and what it is called.
    fn directory(&self, path: &str) -> io::Result<(OwnedFd, String)> {
        let (_, directory) = self.at(Act::OpenDirectory, path)?;
        Ok((
            directory.ok_or(io::ErrorKind::InvalidData)?,
            self.path(path),
        ))
    }

    /// Relative to the root.
    fn path(&self, path: &str) -> String {
        match (&*self.directory, path) {
            ("", path) => path.to_owned(),
            (directory, "") => directory.to_owned(),
            (directory, path) => format!("{directory}/{path}"),
        }
    }
}

impl Disk for Helped {
    type File = RealFile;

    fn open(&self, path: &str) -> io::Result<RealFile> {
        self.file(Act::Open, path)
    }

    fn open_to_read(&self, path: &str) -> io::Result<RealFile> {
        self.file(Act::OpenToRead, path)
    }

    fn open_cached(&self, _: &str) -> io::Result<Option<RealFile>> {
        Ok(None)
    }

    fn create(&self, path: &str) -> io::Result<RealFile> {
        self.file(Act::Create, path)
    }

    fn create_unnamed(&self, _: &str) -> io::Result<RealFile> {
        // Only drafts are unnamed, and those are the server's own.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn link(&self, _: &RealFile, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        let (from, to) = (&*from, &*to);
        self.ask(Operation::Rename { from, to }).map(drop)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        let (from, to) = (&*from, &*to);
        self.ask(Operation::RenameNew { from, to }).map(drop)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        self.at(Act::Unlink, path).map(drop)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        self.at(Act::MakeDirectory, path).map(drop)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.at(Act::SyncDirectory, path).map(drop)
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        self.at(Act::Stat, path).map(|(done, _)| done.stat)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let (directory, path) = self.directory(dir)?;
        names(directory, &path)
    }

    fn visit(&self, dir: &str, visitor: &mut dyn FnMut(&str)) -> io::Result<()> {
        let (directory, path) = self.directory(dir)?;
        visit(directory, &path, visitor)
    }

    fn pause(&self) {
        thread::sleep(PAUSE);
    }

    fn free_octets(&self) -> io::Result<u64> {
        let (directory, _) = self.directory("")?;
        let free = retry(|| rustix::fs::fstatvfs(&directory))?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }
}
