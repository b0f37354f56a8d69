//! What is deleted and brought back: by sessions, by age, by the operator.

use std::collections::BTreeSet;

use super::doubt::Doubt;
use super::{Deletion, Model, Number, Outcome, Standing, Undeletion};

impl Model {
    /// A commit begins.
    pub(crate) fn delete(&mut self, process: u32, drop: usize, numbers: BTreeSet<Number>) -> usize {
        self.next_deletion += 1;
        let deletion = Deletion {
            drop,
            numbers,
            process,
            in_flight: true,
            some: false,
            refused: false,
        };
        self.deletions.insert(self.next_deletion, deletion);
        self.next_deletion
    }

    /// A commit was acknowledged; for sure, if nobody went on during it.
    pub(crate) fn deleted(&mut self, deletion: usize, sure: bool) {
        let Some(deletion) = self.deletions.remove(&deletion) else {
            panic!("P2: a commit was found not to have happened, and is acknowledged now");
        };
        self.no_longer_whole(&deletion.numbers);
        for &number in &deletion.numbers {
            self.messages[number].standing = Standing::Deleted;
        }
        if sure {
            self.built_upon(deletion.drop);
            for number in deletion.numbers {
                self.messages[number].doubt = Doubt::default();
            }
        }
    }

    pub(crate) fn not_deleted(&mut self, deletion: usize, outcome: Outcome) {
        match outcome {
            Outcome::Undone => drop(self.deletions.remove(&deletion)),
            Outcome::Open => {
                let Some(it) = self.deletions.get_mut(&deletion) else {
                    return;
                };
                (it.in_flight, it.refused) = (false, true);
                let (process, numbers, some) = (it.process, it.numbers.clone(), it.some);
                match some {
                    true => self.doubt_each(process, &numbers),
                    false => self.doubt(process, numbers),
                }
            }
        }
    }

    pub(crate) fn deletion_unanswered(&mut self, deletion: usize) {
        if let Some(deletion) = self.deletions.get_mut(&deletion) {
            deletion.in_flight = false;
        }
    }

    /// An expiry of everything begins. It takes what is there at a moment that nobody knows.
    pub(crate) fn expire(&mut self, process: u32, drop: usize) -> usize {
        let kept = self.all(drop, Standing::Kept);
        let expiry = self.delete(process, drop, kept);
        let deletion = self.deletions.get_mut(&expiry).expect("it was just made");
        deletion.some = true;
        expiry
    }

    /// A message is there from now on: an expiry that is under way may take it.
    pub(super) fn may_expire(&mut self, number: Number) {
        let drop = self.messages[number].drop;
        let expiries = self.deletions.values_mut();
        for expiry in expiries.filter(|it| it.some && it.in_flight && it.drop == drop) {
            expiry.numbers.insert(number);
        }
    }

    /// It took so many messages.
    pub(crate) fn expired(&mut self, expiry: usize, drop: usize, count: u64) {
        let process = self.deletions.remove(&expiry).map_or(0, |it| it.process);
        let sure = self.counters(drop).is_some();
        let kept = self.all(drop, Standing::Kept);
        assert!(
            !sure || count == kept.len() as u64,
            "an expiry took {count}"
        );
        self.no_longer_whole(&kept);
        for number in kept {
            self.messages[number].standing = Standing::Deleted;
        }
        self.doubt_open(process, drop);
        self.deletions.retain(|_, it| it.drop != drop);
    }

    /// It may have taken what is there now.
    pub(crate) fn may_have_expired(&mut self, expiry: usize, drop: usize) {
        let kept = self.all(drop, Standing::Kept);
        if let Some(deletion) = self.deletions.get_mut(&expiry) {
            deletion.numbers.extend(kept);
            deletion.in_flight = false;
            let process = deletion.process;
            self.doubt_open(process, drop);
        }
    }

    /// What is deleted before anybody saw it may still be brought back.
    fn doubt_open(&mut self, process: u32, drop: usize) {
        let open = self.all(drop, Standing::Open);
        self.doubt_each(process, &open);
    }

    fn all(&self, drop: usize, standing: Standing) -> BTreeSet<Number> {
        let all = self.messages.iter().enumerate();
        all.filter(|(_, it)| it.drop == drop && it.standing == standing)
            .map(|(number, _)| number)
            .collect()
    }

    /// Judges a list of deleted messages, and learns from it. Returns them where they are known.
    pub(crate) fn shown_deleted(&mut self, drop: usize, ids: &[Vec<u8>]) -> Vec<Option<Number>> {
        let numbers: Vec<_> = ids
            .iter()
            .map(|id| self.ids[drop].get(id).copied())
            .collect();
        let mut gone = BTreeSet::new();
        self.deletions.retain(|_, it| {
            let shown = |number: &&Number| numbers.contains(&Some(**number));
            // Another one may have taken it before.
            let happened = it.drop == drop && !it.in_flight && !it.some;
            let happened = happened && it.numbers.iter().any(|number| shown(&number));
            if happened {
                gone.extend(it.numbers.iter().copied());
            }
            !happened
        });
        self.no_longer_whole(&gone);
        for number in gone {
            self.messages[number].standing = Standing::Deleted;
        }
        self.undeletions.retain(|_, it| {
            if it.drop == drop && !it.in_flight {
                // What is among the deleted was not brought back, and so was nothing of the same.
                let before = it.numbers.len();
                it.numbers
                    .retain(|&number| !numbers.contains(&Some(number)));
                if !it.some && it.numbers.len() < before {
                    it.numbers.clear();
                }
            }
            it.in_flight || !it.numbers.is_empty()
        });
        for &number in numbers.iter().flatten() {
            let message = &self.messages[number];
            let in_doubt = message.doubt.is_left()
                || self
                    .deletions
                    .values()
                    .any(|it| it.numbers.contains(&number))
                || self
                    .undeletions
                    .values()
                    .any(|it| it.numbers.contains(&number));
            assert!(
                in_doubt || message.standing == Standing::Deleted,
                "P1: message {number} is {:?}, but among the deleted",
                message.standing
            );
        }
        numbers
    }

    /// An undeletion begins.
    pub(crate) fn undelete(
        &mut self,
        process: u32,
        drop: usize,
        numbers: BTreeSet<Number>,
    ) -> usize {
        self.next_deletion += 1;
        let undeletion = Undeletion {
            drop,
            numbers,
            process,
            in_flight: true,
            some: false,
        };
        self.undeletions.insert(self.next_deletion, undeletion);
        self.next_deletion
    }

    /// How it ended: with these, or without an answer, or refused.
    pub(crate) fn undeleted(
        &mut self,
        undeletion: usize,
        outcome: Result<BTreeSet<Number>, Outcome>,
        some: bool,
    ) {
        let Some(it) = self.undeletions.get_mut(&undeletion) else {
            return;
        };
        match outcome {
            Ok(back) => {
                let missing = it.numbers.difference(&back).next();
                assert!(some || missing.is_none(), "not brought back: {missing:?}");
                let drop = it.drop;
                self.undeletions.remove(&undeletion);
                // Of what others want back, some is back now.
                let others = self.undeletions.values_mut();
                others
                    .filter(|it| it.drop == drop)
                    .for_each(|it| it.some = true);
                self.no_longer_whole(&back);
                for number in back {
                    self.messages[number].standing = Standing::Kept;
                }
            }
            Err(Outcome::Undone) => drop(self.undeletions.remove(&undeletion)),
            Err(Outcome::Open) => (it.in_flight, it.some) = (false, some),
        }
    }

    pub(super) fn settle_undeletions(&mut self, drop: usize, listed: &BTreeSet<Number>) {
        let mut back = BTreeSet::new();
        self.undeletions.retain(|_, it| {
            if it.drop != drop {
                return true;
            }
            let there: Vec<_> = it.numbers.intersection(listed).copied().collect();
            let count = there.len();
            assert!(
                count == 0 || count == it.numbers.len() || it.some || it.in_flight,
                "P2: half an undeletion: {count} of {:?}",
                it.numbers
            );
            back.extend(there);
            it.in_flight
        });
        self.no_longer_whole(&back);
        for number in back {
            self.messages[number].standing = Standing::Kept;
        }
    }
}
