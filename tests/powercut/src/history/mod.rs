//! What was promised to whom and when, and whether what is found keeps it.
//!
//! Every event is noted with the position of the write log at that moment: for a promise the
//! position after the reply had come, for a request the one before it went out. A power cut at a
//! position breaks a promise only if the promise was made before it.

mod maildrop;
mod veils;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use maildrop::Maildrop;
use maildrop::{Batch, Message};
use veils::Veil;

/// When something happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    /// Orders what happened at one position.
    tick: u64,
    /// Writes and flushes that the disk had seen.
    pub(crate) position: usize,
}

/// Everything that happened in one recording.
#[derive(Debug, Default)]
pub(crate) struct History {
    tick: u64,
    maildrops: BTreeMap<String, Maildrop>,
    accounts: Vec<(String, Moment)>,
    /// Where which step of the workload began, for whoever reads about a violation.
    steps: Vec<(usize, &'static str)>,
}

/// How deliveries and sessions ended, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ends {
    /// Deliveries that were acknowledged.
    pub(crate) delivered: usize,
    /// Those whose deliverer was killed first.
    pub(crate) undelivered: usize,
    /// Those of them that a listing has shown all the same.
    pub(crate) undelivered_shown: usize,
    /// Sessions that deleted, with an answer to QUIT.
    pub(crate) committed: usize,
    /// Those whose server was killed first.
    pub(crate) uncommitted: usize,
    /// Those of them whose deletions have happened all the same.
    pub(crate) uncommitted_done: usize,
    /// Sessions that hid, with an answer to QUIT, and showings of what was hidden.
    pub(crate) veiled: usize,
    /// Those whose server or process was killed first.
    pub(crate) unveiled: usize,
    /// Those of them that have happened all the same.
    pub(crate) unveiled_done: usize,
}

impl Ends {
    /// Adds what others counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.undelivered += other.undelivered;
        self.undelivered_shown += other.undelivered_shown;
        self.committed += other.committed;
        self.uncommitted += other.uncommitted;
        self.uncommitted_done += other.uncommitted_done;
        self.veiled += other.veiled;
        self.unveiled += other.unveiled;
        self.unveiled_done += other.unveiled_done;
    }
}

/// What a listing shows: unique-id and message, in order.
pub(crate) type Listing = Vec<(String, u32)>;

/// What is done to several messages at once, all or none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deed {
    /// A session's QUIT deletes them.
    Delete,
    /// It hides them.
    Hide,
    /// The operator shows them again.
    Show,
}

/// Which deed of a maildrop, in the order of its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(Deed, usize);

/// How much of a maildrop a listing shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Sight {
    /// What sessions see.
    Session,
    /// Everything, and these are hidden from sessions.
    All(BTreeSet<u32>),
}

impl History {
    /// Now, at a position of the log.
    pub(crate) fn moment(&mut self, position: usize) -> Moment {
        self.tick += 1;
        Moment {
            tick: self.tick,
            position,
        }
    }

    fn drop(&mut self, name: &str) -> &mut Maildrop {
        self.maildrops.entry(name.to_owned()).or_default()
    }

    /// One maildrop, if anything was ever delivered to it.
    pub(crate) fn maildrop(&self, name: &str) -> Option<&Maildrop> {
        self.maildrops.get(name)
    }

    /// How everything ended.
    pub(crate) fn ends(&self) -> Ends {
        let mut ends = Ends::default();
        for maildrop in self.maildrops.values() {
            ends.merge(&maildrop.ends());
        }
        ends
    }

    /// The positions at which something was promised, ascending: cuts there are the hardest.
    pub(crate) fn promised_at(&self) -> Vec<usize> {
        let maildrops = self.maildrops.values();
        let positions: BTreeSet<usize> = maildrops.flat_map(Maildrop::promised_at).collect();
        positions.into_iter().collect()
    }

    /// A step of the workload begins.
    pub(crate) fn step(&mut self, step: &'static str, position: usize) {
        self.steps.push((position, step));
    }

    /// An account was made.
    pub(crate) fn account(&mut self, name: &str, position: usize) {
        let at = self.moment(position);
        self.accounts.push((name.to_owned(), at));
    }

    /// The accounts that must be there after a cut.
    pub(crate) fn accounts(&self, cut: usize) -> impl Iterator<Item = &str> {
        let made = self.accounts.iter();
        made.filter(move |(_, at)| at.position <= cut)
            .map(|(name, _)| name.as_str())
    }

    /// A delivery is about to begin.
    pub(crate) fn announce(&mut self, name: &str, number: u32, position: usize) {
        let begun = self.moment(position);
        let message = Message {
            begun,
            ended: None,
            acknowledged: false,
            promised: None,
            void: None,
        };
        self.drop(name).messages.insert(number, message);
    }

    /// A deliverer has got its answer, or is dead.
    pub(crate) fn delivered(&mut self, name: &str, number: u32, position: usize, promised: bool) {
        let at = self.moment(position);
        if let Some(message) = self.drop(name).messages.get_mut(&number) {
            message.ended = Some(at);
            if promised {
                message.acknowledged = true;
                message.promised.get_or_insert(at);
            }
        }
    }

    /// The message that a unique-id has meant so far.
    pub(crate) fn known(&self, name: &str, unique_id: &str) -> Option<u32> {
        let (number, _) = self.maildrops.get(name)?.unique_ids.get(unique_id)?;
        Some(*number)
    }

    /// Something is about to be asked for, such as the QUIT of a session; returns its place for
    /// [`Self::ended`].
    pub(crate) fn asked(
        &mut self,
        name: &str,
        deed: Deed,
        messages: BTreeSet<u32>,
        position: usize,
    ) -> Place {
        let batch = Batch {
            messages,
            begun: self.moment(position),
            ended: None,
            acknowledged: false,
            done: None,
            void: None,
        };
        let drop = self.drop(name);
        let hides = deed == Deed::Hide;
        match deed {
            Deed::Delete => drop.batches.push(batch),
            Deed::Hide | Deed::Show => drop.veils.0.push(Veil { hides, batch }),
        }
        let count = match deed {
            Deed::Delete => drop.batches.len(),
            Deed::Hide | Deed::Show => drop.veils.0.len(),
        };
        Place(deed, count - 1)
    }

    /// It was answered, or whoever was asked is dead.
    pub(crate) fn ended(&mut self, name: &str, place: Place, position: usize, done: bool) {
        let at = self.moment(position);
        let drop = self.drop(name);
        let batch = match place {
            Place(Deed::Delete, index) => &mut drop.batches[index],
            Place(_, index) => &mut drop.veils.0[index].batch,
        };
        batch.ended = Some(at);
        if done {
            batch.acknowledged = true;
            batch.done.get_or_insert(at);
        }
    }

    /// Somebody was shown a listing, which he asked for at `asked`. It is a promise: what it shows
    /// stays, and what a dead process had begun and it does not show never comes.
    ///
    /// # Errors
    ///
    /// What is broken already, with no power cut at all.
    pub(crate) fn shown(
        &mut self,
        name: &str,
        listing: &Listing,
        sight: &Sight,
        asked: Moment,
        position: usize,
    ) -> Result<(), String> {
        let at = self.moment(position);
        self.drop(name)
            .shown(listing, sight, asked, at)
            .map_err(|what| format!("{name}, without a power cut: {what}"))
    }
}

#[cfg(test)]
mod tests;
