//! Which outcomes belong together, and the medians of those that are runs of the same thing.

use std::collections::BTreeSet;

use crate::durations::Timing;
use crate::outcome::{Better, Figure, Outcome};

/// All that is compared.
pub(super) struct Comparison {
    /// The servers, in the order of their colours.
    pub(super) labels: Vec<String>,
    /// Which of them the others are compared with.
    pub(super) baseline: usize,
    /// What was measured, in the order in which it was met.
    pub(super) cases: Vec<Case>,
    /// The machines; more than one compares what cannot be compared.
    pub(super) machines: Vec<String>,
    /// When the first and the last outcome were measured, in seconds of the epoch.
    pub(super) span: (u64, u64),
}

/// One thing that was measured, on the servers that were asked for it.
pub(super) struct Case {
    pub(super) name: String,
    /// Place of the server in `labels`, and its medians.
    pub(super) servers: Vec<(usize, Outcome)>,
    /// Most runs that one of them had.
    pub(super) runs: usize,
}

impl Comparison {
    pub(super) fn of(outcomes: &[Outcome], baseline: Option<&str>) -> Option<Self> {
        let labels = in_order(outcomes.iter().map(|outcome| outcome.label.as_str()));
        let baseline = match baseline {
            Some(name) => labels.iter().position(|label| label == name)?,
            None => 0,
        };
        let names = in_order(outcomes.iter().map(|outcome| outcome.case.as_str()));
        let machines = in_order(outcomes.iter().map(|outcome| outcome.machine.as_str()));
        let times = outcomes.iter().map(|outcome| outcome.at);
        let cases = names
            .into_iter()
            .map(|name| Case::of(name, &labels, outcomes))
            .collect();
        Some(Self {
            span: (times.clone().min()?, times.max()?),
            labels,
            baseline,
            cases,
            machines,
        })
    }
}

impl Case {
    fn of(name: String, labels: &[String], outcomes: &[Outcome]) -> Self {
        let mut servers = Vec::new();
        let mut most = 0;
        for (place, label) in labels.iter().enumerate() {
            let runs: Vec<&Outcome> = outcomes
                .iter()
                .filter(|outcome| outcome.case == name && outcome.label == *label)
                .collect();
            most = most.max(runs.len());
            servers.extend(median_of_runs(&runs).map(|median| (place, median)));
        }
        Self {
            name,
            servers,
            runs: most,
        }
    }

    /// The figures of this name, by server.
    pub(super) fn figures(&self, name: &str) -> Vec<(usize, &Figure)> {
        let figure = |outcome: &'_ Outcome| outcome.figures.iter().position(|f| f.name == name);
        self.servers
            .iter()
            .filter_map(|(place, outcome)| Some((*place, &outcome.figures[figure(outcome)?])))
            .collect()
    }

    /// The timings of this name, by server.
    pub(super) fn timings(&self, name: &str) -> Vec<(usize, &Timing)> {
        let timing = |outcome: &'_ Outcome| outcome.timings.iter().position(|t| t.name == name);
        self.servers
            .iter()
            .filter_map(|(place, outcome)| Some((*place, &outcome.timings[timing(outcome)?])))
            .collect()
    }

    /// Names of all figures, in order.
    pub(super) fn figure_names(&self) -> Vec<String> {
        let figures = self
            .servers
            .iter()
            .flat_map(|(_, outcome)| &outcome.figures);
        in_order(figures.map(|figure| figure.name.as_str()))
    }

    /// Names of all timings, in order.
    pub(super) fn timing_names(&self) -> Vec<String> {
        let timings = self
            .servers
            .iter()
            .flat_map(|(_, outcome)| &outcome.timings);
        in_order(timings.map(|timing| timing.name.as_str()))
    }
}

/// How many times better a value is than that of the baseline; none where neither is better.
pub(super) fn ratio(value: f64, baseline: f64, better: Better) -> Option<f64> {
    let ratio = match better {
        Better::Higher => value / baseline,
        Better::Lower => baseline / value,
        Better::Neither => return None,
    };
    (ratio.is_finite() && ratio > 0.0).then_some(ratio)
}

/// Each once, in the order in which they are met.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names
        .filter(|name| seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// The medians of several runs, figure by figure.
fn median_of_runs(runs: &[&Outcome]) -> Option<Outcome> {
    let mut middle = Outcome::clone(runs.last()?);
    for figure in &mut middle.figures {
        let all = runs.iter().flat_map(|run| &run.figures);
        let same = all.filter(|other| other.name == figure.name);
        figure.value = median(same.map(|figure| figure.value).collect());
    }
    for timing in &mut middle.timings {
        let all = runs.iter().flat_map(|run| &run.timings);
        let same: Vec<&Timing> = all.filter(|other| other.name == timing.name).collect();
        let of = |value: fn(&Timing) -> f64| median(same.iter().map(|run| value(run)).collect());
        timing.p50_ms = of(|run| run.p50_ms);
        timing.p90_ms = of(|run| run.p90_ms);
        timing.p99_ms = of(|run| run.p99_ms);
        timing.p999_ms = of(|run| run.p999_ms);
        timing.max_ms = of(|run| run.max_ms);
        for (percentile, ms) in &mut timing.curve {
            let points = same.iter().flat_map(|run| &run.curve);
            // They come from one table, so they are equal or far apart.
            let same = points.filter(|(other, _)| (other - *percentile).abs() < 1e-9);
            *ms = median(same.map(|(_, ms)| *ms).collect());
        }
    }
    Some(middle)
}

/// The value in the middle; of an even number, the mean of both.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An outcome as a run would have given it, with this CPU time a session.
    pub(in crate::page) fn outcome(label: &str, case: &str, microseconds: f64) -> Outcome {
        let timing = Timing {
            name: "session".to_owned(),
            count: 1000,
            p50_ms: microseconds / 100.0,
            p90_ms: microseconds / 80.0,
            p99_ms: microseconds / 50.0,
            p999_ms: microseconds / 20.0,
            max_ms: microseconds / 10.0,
            curve: vec![
                (0.0, microseconds / 200.0),
                (50.0, microseconds / 100.0),
                (90.0, microseconds / 80.0),
                (99.0, microseconds / 50.0),
                (100.0, microseconds / 10.0),
            ],
        };
        let mut outcome = Outcome {
            label: label.to_owned(),
            case: case.to_owned(),
            workload: "poll".to_owned(),
            transport: "plain".to_owned(),
            cipher: None,
            connections: 8,
            at: 1_795_000_000,
            machine: "a machine, 2 cores".to_owned(),
            figures: Vec::new(),
            timings: vec![timing],
        };
        outcome.push("sessions", 1e6 / microseconds, "/s", Better::Higher);
        outcome.push("server CPU a session", microseconds, "µs", Better::Lower);
        outcome
    }

    #[test]
    fn runs_of_the_same_thing_become_their_median() {
        let outcomes = [
            outcome("dovecot", "poll", 1300.0),
            outcome("restante", "poll", 90.0),
            outcome("restante", "poll", 100.0),
            outcome("restante", "poll", 500.0),
            outcome("restante", "idle", 1.0),
        ];
        let comparison = Comparison::of(&outcomes, None).unwrap();
        assert_eq!(comparison.labels, ["dovecot", "restante"]);
        assert_eq!((comparison.baseline, comparison.cases.len()), (0, 2));
        let poll = &comparison.cases[0];
        assert_eq!(poll.runs, 3);
        let figures = poll.figures("server CPU a session");
        let values: Vec<(usize, f64)> = figures.iter().map(|(n, f)| (*n, f.value)).collect();
        assert_eq!(values, [(0, 1300.0), (1, 100.0)]);
        assert_eq!(poll.timings("session")[1].1.curve[3], (99.0, 2.0));
        assert_eq!(comparison.cases[1].servers.len(), 1);
    }

    #[test]
    fn the_baseline_can_be_named() {
        let outcomes = [outcome("a", "poll", 1.0), outcome("b", "poll", 2.0)];
        let named = Comparison::of(&outcomes, Some("b")).unwrap();
        assert_eq!(named.baseline, 1);
        assert!(Comparison::of(&outcomes, Some("c")).is_none());
        assert!(Comparison::of(&[], None).is_none());
    }

    #[test]
    fn a_ratio_above_one_is_better() {
        for (value, baseline, better, expected) in [
            (50.0, 100.0, Better::Lower, Some(2.0)),
            (50.0, 100.0, Better::Higher, Some(0.5)),
            (50.0, 100.0, Better::Neither, None),
            (0.0, 100.0, Better::Lower, None),
            (1.0, 0.0, Better::Higher, None),
        ] {
            assert_eq!(ratio(value, baseline, better), expected);
        }
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
    }
}
