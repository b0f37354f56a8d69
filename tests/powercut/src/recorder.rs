//! A disk that remembers every write and every flush, and what a power cut leaves of it.
//!
//! A disk with a write cache promises one thing only: what was written before a flush is there
//! after it. Of what was written since, a power cut may take all, nothing, any part, in any order,
//! down to single sectors. [`Recorder::cut`] makes such a disk of the log.

use std::io;

use fastrand::Rng;

use crate::disk::{Disk, PAGE};
use crate::loss::{Cut, Left, Loss};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What was done to a disk.
enum Entry {
    Write { at: u64, octets: Box<[u8]> },
    Flush,
}

/// A disk and all that was done to it since [`Recorder::record`]. A position counts entries: at
/// position 3, three writes or flushes have been done.
#[derive(Default)]
pub(crate) struct Recorder {
    now: Disk,
    log: Vec<Entry>,
    /// The disk with everything up to a position, to start from: the log is long, and cuts come
    /// in ascending order.
    whole: Disk,
    whole_to: usize,
    base: Disk,
    /// Whether nothing more is remembered.
    stopped: bool,
}

impl Recorder {
    /// A recorder of a disk.
    pub(crate) fn new(disk: Disk) -> Self {
        let mut recorder = Self {
            now: disk,
            ..Self::default()
        };
        recorder.record();
        recorder
    }

    /// Forgets what was done so far and begins anew from what the disk holds now.
    pub(crate) fn record(&mut self) {
        self.log = Vec::new();
        self.base = self.now.clone();
        self.whole = self.now.clone();
        self.whole_to = 0;
        self.stopped = false;
    }

    /// Forgets what was done beyond a position, and remembers nothing from now on.
    pub(crate) fn stop(&mut self, position: usize) {
        self.log.truncate(position);
        self.stopped = true;
    }

    /// The disk as whoever writes to it sees it.
    pub(crate) fn disk(&self) -> &Disk {
        &self.now
    }

    /// What the disk held when the recording began.
    pub(crate) fn base(&self) -> &Disk {
        &self.base
    }

    /// Writes, and remembers it.
    ///
    /// # Errors
    ///
    /// Beyond the end of the disk.
    pub(crate) fn write(&mut self, at: u64, octets: &[u8]) -> io::Result<()> {
        self.now.write(at, octets)?;
        if !self.stopped {
            self.log.push(Entry::Write {
                at,
                octets: octets.into(),
            });
        }
        Ok(())
    }

    /// Whoever writes was told that all of it is safe.
    pub(crate) fn flush(&mut self) {
        if !self.stopped {
            self.log.push(Entry::Flush);
        }
    }

    /// Entries so far.
    pub(crate) fn position(&self) -> usize {
        self.log.len()
    }

    /// The positions right behind each flush, ascending.
    pub(crate) fn flushes(&self) -> Vec<usize> {
        let places = self.log.iter().enumerate();
        places
            .filter(|(_, entry)| matches!(entry, Entry::Flush))
            .map(|(place, _)| place + 1)
            .collect()
    }

    /// The disk after a power cut at `cut.position`, and how much of it was lost.
    pub(crate) fn cut(&mut self, cut: Cut) -> (Disk, Left) {
        let position = cut.position.min(self.log.len());
        let mut flushed = self.flushed(position);
        if let Loss::Lie(flushes) = cut.loss {
            for _ in 0..flushes {
                flushed = self.flushed(flushed.saturating_sub(1));
            }
        }
        let mut disk = self.whole(flushed).clone();
        // A large write is many to a disk: it may keep any of its blocks.
        let mut unsafe_writes: Vec<(u64, &[u8])> = Vec::new();
        for entry in &self.log[flushed..position] {
            if let Entry::Write { at, octets } = entry {
                unsafe_writes.extend((*at..).step_by(PAGE).zip(octets.chunks(PAGE)));
            }
        }
        let mut left = Left {
            unflushed: unsafe_writes.len(),
            ..Left::default()
        };
        let mut dice = Rng::with_seed(cut.seed);
        let late_from = dice.usize(..=unsafe_writes.len());
        let share = dice.choice([0.1, 0.5, 0.9]).unwrap_or(0.5);
        for (place, (at, octets)) in unsafe_writes.into_iter().enumerate() {
            let stays = match cut.loss {
                Loss::Unflushed | Loss::Lie(_) => false,
                Loss::Nothing => true,
                Loss::Some | Loss::Torn => dice.f64() < share,
                Loss::Early => place >= late_from,
            };
            // ext4 writes its superblock in place and relies on it being written whole.
            let may_tear = cut.loss == Loss::Torn && octets.len() > SECTOR && at >= PAGE as u64;
            let torn = may_tear && dice.bool();
            let mut write = |at: u64, octets: &[u8]| {
                // It was written to a disk of the same size before.
                disk.write(at, octets).expect("it lies on the disk");
            };
            match (torn, stays) {
                (true, _) => {
                    left.torn += 1;
                    let sectors = octets.chunks(SECTOR).zip((at..).step_by(SECTOR));
                    sectors
                        .filter(|_| dice.bool())
                        .for_each(|(sector, at)| write(at, sector));
                }
                (false, true) => write(at, octets),
                (false, false) => left.lost += 1,
            }
        }
        (disk, left)
    }

    /// The position right behind the last flush before a position; 0: there is none.
    fn flushed(&self, position: usize) -> usize {
        let before = &self.log[..position];
        before
            .iter()
            .rposition(|entry| matches!(entry, Entry::Flush))
            .map_or(0, |place| place + 1)
    }

    /// The disk with all that was done before a position.
    fn whole(&mut self, position: usize) -> &Disk {
        if position < self.whole_to {
            self.whole = self.base.clone();
            self.whole_to = 0;
        }
        for entry in &self.log[self.whole_to..position] {
            if let Entry::Write { at, octets } = entry {
                self.whole
                    .write(*at, octets)
                    .expect("it was written to a disk of this size");
            }
        }
        self.whole_to = position;
        &self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = PAGE as u64;
    const B: u64 = 3 * PAGE as u64;

    /// Writes A1, flushes, writes A2 and B2, flushes, writes A3 and B3.
    fn recorded() -> Recorder {
        let mut recorder = Recorder::new(Disk::new(4 * PAGE as u64));
        recorder.write(A, &[1; PAGE]).unwrap();
        recorder.flush();
        recorder.write(A, &[2; PAGE]).unwrap();
        recorder.write(B, &[2; PAGE]).unwrap();
        recorder.flush();
        recorder.write(A, &[3; PAGE]).unwrap();
        recorder.write(B, &[3; PAGE]).unwrap();
        recorder
    }

    /// The first octet at A and at B after a cut.
    fn after(recorder: &mut Recorder, position: usize, loss: Loss, seed: u64) -> (u8, u8) {
        let cut = Cut {
            position,
            loss,
            seed,
        };
        let (disk, _) = recorder.cut(cut);
        (disk.read(A, 1)[0], disk.read(B, 1)[0])
    }

    #[test]
    fn what_was_flushed_is_there_and_nothing_from_behind_the_cut() {
        let mut recorder = recorded();
        assert_eq!(recorder.flushes(), [2, 5]);
        for (position, unflushed_lost, all_kept) in [
            (0, (0, 0), (0, 0)),
            (1, (0, 0), (1, 0)),
            (2, (1, 0), (1, 0)),
            (4, (1, 0), (2, 2)),
            (5, (2, 2), (2, 2)),
            (7, (2, 2), (3, 3)),
        ] {
            let mut at = |loss| after(&mut recorder, position, loss, 1);
            assert_eq!(at(Loss::Unflushed), unflushed_lost, "{position}");
            assert_eq!(at(Loss::Nothing), all_kept, "{position}");
        }
    }

    #[test]
    fn losses_take_every_part_and_every_order() {
        let mut recorder = recorded();
        let mut seen = |loss| {
            let mut seen: Vec<_> = (0..200)
                .map(|seed| after(&mut recorder, 7, loss, seed))
                .collect();
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        assert_eq!(seen(Loss::Some), [(2, 2), (2, 3), (3, 2), (3, 3)]);
        // The later write without the earlier one.
        assert_eq!(seen(Loss::Early), [(2, 2), (2, 3), (3, 3)]);
    }

    #[test]
    fn a_torn_write_is_mixed_by_sectors() {
        let mut recorder = recorded();
        let mixed = (0..200).any(|seed| {
            let cut = Cut {
                position: 7,
                loss: Loss::Torn,
                seed,
            };
            let (disk, left) = recorder.cut(cut);
            let page = disk.read(A, PAGE);
            for sector in page.chunks(SECTOR) {
                assert!(sector.iter().all(|octet| *octet == sector[0]));
            }
            left.torn > 0 && page.contains(&2) && page.contains(&3)
        });
        assert!(mixed);
    }

    #[test]
    fn a_lie_takes_what_was_flushed() {
        let mut recorder = recorded();
        assert_eq!(after(&mut recorder, 7, Loss::Lie(1), 1), (1, 0));
        assert_eq!(after(&mut recorder, 7, Loss::Lie(2), 1), (0, 0));
        assert_eq!(after(&mut recorder, 7, Loss::Lie(9), 1), (0, 0));
    }
}
