//! A backup: copies of maildrops' files in another directory, up to what was durable.
//!
//! Files are only ever appended to or replaced, so a copy up to a durable length is a maildrop as
//! it was at one moment, and the next backup of the same file adds only what lies beyond. A file
//! that was replaced is copied whole under another name. Only a manifest gives copies a meaning,
//! and it is written last: see [`manifest`].
//!
//! Damage never displaces what is good: a copy that was whole stays beside a later one that is
//! not, and the copy of a maildrop whose file is gone stays until it is pruned.

mod manifest;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use manifest::Copies;
pub(crate) use manifest::Copy;

use super::append::Purpose;
use super::header::{Header, wide_mac};
use super::media::{Disk, File, Lock};
use super::source::Source;
use super::verify::Damage;
use super::{Store, now_us};
use crate::error::StoreError;
use crate::id::MaildropId;

/// Where the copies lie in the backup's directory.
pub(crate) const DROPS: &str = "drops";
/// Whoever writes a backup locks this file.
const LOCK: &str = "lock";
/// So much is copied at once.
const PIECE: usize = 1 << 20;

/// A directory with a backup, locked against other writers.
pub struct Backup<B: Disk> {
    disk: B,
    copies: Copies,
    /// Keeps the lock.
    _lock: Option<B::File>,
}

/// What was done for one maildrop.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BackedUp {
    /// Name of the account, as the maildrop knows it.
    pub account: String,
    /// Octets that the copy has now.
    pub length: u64,
    /// Octets that were copied.
    pub octets_copied: u64,
    /// Everything that is wrong in what was copied, deleted messages aside.
    pub damages: Vec<Damage>,
}

impl<B: Disk> Backup<B> {
    /// Opens the backup in a directory, or begins one there.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` when somebody else writes it; `InvalidData` when the manifest makes no
    /// sense; `AlreadyExists` when the directory holds something else.
    pub fn open(disk: B) -> io::Result<Self> {
        let copies = match manifest::read(&disk)? {
            Some(copies) => copies,
            None => {
                let ours = |name: &String| {
                    [DROPS, LOCK, "manifest.new", "lost+found"].contains(&name.as_str())
                        || name.starts_with("accounts.db")
                };
                if !disk.list("")?.iter().all(ours) {
                    let what = "the directory holds something that is no backup";
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
                }
                Copies::new()
            }
        };
        match disk.make_dir(DROPS) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => disk.sync_dir("")?,
        }
        let lock = match disk.create(LOCK) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(LOCK)?,
            other => other?,
        };
        if !lock.try_lock(Lock::Session)? {
            let what = "another program uses this backup";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        Ok(Self {
            disk,
            copies,
            _lock: Some(lock),
        })
    }

    /// Opens a backup to be read; it may lie where nobody can write.
    ///
    /// # Errors
    ///
    /// `NotFound` when the directory has none; otherwise as [`Backup::open`].
    pub fn existing(disk: B) -> io::Result<Self> {
        let what = "the directory holds no backup";
        let copies =
            manifest::read(&disk)?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, what))?;
        let lock = disk.open(LOCK).ok();
        // A medium that cannot be written has nobody to be kept out.
        if lock
            .as_ref()
            .is_some_and(|lock| matches!(lock.try_lock(Lock::Session), Ok(false)))
        {
            let what = "another program uses this backup";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
        }
        Ok(Self {
            disk,
            copies,
            _lock: lock,
        })
    }

    /// The maildrops that it has, ascending, each with the account's name.
    pub fn maildrops(&self) -> impl Iterator<Item = (MaildropId, &str)> {
        self.copies
            .iter()
            .filter_map(|(&drop, all)| Some((drop, all.last()?.account.as_str())))
    }

    /// Forgets a maildrop; its copies go with the next [`Backup::finish`].
    pub fn forget(&mut self, drop: MaildropId) {
        self.copies.remove(&drop);
    }

    /// Makes all that was copied the backup, durably; removes copies that it does not need.
    ///
    /// # Errors
    ///
    /// What the disk says; the backup is the one before then, or this one.
    pub fn finish(self) -> io::Result<()> {
        self.disk.sync_dir(DROPS)?;
        manifest::write(&self.disk, &self.copies, now_us())?;
        let all = self.copies.values().flatten();
        let needed: BTreeSet<&str> = all.map(|copy| copy.name.as_str()).collect();
        for name in self.disk.list(DROPS)? {
            if !needed.contains(name.as_str()) {
                unlink_any(&self.disk, &format!("{DROPS}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Makes one file, which lies in `drops/` already, the backup of a maildrop.
    pub(crate) fn only(
        disk: &B,
        drop: MaildropId,
        header: &Header,
        name: &str,
        length: u64,
    ) -> io::Result<()> {
        let copy = Copy {
            account: String::from_utf8_lossy(&header.account).into_owned(),
            file_seq: header.file_seq,
            print: print(header),
            length,
            name: name.to_owned(),
            damaged: false,
        };
        let copies = Copies::from([(drop, vec![copy])]);
        manifest::write(disk, &copies, now_us())
    }

    /// The copies of a maildrop, the newest first, with the lengths that count.
    pub(crate) fn files(&self, drop: MaildropId) -> io::Result<Vec<(B::File, u64)>> {
        let all = self.copies.get(&drop).into_iter().flatten().rev();
        all.map(|copy| Ok((self.disk.open(&path(&copy.name))?, copy.length)))
            .collect()
    }

    /// How many octets the newest copy has, if it is one of this file.
    fn had(&self, drop: MaildropId, print: &str) -> Option<u64> {
        let copy = self.copies.get(&drop)?.last()?;
        (copy.print == print).then_some(copy.length)
    }

    /// A copy that goes on from where it ended, if the maildrop's file is still the same.
    fn known(
        &self,
        drop: MaildropId,
        print: &str,
        len: u64,
    ) -> io::Result<Option<(Copy, B::File)>> {
        let Some(copy) = self.copies.get(&drop).and_then(|all| all.last()) else {
            return Ok(None);
        };
        if copy.print != print || copy.length > len {
            return Ok(None);
        }
        match self.disk.open(&path(&copy.name)) {
            Ok(file) if file.stat()?.len >= copy.length => Ok(Some((copy.clone(), file))),
            // Somebody took octets away from it.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A new file for a whole copy, under a name that the manifest does not have.
    fn fresh(
        &self,
        drop: MaildropId,
        header: &Header,
        print: &str,
    ) -> io::Result<(String, B::File)> {
        let stem = format!("{drop}-{}-{}", header.file_seq, &print[..8]);
        let listed = |name: &String| {
            let all = self.copies.get(&drop).into_iter().flatten();
            all.into_iter().any(|copy| copy.name == *name)
        };
        let mut name = format!("{stem}.rsm");
        for n in 1.. {
            if !listed(&name) {
                break;
            }
            name = format!("{stem}.{n}.rsm");
        }
        // Left over from a backup that was interrupted.
        unlink_any(&self.disk, &path(&name))?;
        let file = self.disk.create(&path(&name))?;
        Ok((name, file))
    }

    fn add(&mut self, drop: MaildropId, copy: Copy) {
        let all = self.copies.entry(drop).or_default();
        match copy.damaged {
            // What was whole may have what this one has lost.
            true => all.retain(|older| !older.damaged && older.name != copy.name),
            false => all.clear(),
        }
        if let Some(from) = all.len().checked_sub(1) {
            all.drain(..from);
        }
        all.push(copy);
    }
}

fn path(name: &str) -> String {
    format!("{DROPS}/{name}")
}

/// Removes a file if it is there.
fn unlink_any(disk: &impl Disk, path: &str) -> io::Result<()> {
    match disk.unlink(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Tells a maildrop's file from every other without giving its salt away.
fn print(header: &Header) -> String {
    let mac = wide_mac(&header.salt, &[&header.identity()]);
    mac.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl<D: Disk> Store<D> {
    /// Copies what a maildrop has that its backup has not; sessions and deliveries go on
    /// meanwhile. None if it has no file. The copy counts after [`Backup::finish`].
    ///
    /// # Errors
    ///
    /// What either disk says. Damage is none: it is reported, and the file copied as it is.
    pub fn back_up<B: Disk>(
        &self,
        drop: MaildropId,
        backup: &mut Backup<B>,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Option<BackedUp>> {
        let shared = self.table.entry(drop);
        // Only for a moment: below its durable end a file never changes, and whoever replaces it
        // leaves us this one, which we have open.
        let (file, header, account, len) = match self.append_to(drop, &shared, None, Purpose::Read)
        {
            Ok(mut appending) => {
                let known = appending.known();
                let (header, durable) = (known.header.clone(), known.durable);
                let account = known.index.account.as_ref().unwrap_or(&header.account);
                let account = account.clone();
                (Arc::clone(&appending.file), header, account, durable)
            }
            Err(StoreError::Missing) => return Ok(None),
            Err(StoreError::Damaged(what)) => {
                // What was copied before stays: it is needed now.
                let damages = vec![Damage {
                    offset: 0,
                    uid: None,
                    what,
                }];
                return Ok(Some(BackedUp {
                    damages,
                    ..BackedUp::default()
                }));
            }
            Err(StoreError::Io(error)) => return Err(error),
        };
        let print = print(&header);
        let known = backup.known(drop, &print, len)?;
        let mut damages = Vec::new();
        if let Some(had) = backup.had(drop, &print).filter(|&had| had > len) {
            let what = format!("the file has lost its end: its backup has {had} octets of it");
            damages.push(Damage {
                offset: len,
                uid: None,
                what,
            });
        }
        let (mut copy, to) = match known {
            Some(known) => known,
            None => {
                let (name, to) = backup.fresh(drop, &header, &print)?;
                let copy = Copy {
                    account: String::new(),
                    file_seq: header.file_seq,
                    print,
                    length: 0,
                    name,
                    damaged: false,
                };
                (copy, to)
            }
        };
        let from = copy.length;
        let mut buffer = vec![0; PIECE.min(usize::try_from(len - from).unwrap_or(PIECE))];
        let mut at = from;
        while at < len {
            let want = usize::try_from(len - at).unwrap_or(PIECE).min(PIECE);
            let got = file.read_at(&mut buffer[..want], at)?;
            if got < want {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_at(&[&buffer[..got]], at)?;
            at += got as u64;
            progress(got as u64);
        }
        if from < len {
            to.sync_all()?;
            match Source::read(&to, len)? {
                Ok(source) => damages.extend(source.damages(from)?),
                Err(what) => damages.push(Damage {
                    offset: 0,
                    uid: None,
                    what,
                }),
            }
        }
        copy.account = String::from_utf8_lossy(&account).into_owned();
        copy.length = len;
        copy.damaged |= !damages.is_empty();
        let done = BackedUp {
            account: copy.account.clone(),
            length: len,
            octets_copied: len - from,
            damages,
        };
        backup.add(drop, copy);
        Ok(Some(done))
    }
}
