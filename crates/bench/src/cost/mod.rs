//! What the server costs in CPU time and memory, where it runs on this machine; and what the load
//! generator itself costs, so that it is seen when the server is not what limits a run.

mod group;
mod tree;

use std::path::PathBuf;
use std::time::Duration;

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
