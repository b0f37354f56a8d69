//! Everything that the native store does to a disk.
//!
//! The store is written over these two traits, with static dispatch, so that a simulated disk can
//! lose, reorder and fail every single call. [`RealDisk`] is the real one. Paths are relative to
//! the data directory, of the store's own making and never hold anything that a peer sent.

mod beneath;
mod file;
mod names;
mod real;

use std::io;
use std::time::Duration;

pub(crate) use beneath::{Beneath, PAUSE};
pub use file::RealFile;
pub(crate) use file::retry;
pub(crate) use names::{names, visit};
pub use real::RealDisk;

/// Which file it is, whatever it is called: device and inode.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FileId {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
}

/// What the file system knows of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stat {
    /// Which file.
    pub id: FileId,
    /// Octets.
    pub len: u64,
    /// Octets of the disk that it takes up; less than `len` where holes are.
    pub disk_octets: u64,
    /// When its octets or its length changed last, ns since 1970: another number whenever somebody
    /// changed them, as finely as the file system tells.
    pub changed_ns: i128,
}

/// The locks of a maildrop's file, held between processes: one octet each, from 0 on, or all of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Lock {
    /// Byte 0: a session reads and deletes.
    Session,
    /// Byte 1: somebody appends or replaces.
    Append,
    /// Byte 2: who has the session lock is housekeeping, and gives way.
    Tidying,
    /// Byte 3: a session waits for housekeeping to give way.
    Waiting,
    /// Every octet that there is or will be: who locks any part of a file as POSIX has it, as programs do
    /// that share an mbox, waits for this one, and it for them. No file has this lock and others.
    Whole,
}

/// A directory tree. A path is `""` (the root) or names joined by `/`.
pub trait Disk: Send + Sync + 'static {
    /// An open file of this disk.
    type File: File;

    /// Opens an existing regular file for reading and writing; follows no symbolic link.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    fn open(&self, path: &str) -> io::Result<Self::File>;

    /// As [`Disk::open`], for reading only.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::open`].
    fn open_to_read(&self, path: &str) -> io::Result<Self::File> {
        self.open(path)
    }

    /// As [`Disk::open`], if that needs no waiting for the disk; none: it may. What is opened may be
    /// anything: the caller knows by its [`FileId`] which file it wants.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::open`].
    fn open_cached(&self, path: &str) -> io::Result<Option<Self::File>> {
        self.open(path).map(Some)
    }

    /// Makes a new file, mode 0600.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is something of that name.
    fn create(&self, path: &str) -> io::Result<Self::File>;

    /// Makes a file without a name in that directory; it is gone when closed, unless linked.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such directory.
    fn create_unnamed(&self, dir: &str) -> io::Result<Self::File>;

    /// Gives an unnamed file a name.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the name is taken.
    fn link(&self, file: &Self::File, path: &str) -> io::Result<()>;

    /// Moves a file over another one, in one step.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Moves a file to a name that nothing has. A simulated disk has nobody who could take it in between.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the name is taken.
    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        match self.stat(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.rename(from, to),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Removes a name.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    fn unlink(&self, path: &str) -> io::Result<()>;

    /// Makes a directory, mode 0700.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is something of that name.
    fn make_dir(&self, path: &str) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn sync_dir(&self, path: &str) -> io::Result<()>;

    /// What a name leads to now.
    ///
    /// # Errors
    ///
    /// `NotFound` if it leads nowhere.
    fn stat(&self, path: &str) -> io::Result<Stat>;

    /// Whether a name leads to this file now.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::stat`].
    fn is_named(&self, path: &str, id: FileId) -> io::Result<bool> {
        Ok(self.stat(path)?.id == id)
    }

    /// The names in a directory, in no order, without `.` and `..`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such directory.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Shows the names that [`Disk::list`] would list, each by itself: of a hundred thousand none is kept.
    ///
    /// # Errors
    ///
    /// Those of [`Disk::list`]; some names have been shown then.
    fn visit(&self, dir: &str, visitor: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.list(dir)?.iter().for_each(|name| visitor(name));
        Ok(())
    }

    /// Lets others go first, for a while.
    fn pause(&self);

    /// Octets that may still be written.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn free_octets(&self) -> io::Result<u64>;
}

/// An open file. Interrupted calls are repeated inside, short writes finished.
pub trait File: Send + Sync + 'static {
    /// Whether the file is this process's own, and has no other name: nobody else has put it there.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn is_own(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Which file this is and how long.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn stat(&self) -> io::Result<Stat>;

    /// Reads at an offset; less than asked for only at the end of the file.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// As [`File::read_at`], but only from the page cache; none if it does not hold all of it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>>;

    /// Writes all parts one after the other at an offset.
    ///
    /// # Errors
    ///
    /// What the file system says; any part of it may have been written then.
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()>;

    /// Cuts (or lengthens with zeros).
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Lengthens to `len` with zeros for which the disk has set room aside.
    ///
    /// # Errors
    ///
    /// What the file system says; `StorageFull` when there is no room.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Gives the octets of a stretch back to the disk; they read as zeros from then on.
    ///
    /// # Errors
    ///
    /// What the file system says; `Unsupported` where it has no holes.
    fn punch(&self, offset: u64, len: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    ///
    /// What the file system says. What was not durable before may be lost then, and a second call
    /// that succeeds proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes content and everything else of the file durable.
    ///
    /// # Errors
    ///
    /// As [`File::sync_data`].
    fn sync_all(&self) -> io::Result<()>;

    /// Asks the system to forget what it holds of the file from an offset on, so that the next
    /// read shows what the disk has. A hint.
    fn forget_cache(&self, from: u64);

    /// Takes a lock for this opening of the file, without waiting.
    ///
    /// # Errors
    ///
    /// What the file system says; that somebody else has it is `false`.
    fn try_lock(&self, lock: Lock) -> io::Result<bool>;

    /// As [`File::try_lock`], but waits so long for whoever has it.
    ///
    /// # Errors
    ///
    /// What the file system says; that somebody else still has it is `false`.
    fn wait_lock(&self, lock: Lock, patience: Duration) -> io::Result<bool>;

    /// Frees a lock. It is freed anyway when the last user of this opening is gone.
    fn unlock(&self, lock: Lock);
}
