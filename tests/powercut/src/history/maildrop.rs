//! What happened to one maildrop, and what must be true of it after a cut.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::veils::{NOW, Veils};
use super::{Ends, Listing, Moment, Sight};

/// A message's way through its life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) begun: Moment,
    /// Its deliverer has an answer, or is dead.
    pub(super) ended: Option<Moment>,
    /// Whether that answer was yes.
    pub(super) acknowledged: bool,
    /// The first time that it was acknowledged, or shown.
    pub(super) promised: Option<Moment>,
    /// It was not shown after its deliverer had died: it must never turn up.
    pub(super) void: Option<Moment>,
}

/// The deletions of one QUIT, or what it hides.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) messages: BTreeSet<u32>,
    pub(super) begun: Moment,
    pub(super) ended: Option<Moment>,
    pub(super) acknowledged: bool,
    /// Acknowledged, or a listing after the crash showed that it has happened.
    pub(super) done: Option<Moment>,
    /// A listing after the crash showed that it has happened to none of them.
    pub(super) void: Option<Moment>,
}

/// What happened to one maildrop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maildrop {
    pub(super) messages: BTreeMap<u32, Message>,
    pub(super) batches: Vec<Batch>,
    pub(super) veils: Veils,
    /// Every unique-id that was ever shown: for which message, and when first.
    pub(super) unique_ids: HashMap<String, (u32, Moment)>,
}

/// What must be true of a message after a cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Due {
    There,
    Either,
    Gone,
}

impl Maildrop {
    pub(super) fn shown(
        &mut self,
        listing: &Listing,
        sight: &Sight,
        asked: Moment,
        at: Moment,
    ) -> Result<(), String> {
        let there: BTreeSet<u32> = listing.iter().map(|(_, number)| *number).collect();
        match sight {
            Sight::All(hidden) => self.veils.shown(&there, hidden, asked, at)?,
            Sight::Session => {
                let is_hidden = |number: &&u32| self.veils.due(**number, NOW) == Some(true);
                if let Some(number) = there.iter().find(is_hidden) {
                    return Err(format!("message {number} is hidden, and a session sees it"));
                }
            }
        }
        // What may be there although this listing does not show it.
        let unseen: BTreeSet<u32> = match sight {
            Sight::All(_) => BTreeSet::new(),
            Sight::Session => {
                let numbers = self
                    .messages
                    .keys()
                    .filter(|number| !there.contains(number));
                numbers
                    .copied()
                    .filter(|number| self.veils.due(*number, NOW) != Some(false))
                    .collect()
            }
        };
        let before = |moment: Option<Moment>| moment.is_some_and(|then| then.tick < asked.tick);
        for batch in &mut self.batches {
            if !before(batch.ended) || batch.done.is_some() || batch.void.is_some() {
                continue;
            }
            if !batch.messages.is_disjoint(&unseen) {
                // A listing of everything will tell.
                continue;
            }
            match batch.messages.intersection(&there).count() {
                0 => batch.done = Some(at),
                all if all == batch.messages.len() => batch.void = Some(at),
                _ => return Err(half(&batch.messages, &there)),
            }
        }
        for (unique_id, number) in listing {
            let Some(message) = self.messages.get_mut(number) else {
                return Err(format!("message {number} was never delivered here"));
            };
            if message.void.is_some() {
                return Err(format!("message {number} turns up late"));
            }
            message.promised.get_or_insert(at);
            let id = self.unique_ids.entry(unique_id.clone());
            let (known, _) = *id.or_insert((*number, at));
            if known != *number {
                return Err(format!("{unique_id} was message {known}, now {number}"));
            }
        }
        for (number, message) in &mut self.messages {
            let mut deletions = self
                .batches
                .iter()
                .filter(|batch| batch.void.is_none() && batch.messages.contains(number));
            if there.contains(number) {
                if deletions.any(|batch| before(batch.done)) {
                    return Err(format!("message {number} is deleted, and there again"));
                }
            } else if before(message.promised) {
                if deletions.next().is_none() && !unseen.contains(number) {
                    return Err(format!("message {number} is acknowledged and lost"));
                }
            } else if before(message.ended) && message.promised.is_none() {
                message.void.get_or_insert(at);
            }
        }
        Ok(())
    }

    /// How many promises a cut at this position may not break.
    pub(crate) fn promises(&self, cut: usize) -> usize {
        let before = |moment: Option<Moment>| moment.is_some_and(|at| at.position <= cut);
        let messages = self.messages.values().filter(|m| before(m.promised));
        let batches = self.batches.iter().filter(|b| before(b.done));
        let shown = self.unique_ids.values();
        let shown = shown.filter(|(_, at)| before(Some(*at)));
        messages.count() + batches.count() + self.veils.promises(cut) + shown.count()
    }

    pub(super) fn ends(&self) -> Ends {
        let messages = self.messages.values();
        let unanswered = messages.clone().filter(|message| !message.acknowledged);
        // A QUIT that deletes nothing promises nothing.
        let batches = self.batches.iter().filter(|b| !b.messages.is_empty());
        let doubtful = batches.clone().filter(|batch| !batch.acknowledged);
        let veils = self.veils.0.iter().map(|veil| &veil.batch);
        let veils = veils.filter(|b| !b.messages.is_empty());
        let unveiled = veils.clone().filter(|batch| !batch.acknowledged);
        Ends {
            veiled: veils.filter(|batch| batch.acknowledged).count(),
            unveiled: unveiled.clone().count(),
            unveiled_done: unveiled.filter(|batch| batch.done.is_some()).count(),
            delivered: messages.filter(|message| message.acknowledged).count(),
            undelivered: unanswered.clone().count(),
            undelivered_shown: unanswered.filter(|m| m.promised.is_some()).count(),
            committed: batches.filter(|batch| batch.acknowledged).count(),
            uncommitted: doubtful.clone().count(),
            uncommitted_done: doubtful.filter(|batch| batch.done.is_some()).count(),
        }
    }

    pub(super) fn promised_at(&self) -> impl Iterator<Item = usize> {
        let messages = self.messages.values().filter_map(|m| m.promised);
        let batches = self.batches.iter().filter_map(|b| b.done);
        let veils = self.veils.0.iter().filter_map(|veil| veil.batch.done);
        messages.chain(batches).chain(veils).map(|at| at.position)
    }

    /// Whether a unique-id was shown before a cut.
    pub(crate) fn was_shown(&self, unique_id: &str, cut: usize) -> bool {
        let shown = self.unique_ids.get(unique_id);
        shown.is_some_and(|(_, at)| at.position <= cut)
    }

    /// Judges what is found after a cut: all messages, and which of them are hidden.
    ///
    /// # Errors
    ///
    /// The first promise that is broken.
    pub(crate) fn judge(
        &self,
        cut: usize,
        listing: &Listing,
        hidden: &BTreeSet<u32>,
    ) -> Result<(), String> {
        let mut there = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for (unique_id, number) in listing {
            if !there.insert(*number) {
                return Err(format!("message {number} is there twice"));
            }
            if !ids.insert(unique_id) {
                return Err(format!("{unique_id} is there twice"));
            }
            if !self.messages.contains_key(number) {
                return Err(format!("message {number} was never delivered here"));
            }
            if let Some((known, at)) = self.unique_ids.get(unique_id)
                && at.position <= cut
                && known != number
            {
                return Err(format!("{unique_id} was message {known}, now {number}"));
            }
        }
        for (unique_id, (number, at)) in &self.unique_ids {
            if at.position <= cut && there.contains(number) && !ids.contains(unique_id) {
                return Err(format!("message {number} was {unique_id} and is not now"));
            }
        }
        for (number, message) in &self.messages {
            match (self.due(*number, message, cut), there.contains(number)) {
                (Due::There, false) => {
                    return Err(format!("message {number} is acknowledged and lost"));
                }
                (Due::Gone, true) => return Err(self.risen(*number, message, cut)),
                _ => {}
            }
        }
        for batch in self.batches.iter().filter(|batch| batch.open(cut)) {
            let count = batch.messages.intersection(&there).count();
            if count != 0 && count != batch.messages.len() {
                return Err(half(&batch.messages, &there));
            }
        }
        self.veils.judge(&there, hidden, cut)
    }

    fn due(&self, number: u32, message: &Message, cut: usize) -> Due {
        let by = |moment: Option<Moment>| moment.is_some_and(|at| at.position <= cut);
        // Whatever a request wrote, it wrote behind the position at which it went out.
        if cut <= message.begun.position || by(message.void) {
            return Due::Gone;
        }
        let mut due = match by(message.promised) {
            true => Due::There,
            false => Due::Either,
        };
        for batch in &self.batches {
            if batch.messages.contains(&number) {
                if by(batch.done) {
                    return Due::Gone;
                }
                if batch.open(cut) {
                    due = Due::Either;
                }
            }
        }
        due
    }

    fn risen(&self, number: u32, message: &Message, cut: usize) -> String {
        match (cut <= message.begun.position, message.void) {
            (true, _) => format!("message {number} is there before it was delivered"),
            (_, Some(_)) => format!("message {number} turns up late"),
            _ => format!("message {number} is deleted, and there again"),
        }
    }
}

impl Batch {
    /// Whether a cut at this position leaves open if it happened.
    pub(super) fn open(&self, cut: usize) -> bool {
        let settled = [self.done, self.void];
        self.begun.position < cut && !settled.iter().flatten().any(|at| at.position <= cut)
    }
}

fn half(batch: &BTreeSet<u32>, there: &BTreeSet<u32>) -> String {
    let left: Vec<_> = batch.intersection(there).collect();
    format!("half of a session's deletions: {left:?} of {batch:?} are there")
}
