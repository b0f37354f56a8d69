//! What this process knows of maildrops: who holds them, and what their files say.
//!
//! One entry a maildrop: the session lock, the append mutex and, under it, the index of the file.
//! Entries that nobody uses are forgotten, the longest unused first, when all together exceed a
//! budget; what they knew is read again from the disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::header::{Header, IDENTITY_LEN};
use super::index::Index;
use super::media::FileId;
use crate::id::MaildropId;

/// Who holds the session lock within this process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Holder {
    #[default]
    Nobody,
    Session,
    /// Housekeeping, which gives way: a login waits for it.
    Tidying,
}

/// The session lock of one maildrop within this process.
#[derive(Debug, Default)]
struct Hold {
    holder: Holder,
    /// Logins that wait for housekeeping.
    waiting: u32,
}

/// What is known of a maildrop's file, true while the append lock is held.
pub(crate) struct Known {
    pub(crate) id: FileId,
    pub(crate) header: Header,
    pub(crate) identity: [u8; IDENTITY_LEN],
    pub(crate) index: Index,
    /// Everything below is durable.
    pub(crate) durable: u64,
    /// When the file changed last, by us or as we found it; none: by us, and not looked at yet.
    pub(crate) changed_ns: Option<i128>,
    /// Whether the file's name is durable, too.
    pub(crate) anchored: bool,
    /// How far the sidecar on disk goes; 0: there is none.
    pub(crate) sidecar: u64,
    /// Number of the last commit that the sidecar knows.
    pub(crate) sidecar_commits: u64,
}

/// A record that was refused to its sender and could not be taken off the file yet. Nothing is
/// shown or appended before that has been done.
#[derive(Clone, Debug)]
pub(crate) struct Poison {
    pub(crate) id: FileId,
    pub(crate) identity: [u8; IDENTITY_LEN],
    /// Length of the file as the failure left it.
    pub(crate) len: u64,
    /// Where to cut.
    pub(crate) cut: u64,
    /// What is there.
    pub(crate) start: Vec<u8>,
}

/// What the append mutex guards.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) known: Option<Known>,
    pub(crate) poison: Option<Poison>,
    /// How far which file was durable once, also when nothing else is known any more.
    pub(crate) floor: Option<([u8; IDENTITY_LEN], u64)>,
}

/// One maildrop in this process.
#[derive(Default)]
pub(crate) struct Shared {
    hold: Mutex<Hold>,
    freed: Condvar,
    slot: Mutex<Slot>,
    used: AtomicU64,
    cost: AtomicUsize,
}

/// How long a login waits for housekeeping of the same maildrop.
pub(crate) const TIDYING_WAIT: Duration = Duration::from_secs(5);

impl Shared {
    /// Takes the session lock of this process; false if a session has it.
    pub(crate) fn hold(&self) -> bool {
        let mut hold = self.lock_hold();
        hold.waiting += 1;
        let (mut hold, _) = self
            .freed
            .wait_timeout_while(hold, TIDYING_WAIT, |hold| hold.holder == Holder::Tidying)
            .unwrap_or_else(PoisonError::into_inner);
        hold.waiting -= 1;
        let free = hold.holder == Holder::Nobody;
        if free {
            hold.holder = Holder::Session;
        }
        free
    }

    /// Takes the session lock of this process without waiting; false if a session has it, none if
    /// housekeeping has it and will give way.
    pub(crate) fn hold_at_once(&self) -> Option<bool> {
        let mut hold = self.lock_hold();
        match hold.holder {
            Holder::Nobody => {
                hold.holder = Holder::Session;
                Some(true)
            }
            Holder::Session => Some(false),
            Holder::Tidying => None,
        }
    }

    /// Takes the session lock for housekeeping; false if anybody has it, or waits for it.
    pub(crate) fn hold_to_tidy(&self) -> bool {
        let mut hold = self.lock_hold();
        // A login that was just woken has not taken it yet, and comes first.
        let free = hold.holder == Holder::Nobody && hold.waiting == 0;
        if free {
            hold.holder = Holder::Tidying;
        }
        free
    }

    /// Whether a login of this process waits for housekeeping.
    pub(crate) fn is_wanted(&self) -> bool {
        self.lock_hold().waiting > 0
    }

    /// Frees the session lock of this process.
    pub(crate) fn release(&self) {
        let waiting = {
            let mut hold = self.lock_hold();
            hold.holder = Holder::Nobody;
            hold.waiting
        };
        // The condition asks the system, also when nobody waits.
        if waiting > 0 {
            self.freed.notify_all();
        }
    }

    fn lock_hold(&self) -> MutexGuard<'_, Hold> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The append mutex.
    pub(crate) fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have left half a thought: read it all again.
            self.slot.clear_poison();
            let mut slot = poisoned.into_inner();
            slot.known = None;
            slot
        })
    }

    /// The append mutex, if nobody has it and nobody has left it in the middle of something.
    pub(crate) fn slot_at_once(&self) -> Option<MutexGuard<'_, Slot>> {
        self.slot.try_lock().ok()
    }
}

/// All of them.
pub(crate) struct Table {
    drops: Mutex<HashMap<MaildropId, Arc<Shared>>>,
    clock: AtomicU64,
    total: AtomicUsize,
    budget: usize,
}

/// Octets that an entry costs beside its index.
const ENTRY_COST: usize = 512;

impl Table {
    /// A table that keeps about so many octets.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            drops: Mutex::default(),
            clock: AtomicU64::new(0),
            total: AtomicUsize::new(0),
            budget,
        }
    }

    /// The entry of a maildrop, made if there is none.
    pub(crate) fn entry(&self, id: MaildropId) -> Arc<Shared> {
        let mut drops = self.lock_drops();
        let entry = drops.entry(id).or_insert_with(|| {
            let entry = Shared::default();
            entry.cost.store(ENTRY_COST, Ordering::Relaxed);
            self.total.fetch_add(ENTRY_COST, Ordering::Relaxed);
            Arc::new(entry)
        });
        let entry = self.used_now(entry);
        if self.total.load(Ordering::Relaxed) > self.budget {
            self.forget_some(&mut drops);
        }
        entry
    }

    /// The entry of a maildrop, if there is one.
    pub(crate) fn entry_at_hand(&self, id: MaildropId) -> Option<Arc<Shared>> {
        let drops = self.lock_drops();
        Some(self.used_now(drops.get(&id)?))
    }

    fn lock_drops(&self) -> MutexGuard<'_, HashMap<MaildropId, Arc<Shared>>> {
        self.drops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An entry for one who uses it, as of now.
    fn used_now(&self, entry: &Arc<Shared>) -> Arc<Shared> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        entry.used.store(now, Ordering::Relaxed);
        Arc::clone(entry)
    }

    /// Notes what an entry costs now.
    pub(crate) fn settle(&self, entry: &Shared, index_cost: usize) {
        let cost = ENTRY_COST + index_cost;
        let before = entry.cost.swap(cost, Ordering::Relaxed);
        self.total.fetch_add(cost, Ordering::Relaxed);
        self.total.fetch_sub(before, Ordering::Relaxed);
    }

    /// Forgets the longest unused entries until a quarter of the budget is free again, so that
    /// the sorting is paid for by many logins.
    fn forget_some(&self, drops: &mut HashMap<MaildropId, Arc<Shared>>) {
        let mut idle: Vec<_> = drops
            .iter()
            // Nobody can get a second reference while the table is locked.
            .filter(|(_, entry)| Arc::strong_count(entry) == 1 && entry.slot().poison.is_none())
            .map(|(&id, entry)| (entry.used.load(Ordering::Relaxed), id))
            .collect();
        idle.sort_unstable();
        for (_, id) in idle {
            if self.total.load(Ordering::Relaxed) <= self.budget / 4 * 3 {
                break;
            }
            if let Some(entry) = drops.remove(&id) {
                let cost = entry.cost.load(Ordering::Relaxed);
                self.total.fetch_sub(cost, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_are_forgotten_and_those_in_use_kept() {
        let table = Table::new(8 * ENTRY_COST);
        let held = table.entry(MaildropId(0));
        assert!(held.hold());
        for id in 1..100 {
            table.entry(MaildropId(id));
        }
        let drops = table.drops.lock().unwrap();
        assert!(drops.len() <= 9, "{}", drops.len());
        assert!(drops.contains_key(&MaildropId(99)));
        assert!(Arc::ptr_eq(&drops[&MaildropId(0)], &held));
        assert_eq!(
            table.total.load(Ordering::Relaxed),
            drops.len() * ENTRY_COST
        );
    }

    #[test]
    fn one_session_and_housekeeping_gives_way() {
        let shared = Arc::new(Shared::default());
        assert!(shared.hold());
        assert!(!shared.hold());
        assert!(!shared.hold_to_tidy());
        shared.release();
        assert!(shared.hold_to_tidy());
        let other = Arc::clone(&shared);
        assert!(!shared.is_wanted());
        let login = std::thread::spawn(move || other.hold());
        while !shared.is_wanted() {
            std::thread::yield_now();
        }
        shared.release();
        assert!(login.join().unwrap());
    }
}
