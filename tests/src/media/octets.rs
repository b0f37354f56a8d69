//! The octets of one file: as everybody sees them, and as a power cut would leave them.

use std::collections::BTreeSet;

use super::Loss;
use crate::random::Random;

/// Octets that a disk writes in one piece.
const SECTOR: usize = 512;
/// Octets that a disk sets aside in one piece.
const PAGE: usize = 4096;

/// A file's octets.
#[derive(Clone, Default)]
pub(super) struct Octets {
    /// What a read shows.
    pub(super) seen: Vec<u8>,
    durable: Vec<u8>,
    /// How often it was changed; the file system's clock.
    pub(super) version: u64,
    /// Pages that were given back to the disk.
    holes: BTreeSet<usize>,
    /// What is still to be synced, oldest first.
    changes: Vec<Change>,
    /// A failed sync has left `seen` and `durable` different, and nothing tells.
    forked: bool,
}

/// One change of a file.
#[derive(Clone)]
pub(super) enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
    /// From an offset, so many zeros for which no room is kept.
    Punch(u64, usize),
    /// As long as this at least.
    Grow(u64),
}

/// Which pieces of unsynced changes survive.
pub(super) struct Sieve {
    loss: Loss,
    random: Random,
    /// Of eight pieces, so many are kept.
    kept: usize,
    /// Whether a file can be longer for a write whose octets were lost.
    zeros: bool,
    /// Whether a failed sync forgets how long lost octets made the file. XFS writes a length when
    /// the octets below it have been written; ext4 journals it, so it lasts with the next commit.
    forgets_growth: bool,
}

impl Sieve {
    pub(super) fn new(loss: Loss) -> Self {
        let mut random = Random::new(match loss {
            Loss::Some(seed) => seed,
            _ => 0,
        });
        Self {
            loss,
            kept: random.pick(&[1, 4, 4, 7]),
            zeros: random.once_in(2),
            forgets_growth: matches!(loss, Loss::Some(seed) if seed % 2 == 1),
            random,
        }
    }

    pub(super) fn keeps(&mut self) -> bool {
        match self.loss {
            Loss::Everything => false,
            Loss::Nothing => true,
            Loss::Some(_) => self.random.below(8) < self.kept,
        }
    }

    fn zeros(&mut self) -> bool {
        matches!(self.loss, Loss::Some(_)) && self.zeros && self.random.once_in(2)
    }
}

impl Octets {
    /// A change that everybody sees at once.
    pub(super) fn change(&mut self, change: Change) {
        self.version += 1;
        change.apply(&mut self.seen);
        match change {
            Change::Punch(from, len) => {
                let from = from as usize;
                self.holes.extend(from.div_ceil(PAGE)..(from + len) / PAGE);
            }
            Change::Write(offset, ref octets) => {
                let (from, to) = (offset as usize, offset as usize + octets.len());
                if !self.holes.is_empty() {
                    self.holes
                        .retain(|page| !(from / PAGE..to.div_ceil(PAGE)).contains(page));
                }
            }
            Change::Grow(_) => {}
            Change::Truncate(len) => drop(self.holes.split_off(&(len as usize).div_ceil(PAGE))),
        }
        self.changes.push(change);
    }

    /// Octets of the disk that the file takes up.
    pub(super) fn on_disk(&self) -> u64 {
        let pages = self.seen.len().div_ceil(PAGE) - self.holes.len();
        (pages * PAGE) as u64
    }

    /// Makes all of it durable. Not what is seen: what a failed sync lost looks clean and is never
    /// written.
    pub(super) fn sync(&mut self) {
        for change in self.changes.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// A sync that fails: all octets count as clean from now on, whatever the disk got. A cut is the
    /// file system's own matter: its journal has it, and a later sync that succeeds writes it in its
    /// order; if the journal fails, no later sync succeeds.
    pub(super) fn sync_in_vain(&mut self, reached: Loss) {
        if reached == Loss::Nothing {
            return self.sync();
        }
        let changes = std::mem::take(&mut self.changes);
        let octets = |it: &Change| matches!(it, Change::Write(..));
        self.forked |= changes.iter().any(octets);
        let mut sieve = Sieve::new(reached);
        for change in changes {
            if octets(&change) {
                let lost = self.write_back(change, &mut sieve);
                if !sieve.forgets_growth {
                    self.changes.extend(lost.into_iter().map(Change::of_length));
                }
            } else {
                self.changes.push(change);
            }
        }
    }

    /// What a power cut leaves.
    pub(super) fn cut(&mut self, loss: Loss) {
        self.version += 1;
        let mut sieve = Sieve::new(loss);
        for change in std::mem::take(&mut self.changes) {
            self.write_back(change, &mut sieve);
            self.forked = true;
        }
        if std::mem::take(&mut self.forked) {
            self.seen.clone_from(&self.durable);
            let octets = &self.seen;
            self.holes.retain(|page| {
                let page = octets.get(page * PAGE..(page + 1) * PAGE);
                page.is_some_and(|page| page.iter().all(|&octet| octet == 0))
            });
        }
    }

    /// Writes what the loss spares of a change, and returns the rest.
    fn write_back(&mut self, change: Change, sieve: &mut Sieve) -> Vec<Change> {
        let mut lost = Vec::new();
        for piece in change.pieces() {
            if sieve.keeps() {
                piece.apply(&mut self.durable);
                continue;
            }
            if matches!(piece, Change::Write(..)) && sieve.zeros() {
                // The length was written, the octets were not.
                piece.clone().of_length().apply(&mut self.durable);
            }
            lost.push(piece);
        }
        lost
    }

    /// Forgets what is clean, so that it is read from the disk again. Dirty pages cannot be
    /// forgotten.
    pub(super) fn forget_cache(&mut self, from: u64) {
        let is_dirty = |it: &Change| matches!(it, Change::Write(..));
        if self.forked && !self.changes.iter().any(is_dirty) {
            let mut octets = self.durable.clone();
            self.changes.iter().for_each(|it| it.apply(&mut octets));
            // The length that everybody sees is no page of the cache.
            octets.resize(octets.len().max(self.seen.len()), 0);
            let keep = (from as usize).min(self.seen.len()).min(octets.len());
            self.seen.truncate(keep);
            self.seen.extend_from_slice(&octets[keep..]);
        }
    }

    /// A change behind everybody's back, durable at once.
    pub(super) fn rot(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.seen);
        self.durable.clone_from(&self.seen);
        self.changes.clear();
        self.forked = false;
    }

    /// As [`Octets::rot`], of what is in the cache only.
    pub(super) fn rot_cache(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.seen);
        self.forked = true;
    }
}

impl Change {
    /// The first half of a write, up to the end of a sector (a kernel that stops in the middle of a
    /// write stops between two pages); nothing of anything else.
    pub(super) fn half(self) -> Option<Self> {
        match self {
            Self::Write(offset, mut octets) => {
                let half = offset as usize + octets.len() / 2;
                let end = half / SECTOR * SECTOR;
                octets.truncate(end.saturating_sub(offset as usize));
                Some(Self::Write(offset, octets))
            }
            Self::Truncate(_) | Self::Punch(..) | Self::Grow(_) => None,
        }
    }

    /// What is left of it when its octets are lost.
    fn of_length(self) -> Self {
        match self {
            Self::Write(offset, octets) => Self::Grow(offset + octets.len() as u64),
            other => other,
        }
    }

    fn apply(&self, octets: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let (from, to) = (*offset as usize, *offset as usize + data.len());
                if octets.len() < to {
                    octets.resize(to, 0);
                }
                octets[from..to].copy_from_slice(data);
            }
            Self::Truncate(len) => octets.resize(*len as usize, 0),
            Self::Grow(len) => octets.resize(octets.len().max(*len as usize), 0),
            Self::Punch(from, len) => {
                let (from, to) = (*from as usize, *from as usize + len);
                let to = to.min(octets.len());
                octets[from.min(to)..to].fill(0);
            }
        }
    }

    /// The sectors of a write, or the change itself.
    fn pieces(self) -> Vec<Self> {
        let Self::Write(offset, data) = self else {
            return vec![self];
        };
        let first = SECTOR - (offset as usize % SECTOR);
        let (head, rest) = data.split_at(first.min(data.len()));
        std::iter::once(head)
            .chain(rest.chunks(SECTOR))
            .scan(offset, |at, piece| {
                let write = Self::Write(*at, piece.to_vec());
                *at += piece.len() as u64;
                Some(write)
            })
            .collect()
    }
}
