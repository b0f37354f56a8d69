//! What `maildrop import` reads: a Maildir, an mbox file, or a directory of .eml files.
//!
//! A Maildir's messages lie in new/ and cur/. Their dates come from the names of the files, and their order
//! from what has served them before, or else from their dates.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maildrop::maildir::{Names, name};
use maildrop::mbox::{self, IndexError, Variant};

/// A message to be imported.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// When it arrived, µs since 1970.
    pub(crate) received_us: i64,
    /// What its name says whatever its flags are; empty if it has none.
    pub(crate) origin: Vec<u8>,
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// Where in an mbox file.
    pub(crate) part: Option<Part>,
}

/// A message's part of an mbox file.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The file, as it was when it was looked through: who replaces it makes another.
    pub(crate) file: Arc<File>,
    /// From where.
    pub(crate) start: u64,
    /// To where.
    pub(crate) end: u64,
    /// Who has sent it; nobody: the null sender.
    pub(crate) sender: Option<Vec<u8>>,
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
    /// In the order that they have for clients.
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

/// Looks through an mbox file.
///
/// # Errors
///
/// When it cannot be read, or is none: `InvalidData` then.
pub(crate) fn scan_mbox(path: &Path, variant: Variant) -> io::Result<Scan> {
    let file = Arc::new(open(path)?);
    let modified = modified(&file.metadata()?);
    let found = mbox::index(&*file, variant).map_err(|error| match error {
        IndexError::Unavailable(error) => error,
        IndexError::NoMbox(offset) => io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is no mbox of this dialect: at octet {offset} no message has begun"),
        ),
    })?;
    let messages = found.into_iter().map(|message| {
        let mark = message.postmark;
        Found {
            received_us: mark.as_ref().map_or(modified, |mark| mark.received_us),
            origin: Vec::new(),
            path: path.to_owned(),
            part: Some(Part {
                file: Arc::clone(&file),
                start: message.text.start,
                end: message.text.end,
                sender: mark.map(|mark| match mark.sender == NOBODY {
                    true => Vec::new(),
                    false => mark.sender,
                }),
            }),
        }
    });
    Ok(Scan {
        messages: messages.collect(),
        bad: Vec::new(),
    })
}

/// Whom an mbox names where there is no sender.
const NOBODY: &[u8] = b"MAILER-DAEMON";

/// When a file was last written, in µs since 1970.
fn modified(metadata: &Metadata) -> i64 {
    let seconds = metadata.mtime().saturating_mul(1_000_000);
    seconds.saturating_add(metadata.mtime_nsec() / 1_000)
}

/// Looks through a directory; `names` tells the order of a Maildir's messages.
///
/// # Errors
///
/// When it, or one of a Maildir's two parts, cannot be listed.
pub(crate) fn scan(directory: &Path, names: &Names) -> io::Result<Scan> {
    let mut scan = Scan::default();
    if is_maildir(directory) {
        for part in ["new", "cur"] {
            collect(&directory.join(part), Kind::Maildir, &mut scan)?;
        }
    } else {
        collect(directory, Kind::Eml, &mut scan)?;
    }
    scan.messages.sort_by(|one, other| {
        (one.received_us, &one.origin).cmp(&(other.received_us, &other.origin))
    });
    // A program that moved a message from new/ to cur/ while we looked showed it to us twice.
    scan.messages
        .dedup_by(|later, first| later.origin == first.origin);
    let messages = &mut scan.messages;
    messages.sort_by(|one, other| names.rank(&one.origin, &other.origin));
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
                let modified = modified(&metadata);
                let (received_us, origin) = match kind {
                    Kind::Maildir => (name::arrival_us(name).unwrap_or(modified), name::base(name)),
                    Kind::Eml => (modified, name),
                };
                scan.messages.push(Found {
                    received_us,
                    origin: origin.to_vec(),
                    path,
                    part: None,
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
        let scan = scan(directory.path(), &Names::Files).unwrap();
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
