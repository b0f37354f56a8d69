//! Accounts from another server: the lines of Dovecot's passwd-file, of a shadow file, or just
//! `name:{SCHEME}secret`.
//!
//! The whole text is checked before anything is written. Blank lines and lines that begin with `#`
//! are skipped. Nobody who could not log in there can log in here: who is locked and has a hash
//! comes disabled, who has none is left out, and what says from where or until when somebody may log
//! in is taken or refused, never dropped.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use super::passwd_fields::{FieldProblem, Fields};
use super::passwd_line::{self, Line};
use super::{AccountsError, Change, Password};
use crate::hash::{HashError, Scheme};
use crate::name::{AccountName, NameError};

/// The accounts of a file every line of which is right.
#[derive(Clone, Debug, Default)]
pub struct ImportFile {
    /// The accounts to be added.
    pub lines: Vec<ImportLine>,
    /// Who is locked and has no password, with the line: nobody could ever log in.
    pub locked: Vec<(usize, AccountName)>,
    /// Fields that say what an account here cannot have, and on how many lines.
    pub left_out: BTreeMap<String, usize>,
}

/// An account to be added.
#[derive(Clone, Debug)]
pub struct ImportLine {
    /// Counted from 1.
    pub line: usize,
    /// The account's name.
    pub name: AccountName,
    /// Its password.
    pub password: Password,
    /// What else the line says of it.
    pub change: Change,
    /// From when on the old system asks for a new password, without refusing the old one at any time.
    /// POP3 has no way to change it, so here it goes on to be right.
    pub change_due: Option<SystemTime>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}{}: {problem}", in_brackets(.account.as_ref()))]
pub struct ImportError {
    /// Counted from 1.
    pub line: usize,
    /// Whose it is, if that can be told.
    pub account: Option<AccountName>,
    /// What is wrong.
    pub problem: ImportProblem,
}

/// Why a line cannot be imported. Holds nothing of the secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ImportProblem {
    /// Octets that are not UTF-8.
    #[error("the line is not UTF-8")]
    Encoding,
    /// No colon, or neither a scheme between braces nor a hash that names its own.
    #[error("a line looks like name:{{SCHEME}}secret or, with a hash of crypt(3), name:$6$…")]
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
        "the scheme {0} is not supported; supported are PLAIN, CRYPT, {schemes}",
        schemes = Scheme::ALL.map(Scheme::name).join(", ")
    )]
    Scheme(String),
    /// Not a hash that we can use.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// An empty or too long password, or one with a character that cannot be sent.
    #[error("{}", AccountsError::Password)]
    Password,
    /// Anybody can log in there.
    #[error("there is no password, so that anybody could log in")]
    NoPassword,
    /// A file of `/etc/passwd`, whose passwords are not in it.
    #[error("x stands for a password in the shadow file; import that one")]
    Elsewhere,
    /// `{PLAIN}` with more fields, or with a colon in the password.
    #[error(
        "a {{PLAIN}} secret ends at the next ':', so it cannot contain one; add this account with `user add`, \
         or leave the further fields empty, or write all of a passwd-file"
    )]
    Colon,
    /// A field that restricts the account cannot be taken.
    #[error(transparent)]
    Field(#[from] FieldProblem),
}

/// Checks the lines of a file.
///
/// # Errors
///
/// All lines that cannot be imported, in their order.
pub fn parse_import(text: &[u8]) -> Result<ImportFile, Vec<ImportError>> {
    let mut file = ImportFile::default();
    let mut errors = Vec::new();
    let mut seen = HashMap::new();
    for (n, octets) in text.split(|&octet| octet == b'\n').enumerate() {
        let octets = octets.strip_suffix(b"\r").unwrap_or(octets);
        if octets.trim_ascii().is_empty() || octets.starts_with(b"#") {
            continue;
        }
        let line = n + 1;
        let mut wrong = |account, problem| {
            errors.push(ImportError {
                line,
                account,
                problem,
            });
        };
        let (name, rest) = match named(octets) {
            Ok(named) => named,
            Err(problem) => {
                wrong(None, problem);
                continue;
            }
        };
        match passwd_line::parse(rest) {
            Err(problem) => wrong(Some(name), problem),
            Ok(parsed) => match seen.insert(name.clone(), line) {
                Some(first) => wrong(None, ImportProblem::Twice { name, first }),
                None => file.add(line, name, parsed),
            },
        }
    }
    match errors.is_empty() {
        true => Ok(file),
        false => Err(errors),
    }
}

/// The name, and what stands behind it.
fn named(octets: &[u8]) -> Result<(AccountName, &str), ImportProblem> {
    let line = std::str::from_utf8(octets).map_err(|_| ImportProblem::Encoding)?;
    let (name, rest) = line.split_once(':').ok_or(ImportProblem::Shape)?;
    Ok((AccountName::parse(name)?, rest))
}

fn in_brackets(account: Option<&AccountName>) -> String {
    account.map_or_else(String::new, |account| format!(" ({account})"))
}

impl ImportFile {
    fn add(&mut self, line: usize, name: AccountName, parsed: Line) {
        match parsed {
            Line::Locked => self.locked.push((line, name)),
            Line::Account { password, fields } => {
                let Fields {
                    change,
                    change_due,
                    left_out,
                } = fields;
                for field in left_out {
                    *self.left_out.entry(field).or_default() += 1;
                }
                self.lines.push(ImportLine {
                    line,
                    name,
                    password,
                    change,
                    change_due,
                });
            }
        }
    }
}
