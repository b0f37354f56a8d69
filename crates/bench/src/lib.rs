//! Load generator for POP3 servers: workloads, measured from outside and verified while measured.
//!
//! A wrong answer is no fast answer. Status lines, listings and line ends are checked, every octet of
//! every message is compared with what it was at first, or with what its corpus says, and the first
//! wrong answer ends the run. What the server costs in CPU time and memory is the kernel's account of
//! its processes, where they run on this machine.

pub mod corpus;
pub mod page;

mod conversation;
mod cost;
mod deliver;
mod drain;
mod durations;
mod error;
mod idle;
mod list;
mod listing;
mod lmtp;
mod machine;
mod measure;
mod outcome;
mod pace;
mod poll;
mod progress;
mod retrieve;
mod target;
mod transport;
mod verify;

#[cfg(test)]
mod liar;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use cost::{Account, Memory};
pub use deliver::{Address, Postbox, deliver};
pub use durations::Timing;
pub use error::BenchError;
pub use outcome::{Better, Figure, Outcome};
pub use progress::Progress;
pub use target::{SOURCES_MAX, Target};
pub use transport::{Handshakes, Transport};

/// What is done to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Workload {
    /// Connect, log in, STAT, QUIT; again and again.
    Poll {
        /// So many sessions a second are due, whether the server keeps up or not; none: each
        /// connection begins a session when it has ended one.
        rate: Option<f64>,
    },
    /// Log in once, then retrieve all messages again and again, so many commands ahead.
    Retrieve {
        /// Commands that wait for a reply at once; 1: one at a time.
        window: usize,
    },
    /// Log in, STAT, LIST, UIDL, three TOP, one RETR, QUIT; again and again.
    List,
    /// Each account once: log in, retrieve all messages, delete all, QUIT.
    Drain {
        /// Commands that wait for a reply at once.
        window: usize,
    },
    /// Log in on all connections and hold them.
    Idle,
}

/// How much and how long, and who looks on.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// Connections at once.
    pub connections: usize,
    /// How long units are begun; of `Idle`, how long the sessions are held.
    pub duration: Duration,
    /// Where the server's cost is accounted for, if it runs on this machine and that is wanted.
    pub server: Option<Account>,
    /// How the server is called in reports.
    pub label: String,
    /// How the run is called in reports, if not by its workload.
    pub case: Option<String>,
    /// How far the run is.
    pub progress: &'a Progress,
}

impl<'a> Load<'a> {
    /// A load on a server of which nothing is known.
    pub fn new(connections: usize, duration: Duration, progress: &'a Progress) -> Self {
        Self {
            connections,
            duration,
            server: None,
            label: "server".to_owned(),
            case: None,
            progress,
        }
    }
}

/// Runs a workload to its end.
///
/// # Errors
///
/// At the first wrong answer, or when the server cannot be reached or measured.
pub fn run(target: &Target, workload: Workload, load: &Load<'_>) -> Result<Outcome, BenchError> {
    target.check()?;
    let mut outcome = match workload {
        Workload::Poll { rate } => poll::run(target, load, rate),
        Workload::Retrieve { window } => retrieve::run(target, load, window.max(1)),
        Workload::List => list::run(target, load),
        Workload::Drain { window } => drain::run(target, load, window.max(1)),
        Workload::Idle => idle::run(target, load),
    }?;
    outcome.cipher = target.cipher()?;
    Ok(outcome)
}
