//! A session: the session lock and a snapshot; at its end one record that deletes, or nothing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pop3::{Deletions, MessageNumber, Naming, Octets, Part, ScanListing, UniqueId};

use super::Store;
use super::append::{Appending, Purpose};
use super::index::Entry;
use super::media::{Disk, File, Lock};
use super::table::{Known, Shared, TIDYING_WAIT};
use super::text::Text;
use crate::error::{CommitError, OpenError, StoreError, TextError};
use crate::id::MaildropId;
use crate::unique_id::own;
use crate::view::View;

/// How often to start again because the file was replaced meanwhile.
const REPLACED_MAX: usize = 16;
/// How long to try to be seen waiting for housekeeping.
const WAITING_WAIT: Duration = Duration::from_millis(200);
/// Records read at an opening that make a new sidecar worth its while.
pub(super) const SIDECAR_RECORDS_MIN: u64 = 512;

/// A maildrop that a session holds. Dropping it deletes nothing and frees the lock.
pub struct Session<D: Disk> {
    /// None: the maildrop was empty, so nothing is held.
    held: Option<Held<D>>,
    entries: Vec<Entry>,
    /// Whether there are messages that the session does not see.
    is_partial: bool,
    /// Unique-ids that are not our own, by uid.
    names: BTreeMap<u64, UniqueId>,
    generation: u64,
}

/// The session lock, in this process and between processes.
pub(super) struct Held<D: Disk> {
    store: Arc<Store<D>>,
    drop: MaildropId,
    pub(super) shared: Arc<Shared>,
    pub(super) file: Option<Arc<D::File>>,
    salt: [u8; 16],
}

impl<D: Disk> Held<D> {
    /// What this process's lock is for; that between processes comes with the file.
    pub(super) fn new(store: &Arc<Store<D>>, drop: MaildropId, shared: Arc<Shared>) -> Self {
        Self {
            store: Arc::clone(store),
            drop,
            shared,
            file: None,
            salt: [0; 16],
        }
    }
}

impl<D: Disk> Drop for Held<D> {
    fn drop(&mut self) {
        // A text that is still being sent keeps the file open, but must not keep the lock. Otherwise
        // closing the file frees it.
        if let Some(file) = self
            .file
            .take()
            .and_then(|file| Arc::try_unwrap(file).err())
        {
            file.unlock(Lock::Session);
        }
        self.shared.release();
    }
}

impl<D: Disk> Store<D> {
    /// Takes the session lock, without waiting, and a snapshot. A maildrop without a file, or
    /// without messages, is empty and needs no lock.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(self: &Arc<Self>, drop: MaildropId) -> Result<Session<D>, OpenError> {
        self.open_view(drop, &View::default())
    }

    /// The same, of what a view shows.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open_view(
        self: &Arc<Self>,
        drop: MaildropId,
        view: &View,
    ) -> Result<Session<D>, OpenError> {
        let shared = self.table.entry(drop);
        if !shared.hold() {
            return Err(OpenError::InUse);
        }
        let mut held = Held::new(self, drop, shared);
        let Some(file) = self.lock_session(drop)? else {
            return Ok(Session::empty());
        };
        held.file = Some(Arc::clone(&file));
        let shared = Arc::clone(&held.shared);
        match self.append_to(drop, &shared, Some(&file), Purpose::Read) {
            Err(StoreError::Missing) => Ok(Session::empty()),
            appending => appending?.session(held, view),
        }
    }

    /// The file with its session lock; none if there is no file.
    pub(crate) fn lock_session(&self, drop: MaildropId) -> Result<Option<Arc<D::File>>, OpenError> {
        let path = Self::path_of(drop);
        for _ in 0..REPLACED_MAX {
            let file = match self.disk.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other.map_err(OpenError::Unavailable)?,
            };
            if !Self::take_session(&file).map_err(OpenError::Unavailable)? {
                return Err(OpenError::InUse);
            }
            let id = file.stat().map_err(OpenError::Unavailable)?.id;
            if self.disk.is_named(&path, id).unwrap_or(false) {
                return Ok(Some(Arc::new(file)));
            }
        }
        Err(OpenError::Unavailable(io::ErrorKind::ResourceBusy.into()))
    }

    /// Takes the session lock between processes. Housekeeping of another process gives way when
    /// it sees that somebody waits; a session does not.
    fn take_session(file: &D::File) -> io::Result<bool> {
        if file.try_lock(Lock::Session)? {
            return Ok(true);
        }
        if file.try_lock(Lock::Tidying)? {
            file.unlock(Lock::Tidying);
            return Ok(false);
        }
        // Housekeeping has it for a moment each time it asks whether anybody waits. Whoever else has
        // it waits, too, and is seen.
        file.wait_lock(Lock::Waiting, WAITING_WAIT)?;
        let taken = file.wait_lock(Lock::Session, TIDYING_WAIT);
        file.unlock(Lock::Waiting);
        taken
    }
}

impl<D: Disk> Appending<'_, D> {
    /// The session of a maildrop that is held, with what it sees.
    fn session(mut self, held: Held<D>, view: &View) -> Result<Session<D>, OpenError> {
        let seen = self.seen(view).map_err(OpenError::Unavailable)?;
        let session = self.known().session(held, seen);
        self.write_sidecar(SIDECAR_RECORDS_MIN);
        Ok(session)
    }
}

impl Known {
    /// The session of a maildrop that is held, with the entries that it sees, and whether these are not
    /// all.
    pub(super) fn session<D: Disk>(
        &self,
        mut held: Held<D>,
        (entries, is_partial): (Vec<Entry>, bool),
    ) -> Session<D> {
        let names = match self.index.names.is_empty() {
            true => BTreeMap::new(),
            false => entries
                .iter()
                .filter_map(|entry| Some((entry.uid, self.index.names.get(&entry.uid)?.clone())))
                .collect(),
        };
        held.salt = self.header.salt;
        Session {
            held: (!entries.is_empty()).then_some(held),
            entries,
            is_partial,
            names,
            generation: self.header.generation,
        }
    }
}

impl<D: Disk> Session<D> {
    pub(super) fn empty() -> Self {
        Self {
            held: None,
            entries: Vec::new(),
            is_partial: false,
            names: BTreeMap::new(),
            generation: 0,
        }
    }

    /// Sizes and unique-ids as they were at `open`, and whether some were left out.
    pub fn listing(&self) -> ScanListing {
        let naming = Naming {
            generation: self.generation,
            name: own,
        };
        let mut listing = ScanListing::with_naming(self.entries.len(), naming);
        if self.is_partial {
            listing.leave_some_out();
        }
        for entry in &self.entries {
            match self.names.get(&entry.uid) {
                Some(name) => listing.push(Octets(entry.octets.into()), name),
                None => listing.push_numbered(Octets(entry.octets.into()), entry.uid),
            }
            if entry.is_internationalised() {
                listing.internationalise_last();
            }
        }
        listing
    }

    /// A part of a message, to be read chunk by chunk. Touches no disk.
    ///
    /// # Errors
    ///
    /// When there is no message of that number.
    pub fn text(&self, number: MessageNumber, part: Part) -> Result<Text<D::File>, TextError> {
        let held = self.held.as_ref();
        let file = held.and_then(|held| Some((held.file.as_ref()?, held.salt)));
        match (file, self.entries.get(number.index())) {
            (Some((file, salt)), Some(entry)) => {
                Ok(Text::new(Arc::clone(file), salt, *entry, number, part))
            }
            _ => Err(TextError::Damaged {
                number,
                what: "there is no such message".into(),
            }),
        }
    }

    /// Deletes durably, all or nothing, and ends the session. Returns the messages of this
    /// session's listing that stay. When nothing is marked, the disk is not touched.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; nothing is deleted then.
    pub fn commit(self, deletions: &Deletions) -> Result<usize, CommitError> {
        self.append(deletions, |appending, uids| {
            appending.delete(uids.iter().copied())
        })
    }

    /// Hides durably, all or nothing, and ends the session. Returns the messages of this session's
    /// listing that were not named.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; nothing is hidden then.
    pub fn hide(self, messages: &Deletions) -> Result<usize, CommitError> {
        self.append(messages, |appending, uids| appending.hide(uids))
    }

    /// Whether other sessions do not see a message.
    pub fn is_hidden(&self, number: MessageNumber) -> bool {
        let entry = self.entries.get(number.index());
        entry.is_some_and(Entry::is_hidden)
    }

    /// Appends what says something of messages, if it is of any.
    fn append(
        self,
        messages: &Deletions,
        say: impl Fn(&mut Appending<'_, D>, &[u64]) -> io::Result<()>,
    ) -> Result<usize, CommitError> {
        // What only this session has cannot be read any more, but its deletion is promised all
        // the same.
        let uids: Vec<u64> = messages
            .iter()
            .map_while(|number| Some(self.entries.get(number.index())?.uid))
            .collect();
        let left = self.entries.len() - uids.len();
        let Some(held) = self.held.as_ref().filter(|_| !uids.is_empty()) else {
            return Ok(left);
        };
        held.store.with_reserve(|| {
            let mut appending = held.store.append_to(
                held.drop,
                &held.shared,
                held.file.as_ref(),
                Purpose::Write,
            )?;
            Ok(say(&mut appending, &uids)?)
        })?;
        Ok(left)
    }
}
