//! Curves of percentiles: how long the fast, the usual and the slowest took. Both scales are
//! logarithmic, so that the last in a thousand has as much room as the first half.

use std::fmt::Write as _;

use super::compare::{Case, Comparison};
use super::html::{COLOURS, escape};
use crate::durations::Timing;
use crate::outcome::digits;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 44.0;

/// Percentiles that are marked below.
const MARKS: [(f64, &str); 6] = [
    (0.0, "fastest"),
    (50.0, "p50"),
    (90.0, "p90"),
    (99.0, "p99"),
    (99.9, "p99.9"),
    (99.99, "p99.99"),
];

/// The chart of one timing of a case; empty if nobody has more than a point of it.
pub(super) fn chart(comparison: &Comparison, case: &Case, timing: &str) -> String {
    let timings: Vec<(usize, &Timing)> = case
        .timings(timing)
        .into_iter()
        .filter(|(_, timing)| timing.curve.len() > 2)
        .collect();
    let points = || timings.iter().flat_map(|(_, timing)| &timing.curve);
    let last = points().map(|point| depth(point.0)).fold(0.0, f64::max);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.1).fold(0.0, f64::max);
    if timings.is_empty() || last <= 0.0 || high <= 0.0 {
        return String::new();
    }
    let axes = Axes {
        last,
        low: low.max(1e-4).log10().floor(),
        high: high.max(1e-3).log10().ceil(),
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"percentiles of {}, {}\">\n",
        escape(timing),
        escape(&case.name)
    );
    axes.draw(&mut svg);
    let mut ends = Vec::new();
    for (server, timing) in &timings {
        let label = &comparison.labels[*server];
        ends.push((
            curve(&mut svg, &axes, *server, label, timing),
            *server,
            label,
        ));
    }
    names(&mut svg, ends);
    svg.push_str("</svg>\n");
    svg
}

/// Nines of a percentile: 0 at 0, 1 at 90, 2 at 99. The slowest of all is at none of them.
fn depth(percentile: f64) -> f64 {
    match percentile < 100.0 {
        true => -(1.0 - percentile / 100.0).log10(),
        false => 0.0,
    }
}

struct Axes {
    /// Depth of the last percentile that is shown.
    last: f64,
    /// Powers of ten of milliseconds.
    low: f64,
    high: f64,
}

impl Axes {
    fn x(&self, percentile: f64) -> f64 {
        LEFT + depth(percentile) / self.last * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, ms: f64) -> f64 {
        let power = ms.max(1e-4).log10();
        let share = (power - self.low) / (self.high - self.low).max(1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    fn draw(&self, svg: &mut String) {
        let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let mut power = self.low;
        while power <= self.high {
            let y = self.y(10_f64.powf(power));
            let name = time(10_f64.powf(power));
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                LEFT - 8.0,
                y + 4.0
            );
            power += 1.0;
        }
        for (percentile, name) in MARKS {
            if depth(percentile) > self.last + 1e-9 {
                break;
            }
            let x = self.x(percentile);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{floor}\"/>\
                 <text class=\"tick middle\" x=\"{x:.1}\" y=\"{:.1}\">{name}</text>",
                floor + 18.0
            );
        }
    }
}

/// Draws one curve; the height at which it ends.
fn curve(svg: &mut String, axes: &Axes, server: usize, label: &str, timing: &Timing) -> f64 {
    let shown = timing.curve.iter().filter(|point| point.0 < 100.0);
    let mut path = String::new();
    let mut end = 0.0;
    for (percentile, ms) in shown {
        let (x, y) = (axes.x(*percentile), axes.y(*ms));
        let step = if path.is_empty() { 'M' } else { 'L' };
        let _ = write!(path, "{step}{x:.1} {y:.1}");
        end = y;
    }
    let _ = writeln!(
        svg,
        "<path class=\"curve l{}\" d=\"{path}\"><title>{}: p50 {}, p99 {}, slowest {}</title></path>",
        server % COLOURS,
        escape(label),
        time(timing.p50_ms),
        time(timing.p99_ms),
        time(timing.max_ms)
    );
    end
}

/// The servers' names behind their curves, moved apart where they would meet.
fn names(svg: &mut String, mut ends: Vec<(f64, usize, &String)>) {
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = f64::NEG_INFINITY;
    for (end, server, label) in ends {
        let y = end.max(above + 15.0);
        above = y;
        let _ = writeln!(
            svg,
            "<text class=\"name t{}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            server % COLOURS,
            WIDTH - RIGHT + 8.0,
            y + 4.0,
            escape(label)
        );
    }
}

/// Milliseconds as people say them.
pub(super) fn time(ms: f64) -> String {
    match ms {
        ms if ms < 0.9995 => format!("{} µs", digits(ms * 1e3)),
        ms if ms < 999.5 => format!("{} ms", digits(ms)),
        _ => format!("{} s", digits(ms / 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::outcome;
    use super::*;

    #[test]
    fn each_nine_has_as_much_room_as_the_one_before() {
        for (percentile, nines) in [(0.0, 0.0), (90.0, 1.0), (99.0, 2.0), (99.9, 3.0)] {
            assert!((depth(percentile) - nines).abs() < 1e-9, "{percentile}");
        }
    }

    #[test]
    fn every_server_has_a_curve_and_a_name() {
        let outcomes = [outcome("a", "poll", 1200.0), outcome("b", "poll", 100.0)];
        let comparison = Comparison::of(&outcomes, None).unwrap();
        let svg = chart(&comparison, &comparison.cases[0], "session");
        assert_eq!(svg.matches("<path").count(), 2, "{svg}");
        assert_eq!(svg.matches("class=\"name").count(), 2, "{svg}");
        assert!(svg.contains("p99<") && !svg.contains("p99.9<"), "{svg}");
        assert!(
            svg.contains("a: p50 12 ms, p99 24 ms, slowest 120 ms"),
            "{svg}"
        );
        assert_eq!(chart(&comparison, &comparison.cases[0], "QUIT"), "");
    }

    #[test]
    fn times_have_their_unit() {
        for (ms, text) in [
            (0.01, "10 µs"),
            (1.0, "1 ms"),
            (12.34, "12.3 ms"),
            (2500.0, "2.50 s"),
        ] {
            assert_eq!(time(ms), text);
        }
    }
}
