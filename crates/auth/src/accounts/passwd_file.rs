//! Accounts from another server: lines `name:{SCHEME}secret`, as in Dovecot's passwd-file.
//!
//! The whole text is checked before anything is written. Blank lines and lines that begin with `#`
//! are skipped. Further fields of a passwd-file line, after another `:`, are skipped for hashes; for
//! `{PLAIN}` they must be empty, since a password with a `:` in it would be cut there.

use sasl::Secret;

use super::{AccountsError, Password, usable};
use crate::hash::{HashError, PasswordHash, Scheme};
use crate::name::{AccountName, NameError};

/// An account to be added.
#[derive(Clone, Debug)]
pub struct ImportLine {
    /// Counted from 1.
    pub line: usize,
    /// The account's name.
    pub name: AccountName,
    /// Its password.
    pub password: Password,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ImportError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: ImportProblem,
}

/// Why a line cannot be imported. Holds nothing of the secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ImportProblem {
    /// Octets that are not UTF-8.
    #[error("the line is not UTF-8")]
    Encoding,
    /// No colon, or no scheme between braces.
    #[error("a line looks like name:{{SCHEME}}secret")]
    Shape,
    /// Not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The name was there before.
    #[error("{name} is on line {first} already")]
    Twice {
        /// The name.
        name: AccountName,
        /// Where it was first.
        first: usize,
    },
    /// A scheme that we do not know.
    #[error(
        "the scheme {{{0}}} is not supported; supported are PLAIN, ARGON2ID, SHA512-CRYPT and BLF-CRYPT"
    )]
    Scheme(String),
    /// Not a hash that we can use.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// An empty or too long password, or one with a character that cannot be sent.
    #[error("{}", AccountsError::Password)]
    Password,
    /// `{PLAIN}` with more fields, or with a colon in the password.
    #[error(
        "a {{PLAIN}} secret ends at the next ':', so it cannot contain one; add this account with `user add`, \
         or leave the further fields empty"
    )]
    Colon,
}

/// Checks the lines of a passwd-file.
///
/// # Errors
///
/// All lines that cannot be imported, in their order.
pub fn parse_import(text: &[u8]) -> Result<Vec<ImportLine>, Vec<ImportError>> {
    let mut lines: Vec<ImportLine> = Vec::new();
    let mut errors = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for (n, octets) in text.split(|&octet| octet == b'\n').enumerate() {
        let line = n + 1;
        let octets = octets.strip_suffix(b"\r").unwrap_or(octets);
        if octets.trim_ascii().is_empty() || octets.starts_with(b"#") {
            continue;
        }
        let parsed =
            parse_line(octets).and_then(|(name, password)| match seen.insert(name.clone(), line) {
                Some(first) => Err(ImportProblem::Twice { name, first }),
                None => Ok((name, password)),
            });
        match parsed {
            Ok((name, password)) => lines.push(ImportLine {
                line,
                name,
                password,
            }),
            Err(problem) => errors.push(ImportError { line, problem }),
        }
    }
    match errors.is_empty() {
        true => Ok(lines),
        false => Err(errors),
    }
}

fn parse_line(octets: &[u8]) -> Result<(AccountName, Password), ImportProblem> {
    let line = std::str::from_utf8(octets).map_err(|_| ImportProblem::Encoding)?;
    let (name, rest) = line.split_once(':').ok_or(ImportProblem::Shape)?;
    let name = AccountName::parse(name)?;
    let (scheme, rest) = rest
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .ok_or(ImportProblem::Shape)?;
    let (secret, fields) = rest.split_once(':').unwrap_or((rest, ""));
    let hash = |scheme| PasswordHash::parse(scheme, secret).map(Password::Hash);
    let password = match scheme.to_ascii_uppercase().as_str() {
        "PLAIN" if fields.chars().any(|c| c != ':') => return Err(ImportProblem::Colon),
        "PLAIN" => {
            let secret = Secret::new(secret);
            usable(&secret).map_err(|_| ImportProblem::Password)?;
            Password::Clear(secret)
        }
        "ARGON2ID" => hash(Scheme::Argon2id)?,
        "SHA512-CRYPT" => hash(Scheme::Sha512Crypt)?,
        "BLF-CRYPT" => hash(Scheme::BlfCrypt)?,
        _ => return Err(ImportProblem::Scheme(shown(scheme))),
    };
    Ok((name, password))
}

/// A scheme as it may be printed: a line with its braces misplaced may hold anything.
fn shown(scheme: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match scheme.len() <= 32 && scheme.chars().all(plain) {
        true => scheme.to_string(),
        false => "…".to_string(),
    }
}
