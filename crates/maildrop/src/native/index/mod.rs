//! What a maildrop's file says: which messages there are, where, and how large.
//!
//! Built by reading the records in order; 24 octets a message. Deleted messages keep their place
//! until the index is packed, so that a deletion costs a search and not a copy; where they lie,
//! and since when they are dead, is remembered as long as the file holds them, for whoever wants
//! one back or its space.

mod entry;

use std::collections::{BTreeMap, HashSet};
use std::io;

use pop3::UniqueId;

use entry::{DEAD, HIDDEN, NAMED};
pub(crate) use entry::{Entry, FLAG_HIDDEN};

use super::bytes::u64_at;
use super::grave::Grave;
use super::header::HEADER_LEN;
use super::header::mac;
use super::media::File;
use super::record::{At, Found, Kind, decode_flags, decode_gone, decode_ranges, ext, look};
use crate::unique_id::own;

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

/// The state that a file's records add up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// Ascending by uid.
    pub(crate) entries: Vec<Entry>,
    /// How many of them are dead.
    dead: usize,
    /// The dead, in the order of their deletion.
    pub(crate) graves: Vec<Grave>,
    /// When those were brought back that were dead once: their waiting begins anew. By uid, µs since
    /// 1970.
    pub(crate) risen: BTreeMap<u64, i64>,
    /// Unique-ids that are not our own, by uid, of the living and the dead.
    pub(crate) names: BTreeMap<u64, UniqueId>,
    /// What every such unique-id hashes to, also of messages that a replaced file had: none is
    /// given out twice. A hash that two share costs the second its foreign name, nothing else.
    taken: HashSet<u64>,
    /// Messages not deleted, hidden ones included.
    pub(crate) live: u64,
    /// Their octets.
    pub(crate) octets: u64,
    /// Octets that their records take up in the file.
    pub(crate) live_space: u64,
    pub(crate) next_uid: u64,
    /// Number of the last record that is not a message.
    pub(crate) commits: u64,
    /// Offset of the last record; 0: none.
    pub(crate) last: u64,
    /// Offset of the octet after the last record.
    pub(crate) end: u64,
    pub(crate) gaps: Vec<Gap>,
    /// The account's name, if a NOTE gave it another than the file's header has.
    pub(crate) account: Option<Vec<u8>>,
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
    pub(crate) fn apply(&mut self, found: &Found, body: &[u8], generation: u64) {
        match found.record.kind {
            Kind::Message => self.push(found, generation),
            Kind::Delete => {
                if let Some((counters, ranges)) = decode_ranges(body) {
                    self.next_uid = self.next_uid.max(counters.next_uid);
                    for range in ranges {
                        self.delete(range, found.record.received_us);
                    }
                }
            }
            Kind::Undelete => {
                if let Some((counters, ranges)) = decode_ranges(body) {
                    self.next_uid = self.next_uid.max(counters.next_uid);
                    self.undelete(&ranges, found.record.received_us);
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
                if let Some(gone) = found.ext(ext::GONE) {
                    self.taken.extend(decode_gone(gone));
                }
                if let Some(account) = found.ext(ext::ACCOUNT) {
                    self.account = Some(account.to_vec());
                }
            }
            Kind::Gone => self.taken.extend(decode_gone(body)),
            Kind::Unknown => {}
        }
        if found.record.kind != Kind::Message {
            self.commits = self.commits.max(found.record.uid);
        }
        self.last = found.offset;
        self.end = found.end;
    }

    fn push(&mut self, found: &Found, generation: u64) {
        let record = &found.record;
        let len = found.end - found.offset;
        let ascends = self.entries.last().is_none_or(|last| last.uid < record.uid);
        // Unreachable with our own writer: a uid that went down would be one given out twice.
        if !ascends || record.uid == u64::MAX {
            self.gap(found.offset, len, "a uid is used twice");
            return;
        }
        let Some(mut entry) = Entry::of(found) else {
            self.gap(
                found.offset,
                len,
                "a message is larger than the format allows",
            );
            self.next_uid = self.next_uid.max(record.uid + 1);
            return;
        };
        if let Some(name) = foreign_name(found, generation)
            // Two messages of one name would be one message to every client.
            && self.taken.insert(hash(&name))
        {
            self.names.insert(record.uid, name);
            entry.place |= NAMED;
        }
        self.live += 1;
        self.octets += u64::from(entry.octets);
        self.live_space += entry.space();
        self.entries.push(entry);
        self.next_uid = self.next_uid.max(record.uid + 1);
    }

    fn range(&mut self, first: u64, last: u64) -> &mut [Entry] {
        let from = self.entries.partition_point(|entry| entry.uid < first);
        let to = self.entries.partition_point(|entry| entry.uid <= last);
        &mut self.entries[from..to.max(from)]
    }

    fn delete(&mut self, (first, last): (u64, u64), at_us: i64) {
        let mut graves = std::mem::take(&mut self.graves);
        let before = graves.len();
        for entry in self.range(first, last) {
            if !entry.is_dead() {
                graves.push(Grave::new(*entry, at_us));
                entry.place |= DEAD;
            }
        }
        for grave in &graves[before..] {
            self.live -= 1;
            self.octets -= u64::from(grave.entry.octets);
            self.live_space -= grave.entry.space();
        }
        self.dead += graves.len() - before;
        self.graves = graves;
    }

    fn undelete(&mut self, ranges: &[(u64, u64)], at_us: i64) {
        let named = |uid: u64| {
            let after = ranges.partition_point(|&(first, _)| first <= uid);
            after > 0 && uid <= ranges[after - 1].1
        };
        let (risen, graves): (Vec<_>, Vec<_>) = std::mem::take(&mut self.graves)
            .into_iter()
            .partition(|grave| named(grave.entry.uid));
        self.graves = graves;
        let packed = self.entries.len();
        for Grave { entry, .. } in risen {
            self.risen.insert(entry.uid, at_us);
            self.live += 1;
            self.octets += u64::from(entry.octets);
            self.live_space += entry.space();
            match self.entries[..packed].binary_search_by_key(&entry.uid, |it| it.uid) {
                Ok(place) => {
                    self.entries[place] = entry;
                    self.dead -= 1;
                }
                Err(_) => self.entries.push(entry),
            }
        }
        // Two runs that ascend: cheap.
        self.entries.sort_by_key(|entry| entry.uid);
    }

    /// Drops dead entries when they are the greater part, so that the work is paid for by the
    /// deletions before it.
    pub(crate) fn pack(&mut self) {
        if self.dead > self.entries.len() / 2 {
            self.entries.retain(|entry| !entry.is_dead());
            self.entries.shrink_to(2 * self.entries.len());
            self.dead = 0;
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
        let ends_in_gap = |gap: &Gap| gap.offset + gap.len == self.end;
        if len == self.end && self.gaps.last().is_some_and(ends_in_gap) {
            // Nothing that could be looked for.
            return Ok(true);
        }
        if self.last == 0 {
            return Ok(self.end <= HEADER_LEN as u64);
        }
        Ok(match look(file, salt, self.last, len)? {
            At::Record(found) => found.end == self.end,
            At::Nothing(_) => false,
        })
    }

    /// Whether some message of the maildrop has, or had, this unique-id.
    pub(crate) fn is_taken(&self, id: &UniqueId) -> bool {
        self.taken.contains(&hash(id))
    }

    /// Whether a unique-id that hashes to this is used up.
    pub(crate) fn is_hash_taken(&self, hash: u64) -> bool {
        self.taken.contains(&hash)
    }

    /// What the unique-ids from elsewhere hash to.
    pub(crate) fn taken(&self) -> impl ExactSizeIterator<Item = u64> {
        self.taken.iter().copied()
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

    /// The messages that are not deleted, hidden ones included.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.is_dead())
    }

    /// The messages that a session sees.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_listed())
    }

    /// Octets of memory, about.
    pub(crate) fn cost(&self) -> usize {
        size_of::<Self>()
            + self.entries.capacity() * size_of::<Entry>()
            + self.graves.capacity() * size_of::<Grave>()
            + self.names.len() * 160
            + self.risen.len() * 40
            + self.taken.len() * 16
    }

    /// An index out of a sidecar: the living, the dead, and the names.
    pub(crate) fn restored(
        entries: Vec<Entry>,
        graves: Vec<Grave>,
        names: BTreeMap<u64, UniqueId>,
        taken: HashSet<u64>,
    ) -> Self {
        Self {
            live: entries.len() as u64,
            octets: entries.iter().map(|entry| u64::from(entry.octets)).sum(),
            live_space: entries.iter().map(Entry::space).sum(),
            entries,
            graves,
            names,
            taken,
            ..Self::default()
        }
    }
}

/// The unique-id that a record brings along: imported, made by a template, or of an older life.
pub(crate) fn foreign_name(found: &Found, generation: u64) -> Option<UniqueId> {
    found
        .ext(ext::UNIQUE_ID)
        .and_then(UniqueId::new)
        .or_else(|| {
            let older = found.ext(ext::GENERATION).filter(|it| it.len() == 8)?;
            let older = u64_at(older, 0);
            (older != generation).then(|| own(older, found.record.uid))
        })
}

/// What a unique-id hashes to. The key is the same for all files, since the hashes outlive them.
pub(crate) fn hash(id: &UniqueId) -> u64 {
    mac(&[0; 16], &[id.as_bytes()])
}
