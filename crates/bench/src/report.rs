//! What was measured, for people and for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// How long single units took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the units took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 in 100 took no longer, in milliseconds.
    pub p99_ms: f64,
    /// The slowest, in milliseconds.
    pub max_ms: f64,
}

/// What took longer than an hour counts as an hour.
const MICROSECONDS_MAX: u64 = 3_600_000_000;

/// A histogram of durations in microseconds, to three digits.
pub(crate) struct Durations(Histogram<u64>);

impl Durations {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, MICROSECONDS_MAX, 3).expect("the bounds are allowed"))
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        self.0
            .saturating_record(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub(crate) fn latency(&self) -> Latency {
        let ms = |quantile| self.0.value_at_quantile(quantile) as f64 / 1000.0;
        Latency {
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            max_ms: self.0.max() as f64 / 1000.0,
        }
    }
}

/// One figure with its unit, such as `12345.6 sessions/s`.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

/// The outcome of one workload.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which workload.
    pub workload: &'static str,
    /// How octets travelled: `plain` or `tls`.
    pub transport: &'static str,
    /// Connections at once.
    pub connections: usize,
    /// What was counted and measured, in the order of telling.
    pub figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn push(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name, value, unit });
    }

    pub(crate) fn push_latency(&mut self, latency: Latency) {
        self.push("p50", latency.p50_ms, "ms");
        self.push("p99", latency.p99_ms, "ms");
        self.push("slowest", latency.max_ms, "ms");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {} at once)",
            self.workload, self.transport, self.connections
        )?;
        for Figure { name, value, unit } in &self.figures {
            let digits = if *value >= 100.0 { 0 } else { 3 };
            write!(f, "\n  {name:<28} {value:>12.digits$} {unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_histogram() {
        let mut durations = Durations::new();
        for ms in 1..=100 {
            durations.record(Duration::from_millis(ms));
        }
        let latency = durations.latency();
        assert!((49.9..=50.2).contains(&latency.p50_ms), "{latency:?}");
        assert!((98.9..=99.2).contains(&latency.p99_ms), "{latency:?}");
        assert!((99.9..=100.2).contains(&latency.max_ms), "{latency:?}");
    }

    #[test]
    fn a_report_reads_as_a_table() {
        let mut report = Report {
            workload: "poll",
            transport: "plain",
            connections: 8,
            figures: Vec::new(),
        };
        report.push("sessions", 1234.5, "/s");
        assert_eq!(
            report.to_string(),
            "poll (plain, 8 at once)\n  sessions                             1234 /s"
        );
    }
}
