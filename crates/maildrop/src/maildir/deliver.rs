//! A message comes in: whole and durable in `tmp/`, before it gets a name in `new/`.

use std::io;
use std::sync::Arc;

use pop3::{Octets, UniqueId};
use tracing::warn;

use super::store::{Maildirs, lock_file};
use crate::draft::{Delivered, Draft, Envelope, Measure, flags};
use crate::error::DeliverError;
use crate::native::media::{Disk, File, Lock};
use crate::places::Absent;
use crate::plain::Local;
use crate::quota::Addressee;

/// Octets that are written at once.
const PIECE: usize = 256 * 1024;

impl<D: Disk> Maildirs<D> {
    /// As [`crate::Maildrops::deliver`].
    pub fn deliver<T: Disk>(
        &self,
        to: &Addressee<'_>,
        draft: &Draft<T>,
        measure: &Measure,
        envelope: &Envelope,
    ) -> Result<Delivered, DeliverError> {
        let octets = envelope.prefix.len() as u64 + measure.octets;
        let disk = Arc::new(self.places.find(to.id, Absent::IsMade)?.disk);
        make(&*disk)?;
        let _lock = self.check(to, &disk, octets)?;
        let (number, now) = self.next();
        let (seconds, microseconds) = (now / 1_000_000, now % 1_000_000);
        let process = std::process::id();
        let begin = format!("{seconds}.M{microseconds:06}P{process}Q{number}");
        // Neither may be in a name: `/` ends it, behind `:` are flags.
        let host = self
            .settings
            .host
            .replace('/', "\\057")
            .replace(':', "\\072");
        // Who finds no size measures the message, and learns what a name cannot tell (RFC 6856).
        let is_internationalised =
            measure.flags & flags::HEADER_8BIT != 0 || !envelope.prefix.is_ascii();
        let temporary = format!("tmp/{begin}.{host}");
        let file = disk.create(&temporary)?;
        let named = write(&file, draft, envelope).and_then(|file_octets| {
            let id = file.stat()?.id;
            let (device, inode) = (id.device, id.inode);
            let mut base = format!("{begin}V{device:x}I{inode:x}.{host},S={file_octets}");
            if !is_internationalised {
                base = format!("{base},W={octets}");
            }
            let path = format!("new/{base}");
            disk.rename(&temporary, &path)?;
            Ok((base, path))
        });
        let (base, path) = named.inspect_err(|_| take_back(&*disk, &temporary))?;
        // Before that the name could be lost, and with it the message; the sender would not know.
        let synced = disk.sync_dir("new");
        synced.inspect_err(|_| take_back(&*disk, &path))?;
        let unique_id = UniqueId::new(&base).unwrap_or_else(|| super::open::hashed(&base));
        Ok(Delivered {
            uid: number,
            unique_id,
            octets: Octets(octets),
        })
    }

    /// As [`crate::Maildrops::fits`].
    pub fn fits(&self, to: &Addressee<'_>, octets: u64) -> Result<(), DeliverError> {
        let disk = match self.places.find(to.id, Absent::Fails) {
            Ok(place) => Arc::new(place.disk),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match to.quota.fits(octets, 0, 0) {
                    true => Ok(()),
                    false => Err(DeliverError::OverQuota),
                };
            }
            Err(error) => return Err(error.into()),
        };
        self.check(to, &disk, octets).map(drop)
    }

    /// Whether there is room for a message; while the lock is held, nobody of us takes it.
    fn check(
        &self,
        to: &Addressee<'_>,
        disk: &Arc<D>,
        octets: u64,
    ) -> Result<Option<D::File>, DeliverError> {
        if to.quota.octets.is_none() && to.quota.messages.is_none() {
            return Ok(None);
        }
        let file = lock_file(&**disk)?;
        if !file.wait_lock(Lock::Append, self.settings.lock_wait)? {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let all = self.messages(to.id, disk)?;
        let held = all.iter().map(|message| message.octets).sum();
        match to.quota.fits(octets, all.len() as u64, held) {
            true => Ok(Some(file)),
            false => Err(DeliverError::OverQuota),
        }
    }
}

/// Makes the directories that are missing, durably. `tmp` comes last: as long as it is not there, it is not
/// known whether the others would survive a power cut.
fn make<D: Disk>(disk: &D) -> io::Result<()> {
    if disk.stat("tmp").is_ok() && disk.stat("new").is_ok() {
        return Ok(());
    }
    for part in ["cur", "new"] {
        make_one(disk, part)?;
    }
    disk.sync_dir("")?;
    make_one(disk, "tmp")
}

fn make_one<D: Disk>(disk: &D, part: &str) -> io::Result<()> {
    match disk.make_dir(part) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Writes a message in local form, durably; returns how many octets it has.
fn write<T: Disk>(file: &impl File, draft: &Draft<T>, envelope: &Envelope) -> io::Result<u64> {
    let (mut local, mut out, mut at) = (Local::new(), Vec::new(), 0);
    let mut put = |out: &mut Vec<u8>| {
        file.write_at(&[out], at)?;
        at += out.len() as u64;
        out.clear();
        Ok::<(), io::Error>(())
    };
    local.take(&envelope.prefix, &mut out);
    draft.pieces(|piece| {
        local.take(piece, &mut out);
        match out.len() < PIECE {
            true => Ok(()),
            false => put(&mut out),
        }
    })?;
    local.finish(&mut out);
    put(&mut out)?;
    file.sync_all()?;
    Ok(at)
}

/// Takes back what is not delivered.
fn take_back<D: Disk>(disk: &D, path: &str) {
    if let Err(error) = disk.unlink(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(file = path, %error, "what could not be delivered cannot be removed");
    }
}
