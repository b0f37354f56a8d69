//! A TOML file read key by key, so that everything wrong with it is told at once and with its place.
//!
//! A derived reader stops at the first mistake and does not know that `quota` belongs in
//! `[maildrop]`. Here every key that is asked for becomes a known key; what is left over at the
//! end is unknown, and is told with the nearest known one.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where in the file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

/// Whether the program can work in spite of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Level {
    /// The configuration is refused.
    Error,
    /// It is told, and used.
    Warning,
}

/// Something wrong with the configuration, and what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    file: PathBuf,
    place: Option<Place>,
    pub(crate) level: Level,
    what: String,
    remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if self.level == Level::Warning {
            f.write_str(" warning:")?;
        }
        write!(f, " {}\n  {}", self.what, self.remedy)
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// The file, its problems so far, and the keys that were asked for.
pub(crate) struct Document<'t> {
    file: PathBuf,
    text: &'t str,
    problems: Vec<Problem>,
    known: BTreeMap<&'static str, Vec<&'static str>>,
    left: Vec<(&'static str, String, Range<usize>)>,
}

impl<'t> Document<'t> {
    /// Reads the text; what is not TOML is a problem, what can be read all the same is a table.
    pub(crate) fn parse(file: &Path, text: &'t str) -> (Self, DeTable<'t>) {
        let mut document = Self {
            file: file.to_owned(),
            text,
            problems: Vec::new(),
            known: BTreeMap::new(),
            left: Vec::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            document.error(
                error.span(),
                format!("this is not TOML: {}", error.message().replace('\n', "; ")),
                "write `key = value`, text in double quotes; the key is named before this place",
            );
        }
        (document, table.into_inner())
    }

    /// Notes a mistake.
    pub(crate) fn error(
        &mut self,
        span: Option<Range<usize>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problem(Level::Error, span, what.into(), remedy.into());
    }

    /// Notes something doubtful.
    pub(crate) fn warning(
        &mut self,
        span: Option<Range<usize>>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problem(Level::Warning, span, what.into(), remedy.into());
    }

    fn problem(&mut self, level: Level, span: Option<Range<usize>>, what: String, remedy: String) {
        let place = span.map(|span| place(self.text, span.start));
        let file = self.file.clone();
        self.problems.push(Problem {
            file,
            place,
            level,
            what,
            remedy,
        });
    }

    /// Tells the keys that nobody asked for, and returns every problem in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        for (section, key, span) in std::mem::take(&mut self.left) {
            let here = self.known.get(section).cloned().unwrap_or_default();
            let elsewhere = self
                .known
                .iter()
                .find(|(_, keys)| keys.contains(&key.as_str()))
                .map(|(other, _)| *other);
            let remedy = if let Some(near) = nearest(&key, &here) {
                format!("did you mean `{near}`?")
            } else if let Some(other) = elsewhere {
                match other {
                    TOP => {
                        format!("`{key}` belongs at the top of the file, before the first table")
                    }
                    _ => format!("`{key}` belongs in {other}"),
                }
            } else {
                format!("remove it; known here: {}", here.join(", "))
            };
            let what = match section {
                TOP => format!("unknown key `{key}`"),
                _ => format!("unknown key `{key}` in {section}"),
            };
            self.error(Some(span), what, remedy);
        }
        self.problems.sort_by_key(|problem| problem.place);
        self.problems
    }
}

/// What is wanted where a text is.
const A_TEXT: &str = "a text in double quotes";

/// The part of the file before the first table.
pub(crate) const TOP: &str = "the top of the file";

/// One table of the file, read key by key.
pub(crate) struct Section<'d, 't> {
    name: &'static str,
    table: Option<&'d DeTable<'t>>,
    asked: Vec<&'static str>,
}

impl<'d, 't> Section<'d, 't> {
    /// The table of this name; none: an empty one.
    pub(crate) fn new(name: &'static str, table: Option<&'d DeTable<'t>>) -> Self {
        Self {
            name,
            table,
            asked: Vec::new(),
        }
    }

    /// The value of a key, whatever its kind; from now on the key is known.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.table?.get(key)
    }

    /// The value of a key and its place, if it is of the kind that `take` takes; another kind is a
    /// mistake.
    fn of_kind<T>(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        wanted: &str,
        take: impl FnOnce(&'d DeValue<'t>) -> Option<T>,
    ) -> Option<At<T>> {
        let value = self.value(key)?;
        let span = value.span();
        match take(value.get_ref()) {
            Some(value) => Some(At { value, span }),
            None => {
                kind_error(document, key, span, value.get_ref(), wanted);
                None
            }
        }
    }

    /// A text.
    pub(crate) fn text(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
    ) -> Option<At<String>> {
        self.of_kind(document, key, A_TEXT, |value| match value {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => None,
        })
    }

    /// `true` or `false`.
    pub(crate) fn switch(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
    ) -> Option<At<bool>> {
        self.of_kind(document, key, "true or false", |value| match value {
            DeValue::Boolean(switch) => Some(*switch),
            _ => None,
        })
    }

    /// A whole number within bounds.
    pub(crate) fn number(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let At {
            value: number,
            span,
        } = self.of_kind(document, key, "a whole number", |value| match value {
            DeValue::Integer(number) => Some(number),
            _ => None,
        })?;
        let digits = number.as_str().replace('_', "");
        let parsed = u64::from_str_radix(&digits, number.radix()).ok();
        match parsed.filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => {
                document.error(
                    Some(span),
                    format!("`{key}` cannot be {number}"),
                    format!("give a number from {} to {}", range.start(), range.end()),
                );
                None
            }
        }
    }

    /// A text that means something else: a size, a duration, an address.
    pub(crate) fn parsed<T>(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        let text = self.text(document, key)?;
        match parse(&text.value) {
            Ok(value) => Some(At {
                value,
                span: text.span,
            }),
            Err(remedy) => {
                document.error(
                    Some(text.span),
                    format!("`{key}` cannot be {:?}", text.value),
                    remedy,
                );
                None
            }
        }
    }

    /// A list of texts.
    pub(crate) fn texts(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
    ) -> Option<Vec<At<String>>> {
        let items = self
            .of_kind(
                document,
                key,
                "a list of texts in brackets",
                |value| match value {
                    DeValue::Array(items) => Some(items),
                    _ => None,
                },
            )?
            .value;
        let mut texts = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(At {
                    value: text.clone().into_owned(),
                    span: item.span(),
                }),
                other => kind_error(document, key, item.span(), other, A_TEXT),
            }
        }
        Some(texts)
    }

    /// A table below this one, or nothing; another kind of value is a mistake.
    pub(crate) fn table(
        &mut self,
        document: &mut Document<'_>,
        key: &'static str,
    ) -> Option<&'d DeTable<'t>> {
        let wanted = match self.name {
            TOP => format!("a table: [{key}]"),
            inside => format!("a table: [{}.{key}]", inside.trim_matches(['[', ']'])),
        };
        let table = self.of_kind(document, key, &wanted, |value| match value {
            DeValue::Table(table) => Some(table),
            _ => None,
        })?;
        Some(table.value)
    }

    /// Where a key stands, for a message about it.
    pub(crate) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.table?
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(name, _)| name.span())
    }

    /// Everything known has been asked for: what is left over is unknown.
    pub(crate) fn close(self, document: &mut Document<'_>) {
        for (key, _) in self.table.into_iter().flat_map(DeTable::iter) {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let name = key.get_ref().clone().into_owned();
                document.left.push((self.name, name, key.span()));
            }
        }
        let known = document.known.entry(self.name).or_default();
        for key in self.asked {
            if !known.contains(&key) {
                known.push(key);
            }
        }
    }
}

fn kind_error(
    document: &mut Document<'_>,
    key: &str,
    span: Range<usize>,
    found: &DeValue<'_>,
    wanted: &str,
) {
    let found = match found {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    document.error(
        Some(span),
        format!("`{key}` cannot be {found}"),
        format!("give {wanted}"),
    );
}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// The known word that somebody who wrote this one probably meant.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (distance(&word, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| {
            *distance
                <= match candidate.len() {
                    0..=5 => 1,
                    long => long.div_ceil(3),
                }
        })
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements of one character.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    // A key can be as long as the file; beyond this nothing is near.
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_from_one() {
        assert_eq!(place("a\nbüc = 1", 6), Place { line: 2, column: 4 });
        assert_eq!(place("", 0), Place { line: 1, column: 1 });
        assert_eq!(place("x", 99), Place { line: 1, column: 2 });
    }

    #[test]
    fn a_table_is_named_in_full() {
        let text = "auth = 1\noauth = \"x\"";
        let (mut document, table) = Document::parse(Path::new("r.toml"), text);
        let mut top = Section::new(TOP, Some(&table));
        assert!(top.table(&mut document, "auth").is_none());
        let mut auth = Section::new("[auth]", Some(&table));
        assert!(auth.table(&mut document, "oauth").is_none());
        let told: Vec<_> = document.finish().iter().map(|p| p.to_string()).collect();
        assert_eq!(
            told,
            [
                "r.toml:1:8: `auth` cannot be a number\n  give a table: [auth]",
                "r.toml:2:9: `oauth` cannot be a text\n  give a table: [auth.oauth]",
            ]
        );
    }

    #[test]
    fn the_nearest_key_is_found_and_nothing_far() {
        let known = ["address", "protocol", "plaintext_login"];
        assert_eq!(nearest("adress", &known), Some("address"));
        assert_eq!(nearest("plaintext-login", &known), Some("plaintext_login"));
        assert_eq!(nearest("Protocol", &known), Some("protocol"));
        assert_eq!(nearest("banana", &known), None);
        assert_eq!(nearest(&"x".repeat(100_000), &known), None);
    }
}
