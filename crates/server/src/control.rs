//! Orders to a running server, and what stage it is in: ready, draining, ended.
//!
//! A first shutdown drains: no new sessions, those in AUTHORIZATION end, those in TRANSACTION go
//! on for `drain_timeout` or until QUIT. A second one cuts: what is left ends without UPDATE,
//! so nothing that a client marked is deleted. An UPDATE that has begun is always finished.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use crate::config::Config;

/// How far the server is, for service managers (`sd_notify`) and tests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Not serving yet.
    Starting,
    /// Connections are accepted.
    Ready,
    /// No new connections; open sessions come to their end.
    Draining,
    /// The last session is over.
    Ended,
}

/// What sessions are told: go on, come to an end, or end now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Cut,
}

pub(crate) enum Order {
    Shutdown,
    Reload(Box<Config>),
}

/// The end that gives orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Controller {
    orders: mpsc::Sender<Order>,
    stage: watch::Receiver<Stage>,
}

/// The end that [`run`](crate::run) takes.
#[derive(Debug)]
pub struct Control {
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) stage: watch::Sender<Stage>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "Shutdown",
            Self::Reload(_) => "Reload",
        })
    }
}

/// Makes both ends.
pub fn control() -> (Controller, Control) {
    let (orders, orders_taken) = mpsc::channel(ORDERS_MAX);
    let (stage_told, stage) = watch::channel(Stage::Starting);
    let control = Control {
        orders: orders_taken,
        stage: stage_told,
    };
    (Controller { orders, stage }, control)
}

impl Controller {
    /// Drains the server; the second time, cuts what is left.
    pub async fn shutdown(&self) {
        // A server that has ended has nothing left to shut down.
        let _ = self.orders.send(Order::Shutdown).await;
    }

    /// Gives the server a new configuration: limits, names and certificate count for new
    /// connections. If the certificate cannot be loaded, the server logs it and keeps the old
    /// configuration as a whole. Listeners do not change.
    pub async fn reload(&self, config: Config) {
        let _ = self.orders.send(Order::Reload(Box::new(config))).await;
    }

    /// The stages of the server as they come.
    pub fn stages(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    /// Waits until the server is in this stage or a later one; false if it ended without.
    pub async fn reached(&self, stage: Stage) -> bool {
        let mut stages = self.stage.clone();
        let reached = stages.wait_for(|now| *now as u8 >= stage as u8).await;
        reached.is_ok()
    }
}

/// Turns signals into orders, for ever: SIGTERM and SIGINT shut down, SIGHUP reloads with what
/// `read_config` returns; if that fails, its text is logged and the server goes on as it is.
///
/// The handlers are in place when this function returns; the returned future must be polled.
///
/// # Errors
///
/// When a signal handler cannot be installed.
pub fn signals(
    controller: Controller,
    read_config: impl Fn() -> Result<Config, String> + Clone + Send + 'static,
) -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                Some(()) = terminate.recv() => {
                    info!(signal = "SIGTERM", "shutdown asked for");
                    controller.shutdown().await;
                }
                Some(()) = interrupt.recv() => {
                    info!(signal = "SIGINT", "shutdown asked for");
                    controller.shutdown().await;
                }
                Some(()) = hang_up.recv() => {
                    let read_config = read_config.clone();
                    match tokio::task::spawn_blocking(read_config).await {
                        Ok(Ok(config)) => controller.reload(config).await,
                        Ok(Err(why)) => error!(
                            why,
                            "the new configuration is wrong; the old one stays in force"
                        ),
                        Err(panic) => error!(
                            why = %panic,
                            "the configuration cannot be read; the old one stays in force"
                        ),
                    }
                }
                else => return,
            }
        }
    })
}

/// Orders that may wait; signals come one at a time.
const ORDERS_MAX: usize = 8;
