//! What this process remembers of maildrops that others use as well, so that a poll of one that has not changed
//! reads nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::id::MaildropId;

/// What was found in maildrops, by what the file system said of each.
#[derive(Debug)]
pub(crate) struct Known<S, T: ?Sized> {
    maildrops: Mutex<Maildrops<S, T>>,
    octets_max: usize,
}

#[derive(Debug)]
struct Maildrops<S, T: ?Sized> {
    by_id: HashMap<MaildropId, Seen<S, T>>,
    octets: usize,
    clock: u64,
}

#[derive(Debug)]
struct Seen<S, T: ?Sized> {
    state: S,
    found: Arc<T>,
    octets: usize,
    used: u64,
}

impl<S: PartialEq, T: ?Sized> Known<S, T> {
    /// Remembers about so many octets.
    pub(crate) fn new(octets_max: usize) -> Self {
        let maildrops = Maildrops {
            by_id: HashMap::new(),
            octets: 0,
            clock: 0,
        };
        Self {
            maildrops: Mutex::new(maildrops),
            octets_max,
        }
    }

    /// What was found in a maildrop, if it is as it was.
    pub(crate) fn get(&self, id: MaildropId, state: &S) -> Option<Arc<T>> {
        let mut maildrops = self.lock();
        maildrops.clock += 1;
        let now = maildrops.clock;
        let seen = maildrops.by_id.get_mut(&id)?;
        seen.used = now;
        (seen.state == *state).then(|| Arc::clone(&seen.found))
    }

    /// Remembers what was found, which takes so many octets of memory.
    pub(crate) fn put(&self, id: MaildropId, state: S, found: &Arc<T>, octets: usize) {
        let octets = octets + size_of::<Seen<S, T>>();
        let mut maildrops = self.lock();
        maildrops.forget(id);
        if octets > self.octets_max {
            return;
        }
        maildrops.clock += 1;
        let seen = Seen {
            state,
            found: Arc::clone(found),
            octets,
            used: maildrops.clock,
        };
        maildrops.octets += octets;
        maildrops.by_id.insert(id, seen);
        if maildrops.octets > self.octets_max {
            maildrops.forget_some(self.octets_max / 4 * 3);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Maildrops<S, T>> {
        self.maildrops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S, T: ?Sized> Maildrops<S, T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_not_remembered_and_what_is_used_is() {
        let known = Known::new(10_000);
        let found: Arc<str> = Arc::from("found");
        let is_there = |id, state| known.get(MaildropId(id), &state).is_some();
        known.put(MaildropId(1), 7, &found, 1000);
        assert!(is_there(1, 7) && !is_there(1, 8) && !is_there(2, 7));
        known.put(MaildropId(1), 8, &found, 1000);
        assert!(is_there(1, 8) && !is_there(1, 7));
        for id in 2..30 {
            known.put(MaildropId(id), 7, &found, 1000);
            assert!(is_there(1, 8), "{id}");
        }
        assert!(!is_there(2, 7) && is_there(29, 7));
        assert!(known.lock().octets <= 10_000);
        // What is too large for all is not put in the place of others.
        known.put(MaildropId(99), 7, &found, 10_000);
        assert!(!is_there(99, 7) && is_there(1, 8));
    }
}
