//! getmail: `getmailrc` and `oldmail-SERVER-PORT-USER`, in `~/.config/getmail` or `~/.getmail` (getmail6, 6.18 to 6.20).
//!
//! A file is an account. Its defaults are not ours: no TLS is a type of its own, and `read_all` fetches everything each time.

mod destination;
mod ini;
mod rc;
mod tuple;

use std::path::{Path, PathBuf};

use super::names::Names;
use super::notes::Notes;
use super::read::{self, Line, Text, unreadable, unusable};
use super::seen::{Collected, Seen, SeenState, Spelling, seconds};
use super::table::{Deliver, Keep};
use super::{Moved, MovingError, Program, Surroundings};

/// More are no configurations of a person.
const FILE_COUNT_MAX: usize = 1_000;

/// Reads the configuration at `path`, or each of those in that directory, or in the one where they usually are.
pub(super) fn moved(path: Option<&Path>, around: &Surroundings) -> Result<Moved, MovingError> {
    let usual = [
        around.config_home.join("getmail"),
        around.home.join(".getmail"),
    ];
    let path = match path {
        Some(path) => path,
        None => usual
            .iter()
            .find(|it| it.is_dir())
            .ok_or_else(|| MovingError::NotFound {
                program: Program::Getmail,
                looked_for: usual.to_vec(),
            })?,
    };
    let files = if path.is_dir() {
        candidates(path)?
    } else {
        vec![path.to_owned()]
    };
    let mut moved = Moved::default();
    let mut names = Names::taken(&around.taken);
    for file in &files {
        let text = match Text::read(file) {
            // Beside configurations anything may lie.
            Err(MovingError::Unusable { .. }) if files.len() > 1 => continue,
            text => text?,
        };
        let mut notes = Notes::of(file);
        let mut strays = Vec::new();
        let sections = ini::sections(&text.text, |line| strays.push(line));
        if !sections.iter().any(|it| it.name == "retriever") {
            continue;
        }
        for line in strays {
            notes.at(
                line,
                "a line that is no option",
                "getmail would refuse it; it is left out",
            );
        }
        let rc = rc::Rc {
            sections,
            encoding: text.encoding(),
            around,
        };
        moved.files.push(file.clone());
        if let Some((mut table, found, knows)) = rc.account(&mut notes) {
            let own = file.file_name().unwrap_or_default().to_string_lossy();
            let own = own.strip_suffix("rc").unwrap_or(&own);
            let name = names.like(&match own {
                "getmail" | "" => format!("{}-{}", table.user, table.host),
                _ => own.to_owned(),
            });
            if table.deliver.is_empty() {
                table.deliver = vec![Deliver::Maildir(around.home.join("Mail").join(&name))];
                notes.about(
                    "no destination that is here too",
                    format!("the Maildir Mail/{name} in your home is taken"),
                );
            }
            let beside = file.parent().unwrap_or(file);
            let places: Vec<PathBuf> = std::iter::once(beside)
                .chain(usual.iter().map(PathBuf::as_path))
                .map(|directory| rc::oldmail(directory, &table))
                .collect();
            let mut seen = Vec::new();
            match places.iter().find(|it| it.is_file()) {
                Some(_) if knows == rc::Knows::ByHeader => notes.about(
                    "oldmail of a BrokenUIDL retriever",
                    "it does not hold unique-ids, so all that is on the server counts as new; if you have it, run \
                     `restante fetch mark-seen` before you fetch",
                ),
                Some(state) => {
                    seen = oldmail(state, &mut notes)?;
                    moved.files.push(state.clone());
                }
                None if table.keep == Keep::Never => {}
                None => notes.about(
                    format!("no {}", places[0].display()),
                    "all that is on the server counts as new; if you have it, run `restante fetch mark-seen` before you fetch",
                ),
            }
            let seen = (seen, Spelling::DashForSlash);
            moved
                .accounts
                .push(super::account::account(name, table, found, seen, around));
        }
        moved.notes.extend(notes.into_list());
    }
    if moved.files.is_empty() {
        return Err(unusable(path, "there is no [retriever] of getmail's"));
    }
    Ok(moved)
}

/// What getmail would take for a configuration, in the order of names.
fn candidates(directory: &Path) -> Result<Vec<PathBuf>, MovingError> {
    let mut files: Vec<PathBuf> = directory
        .read_dir()
        .map_err(|source| unreadable(directory, source))?
        .take(FILE_COUNT_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.is_file()
                && !name.starts_with("oldmail-")
                && !name.starts_with('.')
                && !name.ends_with(".json")
        })
        .collect();
    files.sort();
    Ok(files)
}

/// `UNIQUE-ID NUL TIME`, a line for each message that getmail has delivered.
fn oldmail(file: &Path, notes: &mut Notes<'_>) -> Result<Vec<Seen>, MovingError> {
    let mut collected = Collected::default();
    read::lines(file, |number, line| match line {
        Line::Whole(line) => {
            let line = line.trim_ascii();
            let parts =
                memchr::memchr(0, line).map(|end| (&line[..end], seconds(&line[end + 1..])));
            match parts {
                Some((id, at @ Some(_))) => collected.add(number, id, at, SeenState::Delivered),
                _ if line.is_empty() => {}
                _ => collected.unusable(number),
            }
        }
        Line::TooLong => collected.unusable(number),
    })?;
    Ok(collected.into_list(notes))
}

#[cfg(test)]
mod tests;
