//! What another program has seen: unique-ids, when, and what it did.

use std::borrow::Cow;

use pop3::client::ForeignId;

use super::notes::Notes;

/// A message of a maildrop that another program knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// What its server calls it.
    pub id: ForeignId,
    /// When the other program had it, in seconds since 1970, if it says so.
    pub at: Option<i64>,
    /// What became of it.
    pub state: SeenState,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SeenState {
    /// It was delivered. It may still be on the server.
    Delivered,
    /// It was delivered, and the other program was about to delete it from the server.
    DeletionPending,
    /// It was not delivered, or its header only: too large, or its text was to come later. It counts as new.
    NotWhole,
}

/// How the other program writes unique-ids.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spelling {
    /// As the server gives them.
    AsGiven,
    /// With `-` for each `/` (getmail).
    DashForSlash,
    /// Up to the first space (fetchmail, Thunderbird).
    FirstWord,
}

impl Spelling {
    /// What the other program calls a message that its server calls so. Where that is another id, both are the same message.
    ///
    /// ```
    /// use client::moving::Spelling;
    /// use pop3::client::ForeignId;
    ///
    /// let id = ForeignId::new(b"2024/7").unwrap();
    /// assert_eq!(Spelling::DashForSlash.of(&id).as_bytes(), b"2024-7");
    /// assert_eq!(Spelling::AsGiven.of(&id).as_bytes(), b"2024/7");
    /// ```
    pub fn of(self, id: &ForeignId) -> Cow<'_, ForeignId> {
        let octets = id.as_bytes();
        let spelled = match self {
            Self::DashForSlash if octets.contains(&b'/') => {
                let dashed: Vec<u8> = octets
                    .iter()
                    .map(|&it| if it == b'/' { b'-' } else { it })
                    .collect();
                ForeignId::new(&dashed)
            }
            Self::FirstWord => octets
                .iter()
                .position(|octet| b" \t".contains(octet))
                .and_then(|end| ForeignId::new(&octets[..end])),
            _ => None,
        };
        spelled.map_or(Cow::Borrowed(id), Cow::Owned)
    }
}

/// What a state file holds, as it is read.
#[derive(Debug, Default)]
pub(super) struct Collected {
    list: Vec<Seen>,
    unusable: usize,
    first_unusable: Option<usize>,
    left_out: usize,
}

/// A maildrop of more messages is none that a client of this protocol was used for.
const COUNT_MAX: usize = 1_000_000;

impl Collected {
    /// Takes what a line says.
    pub(super) fn add(&mut self, line: usize, id: &[u8], at: Option<i64>, state: SeenState) {
        match ForeignId::new(id) {
            Some(id) if self.list.len() < COUNT_MAX => self.list.push(Seen { id, at, state }),
            Some(_) => self.left_out += 1,
            None => self.unusable(line),
        }
    }

    /// Takes down that a line says nothing.
    pub(super) fn unusable(&mut self, line: usize) {
        self.unusable += 1;
        self.first_unusable.get_or_insert(line);
    }

    /// All of it, each unique-id once, in their order: where one was there twice, what the file says last counts.
    pub(super) fn into_list(mut self, notes: &mut Notes<'_>) -> Vec<Seen> {
        if let Some(line) = self.first_unusable {
            notes.at(
                line,
                format!(
                    "{} lines that name no message, this is the first",
                    self.unusable
                ),
                "is the file torn? What they meant will be fetched again",
            );
        }
        if self.left_out > 0 {
            notes.about(
                format!("{} messages more than {COUNT_MAX}", self.left_out),
                "they will be fetched again; mark them as seen: `restante fetch mark-seen`",
            );
        }
        self.list.reverse();
        self.list.sort_by(|one, other| one.id.cmp(&other.id));
        self.list.dedup_by(|later, kept| later.id == kept.id);
        self.list
    }
}

/// A time as these programs write it: seconds since 1970.
pub(super) fn seconds(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word)
        .ok()?
        .parse()
        .ok()
        .filter(|&it| it > 0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_last_word_about_a_message_counts() {
        let mut collected = Collected::default();
        collected.add(1, b"b", Some(1), SeenState::Delivered);
        collected.add(2, b"a", None, SeenState::Delivered);
        collected.add(3, b"", None, SeenState::Delivered);
        collected.add(4, b"a\x07", None, SeenState::Delivered);
        collected.add(5, b"b", Some(2), SeenState::NotWhole);
        let mut notes = Notes::of(Path::new("f"));
        let list = collected.into_list(&mut notes);
        let shown: Vec<_> = list
            .iter()
            .map(|it| (it.id.to_string(), it.at, it.state))
            .collect();
        assert_eq!(
            shown,
            [
                ("a".to_owned(), None, SeenState::Delivered),
                ("b".to_owned(), Some(2), SeenState::NotWhole),
            ]
        );
        let notes = notes.into_list();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].line, Some(3));
        assert!(notes[0].what.starts_with("2 lines"), "{}", notes[0].what);
    }

    #[test]
    fn times_are_seconds() {
        for (word, expected) in [
            (&b"1795853292"[..], Some(1_795_853_292)),
            (b"0", None),
            (b"-5", None),
            (b"", None),
            (b"12x", None),
            (b"\xff", None),
            (b"99999999999999999999", None),
        ] {
            assert_eq!(seconds(word), expected, "{word:?}");
        }
    }

    #[test]
    fn spellings() {
        for (spelling, id, expected) in [
            (Spelling::AsGiven, "a/b c", "a/b c"),
            (Spelling::DashForSlash, "a/b/c", "a-b-c"),
            (Spelling::DashForSlash, "abc", "abc"),
            (Spelling::FirstWord, "a/b c", "a/b"),
            (Spelling::FirstWord, "abc", "abc"),
        ] {
            let id = ForeignId::new(id.as_bytes()).unwrap();
            assert_eq!(spelling.of(&id).as_bytes(), expected.as_bytes());
        }
    }
}
