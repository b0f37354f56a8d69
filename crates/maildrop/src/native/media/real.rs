//! The real disk: Linux system calls below one directory descriptor.

use std::io;
use std::path::Path;

use super::beneath::Beneath;
use super::{Disk, FileId, RealFile, Stat};
use crate::helper::Helped;

/// A directory of the machine.
pub struct RealDisk(Reach);

/// With whose rights it is reached.
enum Reach {
    /// Those of this process.
    Own(Beneath),
    /// Those of a user of this machine.
    Helped(Helped),
}

impl RealDisk {
    /// The directory at `path`, made (mode 0700, durably) if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened, or lies on a file system without unnamed files.
    pub fn new(path: &Path) -> io::Result<Self> {
        Beneath::new(path).map(Self::own)
    }

    /// As [`RealDisk::new`], on any file system: enough for a backup, not for a store.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened.
    pub fn directory(path: &Path) -> io::Result<Self> {
        Beneath::directory(path).map(Self::own)
    }

    /// As [`RealDisk::directory`], and makes nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there; when it cannot be opened.
    pub fn existing(path: &Path) -> io::Result<Self> {
        Beneath::existing(path).map(Self::own)
    }

    /// Name of the volatile file system that this directory lies on, if it does.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn volatile(&self) -> io::Result<Option<&'static str>> {
        match &self.0 {
            Reach::Own(disk) => disk.volatile(),
            Reach::Helped(_) => Ok(None),
        }
    }

    fn own(disk: Beneath) -> Self {
        Self(Reach::Own(disk))
    }
}

impl From<Helped> for RealDisk {
    fn from(disk: Helped) -> Self {
        Self(Reach::Helped(disk))
    }
}

/// Asks whichever it is.
macro_rules! each {
    ($self:ident, $disk:ident => $call:expr) => {
        match &$self.0 {
            Reach::Own($disk) => $call,
            Reach::Helped($disk) => $call,
        }
    };
}

impl Disk for RealDisk {
    type File = RealFile;

    fn open(&self, path: &str) -> io::Result<RealFile> {
        each!(self, disk => disk.open(path))
    }

    fn open_to_read(&self, path: &str) -> io::Result<RealFile> {
        each!(self, disk => disk.open_to_read(path))
    }

    fn open_cached(&self, path: &str) -> io::Result<Option<RealFile>> {
        each!(self, disk => disk.open_cached(path))
    }

    fn create(&self, path: &str) -> io::Result<RealFile> {
        each!(self, disk => disk.create(path))
    }

    fn create_unnamed(&self, dir: &str) -> io::Result<RealFile> {
        each!(self, disk => disk.create_unnamed(dir))
    }

    fn link(&self, file: &RealFile, path: &str) -> io::Result<()> {
        each!(self, disk => disk.link(file, path))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        each!(self, disk => disk.rename(from, to))
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        each!(self, disk => disk.rename_new(from, to))
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        each!(self, disk => disk.unlink(path))
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        each!(self, disk => disk.make_dir(path))
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        each!(self, disk => disk.sync_dir(path))
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        each!(self, disk => disk.stat(path))
    }

    fn is_named(&self, path: &str, id: FileId) -> io::Result<bool> {
        each!(self, disk => disk.is_named(path, id))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        each!(self, disk => disk.list(dir))
    }

    fn visit(&self, dir: &str, visitor: &mut dyn FnMut(&str)) -> io::Result<()> {
        each!(self, disk => disk.visit(dir, visitor))
    }

    fn pause(&self) {
        each!(self, disk => disk.pause());
    }

    fn free_octets(&self) -> io::Result<u64> {
        each!(self, disk => disk.free_octets())
    }
}
