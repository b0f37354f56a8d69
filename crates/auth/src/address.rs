//! Mail addresses, in the one form in which they are compared.
//!
//! A local part is a dot-string (RFC 5321 §4.1.2) that may hold UTF-8 (RFC 6531 §3.3), in NFC and lower
//! case; a domain is in lower case and in A-labels (RFC 5890 §2.3.2.1), however it was written. A quoted
//! local part and an address literal are no addresses here: nobody has one.
//!
//! ```
//! use auth::AliasAddress;
//!
//! let alias = AliasAddress::parse("Büro@BÜCHER.example").unwrap();
//! assert_eq!(alias.as_str(), "büro@xn--bcher-kva.example");
//! assert!(AliasAddress::parse("@bücher.example").unwrap().is_catch_all());
//! ```

use std::borrow::Cow;
use std::fmt;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization as _;

use crate::name::{NAME_OCTETS_MAX, is_label};

/// Why a text is not an address that somebody here can have.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("an address must not be empty")]
    Empty,
    /// More than [`NAME_OCTETS_MAX`] octets, as written or in the form that is compared.
    #[error("an address has at most {NAME_OCTETS_MAX} octets")]
    TooLong,
    /// A character that none may have: a space, a quotation mark, something that nobody sees.
    #[error("an address must not contain {0:?} before the @")]
    Character(char),
    /// A dot at the start or the end of the local part, or two in a row.
    #[error("the part before @ must not begin or end with '.', or contain '..'")]
    Shape,
    /// A star, which other programs take for everybody.
    #[error("everybody of a domain is written @domain, without a star")]
    Star,
    /// The part after the `@` is not a domain.
    #[error("the part after @ must be a domain such as mail.example.org")]
    Domain,
}

/// An address whose mail somebody may get, in the form in which addresses are compared.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    /// What stands before the `@`.
    pub(crate) local: String,
    /// What stands after it, if it is there.
    pub(crate) domain: Option<String>,
}

impl Address {
    /// Reads `local` or `local@domain`, without angle brackets.
    ///
    /// # Errors
    ///
    /// See [`AddressError`].
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = split(text)?;
        Ok(Self {
            local: folded_local(local)?,
            domain: domain.map(domain_folded).transpose()?,
        })
    }
}

/// What an alias is called: `local`, `local@domain`, or `@domain` for everybody of a domain who is not
/// there otherwise.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AliasAddress(Box<str>);

impl AliasAddress {
    /// Reads an address and brings it into the form in which addresses are compared.
    ///
    /// # Errors
    ///
    /// See [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let folded = match split(text)? {
            ("*", _) => return Err(AddressError::Star),
            ("", Some(domain)) => format!("@{}", domain_folded(domain)?),
            (local, Some(domain)) => format!("{}@{}", folded_local(local)?, domain_folded(domain)?),
            (local, None) => folded_local(local)?,
        };
        match folded.len() {
            ..=NAME_OCTETS_MAX => Ok(Self(folded.into())),
            _ => Err(AddressError::TooLong),
        }
    }

    /// The address, in that form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for everybody of a domain who is not there otherwise.
    pub fn is_catch_all(&self) -> bool {
        self.0.starts_with('@')
    }
}

impl fmt::Display for AliasAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A domain in the form in which domains are compared: lower case, A-labels (RFC 5891 §5, by way of UTS
/// 46). One of more octets than an address may have is none.
///
/// # Errors
///
/// [`AddressError::Domain`].
pub fn domain_folded(domain: &str) -> Result<String, AddressError> {
    let ascii = match domain.is_ascii() {
        _ if domain.len() > NAME_OCTETS_MAX => return Err(AddressError::Domain),
        true => Cow::Borrowed(domain),
        false => idna::domain_to_ascii_strict(domain)
            .map_err(|_| AddressError::Domain)?
            .into(),
    };
    let is_ours = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    match ascii.chars().all(is_ours) && ascii.split('.').all(is_label) {
        true => Ok(ascii.to_ascii_lowercase()),
        false => Err(AddressError::Domain),
    }
}

fn split(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if text.len() > NAME_OCTETS_MAX {
        return Err(AddressError::TooLong);
    }
    match text.rsplit_once('@') {
        Some((local, domain)) => Ok((local, Some(domain))),
        None if text.is_empty() => Err(AddressError::Empty),
        None => Ok((text, None)),
    }
}

fn folded_local(local: &str) -> Result<String, AddressError> {
    let folded = match local.is_ascii() {
        true => local.to_ascii_lowercase(),
        // Lower case can take a text out of NFC, and needs it to see each letter as one.
        false => {
            let lower = local.nfc().collect::<String>().to_lowercase();
            lower.nfc().collect()
        }
    };
    if folded.is_empty() {
        return Err(AddressError::Empty);
    }
    // KELVIN SIGN becomes k: nobody shall have an account's address under a name that is not its own.
    if folded.is_ascii() != local.is_ascii() {
        let not_ascii = local.chars().find(|c| !c.is_ascii());
        return Err(AddressError::Character(not_ascii.unwrap_or_default()));
    }
    match folded.chars().find(|&c| !is_local(c)) {
        Some(bad) => Err(AddressError::Character(bad)),
        None if folded.starts_with('.') || folded.ends_with('.') || folded.contains("..") => {
            Err(AddressError::Shape)
        }
        None => Ok(folded),
    }
}

/// `atext` of RFC 5322 §3.2.3 and the dot, and of UTF-8 (RFC 6532 §3.2) what can be seen, and seen as
/// what it is: no space, no control, nothing that turns the line around or leaves no trace.
fn is_local(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c),
        false => {
            !(tables::non_ascii_space_character(c)
                || tables::non_ascii_control_character(c)
                || tables::private_use(c)
                || tables::non_character_code_point(c)
                || tables::inappropriate_for_plain_text(c)
                || tables::change_display_properties_or_deprecated(c)
                || tables::tagging_character(c)
                || tables::commonly_mapped_to_nothing(c)
                || ('\u{2066}'..='\u{2069}').contains(&c))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_folded() {
        let long = format!("{}@dobbs.org", "a".repeat(245));
        for (text, folded) in [
            ("Postmaster", "postmaster"),
            ("Sales@Dobbs.ORG", "sales@dobbs.org"),
            ("@Dobbs.ORG", "@dobbs.org"),
            ("a!#$%&'*/=?^_`{|}~-+b@x", "a!#$%&'*/=?^_`{|}~-+b@x"),
            // U-label, A-label, decomposed, wide dots: one domain.
            ("büro@bücher.example", "büro@xn--bcher-kva.example"),
            ("BÜRO@XN--BCHER-KVA.example", "büro@xn--bcher-kva.example"),
            (
                "Bu\u{308}ro@bu\u{308}cher\u{3002}example",
                "büro@xn--bcher-kva.example",
            ),
            ("ΣΑΣ@x", "σας@x"),
            ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
            (&long, &long),
        ] {
            assert_eq!(AliasAddress::parse(text).unwrap().as_str(), folded);
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, why) in [
            ("", AddressError::Empty),
            (&"x".repeat(256), AddressError::TooLong),
            // Short as it is written, but not as it is compared.
            (&format!("{}@ü.org", "x".repeat(247)), AddressError::TooLong),
            ("a b", AddressError::Character(' ')),
            ("\"a\"@dobbs.org", AddressError::Character('"')),
            ("a\"b", AddressError::Character('"')),
            ("a@b@dobbs.org", AddressError::Character('@')),
            ("<a@dobbs.org>", AddressError::Character('<')),
            ("a:b", AddressError::Character(':')),
            ("a\n", AddressError::Character('\n')),
            ("a\u{a0}b", AddressError::Character('\u{a0}')),
            ("a\u{202e}b", AddressError::Character('\u{202e}')),
            ("a\u{2067}b", AddressError::Character('\u{2067}')),
            ("a\u{200b}b", AddressError::Character('\u{200b}')),
            ("bo\u{212a}", AddressError::Character('\u{212a}')),
            (".a", AddressError::Shape),
            ("a.", AddressError::Shape),
            ("a..b", AddressError::Shape),
            ("a@", AddressError::Domain),
            ("@", AddressError::Domain),
            ("a@[192.0.2.1]", AddressError::Domain),
            ("a@x_y", AddressError::Domain),
            ("a@-x", AddressError::Domain),
            ("a@x.", AddressError::Domain),
            ("a@b\u{a0}c", AddressError::Domain),
        ] {
            assert_eq!(AliasAddress::parse(text), Err(why), "{text:?}");
        }
    }

    proptest! {
        /// What is accepted is folded once and for all, and is the same however it is cased.
        #[test]
        fn folding_is_done_once(text in "(\\PC|[a-zA-Z0-9.@+_ÜüΣσςİıßſK\u{308}\u{212a}-]){0,30}") {
            if let Ok(address) = AliasAddress::parse(&text) {
                let again = AliasAddress::parse(address.as_str()).unwrap();
                prop_assert_eq!(&again, &address);
                let decomposed: String = text.nfd().collect();
                if let Ok(decomposed) = AliasAddress::parse(&decomposed) {
                    prop_assert_eq!(&decomposed, &address);
                }
                let (local, domain) = match address.as_str().split_once('@') {
                    Some((local, domain)) => (local, domain),
                    None => (address.as_str(), ""),
                };
                prop_assert!(domain.is_ascii());
                prop_assert!(!local.contains([' ', '"', '\\', '<', '>', ',', ':', '\n', '\0']));
            }
        }
    }
}
