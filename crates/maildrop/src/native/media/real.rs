//! The real disk: Linux system calls below one directory descriptor.
//!
//! Every path is resolved by `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, so nothing
//! outside the data directory can be reached, whoever plays with links inside. Locks are those of
//! the open file description (`F_OFD_SETLK`): two openings in one process exclude each other just
//! like two processes, and the kernel frees them at process death.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{Advice, AtFlags, CWD, FallocateFlags, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{Disk, File, FileId, Lock, Stat};

/// A directory of the machine.
pub struct RealDisk {
    root: OwnedFd,
}

/// An open file of the machine.
pub struct RealFile {
    fd: OwnedFd,
}

/// Rule R7: file systems that forget at power-off, or whose promises depend on what lies below. NFS
/// is refused as well, since it has no unnamed files.
const VOLATILE: [(u32, &str); 3] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
];

/// Set once the kernel has said that it cannot read from the page cache only.
static NO_CACHED_READS: AtomicBool = AtomicBool::new(false);

impl RealDisk {
    /// The directory at `path`, made (mode 0700, durably) if it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened, or lies on a file system without unnamed files.
    pub fn new(path: &Path) -> io::Result<Self> {
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

    /// As [`RealDisk::new`], on any file system: enough for a backup, not for a store.
    ///
    /// # Errors
    ///
    /// When it cannot be made or opened.
    pub fn directory(path: &Path) -> io::Result<Self> {
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

    /// As [`RealDisk::directory`], and makes nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there; when it cannot be opened.
    pub fn existing(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?;
        Ok(Self { root })
    }

    /// Name of the volatile file system that this directory lies on, if it does.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn volatile(&self) -> io::Result<Option<&'static str>> {
        let kind = rustix::fs::fstatfs(&self.root)?.f_type;
        Ok(VOLATILE
            .into_iter()
            .find(|&(magic, _)| i128::from(kind) & 0xffff_ffff == i128::from(magic))
            .map(|(_, name)| name))
    }

    fn open_with(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        loop {
            let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            match rustix::fs::openat2(&self.root, path, flags, mode, resolve) {
                // AGAIN: somebody renamed while the kernel resolved.
                Err(Errno::INTR | Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }

    /// The directory that holds a path, and the last name.
    fn parent<'p>(&self, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let fd = self.open_with(dir, OFlags::DIRECTORY | OFlags::PATH, Mode::empty())?;
        Ok((fd, name))
    }
}

impl RealFile {
    /// Opens a file anywhere, for reading only; follows no symbolic link.
    ///
    /// # Errors
    ///
    /// What the file system says; `InvalidData` when it is no regular file.
    pub(crate) fn read_only(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?;
        match rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
            rustix::fs::FileType::RegularFile => Ok(Self { fd }),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a regular file",
            )),
        }
    }
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Disk for RealDisk {
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
            Ok(fd) => Ok(Some(RealFile { fd })),
            Err(Errno::NOENT) => Err(io::ErrorKind::NotFound.into()),
            // Not in the cache (AGAIN), or a kernel before 5.12 (INVAL), or an error: `open` will say.
            Err(_) => Ok(None),
        }
    }

    fn create(&self, path: &str) -> io::Result<RealFile> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let fd = self.open_with(path, flags, FILE_MODE)?;
        Ok(RealFile { fd })
    }

    fn create_unnamed(&self, dir: &str) -> io::Result<RealFile> {
        let fd = self.open_with(dir, OFlags::RDWR | OFlags::TMPFILE, FILE_MODE)?;
        Ok(RealFile { fd })
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

    fn unlink(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&dir, name, AtFlags::empty())?)
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        Ok(rustix::fs::mkdirat(&dir, name, Mode::RWXU)?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY;
        let fd = self.open_with(path, flags, Mode::empty())?;
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
        let flags = OFlags::DIRECTORY | OFlags::RDONLY;
        let fd = self.open_with(dir, flags, Mode::empty())?;
        let mut names = Vec::new();
        // Of this descriptor itself: to open it again may be interrupted.
        for entry in rustix::fs::Dir::new(fd)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn pause(&self) {
        std::thread::sleep(PAUSE);
    }

    fn free_octets(&self) -> io::Result<u64> {
        let free = rustix::fs::fstatvfs(&self.root)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }
}

fn regular(fd: OwnedFd, path: &str) -> io::Result<RealFile> {
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    match kind {
        rustix::fs::FileType::RegularFile => Ok(RealFile { fd }),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{path} is not a regular file"),
        )),
    }
}

fn id_of(stat: &rustix::fs::Stat) -> FileId {
    FileId {
        device: stat.st_dev,
        inode: stat.st_ino,
    }
}

fn stat(fd: &OwnedFd) -> io::Result<Stat> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(Stat {
        id: id_of(&stat),
        len: u64::try_from(stat.st_size).unwrap_or(0),
        // POSIX leaves the unit open; Linux counts in 512.
        disk_octets: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        changed_ns: i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec),
    })
}

/// Repeats a call that a signal interrupted (rule R6).
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// How long housekeeping lets others go first.
const PAUSE: Duration = Duration::from_millis(250);
/// Most parts of one gathered write; the store uses four.
const PARTS_MAX: usize = 8;

impl File for RealFile {
    fn is_own(&self) -> io::Result<bool> {
        let stat = rustix::fs::fstat(&self.fd)?;
        Ok(stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink <= 1)
    }

    fn stat(&self) -> io::Result<Stat> {
        stat(&self.fd)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            match retry(|| rustix::io::pread(&self.fd, &mut buffer[done..], at))? {
                0 => break,
                n => done += n,
            }
        }
        Ok(done)
    }

    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if NO_CACHED_READS.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let mut part = [IoSliceMut::new(&mut buffer[done..])];
            match rustix::io::preadv2(&self.fd, &mut part, at, ReadWriteFlags::NOWAIT) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    NO_CACHED_READS.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(done))
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let mut done = 0;
        while done < total {
            // Rule R6, a short write: skip what was written, gather the rest.
            let mut slices = [IoSlice::new(&[]); PARTS_MAX];
            let (mut skip, mut count) = (done, 0);
            for part in parts {
                let taken = skip.min(part.len());
                skip -= taken;
                if taken < part.len() && count < PARTS_MAX {
                    slices[count] = IoSlice::new(&part[taken..]);
                    count += 1;
                }
            }
            let at = offset + done as u64;
            match retry(|| rustix::io::pwritev(&self.fd, &slices[..count], at))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => done += n,
            }
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        retry(|| rustix::fs::ftruncate(&self.fd, len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        retry(|| rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), 0, len))
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        retry(|| rustix::fs::fallocate(&self.fd, flags, offset, len))
    }

    fn sync_data(&self) -> io::Result<()> {
        retry(|| rustix::fs::fdatasync(&self.fd))
    }

    fn sync_all(&self) -> io::Result<()> {
        retry(|| rustix::fs::fsync(&self.fd))
    }

    fn forget_cache(&self, from: u64) {
        // A hint: where it fails, nothing worse happens than that the cache is read.
        let _ = rustix::fs::fadvise(&self.fd, from, None, Advice::DontNeed);
    }

    fn try_lock(&self, lock: Lock) -> io::Result<bool> {
        match set_lock(&self.fd, lock, libc::F_WRLCK) {
            Ok(()) => Ok(true),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn wait_lock(&self, lock: Lock, patience: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(50);
        // The kernel's own waiting (F_OFD_SETLKW) knows no deadline.
        while !self.try_lock(lock)? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        Ok(true)
    }

    fn unlock(&self, lock: Lock) {
        // Cannot fail for a lock on a descriptor that is open; closing frees it in any case.
        let _ = set_lock(&self.fd, lock, libc::F_UNLCK);
    }
}

fn set_lock(fd: &OwnedFd, lock: Lock, kind: libc::c_int) -> nix::Result<()> {
    // No length: up to the end, wherever that will be.
    let (l_start, l_len) = match lock {
        Lock::Session => (0, 1),
        Lock::Append => (1, 1),
        Lock::Tidying => (2, 1),
        Lock::Waiting => (3, 1),
        Lock::Whole => (0, 0),
    };
    let range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start,
        l_len,
        l_pid: 0,
    };
    loop {
        match fcntl(fd.as_fd(), FcntlArg::F_OFD_SETLK(&range)) {
            Err(nix::Error::EINTR) => {}
            other => return other.map(drop),
        }
    }
}
