//! Reading everything and saying what is wrong with it, changing nothing.

use std::io;
use std::sync::Arc;

use super::Store;
use super::append::Purpose;
use super::bytes::align;
use super::header::{HEADER_LEN, Header};
use super::index::Index;
use super::media::{Disk, File};
use super::record::{At, BLOCK, Found, Kind, blocks, ext, look, search};
use super::space::{PAGE, grace_cut, hole};
use crate::id::MaildropId;

/// What a maildrop holds, without reading any message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Name of the account, as it was when the file was made.
    pub account: String,
    /// Messages.
    pub messages: u64,
    /// Their octets as RFC 1939 counts them.
    pub octets: u64,
    /// Those of the messages that sessions do not see.
    pub hidden_messages: u64,
    /// Octets of the file, deleted messages included; 0: there is none.
    pub file_octets: u64,
    /// Octets of the disk that it takes up.
    pub disk_octets: u64,
    /// Octets of them that a compaction would give back.
    pub reclaimable_octets: u64,
    /// Deleted messages that the grace period keeps.
    pub grace_messages: u64,
    /// Their octets as RFC 1939 counts them.
    pub grace_octets: u64,
    /// Uid that the next message will get.
    pub next_uid: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// Which message, if that can be told.
    pub uid: Option<u64>,
    /// What.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verified {
    /// Name of the account, as it was when the file was made.
    pub account: String,
    /// Messages that are there and not deleted, damaged ones included.
    pub messages: u64,
    /// Octets of the file that were read.
    pub octets_read: u64,
    /// Everything that is wrong, in the order of the file. Deleted messages count, too.
    pub damages: Vec<Damage>,
}

/// How often a file is read that changes while it is read.
const VERIFIED_MAX: u32 = 3;

/// Directories below `d/` have one digit, those below them two.
fn is_digits(name: &str, len: usize) -> bool {
    name.len() == len
        && name
            .bytes()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

impl<D: Disk> Store<D> {
    /// All maildrops that have a file, ascending.
    ///
    /// # Errors
    ///
    /// What the disk says.
    pub fn ids(&self) -> io::Result<Vec<MaildropId>> {
        let list = |dir: &str| match self.disk.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        };
        let mut ids = Vec::new();
        for first in list("d")?.into_iter().filter(|name| is_digits(name, 1)) {
            let above = format!("d/{first}");
            for next in list(&above)?.into_iter().filter(|name| is_digits(name, 2)) {
                let dir = format!("{above}/{next}");
                for name in list(&dir)? {
                    if let Some(Ok(id)) = name.strip_suffix(".rsm").map(str::parse)
                        && Self::dir_of(id) == dir
                    {
                        ids.push(id);
                    }
                }
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    /// What a maildrop holds; nothing if it has no file.
    ///
    /// # Errors
    ///
    /// What the disk says, or `InvalidData` with what is wrong with the file.
    pub fn summary(&self, drop: MaildropId) -> io::Result<Summary> {
        let shared = self.table.entry(drop);
        let Some(mut appending) = self.append_if_there(drop, &shared, Purpose::Read)? else {
            return Ok(Summary::default());
        };
        let cut_us = grace_cut(&self.settings);
        let stat = appending.file.stat()?;
        let known = appending.known();
        let index = &known.index;
        let grace = index.in_grace(cut_us);
        // A file takes up whole pages, whatever is done to it.
        let needed = index.needed(cut_us).next_multiple_of(PAGE);
        let account = index.account.as_ref().unwrap_or(&known.header.account);
        Ok(Summary {
            account: String::from_utf8_lossy(account).into_owned(),
            messages: index.live,
            octets: index.octets,
            hidden_messages: index.alive().filter(|entry| entry.is_hidden()).count() as u64,
            file_octets: stat.len,
            disk_octets: stat.disk_octets,
            reclaimable_octets: stat.disk_octets.saturating_sub(needed),
            grace_messages: grace.messages,
            grace_octets: grace.octets,
            next_uid: index.next_uid,
        })
    }

    /// Reads all of a maildrop's file and reports what is wrong, changing nothing; a session may
    /// go on meanwhile. `progress` hears how many octets were read since it was last called.
    ///
    /// # Errors
    ///
    /// What the disk says. A file that cannot be read at all is damage, not an error.
    pub fn verify(&self, drop: MaildropId, progress: &mut dyn FnMut(u64)) -> io::Result<Verified> {
        for _ in 1..VERIFIED_MAX {
            let verified = self.verify_once(drop, progress)?;
            // What was deleted while it was read may have become a hole, rightly.
            let path = Self::path_of(drop);
            let len = self.disk.stat(&path).map_or(0, |stat| stat.len);
            if verified.damages.is_empty() || verified.octets_read == len {
                return Ok(verified);
            }
        }
        self.verify_once(drop, progress)
    }

    fn verify_once(&self, drop: MaildropId, progress: &mut dyn FnMut(u64)) -> io::Result<Verified> {
        let mut verified = Verified::default();
        let shared = self.table.entry(drop);
        let (file, len) = {
            // A record in flight is whole when the lock is free.
            let _slot = shared.slot();
            let file = match self.disk.open(&Self::path_of(drop)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(verified),
                other => Arc::new(other?),
            };
            super::append::lock_append(&*file)?;
            let len = file.stat()?.len;
            file.unlock(super::media::Lock::Append);
            (file, len)
        };
        let mut start = vec![0; HEADER_LEN];
        let got = file.read_at(&mut start, 0)?;
        let header = match Header::decode(&start[..got]) {
            Ok(header) if header.drop == drop => header,
            Ok(header) => {
                let what = format!("the file belongs to maildrop {}", header.drop);
                verified.damage(0, None, what);
                return Ok(verified);
            }
            Err(what) => {
                verified.damage(0, None, what);
                return Ok(verified);
            }
        };
        verified.account = String::from_utf8_lossy(&header.account).into_owned();
        let mut index = Index::new(header.next_uid, HEADER_LEN as u64);
        let (mut told, mut hollow) = (0, Vec::new());
        while align(index.end) < len {
            let at = align(index.end);
            let found = match look(&*file, &header.salt, at, len)? {
                At::Record(found) => found,
                At::Nothing(what) => match search(&*file, &header.salt, at + 8, len)? {
                    Some(next) => {
                        let gap = next.offset - at;
                        let what = format!("{what}; {gap} octets cannot be read");
                        verified.damage(at, None, what);
                        next
                    }
                    None => {
                        let rest = len - at;
                        let what = format!("{what}; the last {rest} octets cannot be read");
                        verified.damage(at, None, what);
                        break;
                    }
                },
            };
            let uid = (found.record.kind == Kind::Message).then_some(found.record.uid);
            if !found.body_holds(&*file)? {
                let what = match uid {
                    Some(_) => "the checksum of the text is wrong",
                    None => "the checksum of a commit is wrong",
                };
                if uid.is_some() && is_hollow(&*file, &found)? {
                    hollow.push(found.record.uid);
                }
                verified.damage(found.offset, uid, what.into());
            } else if uid.is_some()
                && found.record.stored_len > BLOCK as u64
                && found
                    .ext(ext::BLOCKS)
                    .and_then(|value| blocks(value, found.record.stored_len))
                    .is_none()
            {
                let what = "the block checksums are missing";
                verified.damage(found.offset, uid, what.into());
            }
            let body = match uid {
                Some(_) => Some(Vec::new()),
                None => found.small_body(&*file)?,
            };
            let gaps = index.gaps.len();
            match body {
                Some(body) => {
                    index.apply(&found, &body, header.generation);
                }
                None => index.end = found.end,
            }
            if let Some(gap) = index.gaps.get(gaps) {
                verified.damage(gap.offset, uid, gap.what.into());
            }
            index.end = found.end;
            progress(index.end - told);
            told = index.end;
        }
        progress(len.saturating_sub(told));
        // What was deleted, and its space given back, is missing rightly.
        hollow.retain(|uid| index.graves.iter().any(|grave| grave.entry.uid == *uid));
        let rightly = |damage: &Damage| damage.uid.is_some_and(|uid| hollow.contains(&uid));
        verified.damages.retain(|damage| !rightly(damage));
        verified.messages = index.live;
        verified.octets_read = len;
        Ok(verified)
    }
}

/// Whether the pages of a text that housekeeping gives back read as zeros.
fn is_hollow(file: &impl File, found: &Found) -> io::Result<bool> {
    let Some((mut at, to)) = hole(found) else {
        return Ok(false);
    };
    let mut buffer = vec![0; BLOCK];
    while at < to {
        let want = usize::try_from(to - at).unwrap_or(BLOCK).min(BLOCK);
        let got = file.read_at(&mut buffer[..want], at)?;
        if got < want || buffer[..want].iter().any(|&octet| octet != 0) {
            return Ok(false);
        }
        at += want as u64;
    }
    Ok(true)
}

impl Verified {
    fn damage(&mut self, offset: u64, uid: Option<u64>, what: String) {
        self.damages.push(Damage { offset, uid, what });
    }
}
