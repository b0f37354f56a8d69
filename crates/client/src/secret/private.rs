//! A file that only its owner can read.
//!
//! The rule is looked at on the open file, so nobody can put another one in its place in between. A link to
//! it may lead there: tools that manage secrets lay them out like that.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::SecretError;

/// Reads a file that belongs to us and that nobody else can read.
pub(crate) fn read(file: &Path, octets_max: usize) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    read_if(file, octets_max, |found| {
        let ours = rustix::process::geteuid().as_raw();
        if found.uid() != ours {
            let owner = found.uid();
            return Err(format!(
                "it belongs to user {owner}, and this program runs as user {ours}; chown it, or run as its owner"
            ));
        }
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o7777;
            let name = file.display();
            return Err(format!(
                "others may read it (mode {mode:04o}); run: chmod 600 {name}"
            ));
        }
        Ok(())
    })
}

/// Reads a file whoever may read it as well.
pub(super) fn read_any(file: &Path, octets_max: usize) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    read_if(file, octets_max, |_| Ok(()))
}

fn read_if(
    file: &Path,
    octets_max: usize,
    judge: impl FnOnce(&Metadata) -> Result<(), String>,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |source| SecretError::File {
        file: file.to_owned(),
        source,
    };
    let not_private = |why| SecretError::NotPrivate {
        file: file.to_owned(),
        why,
    };
    let open = open(file).map_err(failed)?;
    let found = open.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(not_private("it is no regular file".to_owned()));
    }
    judge(&found).map_err(not_private)?;
    // Never grown, for a buffer that moves leaves the secret behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(octets_max + 1));
    let limit = octets_max as u64 + 1;
    (&open)
        .take(limit)
        .read_to_end(&mut octets)
        .map_err(failed)?;
    match octets.len() > octets_max {
        true => Err(SecretError::TooLong(file.display().to_string())),
        false => Ok(octets),
    }
}

/// Without NONBLOCK a pipe in its place would stop us here for ever.
fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(file)
}
