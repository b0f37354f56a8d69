//! What is shown of runs: bars on a terminal, lines where asked for, JSON for programs, nothing in cron.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use client::fetch::{Event, Summary};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{self, count, note};

/// How runs are shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manner {
    /// Bars while it goes on, a line at the end.
    Terminal,
    /// A line at the end.
    Lines,
    /// Only what goes wrong.
    Quiet,
    /// One object a line.
    Json,
    /// Events of the log; what came of a session is told by whoever asked for it.
    Log,
}

/// Where runs of several accounts at once are shown.
#[derive(Debug)]
pub(super) struct Show {
    manner: Manner,
    bars: MultiProgress,
    /// Lines of one account stay whole.
    alone: Mutex<()>,
}

impl Show {
    pub(super) fn new(run: &crate::args::Run) -> Self {
        let manner = match (run.json, run.quiet, run.verbose) {
            (true, ..) => Manner::Json,
            (_, true, _) => Manner::Quiet,
            (.., true) => Manner::Lines,
            _ if std::io::stdout().is_terminal() => Manner::Terminal,
            _ => Manner::Quiet,
        };
        Self::of(manner)
    }

    pub(super) fn of(manner: Manner) -> Self {
        let target = match manner {
            Manner::Terminal => ProgressDrawTarget::stderr_with_hz(8),
            _ => ProgressDrawTarget::hidden(),
        };
        Self {
            manner,
            bars: MultiProgress::with_draw_target(target),
            alone: Mutex::new(()),
        }
    }

    /// One account's part.
    pub(super) fn account(&self, name: &str, is_dry: bool) -> Account<'_> {
        Account {
            show: self,
            name: name.to_owned(),
            bar: None,
            has_begun: false,
            new: 0,
            octets: 0,
            is_dry,
        }
    }

    fn line(&self, line: &str) {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not read it any more misses nothing that the exit code does not tell.
        let _ = self
            .bars
            .suspend(|| output::write(format_args!("{line}\n")));
    }

    fn note(&self, line: &str) {
        let _alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        self.bars.suspend(|| note!("{line}"));
    }
}

/// What is shown of one account.
#[derive(Debug)]
pub(super) struct Account<'s> {
    show: &'s Show,
    name: String,
    bar: Option<ProgressBar>,
    /// Whether the server was asked for messages.
    has_begun: bool,
    /// Messages that were delivered, in all sessions of this run, and their octets.
    new: usize,
    octets: u64,
    is_dry: bool,
}

const BAR: &str =
    "{prefix:12} {bar:24} {bytes}/{total_bytes}, {binary_bytes_per_sec}, {eta} to go {msg}";

impl Account<'_> {
    /// Whether the server was asked for messages.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Messages that were delivered so far, and their octets.
    pub(super) fn fetched(&self) -> (usize, u64) {
        (self.new, self.octets)
    }

    /// Shows what happens.
    pub(super) fn event(&mut self, event: &Event) {
        if let Event::Delivered { octets, .. } = event {
            self.new += 1;
            self.octets = self.octets.saturating_add(octets.0);
        }
        if let Event::Planned(planned) = event {
            self.has_begun = !planned.fetch.is_empty() && !self.is_dry;
        }
        if self.show.manner == Manner::Json {
            if let Some(object) = as_json(event) {
                self.json(object);
            }
            return;
        }
        match event {
            Event::Planned(planned) => {
                for (number, key, at) in &planned.had {
                    let day = super::list::day(*at);
                    self.note(&format!(
                        "message {number} ({key}) was fetched on {day}; --again delivers it once more"
                    ));
                }
                if self.is_dry && self.show.manner != Manner::Quiet {
                    self.plan(planned);
                } else if !planned.fetch.is_empty() {
                    let bar = ProgressBar::new(planned.octets().0);
                    if let Ok(style) = ProgressStyle::with_template(BAR) {
                        bar.set_style(style);
                    }
                    bar.set_prefix(self.name.clone());
                    self.bar = Some(self.show.bars.add(bar));
                }
            }
            Event::Received(octets) => {
                if let Some(bar) = &self.bar {
                    bar.inc(octets.0);
                }
            }
            Event::Refused { key, number, why } => self.note(&format!(
                "message {number} ({key}) is not taken, and stays on the server: {}",
                output::without_numbers(why)
            )),
            Event::NotGiven { number, why } => {
                self.note(&format!("the server does not give message {number}: {why}"));
            }
            Event::InDoubt { key, destination } => self.note(&format!(
                "{key} may be in {destination} twice: the last run was stopped while it was handed over"
            )),
            Event::Note(text) => self.note(text),
            Event::LoggedIn { .. }
            | Event::Delivered { .. }
            | Event::Deleted(_)
            | Event::Learned(_)
            | Event::BrokeAt(_)
            | Event::OutOfStep => {}
        }
    }

    fn plan(&self, planned: &client::fetch::Planned) {
        let name = &self.name;
        for (number, key, octets) in &planned.fetch {
            let size = output::octets(octets.0);
            self.show
                .line(&format!("{name}: would fetch {number} ({key}), {size}"));
        }
        for (number, key) in &planned.delete {
            self.show
                .line(&format!("{name}: would delete {number} ({key})"));
        }
        for (number, key, octets) in &planned.too_large {
            let size = output::octets(octets.0);
            self.show.line(&format!(
                "{name}: would leave {number} ({key}): {size} is too large"
            ));
        }
        if planned.older > 0 {
            let older = count(planned.older as u64, "message", "messages");
            self.show
                .line(&format!("{name}: would leave {older} that came in before"));
        }
    }

    fn note(&self, text: &str) {
        match self.show.manner {
            Manner::Log => tracing::warn!(account = self.name, "{text}"),
            _ => self.show.note(&format!("restante: {}: {text}", self.name)),
        }
    }

    fn json(&self, mut object: Value) {
        object["account"] = self.name.clone().into();
        self.show.line(&object.to_string());
    }

    /// Shows what came of it.
    pub(super) fn ended(&mut self, result: &Result<Summary, Failure>) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            self.show.bars.remove(&bar);
        }
        match (result, self.show.manner) {
            (Ok(summary), Manner::Json) => self.json(json!({
                "event": "done",
                "new": summary.new,
                "octets": summary.octets,
                "deleted": summary.deleted,
                "refused": summary.refused,
                "too_large": summary.too_large,
                "older": summary.older,
                "left": summary.left,
                "seconds": summary.took.as_secs_f64(),
            })),
            (Err(failure), Manner::Json) => self.json(json!({
                "event": "error",
                "code": failure.code() as u8,
                "what": failure.what(),
                "remedy": failure.advice(),
                "new": self.new,
                "octets": self.octets,
            })),
            (Ok(summary), Manner::Terminal | Manner::Lines) if !self.is_dry => {
                self.show
                    .line(&format!("{}: {}", self.name, in_words(summary)));
            }
            (Ok(_), _) | (Err(_), Manner::Log) => {}
            (Err(failure), manner) => {
                // A session that fails at its very end has fetched all the same.
                if self.new > 0 && manner != Manner::Quiet {
                    let new = count(self.new as u64, "new message", "new messages");
                    let octets = output::octets(self.octets);
                    let line = format!("{}: {new} ({octets}), and then it failed", self.name);
                    self.show.line(&line);
                }
                let text = failure.to_string();
                self.show.note(text.trim_end());
            }
        }
    }
}

/// What came of a session, in a line.
pub(super) fn in_words(summary: &Summary) -> String {
    let mut words = match summary.new {
        0 => "nothing new".to_owned(),
        new => format!(
            "{} ({}) in {}",
            count(new as u64, "new message", "new messages"),
            output::octets(summary.octets),
            took(summary.took)
        ),
    };
    let mut more = |number: usize, what: &str| {
        if number > 0 {
            words.push_str(&format!(", {number} {what}"));
        }
    };
    more(summary.deleted, "deleted");
    more(summary.refused, "not delivered");
    more(summary.too_large, "too large");
    more(summary.older, "older");
    more(summary.left, "on the server");
    words
}

fn took(took: Duration) -> String {
    match took.as_secs() {
        0..10 => format!("{:.1} s", took.as_secs_f64()),
        seconds @ 10..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

fn as_json(event: &Event) -> Option<Value> {
    Some(match event {
        Event::LoggedIn { inside_tls } => json!({"event": "connected", "tls": inside_tls}),
        Event::Planned(planned) => json!({
            "event": "plan",
            "listed": planned.listed,
            "fetch": planned.fetch.len(),
            "octets": planned.octets().0,
            "delete": planned.delete.len(),
            "too_large": planned.too_large.iter().map(|(number, key, octets)| json!({
                "number": number.get(), "uidl": key.to_string(), "size": octets.0,
            })).collect::<Vec<_>>(),
            "skipped": planned.skipped,
            "later": planned.later,
            "older": planned.older,
        }),
        Event::Delivered {
            key,
            octets,
            destinations,
        } => json!({
            "event": "message", "uidl": key.to_string(), "size": octets.0, "dest": destinations,
        }),
        Event::Refused { key, number, why } => json!({
            "event": "refused", "uidl": key.to_string(), "number": number.get(), "why": output::without_numbers(why),
        }),
        Event::NotGiven { number, why } => json!({
            "event": "not_given", "number": number.get(), "why": why,
        }),
        Event::InDoubt { key, destination } => json!({
            "event": "in_doubt", "uidl": key.to_string(), "dest": destination,
        }),
        Event::Deleted(number) => json!({"event": "deleted", "messages": number}),
        Event::OutOfStep => json!({"event": "out_of_step"}),
        Event::Note(text) => json!({"event": "note", "text": text}),
        Event::Received(_) | Event::Learned(_) | Event::BrokeAt(_) => return None,
    })
}
