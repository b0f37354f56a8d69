//! One line of a ledger, without its checksum.

use std::fmt;

use super::entry::{Content, Entry, Fate, Print};
use super::key::Key;

/// What a line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Record {
    /// The first line: whose ledger it is.
    Ledger(String),
    /// So many sessions came to their end before this was written anew.
    Sessions(u64),
    /// Something may be delivered from now on.
    Begin(i64),
    /// All is in order.
    End(i64),
    /// A message is handed over to a destination.
    Try(String, Key),
    /// A destination has it, others perhaps not.
    Part(String, Key),
    /// What has become of it.
    Entry(Key, Entry),
    /// The server does not list it any more.
    Absent(i64, Key),
    /// It lists it again.
    Back(Key),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ledger(account) => write!(f, "ledger 1 {account}"),
            Self::Sessions(number) => write!(f, "sessions {number}"),
            Self::Begin(at) => write!(f, "begin {at}"),
            Self::End(at) => write!(f, "end {at}"),
            Self::Try(destination, key) => write!(f, "try {destination} {key}"),
            Self::Part(destination, key) => write!(f, "part {destination} {key}"),
            Self::Absent(at, key) => write!(f, "absent {at} {key}"),
            Self::Back(key) => write!(f, "back {key}"),
            Self::Entry(key, entry) => {
                write!(f, "{} {} ", entry.fate.name(), entry.at)?;
                optional(f, entry.octets)?;
                optional(f, entry.content)?;
                optional(f, entry.print)?;
                write!(f, "{key}")
            }
        }
    }
}

fn optional(f: &mut fmt::Formatter<'_>, value: Option<impl fmt::Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, "{value} "),
        None => f.write_str("- "),
    }
}

impl Record {
    /// What a line says; none if it says nothing that is known.
    pub(super) fn parse(body: &str) -> Option<Self> {
        let (word, rest) = body.split_once(' ')?;
        let last = || match rest.contains(' ') {
            true => None,
            false => Some(rest),
        };
        let two = || {
            let (first, second) = rest.split_once(' ')?;
            (!second.contains(' ')).then_some((first, second))
        };
        Some(match word {
            "ledger" => Self::Ledger(rest.strip_prefix("1 ")?.to_owned()),
            "sessions" => Self::Sessions(last()?.parse().ok()?),
            "begin" => Self::Begin(last()?.parse().ok()?),
            "end" => Self::End(last()?.parse().ok()?),
            "try" => Self::Try(two()?.0.to_owned(), two()?.1.parse().ok()?),
            "part" => Self::Part(two()?.0.to_owned(), two()?.1.parse().ok()?),
            "absent" => Self::Absent(two()?.0.parse().ok()?, two()?.1.parse().ok()?),
            "back" => Self::Back(last()?.parse().ok()?),
            word => {
                let fate = Fate::ALL.into_iter().find(|fate| fate.name() == word)?;
                let mut words = rest.split(' ');
                let mut entry = Entry::new(fate, words.next()?.parse().ok()?);
                entry.octets = known(words.next()?, |text| text.parse().ok())?;
                entry.content = known(words.next()?, |text| digits(text).map(Content))?;
                entry.print = known(words.next()?, |text| digits(text).map(Print))?;
                let key = words.next()?.parse().ok()?;
                match words.next() {
                    None => Self::Entry(key, entry),
                    Some(_) => return None,
                }
            }
        })
    }
}

/// None within if it is `-`, none at all if it cannot be read.
fn known<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        "-" => Some(None),
        text => parse(text).map(Some),
    }
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (octet, pair) in octets.iter_mut().zip(text.as_bytes().chunks(2)) {
        *octet = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(octets)
}
