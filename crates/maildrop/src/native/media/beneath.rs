//! The directory tree below one descriptor, with the rights of whoever calls.
//!
//! Every path is resolved by `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, so nothing
//! outside the directory can be reached, whoever plays with links inside.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::file::{RealFile, id_of, regular, retry, stat};
use super::names::{names, visit};
use super::{Disk, FileId, Stat};

/// A directory of the machine.
pub(crate) struct Beneath {
    root: OwnedFd,
}

/// Rule R7: file systems that forget at power-off, or whose promises depend on what lies below. NFS
/// is refused as well, since it has no unnamed files.
const VOLATILE: [(u32, &str); 3] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
];

impl Beneath {
    /// The directory at `path`, made (mode 0700, durably) if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened, or lies on a file system without unnamed files.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let disk = Self::directory(path)?;
        disk.create_unnamed("").map_err(|error| {
            let hint = format!(
                "{}: cannot make an unnamed file (O_TMPFILE): {error}",
                path.display()
            );
            io::Error::new(error.kind(), hint)
        })?;
        Ok(disk)
    }

    /// As [`Beneath::new`], on any file system: enough for a backup, not for a store.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened.
    pub(crate) fn directory(path: &Path) -> io::Result<Self> {
        if !path.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)?;
            // The names on the way down must survive a power cut as much as what will lie below.
            for above in path.canonicalize()?.ancestors().skip(1) {
                // Not ours to read perhaps; then it was not us who made a name in it.
                if let Ok(dir) = fs::File::open(above) {
                    dir.sync_all()?;
                }
            }
        }
        Self::existing(path)
    }

    /// As [`Beneath::directory`], and makes nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there; when it cannot be opened.
    pub(crate) fn existing(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?;
        Ok(Self { root })
    }

    /// Name of the volatile file system that this directory lies on, if it does.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(crate) fn volatile(&self) -> io::Result<Option<&'static str>> {
        let kind = rustix::fs::fstatfs(&self.root)?.f_type;
        Ok(VOLATILE
            .into_iter()
            .find(|&(magic, _)| i128::from(kind) & 0xffff_ffff == i128::from(magic))
            .map(|(_, name)| name))
    }

    fn open_with(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // Not at AGAIN: no path has `..` in it, so that says that somebody has a lease on the file, whom we would
        // wait for without a pause.
        retry(|| rustix::fs::openat2(&self.root, path, flags, mode, resolve))
    }

    /// Opens a directory, to read its names or make them durable.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; what the file system says.
    pub(crate) fn open_directory(&self, path: &str) -> io::Result<OwnedFd> {
        self.open_with(path, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty())
    }

    /// User id of whom something belongs to.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is nothing of that name; what the file system says.
    pub(crate) fn owner(&self, path: &str) -> io::Result<u32> {
        let fd = self.open_with(path, OFlags::PATH, Mode::empty())?;
        Ok(rustix::fs::fstat(&fd)?.st_uid)
    }

    /// The directory that holds a path, and the last name.
    fn parent<'p>(&self, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let fd = self.open_with(dir, OFlags::DIRECTORY | OFlags::PATH, Mode::empty())?;
        Ok((fd, name))
    }
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Disk for Beneath {
    type File = RealFile;

    fn open(&self, path: &str) -> io::Result<RealFile> {
        // NONBLOCK: a FIFO that somebody put there must not hold us.
        let rights = |flags| self.open_with(path, flags | OFlags::NONBLOCK, Mode::empty());
        let fd = match rights(OFlags::RDWR) {
            // What is only read can be: a backup on a medium that was closed to writing.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                rights(OFlags::RDONLY)?
            }
            other => other?,
        };
        regular(fd, path)
    }

    fn open_to_read(&self, path: &str) -> io::Result<RealFile> {
        let fd = self.open_with(path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
        regular(fd, path)
    }

    fn open_cached(&self, path: &str) -> io::Result<Option<RealFile>> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::CACHED;
        match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Ok(fd) => Ok(Some(RealFile::new(fd))),
            Err(Errno::NOENT) => Err(io::ErrorKind::NotFound.into()),
            // Not in the cache (AGAIN), or a kernel before 5.12 (INVAL), or an error: `open` will say.
            Err(_) => Ok(None),
        }
    }

    fn create(&self, path: &str) -> io::Result<RealFile> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let fd = self.open_with(path, flags, FILE_MODE)?;
        Ok(RealFile::new(fd))
    }

    fn create_unnamed(&self, dir: &str) -> io::Result<RealFile> {
        let fd = self.open_with(dir, OFlags::RDWR | OFlags::TMPFILE, FILE_MODE)?;
        Ok(RealFile::new(fd))
    }

    fn link(&self, file: &RealFile, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        // Without the /proc detour first: newer kernels allow it to whoever opened the file.
        match rustix::fs::linkat(&file.fd, "", &dir, name, AtFlags::EMPTY_PATH) {
            Err(Errno::NOENT | Errno::PERM) => {
                let proc = format!("/proc/self/fd/{}", file.fd.as_raw_fd());
                let flags = AtFlags::SYMLINK_FOLLOW;
                Ok(rustix::fs::linkat(CWD, proc, &dir, name, flags)?)
            }
            other => Ok(other?),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_dir, from) = self.parent(from)?;
        let (to_dir, to) = self.parent(to)?;
        Ok(rustix::fs::renameat(&from_dir, from, &to_dir, to)?)
    }

    fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_dir, from) = self.parent(from)?;
        let (to_dir, to) = self.parent(to)?;
        let flags = RenameFlags::NOREPLACE;
        Ok(rustix::fs::renameat_with(
            &from_dir, from, &to_dir, to, flags,
        )?)
    }

    fn unlink(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&dir, name, AtFlags::empty())?)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::mkdirat(&dir, name, Mode::RWXU)?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let fd = self.open_directory(path)?;
        retry(|| rustix::fs::fsync(&fd))
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        let fd = self.open_with(path, OFlags::PATH, Mode::empty())?;
        stat(&fd)
    }

    fn is_named(&self, path: &str, id: FileId) -> io::Result<bool> {
        // Nothing is opened, and a link to elsewhere is not this file: the plain call is safe here.
        let stat = rustix::fs::statat(&self.root, path, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(id_of(&stat) == id)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        names(self.open_directory(dir)?, dir)
    }

    fn visit(&self, dir: &str, visitor: &mut dyn FnMut(&str)) -> io::Result<()> {
        visit(self.open_directory(dir)?, dir, visitor)
    }

    fn pause(&self) {
        std::thread::sleep(PAUSE);
    }

    fn free_octets(&self) -> io::Result<u64> {
        let free = rustix::fs::fstatvfs(&self.root)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }
}

/// How long housekeeping lets others go first.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);
