//! Load generator for POP3 servers: workloads, measured from outside and verified while measured.
//!
//! A wrong answer is no fast answer: every status line is read, every message's octets are counted
//! against what LIST said of it, and every listing against STAT. What the server's process costs
//! in CPU time and memory is taken from the kernel when its id is given.

mod conversation;
mod idle;
mod list;
mod poll;
mod process;
mod report;
mod retrieve;
mod target;

use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

pub use process::{Memory, Process};
pub use report::{Figure, Latency, Report};
pub use target::{Target, Transport};

use report::Durations;

/// What is done to the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Workload {
    /// Connect, log in, STAT, QUIT; again and again.
    Poll,
    /// Log in once, then retrieve all messages again and again, so many commands ahead.
    Retrieve {
        /// Commands that wait for a reply at once; 1: one at a time.
        window: usize,
    },
    /// Log in on all connections and hold them.
    Idle,
    /// Log in, STAT, LIST, UIDL, QUIT; again and again.
    List,
}

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections at once.
    pub connections: usize,
    /// How long units are begun; of `Idle`, how long the sessions are held.
    pub duration: Duration,
    /// The server's process, if it runs on this machine and its cost is wanted.
    pub server: Option<Process>,
}

/// Why a measurement is worth nothing.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Not an address.
    #[error("{0} is no host:port that can be resolved")]
    Address(String),
    /// Not a server's name.
    #[error("{0} is no name that a certificate can have")]
    ServerName(String),
    /// The file of trusted certificates is of no use.
    #[error("{}: {why}", file.display())]
    Roots {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The connection failed.
    #[error("connection to the server failed: {0}")]
    Connection(#[from] io::Error),
    /// The server does not speak POP3.
    #[error("{0}")]
    Broken(#[from] pop3::client::Broken),
    /// A name or password that no line can carry.
    #[error("user name or password cannot be sent: {0}")]
    NotALine(#[from] pop3::NotALine),
    /// The server said `-ERR`.
    #[error("server refused {command}: {status}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// What it said.
        status: String,
    },
    /// The server's answer does not agree with itself.
    #[error("server gave a wrong answer: {0}")]
    Wrong(String),
    /// The process to measure is not there, or not ours to look at.
    #[error("process {0} cannot be measured: it is gone, or belongs to somebody else")]
    NoProcess(i32),
    /// There is no message to retrieve.
    #[error("the maildrop of {0} is empty: there is nothing to retrieve")]
    Empty(String),
}

/// Runs a workload to its end.
///
/// # Errors
///
/// At the first wrong answer, or when the server cannot be reached or measured.
pub fn run(target: &Target, workload: Workload, load: &Load) -> Result<Report, BenchError> {
    match workload {
        Workload::Poll => poll::run(target, load),
        Workload::Retrieve { window } => retrieve::run(target, load, window.max(1)),
        Workload::Idle => idle::run(target, load),
        Workload::List => list::run(target, load),
    }
}

impl Target {
    fn report(&self, workload: &'static str, connections: usize) -> Report {
        let transport = match self.transport {
            Transport::Plain => "plain",
            Transport::Tls(..) => "tls",
        };
        Report {
            workload,
            transport,
            connections,
            figures: Vec::new(),
        }
    }

    /// The account of the n-th connection.
    fn user(&self, connection: usize) -> &str {
        &self.users[connection % self.users.len()]
    }
}

/// What a thread has counted.
struct Tally {
    units: u64,
    octets: u64,
    durations: Durations,
}

impl Tally {
    fn new() -> Self {
        Self {
            units: 0,
            octets: 0,
            durations: Durations::new(),
        }
    }
}

/// Measured time of a run of all threads together.
struct Run {
    tally: Tally,
    elapsed: Duration,
    cpu: Option<Duration>,
}

/// Runs one thread a connection. Each prepares itself first; the clock and the server's CPU time
/// run from when all are ready to when the last has finished.
fn measure<P: Send>(
    load: &Load,
    prepare: impl Fn(usize) -> Result<P, BenchError> + Sync,
    work: impl Fn(usize, P, Instant, &mut Tally) -> Result<(), BenchError> + Sync,
) -> Result<Run, BenchError> {
    let prepared = (0..load.connections)
        .map(&prepare)
        .collect::<Result<Vec<P>, _>>()?;
    let cpu_before = cpu_time(load)?;
    let start = Instant::now();
    let deadline = start + load.duration;
    let work = &work;
    let tallies = thread::scope(|scope| {
        let threads: Vec<_> = prepared
            .into_iter()
            .enumerate()
            .map(|(index, prepared)| {
                scope.spawn(move || {
                    let mut tally = Tally::new();
                    work(index, prepared, deadline, &mut tally).map(|()| tally)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a load thread does not panic"))
            .collect::<Result<Vec<Tally>, BenchError>>()
    })?;
    let elapsed = start.elapsed();
    let cpu = match (cpu_before, cpu_time(load)?) {
        (Some(before), Some(after)) => Some(after.saturating_sub(before)),
        _ => None,
    };
    let mut tally = Tally::new();
    for other in tallies {
        tally.units += other.units;
        tally.octets += other.octets;
        tally.durations.merge(&other.durations);
    }
    Ok(Run {
        tally,
        elapsed,
        cpu,
    })
}

fn cpu_time(load: &Load) -> Result<Option<Duration>, BenchError> {
    load.server
        .map(|process| process.cpu_time().ok_or(BenchError::NoProcess(process.0)))
        .transpose()
}
