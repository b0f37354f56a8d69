//! mpop's unique-ids: ` NUMBER HOST USER`, then a line for each message, sorted.
//!
//! A line is the unique-id; since 1.4.23 the time of its first sight comes behind it. Several accounts may share a file. mpop
//! refuses a file that is torn; of what is there we take what can be read.

use std::path::{Path, PathBuf};

use crate::moving::MovingError;
use crate::moving::notes::Notes;
use crate::moving::read::{self, Line};
use crate::moving::seen::{Collected, Seen, SeenState, seconds};

/// The unique-ids of an account in a file. None if the file does not say anything about the account.
pub(super) fn of(
    file: &Path,
    host: &str,
    user: &str,
    notes: &mut Notes<'_>,
) -> Result<Option<Vec<Seen>>, MovingError> {
    let mut list = List {
        wanted: [host, user].map(str::as_bytes),
        times: None,
        place: Place::Elsewhere,
        promised: None,
        found: 0,
        collected: Collected::default(),
    };
    read::lines(file, |number, line| list.line(number, line))?;
    let Some(promised) = list.promised else {
        return Ok(None);
    };
    if list.found != promised {
        notes.about(
            format!(
                "{} unique-ids of {user} at {host} where {promised} should be",
                list.found
            ),
            "the file is torn; what is missing will be fetched again",
        );
    }
    Ok(Some(list.collected.into_list(notes)))
}

/// The file that says something about the account: the one that should, or any other one of the same directory, since mpop
/// changes letters of names that cannot be in names of files.
pub(super) fn file(usual: PathBuf, host: &str, user: &str) -> Option<PathBuf> {
    if usual.is_file() {
        return Some(usual);
    }
    let mut others: Vec<PathBuf> = usual
        .parent()?
        .read_dir()
        .ok()?
        .take(FILE_COUNT_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    others.sort();
    others.into_iter().find(|path| {
        let nowhere = Path::new("");
        matches!(of(path, host, user, &mut Notes::of(nowhere)), Ok(Some(_)))
    })
}

/// More are no files of mpop's.
const FILE_COUNT_MAX: usize = 1_000;

struct List<'a> {
    /// Host and user.
    wanted: [&'a [u8]; 2],
    /// Whether times are behind unique-ids, if the file says by which mpop it was written.
    times: Option<bool>,
    place: Place,
    promised: Option<u64>,
    found: u64,
    collected: Collected,
}

/// Whose lines these are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// Those of the account.
    Here,
    Elsewhere,
}

impl List<'_> {
    fn line(&mut self, number: usize, line: Line<'_>) {
        match (line, self.place) {
            (Line::Whole(text), _) if text.starts_with(b"#") => {
                self.times = written_with_times(text).or(self.times);
            }
            (Line::Whole(text), _) if text.starts_with(b" ") => self.begin(text),
            (Line::Whole(text), Place::Here) => self.message(number, text),
            (Line::TooLong, Place::Here) => self.collected.unusable(number),
            (_, Place::Elsewhere) => {}
        }
    }

    /// ` NUMBER HOST USER`; there are users whose names hold spaces.
    fn begin(&mut self, text: &[u8]) {
        let mut words = text[1..].splitn(3, |&octet| octet == b' ');
        let promised = words
            .next()
            .and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
        if [words.next(), words.next()] == self.wanted.map(Some) {
            self.place = Place::Here;
            self.promised = Some(
                self.promised
                    .unwrap_or(0)
                    .saturating_add(promised.unwrap_or(0)),
            );
        } else {
            self.place = Place::Elsewhere;
        }
    }

    fn message(&mut self, number: usize, text: &[u8]) {
        let (mut id, mut at) = (text, None);
        if self.times != Some(false)
            && let Some(end) = memchr::memrchr(b' ', text)
            && let Some(time) = seconds(&text[end + 1..])
        {
            (id, at) = (&text[..end], Some(time));
        }
        self.found += 1;
        self.collected.add(number, id, at, SeenState::Delivered);
    }
}

/// Whether the version of mpop that is named writes times: those from 1.4.23 on do.
fn written_with_times(comment: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(comment).ok()?;
    let version = text
        .split_once("by mpop version ")?
        .1
        .trim_end_matches(['.', ' ']);
    let mut figures = version.split('.').map(|it| it.parse::<u32>().ok());
    let version = [
        figures.next()??,
        figures.next()??,
        figures.next().flatten().unwrap_or(0),
    ];
    Some(version >= [1, 4, 23])
}
