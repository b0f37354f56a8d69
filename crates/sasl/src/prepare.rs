//! SASLprep (RFC 4013): one form for names and passwords that look alike, whatever keyboard or
//! program they come from.
//!
//! What is kept is a stored string and may hold only characters that Unicode 3.2 knows; what a
//! client shows is a query, and may hold later ones (RFC 3454 §7). Printable ASCII is left as it is.
//!
//! ```
//! use sasl::prepare::{self, Prohibited};
//!
//! assert_eq!(prepare::query("I\u{ad}X").unwrap().as_str(), "IX");
//! assert_eq!(prepare::query("\u{2168}").unwrap().as_str(), "IX");
//! assert_eq!(prepare::query("\u{7}"), Err(Prohibited));
//! ```

use std::fmt;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use crate::Secret;
use crate::server::Refused;

/// The string is empty, or holds something that SASLprep does not allow (RFC 4013 §2.3 to §2.5), or
/// is no UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prohibited;

impl fmt::Display for Prohibited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("empty, not UTF-8, or with a character that SASLprep does not allow")
    }
}

impl std::error::Error for Prohibited {}

/// What a client has sent.
///
/// # Errors
///
/// [`Prohibited`].
pub fn query(text: &str) -> Result<Zeroizing<String>, Prohibited> {
    prepared(text)
}

/// Longest name in a client's message, in octets. A line of SASL holds 48 KiB, which SASLprep makes eleven
/// times as long, and a stranger must have us neither do that nor keep it. RFC 4616 §2 has 255 octets taken;
/// four times as many are 255 characters of any script.
pub(crate) const NAME_OCTETS_MAX: usize = 1024;

/// A name in a client's message, its own or that for which it acts (RFC 4616 §2, RFC 6856 §2.2). A message
/// has one of an octet at least; one that is no UTF-8 or cannot be prepared is nobody's.
pub(crate) fn name(octets: &[u8]) -> Result<String, Refused> {
    if !(1..=NAME_OCTETS_MAX).contains(&octets.len()) {
        return Err(Refused::Malformed);
    }
    let name = str::from_utf8(octets).map_err(|_| Refused::Name)?;
    match query(name) {
        Ok(name) => Ok(name.to_string()),
        Err(Prohibited) => Err(Refused::Name),
    }
}

/// For whom a client acts: nothing stands for itself. What becomes nothing by preparation is no name
/// (RFC 5034 §4).
pub(crate) fn authzid(octets: &[u8]) -> Result<Option<String>, Refused> {
    match octets {
        [] => Ok(None),
        _ => name(octets).map(Some),
    }
}

/// What is to be kept.
///
/// # Errors
///
/// [`Prohibited`]; so it is, too, with a character that Unicode 3.2 does not know.
pub fn stored(text: &str) -> Result<Zeroizing<String>, Prohibited> {
    let prepared = prepared(text)?;
    match prepared.contains(tables::unassigned_code_point) {
        true => Err(Prohibited),
        false => Ok(prepared),
    }
}

/// A password that a client has sent.
///
/// # Errors
///
/// [`Prohibited`].
pub fn query_secret(secret: &Secret) -> Result<Secret, Prohibited> {
    let text = str::from_utf8(secret.expose()).map_err(|_| Prohibited)?;
    query(text).map(|text| Secret::new(text.as_bytes()))
}

/// A password that is to be kept.
///
/// # Errors
///
/// [`Prohibited`].
pub fn stored_secret(secret: &Secret) -> Result<Secret, Prohibited> {
    let text = str::from_utf8(secret.expose()).map_err(|_| Prohibited)?;
    stored(text).map(|text| Secret::new(text.as_bytes()))
}

fn prepared(text: &str) -> Result<Zeroizing<String>, Prohibited> {
    // NFKC makes at most eleven octets of one, so the string never moves and leaves no copy.
    let mut prepared = Zeroizing::new(String::with_capacity(text.len().saturating_mul(11)));
    match text.bytes().all(|octet| (0x20..0x7f).contains(&octet)) {
        true => prepared.push_str(text),
        false => {
            let mapped = text
                .chars()
                .map(|c| match tables::non_ascii_space_character(c) {
                    true => ' ',
                    false => c,
                })
                .filter(|&c| !tables::commonly_mapped_to_nothing(c));
            prepared.extend(mapped.nfkc());
        }
    }
    match prepared.is_empty() || prepared.contains(is_prohibited) || !runs_one_way(&prepared) {
        true => Err(Prohibited),
        false => Ok(prepared),
    }
}

/// The tables of RFC 4013 §2.3.
fn is_prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::surrogate_code(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}

/// With a letter that runs from right to left there must be none that runs the other way, and the
/// first and the last must be such letters (RFC 3454 §6).
fn runs_one_way(text: &str) -> bool {
    if !text.contains(tables::bidi_r_or_al) {
        return true;
    }
    !text.contains(tables::bidi_l)
        && text.starts_with(tables::bidi_r_or_al)
        && text.ends_with(tables::bidi_r_or_al)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not assigned in Unicode 3.2.
    const LATER: &str = "\u{1f600}";

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
            for prepare in [query, stored] {
                let prepared = prepare(text).ok();
                assert_eq!(prepared.as_deref().map(String::as_str), expected);
            }
        }
    }

    #[test]
    fn a_space_is_a_space_and_nothing_is_no_string() {
        assert_eq!(query("a\u{a0}b\u{3000}c").unwrap().as_str(), "a b c");
        for text in ["", "\u{ad}", "\t", "a\r", "\u{7f}", "\u{202e}", "\u{e000}"] {
            assert_eq!(query(text), Err(Prohibited), "{text:?}");
        }
        assert_eq!(
            query_secret(&Secret::new(vec![0xff])).unwrap_err(),
            Prohibited
        );
    }

    #[test]
    fn a_name_has_a_limit_and_for_nobody_is_for_oneself() {
        let long = |letter: &str, octets: usize| letter.repeat(octets / letter.len());
        // What a server must take (RFC 4616 §2), and the same in letters of three octets.
        assert_eq!(name(long("b", 255).as_bytes()), Ok(long("b", 255)));
        let wide = long("\u{ff42}", 3 * 255);
        assert_eq!(name(wide.as_bytes()), Ok(long("b", 255)));
        assert_eq!(
            name(long("b", NAME_OCTETS_MAX).as_bytes()).map(|name| name.len()),
            Ok(NAME_OCTETS_MAX)
        );
        for text in [long("b", NAME_OCTETS_MAX + 1), long("\u{fdfa}", 48 << 10)] {
            assert_eq!(name(text.as_bytes()), Err(Refused::Malformed));
            assert_eq!(authzid(text.as_bytes()), Err(Refused::Malformed));
        }
        assert_eq!(authzid(b""), Ok(None));
        assert_eq!(authzid("\u{ad}".as_bytes()), Err(Refused::Name));
    }

    #[test]
    fn a_query_may_hold_what_came_later() {
        assert_eq!(query(LATER).unwrap().as_str(), LATER);
        assert_eq!(stored(LATER), Err(Prohibited));
    }

    proptest::proptest! {
        #[test]
        fn what_is_prepared_stays_so(text in "\\PC{0,12}|[ -~]{0,12}") {
            if let Ok(once) = query(&text) {
                let room = text.len() * 11;
                proptest::prop_assert!(once.len() <= room);
                let twice = query(&once);
                proptest::prop_assert_eq!(twice.as_ref(), Ok(&once));
            }
        }

        #[test]
        fn a_stored_string_is_what_stringprep_makes_of_it(text in "\\PC{0,12}|[ -~]{0,12}") {
            let theirs = stringprep::saslprep(&text).ok().filter(|it| !it.is_empty());
            let ours = stored(&text).ok();
            proptest::prop_assert_eq!(ours.as_deref().map(String::as_str), theirs.as_deref());
        }
    }
}
