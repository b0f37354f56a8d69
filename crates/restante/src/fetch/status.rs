//! `restante fetch status`: what is known of each account, without asking its server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::destination::Ended;
use client::fetch::name_of;
use client::ledger::{Contents, Fate, Key};
use client::oauth;
use serde_json::{Value, json};

use super::place::Place;
use super::settings::{Account, Settings};
use super::{auth, list, past, remote, run, timer};
use crate::date;
use crate::failure::Failure;
use crate::output::{count, octets, say};

/// No more refused messages are named one by one.
const REFUSED_MAX: usize = 20;

/// Says what is known of these accounts, or of all.
///
/// # Errors
///
/// When one is not there.
pub(super) fn status(settings: &Settings, asked: &[String], as_json: bool) -> Result<(), Failure> {
    let place = Place::new(&settings.state)?;
    for account in run::chosen(settings, asked)? {
        let known = Known::of(&account, &place);
        match as_json {
            true => say!("{}", known.as_json(&account))?,
            false => known.say(&account)?,
        }
    }
    Ok(())
}

/// What is known of an account.
struct Known {
    last: Option<Value>,
    ledger: Option<Contents>,
    refused: Vec<Refused>,
    /// The logins by OAuth2, its own and those of its destinations.
    logins: Vec<Login>,
    server: String,
    /// When a daemon comes back, in seconds since 1970.
    next: Option<u64>,
    /// The timer that starts the next run.
    timer: Option<String>,
}

/// A login by OAuth2.
struct Login {
    /// As it is logged in to: the account's name, or that with a destination's behind it.
    name: String,
    /// None where nobody has logged in; or why it cannot be read.
    token: Result<Option<oauth::Status>, String>,
}

/// A message that a destination will not have.
struct Refused {
    key: Key,
    /// None: there is none.
    copy: Option<String>,
    why: String,
}

impl Known {
    fn of(account: &Account, place: &Place) -> Self {
        let ledger = list::known(place, account);
        let refused = ledger.iter().flat_map(Contents::iter);
        let refused = refused
            .filter(|(_, entry)| entry.fate == Fate::Refused && entry.absent.is_none())
            .map(|(key, _)| refused_one(account, place, key));
        let mut refused: Vec<_> = refused.collect();
        refused.sort_by(|one, other| one.key.cmp(&other.key));
        let logins = match auth::held(account) {
            Ok(held) => {
                let token = |it: &auth::Held<'_>| it.tokens(place).status();
                let login = |it: auth::Held<'_>| Login {
                    token: token(&it).map_err(|error| error.to_string()),
                    name: it.name,
                };
                held.into_iter().map(login).collect()
            }
            Err(failure) => vec![Login {
                name: account.name.clone(),
                token: Err(failure.what().unwrap_or_default().to_owned()),
            }],
        };
        Self {
            last: past::last(place, account),
            refused,
            logins,
            server: server(account, place),
            next: past::expected(place, account, SystemTime::now()),
            timer: timer::enabled(&account.name),
            ledger,
        }
    }

    /// Messages of that fate that the server had the last time.
    fn there(&self, is_meant: impl Fn(Fate) -> bool) -> usize {
        let entries = self.ledger.iter().flat_map(Contents::iter);
        let there = entries.filter(|(_, entry)| entry.absent.is_none() && is_meant(entry.fate));
        there.count()
    }

    fn say(&self, account: &Account) -> Result<(), Failure> {
        say!(
            "{}  {}:{}",
            account.name,
            account.identity(),
            account.port()
        )?;
        match &self.last {
            Some(last) => self.say_last(last)?,
            None => say!("  last run   never")?,
        }
        if let Some(next) = self.next {
            say!("  next run   {}, by the daemon", moment(next))?;
        }
        if let Some(timer) = &self.timer {
            say!("  next run   by {timer}; systemctl --user list-timers says when")?;
        }
        match &self.ledger {
            Some(ledger) => say!(
                "  ledger     {}, {} of them on the server; {}",
                count(
                    ledger.iter().count() as u64,
                    "message is known",
                    "messages are known"
                ),
                self.there(|_| true),
                count(ledger.sessions(), "session", "sessions")
            )?,
            None => say!("  ledger     none")?,
        }
        let too_large = self.there(|fate| fate == Fate::TooLarge);
        if too_large > 0 {
            say!(
                "  too large  {too_large} on the server; restante fetch list {0} names them, restante fetch get {0} N fetches one",
                account.name
            )?;
        }
        for refused in self.refused.iter().take(REFUSED_MAX) {
            say!("  refused    {}: {}", refused.key, refused.why)?;
            match &refused.copy {
                Some(file) => say!("             kept as {file}")?,
                None => say!("             no copy of it is kept; it is on the server")?,
            }
        }
        if self.refused.len() > REFUSED_MAX {
            say!("  refused    {} more", self.refused.len() - REFUSED_MAX)?;
        }
        if let Some(ledger) = &self.ledger {
            if let Some((destination, key)) = ledger.in_doubt() {
                say!("  in doubt   {key} was being handed to {destination}, and may be there")?;
            } else if ledger.ended() == Ended::InDoubt {
                say!(
                    "  in doubt   a run has not ended, or goes on; the next one looks what is there"
                )?;
            }
            if ledger.damaged() > 0 {
                say!(
                    "  damaged    {} of the ledger cannot be read: what they say may be fetched again",
                    count(ledger.damaged() as u64, "line", "lines")
                )?;
            }
        }
        for login in &self.logins {
            // Whose it is goes without saying where it is the account's own.
            let whose = match login.name == account.name {
                true => String::new(),
                false => format!("{}: ", login.name),
            };
            match &login.token {
                Ok(Some(status)) => say_token(&whose, &login.name, status)?,
                Ok(None) => say!(
                    "  token      {whose}none; restante fetch auth login {}",
                    login.name
                )?,
                Err(why) => say!("  token      {whose}cannot be read: {why}")?,
            }
        }
        match self.server.is_empty() {
            true => Ok(()),
            false => say!("  server     {}", self.server),
        }
    }

    fn say_last(&self, last: &Value) -> Result<(), Failure> {
        let at = last["at"].as_u64().unwrap_or(0);
        let at = moment(at);
        if let Some(what) = last["what"].as_str() {
            say!("  last run   {at}: failed: {what}")?;
            if let Some(new @ 1..) = last["new"].as_u64() {
                say!(
                    "             {} before that",
                    count(new, "new message", "new messages")
                )?;
            }
            return match last["remedy"].as_str() {
                Some(remedy) => say!("             {remedy}"),
                None => Ok(()),
            };
        }
        let number = |name: &str| last[name].as_u64().unwrap_or(0);
        let mut words = match number("new") {
            0 => "nothing new".to_owned(),
            new => format!(
                "{} ({})",
                count(new, "new message", "new messages"),
                octets(number("octets"))
            ),
        };
        for (name, what) in [
            ("deleted", "deleted"),
            ("refused", "not delivered"),
            ("too_large", "too large"),
            ("left", "on the server"),
        ] {
            if number(name) > 0 {
                words.push_str(&format!(", {} {what}", number(name)));
            }
        }
        say!("  last run   {at}: {words}")
    }

    fn as_json(&self, account: &Account) -> Value {
        let ledger = self.ledger.as_ref().map(|ledger| {
            json!({
                "known": ledger.iter().count(),
                "on_server": self.there(|_| true),
                "too_large": self.there(|fate| fate == Fate::TooLarge),
                "skipped": self.there(|fate| fate == Fate::Skipped),
                "sessions": ledger.sessions(),
                "in_order": ledger.ended() == Ended::InOrder,
                "in_doubt": ledger.in_doubt().map(|(destination, key)| json!({
                    "uidl": key.to_string(), "dest": destination,
                })),
                "damaged_lines": ledger.damaged(),
            })
        });
        let (own, destinations): (Vec<_>, Vec<_>) =
            self.logins.iter().partition(|it| it.name == account.name);
        let destinations = destinations.iter();
        let destinations = destinations.map(|it| (it.name.clone(), it.as_json()));
        json!({
            "account": account.name,
            "identity": account.identity(),
            "last": self.last,
            "next": self.next,
            "timer": self.timer,
            "ledger": ledger,
            "refused": self.refused.iter().map(|it| json!({
                "uidl": it.key.to_string(), "why": it.why, "file": it.copy,
            })).collect::<Vec<_>>(),
            "token": own.first().map(|it| it.as_json()),
            "destination_tokens": destinations.collect::<serde_json::Map<_, _>>(),
            "server": self.server,
        })
    }
}

impl Login {
    fn as_json(&self) -> Value {
        match &self.token {
            Ok(Some(status)) => json!({
                "provider": status.provider,
                "expires": seconds(status.expires),
                "renews": status.has_refresh_token,
                "ended": status.ended.as_ref().map(|(_, why)| why),
            }),
            Ok(None) => Value::Null,
            Err(why) => json!({"error": why}),
        }
    }
}

fn say_token(whose: &str, name: &str, status: &oauth::Status) -> Result<(), Failure> {
    if let Some((at, why)) = &status.ended {
        let at = date::moment(*at);
        return say!("  token      {whose}ended {at}: {why}; restante fetch auth login {name}");
    }
    let renewed = match status.has_refresh_token {
        true => "renewed by itself",
        false => "not renewed: somebody must log in then",
    };
    say!(
        "  token      {whose}of {}, good until {}, {renewed}",
        status.provider,
        date::moment(status.expires)
    )
}

/// What is remembered of the server, as it said it.
fn server(account: &Account, place: &Place) -> String {
    let memory = remote::memory(account, place);
    let told = memory.capabilities().into_iter();
    let mut words: Vec<String> = told
        .flat_map(|told| told.iter().map(ToString::to_string))
        .collect();
    if memory.is_broken(SystemTime::now()) {
        words.push("loses its step when commands are sent ahead".to_owned());
    }
    words.join(", ")
}

fn refused_one(account: &Account, place: &Place, key: &Key) -> Refused {
    let name = name_of(&account.identity(), key);
    let directory = place.quarantine(account);
    let text = std::fs::read_to_string(directory.join(format!("{name}.txt")));
    let why = text
        .ok()
        .and_then(|text| Some(text.lines().nth(1)?.to_owned()));
    // Of one that never came whole there is the reason only.
    let files = ["eml", "txt"].map(|kind| directory.join(format!("{name}.{kind}")));
    let copy = files.into_iter().find(|file| file.exists());
    Refused {
        key: key.clone(),
        copy: copy.map(|file| file.display().to_string()),
        why: why.unwrap_or_else(|| "nobody knows why any more".to_owned()),
    }
}

fn moment(seconds: u64) -> String {
    let moment = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    date::moment(moment.unwrap_or(UNIX_EPOCH))
}

fn seconds(moment: SystemTime) -> u64 {
    moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
