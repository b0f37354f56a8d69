//! What `maildrop import` reads: a Maildir, or a directory of .eml files.
//!
//! A Maildir's messages lie in new/ and cur/; the beginning of a name is the time of arrival
//! (`seconds.M<microseconds>…`), and what follows the first `:` are flags that change while the
//! message stays. So order and date come from the name, and the part before the `:` tells whether
//! a message has been imported already.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A message to be imported.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Found {
    /// When it arrived, µs since 1970; also what the messages are ordered by.
    pub(crate) received_us: i64,
    /// What its name says whatever its flags are.
    pub(crate) origin: Vec<u8>,
    /// Where it lies.
    pub(crate) path: PathBuf,
}

/// Something in the directory that is not imported.
#[derive(Debug)]
pub(crate) struct Bad {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Why not.
    pub(crate) why: String,
}

/// A directory's messages in their order, and what is none.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// In order of arrival.
    pub(crate) messages: Vec<Found>,
    /// Named, and left alone.
    pub(crate) bad: Vec<Bad>,
}

/// Whether the directory is a Maildir.
pub(crate) fn is_maildir(directory: &Path) -> bool {
    ["new", "cur"]
        .iter()
        .all(|part| directory.join(part).is_dir())
}

/// Looks through a directory.
///
/// # Errors
///
/// When it, or one of a Maildir's two parts, cannot be listed.
pub(crate) fn scan(directory: &Path) -> io::Result<Scan> {
    let mut scan = Scan::default();
    if is_maildir(directory) {
        for part in ["new", "cur"] {
            collect(&directory.join(part), Kind::Maildir, &mut scan)?;
        }
    } else {
        collect(directory, Kind::Eml, &mut scan)?;
    }
    scan.messages.sort();
    // A program that moved a message from new/ to cur/ while we looked showed it to us twice.
    scan.messages
        .dedup_by(|later, first| later.origin == first.origin);
    Ok(scan)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Maildir,
    Eml,
}

fn collect(directory: &Path, kind: Kind, scan: &mut Scan) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_bytes();
        let eml = || name.to_ascii_lowercase().ends_with(b".eml");
        // Names that begin with a dot are never messages (Maildir++ keeps its folders there).
        if name.starts_with(b".") || (kind == Kind::Eml && !eml()) {
            continue;
        }
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                let modified = metadata
                    .mtime()
                    .saturating_mul(1_000_000)
                    .saturating_add(metadata.mtime_nsec() / 1_000);
                let (received_us, origin) = match kind {
                    Kind::Maildir => (arrival(name).unwrap_or(modified), base(name)),
                    Kind::Eml => (modified, name),
                };
                scan.messages.push(Found {
                    received_us,
                    origin: origin.to_vec(),
                    path,
                });
            }
            Ok(_) => scan.bad.push(Bad {
                path,
                why: "not a regular file".to_owned(),
            }),
            // Gone since the directory was listed: somebody deleted it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => scan.bad.push(Bad {
                path,
                why: crate::output::plain(&error),
            }),
        }
    }
    Ok(())
}

/// The name without its flags.
fn base(name: &[u8]) -> &[u8] {
    name.split(|octet| *octet == b':').next().unwrap_or(name)
}

/// The time of arrival that a Maildir name begins with, in µs since 1970.
fn arrival(name: &[u8]) -> Option<i64> {
    let name = std::str::from_utf8(base(name)).ok()?;
    let (seconds, rest) = name.split_once('.')?;
    let seconds: i64 = seconds
        .parse()
        .ok()
        .filter(|seconds| (1..1 << 40).contains(seconds))?;
    let microseconds = rest
        .split(|letter: char| letter.is_ascii_uppercase())
        .nth(1)
        .filter(|_| rest.starts_with('M'))
        .and_then(|digits| digits.parse::<i64>().ok())
        .filter(|microseconds| (0..1_000_000).contains(microseconds))
        .unwrap_or(0);
    Some(seconds * 1_000_000 + microseconds)
}

/// Opens a message: a regular file, and no link that would lead elsewhere.
///
/// # Errors
///
/// Those of opening; a file of another kind.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maildir_name_tells_the_arrival() {
        for (name, expected) in [
            (
                &b"1700000000.M123456P42Q1.host,S=120:2,S"[..],
                Some(1_700_000_000_123_456),
            ),
            (b"1700000000.42_1.host", Some(1_700_000_000_000_000)),
            (b"1700000000.P42M7.host", Some(1_700_000_000_000_000)),
            (b"1700000000.M9999999P1.host", Some(1_700_000_000_000_000)),
            (b"hello.eml", None),
            (b"-5.M1P1.host", None),
            (b"99999999999999999999.M1P1.host", None),
            (b"\xff\xfe.x", None),
            (b"", None),
        ] {
            assert_eq!(arrival(name), expected, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn a_maildir_is_read_in_order_of_arrival_and_without_its_flags() {
        let directory = tempfile::tempdir().unwrap();
        for part in ["new", "cur", "tmp"] {
            fs::create_dir(directory.path().join(part)).unwrap();
        }
        for name in [
            "new/20.M2P1.h",
            "new/20.M1P1.h",
            "cur/10.P1.h:2,S",
            "tmp/5.P1.h",
            "new/.hidden",
            "cur/20.M1P1.h:2,S",
        ] {
            fs::write(directory.path().join(name), b"x").unwrap();
        }
        fs::create_dir(directory.path().join("cur/30.P1.h")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("new/40.P1.h")).unwrap();
        let scan = scan(directory.path()).unwrap();
        let origins: Vec<_> = scan
            .messages
            .iter()
            .map(|found| found.origin.as_slice())
            .collect();
        assert_eq!(origins, [&b"10.P1.h"[..], b"20.M1P1.h", b"20.M2P1.h"]);
        assert_eq!(scan.bad.len(), 2);
        assert!(open(&directory.path().join("new/40.P1.h")).is_err());
    }
}
