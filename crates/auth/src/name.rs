//! Account names: `local` or `local@domain`, ASCII, case folded.
//!
//! A name is checked once, here, and is a value of [`AccountName`] from then on. It is never a path
//! and never expanded: the maildrop of an account is found by a random number.

use std::fmt;

/// Longest name in octets.
pub const NAME_OCTETS_MAX: usize = 255;

/// A valid account name in lower case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountName(Box<str>);

/// Why a text is not an account name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// Nothing there, or nothing before the `@`.
    #[error("an account name must not be empty")]
    Empty,
    /// More than [`NAME_OCTETS_MAX`] octets.
    #[error("an account name has at most {NAME_OCTETS_MAX} octets")]
    TooLong,
    /// A character that no name may have.
    #[error(
        "an account name must not contain {0:?}; allowed are ASCII letters, digits and . _ - + = & ' ~ #, \
         and one @ before a domain"
    )]
    Character(char),
    /// A dot at the start or the end of the local part, two in a row, or a `-` at the start.
    #[error("an account name must not begin with '.' or '-', end with '.', or contain '..'")]
    Shape,
    /// The part after the `@` is not a domain.
    #[error("the part after @ must be a domain such as mail.example.org")]
    Domain,
}

impl AccountName {
    /// Checks a name and folds its case.
    ///
    /// # Errors
    ///
    /// See [`NameError`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > NAME_OCTETS_MAX {
            return Err(NameError::TooLong);
        }
        let (local, domain) = match text.split_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (text, None),
        };
        if local.is_empty() {
            return Err(NameError::Empty);
        }
        if let Some(bad) = local.chars().find(|&c| !is_local(c)) {
            return Err(NameError::Character(bad));
        }
        if local.starts_with(['.', '-']) || local.ends_with('.') || local.contains("..") {
            return Err(NameError::Shape);
        }
        if let Some(domain) = domain {
            if let Some(bad) = domain.chars().find(|&c| !is_domain(c)) {
                return Err(NameError::Character(bad));
            }
            if !domain.split('.').all(is_label) {
                return Err(NameError::Domain);
            }
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_local(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-+=&'~#".contains(c)
}

fn is_domain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '.'
}

pub(crate) fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded() {
        for (text, name) in [
            ("bob", "bob"),
            ("Bob.Smith", "bob.smith"),
            ("MRose@Dobbs.ORG", "mrose@dobbs.org"),
            ("o'brien+lists@example.org", "o'brien+lists@example.org"),
            ("a_b-c=d&e~f#g", "a_b-c=d&e~f#g"),
        ] {
            assert_eq!(AccountName::parse(text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn what_is_not_a_name_is_told() {
        let long = "x".repeat(256);
        for (text, why) in [
            ("", NameError::Empty),
            ("@example.org", NameError::Empty),
            (long.as_str(), NameError::TooLong),
            ("a/b", NameError::Character('/')),
            ("a\\b", NameError::Character('\\')),
            ("a\0", NameError::Character('\0')),
            ("a:b", NameError::Character(':')),
            ("$HOME", NameError::Character('$')),
            ("%u", NameError::Character('%')),
            ("a b", NameError::Character(' ')),
            ("a\nb", NameError::Character('\n')),
            ("bösch", NameError::Character('ö')),
            ("bob@ex@ample", NameError::Character('@')),
            ("bob@ex_ample", NameError::Character('_')),
            ("..", NameError::Shape),
            (".bob", NameError::Shape),
            ("bob.", NameError::Shape),
            ("-c", NameError::Shape),
            ("bob@", NameError::Domain),
            ("bob@-a.org", NameError::Domain),
            ("bob@a..org", NameError::Domain),
            ("bob@a.org.", NameError::Domain),
        ] {
            assert_eq!(AccountName::parse(text), Err(why), "{text:?}");
        }
    }

    proptest::proptest! {
        /// Whatever is accepted is one plain path component at most, folded, and itself a name.
        #[test]
        fn no_name_is_a_path(text in "(\\PC|[a-zA-Z0-9.@/_+-]|\0|\n){0,40}") {
            if let Ok(name) = AccountName::parse(&text) {
                let name = name.as_str();
                proptest::prop_assert!(name.eq_ignore_ascii_case(&text));
                proptest::prop_assert!(!name.contains(['/', '\\', '\0', '\n', ':', '%', '$']));
                proptest::prop_assert!(name != "." && name != ".." && !name.starts_with('-'));
                let again = AccountName::parse(name).unwrap();
                proptest::prop_assert_eq!(again.as_str(), name);
            }
        }
    }
}
