//! What has no equal here: what it was, where it stood, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something that another program was told and that has no equal here. It never holds a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The file where it stood.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What it was.
    pub what: String,
    /// What that means, or what to do.
    pub advice: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.what, self.advice)
    }
}

/// The notes about one file, as they are made.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    file: &'a Path,
    list: Vec<Note>,
    left_out: usize,
}

impl<'a> Notes<'a> {
    pub(super) fn of(file: &'a Path) -> Self {
        Self {
            file,
            list: Vec::new(),
            left_out: 0,
        }
    }

    /// Notes something of a line.
    pub(super) fn at(&mut self, line: usize, what: impl Into<String>, advice: impl Into<String>) {
        self.add(Some(line), what.into(), advice.into());
    }

    /// Notes something of the file as a whole.
    pub(super) fn about(&mut self, what: impl Into<String>, advice: impl Into<String>) {
        self.add(None, what.into(), advice.into());
    }

    fn add(&mut self, line: Option<usize>, what: String, advice: String) {
        if self.list.len() == COUNT_MAX {
            self.left_out += 1;
            return;
        }
        let note = Note {
            file: self.file.to_owned(),
            line,
            what,
            advice,
        };
        // What several accounts inherit is told once.
        if !self.list.contains(&note) {
            self.list.push(note);
        }
    }

    pub(super) fn into_list(mut self) -> Vec<Note> {
        if self.left_out > 0 {
            self.list.push(Note {
                file: self.file.to_owned(),
                line: None,
                what: format!("{} more", self.left_out),
                advice: "they are of the same kinds; is this the right file?".to_owned(),
            });
        }
        self.list
    }
}

/// A word of a configuration, as a note may show it: short, and with nothing that a terminal obeys.
pub(super) fn shown(word: &str) -> String {
    let short: String = word
        .chars()
        .take(SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if word.chars().nth(SHOWN_MAX).is_some() {
        format!("{short}…")
    } else {
        short
    }
}

/// Nobody reads more.
const COUNT_MAX: usize = 500;
const SHOWN_MAX: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line() {
        let file = PathBuf::from("/home/mrose/.mpoprc");
        let mut notes = Notes::of(&file);
        notes.at(3, "timeout", "waits have ends of their own");
        notes.about(shown("a\n\u{1b}[2J"), "odd");
        notes.at(3, "timeout", "waits have ends of their own");
        let shown: Vec<String> = notes.into_list().iter().map(Note::to_string).collect();
        assert_eq!(
            shown,
            [
                "/home/mrose/.mpoprc:3: timeout: waits have ends of their own",
                "/home/mrose/.mpoprc: a\\n\\u{1b}[2J: odd",
            ]
        );
    }

    #[test]
    fn there_are_never_too_many() {
        let file = PathBuf::from("f");
        let mut notes = Notes::of(&file);
        (0..COUNT_MAX + 7).for_each(|line| notes.at(line, "x", "y"));
        let list = notes.into_list();
        assert_eq!(list.len(), COUNT_MAX + 1);
        assert_eq!(list[COUNT_MAX].what, "7 more");
    }
}
