//! A session in which somebody looks at what is on the server, or deletes from it by hand.

use std::collections::{HashMap, HashSet};

use client::fetch::Wanted;
use client::ledger::{Contents, Entry, Key};
use client::{
    Arrival, ClientError, HEADER_OCTETS_MAX, Headers, Listing, Maildrop, Next, Retrieval, Step,
};
use pop3::MessageNumber;
use pop3::client::{ResponseCode, Status};

use super::credentials::Origin;
use super::place::Place;
use super::settings::Account;
use super::{failed, listed, remote, run};
use crate::failure::{Code, Failure};

/// A maildrop that is open, and what it holds.
pub(super) struct Visit<'a> {
    pub(super) account: &'a Account,
    pub(super) place: &'a Place,
    pub(super) maildrop: Maildrop,
    pub(super) listing: Listing,
    /// What each message is known by, in the order of the message-numbers; none: it has its number in this session and nothing else.
    pub(super) keys: Vec<Option<Key>>,
    /// What the ledger says, whoever is writing it.
    known: Option<Contents>,
    /// What it will say otherwise.
    records: HashMap<Key, Entry>,
}

/// A message's header in wire form, or what the server says instead.
pub(super) type Header<'h> = Result<&'h [u8], &'h Status>;

impl<'a> Visit<'a> {
    /// Connects, and asks for everything that the maildrop holds.
    ///
    /// # Errors
    ///
    /// When the server is not of use.
    pub(super) async fn begin(account: &'a Account, place: &'a Place) -> Result<Self, Failure> {
        // What is wrong with a ledger is told by whoever needs it.
        Self::knowing(account, place, place.known(account).unwrap_or_default()).await
    }

    /// The same, where a ledger says this.
    ///
    /// # Errors
    ///
    /// When the server is not of use.
    pub(super) async fn knowing(
        account: &'a Account,
        place: &'a Place,
        known: Option<Contents>,
    ) -> Result<Self, Failure> {
        let mut maildrop = connected(account, place).await?;
        let listing = maildrop
            .listing()
            .await
            .map_err(|error| failed::server(account, &error))?;
        let identified = listing.identify(&mut maildrop, known.as_ref()).await;
        let identified = identified.map_err(|error| failed::fetch(account, &error))?;
        Ok(Self {
            account,
            place,
            maildrop,
            listing,
            keys: identified.keys,
            known,
            records: identified.records.into_iter().collect(),
        })
    }

    /// A key for each message; that of one that has none means nothing in another session.
    ///
    /// # Errors
    ///
    /// When none has one.
    pub(super) fn stand_ins(&self) -> Result<Vec<Key>, Failure> {
        let keys = self.listing.stand_ins(&self.keys);
        keys.map_err(|error| failed::fetch(self.account, &error))
    }

    /// What the ledger says of a message.
    pub(super) fn entry(&self, number: MessageNumber) -> Option<Entry> {
        let key = self.keys[number.index()].as_ref()?;
        let known = || self.known.as_ref()?.get(key);
        self.records.get(key).or_else(known).copied()
    }

    /// The numbers of all messages.
    pub(super) fn numbers(&self) -> Vec<MessageNumber> {
        (0..self.keys.len())
            .map_while(MessageNumber::from_index)
            .collect()
    }

    /// Which messages are meant, each once. A number counts as long as it is that of the message which `list` has shown by it.
    ///
    /// # Errors
    ///
    /// When one is not there, or has another number now.
    pub(super) fn find(&self, wanted: &[Wanted]) -> Result<Vec<MessageNumber>, Failure> {
        let name = &self.account.name;
        let shown = listed::last(self.place, self.account);
        let (mut found, mut twice) = (Vec::with_capacity(wanted.len()), HashSet::new());
        for wanted in wanted {
            let number = wanted.find(self.keys.iter().map(Option::as_ref));
            let number = number.map_err(|error| failed::fetch(self.account, &error))?;
            let is_another = |shown: &Vec<String>| {
                let key = self.keys[number.index()].as_ref();
                shown.get(number.index()) != Some(&listed::word(key))
            };
            if matches!(wanted, Wanted::Number(_)) && shown.as_ref().is_some_and(is_another) {
                let what = format!(
                    "{name}: message {number} is not the one any more that `list` has shown"
                );
                return Err(Failure::new(Code::Data, what).remedy(format!(
                    "look again: restante fetch list {name}; a unique-id (u:…) means the same message in every session"
                )));
            }
            if twice.insert(number) {
                found.push(number);
            }
        }
        Ok(found)
    }

    /// Hands on the header of each of these messages, in this order.
    ///
    /// # Errors
    ///
    /// What `each` says, or when the connection fails.
    pub(super) async fn headers(
        &mut self,
        numbers: &[MessageNumber],
        each: impl FnMut(MessageNumber, Header<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        come(self.account, self.maildrop.headers(numbers), each).await
    }

    /// The same where the server does not show headers alone: whole messages are retrieved.
    ///
    /// # Errors
    ///
    /// What `each` says, or when the connection fails.
    pub(super) async fn headers_of_all(
        &mut self,
        numbers: &[MessageNumber],
        each: impl FnMut(MessageNumber, Header<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let sizes = &self.listing.sizes;
        let wanted = numbers
            .iter()
            .map(|&number| (number, sizes[number.index()]));
        let wanted = wanted.collect();
        come(self.account, self.maildrop.retrieve(wanted), each).await
    }
}

/// Hands on the headers of what comes.
async fn come(
    account: &Account,
    mut retrieval: Retrieval<'_>,
    mut each: impl FnMut(MessageNumber, Header<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    loop {
        let step = retrieval.step().await;
        match step.map_err(|error| failed::server(account, &error))? {
            Step::Piece(piece) => {
                let room = HEADER_OCTETS_MAX.saturating_sub(text.len());
                text.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            Step::Ended(retrieved) => {
                let header = client::destination::header_of(&text);
                match &retrieved.arrival {
                    Arrival::Refused(status) => each(retrieved.number, Err(status))?,
                    // It comes once more.
                    Arrival::OutOfStep => {}
                    _ => each(retrieved.number, Ok(header))?,
                }
                text.clear();
            }
            Step::Deleted(_) | Step::NotDeleted(..) => {}
            Step::Done => return Ok(()),
        }
    }
}

/// Connects and logs in; once more if a token was refused and another one can be had.
async fn connected(account: &Account, place: &Place) -> Result<Maildrop, Failure> {
    let mut origin = run::waiting(|| Origin::of(account, place))?;
    let mut was_refused = false;
    loop {
        let credentials = run::waiting(|| origin.credentials(&account.name, was_refused))?;
        let mut remote = remote::of(account, place, false, credentials)?;
        // A terminal, and whoever reads what is printed, takes any header.
        remote.headers = Headers::Utf8;
        remote.next = Next::Listing;
        match client::connect(&remote, remote::patience(account)).await {
            Ok(maildrop) => {
                remote::remember(account, place, &maildrop.memory());
                return Ok(maildrop);
            }
            Err(ClientError::TokenRefused { .. }) if origin.renews() && !was_refused => {
                was_refused = true;
            }
            Err(ClientError::NotNow(status)) if status.code == Some(ResponseCode::InUse) => {
                let what = format!("{}: another session has the maildrop open", account.name);
                return Err(Failure::new(Code::Temporary, what)
                    .remedy("wait until it has ended, and run this again"));
            }
            Err(error) => return Err(failed::server(account, &error)),
        }
    }
}

/// Runs a session of one account to its end.
///
/// # Errors
///
/// What the session says.
pub(super) fn alone<T>(session: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    run::runtime(1)?.block_on(session)
}
