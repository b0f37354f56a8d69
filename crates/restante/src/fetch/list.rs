//! `restante fetch list`: what is on the server, and what is known of it.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::time::{Duration, UNIX_EPOCH};

use client::ledger::{Contents, Entry, Fate, Key};
use pop3::{MessageNumber, Octets};
use serde_json::json;

use super::place::{self, Place};
use super::settings::{Account, Settings};
use super::visit::{Visit, alone};
use super::{letter, listed};
use crate::args;
use crate::date;
use crate::failure::Failure;
use crate::output::{self, count, note};

/// Lists the messages of an account.
///
/// # Errors
///
/// When the server is not of use.
pub(super) fn list(settings: &Settings, asked: &args::FetchList) -> Result<(), Failure> {
    let account = settings.account(&asked.account)?;
    let place = Place::new(&settings.state)?;
    let stdout = io::stdout();
    let with_headers = asked.headers || (!asked.json && stdout.is_terminal());
    // A person sees each line as it comes.
    let mut out: Box<dyn Write> = match stdout.is_terminal() {
        true => Box::new(stdout.lock()),
        false => Box::new(BufWriter::new(stdout.lock())),
    };
    alone(async {
        let mut visit = Visit::knowing(account, &place, known(&place, account)).await?;
        listed::remember(&place, account, &visit.keys);
        let numbers = visit.numbers();
        if numbers.is_empty() && !asked.json {
            note!("The maildrop of {} is empty.", account.name);
        }
        let lines: Vec<Line> = (numbers.iter().zip(&visit.keys).zip(&visit.listing.sizes))
            .map(|((&number, key), &octets)| Line {
                number,
                octets,
                key: key.clone(),
                entry: visit.entry(number),
            })
            .collect();
        let nameless = visit.keys.iter().filter(|key| key.is_none()).count();
        if nameless > 0 {
            note!(
                "{} neither a unique-id (UIDL) nor a header that is shown (TOP): the numbers are those of this session only",
                count(nameless as u64, "message has", "messages have")
            );
        }
        // Whoever shows none is not asked for all of them.
        match with_headers && nameless == 0 {
            false => {
                for line in &lines {
                    line.write(&mut out, None, asked.json)?;
                }
            }
            true => {
                let shown = visit.headers(&numbers, |number, header| {
                    let header = header.unwrap_or_default();
                    lines[number.index()].write(&mut out, Some(header), asked.json)
                });
                shown.await?;
            }
        }
        out.flush().map_err(|error| output::unwritten(&error))?;
        visit.maildrop.quit().await;
        Ok(())
    })
}

/// What the ledger says; one that cannot be used is told, and says nothing.
pub(super) fn known(place: &Place, account: &Account) -> Option<Contents> {
    place.known(account).unwrap_or_else(|error| {
        note!("{}", place::failed(account, &error).to_string().trim_end());
        None
    })
}

/// What is known of a message, in a few words.
pub(super) fn state(entry: Option<&Entry>) -> String {
    let Some(entry) = entry else {
        return "new".to_owned();
    };
    match entry.fate {
        Fate::Delivered => format!("fetched {}", day(entry.at)),
        Fate::Seen => "seen".to_owned(),
        Fate::Skipped => "skipped".to_owned(),
        Fate::TooLarge => "too large".to_owned(),
        Fate::Refused => "refused".to_owned(),
    }
}

/// The day of a moment in seconds since 1970.
pub(super) fn day(at: i64) -> String {
    let since = Duration::from_secs(u64::try_from(at).unwrap_or(0));
    let moment = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    date::moment(moment).chars().take(10).collect()
}

/// A message of the listing.
pub(super) struct Line {
    pub(super) number: MessageNumber,
    pub(super) octets: Octets,
    /// None: it has its number, and nothing else.
    pub(super) key: Option<Key>,
    pub(super) entry: Option<Entry>,
}

impl Line {
    /// Writes it; with a header two lines, of which the second is for people.
    pub(super) fn write(
        &self,
        out: &mut impl Write,
        header: Option<&[u8]>,
        as_json: bool,
    ) -> Result<(), Failure> {
        let said = header
            .map(|header| ["Date", "From", "Subject"].map(|name| letter::field(header, name)));
        let written = match as_json {
            true => {
                let mut object = json!({
                    "number": self.number.get(),
                    "uidl": self.key.as_ref().map(Key::to_string),
                    "size": self.octets.0,
                    "state": self.entry.map_or("new", |entry| entry.fate.name()),
                    "since": self.entry.map(|entry| entry.at),
                });
                if let Some([date, from, subject]) = said {
                    object["date"] = date.into();
                    object["from"] = from.into();
                    object["subject"] = subject.into();
                }
                writeln!(out, "{object}")
            }
            false => {
                let state = state(self.entry.as_ref());
                let first = writeln!(
                    out,
                    "{:>6}  {:>12}  {state:<18}  {}",
                    self.number,
                    self.octets.0,
                    listed::word(self.key.as_ref())
                );
                let second = said.map_or(Ok(()), |said| {
                    let words: Vec<&str> = said
                        .iter()
                        .map(String::as_str)
                        .filter(|it| !it.is_empty())
                        .collect();
                    writeln!(out, "        {}", words.join("  "))
                });
                first.and(second)
            }
        };
        written.map_err(|error| output::unwritten(&error))
    }
}
