//! Deleting what has waited too long (RFC 2449 §6.7).

use std::io;

use tracing::warn;

use super::append::Purpose;
use super::bytes::i64_at;
use super::media::{Disk, File};
use super::record::{At, Found, ext, look};
use super::{Store, now_us};
use crate::error::StoreError;
use crate::id::MaildropId;

/// What an expiry deleted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Expired {
    /// Messages.
    pub messages: u64,
    /// Their octets as RFC 1939 counts them.
    pub octets: u64,
}

/// After so many younger messages in a row nothing older is expected: only what was brought back
/// stands out of the order.
const YOUNGER_MAX: u32 = 1000;

/// When a message was put here, µs since 1970: for an imported one that is another time than when
/// it was received, and its owner may not have seen it here yet.
pub(crate) fn appended_us(found: &Found) -> i64 {
    found
        .ext(ext::APPENDED)
        .filter(|time| time.len() == 8)
        .map_or(found.record.received_us, |time| i64_at(time, 0))
}

impl<D: Disk> Store<D> {
    /// Deletes the messages that were put here before a moment (µs since 1970), durably, in one
    /// commit. One that was brought back counts from then. Messages are in the order of their arrival,
    /// but for those, so it does not look at all of a large maildrop; one that was stamped earlier
    /// than the ones before it counts as not older than they. A maildrop in use is left alone: the next sweep comes.
    ///
    /// # Errors
    ///
    /// What the disk says; nothing is deleted then.
    pub fn expire(&self, drop: MaildropId, before_us: i64) -> io::Result<Expired> {
        let shared = self.table.entry(drop);
        let Some(tidying) = self.hold_to_tidy(drop, &shared)? else {
            return Ok(Expired::default());
        };
        let expired = self.with_reserve(|| {
            let file = &tidying.file;
            let mut appending = self.append_to(drop, &shared, Some(file), Purpose::Write)?;
            let len = file.stat()?.len;
            let known = appending.known();
            let salt = known.header.salt;
            let (mut uids, mut expired) = (Vec::new(), Expired::default());
            let mut younger = 0;
            let now = now_us();
            // A clock that was behind for a while stamps messages as older than those before them.
            let mut newest = known.header.created_us.min(now);
            for entry in known.index.alive() {
                if shared.is_wanted() {
                    // What is found so far is old enough; the next sweep goes on.
                    break;
                }
                let At::Record(found) = look(&**file, &salt, entry.offset(), len)? else {
                    // Nobody can tell how old it is. Damage is told of when it is read.
                    warn!(maildrop = %drop, uid = entry.uid, "age of a damaged message is unknown");
                    continue;
                };
                let risen = known.index.risen.get(&entry.uid).copied();
                let put_here = appended_us(&found);
                if put_here <= now {
                    newest = newest.max(put_here);
                }
                if risen.unwrap_or(put_here).max(newest) >= before_us {
                    younger += 1;
                    match younger < YOUNGER_MAX {
                        true => continue,
                        false => break,
                    }
                }
                younger = 0;
                uids.push(entry.uid);
                expired.messages += 1;
                expired.octets += u64::from(entry.octets);
            }
            if !uids.is_empty() {
                appending.delete(uids.into_iter())?;
            }
            Ok::<_, StoreError>(expired)
        })?;
        Ok(expired)
    }
}
