//! The disk itself: files, names, locks, and which processes are alive.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use maildrop::native::media::{FileId, Lock, Stat};

use super::fate::{Fate, Loss, Part, Plan};
use super::names::{NameChange, Names};
use super::octets::{Octets, Sieve};

/// What all handles of a disk share.
#[derive(Clone, Default)]
pub(super) struct State {
    inodes: BTreeMap<u64, Inode>,
    pub(super) names: Names,
    openings: Vec<Opening>,
    locks: Vec<Held>,
    next: u64,
    pub(super) processes: u32,
    /// Processes below this number died in a power cut.
    alive_from: u32,
    dead: BTreeSet<u32>,
    pub(super) calls: u64,
    pub(super) syncs: u64,
    pub(super) plan: Plan,
    /// Octets that were cut off files.
    pub(super) cut_off: u64,
}

#[derive(Clone)]
struct Inode {
    /// What `stat` calls it; given to another file when this one is gone.
    number: u64,
    octets: Octets,
}

#[derive(Clone)]
struct Opening {
    id: u64,
    process: u32,
    key: u64,
}

#[derive(Clone)]
struct Held {
    key: u64,
    lock: Lock,
    opening: u64,
}

pub(super) fn power_cut() -> io::Error {
    io::Error::other("the power is gone")
}

impl State {
    /// Counts a call; what it meets by the plan.
    pub(super) fn planned(&mut self, call: super::Call) -> Fate {
        let n = self.calls;
        self.calls += 1;
        match self.plan {
            Plan::FullUntil(octets) if call.needs_space() && self.cut_off < octets => Fate::Half,
            plan => plan.fate(n, call),
        }
    }

    /// Ends a call as its fate wills.
    pub(super) fn end(&mut self, process: u32, fate: Fate) -> io::Result<()> {
        match fate {
            Fate::Go => Ok(()),
            Fate::Fail(kind, _) => Err(kind.into()),
            Fate::Half => Err(io::ErrorKind::StorageFull.into()),
            Fate::Die(_) => {
                self.die(process);
                Err(power_cut())
            }
            Fate::Cut(loss) => {
                self.cut(loss);
                Err(power_cut())
            }
        }
    }

    pub(super) fn is_alive(&self, process: u32) -> bool {
        process >= self.alive_from && !self.dead.contains(&process)
    }

    /// A process dies: its files are closed, so its locks are free.
    pub(super) fn die(&mut self, process: u32) {
        self.dead.insert(process);
        let openings = &mut self.openings;
        openings.retain(|opening| opening.process != process);
        self.locks
            .retain(|held| openings.iter().any(|opening| opening.id == held.opening));
    }

    /// Whoever died comes back.
    pub(super) fn revive(&mut self) {
        self.locks.clear();
        self.dead.clear();
        self.alive_from = 0;
    }

    /// The power goes and comes back.
    pub(super) fn cut(&mut self, loss: Loss) {
        self.alive_from = self.processes + 1;
        self.openings.clear();
        self.locks.clear();
        let mut sieve = Sieve::new(loss);
        self.names.cut(&mut sieve);
        let names = &self.names;
        self.inodes.retain(|key, _| names.are_seen(*key));
        for (key, inode) in &mut self.inodes {
            inode.octets.cut(match loss {
                Loss::Some(seed) => Loss::Some(seed ^ key),
                other => other,
            });
        }
    }

    /// A change of names, as far as the call's fate lets it happen.
    pub(super) fn rename(
        &mut self,
        process: u32,
        fate: Fate,
        change: NameChange,
    ) -> io::Result<()> {
        match fate {
            // Only writes can be done by half.
            Fate::Half => {
                self.names.change(change);
                return Ok(());
            }
            Fate::Go | Fate::Die(Part::Whole | Part::Unsynced) | Fate::Cut(_) => {
                self.names.change(change);
            }
            Fate::Fail(..) | Fate::Die(Part::None | Part::Half) => {}
        }
        self.end(process, fate)
    }

    pub(super) fn sync_dir(&mut self, process: u32, fate: Fate, path: &str) -> io::Result<()> {
        let fate = match fate {
            Fate::Half => Fate::Go,
            other => other,
        };
        match fate {
            Fate::Go | Fate::Die(Part::Whole) | Fate::Fail(_, Loss::Nothing) => {
                self.names.sync(path);
            }
            _ => {}
        }
        self.syncs += u64::from(fate == Fate::Go);
        self.end(process, fate)
    }

    /// A new file. Numbers of files that are gone for good are given out again.
    pub(super) fn fresh_inode(&mut self) -> u64 {
        let (names, openings) = (&self.names, &self.openings);
        self.inodes.retain(|key, _| {
            names.lead_to(*key) || openings.iter().any(|opening| opening.key == *key)
        });
        let used: BTreeSet<u64> = self.inodes.values().map(|inode| inode.number).collect();
        let number = (1..).find(|number| !used.contains(number)).unwrap_or(0);
        let key = self.fresh();
        let octets = Octets::default();
        self.inodes.insert(key, Inode { number, octets });
        key
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn octets(&mut self, key: u64) -> &mut Octets {
        let inode = self.inodes.get_mut(&key).expect("files in use exist");
        &mut inode.octets
    }

    /// Changes what the cache holds of every file that has no name.
    pub(super) fn rot_unnamed(&mut self, change: impl Fn(&mut Vec<u8>)) {
        let names = &self.names;
        for (key, inode) in &mut self.inodes {
            if !names.are_seen(*key) {
                inode.octets.rot_cache(&change);
            }
        }
    }

    pub(super) fn stat(&self, key: u64) -> Stat {
        let inode = &self.inodes[&key];
        Stat {
            id: FileId {
                device: 1,
                inode: inode.number,
            },
            len: inode.octets.seen.len() as u64,
            disk_octets: inode.octets.on_disk(),
            changed_ns: i128::from(inode.octets.version),
        }
    }

    /// Of a directory whose names have changed so often.
    pub(super) fn stat_dir(version: u64) -> Stat {
        Stat {
            id: FileId {
                device: 1,
                inode: 0,
            },
            len: 0,
            disk_octets: 0,
            changed_ns: i128::from(version),
        }
    }

    pub(super) fn opened(&mut self, process: u32, key: u64) -> u64 {
        let id = self.fresh();
        self.openings.push(Opening { id, process, key });
        id
    }

    pub(super) fn closed(&mut self, opening: u64) {
        self.openings.retain(|it| it.id != opening);
        self.locks.retain(|held| held.opening != opening);
    }

    /// Whether the opening has the lock now.
    pub(super) fn lock(&mut self, opening: u64, key: u64, lock: Lock) -> bool {
        let same = |held: &&Held| held.key == key && held.lock == lock;
        match self.locks.iter().find(same) {
            Some(held) => held.opening == opening,
            None => {
                self.locks.push(Held { key, lock, opening });
                true
            }
        }
    }

    pub(super) fn unlock(&mut self, opening: u64, key: u64, lock: Lock) {
        self.locks
            .retain(|held| (held.opening, held.key, held.lock) != (opening, key, lock));
    }
}
