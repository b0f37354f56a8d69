//! What was measured, for people and for programs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Load;
use crate::durations::Timing;
use crate::measure::Run;

/// Beginning of the name of the figure that is compared first: `server CPU a session`.
pub(crate) const CPU: &str = "server CPU a ";

/// The same for memory: `server memory a session`.
pub(crate) const MEMORY: &str = "server memory a ";

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The larger one.
    Higher,
    /// The smaller one.
    Lower,
    /// Neither: it says what was measured.
    Neither,
}

/// One figure with its unit, such as `12345.6 sessions/s`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// How it compares.
    pub better: Better,
}

/// The outcome of one workload.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Outcome {
    /// The server that was measured, as the user calls it.
    pub label: String,
    /// What was measured, as the user calls it; outcomes with the same case are compared.
    pub case: String,
    /// Which workload.
    pub workload: String,
    /// How octets travelled: `plain`, `tls` or `tls-resumed`; `lmtp` for deliveries.
    pub transport: String,
    /// Protocol and cipher suite, if octets travelled inside TLS.
    #[serde(default)]
    pub cipher: Option<String>,
    /// Connections at once.
    pub connections: usize,
    /// When, in seconds of the epoch.
    pub at: u64,
    /// On what: processor, cores, kernel.
    pub machine: String,
    /// What was counted and measured, in the order of telling.
    pub figures: Vec<Figure>,
    /// How long single things took.
    pub timings: Vec<Timing>,
}

impl Outcome {
    pub(crate) fn push(&mut self, name: impl Into<String>, value: f64, unit: &str, better: Better) {
        // There is no infinity in JSON, and nothing to learn from it.
        if value.is_finite() {
            self.figures.push(Figure {
                name: name.into(),
                value,
                unit: unit.to_owned(),
                better,
            });
        }
    }

    /// Lets a figure say what was measured, and not how well.
    pub(crate) fn neutral(&mut self, name: &str) {
        for figure in self.figures.iter_mut().filter(|figure| figure.name == name) {
            figure.better = Better::Neither;
        }
    }

    /// The figures that every run has: units a second, megabytes a second where there are octets, and
    /// what the server paid for it.
    pub(crate) fn push_run(&mut self, run: Run, unit: &str, many: &str) {
        let (units, octets, seconds) = (
            run.units as f64,
            run.octets as f64,
            run.elapsed.as_secs_f64(),
        );
        self.push(many, units / seconds, "/s", Better::Higher);
        if run.octets > 0 {
            self.push("throughput", octets / 1e6 / seconds, "MB/s", Better::Higher);
            self.push("mean size", octets / units, "octets", Better::Neither);
        }
        if let Some((cpu, memory)) = run.server {
            let cpu = cpu.as_secs_f64();
            self.push(
                format!("{CPU}{unit}"),
                cpu * 1e6 / units,
                "µs",
                Better::Lower,
            );
            if run.octets > 0 {
                self.push(
                    "server CPU for a GB",
                    cpu * 1e9 / octets,
                    "s",
                    Better::Lower,
                );
            }
            let busy = cpu / seconds * 100.0;
            self.push("server CPU in use", busy, "% of a core", Better::Neither);
            let mebibytes = memory.proportional as f64 / f64::from(1 << 20);
            self.push("server memory", mebibytes, "MiB", Better::Lower);
        }
        let busy = run.own.as_secs_f64() / seconds * 100.0;
        self.push(
            "load generator CPU in use",
            busy,
            "% of a core",
            Better::Neither,
        );
        self.timings.extend(run.timings);
    }
}

impl Load<'_> {
    /// An outcome without figures.
    pub(crate) fn outcome(&self, workload: &str, transport: &str, connections: usize) -> Outcome {
        let case = self.case.clone();
        Outcome {
            label: self.label.clone(),
            case: case.unwrap_or_else(|| format!("{workload}-{transport}-{connections}")),
            workload: workload.to_owned(),
            transport: transport.to_owned(),
            cipher: None,
            connections,
            at: crate::machine::now(),
            machine: crate::machine::describe(),
            figures: Vec::new(),
            timings: Vec::new(),
        }
    }
}

/// So many digits that three of them count; whole numbers have no others.
pub(crate) fn digits(value: f64) -> String {
    let digits = match value.abs() {
        value if value.fract() == 0.0 => 0,
        value if value < 0.1 => 4,
        value if value < 1.0 => 3,
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {}{}{}, {} at once)",
            self.case,
            self.label,
            self.transport,
            if self.cipher.is_some() { " with " } else { "" },
            self.cipher.as_deref().unwrap_or_default(),
            self.connections
        )?;
        for Figure {
            name, value, unit, ..
        } in &self.figures
        {
            write!(f, "\n  {name:<28} {:>10} {unit}", digits(*value))?;
        }
        if !self.timings.is_empty() {
            let names = ["p50", "p90", "p99", "p99.9", "slowest"];
            write!(f, "\n  {:<28}", "milliseconds")?;
            names.iter().try_for_each(|name| write!(f, " {name:>10}"))?;
        }
        for timing in &self.timings {
            write!(f, "\n  {:<28}", timing.name)?;
            let Timing {
                p50_ms,
                p90_ms,
                p99_ms,
                p999_ms,
                max_ms,
                ..
            } = timing;
            for value in [p50_ms, p90_ms, p99_ms, p999_ms, max_ms] {
                write!(f, " {:>10}", digits(*value))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Progress;
    use crate::cost::Memory;
    use crate::durations::Durations;

    fn run() -> Run {
        let mut durations = Durations::new();
        for ms in 1..=100 {
            durations.record(Duration::from_millis(ms));
        }
        Run {
            units: 1000,
            octets: 4_000_000,
            resumed: 0,
            missed: 0,
            stamped: 0,
            elapsed: Duration::from_secs(2),
            server: Some((
                Duration::from_millis(500),
                Memory {
                    proportional: 3 << 20,
                    page_tables: 0,
                },
            )),
            own: Duration::from_secs(1),
            timings: vec![durations.timing("RETR")],
        }
    }

    fn outcome() -> Outcome {
        let progress = Progress::default();
        let load = Load::new(4, Duration::from_secs(2), &progress);
        let mut outcome = load.outcome("retrieve", "plain", 4);
        outcome.push_run(run(), "message", "messages");
        outcome
    }

    #[test]
    fn figures_are_what_a_unit_costs() {
        let outcome = outcome();
        let value = |name: &str| {
            let figure = outcome.figures.iter().find(|figure| figure.name == name);
            figure.unwrap_or_else(|| panic!("{name}: {outcome}")).value
        };
        for (name, expected) in [
            ("messages", 500.0),
            ("throughput", 2.0),
            ("mean size", 4000.0),
            ("server CPU a message", 500.0),
            ("server CPU for a GB", 125.0),
            ("server CPU in use", 25.0),
            ("server memory", 3.0),
            ("load generator CPU in use", 50.0),
        ] {
            assert!((value(name) - expected).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn an_outcome_reads_as_a_table() {
        let text = outcome().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "retrieve-plain-4 (server, plain, 4 at once)");
        assert_eq!(lines[1], "  messages                            500 /s");
        assert!(text.contains("p99.9") && text.contains("RETR"), "{text}");
    }

    #[test]
    fn an_outcome_is_read_back_as_it_was_written() {
        let outcome = outcome();
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
    }

    #[test]
    fn three_digits_count() {
        for (value, text) in [
            (0.0, "0"),
            (20.0, "20"),
            (0.0123, "0.0123"),
            (0.5, "0.500"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (1234.5, "1234"),
        ] {
            assert_eq!(digits(value), text);
        }
    }
}
