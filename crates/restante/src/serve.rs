//! `restante serve`: bind, give up rights, run (design decisions 16 to 18 and 20).

use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auth::{Authenticator, TokenSettings, TokenVerifier};
use nix::unistd;
use sasl::Mechanism;
use sd_notify::NotifyState;
use server::{Controller, Services, Stage, StartError, sandbox};
use tracing::{error, warn};

use crate::config::{self, Config, Level};
use crate::failure::{Code, Failure};
use crate::output;
use crate::{helper, log, rights, stock};

/// Serves until a signal ends it.
///
/// # Errors
///
/// When the server cannot start; what has been bound is free again then.
pub(crate) fn serve(named: Option<&Path>) -> Result<(), Failure> {
    let config = config::load_to_serve(named)?;
    if config.server.listeners.is_empty() {
        // The warning has said it, and what to do.
        return Err(Failure::silent(Code::Config));
    }
    if unistd::geteuid().is_root() && config.user.is_none() {
        return Err(Failure::from_text(
            Code::Config,
            &sandbox::SandboxError::Root.to_string(),
        ));
    }
    log::start(config.log);
    rights::prepare(&config)?;
    let bound = server::bind(&config.server)?;
    let helper = helper::start_to_serve(&config)?;
    sandbox::become_user(config.user.as_deref())
        .map_err(|error| Failure::from_text(Code::NoPermission, &error.to_string()))?;
    let services = services(&config)?;
    if !services.auth.accounts().begun()? {
        warn!(
            data = %config.data.display(),
            "there are no accounts: mail waits at its sender and logins are told to try again, until \
             `restante user add` makes one; if a file system should be mounted there, mount it and \
             start the server again"
        );
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let (controller, control) = server::control();
        let again = config.clone();
        let signals = server::signals(controller.clone(), move || reload(&again))
            .map_err(|error| system("signals cannot be caught", &error))?;
        tokio::spawn(signals);
        let is_lost = Arc::new(AtomicBool::new(false));
        if let Some(helper) = helper {
            tokio::spawn(end_without(
                helper,
                controller.clone(),
                Arc::clone(&is_lost),
            ));
        }
        let told = tokio::spawn(tell_service_manager(controller));
        let ended = server::run(bound, services, control).await;
        // A server without sessions ends at once, and perhaps before it has said that it does.
        let _ = told.await;
        ended?;
        match is_lost.load(Ordering::Acquire) {
            true => Err(Failure::new(
                Code::Unavailable,
                "the helper for users of this machine has ended, and with it the server",
            )
            .remedy("start the server again; if nobody has killed the helper, tell us")),
            false => Ok(()),
        }
    })
}

/// Ends the server when the helper has: nobody's mail can be reached any more, and only root can start
/// another one.
async fn end_without(mut helper: Child, controller: Controller, is_lost: Arc<AtomicBool>) {
    let (told, ended) = tokio::sync::oneshot::channel();
    // Not on the runtime, which would wait for it.
    std::thread::spawn(move || told.send(helper.wait()));
    let status = ended.await.ok().and_then(Result::ok);
    let status = status.map(|status| status.to_string());
    error!(
        status,
        "the helper for users of this machine has ended: the server drains"
    );
    // Before the order: a server without sessions ends at once.
    is_lost.store(true, Ordering::Release);
    controller.shutdown().await;
}

/// What the server serves from.
///
/// # Errors
///
/// When accounts or maildrops cannot be used.
pub(crate) fn services(config: &Config) -> Result<Services, Failure> {
    stock::lost(config)?;
    let auth = stock::with_room(config, || {
        Authenticator::open(auth::Settings {
            data: config.data.clone(),
            scram: config.scram,
            scram_iterations: config.scram_iterations,
            scram_sha1: config.scram_sha1,
            refusal_delay: config.refusal_delay,
        })
    })?;
    // As the user who reads the key set again when it has changed.
    let auth = match &config.tokens {
        Some(tokens) => auth.with_tokens(token_verifier(tokens)?),
        None => auth,
    };
    Ok(Services {
        auth: Arc::new(auth),
        maildrops: stock::maildrops(config)?,
    })
}

/// What checks the tokens of an issuer.
///
/// # Errors
///
/// When its key set cannot be used.
pub(crate) fn token_verifier(tokens: &TokenSettings) -> Result<TokenVerifier, Failure> {
    TokenVerifier::open(tokens.clone()).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let cause = cause.unwrap_or_default();
        let what = format!("{}: {error}{cause}", tokens.jwks.display());
        Failure::new(Code::Config, what).remedy("check the file that [auth.oauth] jwks names")
    })
}

/// The runtime that sessions run on.
///
/// # Errors
///
/// When the system gives no threads.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| system("the server cannot start its threads", &error))
}

fn system(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Code::System, format!("{what}: {}", output::plain(error)))
}

/// Tells systemd what stage the server is in, if it asks.
async fn tell_service_manager(controller: Controller) {
    for (stage, state) in [
        (Stage::Ready, NotifyState::Ready),
        (Stage::Draining, NotifyState::Stopping),
    ] {
        if !controller.reached(stage).await {
            return;
        }
        notify(&[state]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager cannot be told");
    }
}

/// The new configuration after SIGHUP, or why the old one stays.
fn reload(old: &Config) -> Result<server::Config, String> {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    let read = config::read(&old.file).map_err(|failure| failure.to_string());
    // Ready either way: with the new configuration or with the old one.
    notify(&[NotifyState::Ready]);
    let (new, problems) = read?;
    for problem in &problems {
        let problem_text = problem.to_string();
        match problem.level {
            Level::Error => error!(problem = problem_text, "the configuration is wrong"),
            Level::Warning => warn!(problem = problem_text, "the configuration is doubtful"),
        }
    }
    let new = new.ok_or_else(|| "see the problems above".to_owned())?;
    // What the authenticator was opened with stays, and so do the mechanisms that stand on it.
    let mut new = new;
    let kept = |mechanism: &Mechanism| matches!(mechanism, Mechanism::Login | Mechanism::CramMd5);
    let mechanisms = Mechanism::ALL.into_iter().filter(|mechanism| {
        let of = if kept(mechanism) { &new } else { old };
        of.server.mechanisms.contains(mechanism)
    });
    new.server.mechanisms = mechanisms.collect();
    for key in restart_needed(old, &new) {
        warn!(
            key,
            "a change of this key needs a restart; the old value stays in force"
        );
    }
    let mut server = new.server;
    server.keeping.grace = old.server.keeping.grace;
    Ok(server)
}

/// The keys that have changed and are read only at the start. Those of `[maildrop]` are what the
/// store was opened with: quota, expiry and sweeps follow at once.
fn restart_needed(old: &Config, new: &Config) -> impl Iterator<Item = &'static str> {
    let (store, opened) = (&new.store, &old.store);
    [
        ("data", new.data != old.data),
        ("user", new.user != old.user),
        ("auth.scram", new.scram != old.scram),
        (
            "auth.scram_iterations",
            new.scram_iterations != old.scram_iterations,
        ),
        ("auth.scram_sha1", new.scram_sha1 != old.scram_sha1),
        ("auth.oauth", new.tokens != old.tokens),
        ("auth.refusal_delay", new.refusal_delay != old.refusal_delay),
        ("log.format", new.log != old.log),
        ("maildrop.undelete", store.grace != opened.grace),
        (
            "maildrop.undelete_in_quota",
            store.grace_in_quota != opened.grace_in_quota,
        ),
        (
            "maildrop.reserve",
            store.reserve_octets != opened.reserve_octets,
        ),
        (
            "maildrop.allow_volatile",
            store.allow_volatile != opened.allow_volatile,
        ),
        ("maildrop.unique_id", store.unique_id != opened.unique_id),
        (
            "maildrop.store, system_users, or where maildrops are",
            new.in_place != old.in_place,
        ),
    ]
    .into_iter()
    .filter_map(|(key, changed)| changed.then_some(key))
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = match &error {
            StartError::Unservable(_) | StartError::Tls(_) => Code::Config,
            StartError::Listen { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => Code::NoPermission,
                _ => Code::Unavailable,
            },
            StartError::Descriptors(_) => Code::System,
        };
        Self::from_text(code, &error.to_string())
    }
}
