//! A password as the lines of other servers have it: with its scheme between braces, or as a hash
//! that names its own, and perhaps locked.
//!
//! Tools lock an account by `!` or `*` before or in place of the hash, so that no password is right
//! (shadow(5)). Who unlocks it takes that away, so the hash is worth keeping.

use sasl::Secret;

use super::passwd_fields::Fields;
use super::passwd_file::ImportProblem;
use super::{Password, State, usable};
use crate::hash::{PasswordHash, Scheme};

/// What Dovecot calls a password in clear.
const PLAIN: [&str; 3] = ["PLAIN", "CLEARTEXT", "CLEAR"];

/// What is in a line behind the name.
pub(super) enum Line {
    /// An account.
    Account { password: Password, fields: Fields },
    /// Locked, and nothing that could be unlocked.
    Locked,
}

pub(super) fn parse(rest: &str) -> Result<Line, ImportProblem> {
    let (scheme, rest) = match rest.strip_prefix('{') {
        Some(rest) => {
            let (scheme, rest) = rest.split_once('}').ok_or(ImportProblem::Shape)?;
            (Some(scheme), rest)
        }
        None => (None, rest),
    };
    let (secret, behind) = rest.split_once(':').unwrap_or((rest, ""));
    let is_plain = |scheme: &str| PLAIN.iter().any(|name| name.eq_ignore_ascii_case(scheme));
    if scheme.is_some_and(is_plain) {
        return plain(secret, behind);
    }
    let hash = secret.trim_start_matches('!');
    if hash.starts_with('*') || hash.is_empty() && hash != secret {
        return Ok(Line::Locked);
    }
    let password = Password::Hash(PasswordHash::parse(scheme_of(scheme, hash)?, hash)?);
    let mut fields = Fields::parse(behind)?;
    if hash != secret {
        fields.change.state = Some(State::Disabled);
    }
    Ok(Line::Account { password, fields })
}

fn plain(secret: &str, behind: &str) -> Result<Line, ImportProblem> {
    // Somebody's password with a colon in it, written by hand, would be cut there.
    let fields = match behind.bytes().all(|octet| octet == b':') {
        true => Fields::default(),
        false if Fields::are_whole(behind) => Fields::parse(behind)?,
        false => return Err(ImportProblem::Colon),
    };
    let secret = Secret::new(secret);
    usable(&secret).map_err(|_| ImportProblem::Password)?;
    Ok(Line::Account {
        password: Password::Clear(secret),
        fields,
    })
}

/// The scheme of a hash, by what stands between braces if that says it, otherwise by its beginning.
fn scheme_of(braces: Option<&str>, hash: &str) -> Result<Scheme, ImportProblem> {
    let unknown = |braces: &str| ImportProblem::Scheme(format!("{{{}}}", shown(braces)));
    match braces {
        None => match hash {
            "" => Err(ImportProblem::NoPassword),
            "x" => Err(ImportProblem::Elsewhere),
            _ => Scheme::of(hash).ok_or_else(|| foreign(hash)),
        },
        // Dovecot leaves it to crypt(3), which knows DES by there being no `$`.
        Some(braces) if braces.eq_ignore_ascii_case("CRYPT") => match hash.starts_with('$') {
            true => Scheme::of(hash).ok_or_else(|| foreign(hash)),
            false => Err(unknown("DES-CRYPT")),
        },
        // In Dovecot the name of MD5-crypt, and of a bare MD5 too.
        Some(braces) if braces.eq_ignore_ascii_case("MD5") && hash.starts_with("$1$") => {
            Ok(Scheme::Md5Crypt)
        }
        Some(braces) => Scheme::named(braces).ok_or_else(|| unknown(braces)),
    }
}

/// Of a hash whose beginning is none that we know. It may be a password in clear, too, so only what
/// looks like the short name of a scheme is told.
fn foreign(hash: &str) -> ImportProblem {
    match hash.split('$').collect::<Vec<_>>()[..] {
        ["", id, _, _, ..] if id.len() <= 16 => ImportProblem::Scheme(format!("${}$", shown(id))),
        _ => ImportProblem::Shape,
    }
}

/// A name as it may be printed: a line with its braces misplaced may hold anything.
pub(super) fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match name.len() <= 32 && name.chars().all(plain) {
        true => name.to_string(),
        false => "…".to_string(),
    }
}
