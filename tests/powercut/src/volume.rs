//! File systems on the two disks: made, mounted through a loop device, unmounted when dropped.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

/// A journalling file system that people keep mail on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// With its defaults: data=ordered, barriers.
    Ext4,
    /// With its defaults.
    Xfs,
}

impl Kind {
    /// Its name as mount knows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// The program that makes one.
    pub(crate) fn maker(self) -> &'static str {
        match self {
            Self::Ext4 => "mkfs.ext4",
            Self::Xfs => "mkfs.xfs",
        }
    }

    /// Octets of its disk: twice what the store sets aside; XFS refuses less than 300 MiB.
    pub(crate) fn octets(self) -> u64 {
        match self {
            Self::Ext4 => 192 << 20,
            Self::Xfs => 320 << 20,
        }
    }

    /// Makes one on a disk.
    ///
    /// # Errors
    ///
    /// When its program cannot be run or fails.
    pub(crate) fn make(self, disk: &Path) -> io::Result<()> {
        let mut command = tool(self.maker());
        match self {
            // Blocks as on a large disk, and without the lazy initialisation, whose writes would
            // go on in the background.
            Self::Ext4 => command.args([
                "-q",
                "-F",
                "-b",
                "4096",
                "-E",
                "nodiscard,lazy_itable_init=0",
            ]),
            Self::Xfs => command.args(["-q", "-f", "-K"]),
        };
        run(command.arg(disk))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A mounted file system.
pub(crate) struct Volume {
    directory: PathBuf,
}

impl Volume {
    /// Mounts a disk; after a power cut this is where the kernel replays the journal.
    ///
    /// # Errors
    ///
    /// When mount says no.
    pub(crate) fn mount(kind: Kind, disk: &Path, directory: &Path) -> io::Result<Self> {
        // The loop device is given back by itself when nothing is mounted on it any more.
        let mut command = tool("mount");
        let options = ["-n", "-o", "loop", "-t", kind.name()];
        run(command.args(options).arg(disk).arg(directory))?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// Unmounts it.
    ///
    /// # Errors
    ///
    /// When somebody still uses it.
    pub(crate) fn unmount(self) -> io::Result<()> {
        let ended = unmount(&self.directory);
        std::mem::forget(self);
        ended
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if unmount(&self.directory).is_err() {
            // It goes when the last process goes that uses it.
            let _ = umount2(&self.directory, MntFlags::MNT_DETACH);
        }
    }
}

/// How often, and every how many milliseconds, to try again while a process that was killed goes.
const UNMOUNT_TRIES: u32 = 100;
const UNMOUNT_PAUSE: Duration = Duration::from_millis(20);

fn unmount(directory: &Path) -> io::Result<()> {
    for _ in 0..UNMOUNT_TRIES {
        match umount2(directory, MntFlags::empty()) {
            Err(Errno::EBUSY) => thread::sleep(UNMOUNT_PAUSE),
            other => return Ok(other?),
        }
    }
    Err(Errno::EBUSY.into())
}

/// A program of the system, also where administrators' directories are not searched.
pub(crate) fn tool(name: &str) -> Command {
    let places = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];
    let found = places
        .into_iter()
        .map(|place| Path::new(place).join(name))
        .find(|path| path.exists());
    let mut command = match found {
        Some(path) => Command::new(path),
        None => Command::new(name),
    };
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> io::Result<()> {
    let done = command.output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(io::Error::other(format!("{command:?}: {said}")))
}
