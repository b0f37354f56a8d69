//! The back end: Maildirs where they are, served and delivered into beside the programs that use them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::numbering::UniqueIds;
use super::open::{look, state};
use super::scan::PARTS;
use super::session::{Message, Moved, Session};
use super::state::State;
use crate::draft::Draft;
use crate::error::OpenError;
use crate::id::MaildropId;
use crate::known::Known;
use crate::native::media::{Disk, File, Lock};
use crate::native::{Expired, Summary, now_us};
use crate::places::{Absent, Places};
use crate::view::View;

/// Settings of Maildirs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MaildirSettings {
    /// Which unique-ids messages have.
    pub unique_ids: UniqueIds,
    /// How long somebody who has a list of another server is waited for.
    pub lock_wait: Duration,
    /// Name of this machine, for the names of files.
    pub host: String,
    /// Octets of memory for what is remembered of Maildirs that nobody uses now.
    pub index_octets_max: usize,
}

/// Maildirs. Every method blocks.
///
/// Sessions of this program exclude each other by a lock on `restante-lock`; of other programs nothing
/// is asked but what Maildir asks of everybody: a message is a file that does not change, its name
/// up to the flags stays, and what is in `new/` or `cur/` is whole.
pub struct Maildirs<D: Disk> {
    pub(super) places: Arc<dyn Places<D>>,
    /// Where texts wait that are too large for memory.
    drafts: Arc<D>,
    pub(super) settings: MaildirSettings,
    pub(super) known: Known<State, Vec<Message>>,
    /// Messages that this process has delivered, and when the last one was, in µs since 1970.
    delivered: AtomicU64,
    last_us: AtomicI64,
}

/// Holds the locks of this program, beside `new/` and `cur/`.
const LOCK: &str = "restante-lock";

/// A file in `tmp/` that is older than this is of a delivery that has failed (maildir(5)).
const ABANDONED: Duration = Duration::from_secs(36 * 3600);

impl<D: Disk> Maildirs<D> {
    /// Maildirs that are where `places` says. Large texts wait in unnamed files of `drafts`.
    pub fn new(places: Arc<dyn Places<D>>, drafts: Arc<D>, settings: MaildirSettings) -> Self {
        Self {
            places,
            drafts,
            known: Known::new(settings.index_octets_max),
            settings,
            delivered: AtomicU64::new(0),
            last_us: AtomicI64::new(0),
        }
    }

    /// As [`crate::Maildrops::draft`].
    pub fn draft(&self) -> Draft<D> {
        Draft::new(Some(Arc::clone(&self.drafts)))
    }

    /// As [`crate::Maildrops::ids`].
    pub fn ids(&self) -> io::Result<Vec<MaildropId>> {
        self.places.ids()
    }

    /// As [`crate::Maildrops::path`].
    pub fn path(&self, id: MaildropId) -> Option<PathBuf> {
        self.places.path(id)
    }

    /// As [`crate::Maildrops::open_view`].
    pub fn open(&self, id: MaildropId, view: &View) -> Result<Session<D>, OpenError> {
        let Some(disk) = self.find(id)? else {
            return Ok(Session::nothing());
        };
        // Before it is looked through: what another session deletes must not be seen by this one.
        let lock = lock_file(&*disk)?;
        if !lock.try_lock(Lock::Session)? {
            return Err(OpenError::InUse);
        }
        let all = self.messages(id, &disk)?;
        let messages = seen(&all, view);
        Ok(Session {
            is_partial: messages.len() < all.len(),
            moved: Moved::default(),
            disk: Some(disk),
            lock: (!messages.is_empty()).then_some(lock),
            messages,
        })
    }

    /// As [`crate::Maildrops::tidy`]: removes what failed deliveries have left.
    pub fn tidy(&self, id: MaildropId) -> io::Result<()> {
        let Some(disk) = self.find(id)? else {
            return Ok(());
        };
        let names = match disk.list("tmp") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            names => names?,
        };
        let age_ns = i128::try_from(ABANDONED.as_nanos()).unwrap_or(i128::MAX);
        let limit = i128::from(now_us()) * 1000 - age_ns;
        for name in names {
            let path = format!("tmp/{name}");
            let is_abandoned = disk.stat(&path).is_ok_and(|stat| stat.changed_ns < limit);
            if is_abandoned && !name.starts_with('.') {
                disk.unlink(&path)?;
            }
        }
        Ok(())
    }

    /// As [`crate::Maildrops::expire`], but each message by itself.
    pub fn expire(&self, id: MaildropId, before_us: i64) -> io::Result<Expired> {
        let mut expired = Expired::default();
        let Some(disk) = self.find(id)? else {
            return Ok(expired);
        };
        let all = self.messages(id, &disk)?;
        let old: Vec<_> = all.iter().filter(|it| it.arrival_us < before_us).collect();
        if old.is_empty() {
            return Ok(expired);
        }
        let file = lock_file(&*disk)?;
        if !file.try_lock(Lock::Session)? {
            return Ok(expired);
        }
        for message in old {
            match disk.unlink(&message.path) {
                Ok(()) => {
                    expired.messages += 1;
                    expired.octets += message.octets;
                }
                // It has another name, or is gone; the next time will tell.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for part in PARTS {
            disk.sync_dir(part)?;
        }
        Ok(expired)
    }

    /// As [`crate::Maildrops::summary`].
    pub fn summary(&self, id: MaildropId) -> io::Result<Summary> {
        let mut summary = Summary::default();
        if let Some(disk) = self.find(id)? {
            let all = self.messages(id, &disk)?;
            summary.messages = all.len() as u64;
            summary.octets = all.iter().map(|message| message.octets).sum();
        }
        Ok(summary)
    }

    /// All messages; from memory, if nothing has changed.
    pub(super) fn messages(
        &self,
        id: MaildropId,
        disk: &Arc<D>,
    ) -> Result<Arc<Vec<Message>>, OpenError> {
        if let Some(messages) = self.known.get(id, &state(&**disk)?) {
            return Ok(messages);
        }
        // One at a time: what is found out is written down in files beside the messages.
        let lock = lock_file(&**disk)?;
        if !lock.wait_lock(Lock::Tidying, self.settings.lock_wait)? {
            return Err(OpenError::InUse);
        }
        let (messages, state) = look(disk, &self.settings)?;
        let messages = Arc::new(messages);
        if let Some(state) = state {
            let paths: usize = messages.iter().map(|message| message.path.len()).sum();
            let octets = size_of_val(messages.as_slice()) + paths;
            self.known.put(id, state, &messages, octets);
        }
        Ok(messages)
    }

    /// The Maildir, if it is there.
    fn find(&self, id: MaildropId) -> io::Result<Option<Arc<D>>> {
        match self.places.find(id, Absent::Fails) {
            Ok(place) => Ok(Some(Arc::new(place.disk))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A number and a time (µs since 1970) that no other message of this process has: by the time they
    /// are ordered.
    pub(super) fn next(&self) -> (u64, i64) {
        let number = self.delivered.fetch_add(1, Ordering::Relaxed) + 1;
        let now = now_us();
        let next = |last: i64| Some(now.max(last.saturating_add(1)));
        let last = self
            .last_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let last = last.unwrap_or_else(|last| last);
        (number, now.max(last.saturating_add(1)))
    }
}

/// The file that our locks are on.
pub(super) fn lock_file<D: Disk>(disk: &D) -> io::Result<D::File> {
    match disk.open(LOCK) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match disk.create(LOCK) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(LOCK),
            other => other,
        },
        other => other,
    }
}

/// What a session sees of all messages.
fn seen(all: &Arc<Vec<Message>>, view: &View) -> Arc<Vec<Message>> {
    let is_recent = |message: &&Message| {
        view.since_us
            .is_none_or(|since_us| message.arrival_us >= since_us)
    };
    let count = all.iter().filter(is_recent).count();
    if count == all.len() && !view.is_full(count + 1) {
        return Arc::clone(all);
    }
    Arc::new(view.newest(all.iter().filter(is_recent).cloned().collect()))
}
