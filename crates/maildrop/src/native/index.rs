//! What a maildrop's file says: which messages there are, where, and how large.
//!
//! Built by reading the records in order; 24 octets a message. Deleted messages keep their place
//! until the index is packed, so that a deletion costs a search and not a copy.

use std::collections::{BTreeMap, HashSet};
use std::io;

use pop3::UniqueId;

use super::bytes::u64_at;
use super::header::HEADER_LEN;
use super::media::File;
use super::record::{At, Found, Kind, decode_flags, decode_ranges, ext, look};
use crate::unique_id::own;

/// One message: where its record is, its uid and its size.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// Offset of the record, a multiple of 8, with marks in the three bits that are free.
    place: u64,
    pub(crate) uid: u64,
    /// Octets as RFC 1939 counts them.
    pub(crate) octets: u64,
}

const DEAD: u64 = 1;
const NAMED: u64 = 2;
const HIDDEN: u64 = 4;
const MARKS: u64 = 7;
/// FLAGS: the bit that hides a message from sessions.
const FLAG_HIDDEN: u8 = 2;

impl Entry {
    /// Octets of an entry in memory and in the sidecar.
    pub(crate) const LEN: usize = 24;

    /// Where the record begins.
    pub(crate) fn offset(&self) -> u64 {
        self.place & !MARKS
    }

    /// Whether a session's DELETE has taken it away.
    pub(crate) fn is_dead(&self) -> bool {
        self.place & DEAD != 0
    }

    /// Whether sessions see it.
    pub(crate) fn is_listed(&self) -> bool {
        self.place & (DEAD | HIDDEN) == 0
    }

    /// The entry as the sidecar holds it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.place.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.octets.to_le_bytes());
    }

    /// Reads an entry back from [`Entry::LEN`] octets.
    pub(crate) fn decode(octets: &[u8]) -> Self {
        Self {
            place: u64_at(octets, 0),
            uid: u64_at(octets, 8),
            octets: u64_at(octets, 16),
        }
    }
}

/// A stretch of the file that holds no record although one should be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Gap {
    /// Where it begins.
    pub(crate) offset: u64,
    /// How many octets.
    pub(crate) len: u64,
    /// What was found there.
    pub(crate) what: &'static str,
    /// Whether it was logged.
    pub(crate) told: bool,
}

/// Most gaps that are kept for reports; a file with more is damaged beyond listing.
const GAPS_MAX: usize = 1000;

/// A record that the index as it is cannot take in: read the file again from its start.
pub(crate) struct ReadAgain;

/// The state that a file's records add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Ascending by uid.
    pub(crate) entries: Vec<Entry>,
    dead: usize,
    /// Whether dead entries were dropped, so that an UNDELETE cannot be applied any more.
    packed: bool,
    /// Unique-ids that are not our own, by uid.
    pub(crate) names: BTreeMap<u64, UniqueId>,
    /// Every such unique-id in the file, of dead messages too: none is given out twice.
    taken: HashSet<UniqueId>,
    /// Messages not deleted, hidden ones included.
    pub(crate) live: u64,
    /// Their octets.
    pub(crate) octets: u64,
    pub(crate) next_uid: u64,
    /// Number of the last record that is not a message.
    pub(crate) commits: u64,
    /// Offset of the last record; 0: none.
    pub(crate) last: u64,
    /// Offset of the octet after the last record.
    pub(crate) end: u64,
    pub(crate) gaps: Vec<Gap>,
}

impl Index {
    /// The index of a file that has nothing but its header.
    pub(crate) fn new(next_uid: u64, end: u64) -> Self {
        Self {
            next_uid: next_uid.max(1),
            end,
            ..Self::default()
        }
    }

    /// Takes in one record; `body` are the verified octets of one that is not a message.
    pub(crate) fn apply(
        &mut self,
        found: &Found,
        body: &[u8],
        generation: u64,
    ) -> Result<(), ReadAgain> {
        match found.record.kind {
            Kind::Message => self.push(found, generation),
            Kind::Delete => {
                if let Some((counters, ranges)) = decode_ranges(body) {
                    self.next_uid = self.next_uid.max(counters.next_uid);
                    for range in ranges {
                        self.delete(range);
                    }
                }
            }
            Kind::Undelete => {
                if let Some((counters, ranges)) = decode_ranges(body) {
                    if self.packed {
                        return Err(ReadAgain);
                    }
                    self.next_uid = self.next_uid.max(counters.next_uid);
                    for range in ranges {
                        self.undelete(range);
                    }
                }
            }
            Kind::Flags => {
                if let Some((set, clear, ranges)) = decode_flags(body) {
                    for (first, last) in ranges {
                        for entry in self.range(first, last) {
                            if clear & FLAG_HIDDEN != 0 {
                                entry.place &= !HIDDEN;
                            }
                            if set & FLAG_HIDDEN != 0 {
                                entry.place |= HIDDEN;
                            }
                        }
                    }
                }
            }
            Kind::Note => {
                if let Some(next) = found.ext(ext::NEXT_UID).filter(|next| next.len() == 8) {
                    self.next_uid = self.next_uid.max(u64_at(next, 0));
                }
            }
            Kind::Unknown => {}
        }
        if found.record.kind != Kind::Message {
            self.commits = self.commits.max(found.record.uid);
        }
        self.last = found.offset;
        self.end = found.end;
        Ok(())
    }

    fn push(&mut self, found: &Found, generation: u64) {
        let record = &found.record;
        let ascends = self.entries.last().is_none_or(|last| last.uid < record.uid);
        // Unreachable with our own writer: a uid that went down would be one given out twice.
        if !ascends || record.uid == u64::MAX {
            self.gap(
                found.offset,
                found.end - found.offset,
                "a uid is used twice",
            );
            return;
        }
        let name = found
            .ext(ext::UNIQUE_ID)
            .and_then(|id| UniqueId::new(id.to_vec()))
            .or_else(|| {
                let older = found.ext(ext::GENERATION).filter(|it| it.len() == 8)?;
                let older = u64_at(older, 0);
                (older != generation).then(|| own(older, record.uid))
            });
        let mut place = found.offset;
        if let Some(name) = name
            // Two messages of one name would be one message to every client.
            && self.taken.insert(name.clone())
        {
            self.names.insert(record.uid, name);
            place |= NAMED;
        }
        self.entries.push(Entry {
            place,
            uid: record.uid,
            octets: record.pop_size,
        });
        self.live += 1;
        self.octets = self.octets.saturating_add(record.pop_size);
        self.next_uid = self.next_uid.max(record.uid + 1);
    }

    fn range(&mut self, first: u64, last: u64) -> &mut [Entry] {
        let from = self.entries.partition_point(|entry| entry.uid < first);
        let to = self.entries.partition_point(|entry| entry.uid <= last);
        &mut self.entries[from..to.max(from)]
    }

    fn delete(&mut self, (first, last): (u64, u64)) {
        let (mut count, mut octets) = (0, 0_u64);
        for entry in self.range(first, last) {
            if !entry.is_dead() {
                entry.place |= DEAD;
                count += 1;
                octets = octets.saturating_add(entry.octets);
            }
        }
        self.dead += count;
        self.live -= count as u64;
        self.octets = self.octets.saturating_sub(octets);
    }

    fn undelete(&mut self, (first, last): (u64, u64)) {
        let (mut count, mut octets) = (0, 0_u64);
        for entry in self.range(first, last) {
            if entry.is_dead() {
                entry.place &= !DEAD;
                count += 1;
                octets = octets.saturating_add(entry.octets);
            }
        }
        self.dead -= count;
        self.live += count as u64;
        self.octets = self.octets.saturating_add(octets);
    }

    /// Drops dead entries when they are the greater part, so that the work is paid for by the
    /// deletions before it.
    pub(crate) fn pack(&mut self) {
        if self.dead > self.entries.len() / 2 {
            self.entries.retain(|entry| !entry.is_dead());
            self.entries.shrink_to(2 * self.entries.len());
            let entries = &self.entries;
            self.names
                .retain(|uid, _| entries.binary_search_by_key(uid, |entry| entry.uid).is_ok());
            self.dead = 0;
            self.packed = true;
        }
    }

    /// Remembers a stretch without records.
    pub(crate) fn gap(&mut self, offset: u64, len: u64, what: &'static str) {
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(Gap {
                offset,
                len,
                what,
                told: false,
            });
        }
    }

    /// Whether the file still holds the last record where this index ends. It does unless
    /// somebody took it off the file, and then the index is of another file's octets.
    pub(crate) fn ends_in(&self, file: &impl File, salt: &[u8; 16], len: u64) -> io::Result<bool> {
        if self.last == 0 {
            return Ok(self.end <= HEADER_LEN as u64);
        }
        Ok(match look(file, salt, self.last, len)? {
            At::Record(found) => found.end == self.end,
            At::Nothing(_) => false,
        })
    }

    /// Whether some message of the file has, or had, this unique-id.
    pub(crate) fn is_taken(&self, id: &UniqueId) -> bool {
        self.taken.contains(id)
    }

    /// The unique-id of a message.
    pub(crate) fn unique_id(&self, entry: &Entry, generation: u64) -> UniqueId {
        match entry.place & NAMED {
            0 => own(generation, entry.uid),
            _ => self
                .names
                .get(&entry.uid)
                .cloned()
                .unwrap_or_else(|| own(generation, entry.uid)),
        }
    }

    /// The messages that a session sees.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_listed())
    }

    /// Octets of memory, about.
    pub(crate) fn cost(&self) -> usize {
        size_of::<Self>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.names.len() * 160
            + self.taken.len() * 112
    }

    /// An index out of a sidecar: entries without dead ones, and the names.
    pub(crate) fn restored(
        entries: Vec<Entry>,
        names: BTreeMap<u64, UniqueId>,
        taken: HashSet<UniqueId>,
    ) -> Self {
        let octets = entries
            .iter()
            .fold(0_u64, |sum, entry| sum.saturating_add(entry.octets));
        Self {
            live: entries.len() as u64,
            octets,
            entries,
            packed: true,
            names,
            taken,
            ..Self::default()
        }
    }

    /// All unique-ids that are not our own, for the sidecar.
    pub(crate) fn taken(&self) -> impl Iterator<Item = &UniqueId> {
        self.taken.iter()
    }
}
