//! Where messages wait: maildrop back ends.
//!
//! A message comes in as a [`Draft`], in the form in which POP3 sends it, and is durable when
//! [`Maildrops::deliver`] returns. A session opens a maildrop, sees it as it was at that moment,
//! reads texts, and at its end deletes all that it marked or nothing (RFC 1939 §3, §6).
//!
//! ```
//! use maildrop::{Addressee, Envelope, MaildropId, Maildrops, Measure, Patience};
//! use pop3::{Deletions, MessageNumber, Part};
//!
//! let maildrops = Maildrops::memory();
//! let id = MaildropId(7);
//! let mut draft = maildrops.draft();
//! draft.append(b"Subject: hello\r\n\r\nworld\r\n")?;
//! let measure = Measure { octets: 25, header_octets: 18, ..Measure::default() };
//! let mrose = Addressee::unlimited(id, "mrose");
//! maildrops.deliver(&mrose, &mut draft, &measure, &Envelope::default())?;
//!
//! let session = maildrops.open(id)?;
//! let first = MessageNumber::new(1).expect("1 is a message-number");
//! let mut out = Vec::new();
//! session.text(first, Part::Top(0))?.read(&mut out, Patience::Wait)?;
//! assert_eq!(out, b"Subject: hello\r\n\r\n");
//!
//! let mut deletions = Deletions::default();
//! deletions.mark(first);
//! assert_eq!(session.commit(&deletions)?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dotlock;
mod draft;
mod error;
pub mod helper;
mod id;
mod known;
pub mod maildir;
pub mod mbox;
mod memory;
pub mod native;
mod places;
mod plain;
mod quota;
mod settings;
mod template;
mod unique_id;
mod view;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mbox::Mboxes;
use pop3::{Deletions, MessageNumber, Octets, Part, ScanListing, UniqueId};

pub use draft::{Delivered, Draft, Envelope, Measure, flags};
pub use error::{CommitError, DeliverError, OpenError, StoreError, TextError};
pub use id::{MaildropId, NotAMaildropId};
pub use maildir::{MaildirSettings, Maildirs, UniqueIds};
pub use memory::Memory;
pub use native::media::RealDisk;
pub use native::{
    BackedUp, Backup, Compacted, Damage, Deleted, Expired, HiddenMessage, Peeked, Restored, Run,
    Salvaged, SalvagedMessage, State, Store, Summary, Trust, Verified, salvage,
};
pub use places::{Absent, Place, Places};
pub use quota::{Addressee, Quota};
pub use settings::{NativeSettings, Pays};
pub use template::Template;
pub use view::{Hidden, View};

/// All maildrops of a back end. Cheap to clone. Every method blocks: call it where that is allowed.
#[derive(Clone)]
pub enum Maildrops {
    /// In memory, gone with the process; what tests use.
    Memory(Arc<Memory>),
    /// One append-only file a maildrop below a directory.
    Native(Native),
    /// Maildirs where they are, beside the programs that use them.
    Maildir(Arc<Maildirs<RealDisk>>),
    /// Mboxes where they are, likewise. Texts that are too large for memory wait on the disk.
    Mbox(Arc<Mboxes<RealDisk>>, Arc<RealDisk>),
}

/// The native store on the real disk.
#[derive(Clone)]
pub struct Native {
    store: Arc<Store<RealDisk>>,
    data: Arc<Path>,
}

impl Maildrops {
    /// Maildrops in memory.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// The native store below `data` (made if it is not there).
    ///
    /// # Errors
    ///
    /// When the directory cannot be made or used; `Unsupported` when it lies on a file system
    /// that forgets, or that has no unnamed files.
    pub fn native(data: &Path, settings: &NativeSettings) -> io::Result<Self> {
        let disk = RealDisk::new(data)?;
        if let Some(kind) = disk.volatile()?
            && !settings.allow_volatile
        {
            let what = format!(
                "{} lies on {kind}, which does not keep mail over a power cut; \
                 choose another directory or set allow_volatile",
                data.display()
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        Ok(Self::Native(Native {
            store: Arc::new(Store::with_settings(Arc::new(disk), settings.clone())),
            data: data.into(),
        }))
    }

    /// Whether maildrops are files that other programs use as well: where they are follows from the account's
    /// name, and they outlive the account.
    pub fn is_in_place(&self) -> bool {
        matches!(self, Self::Maildir(_) | Self::Mbox(..))
    }

    /// A draft in this back end's file system.
    pub fn draft(&self) -> Draft {
        match self {
            Self::Memory(_) => Draft::new(None),
            Self::Native(native) => native.store.draft(),
            Self::Maildir(maildirs) => maildirs.draft(),
            Self::Mbox(_, drafts) => Draft::new(Some(Arc::clone(drafts))),
        }
    }

    /// Puts a message at the end of a maildrop; when this returns, the message is durable.
    /// `measure` is of the draft's text, without the prefix.
    ///
    /// # Errors
    ///
    /// See [`DeliverError`]; nothing is visible then.
    #[allow(
        clippy::needless_pass_by_ref_mut,
        reason = "a back end may finish the draft, and it must not be used by two at once"
    )]
    pub fn deliver(
        &self,
        to: &Addressee<'_>,
        draft: &mut Draft,
        measure: &Measure,
        envelope: &Envelope,
    ) -> Result<Delivered, DeliverError> {
        match self {
            Self::Memory(memory) => memory.deliver(to, draft, measure, envelope),
            Self::Native(native) => native.store.deliver(to, draft, measure, envelope),
            Self::Maildir(maildirs) => maildirs.deliver(to, draft, measure, envelope),
            Self::Mbox(mboxes, _) => mboxes.deliver(to, draft, measure, envelope),
        }
    }

    /// Whether a message of so many octets would fit now; promises nothing. For a sender that
    /// announces the size before the text (RFC 1870).
    ///
    /// # Errors
    ///
    /// As [`Maildrops::deliver`].
    pub fn fits(&self, to: &Addressee<'_>, octets: u64) -> Result<(), DeliverError> {
        match self {
            Self::Memory(memory) => memory.fits(to, octets),
            Self::Native(native) => native.store.fits(to, octets),
            Self::Maildir(maildirs) => maildirs.fits(to, octets),
            Self::Mbox(mboxes, _) => mboxes.fits(to, octets),
        }
    }

    /// Takes the session lock, without waiting, and a snapshot. A maildrop without messages needs
    /// no lock: nothing can be removed.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(&self, id: MaildropId) -> Result<OpenMaildrop, OpenError> {
        self.open_view(id, &View::default())
    }

    /// The same, for a session that may see less, or more. One that sees nothing needs no lock either.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open_view(&self, id: MaildropId, view: &View) -> Result<OpenMaildrop, OpenError> {
        Ok(OpenMaildrop(match self {
            Self::Memory(memory) => Opened::Memory(memory.open(id, view)?),
            Self::Native(native) => Opened::Native(native.store.open_view(id, view)?),
            Self::Maildir(maildirs) => Opened::Maildir(Box::new(maildirs.open(id, view)?)),
            Self::Mbox(mboxes, _) => Opened::Mbox(Box::new(mboxes.open(id, view)?)),
        }))
    }

    /// Opens as [`Maildrops::open_view`] does, if that needs no waiting, neither for the disk nor for
    /// anybody; none: it may.
    pub fn open_at_hand(
        &self,
        id: MaildropId,
        view: &View,
    ) -> Option<Result<OpenMaildrop, OpenError>> {
        let opened = match self {
            Self::Memory(memory) => memory.open(id, view).map(Opened::Memory),
            Self::Native(native) => native.store.open_at_hand(id, view)?.map(Opened::Native),
            Self::Maildir(_) | Self::Mbox(..) => return None,
        };
        Some(opened.map(OpenMaildrop))
    }

    /// Does what can wait until a client has its reply to QUIT: gives the space of an emptied
    /// maildrop back, writes the index of a large one. Does nothing if the maildrop is in use.
    ///
    /// # Errors
    ///
    /// What the disk says; the maildrop is as it was then, and the next call tries again.
    pub fn tidy(&self, id: MaildropId) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Native(native) => native.store.tidy(id),
            Self::Maildir(maildirs) => maildirs.tidy(id),
            Self::Mbox(..) => Ok(()),
        }
    }

    /// Deletes the messages that were put into a maildrop before a moment (µs since 1970), durably,
    /// all or nothing. A maildrop in use is left alone.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing is deleted then.
    pub fn expire(&self, id: MaildropId, before_us: i64) -> io::Result<Expired> {
        match self {
            Self::Memory(memory) => Ok(memory.expire(id, before_us)),
            Self::Native(native) => native.store.expire(id, before_us),
            Self::Maildir(maildirs) => maildirs.expire(id, before_us),
            Self::Mbox(mboxes, _) => mboxes.expire(id, before_us),
        }
    }

    /// Deleted messages that can be brought back, ascending by uid.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn deleted(&self, id: MaildropId) -> io::Result<Vec<Deleted>> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(Vec::new()),
            Self::Native(native) => native.store.deleted(id),
        }
    }

    /// Brings deleted messages back under the unique-ids that they had, durably, all or nothing.
    /// Those that are not whole any more stay dead. Returns the uids that came back.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing has come back then.
    pub fn undelete(&self, id: MaildropId, uids: &[u64]) -> io::Result<Vec<u64>> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(Vec::new()),
            Self::Native(native) => native.store.undelete(id, uids),
        }
    }

    /// Messages that sessions do not see, ascending by uid.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn hidden(&self, id: MaildropId) -> io::Result<Vec<HiddenMessage>> {
        match self {
            Self::Memory(memory) => Ok(memory.hidden(id)),
            Self::Native(native) => native.store.hidden(id),
            Self::Maildir(_) | Self::Mbox(..) => Ok(Vec::new()),
        }
    }

    /// Those of these unique-ids that a message has or had, however long ago, and that no other one gets.
    /// Only the native store remembers that; for the others there are none.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn spent(&self, id: MaildropId, unique_ids: &[UniqueId]) -> io::Result<HashSet<UniqueId>> {
        match self {
            Self::Native(native) => native.store.spent(id, unique_ids),
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(HashSet::new()),
        }
    }

    /// Shows hidden messages to sessions again, durably, all or nothing. Returns the uids that are
    /// shown now and were not.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing is shown then.
    pub fn unhide(&self, id: MaildropId, uids: &[u64]) -> io::Result<Vec<u64>> {
        match self {
            Self::Memory(memory) => Ok(memory.unhide(id, uids)),
            Self::Native(native) => native.store.unhide(id, uids),
            Self::Maildir(_) | Self::Mbox(..) => Ok(Vec::new()),
        }
    }

    /// Deletes a maildrop for good, durably, whatever is in it: its account was removed. One that has
    /// no file is none too many.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if somebody uses the maildrop; nothing is deleted then. Else what the disk says;
    /// it can be done again.
    pub fn erase(&self, id: MaildropId) -> io::Result<()> {
        match self {
            Self::Memory(memory) => memory.erase(id),
            Self::Native(native) => native.store.erase(id),
            // They were there before the account, and others use them.
            Self::Maildir(_) | Self::Mbox(..) => Ok(()),
        }
    }

    /// Writes a maildrop's file anew if anything can be given back, however little.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if somebody uses the maildrop, `InvalidData` if it is damaged, else what the
    /// disk says; the maildrop is as it was then.
    pub fn compact(&self, id: MaildropId) -> io::Result<Compacted> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(Compacted::default()),
            Self::Native(native) => native.store.compact(id),
        }
    }

    /// Notes an account's new name beside its maildrop, so that a lost account database can be
    /// rebuilt.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn rename(&self, id: MaildropId, account: &str) -> io::Result<()> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(()),
            Self::Native(native) => native.store.rename(id, account),
        }
    }

    /// Sets room aside for the day when the disk is full, as far as it is missing.
    ///
    /// # Errors
    ///
    /// What the disk says; what could be set aside is.
    pub fn refill_reserve(&self) -> io::Result<()> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(()),
            Self::Native(native) => native.store.refill_reserve(),
        }
    }

    /// Gives a piece of that room back to a disk that is full; false if there is none left. The log
    /// says what it was for.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn spend_reserve(&self, purpose: &str) -> io::Result<bool> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => Ok(false),
            Self::Native(native) => native.store.spend_reserve(purpose),
        }
    }

    /// From now on housekeeping gives way at once: the process ends.
    pub fn stop_tidying(&self) {
        if let Self::Native(native) = self {
            native.store.stop_tidying();
        }
    }

    /// All maildrops that hold something or once did, ascending.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn ids(&self) -> io::Result<Vec<MaildropId>> {
        match self {
            Self::Memory(memory) => Ok(memory.ids()),
            Self::Native(native) => native.store.ids(),
            Self::Maildir(maildirs) => maildirs.ids(),
            Self::Mbox(mboxes, _) => mboxes.ids(),
        }
    }

    /// What a maildrop holds, without reading any message; nothing if it has no file.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn summary(&self, id: MaildropId) -> io::Result<Summary> {
        match self {
            Self::Memory(memory) => {
                let (messages, octets, next_uid) = memory.count(id);
                Ok(Summary {
                    messages,
                    octets,
                    hidden_messages: memory.hidden(id).len() as u64,
                    next_uid,
                    ..Summary::default()
                })
            }
            Self::Native(native) => native.store.summary(id),
            Self::Maildir(maildirs) => maildirs.summary(id),
            Self::Mbox(mboxes, _) => mboxes.summary(id),
        }
    }

    /// Where a maildrop's file or Maildir is, or would be; none in memory.
    pub fn path(&self, id: MaildropId) -> Option<PathBuf> {
        match self {
            Self::Memory(_) => None,
            Self::Maildir(maildirs) => maildirs.path(id),
            Self::Mbox(mboxes, _) => mboxes.path(id),
            Self::Native(native) => Some(native.data.join(Store::<RealDisk>::path_of(id))),
        }
    }

    /// Reads all of a maildrop and reports what is wrong, changing nothing; sessions and
    /// deliveries go on meanwhile. `progress` hears how many octets of the file were dealt with
    /// since it was last called; they add up to [`Summary::file_octets`].
    ///
    /// # Errors
    ///
    /// What the disk says. A file that makes no sense is damage, not an error.
    pub fn verify(&self, id: MaildropId, progress: &mut dyn FnMut(u64)) -> io::Result<Verified> {
        match self {
            Self::Memory(memory) => Ok(Verified {
                messages: memory.count(id).0,
                ..Verified::default()
            }),
            Self::Native(native) => native.store.verify(id, progress),
            Self::Maildir(maildirs) => Ok(Verified {
                messages: maildirs.summary(id)?.messages,
                ..Verified::default()
            }),
            Self::Mbox(mboxes, _) => Ok(Verified {
                messages: mboxes.summary(id)?.messages,
                ..Verified::default()
            }),
        }
    }

    /// Copies what a maildrop has that its backup has not; sessions and deliveries go on
    /// meanwhile. None if it has no file. The copy counts after [`Backup::finish`]. `progress`
    /// hears how many octets were copied since it was last called.
    ///
    /// # Errors
    ///
    /// What either disk says. Damage is none: it is reported, and the file copied as it is.
    pub fn back_up(
        &self,
        id: MaildropId,
        backup: &mut Backup<RealDisk>,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Option<BackedUp>> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            Self::Native(native) => native.store.back_up(id, backup, progress),
        }
    }

    /// Brings a maildrop back: what its backup has and what it has now become one new file, in
    /// which new messages get unique-ids that were never used.
    ///
    /// # Errors
    ///
    /// `InUse` when a session holds the maildrop; `Damaged` when no copy makes sense; what the
    /// disk says. The maildrop is as it was then.
    pub fn restore(
        &self,
        id: MaildropId,
        backup: &Backup<RealDisk>,
        run: Run,
    ) -> Result<Restored, OpenError> {
        match self {
            Self::Memory(_) | Self::Maildir(_) | Self::Mbox(..) => {
                Err(OpenError::Unavailable(io::ErrorKind::Unsupported.into()))
            }
            Self::Native(native) => native.store.restore(id, backup, run),
        }
    }
}

/// A maildrop that this session holds. Dropping it deletes nothing and frees the lock.
pub struct OpenMaildrop(Opened);

enum Opened {
    Memory(memory::Session),
    Native(native::Session<RealDisk>),
    // Likewise.
    Maildir(Box<maildir::Session<RealDisk>>),
    Mbox(Box<mbox::Session<RealDisk>>),
}

impl OpenMaildrop {
    /// Sizes and unique-ids as they were at `open`, and whether some were left out.
    pub fn listing(&self) -> ScanListing {
        match &self.0 {
            Opened::Memory(session) => session.listing(),
            Opened::Native(session) => session.listing(),
            Opened::Maildir(session) => session.listing(),
            Opened::Mbox(session) => session.listing(),
        }
    }

    /// A part of a message, to be read chunk by chunk. Touches no disk.
    ///
    /// # Errors
    ///
    /// When there is no message of that number.
    pub fn text(&self, number: MessageNumber, part: Part) -> Result<Text, TextError> {
        Ok(Text(match &self.0 {
            Opened::Memory(session) => Source::Memory(session.text(number, part)?),
            Opened::Native(session) => Source::Native(session.text(number, part)?),
            Opened::Maildir(session) => Source::Maildir(Box::new(session.text(number, part)?)),
            Opened::Mbox(session) => Source::Mbox(Box::new(session.text(number, part)?)),
        }))
    }

    /// What was written beside a message's text: sender, date of receipt, origin. The prefix is
    /// empty, since it is part of the text; the unique-id is named only if it is not our own.
    ///
    /// # Errors
    ///
    /// When there is no message of that number, or its record is damaged.
    pub fn envelope(&self, number: MessageNumber) -> Result<Envelope, TextError> {
        match &self.0 {
            Opened::Memory(session) => session.envelope(number),
            Opened::Native(session) => session.text(number, Part::Whole)?.envelope(),
            Opened::Maildir(session) => session.envelope(number),
            Opened::Mbox(session) => session.envelope(number),
        }
    }

    /// Whether sessions do not see a message, unless their [`View`] shows hidden ones.
    pub fn is_hidden(&self, number: MessageNumber) -> bool {
        match &self.0 {
            Opened::Memory(session) => session.is_hidden(number),
            Opened::Native(session) => session.is_hidden(number),
            Opened::Maildir(_) | Opened::Mbox(_) => false,
        }
    }

    /// Hides from later sessions, durably, all or nothing, and ends this one. Returns the messages of
    /// this session's listing that were not named.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; nothing is hidden then.
    pub fn hide(self, messages: &Deletions) -> Result<usize, CommitError> {
        match self.0 {
            Opened::Memory(session) => Ok(session.hide(messages)),
            Opened::Native(session) => session.hide(messages),
            Opened::Maildir(_) => Err(CommitError::Unavailable(io::ErrorKind::Unsupported.into())),
            Opened::Mbox(session) => session.hide(messages),
        }
    }

    /// Deletes durably, all or nothing, and ends the session. Returns the messages of this
    /// session's listing that stay. After the client has its reply, call [`Maildrops::tidy`].
    ///
    /// # Errors
    ///
    /// See [`CommitError`]; nothing is deleted then.
    pub fn commit(self, deletions: &Deletions) -> Result<usize, CommitError> {
        match self.0 {
            Opened::Memory(session) => session.commit(deletions),
            Opened::Native(session) => session.commit(deletions),
            Opened::Maildir(session) => session.commit(deletions),
            Opened::Mbox(session) => session.commit(deletions),
        }
    }
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// Only what the page cache holds; else [`Progress::Cold`].
    CacheOnly,
    /// Wait for the disk; only on a thread that may block.
    Wait,
}

/// How far a text is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Octets were appended; there is more.
    More,
    /// Octets may have been appended; this was the end.
    End,
    /// Nothing was appended: the page cache does not hold it. Read again with [`Patience::Wait`].
    Cold,
}

/// A part of a message on its way out, in stored wire form, without the terminator line. Holds
/// what it needs, so it can be moved to another thread and outlive a borrow of the maildrop.
pub struct Text(Source);

enum Source {
    Memory(memory::Text),
    Native(native::Text<native::media::RealFile>),
    // Elsewhere: every session has room for the largest of them.
    Maildir(Box<maildir::Text<RealDisk>>),
    Mbox(Box<mbox::Text<native::media::RealFile>>),
}

impl Text {
    /// Appends the next chunk, at most 64 KiB, every octet of it verified.
    ///
    /// # Errors
    ///
    /// See [`TextError`]; nothing unverified is appended.
    pub fn read(&mut self, out: &mut Vec<u8>, patience: Patience) -> Result<Progress, TextError> {
        match &mut self.0 {
            Source::Memory(text) => text.read(out, patience),
            Source::Native(text) => text.read(out, patience),
            Source::Maildir(text) => text.read(out, patience),
            Source::Mbox(text) => text.read(out, patience),
        }
    }

    /// Octets of the whole message, as LIST says.
    pub fn octets(&self) -> Octets {
        match &self.0 {
            Source::Memory(text) => text.octets(),
            Source::Native(text) => text.octets(),
            Source::Maildir(text) => text.octets(),
            Source::Mbox(text) => text.octets(),
        }
    }

    /// Whether [`Text::peek`] may ever show anything of it.
    pub fn is_peekable(&self) -> bool {
        match &self.0 {
            Source::Memory(_) | Source::Mbox(_) => false,
            Source::Native(text) => text.is_peekable(),
            Source::Maildir(text) => text.is_peekable(),
        }
    }

    /// Verified octets of the text from where it is now, without taking them off it: as many as `room` has
    /// place for, in the native store in whole blocks of 64 KiB (the last is shorter), and where in it they are. None when the
    /// page cache has not got them, when they are damaged, or when the text is not of this kind; then
    /// [`Text::read`] goes on from here.
    ///
    /// So one buffer does for all sessions of a thread: what a client has no room for is not kept, but
    /// read again when it has.
    pub fn peek(&mut self, room: &mut [u8]) -> Option<Peeked> {
        match &mut self.0 {
            Source::Memory(_) | Source::Mbox(_) => None,
            Source::Native(text) => text.peek(room),
            Source::Maildir(text) => text.peek(room),
        }
    }

    /// Takes so many of the octets that [`Text::peek`] has shown off the text.
    pub fn advance(&mut self, octets: usize) {
        match &mut self.0 {
            Source::Memory(_) | Source::Mbox(_) => {}
            Source::Native(text) => text.advance(octets),
            Source::Maildir(text) => text.advance(octets),
        }
    }
}
