//! Messages that have the unique-id of another one.
//!
//! A server may give a unique-id again once its message is deleted (RFC 1939 §7), and some do so at once: those whose unique-ids are the
//! message-numbers. A ledger that believes them counts new mail as fetched, and deletes what nobody has seen. So where a unique-id was
//! away meanwhile, or LIST says another size than when its message was fetched, the header is looked at, and what is another message
//! gets a key of what it holds.

use std::collections::{HashMap, HashSet};

use pop3::{MessageNumber, Octets};
use sha2::{Digest as _, Sha256};

use super::identify::{Headers, numbered, short};
use super::report::FetchError;
use super::rule::Rule;
use crate::connect::Maildrop;
use crate::ledger::{Contents, Entry, Fate, Key, Print};
use crate::listing::Listing;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    /// How many messages had the unique-id of another one.
    pub(super) number: usize,
    /// Messages that are perhaps none of those that were fetched. They are not deleted.
    pub(super) unsure: HashSet<MessageNumber>,
    /// What the ledger says of messages from now on.
    pub(super) records: Vec<(Key, Entry)>,
}

/// What is to be said of a key that the ledger knows.
enum Question {
    /// The same message, with another size.
    Resized,
    /// It was not listed before this session.
    Returned,
}

/// Looks for strangers, and gives them other keys.
pub(super) async fn find(
    maildrop: &mut Maildrop,
    listing: &Listing,
    keys: &mut [Option<Key>],
    ledger: &Contents,
    rules: &[Rule],
    headers: &mut Headers,
) -> Result<Strangers, FetchError> {
    let mut questions = Vec::new();
    for (number, key) in numbered(keys) {
        let octets = listing.sizes.get(number.index()).copied();
        let octets = octets.unwrap_or_default();
        let question = (key.as_ref()).and_then(|key| question(key, ledger.get(key), octets));
        if let Some(question) = question {
            questions.push((number, octets, question));
        }
    }
    let mut found = Strangers {
        records: shared(listing, keys, ledger, headers),
        ..Strangers::default()
    };
    if questions.is_empty() {
        return Ok(found);
    }
    let numbers = questions.iter().map(|(number, ..)| *number);
    headers.ask(maildrop, rules, numbers).await?;
    let mut strange = Vec::new();
    for (number, octets, question) in questions {
        let key = keys[number.index()].as_ref();
        let Some((key, &entry)) = key.and_then(|key| Some((key, ledger.get(key)?))) else {
            continue;
        };
        let print = headers.of(number).map(|seen| seen.print);
        let is_same =
            matches!((print, entry.print), (Some(Some(print)), Some(known)) if print == known);
        match (question, print) {
            // From now on it has this size. Some servers write into a header when they are asked for the unique-ids.
            (Question::Resized, Some(_)) if is_same => {
                let octets = Some(octets.0);
                found.records.push((key.clone(), Entry { octets, ..entry }));
            }
            (Question::Returned, Some(_))
                if is_same && entry.octets.is_none_or(|it| it == octets.0) => {}
            (Question::Returned, _) if entry.octets.is_none() && entry.print.is_none() => {
                found.unsure.insert(number);
            }
            (Question::Returned, None) if entry.octets == Some(octets.0) => {
                found.unsure.insert(number);
            }
            _ => strange.push((number, octets)),
        }
    }
    found.number = strange.len();
    rename(&strange, keys, ledger, headers, &mut found.records);
    Ok(found)
}

/// What is to be found out of a message, if anything.
fn question(key: &Key, entry: Option<&Entry>, octets: Octets) -> Option<Question> {
    let entry = entry.filter(|entry| entry.fate.is_had())?;
    match (key, entry.absent) {
        (Key::UniqueId(_), Some(_)) => Some(Question::Returned),
        (Key::UniqueId(_), None) => entry
            .octets
            .is_some_and(|known| known != octets.0)
            .then_some(Question::Resized),
        // What has no header to speak of is not known again by it.
        (Key::Content(..), Some(_)) => entry.print.is_none().then_some(Question::Returned),
        (Key::Content(..), None) => None,
    }
}

/// What was fetched and was here the last time, and is not listed under its key: it may be here under another one.
fn moved(ledger: &Contents, listed: &HashSet<&Key>) -> HashMap<(Print, Option<u64>), Vec<Entry>> {
    let mut moved: HashMap<_, Vec<Entry>> = HashMap::new();
    for (key, entry) in ledger.iter() {
        let is_away = entry.fate.is_had() && entry.absent.is_none() && !listed.contains(key);
        if let (Some(print), true) = (entry.print, is_away) {
            moved.entry((print, entry.octets)).or_default().push(*entry);
        }
    }
    moved
}

/// Messages that are known by what they hold now, since another one has their unique-id as well or it cannot be read any more, and that
/// the ledger knows under it.
fn shared(
    listing: &Listing,
    keys: &[Option<Key>],
    ledger: &Contents,
    headers: &Headers,
) -> Vec<(Key, Entry)> {
    let is_open = |key: &Key| matches!(key, Key::Content(..)) && ledger.get(key).is_none();
    let named = || numbered(keys).filter_map(|(number, key)| Some((number, key.as_ref()?)));
    if !named().any(|(_, key)| is_open(key)) {
        return Vec::new();
    }
    let mut moved = moved(ledger, &named().map(|(_, key)| key).collect());
    let mut records = Vec::new();
    for (number, key) in named().filter(|(_, key)| is_open(key)) {
        let print = headers.of(number).and_then(|seen| seen.print);
        let octets = listing.sizes.get(number.index()).map(|octets| octets.0);
        let known = print.and_then(|print| moved.get_mut(&(print, octets))?.pop());
        if let Some(entry) = known {
            let fate = Fate::Seen;
            records.push((key.clone(), Entry { fate, ..entry }));
        }
    }
    records
}

/// Gives messages keys of what they hold. Those that the ledger knows under the unique-id that they had before stay known.
fn rename(
    strange: &[(MessageNumber, Octets)],
    keys: &mut [Option<Key>],
    ledger: &Contents,
    headers: &Headers,
    records: &mut Vec<(Key, Entry)>,
) {
    let are_strange: HashSet<_> = strange.iter().map(|(number, _)| *number).collect();
    let listed: HashSet<&Key> = numbered(keys)
        .filter(|(number, _)| !are_strange.contains(number))
        .filter_map(|(_, key)| key.as_ref())
        .collect();
    let mut moved = moved(ledger, &listed);
    let mut taken: HashSet<Key> = listed.into_iter().cloned().collect();
    for &(number, octets) in strange {
        let place = number.index();
        let seen = headers.of(number);
        let hash = match (seen, &keys[place]) {
            (Some(seen), _) => seen.hash.clone(),
            (None, Some(key)) => short(&Sha256::digest(key.to_string()).into()),
            (None, None) => continue,
        };
        let print = format!("{hash}-{}", octets.0);
        let has_header = seen.is_some_and(|seen| seen.print.is_some());
        let key = (1..).map(|it| Key::content(&print, it)).find(|key| {
            let is_gone = ledger.get(key).is_some_and(|entry| entry.absent.is_some());
            !taken.contains(key) && (has_header || !is_gone)
        });
        let Some(key) = key else {
            continue;
        };
        taken.insert(key.clone());
        let print = seen.and_then(|seen| seen.print);
        let known = print.and_then(|print| moved.get_mut(&(print, Some(octets.0)))?.pop());
        if let (Some(entry), None) = (known, ledger.get(&key)) {
            // Its file has another name, by which nobody will find it.
            let fate = Fate::Seen;
            records.push((key.clone(), Entry { fate, ..entry }));
        }
        keys[place] = Some(key);
    }
}
