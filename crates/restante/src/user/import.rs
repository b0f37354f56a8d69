//! `restante user import`: accounts from a passwd-file of Dovecot, from a shadow file, or from lines
//! `name:{SCHEME}secret`.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use auth::{Apop, ImportFile, ImportReport, State};
use indicatif::{ProgressBar, ProgressDrawTarget};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::{self, count, note, say};
use crate::stock;

/// Larger than the accounts of ten million people.
const FILE_OCTETS_MAX: u64 = 2 << 30;

/// Reads the file, and adds its accounts if every line is right.
///
/// # Errors
///
/// When the file cannot be read, when a line is wrong (every wrong line is named), and when the
/// accounts cannot be written.
pub(super) fn import(config: &Config, file: &Path, apop: bool) -> Result<(), Failure> {
    // Before root's rights are given up: the file may be root's.
    let text = read(file)?;
    let read = auth::parse_import(&text).map_err(|errors| {
        for error in &errors {
            note!("{}: {error}", file.display());
        }
        Failure::new(
            Code::Data,
            format!(
                "{}; nothing was imported",
                count(errors.len() as u64, "line is wrong", "lines are wrong")
            ),
        )
        .remedy(
            "correct them, or take them out, and try again; \
             `restante user add` makes an account with a new password",
        )
    })?;
    let keep = match apop {
        true => Apop::Keep,
        false => Apop::Skip,
    };
    let accounts = stock::new_accounts(config)?;
    // Hidden by itself when standard error is no terminal.
    let bar =
        ProgressBar::with_draw_target(Some(read.lines.len() as u64), ProgressDrawTarget::stderr());
    let report = accounts.import(&read.lines, keep, |done| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    tell(file, &read, &report);
    if report.with_apop > 0 {
        note!(
            "warning: {} can be read back by whoever has the data directory",
            count(report.with_apop as u64, "APOP secret", "APOP secrets")
        );
    }
    say!(
        "{} imported, {} there already.",
        count(report.added as u64, "account", "accounts"),
        report.existing.len()
    )
}

/// Says which accounts are not as in the file.
fn tell(file: &Path, read: &ImportFile, report: &ImportReport) {
    let file = file.display();
    let existing: HashSet<usize> = report.existing.iter().map(|(line, _)| *line).collect();
    for (line, name) in &report.existing {
        note!("{file}: line {line}: {name} exists already and stays as it is");
    }
    let now = SystemTime::now();
    for line in &read.lines {
        if existing.contains(&line.line) {
            continue;
        }
        let (number, name) = (line.line, &line.name);
        if line.change.state == Some(State::Disabled) {
            note!("{file}: line {number}: {name} is locked there, so it is disabled here");
        }
        if line.change_due.is_some_and(|due| due <= now) {
            note!(
                "{file}: line {number}: {name} is to have a new password there, which POP3 cannot ask for; \
                 here the old one stays"
            );
        }
    }
    for (line, name) in &read.locked {
        note!("{file}: line {line}: {name} is locked and has no password, so it is left out");
    }
    if !read.left_out.is_empty() {
        let fields: Vec<_> = read
            .left_out
            .iter()
            .map(|(field, &lines)| format!("{field} ({})", count(lines as u64, "line", "lines")))
            .collect();
        note!(
            "{file}: left out, since accounts here have no such thing: {}",
            fields.join(", ")
        );
    }
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failure = |error: io::Error| {
        Failure::new(Code::NoInput, output::unreadable(file, &error))
            .remedy("name a passwd-file, a shadow file or one of lines `name:{SCHEME}secret`, or - for standard input")
    };
    let mut text = Zeroizing::new(Vec::new());
    let read = match file.as_os_str() == "-" {
        true => io::stdin()
            .lock()
            .take(FILE_OCTETS_MAX)
            .read_to_end(&mut text),
        false => {
            File::open(file).and_then(|open| open.take(FILE_OCTETS_MAX).read_to_end(&mut text))
        }
    };
    read.map_err(failure)?;
    Ok(text)
}
