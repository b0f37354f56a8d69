//! An open file, wherever it was opened.
//!
//! Locks are those of the open file description (`F_OFD_SETLK`): two openings in one process exclude
//! each other just like two processes, and the kernel frees them at process death.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{Advice, CWD, FallocateFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{File, FileId, Lock, Stat};

/// An open file of the machine.
pub struct RealFile {
    pub(super) fd: OwnedFd,
    /// User id of whom it must belong to; none: of this process.
    owner: Option<u32>,
}

/// Set once the kernel has said that it cannot read from the page cache only.
static NO_CACHED_READS: AtomicBool = AtomicBool::new(false);

impl RealFile {
    /// One that this process has opened with its own rights.
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self { fd, owner: None }
    }

    /// One of a user of this machine, opened with his rights.
    pub(crate) fn of_user(fd: OwnedFd, uid: u32) -> Self {
        let owner = Some(uid);
        Self { fd, owner }
    }

    /// What was opened, for whoever works with it himself.
    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.fd
    }

    /// Opens a file anywhere, for reading only; follows no symbolic link.
    ///
    /// # Errors
    ///
    /// What the file system says; `InvalidData` when it is no regular file.
    pub(crate) fn read_only(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = retry(|| rustix::fs::openat(CWD, path, flags, Mode::empty()))?;
        match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
            FileType::RegularFile => Ok(Self::new(fd)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a regular file",
            )),
        }
    }
}

pub(super) fn regular(fd: OwnedFd, path: &str) -> io::Result<RealFile> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
    match kind {
        FileType::RegularFile => Ok(RealFile::new(fd)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{path} is not a regular file"),
        )),
    }
}

pub(super) fn id_of(stat: &rustix::fs::Stat) -> FileId {
    FileId {
        device: stat.st_dev,
        inode: stat.st_ino,
    }
}

pub(crate) fn stat(fd: &OwnedFd) -> io::Result<Stat> {
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
pub(crate) fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Most parts of one gathered write; the store uses four.
const PARTS_MAX: usize = 8;

impl File for RealFile {
    fn is_own(&self) -> io::Result<bool> {
        let stat = rustix::fs::fstat(&self.fd)?;
        let process = || rustix::process::geteuid().as_raw();
        Ok(stat.st_uid == self.owner.unwrap_or_else(process) && stat.st_nlink <= 1)
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
