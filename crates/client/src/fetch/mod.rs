//! One session with one account: compare, retrieve, deliver, delete.
//!
//! The order is what keeps mail: a message is durable in all its destinations, then the ledger says so durably, then the server is told
//! to delete it, and QUIT makes that true. Whatever is cut off between two of these steps, the next session goes on there.

mod ending;
mod identify;
mod keep;
mod only;
mod plan;
mod present;
mod quarantine;
mod recognise;
mod report;
mod rule;
mod session;
mod since;
mod stranger;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use pop3::Octets;
use sha2::{Digest as _, Sha256};

use crate::account::{Account, Headers, Next};
use crate::connect::connect;
use crate::destination::{Destination, Ended, Message};
use crate::error::ClientError;
use crate::hex::Hex;
use crate::ledger::{Key, Ledger};
use crate::patience::Patience;

pub use identify::Identified;
pub use keep::Keep;
pub use only::{Had, NotAMessage, Only, Wanted};
pub use quarantine::QUARANTINE_OCTETS;
pub use report::{Event, FetchError, Planned, Summary};
pub use rule::{Action, Matches, Rule};

use ending::{blame, end, give_up};
use plan::Plan;
use present::present;
use session::Session;
use writer::{held, now};

/// What one session shall do.
#[derive(Debug)]
pub struct Job {
    /// Where, and who. Headers come in UTF-8 if all destinations take them so.
    pub account: Account,
    /// How long the server is waited for.
    pub patience: Patience,
    /// Whose the ledger is: user@host.
    pub identity: String,
    /// Those of the destinations that get what no rule is about, by their places.
    pub route: Vec<usize>,
    /// How long messages stay on the server.
    pub keep: Keep,
    /// What is looked at before a message is fetched.
    pub rules: Vec<Rule>,
    /// Messages of more octets stay where they are.
    pub octets_max: Option<u64>,
    /// Only so many are fetched in this session.
    pub count_max: Option<usize>,
    /// Only messages that came in since then.
    pub since: Option<SystemTime>,
    /// Only these messages, whatever else is known of them; nothing is deleted.
    pub only: Option<Only>,
    /// Messages at which a connection ended lately: they come behind all others.
    pub last: HashSet<Key>,
    /// Messages at which it ended again: they stay where they are, and are told.
    pub without: HashSet<Key>,
    /// Whether a maildrop that seems to be another one is fetched.
    pub takes_foreign: bool,
    /// Whether a first session deletes as well.
    pub deletes_at_once: bool,
    /// Nothing is done.
    pub dry_run: bool,
    /// Where the rest of large texts is kept meanwhile.
    pub spool: PathBuf,
    /// Where messages are kept that a destination will not have.
    pub quarantine: PathBuf,
    /// So many octets of them at most; of what has no room there is no copy ([`QUARANTINE_OCTETS`]).
    pub quarantine_octets_max: u64,
}

impl Job {
    /// A session has been seen to end well before anything is deleted.
    fn may_delete(&self, ledger: &Ledger) -> bool {
        self.only.is_none() && (self.deletes_at_once || ledger.sessions() > 0)
    }

    /// A message of the account as a destination is told of it.
    fn message(&self, key: &Key, octets: Octets) -> Message {
        Message {
            key: key.clone(),
            name: name_of(&self.identity, key),
            octets,
            account: self.identity.clone(),
            received: None,
        }
    }
}

/// The name of a message of an account (user@host): the same whenever it comes again ([`Message::name`](crate::destination::Message)).
pub fn name_of(identity: &str, key: &Key) -> String {
    let mut hash = Sha256::new();
    hash.update(identity.as_bytes());
    hash.update([0]);
    hash.update(key.to_string().as_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    Hex(&hash[..20]).to_string()
}

/// Where mail goes, in the order in which [`Job::route`] and rules name them.
pub type Destinations = Vec<Box<dyn Destination>>;

/// Fetches. The ledger must be that of the account. What happens is told to `tell`.
///
/// # Errors
///
/// See [`FetchError`]. What was delivered until then is in the ledger.
pub async fn fetch(
    mut job: Job,
    mut destinations: Destinations,
    mut ledger: Ledger,
    tell: &mut (dyn FnMut(Event) + Send),
) -> Result<Summary, FetchError> {
    let began = Instant::now();
    // What a message holds must not depend on where a rule sends it.
    let all_take_utf8 = (destinations.iter()).all(|it| it.headers() == Headers::Utf8);
    if all_take_utf8 {
        job.account.headers = Headers::Utf8;
    }
    job.account.next = Next::Listing;
    let mut maildrop = connect(&job.account, job.patience).await?;
    tell(Event::LoggedIn {
        inside_tls: maildrop.is_inside_tls(),
    });
    tell(Event::Learned(maildrop.memory()));
    let listing = match maildrop.listing().await {
        Ok(listing) => listing,
        Err(error) => return Err(blame(&mut maildrop, error.into(), tell)),
    };
    let present = match job.keep {
        Keep::UntilDeleted => present(&job, &mut destinations, &ledger, tell)?,
        _ => None,
    };
    let plan = Plan::make(&job, &mut maildrop, &listing, &mut ledger, present.as_ref()).await;
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return Err(blame(&mut maildrop, error, tell)),
    };
    plan.notes().for_each(|note| tell(Event::Note(note)));
    if job.only.is_none() {
        plan.nameless.iter().for_each(|&number| {
            let why = "the server has no unique-id of its own for it, and does not show its header (TOP): nobody could know it \
                       again (`restante fetch get` fetches it)";
            let why = why.to_owned();
            tell(Event::NotGiven { number, why });
        });
    }
    plan.left_out.iter().for_each(|&number| {
        let why =
            "the connection ended twice where it was due, so all others are fetched without it"
                .to_owned();
        tell(Event::NotGiven { number, why });
    });
    tell(Event::Planned(plan.planned.clone()));
    let mut summary = Summary {
        too_large: plan.planned.too_large.len(),
        older: plan.planned.older,
        left: plan.planned.listed,
        refused: match job.only {
            Some(_) => 0,
            None => plan.nameless.len() + plan.left_out.len(),
        },
        login_delay: maildrop.login_delay(),
        ..Summary::default()
    };
    if job.dry_run {
        maildrop.quit().await;
        return Ok(summary);
    }
    for (key, entry) in &plan.noted {
        ledger.record(key.clone(), *entry);
    }
    ledger.listed(&plan.known_here(), now());
    let deletes_at_once = job.keep == Keep::Never && job.may_delete(&ledger);
    let ledger = Arc::new(Mutex::new(ledger));
    let headers = maildrop.headers_in();
    let mut session = Session::begin(&job, destinations, &plan, &ledger, deletes_at_once, headers);
    let was_ahead = maildrop.pipelines();
    let fetched = session.run(&mut maildrop, tell).await;
    if session.fell_out_of_step() {
        maildrop.pipelining_broke(SystemTime::now());
        tell(Event::Learned(maildrop.memory()));
    }
    let fetched = fetched.map_err(|error| {
        // Alone it will be seen whose text does not end.
        let is_endless = matches!(error, FetchError::Server(ClientError::Endless { .. }));
        match session.has_come() && !is_endless {
            true => error,
            false => blame(&mut maildrop, error, tell),
        }
    });
    let told = session.end(tell).await;
    (summary.new, summary.octets) = (told.new, told.octets);
    // Nobody has fetched a message that nobody could know again.
    let in_doubt = told.refused + plan.left_out.len();
    summary.refused += told.refused;
    let mut failed = told.failed.or_else(|| fetched.err());
    // What is longer than it can be is no message that may be waited for again: it would keep back all that are behind it. With
    // commands sent ahead it may be another one's text.
    if let Some(FetchError::Server(error @ ClientError::Endless { number, .. })) = &failed
        && !was_ahead
    {
        give_up(&job, &plan, *number, error, &ledger);
    }
    // Of messages that are durable the deletion counts, whatever has happened to others.
    let is_there = !matches!(failed, Some(FetchError::Server(_)));
    if is_there && !told.deleted.is_empty() {
        // Before QUIT, for what happens between it and the next session is seen by nobody: if the server lists any of them again, it
        // is looked at whether they are the same.
        let mut ledger = held(&ledger);
        let at = now();
        told.deleted.iter().for_each(|key| ledger.gone(key, at));
        ledger.sync()?;
    }
    let has_come = failed.is_none();
    if is_there {
        match end(maildrop, &told.deleted).await {
            Ok(true) => {
                summary.deleted = told.deleted.len();
                summary.left -= summary.deleted.min(summary.left);
                tell(Event::Deleted(summary.deleted));
            }
            Ok(false) => {}
            Err(error) => {
                // It knows best that they are still there.
                let mut ledger = held(&ledger);
                told.deleted.iter().for_each(|key| ledger.stays(key));
                failed.get_or_insert_with(|| error.into());
            }
        }
    }
    summary.took = began.elapsed();
    let mut ledger = held(&ledger);
    // What a crash has left in doubt stays so until a session has looked at all that the server has.
    let planned = &plan.planned;
    let has_seen_all =
        job.only.is_none() && planned.later == 0 && planned.older == 0 && in_doubt == 0;
    // A refused QUIT leaves no message in doubt.
    if has_come && (has_seen_all || ledger.ended() == Ended::InOrder) {
        ledger.end(now())?;
    } else {
        ledger.sync()?;
    }
    failed.map_or(Ok(summary), Err)
}
