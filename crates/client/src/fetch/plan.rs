//! What a session does with what the server lists.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pop3::client::ForeignId;
use pop3::{MessageNumber, Octets};
use sha2::{Digest as _, Sha256};

use super::report::{FetchError, Planned};
use super::rule::{Action, action};
use super::{Job, writer};
use crate::connect::Maildrop;
use crate::destination::header_of;
use crate::ledger::{Entry, Fate, Key, Ledger, Print};
use crate::listing::{Listing, UniqueIds};
use crate::retrieve::{Arrival, Step};

/// So many messages whose unique-ids the server once gave, and gives no more, make a maildrop that is another one.
const FOREIGN_MIN: usize = 5;

/// What a session does.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) planned: Planned,
    /// Where each message that is fetched goes, in the order of `planned.fetch`.
    pub(super) routes: Vec<Arc<[usize]>>,
    /// What all messages that are listed are known by, in the order of their numbers.
    pub(super) keys: Vec<Key>,
    /// What is to be noted of messages that are not fetched.
    pub(super) noted: Vec<(Key, Entry)>,
    /// Messages that were known under another unique-id.
    pub(super) recognised: usize,
}

/// The headers that were asked for, by message-number.
#[derive(Default)]
struct Headers(HashMap<MessageNumber, Seen>);

/// What of a header is kept.
struct Seen {
    /// The SHA-256 of all of it.
    hash: String,
    print: Option<Print>,
    action: Action,
}

impl Headers {
    /// Asks for those of these messages that were not asked for yet.
    async fn ask(
        &mut self,
        maildrop: &mut Maildrop,
        job: &Job,
        numbers: impl IntoIterator<Item = MessageNumber>,
    ) -> Result<(), FetchError> {
        let wanted: Vec<_> = (numbers.into_iter())
            .filter(|number| !self.0.contains_key(number))
            .collect();
        let mut retrieval = maildrop.headers(&wanted);
        let mut text = Vec::new();
        loop {
            match retrieval.step().await? {
                Step::Piece(piece) => text.extend_from_slice(piece),
                Step::Ended(retrieved) => {
                    if let Arrival::AsListed = retrieved.arrival {
                        let header = header_of(&text);
                        let seen = Seen {
                            hash: short(&Sha256::digest(header).into()),
                            print: Print::of(header),
                            action: action(&job.rules, header).clone(),
                        };
                        self.0.insert(retrieved.number, seen);
                    }
                    text.clear();
                }
                Step::Deleted(_) | Step::NotDeleted(..) => {}
                Step::Done => return Ok(()),
            }
        }
    }
}

fn short(hash: &[u8; 32]) -> String {
    hash[..16]
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

impl Plan {
    /// Compares what the server lists with what is known. `present` are the names of messages that are still where they were
    /// delivered, if that matters.
    pub(super) async fn make(
        job: &Job,
        maildrop: &mut Maildrop,
        listing: &Listing,
        ledger: &mut Ledger,
        present: Option<&HashSet<String>>,
    ) -> Result<Self, FetchError> {
        let mut headers = Headers::default();
        let mut plan = Self {
            keys: keys(job, maildrop, listing, &mut headers).await?,
            ..Self::default()
        };
        plan.planned.listed = listing.sizes.len();
        let now = writer::now();
        plan.recognise(job, maildrop, listing, ledger, &mut headers)
            .await?;
        if !job.rules.is_empty() {
            let unknown: Vec<_> = plan
                .numbered()
                .filter(|(_, key)| ledger.get(key).is_none())
                .map(|(number, _)| number)
                .collect();
            headers.ask(maildrop, job, unknown).await?;
        }
        let route: Arc<[usize]> = job.route.clone().into();
        let may_delete = job.may_delete(ledger);
        let all = plan.keys.len();
        let mut twice = HashSet::new();
        for (place, key) in plan.keys.iter().enumerate() {
            let Some(number) = MessageNumber::from_index(place) else {
                break;
            };
            let octets = listing.sizes[place];
            let is_again = !twice.insert(key);
            match ledger.get(key) {
                Some(entry) if entry.fate.is_had() => {
                    let newer = all - 1 - place;
                    let name = job.name_of(key);
                    if may_delete && job.keep.is_over(entry, newer, now, &name, present) {
                        plan.planned.delete.push((number, key.clone()));
                    }
                    continue;
                }
                Some(entry) if matches!(entry.fate, Fate::Skipped | Fate::Refused) => {
                    plan.planned.skipped += 1;
                    continue;
                }
                Some(_) | None => {}
            }
            // One key twice in one listing was made different above.
            debug_assert!(!is_again);
            let action = headers
                .0
                .get(&number)
                .map_or(&Action::Fetch, |it| &it.action);
            let route = match action {
                Action::Fetch => Arc::clone(&route),
                Action::Route(route) => route.clone().into(),
                Action::Skip => {
                    plan.planned.skipped += 1;
                    plan.noted
                        .push((key.clone(), Entry::new(Fate::Skipped, now)));
                    continue;
                }
                Action::Delete => {
                    match may_delete {
                        true => plan.planned.delete.push((number, key.clone())),
                        false => plan.planned.skipped += 1,
                    }
                    continue;
                }
            };
            if job.octets_max.is_some_and(|max| octets.0 > max) {
                plan.planned.too_large.push((number, key.clone(), octets));
                let entry = Entry {
                    octets: Some(octets.0),
                    ..Entry::new(Fate::TooLarge, now)
                };
                if ledger.get(key).is_none() {
                    plan.noted.push((key.clone(), entry));
                }
                continue;
            }
            if job
                .count_max
                .is_some_and(|max| plan.planned.fetch.len() >= max)
            {
                plan.planned.later += 1;
                continue;
            }
            plan.planned.fetch.push((number, key.clone(), octets));
            plan.routes.push(route);
        }
        Ok(plan)
    }

    fn numbered(&self) -> impl Iterator<Item = (MessageNumber, &Key)> {
        (0..).map_while(MessageNumber::from_index).zip(&self.keys)
    }

    /// A maildrop of which nothing is known, where something should be, has other unique-ids now, or is another one. What the
    /// messages hold tells.
    async fn recognise(
        &mut self,
        job: &Job,
        maildrop: &mut Maildrop,
        listing: &Listing,
        ledger: &mut Ledger,
        headers: &mut Headers,
    ) -> Result<(), FetchError> {
        let mut known = HashMap::new();
        let (mut were_here, mut have_print) = (0, false);
        for (_, entry) in ledger.iter().filter(|(_, entry)| entry.absent.is_none()) {
            were_here += 1;
            if let Some(print) = entry.print {
                have_print = true;
                known.insert((print, entry.octets), *entry);
            }
        }
        let recurs = self.keys.iter().any(|key| ledger.get(key).is_some());
        if recurs || were_here == 0 || self.keys.is_empty() {
            return Ok(());
        }
        if !have_print {
            return match were_here >= FOREIGN_MIN && !job.takes_foreign {
                false => Ok(()),
                true => Err(FetchError::Foreign(format!(
                    "the server lists {} messages, and none of the {were_here} that it had the last time: it has given them new \
                     unique-ids, or it is another maildrop",
                    self.keys.len()
                ))),
            };
        }
        let numbers: Vec<_> = self.numbered().map(|(number, _)| number).collect();
        headers.ask(maildrop, job, numbers.iter().copied()).await?;
        for (number, key) in numbers.into_iter().zip(&self.keys) {
            let print = headers.0.get(&number).and_then(|seen| seen.print);
            let octets = listing.sizes.get(number.index()).map(|octets| octets.0);
            if let Some(entry) = print.and_then(|print| known.get(&(print, octets))) {
                ledger.record(key.clone(), *entry);
                self.recognised += 1;
            }
        }
        Ok(())
    }
}

/// What each message is known by: its unique-id, or what it holds if the server gives none, or one to several.
async fn keys(
    job: &Job,
    maildrop: &mut Maildrop,
    listing: &Listing,
    headers: &mut Headers,
) -> Result<Vec<Key>, FetchError> {
    let ids: Vec<Option<&ForeignId>> = match &listing.unique_ids {
        UniqueIds::Told(ids) => {
            let mut counts: HashMap<&ForeignId, u32> = HashMap::with_capacity(ids.len());
            for id in ids {
                *counts.entry(id).or_default() += 1;
            }
            ids.iter()
                .map(|id| (counts[id] == 1).then_some(id))
                .collect()
        }
        UniqueIds::Refused(_) => vec![None; listing.sizes.len()],
    };
    let numbered = || (0..).map_while(MessageNumber::from_index).zip(&ids);
    let nameless: Vec<_> = numbered()
        .filter(|(_, id)| id.is_none())
        .map(|(number, _)| number)
        .collect();
    if !nameless.is_empty() {
        headers.ask(maildrop, job, nameless).await?;
    }
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut keys = Vec::with_capacity(ids.len());
    for (number, id) in numbered() {
        if let Some(id) = id {
            keys.push(Key::UniqueId((*id).clone()));
            continue;
        }
        let octets = listing
            .sizes
            .get(number.index())
            .copied()
            .unwrap_or(Octets(0));
        let Some(seen) = headers.0.get(&number) else {
            return Err(FetchError::Foreign(format!(
                "the server has no unique-id of its own for message {number}, and does not show its header (TOP): nobody could know \
                 it again"
            )));
        };
        let print = format!("{}-{}", seen.hash, octets.0);
        let place = places.entry(print.clone()).or_default();
        *place += 1;
        keys.push(Key::content(&print, *place));
    }
    Ok(keys)
}
