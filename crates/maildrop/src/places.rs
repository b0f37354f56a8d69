//! Where maildrops lie that other programs keep as well.

use std::io;
use std::path::PathBuf;

use crate::id::MaildropId;
use crate::native::media::Disk;

/// Finds the files of maildrops that a back end did not name itself.
pub trait Places<D: Disk>: Send + Sync {
    /// Where a maildrop lies. Its directory is made, durably, if that is asked for.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such account, or no directory and none is to be made; what the
    /// file system says.
    fn find(&self, id: MaildropId, absent: Absent) -> io::Result<Place<D>>;

    /// Where that is, or would be, for people; none if nobody can say.
    fn path(&self, id: MaildropId) -> Option<PathBuf>;

    /// All maildrops that there may be, ascending.
    ///
    /// # Errors
    ///
    /// What whoever knows the accounts says.
    fn ids(&self) -> io::Result<Vec<MaildropId>>;
}

/// What becomes of a directory that is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Absent {
    /// Nothing: that is an error.
    Fails,
    /// It is made.
    IsMade,
}

/// A place.
pub struct Place<D: Disk> {
    /// A directory: the Maildir, or that of the mbox.
    pub disk: D,
    /// The mbox in it; empty where the directory is the maildrop.
    pub file: String,
}
