//! What a client asks for: a basic language range (RFC 4647 §2.1).

use std::fmt;

/// A basic language range.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LanguageRange {
    /// `*`: what the operator prefers.
    Any,
    /// Subtags of 1 to 8 letters and digits, the first of letters alone, with `-` between.
    Like(Box<str>),
}

impl LanguageRange {
    /// The range, if the text is one. `de-*` is an extended range, which is another thing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text == b"*" {
            return Some(Self::Any);
        }
        let text = str::from_utf8(text).ok()?;
        let well_formed = text.split('-').enumerate().all(|(place, subtag)| {
            (1..=8).contains(&subtag.len())
                && subtag.bytes().all(|octet| match place {
                    0 => octet.is_ascii_alphabetic(),
                    _ => octet.is_ascii_alphanumeric(),
                })
        });
        well_formed.then(|| Self::Like(text.into()))
    }
}

impl fmt::Display for LanguageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Like(range) => f.write_str(range),
        }
    }
}

/// The range and what is left of it when subtags are taken off its end. One of a single letter
/// says what those after it mean, so it goes with them (RFC 4647 §3.4).
pub(super) fn shorter(range: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(range), |range| {
        let (left, _) = range.rsplit_once('-')?;
        match left.rsplit_once('-') {
            Some((left, single)) if single.len() == 1 => Some(left),
            _ => Some(left),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_basic_range_is_none() {
        for text in [
            "", "-", "de-", "-de", "de--CH", "de-*", "*-CH", "**", "ab1", "9",
        ] {
            assert_eq!(LanguageRange::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(LanguageRange::parse(b"abcdefghi"), None);
        assert_eq!(LanguageRange::parse(b"de-abcdefghi"), None);
        assert_eq!(LanguageRange::parse("dé".as_bytes()), None);
        assert_eq!(LanguageRange::parse(b"de\xff"), None);
    }

    #[test]
    fn the_example_of_rfc_4647() {
        let steps: Vec<_> = shorter("zh-Hant-CN-x-private1-private2").collect();
        assert_eq!(
            steps,
            [
                "zh-Hant-CN-x-private1-private2",
                "zh-Hant-CN-x-private1",
                "zh-Hant-CN",
                "zh-Hant",
                "zh",
            ]
        );
    }
}
