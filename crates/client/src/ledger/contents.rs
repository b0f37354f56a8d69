//! What a ledger says, record by record.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::entry::Entry;
use super::file::{Found, LedgerError};
use super::key::Key;
use super::record::Record;
use crate::destination::Ended;

/// What a ledger says.
#[derive(Clone, Debug)]
pub struct Contents {
    pub(super) account: String,
    pub(super) entries: HashMap<Key, Entry>,
    /// Messages that some destinations have and others have not.
    pub(super) parts: HashSet<(String, Key)>,
    in_doubt: Option<(String, Key)>,
    pub(super) begun: bool,
    pub(super) ended: Ended,
    /// Sessions that have ended in order.
    pub(super) sessions: u64,
    damaged: usize,
}

impl Contents {
    /// What the lines of a file say.
    ///
    /// # Errors
    ///
    /// When its first line does not say whose it is.
    pub(super) fn of(path: &Path, found: &Found) -> Result<Self, LedgerError> {
        let mut records = found.bodies.iter();
        let first = records.next().and_then(|body| Record::parse(body));
        let Some(Record::Ledger(account)) = first else {
            return Err(LedgerError::Damaged {
                file: path.to_owned(),
            });
        };
        let mut contents = Self::empty(&account);
        contents.damaged = found.damaged;
        for body in records {
            match Record::parse(body) {
                Some(record) => contents.take(record),
                None => contents.damaged += 1,
            }
        }
        if contents.begun || contents.damaged > 0 {
            contents.ended = Ended::InDoubt;
        }
        contents.begun = false;
        Ok(contents)
    }

    pub(super) fn empty(account: &str) -> Self {
        Self {
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

    pub(super) fn take(&mut self, record: Record) {
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
}
