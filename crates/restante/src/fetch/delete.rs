//! `restante fetch delete`: messages are deleted from the server by hand.

use std::collections::HashMap;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use client::ledger::{Fate, Key, Ledger, LedgerError};
use client::{ClientError, Step};
use pop3::MessageNumber;
use pop3::client::Outcome;

use super::list::Line;
use super::place::{self, Place};
use super::settings::{Account, Settings};
use super::visit::{Visit, alone};
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
        let never = shown(&mut visit, &numbers, ledger.as_ref()).await?;
        let marked: Vec<_> = numbers
            .iter()
            .map(|number| visit.keys[number.index()].clone())
            .collect();
        if !asked.yes {
            // The maildrop is not held while somebody thinks. What has another number then is found by its key.
            visit.maildrop.quit().await;
            confirmed(marked.len(), never)?;
            visit = Visit::begin(account, &place).await?;
        }
        let deleted = deleted(visit, &marked).await?;
        if let Some(ledger) = &mut ledger {
            for key in deleted
                .iter()
                .filter(|key| ledger.get(key).is_some())
                .cloned()
                .collect::<Vec<_>>()
            {
                ledger.gone(&key, now());
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

/// Shows what the messages are; how many of them were never fetched.
async fn shown(
    visit: &mut Visit<'_>,
    numbers: &[MessageNumber],
    ledger: Option<&Ledger>,
) -> Result<usize, Failure> {
    let mut never = 0;
    let lines: HashMap<_, _> = (numbers.iter())
        .map(|&number| {
            let key = visit.keys[number.index()].clone();
            let entry = ledger.and_then(|ledger| ledger.get(&key)).copied();
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
    let show = visit.headers(numbers, |number, header| match lines.get(&number) {
        Some(line) => line.write(&mut stdout, Some(header.unwrap_or_default()), false),
        None => Ok(()),
    });
    show.await?;
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

/// Deletes those of these that are still there; says which of them the server has deleted.
async fn deleted(mut visit: Visit<'_>, marked: &[Key]) -> Result<Vec<Key>, Failure> {
    let account: &Account = visit.account;
    let failed = |error: &ClientError| failed::server(account, error);
    let places: HashMap<&Key, usize> = visit
        .keys
        .iter()
        .enumerate()
        .map(|(place, key)| (key, place))
        .collect();
    let mut retrieval = visit.maildrop.retrieve(Vec::new());
    let numbers = marked.iter().filter_map(|key| places.get(key));
    for number in numbers.filter_map(|&place| MessageNumber::from_index(place)) {
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
