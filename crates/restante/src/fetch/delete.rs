//! `restante fetch delete`: messages are deleted from the server by hand.

use std::collections::HashMap;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use client::ledger::{Fate, Key, LedgerError};
use client::{ClientError, Step};
use pop3::MessageNumber;
use pop3::client::Outcome;

use super::list::Line;
use super::place::{self, Place};
use super::settings::{Account, Settings};
use super::visit::{Header, Visit, alone};
use super::{failed, now};
use crate::args;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// Deletes messages from the server.
///
/// # Errors
///
/// When one is not there, when nobody confirms it, and when the server does not say that it has deleted them.
pub(super) fn delete(settings: &Settings, asked: &args::FetchDelete) -> Result<(), Failure> {
    let account = settings.account(&asked.account)?;
    let place = Place::new(&settings.state)?;
    if !asked.yes && !io::stdin().is_terminal() {
        let what = "there is no terminal to ask whether messages shall be deleted";
        return Err(Failure::new(Code::Usage, what).remedy("add --yes"));
    }
    // Held until the end, so that no run fetches meanwhile what is being deleted.
    let mut ledger = match place.ledger(account) {
        Ok(ledger) => Some(ledger),
        Err(LedgerError::Missing { .. }) => None,
        Err(error) => return Err(place::failed(account, &error).within(&account.name)),
    };
    alone(async {
        let mut visit = Visit::begin(account, &place).await?;
        let numbers = visit.find(&asked.messages)?;
        let marked: Option<Vec<Key>> = (numbers.iter())
            .map(|number| visit.keys[number.index()].clone())
            .collect();
        if asked.yes && marked.is_none() {
            return Err(numberless(account));
        }
        let never = shown(&mut visit, &numbers).await?;
        let mut there = numbers.clone();
        match marked {
            _ if asked.yes => {}
            // The maildrop is not held while somebody thinks. What has another number then is found by its key.
            Some(marked) => {
                visit.maildrop.quit().await;
                confirmed(marked.len(), never)?;
                visit = Visit::begin(account, &place).await?;
                there = places(&visit, &marked);
            }
            // A number means this message until this session ends.
            None => confirmed(numbers.len(), never)?,
        }
        let deleted = deleted(visit, &there).await?;
        if let Some(ledger) = &mut ledger {
            for key in deleted.iter().flatten() {
                if ledger.get(key).is_some() {
                    ledger.gone(key, now());
                }
            }
            let synced = ledger.sync();
            synced.map_err(|error| place::failed(account, &error).within(&account.name))?;
        }
        let number = deleted.len() as u64;
        say!(
            "{} deleted from the server.",
            count(number, "message", "messages")
        )?;
        match numbers.len() - deleted.len() {
            0 => Ok(()),
            missing => Err(Failure::new(
                Code::Data,
                format!("{}: {missing} of them could not be deleted", account.name),
            )
            .remedy(format!(
                "see what is there: restante fetch list {}",
                account.name
            ))),
        }
    })
}

/// Why a message that has its number only is not deleted by it unseen.
fn numberless(account: &Account) -> Failure {
    let name = &account.name;
    let what = format!(
        "{name}: the server neither gives unique-ids of their own (UIDL) nor shows headers (TOP), so a number may be another message's by now"
    );
    Failure::new(Code::Data, what).remedy(
        "run it at a terminal and without --yes: it shows the messages, and asks before the session ends",
    )
}

/// The numbers of these messages; without those that are gone.
fn places(visit: &Visit<'_>, marked: &[Key]) -> Vec<MessageNumber> {
    let places: HashMap<&Key, usize> = (visit.keys.iter().enumerate())
        .filter_map(|(place, key)| Some((key.as_ref()?, place)))
        .collect();
    let places = marked.iter().filter_map(|key| places.get(key));
    places
        .filter_map(|&place| MessageNumber::from_index(place))
        .collect()
}

/// Shows what the messages are; how many of them were never fetched.
async fn shown(visit: &mut Visit<'_>, numbers: &[MessageNumber]) -> Result<usize, Failure> {
    let mut never = 0;
    let lines: HashMap<_, _> = (numbers.iter())
        .map(|&number| {
            let key = visit.keys[number.index()].clone();
            let entry = visit.entry(number);
            let is_had = entry.is_some_and(|entry| entry.fate == Fate::Delivered);
            never += usize::from(!is_had);
            let octets = visit.listing.sizes[number.index()];
            (
                number,
                Line {
                    number,
                    octets,
                    key,
                    entry,
                },
            )
        })
        .collect();
    let mut stdout = io::stdout().lock();
    let is_shown = lines.values().all(|line| line.key.is_some());
    let show = |number, header: Header<'_>| match lines.get(&number) {
        Some(line) => line.write(&mut stdout, Some(header.unwrap_or_default()), false),
        None => Ok(()),
    };
    match is_shown {
        true => visit.headers(numbers, show).await?,
        // Without TOP all of a message comes for its header.
        false => visit.headers_of_all(numbers, show).await?,
    }
    if never > 0 {
        note!(
            "{} never fetched from here: nothing of it is left then",
            count(never as u64, "message was", "messages were")
        );
    }
    Ok(never)
}

fn confirmed(number: usize, never: usize) -> Result<(), Failure> {
    let messages = count(number as u64, "message", "messages");
    match never {
        0 => note!("Delete {messages} from the server? Type yes to go on:"),
        never => note!(
            "Delete {messages} from the server, {never} of which you do not have? Type yes to go on:"
        ),
    }
    let mut answer = String::new();
    let read = io::stdin().lock().take(100).read_line(&mut answer);
    match read.is_ok() && answer.trim() == "yes" {
        true => Ok(()),
        false => Err(Failure::new(Code::Usage, "nothing was deleted")),
    }
}

/// Deletes these; says which of them the server has deleted.
async fn deleted(
    mut visit: Visit<'_>,
    numbers: &[MessageNumber],
) -> Result<Vec<Option<Key>>, Failure> {
    let account: &Account = visit.account;
    let failed = |error: &ClientError| failed::server(account, error);
    let mut retrieval = visit.maildrop.retrieve(Vec::new());
    for &number in numbers {
        retrieval.delete(number);
    }
    let mut deleted = Vec::new();
    loop {
        match retrieval.step().await.map_err(|error| failed(&error))? {
            Step::Deleted(number) => deleted.push(visit.keys[number.index()].clone()),
            Step::NotDeleted(number, status) => {
                note!("the server does not delete message {number}: {status}");
            }
            Step::Piece(_) | Step::Ended(_) => {}
            Step::Done => break,
        }
    }
    drop(retrieval);
    let name = &account.name;
    let look = format!("see what is there: restante fetch list {name}");
    match visit
        .maildrop
        .commit()
        .await
        .map_err(|error| failed(&error))?
    {
        Outcome::Deleted => Ok(deleted),
        Outcome::NothingDeleted if deleted.is_empty() => Ok(deleted),
        Outcome::NothingDeleted => {
            let what = format!("{name}: nothing was deleted: the session did not come to its end");
            Err(Failure::new(Code::Temporary, what).remedy("run this again"))
        }
        Outcome::Unknown => {
            let what = format!(
                "{name}: the connection ended before the server said whether it has deleted them"
            );
            Err(Failure::new(Code::Temporary, what).remedy(look))
        }
        Outcome::Refused(status) => {
            let what = format!("{name}: the server has not deleted all of them: {status}");
            Err(Failure::new(Code::Protocol, output::without_numbers(&what)).remedy(look))
        }
    }
}
