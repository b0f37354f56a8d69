//! A session in which somebody looks at what is on the server, or deletes from it by hand.

use std::collections::HashSet;

use client::fetch::Wanted;
use client::ledger::Key;
use client::{Arrival, ClientError, Headers, Listing, Maildrop, Patience, Step};
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
    /// What each message is known by, in the order of the message-numbers.
    pub(super) keys: Vec<Key>,
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
        let mut maildrop = connected(account, place).await?;
        let listing = maildrop
            .listing()
            .await
            .map_err(|error| failed::server(account, &error))?;
        let keys = listing.keys(&mut maildrop).await;
        let keys = keys.map_err(|error| failed::fetch(account, &error))?;
        Ok(Self {
            account,
            place,
            maildrop,
            listing,
            keys,
        })
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
            let number = wanted.find(&self.keys);
            let number = number.map_err(|error| failed::fetch(self.account, &error))?;
            let is_another = |shown: &Vec<String>| {
                shown.get(number.index()) != Some(&self.keys[number.index()].to_string())
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
        mut each: impl FnMut(MessageNumber, Header<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let account = self.account;
        let mut retrieval = self.maildrop.headers(numbers);
        let mut text = Vec::new();
        loop {
            let step = retrieval.step().await;
            match step.map_err(|error| failed::server(account, &error))? {
                Step::Piece(piece) => text.extend_from_slice(piece),
                Step::Ended(retrieved) => {
                    let header = client::destination::header_of(&text);
                    match &retrieved.arrival {
                        Arrival::Refused(status) => each(retrieved.number, Err(status))?,
                        _ => each(retrieved.number, Ok(header))?,
                    }
                    text.clear();
                }
                Step::Deleted(_) | Step::NotDeleted(..) => {}
                Step::Done => return Ok(()),
            }
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
        match client::connect(&remote, Patience::default()).await {
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
