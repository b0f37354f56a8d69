//! The native store: one append-only file a maildrop, text in wire form.
//!
//! Only two things ever happen to a file: a record is appended, or the whole file is replaced by
//! another that says the same. `docs/format.md` has the format octet by octet and the reason why
//! a crash at any instant loses nothing that was acknowledged.
//!
//! The rules that it keeps, where a comment names them:
//!
//! - R1: a new file is written and synced before it gets a name, its directory before anybody
//!   hears of it.
//! - R2: a record is one write and one sync before the answer; only what was never durable is cut.
//! - R3: a file that takes another's place is complete and synced before the rename, its directory
//!   after it.
//! - R4: a new directory is synced in the one above.
//! - R5: after a failed sync nothing in memory is believed, and nothing is synced again.
//! - R6: short writes, interrupted calls, a full disk or quota, at the write or at the sync, are
//!   ordinary answers.
//! - R7: a file system that forgets is refused.
//!
//! - [`media`]: everything that is done to a disk; the store is generic over it.
//! - `header`, `record`, `bytes`: the format.
//! - `index`, `recover`, `tear`, `sidecar`: from a file to its list of messages.
//! - `table`: locks in one process; `append`, `catch_up`, `refusal`, `commit`: what is done under
//!   the append lock.
//! - `deliver`, `session`, `at_hand`, `view`, `text`, `hide`, `expire`, `undelete`, `erase`, `verify`: what callers
//!   want.
//! - `tidy`, `rewrite`, `fresh`, `grave`, `space`, `reserve`: giving space back, and having some.
//! - `backup`, `restore`, `salvage`, with `source`: whole files, out of the store and into it.

mod append;
mod at_hand;
mod backup;
mod bytes;
mod catch_up;
mod commit;
mod deliver;
mod erase;
mod expire;
mod fresh;
mod grave;
mod header;
mod hide;
mod index;
pub mod media;
mod peek;
mod record;
mod recover;
mod refusal;
mod reserve;
mod restore;
mod rewrite;
mod salvage;
mod session;
mod sidecar;
mod source;
mod space;
mod spent;
mod table;
mod tear;
mod text;
mod tidy;
mod undelete;
mod verify;
mod view;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use media::{Disk, File};
use table::Table;

pub use backup::{BackedUp, Backup};
pub use expire::Expired;
pub use hide::HiddenMessage;
pub use peek::Peeked;
pub use restore::{Restored, Run};
pub use salvage::{Salvaged, SalvagedMessage, State, Trust, salvage};
pub use session::Session;
pub use text::Text;
pub use tidy::Compacted;
pub use undelete::Deleted;
pub use verify::{Damage, Summary, Verified};

use crate::draft::Draft;
use crate::id::MaildropId;
use crate::settings::NativeSettings;

/// All maildrops below one directory.
pub struct Store<D: Disk> {
    disk: Arc<D>,
    settings: NativeSettings,
    table: Table,
    /// Directories whose names are known to be durable.
    anchored: Mutex<HashSet<String>>,
    /// Whether housekeeping gives way to the end of the process.
    ending: AtomicBool,
}

impl<D: Disk> Store<D> {
    /// The store on a disk. Touches nothing.
    pub fn new(disk: Arc<D>) -> Self {
        Self::with_settings(disk, NativeSettings::default())
    }

    /// As [`Store::new`], with settings of one's own.
    pub fn with_settings(disk: Arc<D>, settings: NativeSettings) -> Self {
        Self {
            disk,
            table: Table::new(settings.index_octets_max),
            settings,
            anchored: Mutex::default(),
            ending: AtomicBool::new(false),
        }
    }

    /// From now on housekeeping gives way at once: the process ends.
    pub fn stop_tidying(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// A draft that spills to this store's disk.
    pub fn draft(&self) -> Draft<D> {
        Draft::new(Some(Arc::clone(&self.disk)))
    }

    /// The directory of a maildrop's file: 4,096 of them, by the id's first three digits.
    fn dir_of(drop: MaildropId) -> String {
        let digits = drop.to_string();
        format!("d/{}/{}", &digits[..1], &digits[1..3])
    }

    /// A maildrop's file, relative to the data directory.
    pub fn path_of(drop: MaildropId) -> String {
        format!("{}/{drop}.rsm", Self::dir_of(drop))
    }

    /// Makes the directories of a maildrop, and their names durable. Once for each directory in
    /// the life of a process: an earlier process may have died between the two.
    fn anchor_dirs(&self, drop: MaildropId) -> io::Result<()> {
        let dir = Self::dir_of(drop);
        let cuts = dir.match_indices('/').map(|(at, _)| at);
        for end in cuts.chain([dir.len()]) {
            self.anchor_dir(&dir[..end])?;
        }
        Ok(())
    }

    /// Rule R4.
    fn anchor_dir(&self, dir: &str) -> io::Result<()> {
        let mut anchored = self.anchored.lock().unwrap_or_else(PoisonError::into_inner);
        if anchored.contains(dir) {
            return Ok(());
        }
        match self.disk.make_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let above = dir.rsplit_once('/').map_or("", |(above, _)| above);
        self.disk.sync_dir(above)?;
        anchored.insert(dir.to_owned());
        Ok(())
    }

    /// Keeps a copy of octets that are about to be cut, durably, in `torn/`.
    fn keep_torn(
        &self,
        file: &D::File,
        drop: MaildropId,
        file_seq: u64,
        from: u64,
        to: u64,
    ) -> io::Result<()> {
        self.anchor_dir("torn")?;
        // Without a name until it is whole: an attempt that fails leaves nothing behind.
        let copy = self.disk.create_unnamed("torn")?;
        let mut buffer = vec![0; 64 * 1024];
        let mut at = from;
        while at < to {
            let want = usize::try_from(to - at)
                .unwrap_or(buffer.len())
                .min(buffer.len());
            let got = file.read_at(&mut buffer[..want], at)?;
            if got == 0 {
                break;
            }
            copy.write_at(&[&buffer[..got]], at - from)?;
            at += got as u64;
        }
        // R1, as for every new file.
        copy.sync_all()?;
        let name = format!("torn/{drop}-{file_seq}-{from}");
        for n in 0..TORN_MAX {
            let linked = match n {
                0 => self.disk.link(&copy, &name),
                n => self.disk.link(&copy, &format!("{name}.{n}")),
            };
            match linked {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    other?;
                    return self.disk.sync_dir("torn");
                }
            }
        }
        // Of one place there are copies enough; a maildrop must not be lost for one more.
        Ok(())
    }
}

/// Most copies of torn tails at one offset of one file.
const TORN_MAX: u32 = 100;

/// Now, µs since 1970.
pub(crate) fn now_us() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or(0)
}

/// Random octets of the system.
fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(io::Error::other)?;
    Ok(octets)
}
