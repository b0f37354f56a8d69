//! What a session finds in a Maildir: messages in their order, with unique-ids and sizes.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use pop3::UniqueId;
use rustix::io::Errno;
use siphasher::sip128::SipHasher13;
use tracing::warn;

use super::numbering;
use super::scan::{Scan, Stamps, scan};
use super::session::{Message, base_of};
use super::sizes::SizeCache;
use super::state::{Lists, State};
use super::store::MaildirSettings;
use super::table::Table;
use super::{Names, name};
use crate::error::OpenError;
use crate::native::media::{Disk, File};
use crate::native::now_us;
use crate::plain::{self, Measured};

/// A message that may have no unique-id yet.
pub(super) struct Found {
    path: Box<str>,
    pub(super) measured: Measured,
    arrival_us: i64,
    /// Where it is in Dovecot's list.
    pub(super) place: Option<usize>,
    /// In Dovecot's order. Looked up once: a hundred thousand messages are compared a million times.
    rank: (u32, u32),
}

impl Found {
    /// Its file's name up to the flags.
    pub(super) fn base(&self) -> &str {
        base_of(&self.path)
    }
}

/// What is in a Maildir, and the state that it is in; none, if that could change without a sign. Messages
/// that have no name yet get one in the list of whoever else serves the Maildir.
///
/// # Errors
///
/// See [`OpenError`].
pub(super) fn look<D: Disk>(
    disk: &Arc<D>,
    settings: &MaildirSettings,
) -> Result<(Vec<Message>, Option<State>), OpenError> {
    let mut tries = 1;
    let (scan, mut found) = loop {
        let scan = scan(&**disk, now_us())?;
        match measure_all(&**disk, &scan)? {
            // A file that was not there any more was deleted, or has another name.
            (_, Seen::Some) if tries < MEASURES_MAX => tries += 1,
            (found, _) => break (scan, found),
        }
    };
    // Before they are read: what changes from now on shows.
    let mut lists = Lists::now(&**disk)?;
    let mut names = numbering::load(&**disk, &settings.unique_ids)?;
    numbering::locate(&names, &mut found);
    sort(&mut found, &names);
    let seen = scan.is_whole.then_some(&scan);
    let wait = settings.lock_wait;
    if let Some(list) = numbering::complete(disk, &mut names, &mut found, seen, wait)? {
        lists.know_dovecot(list);
    }
    // Those that have a name now may have another place.
    sort(&mut found, &names);
    let state = scan.stamps.map(|directories| State { directories, lists });
    Ok((name_all(found, &names), state))
}

/// The state now.
///
/// # Errors
///
/// What the file system says.
pub(super) fn state<D: Disk>(disk: &D) -> io::Result<State> {
    Ok(State {
        directories: Stamps::now(disk)?,
        lists: Lists::now(disk)?,
    })
}

/// By arrival, and then as whoever else serves the Maildir orders it.
///
/// They come in by arrival, which is mostly that order.
fn sort(found: &mut [Found], names: &Names) {
    if let Names::Dovecot(list, _) = names {
        for message in &mut *found {
            message.rank = list.rank_at(message.place);
        }
    }
    let rank = |one: &Found, other: &Found| match names {
        Names::Dovecot(..) => one.rank.cmp(&other.rank),
        _ => names.rank(one.base().as_bytes(), other.base().as_bytes()),
    };
    found.sort_unstable_by(|one, other| {
        rank(one, other)
            .then_with(|| (one.arrival_us, one.base()).cmp(&(other.arrival_us, other.base())))
    });
}

/// How often a Maildir is looked through whose files move meanwhile. What was measured once is known the next time.
const MEASURES_MAX: usize = 8;

/// Whether all files were still where they had been seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    All,
    Some,
}

/// The sizes of all messages, by arrival. Those that are not there any more are left out.
fn measure_all<D: Disk>(disk: &D, scan: &Scan) -> io::Result<(Vec<Found>, Seen)> {
    let mut cache: Option<SizeCache> = None;
    let mut found = Vec::with_capacity(scan.len());
    let (order, mut seen) = by_arrival(disk, scan)?;
    for (arrival_us, index) in order {
        let (base, path) = scan.file(index);
        let measured = match name::sizes(base) {
            (_, Some(octets)) => Some(Measured {
                octets,
                internationalised: false,
            }),
            _ => {
                let cache = cache.get_or_insert_with(|| SizeCache::load(disk));
                match cache.get(base) {
                    Some(measured) => Some(measured),
                    None => match measure(disk, base, path, cache) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {
                            seen = Seen::Some;
                            None
                        }
                        other => other?,
                    },
                }
            }
        };
        if let Some(measured) = measured {
            found.push(Found {
                path: path.into(),
                measured,
                arrival_us,
                place: None,
                rank: (0, 0),
            });
        }
    }
    if let Some(cache) = cache
        && let Err(error) = cache.save(disk, scan)
    {
        warn!(%error, "the sizes of messages cannot be kept, and are measured again");
    }
    Ok((found, seen))
}

/// When each message came, in µs since 1970, and which of the files it is, by the time and then by name: sorted before
/// anything else is known of them, since the less there is to a message the faster it moves.
fn by_arrival<D: Disk>(disk: &D, scan: &Scan) -> io::Result<(Vec<(i64, usize)>, Seen)> {
    let mut seen = Seen::All;
    let mut order = Vec::with_capacity(scan.len());
    let mut untimed = HashMap::new();
    for (index, (base, path)) in scan.files().enumerate() {
        match name::arrival_us(base.as_bytes()) {
            Some(arrival_us) => order.push((arrival_us, index)),
            None => {
                untimed.insert(base, (path, index));
            }
        }
    }
    for (path, index) in untimed.into_values() {
        match disk.stat(path) {
            Ok(stat) => {
                let arrival_us = i64::try_from(stat.changed_ns / 1000).unwrap_or(0);
                order.push((arrival_us, index));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => seen = Seen::Some,
            Err(error) => return Err(error),
        }
    }
    let base = |index: usize| scan.file(index).0;
    order.sort_unstable_by(|&(time, one), &(other_time, other)| {
        let times = time.cmp(&other_time);
        let names = || base(one).cmp(base(other));
        // The last file of a name first.
        times.then_with(names).then(other.cmp(&one))
    });
    order.dedup_by(|later, first| later.0 == first.0 && base(later.1) == base(first.1));
    Ok((order, seen))
}

/// A file that is larger is no message: whoever owns the Maildir could have a session read holes for days.
const FILE_OCTETS_MAX: u64 = 4 << 30;

/// Reads a message to learn its size; none if it is no message.
///
/// # Errors
///
/// `NotFound` if it is not there any more; what the file system says.
fn measure<D: Disk>(
    disk: &D,
    base: &str,
    path: &str,
    cache: &mut SizeCache,
) -> io::Result<Option<Measured>> {
    let file = match disk.open_to_read(path) {
        Ok(file) => file,
        Err(error) => {
            if !is_no_message(&error) {
                return Err(error);
            }
            // It must not keep a session from the rest.
            warn!(file = path, %error, "this is no message, or none that may be read");
            return Ok(None);
        }
    };
    let len = file.stat()?.len;
    if len > FILE_OCTETS_MAX {
        warn!(file = path, octets = len, "this is larger than any message");
        return Ok(None);
    }
    let measured = plain::measure(&file, (0, len), None)?;
    cache.add(base, measured);
    Ok(Some(measured))
}

/// Whether what could not be opened is something else than a file, a link perhaps.
fn is_no_message(error: &io::Error) -> bool {
    let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    let is_other = matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory | io::ErrorKind::PermissionDenied
    );
    is_link || is_other
}

/// Every message gets a unique-id, and none that another one has.
fn name_all(found: Vec<Found>, names: &Names) -> Vec<Message> {
    let are_distinct = names.are_distinct();
    let mut taken = Table::default();
    let mut messages: Vec<Message> = Vec::with_capacity(found.len());
    for found in found {
        let said = match (names, found.place) {
            (Names::Dovecot(list, format), Some(place)) => list.unique_id_at(place, format),
            _ => names.unique_id(found.base().as_bytes()),
        };
        let id_at = |place: usize| messages[place].unique_id.as_bytes();
        let is_its_own = |id: &UniqueId| taken.find(id, id_at).is_none() && !names.is_ambiguous(id);
        let unique_id = match said.filter(is_its_own) {
            Some(id) => id,
            None => hashed(found.base()),
        };
        if !are_distinct {
            taken.insert(&unique_id, messages.len(), id_at);
        }
        messages.push(Message {
            path: found.path,
            unique_id,
            octets: found.measured.octets,
            internationalised: found.measured.internationalised,
            arrival_us: found.arrival_us,
        });
    }
    messages
}

/// A unique-id for a message whose name is none (RFC 1939 §7), or whose list says what it said before.
pub(super) fn hashed(base: &str) -> UniqueId {
    let hash = SipHasher13::new().hash(base.as_bytes()).as_u128();
    UniqueId::new(format!("h{hash:032x}")).expect("33 octets, letters and digits")
}
