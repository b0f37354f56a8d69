//! What messages are known by: their keys, and what they hold where a key is no help.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use pop3::client::ForeignId;
use pop3::{MessageNumber, Octets};
use sha2::{Digest as _, Sha256};

use super::report::FetchError;
use super::rule::{Action, Rule, action};
use crate::connect::Maildrop;
use crate::dated;
use crate::destination::header_of;
use crate::ledger::{Entry, Fate, Key, Ledger, Print};
use crate::listing::{Listing, UniqueIds};
use crate::moving::Spelling;
use crate::retrieve::{Arrival, HEADER_OCTETS_MAX, Step};

/// So many messages whose unique-ids the server once gave, and gives no more, make a maildrop that is another one.
const FOREIGN_MIN: usize = 5;

impl Listing {
    /// What each message is known by in a ledger, in the order of the message-numbers. Where the server gives no unique-ids, or one
    /// to several messages, their headers are asked for.
    ///
    /// # Errors
    ///
    /// When the connection fails, or no message can be told from others.
    pub async fn keys(&self, maildrop: &mut Maildrop) -> Result<Vec<Key>, FetchError> {
        let known = keys(maildrop, self, &[], &mut Headers::default()).await?;
        Ok(known.keys)
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
    hash[..16]
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

/// Things in the order of the messages, with their numbers.
pub(super) fn numbered<T>(things: &[T]) -> impl Iterator<Item = (MessageNumber, &T)> {
    (0..).map_while(MessageNumber::from_index).zip(things)
}

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
    let (mut were_here, mut have_print) = (0, false);
    for (_, entry) in ledger.iter().filter(|(_, entry)| entry.absent.is_none()) {
        were_here += 1;
        if let Some(print) = entry.print {
            have_print = true;
            let alike = known.entry((print, entry.octets)).or_default();
            alike.push(*entry);
        }
    }
    let recurs = keys.iter().any(|key| ledger.get(key).is_some());
    if recurs || were_here == 0 || keys.is_empty() {
        return Ok(0);
    }
    if !have_print {
        return match were_here >= FOREIGN_MIN && !takes_foreign {
            false => Ok(0),
            true => Err(FetchError::Foreign(format!(
                "the server lists {} messages, and none of the {were_here} that it had the last time: it has given them new \
                 unique-ids, or it is another maildrop",
                keys.len()
            ))),
        };
    }
    let mut recognised = 0;
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
            ledger.record(key.clone(), Entry { fate, ..entry });
            recognised += 1;
        }
    }
    Ok(recognised)
}

/// What messages are known by, in the order of their numbers.
pub(super) struct Known {
    pub(super) keys: Vec<Key>,
    /// Those of which nobody could know again what they are. Their keys mean nothing in another session.
    pub(super) nameless: HashSet<MessageNumber>,
}

/// What each message is known by: its unique-id, or what it holds if the server gives none, or one to several.
pub(super) async fn keys(
    maildrop: &mut Maildrop,
    listing: &Listing,
    rules: &[Rule],
    headers: &mut Headers,
) -> Result<Known, FetchError> {
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
    if !nameless.is_empty() {
        headers.ask(maildrop, rules, nameless).await?;
    }
    let mut places: HashMap<String, u32> = HashMap::new();
    let mut nameless = HashSet::new();
    let mut keys = Vec::with_capacity(ids.len());
    for (number, id) in numbered(&ids) {
        if let Some(id) = id {
            keys.push(Key::UniqueId((*id).clone()));
            continue;
        }
        let octets = listing
            .sizes
            .get(number.index())
            .copied()
            .unwrap_or(Octets(0));
        let print = match headers.of(number) {
            Some(seen) => format!("{}-{}", seen.hash, octets.0),
            None => {
                nameless.insert(number);
                format!("unknown-{}", octets.0)
            }
        };
        let place = places.entry(print.clone()).or_default();
        *place += 1;
        keys.push(Key::content(&print, *place));
    }
    // That is no matter of single messages then.
    let knows_neither = matches!(listing.unique_ids, UniqueIds::Refused(_));
    if knows_neither && !nameless.is_empty() && nameless.len() == keys.len() {
        return Err(FetchError::Foreign(
            "the server knows neither unique-ids (UIDL) nor headers alone (TOP): nobody could know its messages again".into(),
        ));
    }
    Ok(Known { keys, nameless })
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
