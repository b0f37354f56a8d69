//! SASLprep (RFC 4013): one form for the many ways to write a name or a password.
//!
//! A *stored* string holds only characters that Unicode 3.2 knows; a *query* may hold others, since
//! it can then match nothing that is stored (RFC 3454 §7).
//!
//! ```
//! use sasl::prepare::{query, stored};
//!
//! assert_eq!(stored("I\u{ad}X").as_deref(), Some("IX"));
//! assert_eq!(query("\u{2168}").as_deref(), Some("IX"));
//! // A character of Unicode 6: a query, but nothing to be stored.
//! assert_eq!(query("\u{1f600}").as_deref(), Some("\u{1f600}"));
//! assert_eq!(stored("\u{1f600}"), None);
//! assert_eq!(query("\u{7}"), None);
//! ```

use std::borrow::Cow;

use stringprep::{saslprep, tables::unassigned_code_point};

/// The form in which a string is kept. None if it is empty then or holds what it must not.
pub fn stored(text: &str) -> Option<Cow<'_, str>> {
    saslprep(text).ok().filter(|prepared| !prepared.is_empty())
}

/// The form in which a string is compared with a stored one; none likewise.
pub fn query(text: &str) -> Option<Cow<'_, str>> {
    if let Some(prepared) = stored(text) {
        return Some(prepared);
    }
    // Unassigned characters are allowed; what else there is must be. The text stays as it is: no
    // stored string holds such a character, so it matches none in any form.
    let (unassigned, rest): (String, String) =
        text.chars().partition(|c| unassigned_code_point(*c));
    let rest_allowed = rest.is_empty() || saslprep(&rest).is_ok();
    (!unassigned.is_empty() && rest_allowed).then_some(Cow::Borrowed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4013 §3.
    #[test]
    fn the_examples_of_rfc_4013() {
        for (text, expected) in [
            ("I\u{ad}X", Some("IX")),
            ("user", Some("user")),
            ("USER", Some("USER")),
            ("\u{aa}", Some("a")),
            ("\u{2168}", Some("IX")),
            ("\u{7}", None),
            ("\u{627}\u{31}", None),
        ] {
            assert_eq!(stored(text).as_deref(), expected);
            assert_eq!(query(text).as_deref(), expected);
        }
    }

    #[test]
    fn nothing_is_no_name() {
        for text in ["", "\u{ad}"] {
            assert_eq!((stored(text), query(text)), (None, None));
        }
    }

    #[test]
    fn a_query_may_hold_what_is_not_assigned_but_nothing_prohibited() {
        assert_eq!(query("bob\u{221}").as_deref(), Some("bob\u{221}"));
        assert_eq!(stored("bob\u{221}"), None);
        assert_eq!(query("bob\u{221}\u{7}"), None);
    }
}
