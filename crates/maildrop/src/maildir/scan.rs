//! Which files are in a Maildir, while others deliver into it, rename and delete.
//!
//! A program that sets a flag renames a file, and a directory that is listed meanwhile may show it under
//! both names or under none (readdir(3) promises nothing). So a listing counts only if the
//! directories are what they were when it began.

use std::collections::HashMap;
use std::io;

use tracing::warn;

use super::name;
use crate::native::media::{Disk, Stat};

/// Where messages lie. New ones first: a message moves from `new/` to `cur/` and never back, so that it is
/// seen at least once.
pub(super) const PARTS: [&str; 2] = ["new", "cur"];

/// So often a Maildir that changes all the time is listed.
const TRIES: usize = 8;

/// A clock that tells no finer than this, and a change after a listing looks like none.
const RACY_NS: i128 = 1_000_000_000;

/// The state of the directories: another one whenever a file comes, goes or gets another name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamps([Option<Stat>; 2]);

/// What is in a Maildir.
#[derive(Debug)]
pub(super) struct Scan {
    /// The path of each message from the Maildir on, by its name up to the flags.
    pub(super) paths: HashMap<Box<str>, Box<str>>,
    /// Whether nothing changed while it was listed, so that what is not here is not there.
    pub(super) is_whole: bool,
    /// When that was so; none: a change that came right after could not be told.
    pub(super) stamps: Option<Stamps>,
}

impl Stamps {
    /// The state now.
    ///
    /// # Errors
    ///
    /// What the file system says; that a directory is not there is none.
    pub(super) fn now<D: Disk>(disk: &D) -> io::Result<Self> {
        stats(disk, PARTS).map(Self)
    }

    /// Whether a later change would show, for one who has looked at this time (µs since 1970).
    fn are_old(&self, now_us: i64) -> bool {
        let limit = i128::from(now_us) * 1000 - RACY_NS;
        let mut changes = self.0.iter().flatten().map(|stat| stat.changed_ns);
        changes.all(|changed_ns| changed_ns < limit)
    }
}

/// What is known of some names, each; none where there is nothing of that name.
///
/// # Errors
///
/// What the file system says.
pub(super) fn stats<D: Disk, const N: usize>(
    disk: &D,
    paths: [&str; N],
) -> io::Result<[Option<Stat>; N]> {
    let mut stats = [None; N];
    for (stat, path) in stats.iter_mut().zip(paths) {
        *stat = match disk.stat(path) {
            Ok(stat) => Some(stat),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
    }
    Ok(stats)
}

/// Lists a Maildir; `now_us`: the time before. One without its directories is empty.
///
/// # Errors
///
/// What the file system says.
pub(super) fn scan<D: Disk>(disk: &D, now_us: i64) -> io::Result<Scan> {
    let mut paths = HashMap::new();
    for _ in 0..TRIES {
        let before = Stamps::now(disk)?;
        for part in PARTS {
            list(disk, part, &mut paths)?;
        }
        if Stamps::now(disk)? == before {
            return Ok(Scan {
                paths,
                is_whole: true,
                stamps: Some(before).filter(|stamps| stamps.are_old(now_us)),
            });
        }
    }
    // Whatever was seen once is there, or it is gone, which shows as soon as somebody wants it.
    Ok(Scan {
        paths,
        is_whole: false,
        stamps: None,
    })
}

fn list<D: Disk>(disk: &D, part: &str, paths: &mut HashMap<Box<str>, Box<str>>) -> io::Result<()> {
    let names = match disk.list(part) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for file in names {
        // Names that begin with a dot are never messages (Maildir++ keeps its folders there).
        if file.starts_with('.') {
            continue;
        }
        let base = name::base_str(&file);
        // In a list it would be a line that makes no sense, or several.
        if base.is_empty() || file.chars().any(char::is_control) {
            warn!(part, ?file, "a file of such a name is no message");
            continue;
        }
        paths.insert(base.into(), format!("{part}/{file}").into());
    }
    Ok(())
}
