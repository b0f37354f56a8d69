//! Which of another server's messages are retrieved.
//!
//! Not those whose unique-id a message here has, nor those whose unique-id one had that was deleted since:
//! its owner did not want it any more. What has come in before under other unique-ids (with `--unique-ids
//! new`, or into a store that keeps none) is known by its octets only, when it has been retrieved once more.

use std::collections::{HashMap, HashSet};

use client::{Listing, TEXT_OCTETS_MAX};
use maildrop::{Maildrops, Quota};
use pop3::{MessageNumber, Octets, UniqueId};

use super::present::{self, Print};
use crate::failure::Failure;
use crate::maildrop::{Owned, store, unique_ids};
use crate::output::{count, note};

/// What an import does with a listing.
#[derive(Default)]
pub(super) struct Wanted {
    /// What is to be retrieved, in this order.
    pub(super) messages: Vec<(MessageNumber, Octets)>,
    /// Whether behind them comes one that is larger than the account may hold: there the import stops.
    pub(super) is_cut: bool,
    /// The unique-ids of messages that are there and that the server does not name, by what they are.
    pub(super) strays: HashMap<Print, Vec<UniqueId>>,
    /// How many are there already, by their unique-ids.
    pub(super) skipped: u64,
    /// How many were there and have been deleted.
    pub(super) deleted: u64,
    /// How many can never be there.
    pub(super) left_out: u64,
}

impl Wanted {
    /// Looks at what is there already. `ids` are the unique-ids that the messages shall have, if they shall
    /// not be new.
    ///
    /// # Errors
    ///
    /// When the maildrop is in use or cannot be read.
    pub(super) fn of(
        listing: &Listing,
        ids: Option<&[UniqueId]>,
        maildrops: &Maildrops,
        owned: &Owned,
        quota: Quota,
    ) -> Result<Self, Failure> {
        let mut wanted = Self {
            messages: listing.numbered(),
            ..Self::default()
        };
        match ids {
            None => wanted.strays = present::by_print(maildrops, owned, |_| true)?,
            Some(ids) => wanted.leave_known(ids, maildrops, owned)?,
        }
        wanted.leave_endless();
        // What is there already takes up its own room.
        let held = match wanted.strays.is_empty() {
            true => {
                maildrops
                    .summary(owned.id)
                    .map_err(|error| store(&error))?
                    .octets
            }
            false => 0,
        };
        wanted.cut(quota, held);
        Ok(wanted)
    }

    /// Leaves out what has come in before, and is there or was.
    fn leave_known(
        &mut self,
        ids: &[UniqueId],
        maildrops: &Maildrops,
        owned: &Owned,
    ) -> Result<(), Failure> {
        let present = unique_ids(maildrops, owned.id, &owned.name())?;
        let spent = maildrops
            .spent(owned.id, ids)
            .map_err(|error| store(&error))?;
        let is_present = |number: MessageNumber| present.contains(&ids[number.index()]);
        let is_spent = |number: MessageNumber| spent.contains(&ids[number.index()]);
        let last_present = (self.messages.iter()).rposition(|(number, _)| is_present(*number));
        let all = self.messages.len();
        self.messages.retain(|(number, _)| !is_present(*number));
        let absent = self.messages.len();
        self.messages.retain(|(number, _)| !is_spent(*number));
        self.skipped = (all - absent) as u64;
        self.deleted = (absent - self.messages.len()) as u64;
        if let (Some(last), Some((first, _))) = (last_present, self.messages.first())
            && first.index() < last
        {
            note!(
                "message {first} is before some that are in the maildrop of {} already, and comes behind them now",
                owned.name()
            );
        }
        let named: HashSet<&UniqueId> = ids.iter().collect();
        let is_stray = |id: &UniqueId| !named.contains(id);
        if !self.messages.is_empty() && present.iter().any(is_stray) {
            self.strays = present::by_print(maildrops, owned, is_stray)?;
        }
        Ok(())
    }

    /// Leaves out what no maildrop can hold, before it is asked for: who lists it may send it without end.
    fn leave_endless(&mut self) {
        let all = self.messages.len();
        self.messages.retain(|(number, listed)| {
            let can_be = *listed <= TEXT_OCTETS_MAX;
            if !can_be {
                note!(
                    "message {number}: LIST says {} octets, and no message has more than {}; left out",
                    listed.0,
                    TEXT_OCTETS_MAX.0
                );
            }
            can_be
        });
        self.left_out = (all - self.messages.len()) as u64;
    }

    /// Stops before what the account may not hold, which nobody need send.
    fn cut(&mut self, quota: Quota, held: u64) {
        let Some(room) = quota.octets.map(|most| most.saturating_sub(held)) else {
            return;
        };
        if let Some(place) = (self.messages.iter()).position(|(_, listed)| listed.0 > room) {
            let (number, listed) = self.messages[place];
            note!(
                "message {number} has {} by LIST, and the account may hold {} more",
                count(listed.0, "octet", "octets"),
                room
            );
            self.messages.truncate(place);
            self.is_cut = true;
        }
    }
}
