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
//! ([`Ledger::damaged`]). `try` without `delivered`, and `begin` without `end`, say what a crash left in doubt.

mod entry;
mod file;
mod key;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::destination::Ended;

pub use entry::{Content, Entry, Fate, Print};
pub use file::LedgerError;
pub use key::{Key, NotAKey};

use file::Lines;
use record::Record;

/// A message that is not on the server any more is forgotten after so many seconds: a server that shows an empty maildrop for a
/// day must not make all of it new.
const FORGET_SECONDS: i64 = 90 * 86_400;

/// A ledger of less is never written anew.
const COMPACT_RECORDS_MIN: usize = 4096;

/// What was fetched from one account. Whoever has it open is alone with it.
#[derive(Debug)]
pub struct Ledger {
    lines: Lines,
    account: String,
    entries: HashMap<Key, Entry>,
    /// Messages that some destinations have and others have not.
    parts: HashSet<(String, Key)>,
    in_doubt: Option<(String, Key)>,
    begun: bool,
    ended: Ended,
    /// Sessions that have ended in order.
    sessions: u64,
    damaged: usize,
}

impl Ledger {
    /// Opens that of an account (user@host), and waits for nobody.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Missing`] if there is none, [`LedgerError::Foreign`] if it is another account's, [`LedgerError::InUse`] if
    /// another process has it open.
    pub fn open(path: &Path, account: &str) -> Result<Self, LedgerError> {
        let (lines, read) = Lines::open(path)?;
        let mut ledger = Self::empty(lines, account);
        ledger.damaged = read.damaged;
        let mut records = read.bodies.iter();
        match records.next().and_then(|body| Record::parse(body)) {
            Some(Record::Ledger(owner)) if owner == account => {}
            Some(Record::Ledger(owner)) => {
                return Err(LedgerError::Foreign {
                    file: path.to_owned(),
                    owner,
                });
            }
            _ => {
                return Err(LedgerError::Damaged {
                    file: path.to_owned(),
                });
            }
        }
        for body in records {
            match Record::parse(body) {
                Some(record) => ledger.take(record),
                None => ledger.damaged += 1,
            }
        }
        if ledger.begun || ledger.damaged > 0 {
            ledger.ended = Ended::InDoubt;
        }
        ledger.begun = false;
        Ok(ledger)
    }

    /// Makes an empty one, for an account from which nothing was fetched.
    ///
    /// # Errors
    ///
    /// When there is one, or none can be written.
    pub fn create(path: &Path, account: &str) -> Result<Self, LedgerError> {
        let lines = Lines::create(path, &Record::Ledger(account.to_owned()).to_string())?;
        Ok(Self::empty(lines, account))
    }

    fn empty(lines: Lines, account: &str) -> Self {
        Self {
            lines,
            account: account.to_owned(),
            entries: HashMap::new(),
            parts: HashSet::new(),
            in_doubt: None,
            begun: false,
            ended: Ended::InOrder,
            sessions: 0,
            damaged: 0,
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Ledger(_) => self.damaged += 1,
            Record::Begin(_) => self.begun = true,
            Record::End(_) => {
                self.begun = false;
                self.ended = Ended::InOrder;
                self.sessions += 1;
                // What was in doubt has been settled by the session that ended.
                self.in_doubt = None;
            }
            Record::Try(destination, key) => self.in_doubt = Some((destination, key)),
            Record::Part(destination, key) => {
                self.in_doubt = None;
                self.parts.insert((destination, key));
            }
            Record::Entry(key, entry) => {
                if self.in_doubt.as_ref().is_some_and(|(_, it)| *it == key) {
                    self.in_doubt = None;
                }
                if !self.parts.is_empty() {
                    self.parts.retain(|(_, it)| *it != key);
                }
                self.entries.insert(key, entry);
            }
            Record::Absent(at, key) => {
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.absent = Some(at);
                }
            }
            Record::Back(key) => {
                if let Some(entry) = self.entries.get_mut(&key) {
                    entry.absent = None;
                }
            }
            Record::Sessions(number) => self.sessions = number,
        }
    }

    /// Whose it is.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.lines.path().to_owned()
    }

    /// What is known of a message.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// All that is known.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// Whether the last session came to its end.
    pub fn ended(&self) -> Ended {
        self.ended
    }

    /// Sessions that came to their end.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Lines that could not be read.
    pub fn damaged(&self) -> usize {
        self.damaged
    }

    /// The message, and its destination, of which it is not known whether the destination has it.
    pub fn in_doubt(&self) -> Option<(&str, &Key)> {
        self.in_doubt
            .as_ref()
            .map(|(destination, key)| (destination.as_str(), key))
    }

    /// Whether that destination has a message that others have not.
    pub fn has_part(&self, destination: &str, key: &Key) -> bool {
        !self.parts.is_empty() && self.parts.contains(&(destination.to_owned(), key.clone()))
    }

    fn write(&mut self, record: Record) {
        self.lines.push(&record.to_string());
        self.take(record);
    }

    /// Says that from now on something may be delivered; durable when it returns. Once a session.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn begin(&mut self, now: i64) -> Result<(), LedgerError> {
        if self.begun {
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
        for (key, entry) in &self.entries {
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

    /// Says that all is in order; durable when it returns. Forgets what has long been absent.
    ///
    /// # Errors
    ///
    /// When it cannot be written: then the next session looks whether all is in order.
    pub fn end(&mut self, now: i64) -> Result<(), LedgerError> {
        if !self.begun
            && self.sessions > 0
            && self.ended == Ended::InOrder
            && !self.lines.is_waiting()
        {
            // A session in which nothing happened.
            return Ok(());
        }
        self.write(Record::End(now));
        self.sync()?;
        let forgotten = |entry: &Entry| {
            let absent = entry.absent;
            absent.is_some_and(|since| now.saturating_sub(since) > FORGET_SECONDS)
        };
        if self.lines.count() > COMPACT_RECORDS_MIN.max(2 * self.entries.len()) {
            self.entries.retain(|_, entry| !forgotten(entry));
            self.compact()?;
        }
        Ok(())
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
            Record::Ledger(self.account.clone()),
            Record::Sessions(self.sessions),
        ];
        let parts = self
            .parts
            .iter()
            .map(|(destination, key)| Record::Part(destination.clone(), key.clone()));
        let entries = self.entries.iter().flat_map(|(key, entry)| {
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
