//! Grouped bars of ratios, on a logarithmic scale on both sides of the baseline: twice as good is as
//! far to the right as half as good is to the left.

use std::fmt::Write as _;

use super::compare::{Case, Comparison, ratio};
use super::curves::time;
use super::html::escape;
use crate::outcome::digits;

const WIDTH: f64 = 960.0;
/// Room for the names of the cases on the left, and for figures on the right.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 150.0;
const BAR: f64 = 15.0;
const GAP: f64 = 3.0;
const BETWEEN: f64 = 16.0;
const TOP: f64 = 34.0;

/// One bar.
struct Bar {
    server: usize,
    ratio: f64,
    /// The figure itself, with its unit.
    text: String,
}

/// The chart of a figure whose name begins so, in all cases that have it; empty if none has.
pub(super) fn chart(comparison: &Comparison, figure: &str) -> String {
    let groups: Vec<(&Case, Vec<Bar>)> = comparison
        .cases
        .iter()
        .map(|case| (case, bars(case, comparison.baseline, figure)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    if groups.is_empty() {
        return String::new();
    }
    let all = groups.iter().flat_map(|(_, bars)| bars);
    let scale = Scale::of(all.map(|bar| bar.ratio));
    let bars: usize = groups.iter().map(|(_, bars)| bars.len()).sum();
    let height = TOP + bars as f64 * (BAR + GAP) + groups.len() as f64 * BETWEEN + 4.0;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}ratio to {}\">\n",
        escape(figure),
        escape(&comparison.labels[comparison.baseline])
    );
    grid(&mut svg, &scale, height);
    let mut y = TOP;
    for (case, bars) in &groups {
        let middle = y + bars.len() as f64 * (BAR + GAP) / 2.0 + 3.0;
        let x = LEFT - 14.0;
        let name = escape(&case.name);
        let _ = writeln!(
            svg,
            "<text class=\"case\" x=\"{x}\" y=\"{middle:.1}\">{name}</text>"
        );
        for bar in bars {
            draw(&mut svg, &scale, bar, y, &comparison.labels[bar.server]);
            y += BAR + GAP;
        }
        y += BETWEEN;
    }
    let one = scale.x(1.0);
    let _ = writeln!(
        svg,
        "<line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{:.1}\" y2=\"{height:.1}\"/>\n</svg>",
        TOP - 6.0
    );
    svg
}

fn bars(case: &Case, baseline: usize, figure: &str) -> Vec<Bar> {
    let names = case.figure_names();
    let Some(name) = names.iter().find(|name| name.starts_with(figure)) else {
        return Vec::new();
    };
    let figures = case.figures(name);
    let Some((_, base)) = figures.iter().find(|(server, _)| *server == baseline) else {
        return Vec::new();
    };
    figures
        .iter()
        .filter_map(|(server, figure)| {
            Some(Bar {
                server: *server,
                ratio: ratio(figure.value, base.value, figure.better)?,
                text: match figure.unit.as_str() {
                    "µs" => time(figure.value / 1e3),
                    unit => format!("{} {unit}", digits(figure.value)),
                },
            })
        })
        .collect()
}

/// Ratios to places on the page.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// From a power of two to a power of two, with 1 in between.
    fn of(ratios: impl Iterator<Item = f64> + Clone) -> Self {
        let low = ratios.clone().fold(0.5, f64::min);
        let high = ratios.fold(2.0, f64::max);
        Self {
            low: low.log2().floor(),
            high: high.log2().ceil(),
        }
    }

    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio.log2() - self.low) / (self.high - self.low);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }
}

fn grid(svg: &mut String, scale: &Scale, height: f64) {
    let mut power = scale.low;
    while power <= scale.high {
        let ratio = power.exp2();
        let x = scale.x(ratio);
        let name = match ratio >= 1.0 {
            true => format!("{ratio}×"),
            false => format!("1/{}", 1.0 / ratio),
        };
        let y = TOP - 12.0;
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{height:.1}\"/>\
             <text class=\"tick middle\" x=\"{x:.1}\" y=\"{y:.1}\">{name}</text>",
            TOP - 6.0
        );
        power += 1.0;
    }
}

fn draw(svg: &mut String, scale: &Scale, bar: &Bar, y: f64, label: &str) {
    let (one, end) = (scale.x(1.0), scale.x(bar.ratio));
    // The baseline itself has no length; it is a mark.
    let (x, width) = match (end - one).abs() < 2.0 {
        true => (one - 2.0, 4.0),
        false => (one.min(end), (end - one).abs()),
    };
    let text = match bar.ratio >= 10.0 {
        true => format!("{:.0}×", bar.ratio),
        false => format!("{:.2}×", bar.ratio),
    };
    let (label, value) = (escape(label), escape(&bar.text));
    let _ = writeln!(
        svg,
        "<g><title>{label}: {value}, {text}</title>\
         <rect class=\"s{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"/>\
         <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\"><tspan class=\"ratio\">{text}</tspan> {value}</text></g>",
        bar.server % super::html::COLOURS,
        x.max(one) + if end > one { width } else { 0.0 } + 7.0,
        y + BAR - 3.5
    );
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::outcome;
    use super::*;
    use crate::outcome::CPU;

    #[test]
    fn bars_are_as_long_as_their_ratios_say() {
        let scale = Scale::of([0.3, 1.0, 13.0].into_iter());
        assert_eq!((scale.low, scale.high), (-2.0, 4.0));
        let step = scale.x(2.0) - scale.x(1.0);
        assert!((scale.x(16.0) - (WIDTH - RIGHT)).abs() < 1e-9);
        assert!((scale.x(0.25) - LEFT).abs() < 1e-9);
        assert!((scale.x(8.0) - scale.x(4.0) - step).abs() < 1e-9);
    }

    #[test]
    fn every_server_of_a_case_has_a_bar() {
        let outcomes = [
            outcome("a & b", "poll", 1200.0),
            outcome("c", "poll", 100.0),
            outcome("c", "alone", 100.0),
        ];
        let comparison = Comparison::of(&outcomes, None).unwrap();
        let svg = chart(&comparison, CPU);
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert!(svg.contains("<title>c: 100 µs, 12×</title>"), "{svg}");
        assert!(svg.contains("a &amp; b") && !svg.contains("a & b"), "{svg}");
        assert!(
            !svg.contains("alone"),
            "there is nothing to compare it with"
        );
        assert_eq!(chart(&comparison, "colour of "), "");
    }
}
