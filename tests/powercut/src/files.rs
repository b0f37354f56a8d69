//! Two disks as two files, through FUSE: loop devices lie on them, file systems on those.
//!
//! Every write goes past the page cache straight to the recorder, in the order in which the block
//! layer issues it, and a flush of the loop device arrives as an fsync of its file. One thread
//! serves all requests, so a write that was answered is in the log before a later flush.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr,
    ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::recorder::Recorder;

/// The two disks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// The one that mail is delivered to.
    Live,
    /// What a power cut left of it.
    Crashed,
}

impl Which {
    /// Its file's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Crashed => "crashed",
        }
    }

    /// The disk of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Live, Self::Crashed]
            .into_iter()
            .find(|which| which.name() == name)
    }

    fn of(ino: INodeNo) -> Option<Self> {
        match ino.0 {
            2 => Some(Self::Live),
            3 => Some(Self::Crashed),
            _ => None,
        }
    }

    fn ino(self) -> INodeNo {
        INodeNo(match self {
            Self::Live => 2,
            Self::Crashed => 3,
        })
    }
}

/// The recorders, shared by the file system and whoever steers it.
#[derive(Clone, Default)]
pub(crate) struct Disks {
    live: Arc<Mutex<Recorder>>,
    crashed: Arc<Mutex<Recorder>>,
}

impl Disks {
    /// One of them.
    pub(crate) fn of(&self, which: Which) -> MutexGuard<'_, Recorder> {
        let recorder = match which {
            Which::Live => &self.live,
            Which::Crashed => &self.crashed,
        };
        recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows them as files in a directory until the session is dropped.
    ///
    /// # Errors
    ///
    /// When FUSE cannot be mounted.
    pub(crate) fn mount(&self, directory: &Path) -> io::Result<BackgroundSession> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("restante-powercut".into())];
        fuser::spawn_mount(Files(self.clone()), directory, &config)
    }
}

struct Files(Disks);

/// Sizes change when a disk of another size is put in, so the kernel asks each time.
const NEVER: Duration = Duration::ZERO;

impl Files {
    fn attributes(&self, ino: INodeNo) -> Option<FileAttr> {
        let (kind, perm, size) = match (ino, Which::of(ino)) {
            (INodeNo::ROOT, _) => (FileType::Directory, 0o700, 0),
            (_, Some(which)) => (
                FileType::RegularFile,
                0o600,
                self.0.of(which).disk().octets(),
            ),
            _ => return None,
        };
        Some(FileAttr {
            ino,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn reply_attributes(&self, ino: INodeNo, reply: ReplyAttr) {
        match self.attributes(ino) {
            Some(attributes) => reply.attr(&NEVER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }
}

impl Filesystem for Files {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // One write of the block layer is one write in the log, whatever its size.
        let _ = config.set_max_write(1 << 20);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let which = name.to_str().and_then(Which::named);
        match which.and_then(|which| self.attributes(which.ino())) {
            Some(attributes) if parent == INodeNo::ROOT => {
                reply.entry(&NEVER, &attributes, Generation(0));
            }
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.reply_attributes(ino, reply);
    }

    /// What mkfs sets (a size, times) changes nothing: a disk is as large as it is.
    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.reply_attributes(ino, reply);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        at: u64,
        count: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match Which::of(ino) {
            Some(which) => reply.data(&self.0.of(which).disk().read(at, count as usize)),
            None => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        at: u64,
        octets: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(which) = Which::of(ino) else {
            return reply.error(Errno::EISDIR);
        };
        match (self.0.of(which).write(at, octets), octets.len().try_into()) {
            (Ok(()), Ok(count)) => reply.written(count),
            _ => reply.error(Errno::ENOSPC),
        }
    }

    /// A close; a disk does nothing then.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        if let Some(which) = Which::of(ino) {
            self.0.of(which).flush();
        }
        reply.ok();
    }
}
