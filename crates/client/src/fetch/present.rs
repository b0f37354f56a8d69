//! What of all that was delivered is still where it was.

use std::collections::HashSet;

use super::report::{Event, FetchError};
use super::{Destinations, Job, name_of, writer};
use crate::ledger::{Entry, Fate, Ledger};

/// So many messages that were delivered and are all gone were rather moved than deleted, or their disk is not there.
const ALL_GONE_MIN: usize = 5;

/// The names of the messages that are still where they were delivered; none if nothing follows from that.
pub(super) fn present(
    job: &Job,
    destinations: &mut Destinations,
    ledger: &Ledger,
    tell: &mut (dyn FnMut(Event) + Send),
) -> Result<Option<HashSet<String>>, FetchError> {
    let delivered = |entry: &Entry| entry.fate == Fate::Delivered && entry.absent.is_none();
    let delivered = ledger.iter().filter(|(_, entry)| delivered(entry));
    let names: Vec<String> = delivered
        .map(|(key, _)| name_of(&job.identity, key))
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let mut all = HashSet::new();
    for destination in destinations {
        let name = destination.name().to_owned();
        match destination.present() {
            Some(present) => {
                all.extend(present.map_err(|failed| writer::failure(&name, failed))?);
            }
            None => {
                return Err(FetchError::Destination {
                    destination: name,
                    why: "nobody can know what was deleted there, so `keep` cannot be \"until-deleted\""
                        .into(),
                    may_pass: false,
                });
            }
        }
    }
    if names.len() >= ALL_GONE_MIN && !names.iter().any(|name| all.contains(name)) {
        tell(Event::Note(format!(
            "none of the {} messages that were fetched is where it was delivered; so nothing is deleted from the server",
            names.len()
        )));
        return Ok(None);
    }
    Ok(Some(all))
}
