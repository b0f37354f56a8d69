//! `restante fetch daemon`: fetches again and again, each account in its own time, until a signal ends it.
//!
//! SIGHUP reads the configuration again, and fetches from every account that may be asked. SIGTERM and SIGINT let the sessions
//! that go on come to their end; after [`END_TIMEOUT`], or at a second signal, they are cut, which loses nothing: the ledger knows.

mod login;
mod logins;
mod schedule;
mod watcher;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};

use super::run;
use super::settings::{self, Settings};
use super::show::{Manner, Show};
use crate::config::LogFormat;
use crate::failure::{Code, Failure};
use crate::output;
use watcher::{Shared, Watcher};

/// For sessions to come to their end.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// For what waits for a program or a disk, and cannot be cut.
const CUT_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two looks whether the watchdog wants a sign, if there is none.
const IDLE: Duration = Duration::from_secs(3600);

/// Fetches until a signal ends it.
///
/// # Errors
///
/// When the configuration is wrong at the start, or the system refuses something basic.
pub(super) fn daemon(named: Option<&Path>, json: bool) -> Result<(), Failure> {
    crate::log::start(LogFormat::Text);
    let settings = settings::load(named)?;
    run::chosen(&settings, &[])?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| system("the threads cannot be started", &error))?;
    let manner = match json {
        true => Manner::Json,
        false => Manner::Log,
    };
    let ended = runtime.block_on(go_on(settings, Show::of(manner)));
    runtime.shutdown_timeout(CUT_TIMEOUT);
    ended
}

fn system(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Code::System, format!("{what}: {}", output::plain(error)))
}

async fn go_on(settings: Settings, show: Show) -> Result<(), Failure> {
    let caught = |kind| signal(kind).map_err(|error| system("signals cannot be caught", &error));
    let mut signals = Signals {
        reload: caught(SignalKind::hangup())?,
        terminate: caught(SignalKind::terminate())?,
        interrupt: caught(SignalKind::interrupt())?,
    };
    let shared = Arc::new(Shared::new(show));
    let mut watchers = Watchers::default();
    watchers.follow(&settings, &shared)?;
    info!(accounts = settings.accounts.len(), "fetching begins");
    notify(&[NotifyState::Ready, NotifyState::Status(&shared.status())]);
    let watchdog = sd_notify::watchdog_enabled();
    let mut sign = interval(watchdog.map_or(IDLE, |every| every / 2));
    sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settings = settings;
    loop {
        tokio::select! {
            _ = sign.tick(), if watchdog.is_some() => notify(&[NotifyState::Watchdog]),
            () = shared.changed() => notify(&[NotifyState::Status(&shared.status())]),
            _ = signals.reload.recv() => {
                if let Ok(now) = NotifyState::monotonic_usec_now() {
                    notify(&[NotifyState::Reloading, now]);
                }
                reload(&mut settings, &mut watchers, &shared);
                notify(&[NotifyState::Ready, NotifyState::Status(&shared.status())]);
            }
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    info!("sessions come to their end");
    let cut = tokio::select! {
        ended = timeout(END_TIMEOUT, watchers.end()) => ended.is_err(),
        _ = signals.terminate.recv() => true,
        _ = signals.interrupt.recv() => true,
    };
    if cut {
        warn!("sessions that go on are cut; the next run goes on where they were");
    }
    Ok(())
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Those who look after the accounts.
#[derive(Default)]
struct Watchers {
    at_work: HashMap<String, Watcher>,
    /// Those of accounts that are gone, whose last session may still go on.
    leaving: HashMap<String, Watcher>,
}

impl Watchers {
    /// One for each account of the configuration; those who were there before end after their session.
    fn follow(&mut self, settings: &Settings, shared: &Arc<Shared>) -> Result<(), Failure> {
        let place = super::place::Place::new(&settings.state)?;
        shared.settle(settings);
        let room = Arc::new(Semaphore::new(settings.parallel));
        self.leaving.retain(|_, watcher| !watcher.has_ended());
        let mut before = std::mem::take(&mut self.at_work);
        for account in &settings.accounts {
            // One that is back again waits for the session of its first time.
            let leaving = self.leaving.remove(&account.name);
            let old = before.remove(&account.name).or(leaving);
            let watcher = Watcher::start(account, &place, settings, shared, &room, old);
            self.at_work.insert(account.name.clone(), watcher);
        }
        logins::keep(settings, &place, shared);
        before.values().for_each(Watcher::stop);
        self.leaving.extend(before);
        Ok(())
    }

    async fn end(&mut self) {
        let watchers = std::mem::take(&mut self.at_work).into_values();
        let watchers = watchers.chain(std::mem::take(&mut self.leaving).into_values());
        let tasks: Vec<_> = watchers.map(Watcher::ending).collect();
        for task in tasks {
            task.await;
        }
    }
}

/// Takes the new configuration, if it is one.
fn reload(settings: &mut Settings, watchers: &mut Watchers, shared: &Arc<Shared>) {
    let new = settings::load(Some(&settings.file)).and_then(|new| {
        run::chosen(&new, &[])?;
        watchers.follow(&new, shared)?;
        Ok(new)
    });
    match new {
        Ok(new) => {
            info!(
                accounts = new.accounts.len(),
                "the configuration was read again"
            );
            *settings = new;
        }
        Err(failure) => error!(
            what = failure.what(),
            "the configuration is wrong, and the old one stays"
        ),
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager cannot be told");
    }
}
