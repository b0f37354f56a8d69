//! What a session finds in a Maildir: messages in their order, with unique-ids and sizes.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use pop3::UniqueId;
use rustix::io::Errno;
use siphasher::sip128::SipHasher13;
use tracing::warn;

use super::known::{Lists, State};
use super::numbering::{self, Unnamed};
use super::scan::{Scan, Stamps, scan};
use super::session::Message;
use super::sizes::SizeCache;
use super::store::MaildirSettings;
use super::{Names, name};
use crate::error::OpenError;
use crate::native::media::{Disk, File};
use crate::native::now_us;
use crate::plain::{self, Measured};

/// A message whose name is not known yet.
struct Found {
    base: Box<str>,
    path: Box<str>,
    measured: Measured,
    arrival_us: i64,
    /// In Dovecot's order. Looked up once: a hundred thousand messages are compared a million times.
    place: (u32, u32),
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
    let scan = scan(&**disk, now_us())?;
    let mut found = measure_all(&**disk, &scan)?;
    let lists = Lists::now(&**disk)?;
    let mut names = numbering::load(&**disk, &settings.unique_ids)?;
    sort(&mut found, &names);
    let unnamed: Vec<_> = found
        .iter()
        .map(|found| Unnamed {
            base: &found.base,
            measured: found.measured,
        })
        .collect();
    let seen = scan.is_whole.then_some(&scan.paths);
    numbering::complete(disk, &mut names, &unnamed, seen, settings.lock_wait)?;
    // Those that have a name now may have another place.
    sort(&mut found, &names);
    // Who has changed a list meanwhile, we or another, has changed more than we can tell.
    let is_same = Lists::now(&**disk)? == lists;
    let state = scan.stamps.filter(|_| is_same);
    let state = state.map(|directories| State { directories, lists });
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
fn sort(found: &mut [Found], names: &Names) {
    if let Names::Dovecot(list, _) = names {
        for message in &mut *found {
            message.place = list.place(message.base.as_bytes());
        }
    }
    let rank = |one: &Found, other: &Found| match names {
        Names::Dovecot(..) => one.place.cmp(&other.place),
        _ => names.rank(one.base.as_bytes(), other.base.as_bytes()),
    };
    found.sort_unstable_by(|one, other| {
        rank(one, other)
            .then_with(|| (one.arrival_us, &one.base).cmp(&(other.arrival_us, &other.base)))
    });
}

/// The sizes of all messages. Those that have gone meanwhile are left out.
fn measure_all<D: Disk>(disk: &D, scan: &Scan) -> io::Result<Vec<Found>> {
    let mut cache: Option<SizeCache> = None;
    let mut found = Vec::with_capacity(scan.paths.len());
    for (base, path) in &scan.paths {
        let measured = match name::sizes(base) {
            (_, Some(octets)) => Some(Measured {
                octets,
                internationalised: false,
            }),
            _ => {
                let cache = cache.get_or_insert_with(|| SizeCache::load(disk));
                match cache.get(base) {
                    Some(measured) => Some(measured),
                    None => measure(disk, base, path, cache)?,
                }
            }
        };
        let arrival_us = match name::arrival_us(base.as_bytes()) {
            Some(arrival_us) => Some(arrival_us),
            None => changed_us(disk, path)?,
        };
        if let (Some(measured), Some(arrival_us)) = (measured, arrival_us) {
            found.push(Found {
                base: base.clone(),
                path: path.clone(),
                measured,
                arrival_us,
                place: (0, 0),
            });
        }
    }
    if let Some(cache) = cache
        && let Err(error) = cache.save(disk, scan)
    {
        warn!(%error, "the sizes of messages cannot be kept, and are measured again");
    }
    Ok(found)
}

/// Reads a message to learn its size; none if it is not there any more.
fn measure<D: Disk>(
    disk: &D,
    base: &str,
    path: &str,
    cache: &mut SizeCache,
) -> io::Result<Option<Measured>> {
    let file = match disk.open_to_read(path) {
        Ok(file) => file,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound => Ok(None),
                // It must not keep a session from the rest.
                _ if is_no_message(&error) => {
                    warn!(file = path, %error, "this is no message, or none that may be read");
                    Ok(None)
                }
                _ => Err(error),
            };
        }
    };
    let measured = plain::measure(&file, (0, file.stat()?.len), None)?;
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

fn changed_us<D: Disk>(disk: &D, path: &str) -> io::Result<Option<i64>> {
    match disk.stat(path) {
        Ok(stat) => Ok(Some(i64::try_from(stat.changed_ns / 1000).unwrap_or(0))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every message gets a unique-id, and none that another one has.
fn name_all(found: Vec<Found>, names: &Names) -> Vec<Message> {
    let mut taken = HashSet::with_capacity(found.len());
    let mut messages = Vec::with_capacity(found.len());
    for found in found {
        let said = names.unique_id(found.base.as_bytes());
        let is_its_own = |id: &UniqueId| !taken.contains(id) && !names.is_ambiguous(id);
        let unique_id = match said.filter(is_its_own) {
            Some(id) => id,
            None => hashed(&found.base),
        };
        taken.insert(unique_id.clone());
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
