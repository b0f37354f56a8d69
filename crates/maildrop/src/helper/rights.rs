//! Whose rights a thread of the helper works with.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid, User, setfsgid, setfsuid};
use rustix::thread::set_thread_groups;

use super::message::Refusal;

/// A user of this machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Somebody {
    pub(super) uid: u32,
    gid: u32,
}

/// What is known of the users of this machine.
pub(super) struct Users {
    first_uid: u32,
    known: Mutex<HashMap<Box<str>, (Instant, Somebody)>>,
}

/// For so long a user is what he was when he was looked up.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// Most users who are remembered.
const KNOWN_MAX: usize = 65_536;

impl Users {
    /// Those whose user ids are at least `first_uid`, and never root.
    pub(super) fn new(first_uid: u32) -> Self {
        Self {
            first_uid: first_uid.max(1),
            known: Mutex::default(),
        }
    }

    /// Looks a user up, with root's rights if he is not known: what the machine knows of its users may be in files
    /// that only root reads.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or it is one of the system's own, or nobody can say.
    pub(super) fn find(&self, name: &str, rights: &mut Rights) -> Result<Somebody, Refusal> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, somebody)) = lock().get(name)
            && when.elapsed() < KNOWN_FOR
        {
            return Ok(*somebody);
        }
        // A name is a part of a path.
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
            return Err(Refusal::NoUser);
        }
        rights.take(ROOT, None).map_err(|_| Refusal::NotLookedUp)?;
        // An error is not passed on as it is: what a name service cannot find must not look like a file that is
        // not there.
        let user = User::from_name(name).map_err(|_| Refusal::NotLookedUp)?;
        let user = user.ok_or(Refusal::NoUser)?;
        if user.uid.as_raw() < self.first_uid {
            return Err(Refusal::SystemUser);
        }
        let somebody = Somebody {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        };
        let mut known = lock();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(name.into(), (Instant::now(), somebody));
        Ok(somebody)
    }
}

const ROOT: Somebody = Somebody { uid: 0, gid: 0 };

/// The rights that this thread has for files. They are the thread's own: others keep theirs.
#[derive(Default)]
pub(super) struct Rights(Option<(Somebody, Option<u32>)>);

impl Rights {
    /// Takes a user's, with his first group and at most one other.
    ///
    /// # Errors
    ///
    /// What the system says; the thread must do nothing with files then.
    pub(super) fn take(&mut self, somebody: Somebody, group: Option<u32>) -> io::Result<()> {
        let wanted = Some((somebody, group));
        if self.0 == wanted {
            return Ok(());
        }
        self.0 = None;
        let groups = group.map(rustix::fs::Gid::from_raw);
        set_thread_groups(groups.as_slice())?;
        // Neither call tells whether it has succeeded; asked for an id that there is not, both tell what is.
        let (uid, gid) = (Uid::from_raw(somebody.uid), Gid::from_raw(somebody.gid));
        setfsgid(gid);
        setfsuid(uid);
        let nobody = u32::MAX;
        if setfsgid(Gid::from_raw(nobody)) != gid || setfsuid(Uid::from_raw(nobody)) != uid {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.0 = wanted;
        Ok(())
    }
}
