//! What was promised to whom and when, and whether what is found keeps it.
//!
//! Every event is noted with the position of the write log at that moment: for a promise the
//! position after the reply had come, for a request the one before it went out. A power cut at a
//! position breaks a promise only if the promise was made before it.

mod maildrop;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use maildrop::Maildrop;
use maildrop::{Batch, Message};

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
    }
}

/// What a listing shows: unique-id and message, in order.
pub(crate) type Listing = Vec<(String, u32)>;

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

    /// A QUIT with these deletions is about to be sent; returns its place for [`Self::quit_ended`].
    pub(crate) fn quit_sent(&mut self, name: &str, batch: BTreeSet<u32>, position: usize) -> usize {
        let begun = self.moment(position);
        let batches = &mut self.drop(name).batches;
        batches.push(Batch {
            messages: batch,
            begun,
            ended: None,
            acknowledged: false,
            done: None,
            void: None,
        });
        batches.len() - 1
    }

    /// QUIT was answered, or its server is dead.
    pub(crate) fn quit_ended(&mut self, name: &str, place: usize, position: usize, done: bool) {
        let at = self.moment(position);
        let batch = &mut self.drop(name).batches[place];
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
        asked: Moment,
        position: usize,
    ) -> Result<(), String> {
        let at = self.moment(position);
        self.drop(name)
            .shown(listing, asked, at)
            .map_err(|what| format!("{name}, without a power cut: {what}"))
    }
}

#[cfg(test)]
mod tests;
