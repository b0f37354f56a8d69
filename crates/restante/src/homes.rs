//! Where the Maildirs or mboxes of accounts are: a path of the configuration with the account's name in it.

use std::io;
use std::path::PathBuf;

use auth::Accounts;
use maildrop::helper::{Helped, Home, Kept};
use maildrop::{Absent, MaildropId, Place, Places, RealDisk};

use crate::config::PathTemplate;
use crate::helper;

/// Finds a maildrop by the account that owns it.
pub(crate) struct Homes {
    accounts: Accounts,
    path: PathTemplate,
    kept: Kept,
    /// Where they are if they are files of users of this machine.
    users: Option<Home>,
}

impl Homes {
    /// Where they are if they are the server's own, or those of users of this machine.
    pub(crate) fn new(
        accounts: Accounts,
        path: PathTemplate,
        kept: Kept,
        users: Option<Home>,
    ) -> Self {
        Self {
            accounts,
            path,
            kept,
            users,
        }
    }

    /// The account, and the path to its maildrop.
    fn look_up(&self, id: MaildropId) -> io::Result<(String, PathBuf)> {
        let account = self.accounts.owner(id.0).map_err(io::Error::other)?;
        let account = account.ok_or(io::ErrorKind::NotFound)?;
        // An account's name is no path: it has no `/`, and neither is nor begins with a dot.
        let path = self.path.path(&account).ok_or_else(|| {
            let what = format!(
                "the `path` of the maildrops does not say where that of {account} is: one with {{local}} alone is \
                 for accounts without a domain, one with {{domain}} for those that have one"
            );
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
        Ok((account, path))
    }
}

impl Places<RealDisk> for Homes {
    fn find(&self, id: MaildropId, absent: Absent) -> io::Result<Place<RealDisk>> {
        let (account, path) = self.look_up(id)?;
        let (directory, file) = match self.kept {
            Kept::Maildir => (Some(&*path), None),
            Kept::Mbox => (path.parent(), path.file_name()),
        };
        let directory = directory.ok_or(io::ErrorKind::InvalidInput)?;
        if file.is_some_and(|file| file.as_encoded_bytes().ends_with(b".lock")) {
            // It would be the lock of somebody else's file, and be taken away as such.
            let what = format!(
                "{} cannot be an mbox: that is what locks are called",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        if let Some(home) = &self.users {
            return Helped::place(helper::running()?, home, &account, absent);
        }
        let disk = match absent {
            Absent::IsMade => RealDisk::directory(directory)?,
            Absent::Fails => RealDisk::existing(directory)?,
        };
        // The path is made of text.
        let file = file.unwrap_or_default().to_string_lossy().into_owned();
        Ok(Place { disk, file })
    }

    fn path(&self, id: MaildropId) -> Option<PathBuf> {
        self.look_up(id).ok().map(|(_, path)| path)
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        let accounts = self.accounts.list().map_err(io::Error::other)?;
        let mut ids: Vec<_> = accounts.iter().map(|it| MaildropId(it.maildrop)).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}
