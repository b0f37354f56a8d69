//! What sessions do not see: hidden by them, and shown again by the operator.
//!
//! Of each maildrop the model keeps every set of messages that may be the hidden ones. An answer
//! changes each of these sets; what was not answered adds the sets that would be, had it happened;
//! and a listing leaves those that agree with it. So what a session hides is hidden as a whole or
//! not at all, whatever came between. A message that is dead stays in its sets: when it comes back
//! it is as it was.

use std::collections::{BTreeSet, HashMap};

use super::doubt::Doubt;
use super::{Model, Number, Outcome, Standing};

/// What is done to messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Veil {
    Hide,
    Show,
}

/// One record that hides, or shows again.
struct Change {
    process: u32,
    veil: Veil,
    numbers: BTreeSet<Number>,
}

/// What may be hidden in one maildrop.
pub(super) struct Hidings {
    /// Every set that may be the hidden ones; there is always one.
    may_be: BTreeSet<BTreeSet<Number>>,
    /// Nobody can say whether these are: they were to be shown again when they may have been dead.
    unknown: BTreeSet<Number>,
    /// Changes without an answer, of processes that live. Nobody else sees them: whoever writes
    /// has the append lock until he answers, or dies.
    under_way: HashMap<usize, Change>,
    /// Changes were refused and could not be undone at once.
    doubt: Doubt,
}

impl Default for Hidings {
    fn default() -> Self {
        Self {
            may_be: BTreeSet::from([BTreeSet::new()]),
            unknown: BTreeSet::new(),
            under_way: HashMap::new(),
            doubt: Doubt::default(),
        }
    }
}

impl Change {
    fn applied(&self, hidden: &BTreeSet<Number>) -> BTreeSet<Number> {
        match self.veil {
            Veil::Hide => hidden | &self.numbers,
            Veil::Show => hidden - &self.numbers,
        }
    }
}

impl Hidings {
    fn happened(&mut self, change: &Change) {
        self.may_be = self.may_be.iter().map(|it| change.applied(it)).collect();
        self.unknown.retain(|it| !change.numbers.contains(it));
    }

    /// Of those that `may_be_dead`, nobody knows whether the record had them.
    fn may_have_happened(&mut self, change: &Change, may_be_dead: impl Fn(Number) -> bool) {
        let with: Vec<_> = self.may_be.iter().map(|it| change.applied(it)).collect();
        self.may_be.extend(with);
        if change.veil == Veil::Show {
            let numbers = change.numbers.iter().copied();
            self.unknown.extend(numbers.filter(|&it| may_be_dead(it)));
        }
    }

    /// Whether messages of which this is told may be as it says.
    fn agree<'h>(
        &'h self,
        told: &'h [(Number, bool)],
    ) -> impl Iterator<Item = &'h BTreeSet<Number>> + 'h {
        let is_so = |it: &BTreeSet<Number>, &(number, is_hidden): &(Number, bool)| {
            self.unknown.contains(&number) || it.contains(&number) == is_hidden
        };
        let all = self.may_be.iter();
        all.filter(move |it| told.iter().all(|told| is_so(it, told)))
    }

    /// Looks at all messages that are there. The process that looked is named if nothing happened
    /// meanwhile.
    fn shown(&mut self, process: Option<u32>, told: &[(Number, bool)]) {
        let agreeing: BTreeSet<_> = self.agree(told).cloned().collect();
        if let Some(process) = process {
            self.doubt.settle(process);
        }
        // Else what was refused may still go, or come back.
        if self.doubt.is_left() {
            return;
        }
        self.may_be = agreeing;
        for &(number, is_hidden) in told {
            if self.unknown.remove(&number) {
                let told_so = |mut it: BTreeSet<Number>| {
                    match is_hidden {
                        true => it.insert(number),
                        false => it.remove(&number),
                    };
                    it
                };
                self.may_be = std::mem::take(&mut self.may_be)
                    .into_iter()
                    .map(told_so)
                    .collect();
            }
        }
    }
}

impl Model {
    /// Messages are about to be hidden, or shown again.
    pub(crate) fn veil(
        &mut self,
        process: u32,
        drop: usize,
        veil: Veil,
        numbers: BTreeSet<Number>,
    ) -> usize {
        self.next_deletion += 1;
        let change = Change {
            process,
            veil,
            numbers,
        };
        let under_way = &mut self.hidings[drop].under_way;
        under_way.insert(self.next_deletion, change);
        self.next_deletion
    }

    /// It was acknowledged, of these; for sure, if nobody went on during it.
    pub(crate) fn veiled(
        &mut self,
        drop: usize,
        change: usize,
        numbers: BTreeSet<Number>,
        sure: bool,
    ) {
        let Some(mut change) = self.hidings[drop].under_way.remove(&change) else {
            panic!("P2: {numbers:?} are hidden or shown by a process that is dead");
        };
        if numbers.is_empty() {
            return;
        }
        self.veils += 1;
        change.numbers = numbers;
        self.hidings[drop].happened(&change);
        if sure {
            self.built_upon(drop);
        }
    }

    /// It was refused.
    pub(crate) fn not_veiled(&mut self, drop: usize, change: usize, outcome: Outcome) {
        let Some(change) = self.hidings[drop].under_way.remove(&change) else {
            return;
        };
        if outcome == Outcome::Open {
            self.hidings[drop].doubt.raise(change.process);
            self.doubted[drop] = true;
            self.may_be_veiled(drop, &change);
        }
    }

    /// Whoever did it is dead, and nobody will hear how it went.
    pub(super) fn veils_unanswered(&mut self, is_dead: impl Fn(u32) -> bool) {
        for drop in 0..self.hidings.len() {
            let under_way = &mut self.hidings[drop].under_way;
            let dead = under_way.extract_if(|_, it| is_dead(it.process));
            for (_, change) in dead.collect::<Vec<_>>() {
                self.may_be_veiled(drop, &change);
            }
        }
    }

    fn may_be_veiled(&mut self, drop: usize, change: &Change) {
        let dying: BTreeSet<Number> = {
            let deletions = self.deletions.values().map(|it| &it.numbers);
            let undeletions = self.undeletions.values().map(|it| &it.numbers);
            deletions.chain(undeletions).flatten().copied().collect()
        };
        let messages = &self.messages;
        self.hidings[drop].may_have_happened(change, |number| {
            let message = &messages[number];
            message.standing != Standing::Kept || message.doubt.is_left() || dying.contains(&number)
        });
    }

    /// Nothing that was refused before can be undone, or come back, any more.
    pub(super) fn decide_veils(&mut self, drop: usize) {
        self.hidings[drop].doubt.decide();
    }

    /// Whether sessions may not see everything.
    pub(crate) fn hides(&self, drop: usize) -> bool {
        let hidings = &self.hidings[drop];
        let is_sure = hidings.under_way.is_empty() && hidings.unknown.is_empty();
        !is_sure || hidings.may_be.iter().any(|it| !it.is_empty())
    }

    /// Whether what is hidden will stay so.
    pub(super) fn are_veils_settled(&self, drop: usize) -> bool {
        !self.hidings[drop].doubt.is_left()
    }

    /// How many messages that are there sessions do not see, if that is settled.
    pub(crate) fn hidden_count(&self, drop: usize) -> Option<u64> {
        let hidings = &self.hidings[drop];
        let is_open = !hidings.under_way.is_empty() || hidings.doubt.is_left();
        if is_open || !hidings.unknown.is_empty() {
            return None;
        }
        let is_kept = |number: &&Number| self.messages[**number].standing == Standing::Kept;
        let counts = hidings.may_be.iter();
        let counts = counts.map(|it| it.iter().filter(is_kept).count() as u64);
        let counts: BTreeSet<_> = counts.collect();
        (counts.len() == 1).then(|| counts.first().copied())?
    }

    /// Judges what is told of some messages, dead or alive.
    pub(crate) fn told_hidden(&self, drop: usize, told: &[(Number, bool)]) {
        let hidings = &self.hidings[drop];
        if hidings.agree(told).next().is_none() {
            let told = told.iter().filter(|(_, is_hidden)| *is_hidden);
            let told: BTreeSet<_> = told.map(|&(number, _)| number).collect();
            panic!(
                "P2: hidden in maildrop {drop} are {told:?}, which is none of {:?}",
                hidings.may_be
            );
        }
    }

    /// Judges a listing of all messages that are there, and learns from it.
    pub(super) fn shown_hidden(
        &mut self,
        drop: usize,
        process: Option<u32>,
        told: &[(Number, bool)],
    ) {
        self.told_hidden(drop, told);
        self.hidings[drop].shown(process, told);
    }

    /// Messages whose unique-ids are these.
    pub(crate) fn numbers<'i>(
        &self,
        drop: usize,
        ids: impl Iterator<Item = &'i [u8]>,
    ) -> Vec<Option<Number>> {
        ids.map(|id| self.ids[drop].get(id).copied()).collect()
    }
}
