//! The second half of a start: serve, obey orders, end in good order.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::num::NonZeroU32;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auth::{Authenticator, LoginDelay};
use delivery::lmtp::Dialect;
use maildrop::Maildrops;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::bind::{Bound, ListeningSocket, StartError, fit_descriptors, servable};
use crate::buffers::Buffers;
use crate::config::{Config, Listener, Protocol};
use crate::control::{Control, Order, Phase, Stage};
use crate::judgement::Judge;
use crate::limits::Admission;
use crate::listener::{Accepting, Door};
use crate::stranger::Strangers;
use crate::tidy::Tidying;
use crate::{sweep, tls, validity};

/// What the server serves from. Opened by the program after it has become its user.
#[derive(Clone)]
pub struct Services {
    /// Checks logins, and knows which account gets mail for an address.
    pub auth: Arc<Authenticator>,
    /// All maildrops.
    pub maildrops: Maildrops,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every session came to its own end.
    Drained,
    /// Sessions were ended without UPDATE: nothing that they marked was deleted.
    Cut,
}

/// What all sessions of a server share, for its whole life.
pub(crate) struct Server {
    pub(crate) auth: Arc<Authenticator>,
    pub(crate) maildrops: Maildrops,
    pub(crate) admission: Arc<Admission>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) timestamps: Timestamps,
    pub(crate) sessions: SessionIds,
    /// Turns for housekeeping after sessions.
    pub(crate) tidying: Tidying,
    /// Who has brought mail by SMTP, and what he has done.
    pub(crate) strangers: Strangers,
}

/// What a reload replaces: a session keeps what it started with.
pub(crate) struct Live {
    pub(crate) config: Config,
    pub(crate) tls: Option<tls::Acceptors>,
    pub(crate) pop3: Arc<pop3::server::Settings>,
    pub(crate) lmtp: Arc<delivery::lmtp::Settings>,
    pub(crate) smtp: Arc<delivery::lmtp::Settings>,
    /// Who judges the mail of strangers; none where none comes in.
    pub(crate) judge: Option<Judge>,
    /// Who gets mail for an address, by this configuration.
    pub(crate) recipients: auth::Remembered,
}

impl Live {
    fn new(config: Config, tls: Option<tls::Acceptors>) -> Self {
        let pop3 = pop3::server::Settings {
            name: config.name.clone(),
            command_octets_max: config.limits.command_octets_max,
            output_octets_max: crate::pop3::OUTPUT_OCTETS_MAX,
            language: config.language,
            utf8_messages: config.utf8_messages,
            tolerances: config.tolerances,
            login_delay: config.login_delay.and_then(announced),
        };
        let transfer = |dialect| delivery::lmtp::Settings {
            dialect,
            hostname: config.hostname.clone(),
            message_octets_max: config.limits.message_octets_max,
            recipients_max: config.limits.recipients_max,
            quota_exceeded: config.keeping.quota_exceeded,
        };
        Self {
            tls,
            judge: judge(&config),
            pop3: Arc::new(pop3),
            lmtp: Arc::new(transfer(Dialect::Lmtp)),
            smtp: Arc::new(transfer(Dialect::Smtp)),
            recipients: auth::Remembered::default(),
            config,
        }
    }
}

/// Who judges the mail of strangers, if there is a listener for them. Without a resolver nobody can, and
/// the mail comes in all the same.
fn judge(config: &Config) -> Option<Judge> {
    let listens = |listener: &Listener| listener.protocol == Protocol::Smtp;
    if !config.listeners.iter().any(listens) {
        return None;
    }
    let judge = Judge::new(config.smtp.judgement.clone());
    judge
        .inspect_err(|error| error!(%error, "mail by SMTP is taken without SPF, DKIM and DMARC"))
        .ok()
}

/// Serves until it is told to end and the last session is over.
///
/// Must be called inside a multi-threaded tokio runtime. Sessions that are in UPDATE, and
/// deliveries that have begun, are finished before this returns, for at most ten seconds.
///
/// # Errors
///
/// When the runtime does not take the sockets over.
pub async fn run(bound: Bound, services: Services, control: Control) -> Result<Ended, StartError> {
    let Bound {
        config,
        tls,
        sockets,
    } = bound;
    let readable = |tls| tls::readable(tls, &config.listeners);
    if let Some(Err(error)) = config.tls.as_ref().map(readable) {
        warn!(%error, "a reload will not be able to load a new certificate");
    }
    let Control { mut orders, stage } = control;
    let (phase, phase_seen) = watch::channel(Phase::Serving);
    let (live, live_seen) = watch::channel(Arc::new(Live::new(config, tls)));
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let server = Arc::new(Server {
        auth: services.auth,
        maildrops: services.maildrops,
        admission: Admission::new(),
        buffers: Arc::default(),
        timestamps: Timestamps::new(),
        sessions: SessionIds::default(),
        tidying: Tidying::default(),
        strangers: Strangers::default(),
    });
    let mut doors = JoinSet::new();
    for socket in sockets {
        let protocol = socket.listener.protocol;
        let address = socket.address.to_string();
        let accepting = take_over(socket.socket).map_err(|source| StartError::Listen {
            protocol,
            address: address.clone(),
            source,
            remedy: "report this fault".to_owned(),
        })?;
        info!(%protocol, address, "listening");
        let door = Door {
            server: Arc::clone(&server),
            live: live_seen.clone(),
            phase: phase_seen.clone(),
            alive: alive.clone(),
            protocol,
            plaintext_login: socket.listener.plaintext_login,
            client_certificates: socket.listener.client_certificates.map(Arc::new),
            front_ends: Arc::new(socket.listener.front_ends),
            name: format!("{protocol} {address}"),
        };
        doors.spawn(door.keep(accepting));
    }
    let maildrops = server.maildrops.clone();
    tokio::spawn(validity::keep_told(live_seen.clone(), phase_seen.clone()));
    // It ends between two maildrops, so what it is at is finished like an UPDATE.
    tokio::spawn(sweep::keep_swept(server, live_seen, phase_seen, alive));
    stage.send_replace(Stage::Ready);

    // Serving: until the first order to shut down.
    loop {
        match orders.recv().await {
            Some(Order::Reload(config)) => reload(*config, &live).await,
            Some(Order::Shutdown) => break,
            // Nobody is left who could give an order: serve on.
            None => std::future::pending().await,
        }
    }
    phase.send_replace(Phase::Draining);
    stage.send_replace(Stage::Draining);
    info!("draining: no new sessions");
    maildrops.stop_tidying();
    while doors.join_next().await.is_some() {}
    let until = Instant::now() + live.borrow().config.limits.drain_timeout;
    let drained = loop {
        tokio::select! {
            _ = all_gone.recv() => break true,
            () = sleep_until(until) => break false,
            Some(order) = orders.recv() => match order {
                Order::Shutdown => break false,
                Order::Reload(_) => info!("draining: the new configuration is not read"),
            },
        }
    };
    if !drained {
        info!("cutting the sessions that are left");
        phase.send_replace(Phase::Cut);
        // What waits for a client ends at once; what is being made durable is finished.
        if timeout(COMMIT_GRACE, all_gone.recv()).await.is_err() {
            error!("sessions are still waiting for the disk; ending without them");
        }
    }
    stage.send_replace(Stage::Ended);
    info!("ended");
    Ok(match drained {
        true => Ended::Drained,
        false => Ended::Cut,
    })
}

/// Takes a new configuration, or keeps the old one as a whole.
async fn reload(mut config: Config, live: &watch::Sender<Arc<Live>>) {
    let old = live.borrow().clone();
    if config.listeners != old.config.listeners {
        warn!("listeners have changed: that counts only after a restart");
        config.listeners.clone_from(&old.config.listeners);
    }
    // What listens goes on listening, so it goes on needing its certificate.
    if let Err(error) = servable(&config) {
        return error!(%error, "the old configuration and certificate stay in force");
    }
    let loaded = tokio::task::spawn_blocking(move || {
        let load = |tls| tls::load(tls, &config.listeners);
        let tls = config.tls.as_ref().map(load).transpose();
        let descriptors = fit_descriptors(&mut config.limits);
        (config, tls, descriptors)
    });
    let (config, tls) = match loaded.await {
        Ok((config, Ok(tls), Ok(()))) => (config, tls),
        Ok((_, Err(error), _)) => {
            return error!(%error, "the old configuration and certificate stay in force");
        }
        Ok((_, _, Err(error))) => {
            return error!(%error, "the old configuration stays in force");
        }
        Err(fault) => return error!(%fault, "the old configuration stays in force"),
    };
    live.send_replace(Arc::new(Live::new(config, tls)));
    info!("configuration and certificate reloaded: they count for new connections");
}

/// A login delay as CAPA tells it: in whole seconds.
fn announced(allowed: LoginDelay) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(allowed.delay.as_secs()).unwrap_or(u32::MAX))
}

fn take_over(socket: ListeningSocket) -> io::Result<Accepting> {
    let tcp = |socket: StdTcpListener| TcpListener::from_std(socket);
    let unix = |socket: StdUnixListener| UnixListener::from_std(socket);
    Ok(match socket {
        ListeningSocket::Tcp(socket) => Accepting::Tcp(tcp(socket)?),
        ListeningSocket::Unix(socket, file) => Accepting::Unix(unix(socket)?, file),
    })
}

/// Numbers of sessions, for the log.
#[derive(Default)]
pub(crate) struct SessionIds(AtomicU64);

impl SessionIds {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Timestamps of greetings: `<process.clock@hostname>`, different each time (RFC 1939 §7).
pub(crate) struct Timestamps {
    /// Kept, since the library asks the system each time.
    process: u32,
    last: AtomicU64,
}

impl Timestamps {
    pub(crate) fn new() -> Self {
        Self {
            process: std::process::id(),
            last: AtomicU64::new(0),
        }
    }

    /// The next one. The clock counts microseconds, and goes on by one where the machine's stands
    /// still or goes back, so no two greetings of this process are the same.
    pub(crate) fn next(&self, hostname: &str) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as u64);
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(now.max(last + 1))
            })
            .unwrap_or(0);
        let clock = now.max(last + 1);
        format!("<{}.{clock}@{hostname}>", self.process)
    }
}

/// How long a cut waits for what is being made durable.
const COMMIT_GRACE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_greetings_are_the_same() {
        let timestamps = Timestamps::new();
        let mut seen: Vec<_> = (0..10_000).map(|_| timestamps.next("a.example")).collect();
        assert!(seen[0].starts_with('<') && seen[0].ends_with("@a.example>"));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 10_000);
    }
}
