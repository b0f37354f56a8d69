//! What a control group costs: whatever the server forks, and whoever waits for it, is in it.
//!
//! Both versions of the interface are known: `cpu.stat` of version 2, `cpuacct.usage` of version 1.
//! Memory is the proportional set size of its processes and of those of groups inside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Memory;
use super::tree::Process;
use crate::error::BenchError;

/// CPU time of the group since it was made.
pub(super) fn cpu_time(directory: &Path) -> Result<Duration, BenchError> {
    let failure = |why: String| BenchError::NoGroup {
        directory: directory.to_owned(),
        why,
    };
    if let Ok(usage) = fs::read_to_string(directory.join("cpuacct.usage")) {
        let nanoseconds = usage.trim().parse();
        return nanoseconds
            .map(Duration::from_nanos)
            .map_err(|_| failure("cpuacct.usage is no number".to_owned()));
    }
    let stat = fs::read_to_string(directory.join("cpu.stat"))
        .map_err(|error| failure(format!("cpu.stat: {error}")))?;
    let usage = stat
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    usage
        .and_then(|microseconds| microseconds.trim().parse().ok())
        .map(Duration::from_micros)
        .ok_or_else(|| failure("cpu.stat has no usage_usec".to_owned()))
}

/// Memory of the group's processes.
pub(super) fn memory(directory: &Path) -> Result<Memory, BenchError> {
    let failure = |error: io::Error| BenchError::NoGroup {
        directory: directory.to_owned(),
        why: format!("cgroup.procs: {error}"),
    };
    let processes = processes(directory).map_err(failure)?;
    let memories: Vec<Memory> = processes
        .into_iter()
        .filter_map(Process::own_memory)
        .collect();
    match memories.is_empty() {
        true => Err(BenchError::NoGroup {
            directory: directory.to_owned(),
            why: "it has no process that may be looked at".to_owned(),
        }),
        false => Ok(memories.into_iter().fold(Memory::default(), Memory::and)),
    }
}

fn processes(directory: &Path) -> io::Result<Vec<Process>> {
    let list = fs::read_to_string(directory.join("cgroup.procs"))?;
    let mut processes: Vec<Process> = list
        .lines()
        .filter_map(|id| id.parse().ok().map(Process))
        .collect();
    let inside: Vec<PathBuf> = fs::read_dir(directory)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    for group in inside {
        processes.extend(self::processes(&group)?);
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a group; this process is in a group inside it.
    fn group(file: &str, text: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(file), text).unwrap();
        fs::write(directory.path().join("cgroup.procs"), "").unwrap();
        let inside = directory.path().join("inside");
        fs::create_dir(&inside).unwrap();
        let id = std::process::id();
        fs::write(inside.join("cgroup.procs"), format!("{id}\n")).unwrap();
        directory
    }

    #[test]
    fn both_versions_have_an_account() {
        for (file, text) in [
            (
                "cpu.stat",
                "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n",
            ),
            ("cpuacct.usage", "1500000\n"),
        ] {
            let group = group(file, text);
            let time = cpu_time(group.path()).unwrap();
            assert_eq!(time, Duration::from_micros(1500), "{file}");
            assert!(memory(group.path()).unwrap().proportional > 0);
        }
    }

    #[test]
    fn what_is_no_group_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert!(cpu_time(directory.path()).is_err());
        assert!(memory(directory.path()).is_err());
        let odd = group("cpu.stat", "nr_periods 0\n");
        let error = cpu_time(odd.path()).unwrap_err().to_string();
        assert!(error.contains("usage_usec"), "{error}");
    }
}
