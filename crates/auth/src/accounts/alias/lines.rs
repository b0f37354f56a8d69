//! The lines of a table of aliases: `/etc/aliases` (aliases(5)) and Postfix's virtual(5).
//!
//! `address: account, account` or `address account, account`. A line that begins with white space goes
//! on with the one before; blank lines and lines that begin with `#` are skipped.

use super::super::AccountsError;
use crate::address::{AddressError, AliasAddress};

/// An alias as a table has it.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    pub(super) address: AliasAddress,
    /// Whom it names, as it is written.
    pub(super) targets: Vec<String>,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct AliasLineError {
    /// Where it begins, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: AliasProblem,
}

/// Why a line cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum AliasProblem {
    /// Octets that are not UTF-8.
    #[error("the line is not UTF-8")]
    Encoding,
    /// Nobody is named, or it goes on with a line that is not there.
    #[error("a line looks like `address: account, account`")]
    Shape,
    /// Not an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address was there before.
    #[error("{address} is on line {first} already")]
    Twice {
        /// The address.
        address: AliasAddress,
        /// Where it was first.
        first: usize,
    },
    /// A program that would get the mail.
    #[error("mail cannot be given to a program (|); let your mail transfer agent do that")]
    Program,
    /// A file that would get the mail.
    #[error("mail cannot be put into a file (/); name an account")]
    File,
    /// A file with more addresses.
    #[error("other files are not read (:include:); name the accounts here")]
    Include,
    /// Somebody elsewhere.
    #[error(
        "{0} is not an account, and mail is never passed on; let your mail transfer agent do that"
    )]
    Remote(String),
    /// Whom it names are aliases that name each other, and nobody else.
    #[error("nobody is behind it: it goes round in a circle")]
    Circle,
    /// What is wrong with an account that it names, or with its own name beside the accounts.
    #[error(transparent)]
    Accounts(AccountsError),
}

/// Reads a table: the lines that are right, and what is wrong with the others.
pub(super) fn parse(text: &[u8]) -> (Vec<Line>, Vec<AliasLineError>) {
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    for (line, text) in logical(text) {
        match parsed(&text) {
            Ok((address, targets)) => lines.push(Line {
                line,
                address,
                targets,
            }),
            Err(problem) => errors.push(AliasLineError { line, problem }),
        }
    }
    (lines, errors)
}

/// Lines with those that go on with them, and where they begin.
fn logical(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut all: Vec<(usize, Vec<u8>)> = Vec::new();
    for (n, line) in text.split(|&octet| octet == b'\n').enumerate() {
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            continue;
        }
        match all.last_mut() {
            Some((_, before)) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                before.push(b' ');
                before.extend_from_slice(trimmed);
            }
            _ => all.push((n + 1, line.trim_ascii_end().to_vec())),
        }
    }
    all
}

fn parsed(line: &[u8]) -> Result<(AliasAddress, Vec<String>), AliasProblem> {
    let line = std::str::from_utf8(line).map_err(|_| AliasProblem::Encoding)?;
    let end = |c: char| c == ':' || c.is_ascii_whitespace();
    let (address, rest) = line.split_at(line.find(end).ok_or(AliasProblem::Shape)?);
    if address.is_empty() {
        return Err(AliasProblem::Shape);
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let address = AliasAddress::parse(address)?;
    let mut targets = Vec::new();
    for word in rest.split(|c: char| c == ',' || c.is_ascii_whitespace()) {
        let word = word.trim_matches('"');
        match word.as_bytes() {
            [] => {}
            [b'|', ..] => return Err(AliasProblem::Program),
            [b'/', ..] => return Err(AliasProblem::File),
            _ if word.starts_with(":include:") => return Err(AliasProblem::Include),
            // A name that is no alias again; here none is.
            [b'\\', ..] => targets.push(word[1..].to_owned()),
            _ => targets.push(word.to_owned()),
        }
    }
    match targets.is_empty() {
        true => Err(AliasProblem::Shape),
        false => Ok((address, targets)),
    }
}
