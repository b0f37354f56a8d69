//! What is hidden from sessions and shown again, and what must be true of it after a cut.

use std::collections::BTreeSet;

use super::Moment;
use super::maildrop::Batch;

/// One QUIT that hides, or one showing of what was hidden.
#[derive(Clone, Debug)]
pub(super) struct Veil {
    pub(super) hides: bool,
    pub(super) batch: Batch,
}

/// All of them, in their order: never two at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Veils(pub(super) Vec<Veil>);

/// After everything that has happened so far.
pub(super) const NOW: usize = usize::MAX;

impl Veils {
    /// Whether a message must be hidden after a cut; none: it may be or not.
    pub(super) fn due(&self, number: u32, cut: usize) -> Option<bool> {
        due(&self.0, number, cut)
    }

    /// How many of them were promised before a cut.
    pub(super) fn promises(&self, cut: usize) -> usize {
        let done = self.0.iter().filter_map(|it| it.batch.done);
        done.filter(|at| at.position <= cut).count()
    }

    /// Settles what a dead process had begun by a listing of everything, then judges that.
    pub(super) fn shown(
        &mut self,
        there: &BTreeSet<u32>,
        hidden: &BTreeSet<u32>,
        asked: Moment,
        at: Moment,
    ) -> Result<(), String> {
        for index in 0..self.0.len() {
            let Veil { hides, batch } = &self.0[index];
            let (hides, is_open) = (*hides, batch.open(NOW));
            if !is_open || batch.ended.is_none_or(|then| then.tick >= asked.tick) {
                continue;
            }
            let decisive = self.decisive(index, there, NOW);
            let veiled = decisive.iter().filter(|it| hidden.contains(it) == hides);
            let batch = match veiled.count() {
                // All of its messages are gone, or were so before.
                0 if decisive.is_empty() => continue,
                0 => &mut self.0[index].batch.void,
                all if all == decisive.len() => &mut self.0[index].batch.done,
                _ => return Err(half(hides, &decisive, hidden)),
            };
            *batch = Some(at);
        }
        self.judge(there, hidden, NOW)
    }

    /// Judges which messages are hidden after a cut, of those that are there.
    pub(super) fn judge(
        &self,
        there: &BTreeSet<u32>,
        hidden: &BTreeSet<u32>,
        cut: usize,
    ) -> Result<(), String> {
        for number in there {
            match (self.due(*number, cut), hidden.contains(number)) {
                (Some(true), false) => {
                    return Err(format!("message {number} is hidden, and sessions see it"));
                }
                (Some(false), true) => {
                    return Err(format!("message {number} is hidden, but shall be seen"));
                }
                _ => {}
            }
        }
        for (index, veil) in self.0.iter().enumerate() {
            if veil.batch.open(cut) {
                let decisive = self.decisive(index, there, cut);
                let count = decisive.intersection(hidden).count();
                if count != 0 && count != decisive.len() {
                    return Err(half(veil.hides, &decisive, hidden));
                }
            }
        }
        Ok(())
    }

    /// The messages that show whether one of these has happened: those that are there, that it
    /// changes, and that nothing changes after it.
    fn decisive(&self, index: usize, there: &BTreeSet<u32>, cut: usize) -> BTreeSet<u32> {
        let (before, later) = self.0.split_at(index);
        let veil = &later[0];
        let is_last = |number: &u32| {
            let mut later = later[1..].iter();
            !later.any(|it| it.batch.begun.position < cut && it.batch.messages.contains(number))
        };
        let messages = veil.batch.messages.intersection(there).copied();
        messages
            .filter(|number| due(before, *number, cut) == Some(!veil.hides))
            .filter(is_last)
            .collect()
    }
}

fn due(veils: &[Veil], number: u32, cut: usize) -> Option<bool> {
    let by = |moment: Option<Moment>| moment.is_some_and(|at| at.position <= cut);
    let mut due = Some(false);
    for Veil { hides, batch } in veils
        .iter()
        .filter(|it| it.batch.messages.contains(&number))
    {
        if by(batch.done) {
            due = Some(*hides);
        } else if batch.open(cut) && due != Some(*hides) {
            due = None;
        }
    }
    due
}

fn half(hides: bool, batch: &BTreeSet<u32>, hidden: &BTreeSet<u32>) -> String {
    let found: Vec<_> = batch.intersection(hidden).collect();
    let what = if hides { "hides" } else { "shows" };
    format!("half of what a session {what}: {found:?} of {batch:?} are hidden")
}
