//! What the server costs in CPU time and memory, where it runs on this machine; and what the load
//! generator itself costs, so that it is seen when the server is not what limits a run.

mod group;
mod tree;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::error::BenchError;
use tree::Process;

/// Where the account of the server is kept.
#[derive(Clone, Debug)]
pub enum Account {
    /// A process and all that descend from it, by its id.
    Tree(i32),
    /// A control group, by its directory below `/sys/fs/cgroup`.
    Group(PathBuf),
}

/// Memory in octets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Proportional set size.
    pub proportional: u64,
    /// Page tables.
    pub page_tables: u64,
}

impl Memory {
    fn and(self, other: Self) -> Self {
        Self {
            proportional: self.proportional + other.proportional,
            page_tables: self.page_tables + other.page_tables,
        }
    }
}

impl Account {
    /// CPU time so far, user and system together.
    ///
    /// # Errors
    ///
    /// When there is no such process or group, or its account may not be read.
    pub fn cpu_time(&self) -> Result<Duration, BenchError> {
        match self {
            Self::Tree(id) => Process(*id).cpu_time().ok_or(BenchError::NoProcess(*id)),
            Self::Group(directory) => group::cpu_time(directory),
        }
    }

    /// Waits until the server has nothing left to do, at most for so long; how long that was.
    ///
    /// # Errors
    ///
    /// The same.
    pub(crate) fn settle(&self, longest: Duration) -> Result<Duration, BenchError> {
        let start = Instant::now();
        let mut before = self.cpu_time()?;
        loop {
            let waited = start.elapsed();
            thread::sleep(QUIET);
            let now = self.cpu_time()?;
            if now.saturating_sub(before) < QUIET / IDLE_SHARE || waited >= longest {
                return Ok(waited);
            }
            before = now;
        }
    }

    /// Memory now.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn memory(&self) -> Result<Memory, BenchError> {
        match self {
            Self::Tree(id) => Process(*id).memory().ok_or(BenchError::NoProcess(*id)),
            Self::Group(directory) => group::memory(directory),
        }
    }
}

/// A server that has used less than this share of a core for so long is idle: timers that always run
/// take less.
const QUIET: Duration = Duration::from_millis(100);
const IDLE_SHARE: u32 = 50;

/// CPU time of this process so far.
pub(crate) fn own_cpu_time() -> Duration {
    let time = |time: TimeVal| {
        let microseconds = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
    };
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        time(usage.user_time()) + time(usage.system_time())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_still_works_is_waited_for() {
        let mut child = std::process::Command::new("sh")
            .args([
                "-c",
                "end=$(($(cut -d' ' -f14 /proc/$$/stat) + 40)); \
                 while [ $(cut -d' ' -f14 /proc/$$/stat) -lt $end ]; do \
                 i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; done; exec sleep 60",
            ])
            .spawn()
            .unwrap();
        let account = Account::Tree(i32::try_from(child.id()).unwrap());
        // Not idle before it has begun.
        while account.cpu_time().unwrap() < Duration::from_millis(20) {
            thread::yield_now();
        }
        let hurried = account.settle(Duration::ZERO).unwrap();
        let waited = account.settle(Duration::from_secs(50)).unwrap();
        let cpu = account.cpu_time().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(hurried < Duration::from_secs(1), "{hurried:?}");
        assert!(waited < Duration::from_secs(50), "{waited:?}");
        assert!(cpu >= Duration::from_millis(390), "{cpu:?}");
    }
}
