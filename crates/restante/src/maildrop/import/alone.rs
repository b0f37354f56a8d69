//! One import into a maildrop at a time: two that looked at what is there and then brought the same would
//! bring everything twice.
//!
//! The lock is that of an octet of one file in the data directory, so that lists can be run side by side. It
//! belongs to the open file (`F_OFD_SETLK`): the kernel frees it when the import ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use maildrop::MaildropId;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::failure::{Code, Failure};
use crate::maildrop::Owned;
use crate::output;

/// The file, which stays: who removed it would let in a second one.
const FILE: &str = "imports.lock";

/// As long as it lives, no other import brings anything into the maildrop.
#[derive(Debug)]
pub(super) struct Alone {
    _locked: File,
}

impl Alone {
    /// Locks a maildrop against other imports, without waiting. Sessions and deliveries go on.
    ///
    /// # Errors
    ///
    /// When there is another import, or the data directory cannot be written to.
    pub(super) fn with(data: &Path, owned: &Owned) -> Result<Self, Failure> {
        let path = data.join(FILE);
        let locked = open(&path).and_then(|file| Ok((lock(&file, owned.id)?, file)));
        match locked {
            Ok((true, file)) => Ok(Self { _locked: file }),
            Ok((false, _)) => Err(Failure::new(
                Code::Temporary,
                format!(
                    "another import into the maildrop of {} goes on",
                    owned.name()
                ),
            )
            .remedy("run this again when that one has ended: what is there already is skipped")),
            Err(error) => Err(Failure::new(
                Code::CannotCreate,
                format!(
                    "{} cannot be locked: {}",
                    path.display(),
                    output::plain(&error)
                ),
            )
            .remedy("it must belong to the owner of the data directory")),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Whether the octet of a maildrop is ours now.
fn lock(file: &File, id: MaildropId) -> io::Result<bool> {
    let range = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        // Half of all numbers are offsets. That two maildrops share one, of so many, does no harm.
        l_start: (id.0 >> 1).cast_signed(),
        l_len: 1,
        l_pid: 0,
    };
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
            Ok(_) => return Ok(true),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => return Ok(false),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maildrop_is_locked_and_the_others_are_not() {
        let data = tempfile::tempdir().unwrap();
        let owned = |id| Owned {
            account: Some("bob".to_owned()),
            id: MaildropId(id),
        };
        let first = Alone::with(data.path(), &owned(u64::MAX)).unwrap();
        let other = Alone::with(data.path(), &owned(7));
        let second = Alone::with(data.path(), &owned(u64::MAX)).unwrap_err();
        assert_eq!(second.code(), Code::Temporary);
        drop((first, other.unwrap()));
        Alone::with(data.path(), &owned(u64::MAX)).unwrap();
    }
}
