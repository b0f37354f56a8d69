//! By what it is known whether a Maildir has changed.

use std::io;

use super::scan::{Stamps, stats};
use super::{courier, dovecot};
use crate::native::media::{Disk, Stat};

/// Everything that a listing is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct State {
    pub(super) directories: Stamps,
    pub(super) lists: Lists,
}

/// The lists of other servers, as the file system knows them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lists([Option<Stat>; 2]);

impl Lists {
    /// As they are now.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub(super) fn now<D: Disk>(disk: &D) -> io::Result<Self> {
        stats(disk, [dovecot::FILE, courier::FILE]).map(Self)
    }

    /// Notes how Dovecot's is, by one who has its lock and has read it, or written.
    pub(super) fn know_dovecot(&mut self, list: Stat) {
        let Self([dovecot, _]) = self;
        *dovecot = Some(list);
    }
}
