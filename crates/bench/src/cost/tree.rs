//! What a server's process and all that descend from it cost.
//!
//! CPU time is the kernel's own account of each living process in nanoseconds (the process CPU clock),
//! user and system together, and what it has inherited from children that have ended and were waited
//! for, in clock ticks: a server that forks for each session has little other. What ends without being
//! waited for by an ancestor that lives, or has left the tree, is missed; a control group misses nothing.
//! Memory is the proportional set size, so that pages which processes share count once, and page
//! tables beside it.

use std::fs;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};

use super::Memory;

/// A server that runs on this machine, by the id of its first process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process(pub(super) i32);

impl Process {
    /// CPU time of the process and its descendants since they started; none if it is gone.
    pub(super) fn cpu_time(self) -> Option<Duration> {
        // Descendants first: one that ends in between is then counted by its parent as well, or not at
        // all; both are one process at the edge of a run.
        let descendants: Duration = self.children().filter_map(Self::cpu_time).sum();
        let clock = clock_getcpuclockid(Pid::from_raw(self.0)).ok()?;
        let own = Duration::from(clock_gettime(clock).ok()?);
        Some(descendants + own + self.inherited()?)
    }

    /// CPU time of children that have ended and were waited for, and of theirs.
    fn inherited(self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        // The name, in parentheses, may hold anything. After it, cutime and cstime are the 14th and
        // 15th field (proc(5) counts from 1 and has them as 16 and 17).
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(13);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let ticks = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
        Some(Duration::from_nanos(
            (user + system) * 1_000_000_000 / ticks,
        ))
    }

    /// Memory of the process and its living descendants; none if it is gone or not ours to read.
    pub(super) fn memory(self) -> Option<Memory> {
        let own = self.own_memory()?;
        // A child that ends while it is looked at has none.
        Some(
            self.children()
                .filter_map(Self::memory)
                .fold(own, Memory::and),
        )
    }

    /// Memory of this process alone.
    pub(super) fn own_memory(self) -> Option<Memory> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0)).ok()?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        Some(Memory {
            proportional: kibibytes(&rollup, "Pss:")?,
            page_tables: kibibytes(&status, "VmPTE:")?,
        })
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
    fn children_that_have_ended_count() {
        let before = this().inherited().unwrap();
        // Three tenths of a second: many clock ticks, and far above what other tests' children take.
        let burn = "end=$(($(cut -d' ' -f14 /proc/$$/stat) + 30)); \
                    while [ $(cut -d' ' -f14 /proc/$$/stat) -lt $end ]; do \
                    i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; done";
        let ended = std::process::Command::new("sh").args(["-c", burn]).status();
        assert!(ended.unwrap().success());
        let after = this().inherited().unwrap();
        assert!(
            after >= before + Duration::from_millis(290),
            "{before:?} {after:?}"
        );
    }

    #[test]
    fn children_that_live_count() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let id = Process(i32::try_from(child.id()).unwrap());
        while id.cpu_time().unwrap() < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        // Its own first, which only rises.
        let (own, tree) = (id.cpu_time().unwrap(), this().cpu_time().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree >= own, "{tree:?} {own:?}");
        assert!(this().memory().unwrap().proportional > 0);
    }

    #[test]
    fn a_process_that_is_gone_has_no_figures() {
        let gone = Process(i32::MAX - 1);
        assert!(gone.cpu_time().is_none() && gone.memory().is_none());
    }
}
