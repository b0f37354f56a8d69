//! How a site wants its unique-ids to look.
//!
//! A template is applied once, when a message is delivered, and its result is stored with the
//! message: changing the template later changes no unique-id that anybody has seen.
//!
//! ```
//! use maildrop::Template;
//!
//! let template: Template = "{uid:08x}-{generation:x}".parse()?;
//! assert_eq!(template.unique_id(1, 255).to_string(), "000000ff-0000000000000001");
//! # Ok::<(), String>(())
//! ```

use std::str::FromStr;

use pop3::UniqueId;

use crate::unique_id::{DIGITS, push_digits, push_generation};

/// The form of new unique-ids.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    /// None: our own form, which costs no octet in the file.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Generation(Base),
    /// With at least so many digits.
    Uid(Base, usize),
}

/// How a number is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Base {
    /// RFC 4648 alphabet in lower case.
    ThirtyTwo,
    Decimal,
    Hexadecimal,
}

impl Base {
    /// Digits of the largest number of 64 bits.
    fn digits_max(self) -> usize {
        match self {
            Self::ThirtyTwo => DIGITS,
            Self::Decimal => 20,
            Self::Hexadecimal => 16,
        }
    }

    fn push(self, number: u64, digits: usize, out: &mut Vec<u8>) {
        match self {
            Self::ThirtyTwo => push_digits(number, digits, out),
            Self::Decimal => out.extend_from_slice(format!("{number:0digits$}").as_bytes()),
            Self::Hexadecimal => out.extend_from_slice(format!("{number:0digits$x}").as_bytes()),
        }
    }
}

/// Our own form.
const OWN: &str = "{generation}.{uid}";

impl Template {
    /// Whether new messages get our own form.
    pub(crate) fn is_own(&self) -> bool {
        self.parts.is_empty()
    }

    /// The unique-id of a message.
    pub fn unique_id(&self, generation: u64, uid: u64) -> UniqueId {
        let mut out = Vec::with_capacity(UniqueId::OCTETS_MAX);
        if self.is_own() {
            push_generation(generation, &mut out);
            out.push(b'.');
            push_digits(uid, 1, &mut out);
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                // Always all digits: otherwise two pairs of numbers could give one text.
                Part::Generation(base) => base.push(generation, base.digits_max(), &mut out),
                Part::Uid(base, digits) => base.push(uid, *digits, &mut out),
            }
        }
        UniqueId::new(out).expect("length and octets were checked when the template was read")
    }
}

impl FromStr for Template {
    type Err = String;

    /// Reads `{generation}`, `{uid}` (base 32), both also as `:d` (decimal) and `:x`
    /// (hexadecimal), the uid with a least number of digits (`{uid:08x}`), and text between.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == OWN {
            return Ok(Self::default());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            match rest.find('{') {
                Some(0) => {
                    let end = rest.find('}').ok_or("a `{` has no `}`")?;
                    parts.push(field(&rest[1..end])?);
                    rest = &rest[end + 1..];
                }
                next => {
                    let (text, after) = rest.split_at(next.unwrap_or(rest.len()));
                    if !text.bytes().all(|octet| (0x21..=0x7e).contains(&octet)) {
                        return Err("a unique-id is printable ASCII without spaces".into());
                    }
                    parts.push(Part::Text(text.to_owned()));
                    rest = after;
                }
            }
        }
        check(&parts)?;
        Ok(Self { parts })
    }
}

fn field(text: &str) -> Result<Part, String> {
    let (name, form) = text.split_once(':').unwrap_or((text, ""));
    let (digits, base) = match form.strip_suffix('x').or_else(|| form.strip_suffix('d')) {
        Some(digits) if form.ends_with('x') => (digits, Base::Hexadecimal),
        Some(digits) => (digits, Base::Decimal),
        None => (form, Base::ThirtyTwo),
    };
    let wrong = || {
        format!(
            "`{{{text}}}` is unknown; there are {{generation}}, {{uid}}, {{uid:d}}, {{uid:08x}}"
        )
    };
    let digits: usize = match digits {
        "" => 1,
        digits if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            digits.parse::<usize>().map_err(|_| wrong())?.max(1)
        }
        _ => return Err(wrong()),
    };
    match name {
        "generation" => Ok(Part::Generation(base)),
        "uid" if digits <= base.digits_max() => Ok(Part::Uid(base, digits)),
        _ => Err(wrong()),
    }
}

/// What keeps unique-ids unique, and within the 70 octets of RFC 1939 §7.
fn check(parts: &[Part]) -> Result<(), String> {
    let generations = parts
        .iter()
        .filter(|part| matches!(part, Part::Generation(_)));
    let uids = parts.iter().filter(|part| matches!(part, Part::Uid(..)));
    if generations.count() != 1 || uids.count() != 1 {
        return Err("name {generation} and {uid} once each: only both are unique for ever".into());
    }
    let longest: usize = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.len(),
            Part::Generation(base) | Part::Uid(base, _) => base.digits_max(),
        })
        .sum();
    if longest > UniqueId::OCTETS_MAX {
        return Err(format!(
            "it may grow to {longest} octets, and RFC 1939 allows 70"
        ));
    }
    if let [Part::Generation(Base::ThirtyTwo), Part::Text(text), ..] = parts
        && text.starts_with('.')
    {
        return Err(format!(
            "what begins with {{generation}}. could be taken for the default form; write \"{OWN}\" or another sign"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unique_id::own;
    use proptest::prelude::*;

    #[test]
    fn forms() {
        for (text, id) in [
            (OWN, "aaaaaaaaaaaab.h"),
            ("{generation}{uid}", "aaaaaaaaaaaabh"),
            ("{uid:08x}{generation:x}", "000000070000000000000001"),
            ("x{uid:d}.{generation:d}", "x7.00000000000000000001"),
            ("{uid:4}/{generation}", "aaah/aaaaaaaaaaaab"),
        ] {
            let template: Template = text.parse().unwrap();
            assert_eq!(template.unique_id(1, 7).to_string(), id, "{text}");
        }
    }

    #[test]
    fn refused_with_what_to_write() {
        for (text, why) in [
            ("", "once each"),
            ("{uid}", "once each"),
            ("{generation}.{uid}{uid}", "once each"),
            ("{uid}{generation", "no `}`"),
            ("{uid} {generation}", "without spaces"),
            ("{uid}é{generation}", "without spaces"),
            ("{account}{uid}{generation}", "is unknown"),
            ("{uid:99x}{generation}", "is unknown"),
            ("{uid:-1x}{generation}", "is unknown"),
            ("{generation}.{uid:d}", "default form"),
            (&format!("{}{{uid}}{{generation}}", "x".repeat(45)), "70"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn two_messages_never_look_alike(a: (u64, u64), b: (u64, u64)) {
            for text in [OWN, "{uid:d}{generation:d}", "{generation:x}{uid}", "-{uid:08x}v{generation}"] {
                let template: Template = text.parse().unwrap();
                let (one, two) = (template.unique_id(a.0, a.1), template.unique_id(b.0, b.1));
                prop_assert_eq!(one == two, a == b);
                prop_assert!(text == OWN || one != own(b.0, b.1));
            }
            prop_assert_eq!(Template::default().unique_id(a.0, a.1), own(a.0, a.1));
        }
    }
}
