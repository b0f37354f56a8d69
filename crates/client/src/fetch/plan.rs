//! What a session does with what the server lists.

use std::collections::HashSet;
use std::sync::Arc;

use pop3::MessageNumber;

use super::identify::{Headers, keys, numbered};
use super::only::{Had, Only};
use super::recognise::recognise;
use super::report::{FetchError, Planned};
use super::rule::Action;
use super::stranger::{self, Strangers};
use super::{Job, name_of, since, writer};
use crate::connect::Maildrop;
use crate::ledger::{Entry, Fate, Key, Ledger};
use crate::listing::Listing;

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
    /// Messages that nobody could know again. They are neither fetched nor deleted, but by name.
    pub(super) nameless: HashSet<MessageNumber>,
    /// Messages that are left out of this session for what they did to others.
    pub(super) left_out: Vec<MessageNumber>,
    strangers: Strangers,
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
        let mut plan = Self::default();
        let mut keys = keys(maildrop, listing, &job.rules, &mut headers).await?;
        plan.planned.listed = listing.sizes.len();
        let now = writer::now();
        plan.strangers = stranger::find(
            maildrop,
            listing,
            &mut keys,
            ledger,
            &job.rules,
            &mut headers,
        )
        .await?;
        plan.keys = listing.stand_ins(&keys)?;
        let nameless = numbered(&keys).filter(|(_, key)| key.is_none());
        plan.nameless = nameless.map(|(number, _)| number).collect();
        for (key, entry) in plan.strangers.records.drain(..) {
            ledger.record(key, entry);
        }
        plan.recognised = recognise(
            maildrop,
            listing,
            &plan.keys,
            ledger,
            job.takes_foreign,
            &job.rules,
            &mut headers,
        )
        .await?;
        if let Some(only) = &job.only {
            plan.only(job, only, listing, ledger)?;
            return Ok(plan);
        }
        if !job.rules.is_empty() {
            let unknown: Vec<_> = numbered(&plan.keys)
                .filter(|(_, key)| ledger.get(key).is_none_or(is_forgotten))
                .map(|(number, _)| number)
                .collect();
            let numbers = unknown.iter().copied();
            headers.ask(maildrop, &job.rules, numbers).await?;
            let is_deleted =
                |number| matches!(headers.of(number), Some(seen) if seen.action == Action::Delete);
            let doomed: Vec<_> = unknown.into_iter().filter(|&it| is_deleted(it)).collect();
            headers.ask_again(maildrop, &job.rules, &doomed).await?;
        }
        let older = match job.since {
            Some(moment) => {
                let is_open = |key: &Key| ledger.get(key).is_none_or(is_open);
                let open = numbered(&plan.keys).filter(|(_, key)| is_open(key));
                let open = open.map(|(number, _)| number);
                let open: Vec<_> = open.filter(|it| !plan.nameless.contains(it)).collect();
                since::older(moment, &open, maildrop, &job.rules, &mut headers).await?
            }
            None => HashSet::new(),
        };
        let route: Arc<[usize]> = job.route.clone().into();
        let may_delete = job.may_delete(ledger);
        let listed = plan.keys.len();
        // One key twice in one listing was made different above.
        debug_assert_eq!(plan.keys.iter().collect::<HashSet<_>>().len(), listed);
        for (place, key) in plan.keys.iter().enumerate() {
            let Some(number) = MessageNumber::from_index(place) else {
                break;
            };
            let octets = listing.sizes[place];
            if plan.nameless.contains(&number) {
                continue;
            }
            match ledger.get(key).filter(|entry| !is_forgotten(entry)) {
                Some(entry) if entry.fate.is_had() => {
                    let newer = listed - 1 - place;
                    let is_sure = !plan.strangers.unsure.contains(&number);
                    let name = || name_of(&job.identity, key);
                    if may_delete && is_sure && job.keep.is_over(entry, newer, now, name, present) {
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
            if older.contains(&number) {
                plan.planned.older += 1;
                continue;
            }
            let action = headers.of(number).map_or(&Action::Fetch, |it| &it.action);
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
            if job.without.contains(key) {
                plan.left_out.push(number);
                continue;
            }
            plan.planned.fetch.push((number, key.clone(), octets));
            plan.routes.push(route);
        }
        plan.put_last(&job.last);
        Ok(plan)
    }

    /// Messages that may end the session keep no others back so.
    fn put_last(&mut self, last: &HashSet<Key>) {
        if last.is_empty() {
            return;
        }
        let fetch = std::mem::take(&mut self.planned.fetch).into_iter();
        let all = fetch.zip(std::mem::take(&mut self.routes));
        let (behind, before): (Vec<_>, Vec<_>) =
            all.partition(|((_, key, _), _)| last.contains(key));
        (self.planned.fetch, self.routes) = before.into_iter().chain(behind).unzip();
    }

    /// What is listed. Not those of which nobody knows whether they are what they were: they would count as that from the next session on,
    /// and be deleted as such.
    pub(super) fn known_here(&self) -> HashSet<Key> {
        let sure =
            numbered(&self.keys).filter(|(number, _)| !self.strangers.unsure.contains(number));
        sure.map(|(_, key)| key.clone()).collect()
    }

    /// What the owner should know of it.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let recognised = (self.recognised > 0).then(|| {
            format!(
                "the server has given new unique-ids to its messages; {} of them are known by what they hold",
                self.recognised
            )
        });
        let strangers = (self.strangers.number > 0).then(|| {
            format!(
                "the server gives the unique-ids of other messages to {}; these are known by what they hold",
                self.strangers.number
            )
        });
        let unsure = (!self.strangers.unsure.is_empty()).then(|| {
            format!(
                "{} messages have unique-ids of messages that were gone, and nothing shows whether they are the same: they are \
                 neither fetched nor deleted (`restante fetch get` fetches them)",
                self.strangers.unsure.len()
            )
        });
        [recognised, strangers, unsure].into_iter().flatten()
    }

    /// Fetches these, whatever else is known of them, and nothing else.
    fn only(
        &mut self,
        job: &Job,
        only: &Only,
        listing: &Listing,
        ledger: &Ledger,
    ) -> Result<(), FetchError> {
        let route: Arc<[usize]> = job.route.clone().into();
        let mut twice = HashSet::new();
        for wanted in &only.wanted {
            let number = wanted.find(self.keys.iter().map(Some))?;
            let (place, is_new) = (number.index(), twice.insert(number));
            let (Some(key), Some(&octets), true) =
                (self.keys.get(place), listing.sizes.get(place), is_new)
            else {
                continue;
            };
            let delivered = ledger.get(key).filter(|entry| entry.was_fetched());
            match (delivered, only.had) {
                (Some(entry), Had::Left) => {
                    self.planned.had.push((number, key.clone(), entry.at));
                }
                (Some(_), Had::Again) | (None, _) => {
                    self.planned.fetch.push((number, key.clone(), octets));
                    self.routes.push(Arc::clone(&route));
                }
            }
        }
        Ok(())
    }
}

/// What is to be looked at as if nothing were known: it stayed on the server, was away, and is perhaps another message now.
fn is_forgotten(entry: &Entry) -> bool {
    !entry.fate.is_had() && entry.absent.is_some()
}

/// Whether a message that is known may be fetched all the same.
fn is_open(entry: &Entry) -> bool {
    let stays = entry.fate.is_had() || matches!(entry.fate, Fate::Skipped | Fate::Refused);
    is_forgotten(entry) || !stays
}
