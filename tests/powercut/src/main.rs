//! Cuts the power under real file systems, and judges what is left of the mail.
//!
//! The real program works on an ext4 or XFS that lies on a disk in memory, which logs every write
//! and every flush. Of each log many crash images are made, of what a disk with a write cache may
//! have kept: they are mounted, the journal is replayed, the store opens every maildrop, and what
//! was promised before the cut is held against what is there. `restante-powercut --help` says how
//! to run it; `make powercut` builds what it needs.

mod dialogue;
mod disk;
mod files;
mod history;
mod host;
mod judge;
mod letter;
mod loss;
mod program;
mod recorder;
mod run;
mod steer;
mod store;
mod sum;
mod volume;
mod workload;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::run::Run;
use crate::steer::Steer;
use crate::volume::{Kind, tool};

/// Cuts the power under real file systems, and judges what is left of the mail.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    /// Crash images in all
    #[arg(long, value_name = "N", default_value_t = 100)]
    images: usize,
    /// Which file systems; of both, six images in ten are ext4
    #[arg(long, value_enum, default_value_t = FileSystems::Both)]
    fs: FileSystems,
    /// Decides on messages, steps and cuts; what the scheduler does in between is not repeated
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Stop, and fail, after so many seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Show that the rig finds what it looks for: the disk forgets what it has flushed
    #[arg(long)]
    lying_disk: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum FileSystems {
    Ext4,
    Xfs,
    Both,
}

impl Arguments {
    /// How many images of which.
    fn wanted(&self) -> Vec<(Kind, usize)> {
        match self.fs {
            FileSystems::Ext4 => vec![(Kind::Ext4, self.images)],
            FileSystems::Xfs => vec![(Kind::Xfs, self.images)],
            FileSystems::Both => {
                let ext4 = self.images.saturating_mul(6).div_ceil(10);
                vec![(Kind::Ext4, ext4), (Kind::Xfs, self.images - ext4)]
            }
        }
    }

    /// The program: `$RESTANTE`, or the one that was built beside this.
    fn program(&self) -> io::Result<PathBuf> {
        let program = match env::var_os("RESTANTE") {
            Some(program) => PathBuf::from(program),
            None => beside("restante")?,
        };
        fs::canonicalize(&program).map_err(|error| {
            let what = format!("{}: {error} (cargo build -p restante)", program.display());
            io::Error::new(error.kind(), what)
        })
    }

    /// Where everything is written: `target/powercut`.
    fn target(&self) -> io::Result<PathBuf> {
        let profile = beside("")?;
        let target = profile.parent().ok_or(io::ErrorKind::NotFound)?;
        Ok(target.join("powercut"))
    }
}

fn beside(name: &str) -> io::Result<PathBuf> {
    let here = env::current_exe()?;
    let directory = here.parent().ok_or(io::ErrorKind::NotFound)?;
    Ok(directory.join(name))
}

/// Why nothing, or not this file system, can be tried here.
fn hindrance(kind: Kind) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("mounting needs root".into());
    }
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if !map.split_whitespace().eq(["0", "0", "4294967295"]) {
        return Some("this root is root in a namespace only".into());
    }
    let fuse = File::options().read(true).write(true).open("/dev/fuse");
    if let Err(error) = fuse {
        return Some(format!("/dev/fuse: {error}"));
    }
    if let Err(error) = File::open("/dev/loop-control") {
        return Some(format!("/dev/loop-control: {error}"));
    }
    for program in ["mount", kind.maker()] {
        if let Err(error) = tool(program).arg("-V").output() {
            return Some(format!("{program}: {error}"));
        }
    }
    match tool("unshare")
        .args(["--mount", "--pid", "--fork", "true"])
        .output()
    {
        Ok(done) if done.status.success() => {}
        _ => return Some("this process may not make namespaces".into()),
    }
    // Where it is a module, this loads it; where it is not, modprobe does not matter.
    let _ = tool("modprobe").args(["-q", kind.name()]).output();
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let known = known.lines().any(|line| line.trim() == kind.name());
    (!known).then(|| format!("this kernel has no {kind}"))
}

fn main() -> ExitCode {
    let mut words: Vec<_> = env::args_os().collect();
    let inside = match words.get(1).is_some_and(|word| word == host::INSIDE) {
        true => words.drain(1..3).nth(1),
        false => None,
    };
    let arguments = Arguments::parse_from(words);
    let ended = match &inside {
        Some(directory) => judged(&arguments, Path::new(directory)),
        None => started(&arguments),
    };
    ended.unwrap_or_else(|error| {
        println!("  FAILED the rig: {error}");
        println!("0 passed, 1 failed, 0 skipped");
        ExitCode::FAILURE
    })
}

/// The outer process.
fn started(arguments: &Arguments) -> io::Result<ExitCode> {
    let wanted = arguments.wanted();
    let hindrances: Vec<_> = wanted.iter().map(|(kind, _)| hindrance(*kind)).collect();
    if hindrances.iter().all(Option::is_some) {
        for (reason, (kind, _)) in hindrances.iter().flatten().zip(&wanted) {
            println!("  SKIPPED power cuts under {kind}: {reason}");
        }
        println!("0 passed, 0 failed, {} skipped", wanted.len());
        return Ok(ExitCode::SUCCESS);
    }
    arguments.program()?;
    host::host(&arguments.target()?)
}

/// The inner process.
fn judged(arguments: &Arguments, directory: &Path) -> io::Result<ExitCode> {
    let steer = Steer::new(host::settle_inside()?);
    let mut skipped = 0;
    let mut wanted = arguments.wanted();
    wanted.retain(|(kind, _)| match hindrance(*kind) {
        Some(reason) => {
            println!("  SKIPPED power cuts under {kind}: {reason}");
            skipped += 1;
            false
        }
        None => true,
    });
    for place in ["live", "crashed"] {
        fs::create_dir(directory.join(place))?;
    }
    let (passed, failed) = Run::new(arguments, steer, directory).all(&wanted)?;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
