//! What this process remembers of Maildirs, so that a poll of one that has not changed reads nothing.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scan::{Stamps, stats};
use super::session::Message;
use super::{courier, dovecot};
use crate::id::MaildropId;
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

/// Maildirs that were looked through.
#[derive(Debug)]
pub(super) struct Known {
    maildirs: Mutex<Maildirs>,
    octets_max: usize,
}

#[derive(Debug, Default)]
struct Maildirs {
    by_id: HashMap<MaildropId, Seen>,
    octets: usize,
    clock: u64,
}

#[derive(Debug)]
struct Seen {
    state: State,
    messages: Arc<Vec<Message>>,
    octets: usize,
    used: u64,
}

impl Known {
    /// Remembers about so many octets.
    pub(super) fn new(octets_max: usize) -> Self {
        Self {
            maildirs: Mutex::default(),
            octets_max,
        }
    }

    /// The messages of a Maildir, if it is as it was.
    pub(super) fn get(&self, id: MaildropId, state: &State) -> Option<Arc<Vec<Message>>> {
        let mut maildirs = self.lock();
        maildirs.clock += 1;
        let now = maildirs.clock;
        let seen = maildirs.by_id.get_mut(&id)?;
        seen.used = now;
        (seen.state == *state).then(|| Arc::clone(&seen.messages))
    }

    /// Remembers the messages of a Maildir.
    pub(super) fn put(&self, id: MaildropId, state: State, messages: &Arc<Vec<Message>>) {
        let paths: usize = messages.iter().map(|message| message.path.len()).sum();
        let octets = size_of_val(messages.as_slice()) + paths + size_of::<Seen>();
        let mut maildirs = self.lock();
        maildirs.forget(id);
        if octets > self.octets_max {
            return;
        }
        maildirs.clock += 1;
        let seen = Seen {
            state,
            messages: Arc::clone(messages),
            octets,
            used: maildirs.clock,
        };
        maildirs.octets += octets;
        maildirs.by_id.insert(id, seen);
        if maildirs.octets > self.octets_max {
            maildirs.forget_some(self.octets_max / 4 * 3);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Maildirs> {
        self.maildirs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maildirs {
    fn forget(&mut self, id: MaildropId) {
        if let Some(seen) = self.by_id.remove(&id) {
            self.octets -= seen.octets;
        }
    }

    /// Forgets the longest unused until so many octets are left; many are forgotten at once, so that the
    /// sorting is paid for by many logins.
    fn forget_some(&mut self, octets: usize) {
        let mut by_use: Vec<_> = self
            .by_id
            .iter()
            .map(|(&id, seen)| (seen.used, id))
            .collect();
        by_use.sort_unstable();
        for (_, id) in by_use {
            if self.octets <= octets {
                return;
            }
            self.forget(id);
        }
    }
}
