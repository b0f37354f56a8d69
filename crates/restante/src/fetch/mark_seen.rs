//! `restante fetch mark-seen`: messages count as fetched that were not.

use std::collections::HashMap;
use std::time::SystemTime;

use client::dated;
use client::ledger::{Entry, Fate, LedgerError, Print};
use pop3::MessageNumber;

use super::place::{self, Place};
use super::settings::{Account, Settings};
use super::visit::{Visit, alone};
use super::{failed, now};
use crate::args;
use crate::date;
use crate::failure::{Code, Failure};
use crate::output::{count, note, say};

/// Records messages as seen.
///
/// # Errors
///
/// When nothing is named, one is not there, or the ledger cannot be written.
pub(super) fn mark(settings: &Settings, asked: &args::FetchMarkSeen) -> Result<(), Failure> {
    let account = settings.account(&asked.account)?;
    let before = asked.before.as_deref().map(day).transpose()?;
    if asked.messages.is_empty() && !asked.all && before.is_none() {
        return Err(Failure::new(Code::Usage, "no message is named")
            .remedy("name some by their numbers, or say --all, or --before 2026-01-31"));
    }
    let place = Place::new(&settings.state)?;
    let in_ledger = |error| place::failed(account, &error).within(&account.name);
    // One is made only when there is something to write: an empty one says that nothing was ever fetched.
    let mut ledger = match place.ledger(account) {
        Err(LedgerError::Missing { .. }) => None,
        found => Some(found.map_err(in_ledger)?),
    };
    alone(async {
        let mut visit = Visit::begin(account, &place).await?;
        let keys = visit.stand_ins()?;
        let recognised = match &mut ledger {
            Some(ledger) => visit
                .listing
                .recognise(&mut visit.maildrop, &keys, ledger)
                .await
                .map_err(|error| failed::fetch(account, &error))?,
            None => 0,
        };
        if recognised > 0 {
            note!(
                "the server has given new unique-ids to its messages; {recognised} of them are known by what they hold"
            );
        }
        let wanted = match asked.messages.as_slice() {
            [] => visit.numbers(),
            named => visit.find(named)?,
        };
        let had = |number: &MessageNumber| {
            let known = ledger.as_ref();
            let entry = known.and_then(|known| known.get(&keys[number.index()]));
            entry.is_some_and(|entry| entry.fate.is_had())
        };
        let (known, new): (Vec<_>, Vec<_>) = wanted.into_iter().partition(had);
        let headers = headers(&mut visit, &new).await?;
        let mut ledger = match ledger {
            Some(ledger) => ledger,
            None => place.ledger_or_new(account).map_err(in_ledger)?,
        };
        let (mut marked, mut undated) = (0, 0);
        let (new, nameless): (Vec<_>, Vec<_>) =
            (new.into_iter()).partition(|number| visit.keys[number.index()].is_some());
        if !nameless.is_empty() {
            note!(
                "{} nothing by which anybody could know it again, and is not marked",
                count(nameless.len() as u64, "message has", "messages have")
            );
        }
        for number in new {
            let header = headers.get(&number).copied().unwrap_or_default();
            match (before, header.received) {
                (Some(before), Some(received)) if received >= before => continue,
                (Some(_), None) => {
                    undated += 1;
                    continue;
                }
                _ => {}
            }
            let entry = Entry {
                print: header.print,
                ..Entry::new(Fate::Seen, now())
            };
            ledger.record(keys[number.index()].clone(), entry);
            marked += 1;
        }
        ledger.sync().map_err(in_ledger)?;
        visit.maildrop.quit().await;
        tell(account, marked, known.len(), undated)
    })
}

fn tell(account: &Account, marked: u64, known: usize, undated: u64) -> Result<(), Failure> {
    let count_as = count(marked, "message counts", "messages count");
    say!("{count_as} as fetched from now on, {known} did before.")?;
    if undated > 0 {
        note!(
            "{} no date that can be read, and will be fetched; restante fetch mark-seen {} N marks one by its number",
            count(undated, "message has", "messages have"),
            account.name
        );
    }
    Ok(())
}

fn day(text: &str) -> Result<SystemTime, Failure> {
    date::day(text).ok_or_else(|| {
        Failure::new(Code::Usage, format!("{text:?} is no day")).remedy("write it as 2026-01-31")
    })
}

/// What of a header is recorded, or decides.
#[derive(Clone, Copy, Default)]
struct Header {
    print: Option<Print>,
    received: Option<SystemTime>,
}

async fn headers(
    visit: &mut Visit<'_>,
    numbers: &[MessageNumber],
) -> Result<HashMap<MessageNumber, Header>, Failure> {
    let now = SystemTime::now();
    let mut headers = HashMap::new();
    let ask = visit.headers(numbers, |number, header| {
        if let Ok(header) = header {
            let said = Header {
                print: Print::of(header),
                received: dated::received(header, now),
            };
            headers.insert(number, said);
        }
        Ok(())
    });
    ask.await?;
    Ok(headers)
}
