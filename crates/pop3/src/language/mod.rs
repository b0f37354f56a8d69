//! The languages of replies (RFC 6856 §3), and which of them a client means.
//!
//! Each language is a file with two functions: what a [`Refusal`] says, and what a positive reply
//! says. Both match on every variant, so no wording can be missing anywhere. Two more count messages
//! and octets, for replies that say nothing else. Response codes, status
//! words and the numbers that programs read are printed elsewhere, and are the same in all of them.
//!
//! A session begins in English. Only who has chosen another language gets octets that are not
//! ASCII.
//!
//! ```
//! use pop3::{Language, LanguageRange};
//!
//! let range = LanguageRange::parse(b"de-CH-1996").unwrap();
//! assert_eq!(Language::found(&range, Language::English), Some(Language::German));
//! ```

mod english;
mod french;
mod german;
mod japanese;
mod range;
mod ukrainian;

use std::fmt;
use std::io::Write as _;

use crate::Octets;
use crate::reply::{Refusal, Said, Tally};

pub use range::LanguageRange;

/// A language in which the server speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the languages")]
pub enum Language {
    #[default]
    English,
    German,
    French,
    Japanese,
    Ukrainian,
}

impl Language {
    /// All of them, in the order of the listing.
    pub const ALL: [Self; 5] = [
        Self::English,
        Self::German,
        Self::French,
        Self::Japanese,
        Self::Ukrainian,
    ];

    /// Its tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Japanese => "ja",
            Self::Ukrainian => "uk",
        }
    }

    /// Its name in the language itself, as the listing has it (RFC 6856 §3.2).
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "français",
            Self::Japanese => "日本語",
            Self::Ukrainian => "українська",
        }
    }

    /// The language of a tag, in upper or lower case.
    pub fn tagged(tag: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(tag))
    }

    /// The language that a range asks for: `*` is the operator's choice, anything else is looked
    /// up (RFC 4647 §3.4). `i-default` is English, which RFC 2277 §4.5 asks it to be.
    pub fn found(range: &LanguageRange, default: Self) -> Option<Self> {
        match range {
            LanguageRange::Any => Some(default),
            LanguageRange::Like(range) if range.eq_ignore_ascii_case("i-default") => {
                Some(Self::English)
            }
            LanguageRange::Like(range) => range::shorter(range).find_map(Self::tagged),
        }
    }

    /// What a refusal says, without its response code.
    pub(crate) fn refusal(self, refusal: Refusal) -> &'static str {
        match self {
            Self::English => english::refusal(refusal),
            Self::German => german::refusal(refusal),
            Self::French => french::refusal(refusal),
            Self::Japanese => japanese::refusal(refusal),
            Self::Ukrainian => ukrainian::refusal(refusal),
        }
    }

    /// Appends what a positive reply says, without status word and line end.
    pub(crate) fn say(self, said: &Said<'_>, out: &mut Vec<u8>) {
        match self {
            Self::English => english::say(said, out),
            Self::German => german::say(said, out),
            Self::French => french::say(said, out),
            Self::Japanese => japanese::say(said, out),
            Self::Ukrainian => ukrainian::say(said, out),
        }
    }

    /// Appends what a positive reply counts, likewise.
    pub(crate) fn count(self, tally: Tally, out: &mut Vec<u8>) {
        match tally {
            Tally::List { messages, octets } => {
                let (messages, octets) = (self.counted(messages), self.sized(octets));
                put(out, format_args!("{messages} ({octets})"));
            }
            Tally::UniqueIds(messages) => put(out, format_args!("{}", self.counted(messages))),
            Tally::Text(octets) => put(out, format_args!("{}", self.sized(octets))),
        }
    }

    fn counted(self, messages: usize) -> Counted {
        match self {
            Self::English => english::counted(messages),
            Self::German => german::counted(messages),
            Self::French => french::counted(messages),
            Self::Japanese => japanese::counted(messages),
            Self::Ukrainian => ukrainian::counted(messages),
        }
    }

    fn sized(self, octets: Octets) -> Counted {
        match self {
            Self::English => english::sized(octets),
            Self::German => german::sized(octets),
            Self::French => french::sized(octets),
            Self::Japanese => japanese::sized(octets),
            Self::Ukrainian => ukrainian::sized(octets),
        }
    }
}

/// A number and the form of the word that belongs to it.
struct Counted(u64, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// Appends a text.
fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes what is written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_finds_the_language_that_it_begins_with() {
        for (range, expected) in [
            ("en", Some("en")),
            ("EN", Some("en")),
            ("en-GB", Some("en")),
            ("de-CH-1996", Some("de")),
            ("uk-Cyrl-UA", Some("uk")),
            ("ja-x-osaka", Some("ja")),
            ("i-default", Some("en")),
            ("*", Some("fr")),
            ("ukr", None),
            ("e", None),
            ("i-klingon", None),
            ("mul", None),
        ] {
            let range = LanguageRange::parse(range.as_bytes()).unwrap();
            let found = Language::found(&range, Language::French).map(Language::tag);
            assert_eq!(found, expected, "{range:?}");
        }
    }
}
