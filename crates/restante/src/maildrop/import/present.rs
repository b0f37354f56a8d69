//! What a maildrop holds already, so that an import that is run again goes on where it stopped.

use std::collections::HashMap;

use maildrop::Maildrops;
use pop3::{MessageNumber, UniqueId};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::maildrop::{Owned, bar, open, read};

/// What tells a message from every other: the SHA-256 of its stored form.
pub(super) type Print = [u8; 32];

/// Takes one of these unique-ids, the wanted one if it is among them.
pub(super) fn take(ids: &mut Vec<UniqueId>, wanted: Option<&UniqueId>) -> Option<UniqueId> {
    let place = wanted.and_then(|wanted| ids.iter().position(|id| id == wanted));
    match place {
        Some(place) => Some(ids.swap_remove(place)),
        None => ids.pop(),
    }
}

/// The unique-ids under which the maildrop holds each message, of those whose unique-id `counts`. A maildrop that has
/// none is not opened, so that an import into a fresh account disturbs nobody.
pub(super) fn by_print(
    maildrops: &Maildrops,
    owned: &Owned,
    counts: impl Fn(&UniqueId) -> bool,
) -> Result<HashMap<Print, Vec<UniqueId>>, Failure> {
    let mut present: HashMap<Print, Vec<UniqueId>> = HashMap::new();
    let open = open(maildrops, owned)?;
    let listing = open.listing();
    let numbered = (0..listing.len())
        .filter_map(MessageNumber::from_index)
        .filter_map(|number| Some((number, listing.unique_id(number)?)))
        .filter(|(_, id)| counts(id));
    let numbered: Vec<_> = numbered.collect();
    let bar = bar(
        numbered.len() as u64,
        "{bar:30} {pos}/{len} messages that are there already",
    );
    for (number, id) in numbered {
        let mut hash = Sha256::new();
        read(&open, number, |stored| {
            hash.update(stored);
            Ok(())
        })?;
        present.entry(hash.finalize().into()).or_default().push(id);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(present)
}
