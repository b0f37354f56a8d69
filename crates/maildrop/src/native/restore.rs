//! Bringing a maildrop back from a backup, without ever using a unique-id again.
//!
//! What the maildrop showed after the backup was made is not in the backup, so a file that went on
//! from there would give the same unique-ids out again. Therefore every restored maildrop gets a
//! **new** file with a new generation for new messages; each old message keeps its unique-id by a
//! TLV of its own. Whatever the maildrop has now, newer than the backup or damaged, is merged
//! (`merge.rs`): nothing that can be read now is lost, and the file that is replaced is kept in
//! `replaced/`.
//!
//! All under both locks. The new file is complete and durable before it gets the name (rule R3),
//! so a crash leaves the old maildrop or the new one.

mod merge;

use std::io;
use std::sync::Arc;

use self::merge::Merge;
use super::append::{Appending, Purpose, lock_append};
use super::backup::Backup;
use super::header::Header;
use super::media::{Disk, File};
use super::source::Source;
use super::space::grace_cut;
use super::table::Shared;
use super::verify::Damage;
use super::{Store, now_us, random, sidecar};
use crate::error::{OpenError, StoreError};
use crate::id::MaildropId;

/// Most files of one number of one maildrop that are kept aside.
const REPLACED_MAX: u32 = 1000;
/// How often to start again because another process made the file meanwhile.
const RACES_MAX: usize = 16;

/// Whether something is done, or only said what would be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Run {
    /// It is done.
    Real,
    /// Nothing changes.
    Dry,
}

/// What a restore did, or would do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Restored {
    /// Messages of the maildrop afterwards.
    pub messages: u64,
    /// Those of them that it did not have, or not whole, before.
    pub brought_back: u64,
    /// Those of them whose uid another message has now; their unique-ids are as they were.
    pub renumbered: u64,
    /// What is lost: it is damaged in the maildrop and in the backup.
    pub damages: Vec<Damage>,
    /// Where the replaced file is kept, below the data directory.
    pub replaced: Option<String>,
}

/// Frees the session lock of this process.
struct Held<'s>(&'s Shared);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl<D: Disk> Store<D> {
    /// Brings a maildrop back: what its backup has and what it has now become one new file.
    ///
    /// # Errors
    ///
    /// `InUse` when a session holds the maildrop; `Damaged` when no copy makes sense; what the
    /// disk says. The maildrop is as it was then; or, when it was only the new file's name that
    /// could not be made durable, restored. It can be done again in either case.
    pub fn restore<B: Disk>(
        &self,
        drop: MaildropId,
        backup: &Backup<B>,
        run: Run,
    ) -> Result<Restored, OpenError> {
        let shared = self.table.entry(drop);
        let path = Self::path_of(drop);
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        for _ in 0..RACES_MAX {
            if let Some(tidying) = self.hold_to_tidy(drop, &shared)? {
                return self.restore_held(drop, &shared, Some(&tidying.file), backup, run);
            }
            // Nobody holds what is not there.
            if !self.disk.stat(&path).is_err_and(|error| missing(&error)) || !shared.hold_to_tidy()
            {
                return Err(OpenError::InUse);
            }
            let _held = Held(&shared);
            match self.restore_held(drop, &shared, None, backup, run) {
                // Another process has delivered the first message meanwhile.
                Err(OpenError::Unavailable(error))
                    if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result,
            }
        }
        Err(OpenError::Unavailable(io::ErrorKind::ResourceBusy.into()))
    }

    fn restore_held<B: Disk>(
        &self,
        drop: MaildropId,
        shared: &Shared,
        file: Option<&Arc<D::File>>,
        backup: &Backup<B>,
        run: Run,
    ) -> Result<Restored, OpenError> {
        let mut appending = match file {
            Some(file) => Some(self.append_whatever(drop, shared, file)?),
            None => None,
        };
        let current = match file {
            Some(file) => Some(Source::read(&**file, file.stat()?.len)?),
            None => None,
        };
        let mut done = Restored::default();
        let current = match current {
            Some(Ok(current)) => Some(current),
            Some(Err(what)) => {
                done.damages.push(Damage {
                    what,
                    ..Damage::default()
                });
                None
            }
            None => None,
        };
        let files = backup.files(drop)?;
        let copies = copies(drop, &files)?;
        let merge = Merge::new(current.as_ref(), &copies, grace_cut(&self.settings));
        merge.count(&mut done);
        if run == Run::Dry {
            return Ok(done);
        }
        self.anchor_dirs(drop)?;
        let path = Self::path_of(drop);
        let fresh_path = format!("{path}.new");
        let newest = copies.iter().map(|copy| copy.header.file_seq).max();
        let now = current.as_ref().map(|it| it.header.file_seq);
        let header = Header {
            drop,
            file_seq: now.max(newest).unwrap_or(0).saturating_add(1),
            generation: u64::from_le_bytes(random()?),
            next_uid: merge.next_uid,
            created_us: now_us(),
            salt: random()?,
            account: match &current {
                Some(current) => current.account().to_vec(),
                None => copies[0].account().to_vec(),
            },
        };
        let made = self
            .begin_fresh(&fresh_path, header)
            .and_then(|mut fresh| {
                merge.write(&mut fresh, &mut done)?;
                fresh.finish()
            })
            .and_then(|made| {
                if let Some(appending) = &appending {
                    let kept = self.keep_replaced(&appending.file, drop, now.unwrap_or(0))?;
                    done.replaced = Some(kept);
                }
                Ok(made)
            });
        // Held until the name is durable: whoever delivers here first must not be told yes for a
        // message in a file that a power cut takes away.
        let mut own_slot = appending.is_none().then(|| shared.slot());
        let named = made.and_then(|made| {
            match &appending {
                Some(_) => self.disk.rename(&fresh_path, &path)?,
                None => self.disk.link(&made.0, &path)?,
            }
            Ok(made)
        });
        // Gone already if it was renamed; nobody else has a file of that name.
        let _ = self.disk.unlink(&fresh_path);
        let (fresh, mut known) = named?;
        let slot = match (&mut appending, &mut own_slot) {
            (Some(appending), _) => &mut *appending.slot,
            (None, Some(slot)) => &mut **slot,
            (None, None) => return Err(OpenError::InUse),
        };
        // From here on the name may or may not last: see `rewrite.rs`.
        (slot.known, slot.poison, slot.floor) = (None, None, None);
        self.disk.sync_dir(&Self::dir_of(drop))?;
        known.anchored = true;
        slot.floor = Some((known.identity, known.durable));
        slot.known = Some(known);
        // Its time is over; a stale one would only be ignored.
        let _ = self.disk.unlink(&sidecar::path_of::<D>(drop));
        // The locks of the new file go only now, those of the old one after that.
        std::mem::drop(fresh);
        Ok(done)
    }

    /// The append lock, even of a file that cannot be read.
    pub(crate) fn append_whatever<'s>(
        &'s self,
        drop: MaildropId,
        shared: &'s Shared,
        file: &Arc<D::File>,
    ) -> Result<Appending<'s, D>, OpenError> {
        match self.append_to(drop, shared, Some(file), Purpose::Read) {
            Err(StoreError::Damaged(_)) => {
                let mut slot = shared.slot();
                slot.known = None;
                lock_append(&**file)?;
                Ok(Appending {
                    store: self,
                    drop,
                    shared,
                    slot,
                    file: Arc::clone(file),
                })
            }
            other => Ok(other?),
        }
    }

    /// Gives a file that is about to be replaced a second, durable name in `replaced/`.
    fn keep_replaced(&self, file: &D::File, drop: MaildropId, seq: u64) -> io::Result<String> {
        self.anchor_dir("replaced")?;
        for n in 0..REPLACED_MAX {
            let name = match n {
                0 => format!("replaced/{drop}-{seq}.rsm"),
                n => format!("replaced/{drop}-{seq}.{n}.rsm"),
            };
            match self.disk.link(file, &name) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    other?;
                    self.disk.sync_dir("replaced")?;
                    return Ok(name);
                }
            }
        }
        Err(io::Error::other("too many files are kept in replaced/"))
    }
}

/// The copies of a backup that make sense, the newest first.
fn copies<F: File>(drop: MaildropId, files: &[(F, u64)]) -> Result<Vec<Source<'_, F>>, OpenError> {
    let mut copies = Vec::new();
    let mut why = "the backup does not have it".to_owned();
    for (file, length) in files {
        match Source::read(file, *length)? {
            Ok(source) if source.header.drop == drop => copies.push(source),
            Ok(_) => why = "the copy belongs to another maildrop".into(),
            Err(what) => why = what,
        }
    }
    match copies.is_empty() {
        true => Err(OpenError::Damaged(why)),
        false => Ok(copies),
    }
}
