//! A run: one thread a connection, a clock, and the server's account before and after.
//!
//! Threads that block cost the machine less than a loop that asks which socket is ready: each answer is
//! one read. `taskset` in front of the program pins all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Load;
use crate::cost::{Memory, own_cpu_time};
use crate::durations::{Durations, Timing};
use crate::error::BenchError;

/// What a thread counts.
pub(crate) struct Tally<'a> {
    load: &'a Load<'a>,
    failed: &'a AtomicBool,
    start: Instant,
    pub(crate) units: u64,
    pub(crate) octets: u64,
    /// Sessions whose TLS was resumed.
    pub(crate) resumed: u64,
    /// Sessions that were due and not begun in time.
    pub(crate) missed: u64,
    /// Messages whose stamp was verified while the clock ran.
    pub(crate) stamped: u64,
    durations: Vec<Durations>,
}

impl Tally<'_> {
    /// Whether another unit is to be begun: there is time, and no thread has failed.
    pub(crate) fn goes_on(&self) -> bool {
        self.start.elapsed() < self.load.duration && !self.has_failed()
    }

    /// Whether another thread has found a reason to end the run.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// When the clock began to run.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Counts a unit that is done.
    pub(crate) fn count(&mut self, octets: u64) {
        self.units += 1;
        self.octets += octets;
        self.load.progress.add(1);
    }

    /// Records how long the n-th of the timed things took.
    pub(crate) fn record(&mut self, nth: usize, duration: Duration) {
        self.durations[nth].record(duration);
    }
}

/// What all threads have counted together, and what it cost.
pub(crate) struct Run {
    pub(crate) units: u64,
    pub(crate) octets: u64,
    pub(crate) resumed: u64,
    pub(crate) missed: u64,
    pub(crate) stamped: u64,
    pub(crate) elapsed: Duration,
    /// CPU time and memory of the server, if it was to be looked at.
    pub(crate) server: Option<(Duration, Memory)>,
    /// CPU time of the load generator.
    pub(crate) own: Duration,
    pub(crate) timings: Vec<Timing>,
}

/// Runs `work` in one thread for each of the prepared places. The clock and the server's account run
/// from when all are prepared to when the last thread has finished. `timed` names what is timed.
///
/// # Errors
///
/// The first that a thread meets; the others stop at their next unit.
pub(crate) fn measure<P: Send>(
    load: &Load<'_>,
    timed: &[&str],
    prepared: Vec<P>,
    work: impl Fn(P, &mut Tally<'_>) -> Result<(), BenchError> + Sync,
) -> Result<Run, BenchError> {
    let failed = AtomicBool::new(false);
    let cpu_before = load.server.as_ref().map(|server| server.cpu_time());
    let cpu_before = cpu_before.transpose()?;
    let own_before = own_cpu_time();
    load.progress.begin();
    let start = Instant::now();
    let new = || Tally {
        load,
        failed: &failed,
        start,
        units: 0,
        octets: 0,
        resumed: 0,
        missed: 0,
        stamped: 0,
        durations: timed.iter().map(|_| Durations::new()).collect(),
    };
    let (work, failed, new) = (&work, &failed, &new);
    let tallies = thread::scope(|scope| {
        let threads: Vec<_> = prepared
            .into_iter()
            .map(|prepared| {
                scope.spawn(move || {
                    let mut tally = new();
                    let done = work(prepared, &mut tally);
                    if done.is_err() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    done.map(|()| tally)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a load thread does not panic"))
            .collect::<Result<Vec<Tally<'_>>, BenchError>>()
    })?;
    let elapsed = start.elapsed();
    let own = own_cpu_time().saturating_sub(own_before);
    let server = match (&load.server, cpu_before) {
        (Some(server), Some(before)) => {
            let cpu = server.cpu_time()?.saturating_sub(before);
            Some((cpu, server.memory()?))
        }
        _ => None,
    };
    let sum = |part: fn(&Tally<'_>) -> u64| tallies.iter().map(part).sum();
    Ok(Run {
        units: sum(|tally| tally.units),
        octets: sum(|tally| tally.octets),
        resumed: sum(|tally| tally.resumed),
        missed: sum(|tally| tally.missed),
        stamped: sum(|tally| tally.stamped),
        elapsed,
        server,
        own,
        timings: timings(timed, &tallies),
    })
}

fn timings(timed: &[&str], tallies: &[Tally<'_>]) -> Vec<Timing> {
    timed
        .iter()
        .enumerate()
        .map(|(nth, name)| {
            let mut all = Durations::new();
            for tally in tallies {
                all.merge(&tally.durations[nth]);
            }
            all.timing(name)
        })
        .collect()
}
