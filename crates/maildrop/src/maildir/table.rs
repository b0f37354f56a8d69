//! Finding a name among a hundred thousand that lie one after the other in one piece of memory.

use std::hash::{BuildHasher, RandomState};

/// The places of names in a list that somebody else keeps.
///
/// A map that had the names would ask for memory for each of them, and that costs more than to find them. Whoever
/// sends mail has a say in the names, so they are hashed with a key that nobody knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    hasher: RandomState,
    /// A power of two, at most half of them taken. A name is at the slot of its hash, or in one of those that
    /// follow up to the next free one.
    slots: Vec<Slot>,
    taken: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// One more than the place; 0: free.
    place: u32,
}

impl Table {
    /// With room for so many names.
    pub(super) fn with_capacity(names: usize) -> Self {
        let mut table = Self::default();
        table.grow(names * 2);
        table
    }

    /// Where a name is; `name_at` says which one is at a place.
    pub(super) fn find<'n>(
        &self,
        name: &[u8],
        name_at: impl Fn(usize) -> &'n [u8],
    ) -> Option<usize> {
        let slot = self
            .slots
            .get(self.slot_of(self.hash(name), name, name_at)?)?;
        slot.place.checked_sub(1).map(|place| place as usize)
    }

    /// Notes where a name is. Returns where it was before.
    pub(super) fn insert<'n>(
        &mut self,
        name: &[u8],
        place: usize,
        name_at: impl Fn(usize) -> &'n [u8],
    ) -> Option<usize> {
        if self.slots.len() <= self.taken * 2 {
            self.grow(self.slots.len() * 2);
        }
        let hash = self.hash(name);
        let place = u32::try_from(place + 1).expect("no list has 2^32 lines");
        let at = self.slot_of(hash, name, name_at)?;
        let before = std::mem::replace(&mut self.slots[at], Slot { hash, place });
        if before.place == 0 {
            self.taken += 1;
        }
        before.place.checked_sub(1).map(|place| place as usize)
    }

    /// The slot of a name, or the free one where it would be; none, if there are no slots.
    fn slot_of<'n>(
        &self,
        hash: u32,
        name: &[u8],
        name_at: impl Fn(usize) -> &'n [u8],
    ) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            let is_it = || slot.hash == hash && name_at(slot.place as usize - 1) == name;
            if slot.place == 0 || is_it() {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    fn hash(&self, name: &[u8]) -> u32 {
        self.hasher.hash_one(name) as u32
    }

    /// Makes so many slots, or a few more.
    fn grow(&mut self, slots: usize) {
        let size = slots.next_power_of_two().max(SLOTS_MIN);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        for slot in old.into_iter().filter(|slot| slot.place > 0) {
            let mut at = slot.hash as usize & (size - 1);
            while self.slots[at].place > 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

const SLOTS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_where_it_was_last_put(
            names in proptest::collection::vec("[a-c]{0,3}", 0..200),
            expected in 0_usize..50,
        ) {
            let name_at = |place: usize| names[place].as_bytes();
            let (mut table, mut model) = (Table::with_capacity(expected), HashMap::new());
            for (place, name) in names.iter().enumerate() {
                let before = table.insert(name.as_bytes(), place, name_at);
                prop_assert_eq!(before, model.insert(name, place));
            }
            for (name, &place) in &model {
                prop_assert_eq!(table.find(name.as_bytes(), name_at), Some(place));
            }
            prop_assert_eq!(table.find(b"d", name_at), None);
        }
    }

    #[test]
    fn an_empty_table_has_nothing() {
        assert_eq!(Table::default().find(b"a", |_| b"a"), None);
    }
}
