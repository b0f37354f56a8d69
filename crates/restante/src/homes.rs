//! Where the Maildirs of accounts are: a path of the configuration with the account's name in it.

use std::io;
use std::path::PathBuf;

use auth::Accounts;
use maildrop::{Absent, MaildropId, Place, Places, RealDisk};

use crate::config::PathTemplate;

/// Finds a Maildir by the account that owns it.
pub(crate) struct Homes {
    accounts: Accounts,
    path: PathTemplate,
}

impl Homes {
    pub(crate) fn new(accounts: Accounts, path: PathTemplate) -> Self {
        Self { accounts, path }
    }

    fn look_up(&self, id: MaildropId) -> io::Result<PathBuf> {
        let account = self.accounts.owner(id.0).map_err(io::Error::other)?;
        let account = account.ok_or(io::ErrorKind::NotFound)?;
        // An account's name is no path: it has no `/`, and neither is nor begins with a dot.
        self.path.path(&account).ok_or_else(|| {
            let what = format!("{account} has no domain, which the path of [maildir] asks for");
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })
    }
}

impl Places<RealDisk> for Homes {
    fn find(&self, id: MaildropId, absent: Absent) -> io::Result<Place<RealDisk>> {
        let path = self.look_up(id)?;
        let disk = match absent {
            Absent::IsMade => RealDisk::directory(&path)?,
            Absent::Fails => RealDisk::existing(&path)?,
        };
        Ok(Place {
            disk,
            file: String::new(),
        })
    }

    fn path(&self, id: MaildropId) -> Option<PathBuf> {
        self.look_up(id).ok()
    }

    fn ids(&self) -> io::Result<Vec<MaildropId>> {
        let accounts = self.accounts.list().map_err(io::Error::other)?;
        let mut ids: Vec<_> = accounts.iter().map(|it| MaildropId(it.maildrop)).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}
