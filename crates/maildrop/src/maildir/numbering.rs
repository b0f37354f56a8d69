//! Giving messages that no list knows their unique-ids, in the list of whoever else serves the Maildir.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::dovecot::{UidList, UidlFormat};
use super::open::Found;
use super::scan::Scan;
use super::{Names, courier, dovecot, read_all};
use crate::dotlock::DotLock;
use crate::error::OpenError;
use crate::native::media::{Disk, File, Stat};
use crate::native::now_us;

/// Which unique-ids the messages of a Maildir have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UniqueIds {
    /// Dovecot's or Courier's where a Maildir has their list, and else those of [`UniqueIds::Files`].
    Auto(UidlFormat),
    /// Dovecot's. A Maildir without a list gets one.
    Dovecot(UidlFormat),
    /// Courier's. A Maildir without a list gets one.
    Courier,
    /// The names of the files, whatever lists there are.
    Files,
}

/// After so long without a sign of life whoever has Dovecot's lock is dead: what Dovecot says.
const STALE: Duration = Duration::from_secs(120);

/// Written first, then moved to where it belongs: not in `tmp/`, which a power cut may have taken.
const TEMPORARY: &str = "restante-list.new";

/// The names that there are: what a list says, as far as it goes.
///
/// # Errors
///
/// `Damaged` for a list that makes no sense: whatever clients would be told instead, they would
/// retrieve everything again.
pub(super) fn load<D: Disk>(disk: &D, unique_ids: &UniqueIds) -> Result<Names, OpenError> {
    match unique_ids {
        UniqueIds::Files => Ok(Names::Files),
        UniqueIds::Courier => Ok(Names::Courier(courier_list(disk)?.unwrap_or_default())),
        UniqueIds::Dovecot(format) => {
            let list = dovecot_list(disk)?.unwrap_or_else(|| UidList::new(validity()));
            Ok(Names::Dovecot(list, format.clone()))
        }
        UniqueIds::Auto(format) => {
            if is_noted(disk)? {
                return Ok(Names::Files);
            }
            if let Some(list) = dovecot_list(disk)? {
                return Ok(Names::Dovecot(list, format.clone()));
            }
            if let Some(list) = courier_list(disk)? {
                return Ok(Names::Courier(list));
            }
            note(disk)?;
            Ok(Names::Files)
        }
    }
}

/// Whether clients know the messages of this Maildir by the names of their files.
fn is_noted<D: Disk>(disk: &D) -> io::Result<bool> {
    let is_noted = read_list(disk, NOTE)?.is_some();
    if is_noted {
        settle(disk, NOTE)?;
    }
    Ok(is_noted)
}

/// Notes that. A server that comes later makes a list, which says something else; it must not count.
fn note<D: Disk>(disk: &D) -> io::Result<()> {
    replace(disk, NOTE, b"files\n")
}

/// Made where no list was. Who removes it says that the lists count from now on.
const NOTE: &str = "restante-unique-ids";

/// Names the messages that have no name, in this order, durably. `there`: what is in the Maildir, if all of it was
/// seen. Returns Dovecot's list, if we had its lock: what the messages are called is what is in it.
///
/// # Errors
///
/// See [`OpenError`]; `InUse` when somebody has the list for too long.
pub(super) fn complete<D: Disk>(
    disk: &Arc<D>,
    names: &mut Names,
    messages: &mut [Found],
    there: Option<&Scan>,
    patience: Duration,
) -> Result<Option<Stat>, OpenError> {
    match names {
        Names::Files | Names::Unknown => Ok(None),
        Names::Dovecot(..) if messages.iter().all(|message| message.place.is_some()) => {
            settle(&**disk, dovecot::FILE)?;
            Ok(None)
        }
        Names::Dovecot(list, _) => complete_dovecot(disk, list, messages, patience).map(Some),
        Names::Courier(list) => {
            complete_courier(&**disk, list, messages, there)?;
            Ok(None)
        }
    }
}

/// Looks messages up in the list, if it is Dovecot's.
pub(super) fn locate(names: &Names, messages: &mut [Found]) {
    if let Names::Dovecot(list, _) = names {
        look_up(list, messages);
    }
}

fn look_up(list: &UidList, messages: &mut [Found]) {
    let mut next = 0;
    for message in messages {
        // By arrival is mostly the order of the list.
        message.place = list.find_near(message.base().as_bytes(), next);
        next = message.place.map_or(next, |place| place + 1);
    }
}

/// What a list says is shown to clients next. Whoever wrote it may have died, or failed, before it was durable.
fn settle<D: Disk>(disk: &D, path: &str) -> io::Result<()> {
    match disk.open(path) {
        Ok(file) => file.sync_data()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    disk.sync_dir("")
}

fn complete_dovecot<D: Disk>(
    disk: &Arc<D>,
    list: &mut UidList,
    messages: &mut [Found],
    patience: Duration,
) -> Result<Stat, OpenError> {
    let path = format!("{}.lock", dovecot::FILE);
    let _lock = match DotLock::take(&**disk, path, STALE, Instant::now() + patience) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            warn!(%error, "messages cannot be named");
            return Err(OpenError::InUse);
        }
        other => other?,
    };
    // While we waited, whoever had the lock may have named them.
    let found = read_list(&**disk, dovecot::FILE)?;
    if let Some(octets) = &found {
        *list = parse_dovecot(octets)?;
        look_up(list, messages);
    }
    let known = list.len();
    for message in messages.iter_mut().filter(|it| it.place.is_none()) {
        let place = list.add(message.base());
        let full = || OpenError::Damaged(format!("{} has no uid left", dovecot::FILE));
        message.place = Some(place.ok_or_else(full)?);
    }
    match found {
        _ if list.len() == known => settle(&**disk, dovecot::FILE)?,
        Some(octets) if list.is_current() => {
            let mut lines = Vec::new();
            list.print_lines(known, &mut lines);
            // The lock is ours, so a line without an end is of a program that has died.
            let end = whole(&octets).len();
            let file = disk.open(dovecot::FILE)?;
            if end < octets.len() {
                file.truncate(end as u64)?;
            }
            let written = file
                .write_at(&[&lines], end as u64)
                .and_then(|()| file.sync_data());
            if let Err(error) = written {
                // What could not be synced never will be, though everybody can read it: take it back.
                let _ = file.truncate(end as u64);
                return Err(error.into());
            }
            disk.sync_dir("")?;
        }
        _ => {
            let mut guid = [0; 16];
            getrandom::fill(&mut guid).map_err(io::Error::other)?;
            let printed = list.print(u128::from_le_bytes(guid));
            replace(&**disk, dovecot::FILE, &printed)?;
        }
    }
    Ok(disk.stat(dovecot::FILE)?)
}

/// Courier takes no lock: whoever comes last has written the list.
fn complete_courier<D: Disk>(
    disk: &D,
    list: &mut courier::SizeList,
    messages: &[Found],
    there: Option<&Scan>,
) -> io::Result<()> {
    let now = u64::from(validity());
    let mut is_new = false;
    for message in messages {
        if !list.knows(message.base().as_bytes()) {
            list.add(message.base(), message.measured, now);
            is_new = true;
        }
    }
    if !is_new {
        return settle(disk, courier::FILE);
    }
    if let Some(there) = there.map(Scan::by_base) {
        list.retain(|base| std::str::from_utf8(base).is_ok_and(|base| there.contains_key(base)));
    }
    replace(disk, courier::FILE, &list.print())
}

/// Writes a file anew, durably.
fn replace<D: Disk>(disk: &D, path: &str, octets: &[u8]) -> io::Result<()> {
    // Of one who has died; we have the maildrop.
    let _ = disk.unlink(TEMPORARY);
    let file = disk.create(TEMPORARY)?;
    file.write_at(&[octets], 0)?;
    file.sync_all()?;
    disk.rename(TEMPORARY, path)?;
    disk.sync_dir("")
}

/// Seconds since 1970, as a number that tells one list from another.
fn validity() -> u32 {
    u32::try_from(now_us() / 1_000_000).unwrap_or(1).max(1)
}

fn dovecot_list<D: Disk>(disk: &D) -> Result<Option<UidList>, OpenError> {
    let octets = read_list(disk, dovecot::FILE)?;
    octets.map(|octets| parse_dovecot(&octets)).transpose()
}

/// The lines that are whole. Where the power took octets of what was appended, but not its length, there are zeros,
/// which no line has: that and what comes behind it never lasted.
fn whole(octets: &[u8]) -> &[u8] {
    let torn = memchr::memchr(0, octets).unwrap_or(octets.len());
    let end = memchr::memrchr(b'\n', &octets[..torn]);
    &octets[..end.map_or(0, |end| end + 1)]
}

fn parse_dovecot(octets: &[u8]) -> Result<UidList, OpenError> {
    UidList::parse(whole(octets)).map_err(|broken| damaged(dovecot::FILE, &broken))
}

fn courier_list<D: Disk>(disk: &D) -> Result<Option<courier::SizeList>, OpenError> {
    let octets = read_list(disk, courier::FILE)?;
    let parse = |octets: Vec<u8>| {
        courier::SizeList::parse(&octets).map_err(|broken| damaged(courier::FILE, &broken))
    };
    octets.map(parse).transpose()
}

fn damaged(file: &str, broken: &super::Broken) -> OpenError {
    OpenError::Damaged(format!("{file}, {broken}"))
}

fn read_list<D: Disk>(disk: &D, path: &str) -> io::Result<Option<Vec<u8>>> {
    match read_all(disk, path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_zero_never_lasted() {
        for (octets, lasts) in [
            (&b"3 V1 N1\n1 :a\n"[..], &b"3 V1 N1\n1 :a\n"[..]),
            (b"3 V1 N1\n1 :a\n2 :", b"3 V1 N1\n1 :a\n"),
            (b"3 V1 N1\n1 :a\n\0\0", b"3 V1 N1\n1 :a\n"),
            (b"3 V1 N1\n1 :a\n2 :b\0\0e\n3 :f\n", b"3 V1 N1\n1 :a\n"),
            (b"\0\0\0\n1 :a\n", b""),
            (b"", b""),
        ] {
            assert_eq!(whole(octets), lasts);
        }
    }
}
