//! The page itself: what is compared, the charts, and a table of every figure for each case.

use std::fmt::Write as _;

use super::compare::{Case, Comparison, ratio};
use super::{bars, curves};
use crate::durations::Timing;
use crate::outcome::{Better, CPU, MEMORY, digits};

/// Servers that have a colour of their own; see style.css.
pub(super) const COLOURS: usize = 8;

/// Less than this is no difference between two runs on a machine that others use.
const NOISE: f64 = 1.3;

const STYLE: &str = include_str!("style.css");

pub(super) fn page(comparison: &Comparison) -> String {
    let baseline = escape(&comparison.labels[comparison.baseline]);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>POP3 servers, measured</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>POP3 servers, measured</h1>\n"
    );
    header(&mut page, comparison);
    chart(
        &mut page,
        "CPU time for a unit of work",
        &format!(
            "How many times less CPU time than {baseline}; further right is better. User and system \
             time of all of the server’s processes, for a session, a message or a delivery."
        ),
        &bars::chart(comparison, CPU),
    );
    chart(
        &mut page,
        "Memory of an idle session",
        &format!(
            "How many times less memory than {baseline} (proportional set size) for a session that is \
             logged in and says nothing."
        ),
        &bars::chart(comparison, MEMORY),
    );
    for case in &comparison.cases {
        section(&mut page, comparison, case);
    }
    page.push_str(
        "<footer>Every octet was verified while it was measured. Made by <code>restante bench report\
         </code>.</footer>\n</body>\n</html>\n",
    );
    page
}

fn header(page: &mut String, comparison: &Comparison) {
    let (first, last) = comparison.span;
    let (first, last) = (date(first), date(last));
    let when = match first == last {
        true => first,
        false => format!("{first} to {last}"),
    };
    for machine in &comparison.machines {
        let _ = writeln!(page, "<p class=\"machine\">{}</p>", escape(machine));
    }
    let _ = writeln!(page, "<p class=\"machine\">{when}</p>");
    if comparison.machines.len() > 1 {
        page.push_str(
            "<p class=\"warning\">These figures come from more than one machine: compare nothing but \
             what comes from the same.</p>\n",
        );
    }
    page.push_str("<ul class=\"legend\">\n");
    for (server, label) in comparison.labels.iter().enumerate() {
        let note = match server == comparison.baseline {
            true => " <small>1×</small>",
            false => "",
        };
        let colour = server % COLOURS;
        let label = escape(label);
        let _ = writeln!(page, "<li><i class=\"b{colour}\"></i>{label}{note}</li>");
    }
    page.push_str("</ul>\n</header>\n");
}

fn chart(page: &mut String, title: &str, caption: &str, svg: &str) {
    if !svg.is_empty() {
        let _ = writeln!(
            page,
            "<section>\n<h2>{title}</h2>\n<p>{caption}</p>\n<figure>\n{svg}</figure>\n</section>"
        );
    }
}

fn section(page: &mut String, comparison: &Comparison, case: &Case) {
    let name = escape(&case.name);
    let _ = writeln!(page, "<section>\n<h2>{name}</h2>");
    if let Some((_, outcome)) = case.servers.first() {
        let runs = match case.runs {
            1 => "one run".to_owned(),
            runs => format!("medians of {runs} runs"),
        };
        let (workload, transport) = (escape(&outcome.workload), escape(&outcome.transport));
        let connections = outcome.connections;
        let _ = writeln!(
            page,
            "<p>{workload}, {transport}, {connections} at once; {runs}.</p>"
        );
    }
    if let Some(timing) = case.timing_names().first() {
        let svg = curves::chart(comparison, case, timing);
        if !svg.is_empty() {
            let timing = escape(timing);
            let _ = writeln!(
                page,
                "<figure>\n{svg}<figcaption>How long a {timing} took, from the fastest to the slowest; \
                 lower is better.</figcaption>\n</figure>"
            );
        }
    }
    table(page, comparison, case);
    page.push_str("</section>\n");
}

fn table(page: &mut String, comparison: &Comparison, case: &Case) {
    page.push_str("<div class=\"table\"><table>\n<thead><tr><th></th>");
    for (server, _) in &case.servers {
        let label = escape(&comparison.labels[*server]);
        let _ = write!(page, "<th>{label}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for name in case.figure_names() {
        let figures = case.figures(&name);
        let row: Vec<(usize, f64, &str, Better)> = figures
            .iter()
            .map(|(server, f)| (*server, f.value, f.unit.as_str(), f.better))
            .collect();
        cells(page, comparison, case, &name, &row);
    }
    for (nth, name) in case.timing_names().iter().enumerate() {
        type Value = fn(&Timing) -> f64;
        let all: [(&str, Value); 5] = [
            ("p50", |timing| timing.p50_ms),
            ("p90", |timing| timing.p90_ms),
            ("p99", |timing| timing.p99_ms),
            ("p99.9", |timing| timing.p999_ms),
            ("slowest", |timing| timing.max_ms),
        ];
        // Of parts of a session the usual and the slow one say enough.
        let shown = |percentile: &str| nth == 0 || ["p50", "p99"].contains(&percentile);
        for (percentile, value) in all.into_iter().filter(|(name, _)| shown(name)) {
            let timings = case.timings(name);
            let row: Vec<(usize, f64, &str, Better)> = timings
                .iter()
                .map(|(server, timing)| (*server, value(timing), "ms", Better::Lower))
                .collect();
            cells(
                page,
                comparison,
                case,
                &format!("{name}, {percentile}"),
                &row,
            );
        }
    }
    page.push_str("</tbody>\n</table></div>\n");
}

/// A row: a cell for each server of the case, empty where it has no such figure.
fn cells(
    page: &mut String,
    comparison: &Comparison,
    case: &Case,
    name: &str,
    row: &[(usize, f64, &str, Better)],
) {
    let at = |server: usize| row.iter().find(|cell| cell.0 == server);
    let base = at(comparison.baseline);
    let _ = write!(page, "<tr><th>{}</th>", escape(name));
    for (server, _) in &case.servers {
        let Some((_, value, unit, better)) = at(*server) else {
            page.push_str("<td>–</td>");
            continue;
        };
        let _ = write!(
            page,
            "<td>{} <small>{}</small>",
            digits(*value),
            escape(unit)
        );
        let ratio = base
            .filter(|base| base.0 != *server)
            .and_then(|base| ratio(*value, base.1, *better));
        if let Some(ratio) = ratio {
            let class = match ratio {
                ratio if ratio >= NOISE => "good",
                ratio if ratio <= 1.0 / NOISE => "bad",
                _ => "same",
            };
            let _ = write!(page, " <b class=\"{class}\">{}×</b>", digits(ratio));
        }
        page.push_str("</td>");
    }
    page.push_str("</tr>\n");
}

/// A text as HTML shows it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The day of a moment in seconds of the epoch, in UTC: `2026-11-23`.
fn date(seconds: u64) -> String {
    // Days of the civil calendar, counted in eras of 400 years that begin with a March.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + next)
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::outcome;
    use super::*;

    #[test]
    fn a_page_has_charts_and_a_table_for_each_case() {
        let outcomes = [
            outcome("dovecot <tuned>", "poll", 1300.0),
            outcome("restante", "poll", 100.0),
            outcome("dovecot <tuned>", "poll-tls", 2600.0),
        ];
        let page = page(&Comparison::of(&outcomes, None).unwrap());
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
        assert_eq!(page.matches("<h2>").count(), 3, "{page}");
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.contains("dovecot &lt;tuned&gt;") && !page.contains("<tuned>"));
        assert!(
            page.contains("<td>100 <small>µs</small> <b class=\"good\">13×</b></td>"),
            "{page}"
        );
        // Nothing is loaded from anywhere.
        assert!(
            !page.contains("http") && !page.contains("<script"),
            "{page}"
        );
        assert!(!page.contains("more than one machine"));
    }

    #[test]
    fn figures_of_two_machines_come_with_a_warning() {
        let mut other = outcome("b", "poll", 1.0);
        other.machine = "another machine".to_owned();
        let outcomes = [outcome("a", "poll", 1.0), other];
        let page = page(&Comparison::of(&outcomes, None).unwrap());
        assert!(page.contains("more than one machine"));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_451_079, "2026-11-23"),
            (4_102_444_799, "2099-12-31"),
        ] {
            assert_eq!(date(seconds), day);
        }
    }
}
