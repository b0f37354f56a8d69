//! What was seen, a row a crowd, in Markdown.

use std::fmt;
use std::time::Duration;

use crate::crowd::{Kind, Report};
use crate::polls::Times;

pub(crate) struct Row {
    crowd: String,
    plain: Vec<Duration>,
    tls: Vec<Duration>,
    /// Of the 99th percentile to that of the run without a crowd.
    ratios: Option<(f64, f64)>,
    memory: String,
    cpu: String,
    noticed: String,
}

impl Row {
    pub(crate) fn alone(times: &Times) -> Self {
        Self::new("nobody", times, None)
    }

    pub(crate) fn after(alone: &Times, times: &Times) -> Self {
        Self::new("nobody, afterwards", times, Some(alone))
    }

    pub(crate) fn beside(
        kind: Kind,
        report: &Report,
        alone: &Times,
        times: &Times,
        memory: i64,
        cpu: f64,
    ) -> Self {
        let what = match kind {
            Kind::Slow => "slow ones: an octet in 10 s",
            Kind::SlowAndBack => "slow ones, back at once when cut",
            Kind::SlowInsideTls => "slow ones inside TLS",
            Kind::StalledHandshake => "stalled handshakes",
            Kind::StalledReader => "who stop in a RETR",
            Kind::WrongPassword => "with wrong passwords",
        };
        let each = memory as f64 / report.count as f64 / 1024.0;
        Self {
            memory: format!("{each:.1} KiB"),
            cpu: format!("{:.0} %", cpu * 100.0),
            noticed: format!("{} cut, {} refused", report.cut, report.refused),
            ..Self::new(&format!("{} {what}", report.count), times, Some(alone))
        }
    }

    fn new(crowd: &str, times: &Times, alone: Option<&Times>) -> Self {
        let ratio = |now: &[Duration], before: &[Duration]| {
            at(now, 0.99).as_secs_f64() / at(before, 0.99).as_secs_f64()
        };
        Self {
            crowd: crowd.to_owned(),
            plain: times.plain.clone(),
            tls: times.tls.clone(),
            ratios: alone.map(|alone| {
                (
                    ratio(&times.plain, &alone.plain),
                    ratio(&times.tls, &alone.tls),
                )
            }),
            memory: String::new(),
            cpu: String::new(),
            noticed: String::new(),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio =
            |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.1}"));
        write!(
            f,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.crowd,
            ms(at(&self.plain, 0.5)),
            ms(at(&self.plain, 0.99)),
            ratio(self.ratios.map(|both| both.0)),
            ms(at(&self.tls, 0.5)),
            ms(at(&self.tls, 0.99)),
            ratio(self.ratios.map(|both| both.1)),
            self.memory,
            self.cpu,
            self.noticed,
        )
    }
}

pub(crate) fn print(rows: &[Row]) {
    let sessions: usize = rows.iter().map(|row| row.plain.len() + row.tls.len()).sum();
    println!("{sessions} real sessions, each reply right\n");
    println!(
        "| crowd | plain, half | 99 of 100 | ratio | TLS, half | 99 of 100 | ratio | memory for each | a core | crowd saw |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    for row in rows {
        println!("{row}");
    }
}

/// The time that this part of all sessions did not exceed.
fn at(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len() - 1;
    sorted[((last as f64 * part).ceil() as usize).min(last)]
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
