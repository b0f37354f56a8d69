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
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The paths of all files from the Maildir on, one after the other.
    paths: String,
    files: Vec<Place>,
    /// Whether nothing changed while it was listed, so that what is not here is not there.
    pub(super) is_whole: bool,
    /// When that was so; none: a change that came right after could not be told.
    pub(super) stamps: Option<Stamps>,
}

/// Where the path of a file lies. Small: a hundred thousand are looked at in another order.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    /// Octets of the name up to the flags.
    base: u32,
    /// Octets of the whole path.
    path: u32,
}

impl Place {
    fn base(self, paths: &str) -> &str {
        &paths[self.start + PART_OCTETS..][..self.base as usize]
    }

    fn path(self, paths: &str) -> &str {
        &paths[self.start..][..self.path as usize]
    }
}

/// Octets of `new/` and of `cur/`.
const PART_OCTETS: usize = 4;

impl Scan {
    /// The name of each file up to the flags, and its path from the Maildir on. Of several with the same name the
    /// last one is the message.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).map(|index| self.file(index))
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// One of [`Scan::files`].
    pub(super) fn file(&self, index: usize) -> (&str, &str) {
        let place = self.files[index];
        (place.base(&self.paths), place.path(&self.paths))
    }

    /// The path of each message, by its name.
    pub(super) fn by_base(&self) -> HashMap<&str, &str> {
        self.files().collect()
    }

    fn add(&mut self, part: &str, file: &str) {
        let base = name::base(file.as_bytes());
        let start = self.paths.len();
        self.paths.push_str(part);
        self.paths.push('/');
        self.paths.push_str(file);
        // No file system has names of 4 GiB.
        self.files.push(Place {
            start,
            base: base.len() as u32,
            path: (self.paths.len() - start) as u32,
        });
    }

    /// Adds what another look at the Maildir has seen.
    fn extend(&mut self, other: &Self) {
        for (_, path) in other.files() {
            let (part, file) = path.split_at(PART_OCTETS);
            self.add(&part[..PART_OCTETS - 1], file);
        }
    }
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
    let mut all = Scan::default();
    for _ in 0..TRIES {
        let before = Stamps::now(disk)?;
        let mut scan = Scan::default();
        for part in PARTS {
            list(disk, part, &mut scan)?;
        }
        if Stamps::now(disk)? == before {
            scan.is_whole = true;
            scan.stamps = Some(before).filter(|stamps| stamps.are_old(now_us));
            return Ok(scan);
        }
        all.extend(&scan);
    }
    // Whatever was seen once is there, or it is gone, which shows as soon as somebody wants it.
    Ok(all)
}

fn list<D: Disk>(disk: &D, part: &str, scan: &mut Scan) -> io::Result<()> {
    let listed = disk.visit(part, &mut |file| {
        // Names that begin with a dot are never messages (Maildir++ keeps its folders there).
        if file.starts_with('.') {
            return;
        }
        // In a list it would be a line that makes no sense, or several.
        if file.starts_with(':') || has_controls(file) {
            warn!(part, ?file, "a file of such a name is no message");
            return;
        }
        scan.add(part, file);
    });
    match listed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn has_controls(name: &str) -> bool {
    // Without a branch for each octet: hardly any name has other octets than these.
    let others = name.bytes().filter(|octet| !(b' '..=b'~').contains(octet));
    others.count() > 0 && name.chars().any(char::is_control)
}
