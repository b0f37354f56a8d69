//! What a restored maildrop consists of.
//!
//! A message is known by its unique-id as shown. What the maildrop has now keeps its uid; what
//! only the backup has keeps its own if that is free, and gets a new one otherwise. A text that is
//! damaged in one place is taken from another that has it whole.

use std::collections::{BTreeMap, HashMap};
use std::io;

use pop3::UniqueId;

use super::Restored;
use crate::native::fresh::{Copied, Fresh};
use crate::native::index::Entry;
use crate::native::media::File;
use crate::native::now_us;
use crate::native::source::Source;
use crate::native::verify::Damage;

/// A message of the new file.
struct Item {
    /// Which files have it, the best first, and where.
    places: Vec<(Place, Entry)>,
    /// When it was deleted, if it is only there to be brought back.
    deleted_us: Option<i64>,
}

/// One of the files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// The maildrop's own.
    Current,
    /// A copy, by its position.
    Copy(usize),
}

/// What the new file will hold.
pub(super) struct Merge<'s, F, G> {
    current: Option<&'s Source<'s, F>>,
    copies: &'s [Source<'s, G>],
    /// By uid.
    items: BTreeMap<u64, Item>,
    /// No uid below this one was ever given out.
    pub(super) next_uid: u64,
    brought_back: u64,
    renumbered: u64,
}

impl<'s, F: File, G: File> Merge<'s, F, G> {
    /// `copies` are the newest first. What was deleted here after `cut_us` stays deleted, and can
    /// still be brought back.
    pub(super) fn new(
        current: Option<&'s Source<'s, F>>,
        copies: &'s [Source<'s, G>],
        cut_us: i64,
    ) -> Self {
        let next_uids = copies.iter().map(|copy| copy.index.next_uid);
        let mut merge = Self {
            current,
            copies,
            items: BTreeMap::new(),
            next_uid: next_uids
                .chain(current.map(|it| it.index.next_uid))
                .fold(1, u64::max),
            brought_back: 0,
            renumbered: 0,
        };
        let mut uids = HashMap::new();
        if let Some(current) = current {
            for entry in current.index.alive() {
                uids.insert(current.unique_id(entry), entry.uid);
                merge.put(entry.uid, Place::Current, *entry, None);
            }
        }
        for (position, copy) in copies.iter().enumerate() {
            // An older copy only helps out where the newest one cannot be read.
            let only_helps = position > 0 && copies[0].index.gaps.is_empty();
            for entry in copy.index.alive() {
                let place = Place::Copy(position);
                let unique_id = copy.unique_id(entry);
                let item = uids
                    .get(&unique_id)
                    .and_then(|uid| merge.items.get_mut(uid));
                if let Some(item) = item {
                    item.places.push((place, *entry));
                } else if !only_helps {
                    uids.insert(unique_id, merge.bring_back(place, *entry));
                }
            }
        }
        let graves = current.iter().flat_map(|it| &it.index.graves);
        for grave in graves.filter(|grave| grave.deleted_us > cut_us) {
            let unique_id = current.map(|it| it.unique_id(&grave.entry));
            let is_back = unique_id.is_some_and(|unique_id| uids.contains_key(&unique_id));
            // A uid that the backup uses for something else is not worth a new number.
            if !is_back && !merge.items.contains_key(&grave.entry.uid) {
                let deleted_us = Some(grave.deleted_us);
                merge.put(grave.entry.uid, Place::Current, grave.entry, deleted_us);
            }
        }
        merge
    }

    fn put(&mut self, uid: u64, place: Place, entry: Entry, deleted_us: Option<i64>) {
        let places = vec![(place, entry)];
        self.items.insert(uid, Item { places, deleted_us });
    }

    /// Adds a message that the maildrop has not; returns its uid from now on.
    fn bring_back(&mut self, place: Place, entry: Entry) -> u64 {
        let uid = match self.items.contains_key(&entry.uid) {
            false => entry.uid,
            true => {
                self.renumbered += 1;
                let uid = self.next_uid;
                // Only a file that somebody made on purpose gets near the end.
                self.next_uid = uid.saturating_add(1);
                uid
            }
        };
        self.brought_back += 1;
        self.put(uid, place, entry, None);
        uid
    }

    /// What can be said before anything is read.
    pub(super) fn count(&self, done: &mut Restored) {
        let alive = self.items.values().filter(|item| item.deleted_us.is_none());
        done.messages = alive.count() as u64;
        done.brought_back = self.brought_back;
        done.renumbered = self.renumbered;
    }

    fn unique_id(&self, place: Place, entry: &Entry) -> Option<UniqueId> {
        match place {
            Place::Current => Some(self.current?.unique_id(entry)),
            Place::Copy(position) => Some(self.copies[position].unique_id(entry)),
        }
    }

    /// Writes everything, and corrects what `count` said by what turns out to be damaged.
    pub(super) fn write<H: File>(
        &self,
        fresh: &mut Fresh<H>,
        done: &mut Restored,
    ) -> io::Result<()> {
        let mut hidden = Vec::new();
        let mut buried: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (&uid, item) in &self.items {
            let written = self.write_one(uid, item, fresh)?;
            let (first, entry) = &item.places[0];
            if written.is_some() && entry.is_hidden() {
                hidden.push(uid);
            }
            match (written, item.deleted_us) {
                (Some(_), Some(deleted_us)) => buried.entry(deleted_us).or_default().push(uid),
                // Its space was given back already, or nobody could bring it back anyway.
                (None, Some(_)) => {}
                (None, None) => {
                    done.messages -= 1;
                    done.brought_back -= u64::from(*first != Place::Current);
                    let unique_id = self.unique_id(*first, entry);
                    let unique_id = unique_id.map_or_else(String::new, |id| id.to_string());
                    done.damages.push(Damage {
                        offset: entry.offset(),
                        uid: Some(entry.uid),
                        what: format!("message {unique_id} is damaged"),
                    });
                }
                (Some(place), None) => {
                    // It was there, but nobody could read it.
                    let mended = *first == Place::Current && place != Place::Current;
                    done.brought_back += u64::from(mended);
                }
            }
        }
        if !hidden.is_empty() {
            // Before anything is dead: what comes back is as it was when it was deleted.
            fresh.hide(&hidden)?;
        }
        for (deleted_us, uids) in buried {
            fresh.delete(&uids, deleted_us)?;
        }
        let copies = self.copies.iter().flat_map(|copy| copy.index.taken());
        let taken = self.current.into_iter().flat_map(|it| it.index.taken());
        let all: std::collections::BTreeSet<u64> = taken.chain(copies).collect();
        fresh.gone(all.into_iter())
    }

    /// Copies a message from the first place that has it whole.
    fn write_one<H: File>(
        &self,
        uid: u64,
        item: &Item,
        fresh: &mut Fresh<H>,
    ) -> io::Result<Option<Place>> {
        // Or the next sweep would take away what has just been brought back.
        let risen = (item.places[0].0 != Place::Current).then(now_us);
        for &(place, entry) in &item.places {
            let copied = match (place, self.current) {
                (Place::Current, Some(current)) => current.copy(&entry, uid, risen, fresh)?,
                (Place::Current, None) => Copied::Damaged,
                (Place::Copy(position), _) => {
                    self.copies[position].copy(&entry, uid, risen, fresh)?
                }
            };
            if copied == Copied::Whole {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}
