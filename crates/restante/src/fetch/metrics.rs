//! Metrics of all accounts, in a file for node_exporter's textfile collector.
//!
//! Runs of several processes count together: each reads what is there, adds, and puts the whole file into its place. What cannot be
//! written is told once a run and hurts nobody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use client::fetch::Summary;

use super::files;
use super::place::Place;
use crate::failure::{Code, Failure};
use crate::output;

/// No such file is larger: a thousand accounts have 400 KiB.
const OCTETS_MAX: u64 = 4 << 20;

/// Each metric: its name below `restante_fetch_`, what it is, and its type.
const METRICS: [(&str, &str, &str); 6] = [
    (
        "last_run_timestamp_seconds",
        "When the account was last fetched from, with success or without.",
        "gauge",
    ),
    (
        "last_success_timestamp_seconds",
        "When the account was last fetched from with success.",
        "gauge",
    ),
    ("messages_total", "Messages fetched.", "counter"),
    ("octets_total", "Octets of messages fetched.", "counter"),
    (
        "deleted_total",
        "Messages deleted from the server.",
        "counter",
    ),
    (
        "errors_total",
        "Sessions that failed, by what was wrong.",
        "counter",
    ),
];

/// What came of a session.
pub(super) struct Outcome {
    /// How many messages were fetched, and their octets: of one that failed in the end, too.
    fetched: (usize, u64),
    /// How many messages it deleted, or why it failed.
    result: Result<usize, Code>,
}

impl Outcome {
    pub(super) fn of(fetched: (usize, u64), result: &Result<Summary, Failure>) -> Self {
        let deleted = result.as_ref().map(|summary| summary.deleted);
        let result = deleted.map_err(Failure::code);
        Self { fetched, result }
    }
}

/// Adds what came of a session.
pub(super) fn record(
    file: &Path,
    place: &Place,
    account: &str,
    outcome: &Outcome,
    now: SystemTime,
) {
    if let Err(error) = add(file, place, account, outcome, now) {
        tracing::warn!(
            "the metrics in {} cannot be written: {}",
            file.display(),
            output::plain(&error)
        );
    }
}

fn add(
    file: &Path,
    place: &Place,
    account: &str,
    outcome: &Outcome,
    now: SystemTime,
) -> io::Result<()> {
    // Held until the end of this function.
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(place.directory().join("metrics.lock"))?;
    lock.lock()?;
    let mut values = read(file)?;
    let mut value = |metric: &str, class: &str, change: &dyn Fn(u64) -> u64| {
        let class = match class {
            "" => String::new(),
            class => format!(",class=\"{class}\""),
        };
        let series = format!("restante_fetch_{metric}{{account=\"{account}\"{class}}}");
        let value = values.entry(series).or_default();
        *value = change(*value);
    };
    let at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    value("last_run_timestamp_seconds", "", &|_| at);
    let more = |number: u64| move |before: u64| before.saturating_add(number);
    value("messages_total", "", &more(outcome.fetched.0 as u64));
    value("octets_total", "", &more(outcome.fetched.1));
    match outcome.result {
        Ok(deleted) => {
            value("last_success_timestamp_seconds", "", &|_| at);
            value("deleted_total", "", &more(deleted as u64));
        }
        Err(code) => value("errors_total", class(code), &more(1)),
    }
    files::put(file, text(&values).as_bytes(), 0o644)
}

/// The series that are there; what is none of ours is left out.
fn read(file: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut text = String::new();
    match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        Ok(open) => {
            open.take(OCTETS_MAX).read_to_string(&mut text)?;
        }
    }
    let series = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        METRICS.iter().find(|(name, ..)| is_of(series, name))?;
        Some((series.to_owned(), value.parse().ok()?))
    };
    Ok(text.lines().filter_map(series).collect())
}

fn is_of(series: &str, name: &str) -> bool {
    let rest = series.strip_prefix("restante_fetch_");
    let rest = rest.and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest.starts_with('{'))
}

/// The whole file.
fn text(values: &BTreeMap<String, u64>) -> String {
    let mut text = String::new();
    for (name, help, kind) in METRICS {
        let prefix = format!("restante_fetch_{name}");
        let mut series = values
            .iter()
            .filter(|(series, _)| is_of(series, name))
            .peekable();
        if series.peek().is_none() {
            continue;
        }
        // To write into a String cannot fail.
        let _ = writeln!(text, "# HELP {prefix} {help}\n# TYPE {prefix} {kind}");
        for (series, value) in series {
            let _ = writeln!(text, "{series} {value}");
        }
    }
    text
}

/// What was wrong, in a word.
fn class(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "unreachable",
        Code::Temporary => "temporary",
        Code::Protocol => "protocol",
        Code::NoPermission => "login",
        Code::TokenNeeded => "token",
        Code::Config | Code::Usage => "configuration",
        Code::CannotCreate => "delivery",
        Code::InputOutput => "disk",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_several_runs_did_is_added_up() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new(&directory.path().join("state")).unwrap();
        let file = directory.path().join("metrics/fetch.prom");
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (account, fetched, result, seconds) in [
            ("bob", (2, 320), Ok(1), 100),
            ("bob", (2, 320), Ok(2), 200),
            ("al-ice", (0, 0), Err(Code::NoPermission), 300),
            // It was lost after a message.
            ("bob", (1, 60), Err(Code::Unavailable), 400),
        ] {
            let outcome = Outcome { fetched, result };
            add(&file, &place, account, &outcome, at(seconds)).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "# HELP restante_fetch_last_run_timestamp_seconds When the account was last fetched from, with success or without.\n\
             # TYPE restante_fetch_last_run_timestamp_seconds gauge\n\
             restante_fetch_last_run_timestamp_seconds{account=\"al-ice\"} 300\n\
             restante_fetch_last_run_timestamp_seconds{account=\"bob\"} 400\n\
             # HELP restante_fetch_last_success_timestamp_seconds When the account was last fetched from with success.\n\
             # TYPE restante_fetch_last_success_timestamp_seconds gauge\n\
             restante_fetch_last_success_timestamp_seconds{account=\"bob\"} 200\n\
             # HELP restante_fetch_messages_total Messages fetched.\n\
             # TYPE restante_fetch_messages_total counter\n\
             restante_fetch_messages_total{account=\"al-ice\"} 0\n\
             restante_fetch_messages_total{account=\"bob\"} 5\n\
             # HELP restante_fetch_octets_total Octets of messages fetched.\n\
             # TYPE restante_fetch_octets_total counter\n\
             restante_fetch_octets_total{account=\"al-ice\"} 0\n\
             restante_fetch_octets_total{account=\"bob\"} 700\n\
             # HELP restante_fetch_deleted_total Messages deleted from the server.\n\
             # TYPE restante_fetch_deleted_total counter\n\
             restante_fetch_deleted_total{account=\"bob\"} 3\n\
             # HELP restante_fetch_errors_total Sessions that failed, by what was wrong.\n\
             # TYPE restante_fetch_errors_total counter\n\
             restante_fetch_errors_total{account=\"al-ice\",class=\"login\"} 1\n\
             restante_fetch_errors_total{account=\"bob\",class=\"unreachable\"} 1\n"
        );
    }
}
