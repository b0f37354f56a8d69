//! Mboxes that other programs read and write as well, such as those of `/var/mail`, as maildrops.
//!
//! What is promised of them, and what the format cannot keep, is in docs/mbox.md.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pop3::Deletions;

use super::Variant;
use super::journal;
use super::locks::{Locked, Locking, Waiting};
use super::recover::recover;
use super::session::Session;
use super::survey::{Names, Survey, survey};
use crate::error::{DeliverError, OpenError, StoreError};
use crate::id::MaildropId;
use crate::known::Known;
use crate::native::media::{Disk, File, Lock, Stat};
use crate::native::{Expired, Summary};
use crate::places::{Absent, Place, Places};
use crate::quota::{Addressee, Quota};
use crate::view::View;

/// What the programs of a site have agreed upon, and how long to wait for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The dialect.
    pub variant: Variant,
    /// Locks for whoever changes an mbox, in the order in which all programs of the site take them: two that
    /// take them in different orders wait for each other.
    pub write_locks: Vec<Locking>,
    /// Locks for whoever reads it.
    pub read_locks: Vec<Locking>,
    /// How long to wait for the locks of others.
    pub lock_wait: Duration,
    /// How old a dotlock is that was forgotten.
    pub dotlock_stale_after: Duration,
    /// Whose unique-ids the messages have.
    pub names: Names,
    /// Octets of memory for what is remembered of mboxes that nobody uses now.
    pub index_octets_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            variant: Variant::Mboxrd,
            write_locks: vec![Locking::Dotlock, Locking::Fcntl],
            read_locks: vec![Locking::Fcntl],
            lock_wait: Duration::from_secs(10),
            dotlock_stale_after: Duration::from_secs(300),
            names: Names::Own,
            index_octets_max: 64 << 20,
        }
    }
}

/// Maildrops that are mboxes.
pub struct Mboxes<D: Disk> {
    pub(super) places: Arc<dyn Places<D>>,
    pub(super) settings: Settings,
    known: Known<Stat, Survey>,
}

/// What a lock is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    Read,
    Write,
}

impl<D: Disk> Mboxes<D> {
    /// Those at these places.
    pub fn new(places: Arc<dyn Places<D>>, settings: Settings) -> Self {
        Self {
            places,
            known: Known::new(settings.index_octets_max),
            settings,
        }
    }

    /// As [`crate::Maildrops::open_view`]: the messages are those that are there now, and the file is locked
    /// no longer than it takes to look through it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; `InUse` as well if another program has the file locked for too long.
    pub fn open(self: &Arc<Self>, id: MaildropId, view: &View) -> Result<Session<D>, OpenError> {
        let opened = self.survey_of(id, Hold::Session);
        let (place, journal, file, survey) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Session::empty()),
            Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(OpenError::InUse);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Session::new(
            Arc::clone(self),
            place,
            journal,
            file,
            survey,
            view,
        ))
    }

    /// As [`crate::Maildrops::fits`].
    ///
    /// # Errors
    ///
    /// See [`DeliverError`].
    pub fn fits(&self, to: &Addressee<'_>, octets: u64) -> Result<(), DeliverError> {
        if to.quota == Quota::default() {
            return Ok(());
        }
        let (messages, held) = match self.survey_of(to.id, Hold::Nothing)? {
            Some((_, _, _, survey)) => held(&survey),
            None => (0, 0),
        };
        match to.quota.fits(octets, messages, held) {
            true => Ok(()),
            false => Err(DeliverError::OverQuota),
        }
    }

    /// As [`crate::Maildrops::expire`], by the dates of the postmarks; a message without one stays.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing is deleted then.
    pub fn expire(self: &Arc<Self>, id: MaildropId, before_us: i64) -> io::Result<Expired> {
        let session = match self.open(id, &View::default()) {
            Ok(session) => session,
            Err(OpenError::InUse) => return Ok(Expired::default()),
            Err(error) => return Err(error.into()),
        };
        let mut deletions = Deletions::default();
        let mut expired = Expired::default();
        for (number, surveyed) in session.messages() {
            let mark = surveyed.message.postmark.as_ref();
            if mark.is_some_and(|mark| mark.received_us < before_us) {
                deletions.mark(number);
                expired.messages += 1;
                expired.octets += surveyed.measured.octets;
            }
        }
        match session.commit(&deletions) {
            Ok(_) => Ok(expired),
            Err(crate::error::CommitError::Unavailable(error)) => Err(error),
        }
    }

    /// As [`crate::Maildrops::summary`]. All of the file is read.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn summary(&self, id: MaildropId) -> io::Result<Summary> {
        let Some((_, _, _, survey)) = self.survey_of(id, Hold::Nothing)? else {
            return Ok(Summary::default());
        };
        let (messages, octets) = held(&survey);
        Ok(Summary {
            messages,
            octets,
            file_octets: survey.stat.len,
            disk_octets: survey.stat.disk_octets,
            ..Summary::default()
        })
    }

    /// As [`crate::Maildrops::ids`].
    ///
    /// # Errors
    ///
    /// What whoever knows the accounts says.
    pub fn ids(&self) -> io::Result<Vec<MaildropId>> {
        self.places.ids()
    }

    /// As [`crate::Maildrops::path`].
    pub fn path(&self, id: MaildropId) -> Option<PathBuf> {
        self.places.path(id)
    }

    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            lock_wait: self.settings.lock_wait,
            stale_after: self.settings.dotlock_stale_after,
        }
    }

    /// Takes the locks of the site.
    pub(super) fn lock<'p>(
        &self,
        place: &'p Place<D>,
        purpose: Purpose,
        absent: Absent,
    ) -> io::Result<Locked<'p, D>> {
        let order = match purpose {
            Purpose::Read => &self.settings.read_locks,
            Purpose::Write => &self.settings.write_locks,
        };
        Locked::take(place, order, self.waiting(), absent)
    }

    /// Looks through a file that is locked, unless it is as it was when that was done last.
    pub(super) fn survey(&self, id: MaildropId, file: &D::File) -> Result<Arc<Survey>, StoreError> {
        if let Some(survey) = self.known.get(id, &file.stat()?) {
            return Ok(survey);
        }
        let survey = Arc::new(survey(file, self.settings.variant, self.settings.names)?);
        if survey.is_settled {
            self.known.put(id, survey.stat, &survey, survey.octets());
        }
        Ok(survey)
    }

    /// Looks through a file, under locks that are free again afterwards; none if it is empty or not there.
    fn survey_of(&self, id: MaildropId, hold: Hold) -> Result<Option<Opened<D>>, StoreError> {
        let place = match self.places.find(id, Absent::Fails) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match place.disk.stat(&place.file) {
            // Nothing can be removed, so nothing needs a lock.
            Ok(stat) if stat.len == 0 => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let patience = self.settings.lock_wait;
        let journal = match hold {
            Hold::Session => journal::open_locked(&place, Lock::Session, Duration::ZERO)?,
            Hold::Nothing => journal::open_locked(&place, Lock::Append, patience)?,
        };
        if hold == Hold::Session && !journal.wait_lock(Lock::Append, patience)? {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        // Nobody of ours is at work now, so an entry is of one who died.
        let purpose = match journal::has_entry(&journal)? {
            true => Purpose::Write,
            false => Purpose::Read,
        };
        let locked = match self.lock(&place, purpose, Absent::Fails) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        recover(&locked.file, &journal)?;
        let survey = self.survey(id, &locked.file)?;
        let file = locked.free();
        journal.unlock(Lock::Append);
        Ok((!survey.messages.is_empty()).then_some((place, journal, file, survey)))
    }
}

/// What of the locks is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hold {
    /// The one that other sessions of ours respect.
    Session,
    Nothing,
}

/// Where a maildrop is, its journal, its file, and what is in it.
type Opened<D> = (Place<D>, <D as Disk>::File, <D as Disk>::File, Arc<Survey>);

/// Messages and their octets.
pub(super) fn held(survey: &Survey) -> (u64, u64) {
    let octets = survey.messages.iter().map(|it| it.measured.octets).sum();
    (survey.messages.len() as u64, octets)
}
