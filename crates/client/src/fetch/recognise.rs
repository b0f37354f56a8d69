//! Messages that have new unique-ids, all at once or as another program has written them down.

use std::borrow::Cow;
use std::collections::HashMap;

use super::identify::{Headers, numbered};
use super::report::FetchError;
use super::rule::Rule;
use crate::connect::Maildrop;
use crate::ledger::{Entry, Fate, Key, Ledger};
use crate::listing::Listing;
use crate::moving::Spelling;

/// So many messages whose unique-ids the server once gave, and gives no more, make a maildrop that is another one.
const FOREIGN_MIN: usize = 5;

/// A maildrop of which nothing is known, where something should be, has other unique-ids now, or is another one. What the
/// messages hold tells.
pub(super) async fn recognise(
    maildrop: &mut Maildrop,
    listing: &Listing,
    keys: &[Key],
    ledger: &mut Ledger,
    takes_foreign: bool,
    rules: &[Rule],
    headers: &mut Headers,
) -> Result<usize, FetchError> {
    respell(keys, ledger);
    let mut known: HashMap<_, Vec<Entry>> = HashMap::new();
    let (mut were_here, mut without_print) = (0, 0);
    for (_, entry) in ledger.iter().filter(|(_, entry)| entry.absent.is_none()) {
        were_here += 1;
        without_print += usize::from(entry.print.is_none());
        if let Some(print) = entry.print {
            let alike = known.entry((print, entry.octets)).or_default();
            alike.push(*entry);
        }
    }
    let recurs = keys.iter().any(|key| ledger.get(key).is_some());
    if recurs || were_here == 0 || keys.is_empty() {
        return Ok(0);
    }
    let foreign = || {
        FetchError::Foreign(format!(
            "the server lists {} messages, and none of the {were_here} that it had the last time: it has given them new unique-ids, \
             or it is another maildrop",
            keys.len()
        ))
    };
    // Of those nobody can say whether they are here under other unique-ids.
    let is_doubtful = without_print >= FOREIGN_MIN && !takes_foreign;
    if without_print == were_here {
        return match is_doubtful {
            false => Ok(0),
            true => Err(foreign()),
        };
    }
    let mut recognised = Vec::new();
    let numbers: Vec<_> = numbered(keys).map(|(number, _)| number).collect();
    headers
        .ask(maildrop, rules, numbers.iter().copied())
        .await?;
    for (number, key) in numbers.into_iter().zip(keys) {
        let print = headers.of(number).and_then(|seen| seen.print);
        let octets = listing.sizes.get(number.index()).map(|octets| octets.0);
        // One that was never fetched here has its print alone.
        let mut take = |octets| known.get_mut(&(print?, octets))?.pop();
        // Each stands for one message: of two that are alike, one may be new.
        if let Some(entry) = take(octets).or_else(|| take(None)) {
            // Its file has a name that is made of the old key, by which nobody will find it.
            let fate = match entry.fate {
                Fate::Delivered => Fate::Seen,
                fate => fate,
            };
            recognised.push((key.clone(), Entry { fate, ..entry }));
        }
    }
    if is_doubtful && recognised.len() < keys.len() {
        return Err(foreign());
    }
    let count = recognised.len();
    for (key, entry) in recognised {
        ledger.record(key, entry);
    }
    Ok(count)
}

/// Records messages under their unique-ids that another program has written down otherwise, and that were taken over from it.
fn respell(keys: &[Key], ledger: &mut Ledger) {
    for key in keys {
        let Key::UniqueId(id) = key else {
            continue;
        };
        if ledger.get(key).is_some() {
            continue;
        }
        for spelling in [Spelling::DashForSlash, Spelling::FirstWord] {
            let Cow::Owned(spelled) = spelling.of(id) else {
                continue;
            };
            let known = ledger.get(&Key::UniqueId(spelled)).copied();
            if let Some(entry) = known.filter(|entry| entry.fate == Fate::Seen) {
                ledger.record(key.clone(), entry);
                break;
            }
        }
    }
}
