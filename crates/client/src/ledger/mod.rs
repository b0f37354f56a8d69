//! The ledger: what was fetched from one account, so that nothing is fetched twice and nothing is deleted that was not delivered.
//!
//! One append-only file of lines for each account, and each line has its checksum before it:
//!
//! ```text
//! 5ae8a3c2 ledger 1 mrose@pop.example.org
//! 91d5a0b7 begin 1764316800
//! 0c5d1f6e delivered 1764316801 8192 6c1f…e0 93ab…17 u:QhdPYR:00WBw1Ph7x7
//! 4be1920f absent 1764316803 u:QhdPYR:00WBw1Ph7x7
//! d2f80b11 end 1764316803
//! ```
//!
//! What is written here is durable before anything is done that rests on it. A last line that a crash has torn is cut off; what it
//! would have said has not been relied on. A line that is damaged elsewhere costs what it says, and is told
//! ([`Contents::damaged`]). `try` without `delivered`, and `begin` without `end`, say what a crash left in doubt.

mod contents;
mod entry;
mod file;
mod key;
mod record;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::destination::Ended;

pub use contents::Contents;
pub use entry::{Content, Entry, Fate, Print};
pub use file::LedgerError;
pub use key::{Key, NotAKey};

use file::Lines;
use record::Record;

/// A message that is not on the server any more is forgotten after so many seconds: a server that shows an empty maildrop for a
/// day must not make all of it new.
const FORGET_SECONDS: i64 = 90 * 86_400;

/// So many of them are remembered. A server whose unique-ids are others in each session would fill memory and disk, and does not give
/// the old ones again.
const ABSENT_MAX: usize = 1_000_000;

/// A ledger of less is never written anew.
const COMPACT_RECORDS_MIN: usize = 4096;

/// What was fetched from one account. Whoever has it open is alone with it. What it says is read as [`Contents`].
#[derive(Debug)]
pub struct Ledger {
    lines: Lines,
    contents: Contents,
}

impl Deref for Ledger {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.contents
    }
}

impl Ledger {
    /// Opens that of an account (user@host), and waits for nobody.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Missing`] if there is none, [`LedgerError::Foreign`] if it is another account's, [`LedgerError::InUse`] if
    /// another process has it open.
    pub fn open(path: &Path, account: &str) -> Result<Self, LedgerError> {
        let (lines, found) = Lines::open(path)?;
        let contents = Contents::of(path, &found)?;
        match contents.account() == account {
            true => Ok(Self { lines, contents }),
            false => Err(LedgerError::Foreign {
                file: path.to_owned(),
                owner: contents.account().to_owned(),
            }),
        }
    }

    /// What the ledger of whomever says now, although another process may be writing it. Nothing is written, and nobody is waited
    /// for.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Missing`] if there is none; when it cannot be read.
    pub fn peek(path: &Path) -> Result<Contents, LedgerError> {
        Contents::of(path, &file::read(path)?)
    }

    /// Makes an empty one, for an account from which nothing was fetched.
    ///
    /// # Errors
    ///
    /// When there is one, or none can be written.
    pub fn create(path: &Path, account: &str) -> Result<Self, LedgerError> {
        let lines = Lines::create(path, &Record::Ledger(account.to_owned()).to_string())?;
        let contents = Contents::empty(account);
        Ok(Self { lines, contents })
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.lines.path().to_owned()
    }

    fn write(&mut self, record: Record) {
        self.lines.push(&record.to_string());
        self.contents.take(record);
    }

    /// Says that from now on something may be delivered; durable when it returns. Once a session.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn begin(&mut self, now: i64) -> Result<(), LedgerError> {
        if self.contents.begun {
            return Ok(());
        }
        self.write(Record::Begin(now));
        self.sync()
    }

    /// Says that a message is handed over to a destination that will not know it again; durable when it returns.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then it must not be handed over.
    pub fn trying(&mut self, destination: &str, key: &Key) -> Result<(), LedgerError> {
        self.write(Record::Try(destination.to_owned(), key.clone()));
        self.sync()
    }

    /// Says that one destination of several has it; durable with the next record that is.
    pub fn part(&mut self, destination: &str, key: &Key) {
        self.write(Record::Part(destination.to_owned(), key.clone()));
    }

    /// Says what has become of a message; durable after [`sync`](Self::sync).
    pub fn record(&mut self, key: Key, entry: Entry) {
        self.write(Record::Entry(key, entry));
    }

    /// Says which of its messages the server lists: the others are absent from now on. Durable after [`sync`](Self::sync).
    pub fn listed(&mut self, listed: &HashSet<Key>, now: i64) {
        let mut changed = Vec::new();
        for (key, entry) in &self.contents.entries {
            match (listed.contains(key), entry.absent) {
                (true, Some(_)) => changed.push(Record::Back(key.clone())),
                (false, None) => changed.push(Record::Absent(now, key.clone())),
                (true, None) | (false, Some(_)) => {}
            }
        }
        changed.into_iter().for_each(|record| self.write(record));
    }

    /// Says that the server has deleted a message. Durable after [`sync`](Self::sync).
    pub fn gone(&mut self, key: &Key, now: i64) {
        self.write(Record::Absent(now, key.clone()));
    }

    /// Says that the server has not deleted a message of which it was said. Durable after [`sync`](Self::sync).
    pub fn stays(&mut self, key: &Key) {
        self.write(Record::Back(key.clone()));
    }

    /// Says that all is in order; durable when it returns. Forgets what has long been absent.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then the next session looks whether all is in order.
    pub fn end(&mut self, now: i64) -> Result<(), LedgerError> {
        if !self.contents.begun
            && self.contents.sessions > 0
            && self.contents.ended == Ended::InOrder
            && !self.lines.is_waiting()
        {
            // A session in which nothing happened.
            return Ok(());
        }
        self.write(Record::End(now));
        self.sync()?;
        let oldest = self.oldest_absence(now, ABSENT_MAX);
        let is_forgotten = |entry: &Entry| entry.absent.is_some_and(|since| since < oldest);
        let entries = &mut self.contents.entries;
        let forgotten = entries.values().filter(|entry| is_forgotten(entry)).count();
        // Written anew now and then, and not each time: a message that is gone has two lines.
        if self.lines.count() > COMPACT_RECORDS_MIN.max(4 * entries.len())
            || forgotten > COMPACT_RECORDS_MIN.max(entries.len() / 4)
        {
            entries.retain(|_, entry| !is_forgotten(entry));
            self.compact()?;
        }
        Ok(())
    }

    /// Since when a message may be absent that is remembered, if no more than `most` are.
    fn oldest_absence(&self, now: i64, most: usize) -> i64 {
        let oldest = now.saturating_sub(FORGET_SECONDS);
        let entries = self.contents.entries.values();
        let mut absent: Vec<i64> = entries.filter_map(|entry| entry.absent).collect();
        match absent.len().checked_sub(most) {
            None | Some(0) => oldest,
            Some(over) => oldest.max(*absent.select_nth_unstable(over).1),
        }
    }

    /// Makes all that was said durable.
    ///
    /// # Errors
    ///
    /// When that failed; nothing is taken any more then.
    pub fn sync(&mut self) -> Result<(), LedgerError> {
        self.lines.sync()
    }

    /// Writes it anew, without what has been said twice.
    fn compact(&mut self) -> Result<(), LedgerError> {
        let head = [
            Record::Ledger(self.contents.account.clone()),
            Record::Sessions(self.contents.sessions),
        ];
        let parts = (self.contents.parts.iter())
            .map(|(destination, key)| Record::Part(destination.clone(), key.clone()));
        let entries = self.contents.entries.iter().flat_map(|(key, entry)| {
            let absent = entry.absent.map(|at| Record::Absent(at, key.clone()));
            [Some(Record::Entry(key.clone(), *entry)), absent]
        });
        let records = head.into_iter().chain(parts).chain(entries.flatten());
        let bodies: Vec<String> = records.map(|record| record.to_string()).collect();
        self.lines.replace(&bodies)
    }
}

/// What is wrong with a path, as an operator reads it.
fn unreadable(path: &Path, source: io::Error) -> LedgerError {
    LedgerError::Io {
        file: path.to_owned(),
        source,
    }
}
