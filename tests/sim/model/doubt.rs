//! What was refused although it could not be undone at once: two things failed.
//!
//! Whoever refused it undoes it as soon as it can (docs/format.md, Recovery), and before it shows
//! anything: so a listing of that process says what is, for good. Another process knows nothing of
//! it. It may show what is undone later; or show it undone, although a power cut brings it back,
//! because the cut could not be synced. Only the one that refused it could prevent that, and it
//! need not live any more. So for others nothing is settled before the power goes (then the disk
//! says it all), or something else was appended and acknowledged.

use std::collections::BTreeSet;

use super::{Model, Number, Standing};

/// Whether something that was refused is undone.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubt {
    /// The processes that refused it.
    by: BTreeSet<u32>,
    /// The next listing says what is.
    decided: bool,
}

impl Doubt {
    pub(super) fn is_left(&self) -> bool {
        !self.by.is_empty()
    }

    /// Nothing can be done to it any more, but nobody has looked.
    pub(super) fn decide(&mut self) {
        self.decided = self.is_left();
    }

    pub(super) fn raise(&mut self, process: u32) {
        self.by.insert(process);
        self.decided = false;
    }

    /// A process has looked.
    pub(super) fn settle(&mut self, process: u32) {
        self.by.remove(&process);
        if self.decided {
            *self = Self::default();
        }
    }
}

impl Model {
    /// A refusal of all this at once could not be undone yet.
    pub(super) fn doubt(&mut self, process: u32, numbers: BTreeSet<Number>) {
        for &number in &numbers {
            let message = &mut self.messages[number];
            message.doubt.raise(process);
            self.doubted[message.drop] = true;
        }
        if let Some(&first) = numbers.first() {
            self.refusals.push((self.messages[first].drop, numbers));
        }
    }

    /// As [`Model::doubt`], where some of it may have been undone before.
    pub(crate) fn doubt_each(&mut self, process: u32, numbers: &BTreeSet<Number>) {
        for &number in numbers {
            self.doubt(process, BTreeSet::from([number]));
        }
    }

    /// Something was appended and acknowledged: what was refused before is below it, or cut.
    pub(crate) fn built_upon(&mut self, drop: usize) {
        let messages = self.messages.iter_mut().filter(|it| it.drop == drop);
        messages.for_each(|it| it.doubt.decide());
        self.decide_veils(drop);
    }

    /// Something else was done to these since.
    pub(super) fn no_longer_whole(&mut self, numbers: &BTreeSet<Number>) {
        for (_, refused) in &mut self.refusals {
            refused.retain(|number| !numbers.contains(number));
        }
    }

    /// What can be missing, because everything is that was refused or not answered with it.
    pub(super) fn excused(&self, drop: usize, shown: &[bool]) -> BTreeSet<Number> {
        let refusals = self
            .refusals
            .iter()
            .map(|(at, numbers)| (*at, false, numbers));
        let deletions = self.deletions.values();
        let deletions = deletions.map(|it| (it.drop, it.some, &it.numbers));
        refusals
            .chain(deletions)
            .filter(|(at, some, numbers)| {
                *at == drop && (*some || !numbers.iter().any(|&number| shown[number]))
            })
            .flat_map(|(_, _, numbers)| numbers.iter().copied())
            .collect()
    }

    /// What was refused is there as a whole, or not at all.
    pub(super) fn judge_refusals(&self, drop: usize, shown: &[bool], excused: &BTreeSet<Number>) {
        for (_, numbers) in self.refusals.iter().filter(|(at, _)| *at == drop) {
            if numbers.iter().any(|&number| shown[number]) {
                let missing = |number: &&Number| !shown[**number] && !excused.contains(*number);
                let missing: Vec<_> = numbers.iter().filter(missing).collect();
                assert!(
                    missing.is_empty(),
                    "P2: half of what was refused: {missing:?} of {numbers:?}"
                );
            }
        }
    }

    /// Whether a message may be unreadable: a session may have shown it before it was undone, or two
    /// refusals, one upon the other, and a power cut have mixed its octets. Never one that was
    /// acknowledged.
    pub(crate) fn may_be_unreadable(&self, number: Number) -> bool {
        let message = &self.messages[number];
        !message.acknowledged && (message.doubt.is_left() || message.spoilt)
    }

    /// Whether what is left of a refusal may be told as damage: a process that knew nothing of it
    /// wrote its record upon octets that a power cut brought back (docs/format.md, Recovery).
    pub(crate) fn is_doubted(&self, drop: usize) -> bool {
        self.doubted[drop]
    }

    /// Whether nothing can be undone any more.
    pub(crate) fn is_settled(&self, drop: usize) -> bool {
        let mut messages = self.messages.iter().filter(|it| it.drop == drop);
        messages.all(|it| !it.doubt.is_left()) && self.are_veils_settled(drop)
    }

    /// A listing of a process has shown what is.
    pub(super) fn settle_doubts(&mut self, drop: usize, process: u32) {
        for message in self.messages.iter_mut().filter(|it| it.drop == drop) {
            message.doubt.settle(process);
        }
        let messages = &self.messages;
        self.refusals.retain_mut(|(_, numbers)| {
            // What is settled may have been so by another refusal, which took or left it alone.
            numbers.retain(|&number| messages[number].doubt.is_left());
            !numbers.is_empty()
        });
    }

    /// Whether a message that is not listed may be missing.
    pub(super) fn may_be_missing(&self, number: Number, excused: &BTreeSet<Number>) -> bool {
        let message = &self.messages[number];
        message.standing == Standing::Kept && message.doubt.is_left() && excused.contains(&number)
    }
}
