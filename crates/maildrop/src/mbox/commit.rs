//! Deletion: what stays moves towards the beginning of the file, and the file is cut.
//!
//! Other programs wait for locks of this very file, so no other one can take its place. What is written over
//! is in the journal before, and goes back from there unless the file was cut: the cut decides
//! (`recover.rs`). Where nothing moves, the cut alone does it, in one step.

use std::io;
use std::ops::Range;

use pop3::Deletions;
use tracing::{error, warn};

use super::index::Message;
use super::journal::{self, Entry, Kind, Lasts};
use super::recover::{filling, put, recover};
use super::session::Opened;
use super::store::Purpose;
use super::survey::{messages, sum};
use crate::error::StoreError;
use crate::native::media::{Disk, File, Lock};
use crate::places::Absent;

impl<D: Disk> Opened<D> {
    /// Deletes, and ends the session. Returns how many of its messages stay.
    ///
    /// # Errors
    ///
    /// As [`super::Session::commit`].
    pub(super) fn commit(self, deletions: &Deletions) -> Result<usize, StoreError> {
        let mut goes = vec![false; self.survey.messages.len()];
        for number in deletions.iter() {
            if let Some(&place) = self.seen.get(number.index()) {
                goes[place] = true;
            }
        }
        let count = goes.iter().filter(|goes| **goes).count();
        if !self
            .journal
            .wait_lock(Lock::Append, self.mboxes.settings.lock_wait)?
        {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let locked = self
            .mboxes
            .lock(&self.place, Purpose::Write, Absent::Fails)?;
        if locked.stat.id != self.survey.stat.id {
            return Err(changed().into());
        }
        recover(&locked.file, &self.journal)?;
        let (found, end) = self.verify(&locked.file)?;
        let Some(plan) = Plan::new(&found, &goes, end) else {
            return Ok(self.seen.len());
        };
        match plan.stays.is_empty() {
            true => cut(&locked.file, plan.keep)?,
            false => self.rewrite(&locked.file, plan, end)?,
        }
        Ok(self.seen.len() - count)
    }

    /// The messages that there are now, of which the first are those of the session, and where the file ends.
    fn verify(&self, file: &D::File) -> Result<(Vec<Message>, u64), StoreError> {
        let survey = &self.survey;
        let stat = file.stat()?;
        let is_same = survey.is_settled
            && (stat.len, stat.changed_ns) == (survey.stat.len, survey.stat.changed_ns);
        if is_same {
            let found = survey.messages.iter().map(|it| it.message.clone());
            return Ok((found.collect(), stat.len));
        }
        let variant = self.mboxes.settings.variant;
        let found = messages(file, variant)?;
        if found.len() < survey.messages.len() {
            return Err(changed().into());
        }
        for (message, surveyed) in found.iter().zip(&survey.messages) {
            // Programs write into a message's header in place; what a client sees of it is the same.
            let is_same = (message.start, &message.text)
                == (surveyed.message.start, &surveyed.message.text)
                && sum(file, message, variant)? == surveyed.sum;
            if !is_same {
                return Err(changed().into());
            }
        }
        Ok((found, stat.len))
    }

    /// Moves what stays, all of it or nothing.
    fn rewrite(&self, file: &D::File, plan: Plan, end: u64) -> io::Result<()> {
        let parts = (plan.keep, end);
        let written = Entry::write(
            &self.place,
            &self.journal,
            Kind::Rewrite,
            parts,
            plan.stays,
            |each| journal::for_each_piece(file, plan.keep..end, |_, piece| each(piece)),
        );
        let entry = written.inspect_err(|_| {
            // Nothing was touched yet: an entry that is there all the same would change nothing either.
            let _ = journal::void(&self.journal, Lasts::Now);
        })?;
        match self.shift(file, &entry) {
            Ok(()) => {}
            Err(error) => {
                error!(%error, "a deletion in an mbox failed; it is taken back");
                recover(file, &self.journal)?;
                if file.stat()?.len != entry.new_end {
                    return Err(error);
                }
            }
        }
        if let Err(error) = journal::void(&self.journal, Lasts::WithTheNext) {
            // It says that only a cut was left, which was made.
            warn!(%error, "an entry that is done stays in the journal of an mbox");
        }
        Ok(())
    }

    fn shift(&self, file: &D::File, entry: &Entry) -> io::Result<()> {
        put(file, entry.keep..entry.new_end, |at, piece| {
            entry.rewritten(&self.journal, at, piece)
        })?;
        file.write_at(&[filling(entry)], entry.new_end)?;
        file.sync_all()?;
        Entry::mark(&self.journal)?;
        file.truncate(entry.new_end)?;
        file.sync_all()
    }
}

fn changed() -> io::Error {
    let what = "another program has changed the mbox meanwhile; nothing was deleted";
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Cuts the end of a file off, durably.
pub(super) fn cut<F: File>(file: &F, at: u64) -> io::Result<()> {
    file.truncate(at)?;
    // No octets can be lost by it, so a second attempt proves what it says.
    file.sync_all().or_else(|_| file.sync_all())
}

/// What a deletion does to a file.
struct Plan {
    /// What is before this stays where it is.
    keep: u64,
    /// What stays of the rest, ascending, as few stretches as possible.
    stays: Vec<Range<u64>>,
}

impl Plan {
    /// None if nothing goes. Messages that came later than the session stay.
    fn new(found: &[Message], goes: &[bool], end: u64) -> Option<Self> {
        let first = goes.iter().position(|goes| *goes)?;
        let mut stays: Vec<Range<u64>> = Vec::new();
        for (place, message) in found.iter().enumerate().skip(first) {
            if goes.get(place).is_some_and(|goes| *goes) {
                continue;
            }
            let next = found.get(place + 1).map_or(end, |next| next.start);
            match stays.last_mut().filter(|last| last.end == message.start) {
                Some(last) => last.end = next,
                None => stays.push(message.start..next),
            }
        }
        let keep = found.get(first)?.start;
        Some(Self { keep, stays })
    }
}
