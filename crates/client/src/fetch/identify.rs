//! What messages are known by: their keys, and what they hold where a key is no help.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use pop3::client::ForeignId;
use pop3::{MessageNumber, Octets};
use sha2::{Digest as _, Sha256};

use super::recognise::recognise;
use super::report::FetchError;
use super::rule::{Action, Rule, action};
use super::stranger;
use crate::connect::Maildrop;
use crate::dated;
use crate::destination::header_of;
use crate::hex::Hex;
use crate::ledger::{Contents, Entry, Key, Ledger, Print};
use crate::listing::{Listing, UniqueIds};
use crate::retrieve::{Arrival, HEADER_OCTETS_MAX, Step};

/// What messages are known by, as a session that fetches would have it.
#[derive(Debug)]
pub struct Identified {
    /// The key of each message, in the order of the message-numbers; none: it has no unique-id of its own, and its header is not shown.
    pub keys: Vec<Option<Key>>,
    /// What a ledger says otherwise from now on.
    pub records: Vec<(Key, Entry)>,
}

/// About so many messages show whether headers are shown.
const PROBES: usize = 4;

impl Listing {
    /// What each message is known by, where the ledger says this. Where the server gives no unique-ids, one to several messages, or
    /// one that was another message's, headers are asked for.
    ///
    /// # Errors
    ///
    /// When the connection fails.
    pub async fn identify(
        &self,
        maildrop: &mut Maildrop,
        known: Option<&Contents>,
    ) -> Result<Identified, FetchError> {
        let mut headers = Headers::default();
        let mut keys = keys(maildrop, self, &[], &mut headers).await?;
        let records = match known {
            Some(known) => {
                let found = stranger::find(maildrop, self, &mut keys, known, &[], &mut headers);
                found.await?.records
            }
            None => Vec::new(),
        };
        Ok(Identified { keys, records })
    }

    /// A key for each message: those that have none get one that means nothing in another session.
    ///
    /// # Errors
    ///
    /// [`FetchError::Nameless`] where the server knows neither unique-ids nor headers: that is no matter of single messages.
    pub fn stand_ins(&self, keys: &[Option<Key>]) -> Result<Vec<Key>, FetchError> {
        let knows_neither = matches!(self.unique_ids, UniqueIds::Refused(_));
        if knows_neither && !keys.is_empty() && keys.iter().all(Option::is_none) {
            return Err(FetchError::Nameless);
        }
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        let session = at.unwrap_or_default().as_nanos();
        let mut place = 0;
        let stand_in = |key: &Option<Key>| {
            key.clone().unwrap_or_else(|| {
                place += 1;
                Key::content(&format!("unknown-{session:x}"), place)
            })
        };
        Ok(keys.iter().map(stand_in).collect())
    }

    /// Records messages under their `keys` that the ledger knows under others, if it knows none of these: the server has given new
    /// unique-ids. Says how many. What is recorded of one message alone would hide that from the next session, so whoever does that
    /// calls this before.
    ///
    /// # Errors
    ///
    /// When the connection fails, or it is another maildrop.
    pub async fn recognise(
        &self,
        maildrop: &mut Maildrop,
        keys: &[Key],
        ledger: &mut Ledger,
    ) -> Result<usize, FetchError> {
        let mut headers = Headers::default();
        recognise(maildrop, self, keys, ledger, false, &[], &mut headers).await
    }
}

/// The headers that were asked for, by message-number.
#[derive(Default)]
pub(super) struct Headers(HashMap<MessageNumber, Seen>);

/// What of a header is kept.
pub(super) struct Seen {
    /// The SHA-256 of all of it.
    pub(super) hash: String,
    pub(super) print: Option<Print>,
    /// When the message came in.
    pub(super) received: Option<SystemTime>,
    pub(super) action: Action,
}

impl Headers {
    pub(super) fn of(&self, number: MessageNumber) -> Option<&Seen> {
        self.0.get(&number)
    }

    /// Whether the server shows headers at all. One that is asked for a thousand that it refuses may hang up, so of many messages a few
    /// are asked for first: of these no one may be damaged.
    pub(super) async fn are_shown(
        &mut self,
        maildrop: &mut Maildrop,
        rules: &[Rule],
        numbers: &[MessageNumber],
    ) -> Result<bool, FetchError> {
        let step = (numbers.len() / PROBES).max(1);
        for &number in numbers.iter().rev().step_by(step) {
            self.ask(maildrop, rules, [number]).await?;
            if self.of(number).is_some() {
                return Ok(true);
            }
        }
        Ok(numbers.is_empty())
    }

    /// Asks again for those of these messages, one at a time, so that no other's header can come in its place. A server that answers
    /// out of order is not found out by headers, whose size nobody says before.
    pub(super) async fn ask_again(
        &mut self,
        maildrop: &mut Maildrop,
        rules: &[Rule],
        numbers: &[MessageNumber],
    ) -> Result<(), FetchError> {
        if !maildrop.pipelines() {
            return Ok(());
        }
        for number in numbers {
            self.0.remove(number);
            self.ask(maildrop, rules, [*number]).await?;
        }
        Ok(())
    }

    /// Asks for those of these messages that were not asked for yet.
    pub(super) async fn ask(
        &mut self,
        maildrop: &mut Maildrop,
        rules: &[Rule],
        numbers: impl IntoIterator<Item = MessageNumber>,
    ) -> Result<(), FetchError> {
        let wanted: Vec<_> = (numbers.into_iter())
            .filter(|number| !self.0.contains_key(number))
            .collect();
        let mut retrieval = maildrop.headers(&wanted);
        let mut text = Vec::new();
        loop {
            match retrieval.step().await? {
                Step::Piece(piece) => {
                    let room = HEADER_OCTETS_MAX - text.len();
                    text.extend_from_slice(&piece[..piece.len().min(room)]);
                }
                Step::Ended(retrieved) => {
                    if let Arrival::AsListed = retrieved.arrival {
                        let header = header_of(&text);
                        let seen = Seen {
                            hash: short(&Sha256::digest(header).into()),
                            print: Print::of(header),
                            received: dated::received(header, SystemTime::now()),
                            action: action(rules, header).clone(),
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

/// So much of a hash as a key has.
pub(super) fn short(hash: &[u8; 32]) -> String {
    Hex(&hash[..16]).to_string()
}

/// Things in the order of the messages, with their numbers.
pub(super) fn numbered<T>(things: &[T]) -> impl Iterator<Item = (MessageNumber, &T)> {
    (0..).map_while(MessageNumber::from_index).zip(things)
}

/// What each message is known by: its unique-id, or what it holds if the server gives none, or one to several. None where that is not
/// shown either.
pub(super) async fn keys(
    maildrop: &mut Maildrop,
    listing: &Listing,
    rules: &[Rule],
    headers: &mut Headers,
) -> Result<Vec<Option<Key>>, FetchError> {
    let ids: Vec<Option<&ForeignId>> = match &listing.unique_ids {
        UniqueIds::Told(ids) => {
            let mut counts: HashMap<&ForeignId, u32> = HashMap::with_capacity(ids.len());
            for id in ids.iter().flatten() {
                *counts.entry(id).or_default() += 1;
            }
            ids.iter()
                .map(|id| id.as_ref().filter(|id| counts[id] == 1))
                .collect()
        }
        UniqueIds::Refused(_) => vec![None; listing.sizes.len()],
    };
    let nameless: Vec<_> = numbered(&ids)
        .filter(|(_, id)| id.is_none())
        .map(|(number, _)| number)
        .collect();
    if headers.are_shown(maildrop, rules, &nameless).await? {
        headers.ask(maildrop, rules, nameless).await?;
    }
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut keys = Vec::with_capacity(ids.len());
    for (number, id) in numbered(&ids) {
        if let Some(id) = id {
            keys.push(Some(Key::UniqueId((*id).clone())));
            continue;
        }
        let octets = listing
            .sizes
            .get(number.index())
            .copied()
            .unwrap_or(Octets(0));
        let Some(seen) = headers.of(number) else {
            keys.push(None);
            continue;
        };
        let print = format!("{}-{}", seen.hash, octets.0);
        let place = places.entry(print.clone()).or_default();
        *place += 1;
        keys.push(Some(Key::content(&print, *place)));
    }
    Ok(keys)
}
