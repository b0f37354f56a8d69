//! The outer process: it holds the disks, and starts the inner one, which mounts and judges.
//!
//! Nothing is left behind, however it ends. Every mount is made in mount namespaces of our own,
//! and every loop device is given back with its mount, so both go with the last process; the inner
//! process is the first of a PID namespace and dies with this one, and all others die with it.

use std::env;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{self, Child, Command, ExitCode};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};

use crate::files::Disks;
use crate::steer;

/// The word that says that this is the inner process; its directory follows.
pub(crate) const INSIDE: &str = "--inside";

/// Runs the inner process to its end, with the command line of this one.
///
/// # Errors
///
/// When something that the rig needs cannot be had.
pub(crate) fn host(target: &Path) -> io::Result<ExitCode> {
    let directory = target.join(format!("{RUN}{}", process::id()));
    forget_the_dead(target);
    fs::create_dir_all(directory.join("disks"))?;
    let ended = hosted(&directory);
    // What is still mounted there is not looked into.
    let _ = umount2(&directory.join("disks"), MntFlags::MNT_DETACH);
    fs::remove_dir_all(&directory)?;
    ended
}

/// What a run's directory is called before the number of its process.
const RUN: &str = "run-";

/// Removes the directories of runs that were killed too suddenly to do it; nothing is mounted there
/// any more.
fn forget_the_dead(target: &Path) {
    for entry in fs::read_dir(target).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(RUN));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // It is only untidy.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn hosted(directory: &Path) -> io::Result<ExitCode> {
    own_mounts()?;
    let disks = Disks::default();
    let _session = disks.mount(&directory.join("disks"))?;
    let (here, there) = UnixStream::pair()?;
    thread::spawn(move || steer::answer(&disks, here));
    // From here on no thread can be started: threads share one PID namespace.
    unshare(CloneFlags::CLONE_NEWPID)?;
    let signals = SigSet::from_iter([
        Signal::SIGCHLD,
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
    ]);
    signals.thread_block()?;
    let mut inner = Command::new(env::current_exe()?)
        .arg(INSIDE)
        .arg(directory)
        .args(env::args_os().skip(1))
        .stdin(OwnedFd::from(there))
        .spawn()?;
    waited(&mut inner, &signals)
}

/// Waits for the inner process, and ends it when this one is told to end.
fn waited(inner: &mut Child, signals: &SigSet) -> io::Result<ExitCode> {
    loop {
        let signal = signals.wait()?;
        if signal != Signal::SIGCHLD {
            inner.kill()?;
            inner.wait()?;
            println!("interrupted by {signal}");
            return Ok(ExitCode::from(130));
        }
        if let Some(status) = inner.try_wait()? {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            if code.is_none() {
                println!("  FAILED the inner process has died: {status}");
                println!("0 passed, 1 failed, 0 skipped");
            }
            return Ok(ExitCode::from(code.unwrap_or(1)));
        }
    }
}

/// From here on mounts are seen by this process and its children only.
pub(crate) fn own_mounts() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    Ok(())
}

/// Undoes for the inner process what this one has set for itself: it dies with its parent, hears
/// signals, and sees its own processes in `/proc`.
pub(crate) fn settle_inside() -> io::Result<UnixStream> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    SigSet::all().thread_unblock()?;
    own_mounts()?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>)?;
    let stream = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
    Ok(UnixStream::from(stream))
}
