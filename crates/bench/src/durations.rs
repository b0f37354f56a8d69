//! How long things took: an HDR histogram of nanoseconds, and what is told of it.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What took longer than an hour counts as an hour.
const NANOSECONDS_MAX: u64 = 3_600_000_000_000;

/// The points of a curve of percentiles: dense where it bends, towards the slowest.
const PERCENTILES: [f64; 24] = [
    0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 97.5, 98.75,
    99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999, 100.0,
];

/// Durations to three digits.
pub(crate) struct Durations(Histogram<u64>);

/// How long one kind of thing took, in milliseconds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Timing {
    /// What was timed, such as `session` or `UIDL`.
    pub name: String,
    /// How many were.
    pub count: u64,
    /// Half took no longer.
    pub p50_ms: f64,
    /// 90 in 100 took no longer.
    pub p90_ms: f64,
    /// 99 in 100 took no longer.
    pub p99_ms: f64,
    /// 999 in 1000 took no longer.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// Percentiles and how long they took, in ascending order; no more of them than there are
    /// durations to tell them apart.
    pub curve: Vec<(f64, f64)>,
}

impl Durations {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, NANOSECONDS_MAX, 3).expect("the bounds are allowed"))
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        self.0
            .saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    pub(crate) fn timing(&self, name: &str) -> Timing {
        let at = |percentile| self.0.value_at_percentile(percentile) as f64 / 1e6;
        let count = self.0.len();
        // The percentile above which there is less than one duration is the slowest itself.
        let known = |percentile: &f64| {
            *percentile >= 100.0 || (100.0 - percentile) * count as f64 >= 99.999
        };
        Timing {
            name: name.to_owned(),
            count,
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p99_ms: at(99.0),
            p999_ms: at(99.9),
            max_ms: self.0.max() as f64 / 1e6,
            curve: PERCENTILES
                .into_iter()
                .filter(known)
                .map(|percentile| (percentile, at(percentile)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_from_the_histogram() {
        let mut durations = Durations::new();
        for ms in 1..=1000 {
            durations.record(Duration::from_millis(ms));
        }
        let timing = durations.timing("session");
        for (found, expected) in [
            (timing.p50_ms, 500.0),
            (timing.p90_ms, 900.0),
            (timing.p99_ms, 990.0),
            (timing.p999_ms, 999.0),
            (timing.max_ms, 1000.0),
        ] {
            assert!((found / expected - 1.0_f64).abs() < 0.002, "{timing:?}");
        }
        assert_eq!(timing.count, 1000);
        assert!(timing.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        let percentiles: Vec<f64> = timing.curve.iter().map(|point| point.0).collect();
        assert!(percentiles.contains(&99.9) && !percentiles.contains(&99.99));
    }

    #[test]
    fn short_ones_and_parts_of_a_run_are_told_apart() {
        let (mut one, mut other) = (Durations::new(), Durations::new());
        one.record(Duration::from_nanos(1500));
        other.record(Duration::from_secs(7200));
        one.merge(&other);
        let timing = one.timing("RETR");
        assert!((0.0015..0.00151).contains(&timing.p50_ms), "{timing:?}");
        assert!((3.59e6..3.61e6).contains(&timing.max_ms), "{timing:?}");
    }
}
