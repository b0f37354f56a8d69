//! What a server process costs: CPU time and memory, its children included.
//!
//! CPU time is the kernel's own account of each process in nanoseconds (the process CPU clock),
//! user and system together. Memory is the proportional set size, so that pages which processes
//! share count once, and page tables beside it.

use std::fs;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Memory of a process tree in octets.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Memory {
    /// Proportional set size.
    pub proportional: u64,
    /// Page tables.
    pub page_tables: u64,
}

/// A server that runs on this machine, by the id of its first process.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub i32);

impl Process {
    /// CPU time of the process and its living descendants since they started; none if it is gone.
    pub fn cpu_time(self) -> Option<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.0)).ok()?;
        let own = Duration::from(clock_gettime(clock).ok()?);
        Some(
            self.children()
                .filter_map(Self::cpu_time)
                .fold(own, |sum, time| sum + time),
        )
    }

    /// Memory of the process and its living descendants; none if it is gone or not ours to read.
    pub fn memory(self) -> Option<Memory> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).ok()?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let own = Memory {
            proportional: kibibytes(&rollup, "Pss:")?,
            page_tables: kibibytes(&status, "VmPTE:")?,
        };
        Some(
            self.children()
                .filter_map(Self::memory)
                .fold(own, |sum, memory| Memory {
                    proportional: sum.proportional + memory.proportional,
                    page_tables: sum.page_tables + memory.page_tables,
                }),
        )
    }

    fn children(self) -> impl Iterator<Item = Self> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0))
            .into_iter()
            .flatten()
            .flatten();
        let lists: Vec<String> = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .collect();
        lists
            .into_iter()
            .flat_map(|list| {
                list.split_whitespace()
                    .filter_map(|id| id.parse().ok())
                    .collect::<Vec<i32>>()
            })
            .map(Self)
    }
}

/// The figure of a line such as `Pss:   1234 kB`, in octets.
fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let figure: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(figure * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this() -> Process {
        Process(i32::try_from(std::process::id()).unwrap())
    }

    #[test]
    fn cpu_time_rises_with_work() {
        let before = this().cpu_time().unwrap();
        let mut sum = 0_u64;
        while this().cpu_time().unwrap() < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }

    #[test]
    fn memory_grows_with_what_is_touched() {
        let before = this().memory().unwrap();
        let touched = std::hint::black_box(vec![1_u8; 32 << 20]);
        let after = this().memory().unwrap();
        assert!(
            after.proportional >= before.proportional + (24 << 20),
            "{before:?} {after:?}"
        );
        drop(touched);
    }

    #[test]
    fn a_process_that_is_gone_has_no_figures() {
        let gone = Process(i32::MAX - 1);
        assert!(gone.cpu_time().is_none() && gone.memory().is_none());
    }
}
