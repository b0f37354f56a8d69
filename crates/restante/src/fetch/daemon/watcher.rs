//! One account's own time: wait, fetch, tell, and again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use client::fetch::Summary;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::login::Login;
use super::schedule::{Came, Schedule};
use crate::failure::{Code, Failure};
use crate::fetch::job::Asked;
use crate::fetch::metrics::{self, Outcome};
use crate::fetch::place::Place;
use crate::fetch::settings::{Account, Settings};
use crate::fetch::show::Show;
use crate::fetch::{hooks, past, run};
use crate::output;

/// What all watchers share.
pub(super) struct Shared {
    show: Show,
    facts: Mutex<Facts>,
    changed: Notify,
}

#[derive(Default)]
struct Facts {
    accounts: usize,
    failing: HashSet<String>,
    /// Before when no server of an account is to be asked again, whatever the configuration says now.
    not_before: HashMap<String, Instant>,
    /// Counts configurations; what was begun for an older one ends.
    round: u64,
}

impl Shared {
    pub(super) fn new(show: Show) -> Self {
        Self {
            show,
            facts: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another configuration counts from now on.
    pub(super) fn settle(&self, settings: &Settings) {
        let names: HashSet<&str> = settings
            .accounts
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        let mut facts = self.facts();
        facts.accounts = names.len();
        facts.failing.retain(|name| names.contains(name.as_str()));
        facts
            .not_before
            .retain(|name, _| names.contains(name.as_str()));
        facts.round += 1;
    }

    pub(super) fn round(&self) -> u64 {
        self.facts().round
    }

    /// Waits until there is something new to say.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How it goes, in a line.
    pub(super) fn status(&self) -> String {
        let facts = self.facts();
        let accounts = output::count(facts.accounts as u64, "account", "accounts");
        let mut failing: Vec<&str> = facts.failing.iter().map(String::as_str).collect();
        failing.sort_unstable();
        match failing.is_empty() {
            true => format!("fetching from {accounts}"),
            false => format!("fetching from {accounts}; not from {}", failing.join(", ")),
        }
    }
}

/// Who looks after an account.
pub(super) struct Watcher {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Begins when the one before has ended.
    pub(super) fn start(
        account: &Account,
        place: &Place,
        settings: &Settings,
        shared: &Arc<Shared>,
        room: &Arc<Semaphore>,
        before: Option<Self>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let work = Work {
            account: Arc::new(account.clone()),
            place: place.clone(),
            metrics: settings.metrics.clone(),
            shared: Arc::clone(shared),
            room: Arc::clone(room),
            stopped,
        };
        let before = before.map(Self::ending);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.await;
            }
            work.go_on().await;
        });
        Self { stop, task }
    }

    /// It ends after its session.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether its session has ended, and nothing comes any more.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// The same; what comes back waits for it.
    pub(super) fn ending(self) -> impl Future<Output = ()> + Send {
        self.stop.send_replace(true);
        async move {
            let _stop = self.stop;
            // Whoever has panicked has ended, too.
            let _ = self.task.await;
        }
    }
}

struct Work {
    account: Arc<Account>,
    place: Place,
    metrics: Option<PathBuf>,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
}

impl Work {
    async fn go_on(mut self) {
        let mut schedule = Schedule::new(Duration::from_secs(self.account.poll));
        let name = self.account.name.clone();
        let first = Instant::now() + schedule.first(dice());
        let rested = || self.shared.facts().not_before.get(&name).copied();
        let mut next = rested().map_or(first, |rested| rested.max(first));
        let mut login = None;
        loop {
            let room = async {
                tokio::select! {
                    () = sleep_until(next) => {}
                    // Somebody has just logged in with the provider, and should not have to wait for an hour.
                    () = Login::changed(login.take()) => {
                        sleep_until(rested().unwrap_or_else(Instant::now)).await;
                    }
                }
                Arc::clone(&self.room).acquire_owned().await
            };
            let _room = tokio::select! {
                room = room => room,
                _ = self.stopped.wait_for(|stopped| *stopped) => {
                    past::expect(&self.place, &self.account, None);
                    return;
                }
            };
            // A session that has begun is not cut.
            let (result, fetched) = self.session().await;
            let came = match &result {
                Ok(summary) => Came::Well(summary.login_delay),
                Err(failure) => Came::Wrong(failure.code()),
            };
            // Before anybody is told, who may log in at once.
            login = match came {
                Came::Wrong(Code::TokenNeeded) => Some(Login::of(&self.account, &self.place)),
                _ => None,
            };
            let is_news = match came {
                Came::Well(_) => true,
                Came::Wrong(code) => schedule.is_news(code),
            };
            let wait = schedule.after(came, dice());
            self.tell(&result, fetched, is_news, wait);
            next = Instant::now() + wait;
            if let Ok(Summary {
                login_delay: Some(delay),
                ..
            }) = result
            {
                let rested = Instant::now() + delay;
                self.shared.facts().not_before.insert(name.clone(), rested);
            }
        }
    }

    /// One session, and how many messages it has brought and their octets, on a task of its own: if it panics, the account's next turn
    /// comes all the same.
    async fn session(&self) -> (Result<Summary, Failure>, (usize, u64)) {
        let (account, place) = (Arc::clone(&self.account), self.place.clone());
        let shared = Arc::clone(&self.shared);
        let session = tokio::spawn(async move {
            let mut shown = shared.show.account(&account.name, false);
            let result = run::persist(&account, &place, &Asked::default(), &mut shown).await;
            shown.ended(&result);
            (result, shown.fetched())
        });
        session.await.unwrap_or_else(|panic| {
            let what = format!("{}: the session failed: {panic}", self.account.name);
            let failure = Failure::new(Code::Software, what).remedy("please report this");
            (Err(failure), (0, 0))
        })
    }

    /// Says what came of it: to the log, to whoever is to be told, and for later.
    fn tell(
        &self,
        result: &Result<Summary, Failure>,
        fetched: (usize, u64),
        is_news: bool,
        wait: Duration,
    ) {
        let (new, _) = fetched;
        let name = self.account.name.as_str();
        let next = wait.as_secs();
        match result {
            Ok(summary) => info!(
                account = name,
                new = summary.new,
                octets = summary.octets,
                deleted = summary.deleted,
                refused = summary.refused,
                too_large = summary.too_large,
                left = summary.left,
                seconds = summary.took.as_secs_f64(),
                next,
                "fetched"
            ),
            Err(failure) => {
                let (what, remedy) = (failure.what(), failure.advice());
                let code = failure.code() as u8;
                match is_news {
                    true => warn!(account = name, code, what, remedy, new, next, "not fetched"),
                    false => debug!(account = name, code, what, next, "not fetched, as before"),
                }
            }
        }
        let changed = match result {
            Ok(_) => self.shared.facts().failing.remove(name),
            Err(_) => self.shared.facts().failing.insert(name.to_owned()),
        };
        if changed {
            self.shared.changed.notify_one();
        }
        let now = SystemTime::now();
        tokio::task::block_in_place(|| {
            past::remember(&self.place, &self.account, now, result, new);
            past::expect(&self.place, &self.account, now.checked_add(wait));
            if let Some(file) = &self.metrics {
                metrics::record(file, &self.place, name, &Outcome::of(fetched, result), now);
            }
            hooks::arrived(&self.account, new);
            if is_news {
                hooks::failed(&self.account, result);
            }
        });
    }
}

/// Any number.
fn dice() -> u64 {
    // Each has another key, which is as random as turns need it.
    RandomState::new().build_hasher().finish()
}
