//! `restante fetch adopt`: a ledger is made of the mail that is there, so that it is not fetched once more.
//!
//! Our own files tell by their names which message they are. Any other mail is compared by the header lines that no program on the
//! way changes. No text is retrieved for that.

mod present;

use std::path::PathBuf;

use client::fetch::name_of;
use client::ledger::{Contents, Entry, Fate, Key, Ledger, LedgerError, Print};

use self::present::Present;
use super::now;
use super::place::{self, Place};
use super::settings::{Account, Deliver, Settings};
use super::visit::{Visit, alone};
use crate::args;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};

/// Makes a ledger, or adds to the one that is there.
///
/// # Errors
///
/// When there is no mail to look at, the server is not of use, or no ledger can be written.
pub(super) fn adopt(settings: &Settings, asked: &args::FetchAdopt) -> Result<(), Failure> {
    let account = settings.account(&asked.account)?;
    let place = Place::new(&settings.state)?;
    let mut present = Present::default();
    for path in paths(account, asked.path.as_ref())? {
        present.look(&path)?;
    }
    let found = Found::of(account, &place)?;
    alone(async {
        let mut visit = Visit::begin(account, &place).await?;
        let keys = visit.stand_ins()?;
        let numbers = visit.numbers();
        let mut prints = vec![None; numbers.len()];
        let mut refused = 0;
        let ask = visit.headers(&numbers, |number, header| {
            match header {
                Ok(header) => prints[number.index()] = Print::of(header),
                Err(_) => refused += 1,
            }
            Ok(())
        });
        ask.await?;
        let mut records = Vec::new();
        let mut known = 0;
        let sizes = visit.listing.sizes.iter();
        for ((key, octets), print) in keys.iter().zip(sizes).zip(prints) {
            if found.has(key) {
                known += 1;
            } else if let Some(entry) = found.entry(account, &present, key, octets.0, print) {
                records.push((key.clone(), entry));
            }
        }
        let all = numbers.len();
        let there = known + records.len();
        visit.maildrop.quit().await;
        if !asked.dry_run {
            let mut ledger = found.into_ledger(account, &place)?;
            for (key, entry) in records {
                ledger.record(key, entry);
            }
            let synced = ledger.sync();
            synced.map_err(|error| place::failed(account, &error).within(&account.name))?;
        }
        tell(account, asked, &present, there, all, refused)
    })
}

fn tell(
    account: &Account,
    asked: &args::FetchAdopt,
    present: &Present,
    there: usize,
    all: usize,
    refused: u64,
) -> Result<(), Failure> {
    note!(
        "{}: {} looked at here",
        account.name,
        count(present.messages, "message was", "messages were")
    );
    if refused > 0 {
        note!(
            "{}: the server does not show the headers of {} (TOP): without them nobody can say whether they are there",
            account.name,
            count(refused, "message", "messages")
        );
    }
    let would = match asked.dry_run {
        true => "would be fetched",
        false => "will be fetched",
    };
    say!(
        "{there} of {} on the server are there already, {} {would}.",
        count(all as u64, "message", "messages"),
        all - there
    )
}

/// Where to look.
fn paths(account: &Account, named: Option<&PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    if let Some(path) = named {
        return Ok(vec![path.clone()]);
    }
    let files: Vec<PathBuf> = account
        .deliver
        .iter()
        .filter_map(|deliver| match deliver {
            Deliver::Maildir(path) | Deliver::Mbox(path) => Some(path.clone()),
            _ => None,
        })
        .collect();
    match files.is_empty() {
        false => Ok(files),
        true => Err(Failure::new(
            Code::Usage,
            format!(
                "{}: its mail goes where it cannot be looked at",
                account.name
            ),
        )
        .remedy(format!(
            "name a Maildir or an mbox that has it: restante fetch adopt {} PATH",
            account.name
        ))),
    }
}

/// The ledger that is there.
enum Found {
    /// None.
    Nothing,
    /// The account's own; it stays.
    Ours(Box<Ledger>),
    /// Another one's, under whose name the account may have been: what it says of messages that are here is taken over.
    Foreign(Box<Contents>),
    /// One that cannot be read.
    Damaged,
}

impl Found {
    fn of(account: &Account, place: &Place) -> Result<Self, Failure> {
        let failed = |error| place::failed(account, &error).within(&account.name);
        match place.ledger(account) {
            Ok(ledger) => Ok(Self::Ours(Box::new(ledger))),
            Err(LedgerError::Missing { .. }) => Ok(Self::Nothing),
            Err(LedgerError::Damaged { .. }) => Ok(Self::Damaged),
            Err(LedgerError::Foreign { file, .. }) => {
                let contents = Ledger::peek(&file).map_err(failed)?;
                Ok(Self::Foreign(Box::new(contents)))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether nothing needs to be recorded of a message.
    fn has(&self, key: &Key) -> bool {
        match self {
            Self::Ours(ledger) => ledger.get(key).is_some_and(|entry| entry.fate.is_had()),
            Self::Nothing | Self::Foreign(_) | Self::Damaged => false,
        }
    }

    /// What is to be recorded of a message, if it is there.
    fn entry(
        &self,
        account: &Account,
        present: &Present,
        key: &Key,
        octets: u64,
        print: Option<Print>,
    ) -> Option<Entry> {
        if let Some(&kept) = present.names.get(&name_of(&account.identity(), key)) {
            return Some(Entry {
                octets: Some(octets),
                print: print.or(kept),
                ..Entry::new(Fate::Delivered, now())
            });
        }
        if let Self::Foreign(contents) = self {
            let before = contents.get(key).filter(|entry| entry.fate.is_had());
            // Servers that count their unique-ids from 1 all give the same.
            if let Some(before) = before.filter(|it| it.print.is_some() && it.print == print) {
                // Its file has a name of the other account's: that none has this one's must not look as if it were deleted here.
                return Some(Entry {
                    fate: Fate::Seen,
                    octets: None,
                    absent: None,
                    ..*before
                });
            }
        }
        print
            .filter(|print| present.prints.contains(print))
            .map(|print| Entry {
                print: Some(print),
                ..Entry::new(Fate::Seen, now())
            })
    }

    /// The ledger that is written. What was there and is not ours is moved aside.
    fn into_ledger(self, account: &Account, place: &Place) -> Result<Ledger, Failure> {
        let path = place.ledger_path(account);
        match self {
            Self::Ours(ledger) => return Ok(*ledger),
            Self::Nothing => {}
            Self::Foreign(_) | Self::Damaged => {
                let aside = place.of(account, &format!("ledger.{}", now()));
                std::fs::rename(&path, &aside).map_err(|error| {
                    let what = format!(
                        "{} cannot be moved: {}",
                        path.display(),
                        output::plain(&error)
                    );
                    Failure::new(Code::CannotCreate, what)
                        .remedy("move it away, and run this again")
                })?;
                note!("the ledger that was there is {} now", aside.display());
            }
        }
        let made = Ledger::create(&path, &account.identity());
        made.map_err(|error| place::failed(account, &error).within(&account.name))
    }
}
