//! `restante fetch [ACCOUNT…]`: accounts are fetched from, several at once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::fetch::{Destinations, Event, Summary};
use client::ledger::{Ledger, LedgerError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::credentials::Origin;
use super::job::{self, Asked};
use super::metrics::{self, Outcome};
use super::place::{self, Place};
use super::settings::{Account, Settings, seconds};
use super::show::Show;
use super::tries::{Come, Next, Tries};
use super::{failed, hooks, past, remote};
use crate::args;
use crate::date;
use crate::failure::{Code, Failure};

/// Fetches from these accounts.
///
/// # Errors
///
/// The worst of what went wrong, which has been told.
pub(super) fn run(settings: &Settings, named: &[String], run: &args::Run) -> Result<(), Failure> {
    let accounts = chosen(settings, named)?;
    let place = Place::new(&settings.state)?;
    let show = Arc::new(Show::new(run));
    let asked = Asked {
        dry_run: run.dry_run,
        count_max: run.limit,
        since: run.since.as_deref().map(since).transpose()?,
        takes_foreign: run.accept_new_ids,
        from_scratch: run.from_scratch,
        traced: run.trace,
        only: None,
    };
    let runtime = runtime(accounts.len().min(settings.parallel))?;
    let results = runtime.block_on(all(accounts, &place, &asked, &show, settings));
    let mut new = 0;
    let mut worst: Option<Code> = None;
    for result in results {
        match result {
            Ok(summary) => new += summary.new,
            Err(code) => worst = worst.max_by_key(code),
        }
    }
    match worst {
        Some(code) => Err(Failure::silent(code)),
        None if run.exit_code_new && new == 0 => Err(Failure::silent(Code::NothingNew)),
        None => Ok(()),
    }
}

/// The moment that an age or a day means.
fn since(text: &str) -> Result<SystemTime, Failure> {
    let age = || {
        let age = Duration::from_secs(seconds(text).ok()?);
        // Longer ago than there is any time is before all mail.
        Some(SystemTime::now().checked_sub(age).unwrap_or(UNIX_EPOCH))
    };
    date::day(text).or_else(age).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            format!("--since {text:?} is neither an age nor a day"),
        )
        .remedy("write an age such as 30d or 12h, or a day such as 2026-01-31")
    })
}

/// Those that are named, or all.
pub(super) fn chosen(settings: &Settings, named: &[String]) -> Result<Vec<Account>, Failure> {
    if named.is_empty() {
        return match settings.accounts.is_empty() {
            false => Ok(settings.accounts.clone()),
            true => Err(Failure::new(
                Code::Config,
                format!("{} names no account", settings.file.display()),
            )
            .remedy("restante fetch setup ADDRESS adds one")),
        };
    }
    let mut accounts = Vec::new();
    for name in named {
        let account = settings.account(name)?;
        if !accounts.iter().any(|it: &Account| it.name == account.name) {
            accounts.push(account.clone());
        }
    }
    Ok(accounts)
}

/// What drives so many connections at once.
pub(super) fn runtime(connections: usize) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = match connections {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().map_err(|error| {
        let what = format!(
            "the network cannot be used: {}",
            crate::output::plain(&error)
        );
        Failure::new(Code::System, what)
    })
}

/// Fetches from all of these; each has been told of when its result is there.
async fn all(
    accounts: Vec<Account>,
    place: &Place,
    asked: &Asked,
    show: &Arc<Show>,
    settings: &Settings,
) -> Vec<Result<Summary, Code>> {
    let room = Arc::new(Semaphore::new(settings.parallel));
    let mut tasks = JoinSet::new();
    for account in accounts {
        let (place, asked) = (place.clone(), asked.clone());
        let (show, room) = (Arc::clone(show), Arc::clone(&room));
        let metrics = settings.metrics.clone();
        tasks.spawn(async move {
            // The semaphore is never closed.
            let _room = room.acquire().await;
            one(&account, &place, &asked, &show, metrics.as_deref()).await
        });
    }
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result.unwrap_or(Err(Code::Software)));
    }
    results
}

/// Fetches from one account, and tells what came of it.
pub(super) async fn one(
    account: &Account,
    place: &Place,
    asked: &Asked,
    show: &Show,
    metrics: Option<&Path>,
) -> Result<Summary, Code> {
    let mut shown = show.account(&account.name, asked.dry_run);
    let result = persist(account, place, asked, &mut shown).await;
    shown.ended(&result);
    if !asked.dry_run {
        waiting(|| {
            let (now, fetched) = (SystemTime::now(), shown.fetched());
            past::remember(place, account, now, &result, fetched.0);
            if let Some(file) = metrics {
                metrics::record(
                    file,
                    place,
                    &account.name,
                    &Outcome::of(fetched, &result),
                    now,
                );
            }
            hooks::arrived(account, fetched.0);
            hooks::failed(account, &result);
        });
    }
    result.map_err(|failure| failure.code())
}

/// Tries until there is nothing to be gained by another try.
pub(super) async fn persist(
    account: &Account,
    place: &Place,
    asked: &Asked,
    shown: &mut super::show::Account<'_>,
) -> Result<Summary, Failure> {
    let mut origin = waiting(|| Origin::of(account, place))?;
    let mut tries = Tries::default();
    loop {
        let was_refused = tries.was_token_refused();
        let credentials = waiting(|| origin.credentials(&account.name, was_refused))?;
        let (mut job, destinations) = job::of(account, place, asked, credentials)?;
        let manner = tries.manner();
        if manner.is_alone {
            job.account.memory.pipelining_broke(SystemTime::now());
        }
        (job.last, job.without) = (manner.last, manner.without);
        let ledger = ledger(account, place, asked, &destinations)?;
        let mut learned = None;
        let fetched = client::fetch::fetch(job, destinations, ledger, &mut |event| {
            match &event {
                Event::Learned(memory) => learned = Some(memory.clone()),
                Event::BrokeAt(key) => tries.broke_at(key.clone()),
                _ => {}
            }
            shown.event(&event);
        })
        .await;
        if let Some(memory) = learned.as_ref().filter(|it| tries.has_proved(it, &fetched)) {
            remote::remember(account, place, memory);
        }
        let error = match fetched {
            Ok(summary) => {
                // A session that was lost has delivered, too.
                let (new, octets) = shown.fetched();
                return Ok(Summary {
                    new,
                    octets,
                    ..summary
                });
            }
            Err(error) => error,
        };
        let come = match (shown.has_begun(), shown.fetched()) {
            (false, _) => Come::NotBegun,
            (true, (0, _)) => Come::None,
            (true, _) => Come::Some,
        };
        match tries.next(&error, learned.as_ref(), come, origin.renews()) {
            Next::Again(wait) => tokio::time::sleep(wait).await,
            Next::End => return Err(failed::fetch(account, &error)),
        }
    }
}

/// What waits for a person, a program or the disk may wait here; with one connection there is nobody else to be served.
pub(super) fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::CurrentThread => wait(),
        _ => tokio::task::block_in_place(wait),
    }
}

/// The ledger of a session.
fn ledger(
    account: &Account,
    place: &Place,
    asked: &Asked,
    destinations: &Destinations,
) -> Result<Ledger, Failure> {
    let ledger = match place.ledger(account) {
        Err(LedgerError::Missing { file }) => {
            let holding = (destinations.iter())
                .find_map(|it| (it.holds_mail() == Some(true)).then(|| it.name().to_owned()));
            if let (Some(holding), false) = (holding, asked.from_scratch) {
                let what = format!(
                    "there is mail in {holding}, and no ledger {} that says what of it is on the server as well",
                    file.display()
                );
                return Err(Failure::new(Code::Config, what).within(&account.name).remedy(format!(
                    "restante fetch adopt {0} makes a ledger of what is there; if it is other mail: restante fetch {0} --from-scratch",
                    account.name
                )));
            }
            place.ledger_or_new(account)
        }
        found => found,
    };
    ledger.map_err(|error| place::failed(account, &error).within(&account.name))
}

/// Of two exit codes the one that needs somebody more.
trait Worse {
    fn max_by_key(self, code: Code) -> Self;
}

impl Worse for Option<Code> {
    fn max_by_key(self, code: Code) -> Self {
        // What passes by itself is the least.
        let weight = |code: Code| match code {
            Code::Temporary => 0,
            Code::Unavailable => 1,
            other => 2 + other as u8,
        };
        match self {
            Some(before) if weight(before) >= weight(code) => Some(before),
            _ => Some(code),
        }
    }
}
