//! Multi-line replies, line by line, with a limit on each kind.

use super::capabilities::Capabilities;
use super::dialogue::Asked;
use super::error::Broken;
use super::event::Event;
use super::listing::{scan_line, unique_id_line};
use super::settings::Settings;
use super::status::printable;
use crate::{Keyword, MessageNumber, Octets};

/// A multi-line reply that has begun.
#[derive(Debug)]
pub(super) enum Collecting {
    /// With the octets so far.
    Capabilities(Capabilities, usize),
    /// With the octets so far.
    Mechanisms(Vec<String>, usize),
    /// With the number of lines so far.
    Sizes(u32),
    /// With the number of lines so far.
    UniqueIds(u32),
    /// RETR's or TOP's.
    Text(Keyword, MessageNumber),
}

impl Collecting {
    /// What comes after the status line of the reply to this.
    pub(super) fn begin(asked: Asked) -> Option<Self> {
        match (asked.keyword, asked.number) {
            (Keyword::Capa, _) => Some(Self::Capabilities(Capabilities::default(), 0)),
            (Keyword::Auth, _) => Some(Self::Mechanisms(Vec::new(), 0)),
            (Keyword::List, None) => Some(Self::Sizes(0)),
            (Keyword::Uidl, None) => Some(Self::UniqueIds(0)),
            (keyword @ (Keyword::Retr | Keyword::Top), Some(number)) => {
                Some(Self::Text(keyword, number))
            }
            _ => None,
        }
    }

    /// Takes a line; capabilities and mechanisms are told at the end.
    pub(super) fn line(
        &mut self,
        line: &[u8],
        settings: &Settings,
    ) -> Result<Option<Event>, Broken> {
        match self {
            Self::Capabilities(capabilities, octets) => {
                count_octets(octets, line, settings)?;
                capabilities.push(line);
                Ok(None)
            }
            Self::Mechanisms(names, octets) => {
                count_octets(octets, line, settings)?;
                let text = printable(line);
                let words = text.split_ascii_whitespace().map(str::to_ascii_uppercase);
                names.extend(words);
                Ok(None)
            }
            Self::Sizes(lines) => {
                count_lines(lines, settings)?;
                Ok(Some(size(line, settings)?))
            }
            Self::UniqueIds(lines) => {
                count_lines(lines, settings)?;
                Ok(Some(unique_id(line, settings)?))
            }
            Self::Text(..) => Ok(None),
        }
    }

    /// The reply is complete: what it was, and to which command.
    pub(super) fn end(self, octets: Octets) -> (Event, Keyword) {
        match self {
            Self::Capabilities(all, _) => (Event::Capabilities(all), Keyword::Capa),
            Self::Mechanisms(names, _) => (Event::Mechanisms(names), Keyword::Auth),
            Self::Sizes(_) => (Event::ListingEnds { to: Keyword::List }, Keyword::List),
            Self::UniqueIds(_) => (Event::ListingEnds { to: Keyword::Uidl }, Keyword::Uidl),
            Self::Text(keyword, number) => (Event::TextEnds { number, octets }, keyword),
        }
    }
}

/// A scan listing, in a line of its own or behind `+OK`.
pub(super) fn size(line: &[u8], settings: &Settings) -> Result<Event, Broken> {
    match scan_line(line) {
        Some((number, octets)) => {
            check_number(number, settings)?;
            Ok(Event::Size { number, octets })
        }
        None => Ok(unreadable(Keyword::List, line)),
    }
}

/// A unique-id listing, in a line of its own or behind `+OK`.
pub(super) fn unique_id(line: &[u8], settings: &Settings) -> Result<Event, Broken> {
    match unique_id_line(line) {
        Some((number, id)) => {
            check_number(number, settings)?;
            Ok(Event::UniqueId { number, id })
        }
        None => Ok(unreadable(Keyword::Uidl, line)),
    }
}

pub(super) fn unreadable(to: Keyword, line: &[u8]) -> Event {
    let text = printable(line);
    Event::Unreadable { to, text }
}

/// Numbers run from 1, so a great one tells of many messages, or of a driver's table that would be
/// made as great.
fn check_number(number: MessageNumber, settings: &Settings) -> Result<(), Broken> {
    match number.get() <= settings.messages_max {
        true => Ok(()),
        false => Err(Broken::TooMuch),
    }
}

fn count_lines(lines: &mut u32, settings: &Settings) -> Result<(), Broken> {
    if *lines >= settings.messages_max {
        return Err(Broken::TooMuch);
    }
    *lines += 1;
    Ok(())
}

fn count_octets(octets: &mut usize, line: &[u8], settings: &Settings) -> Result<(), Broken> {
    // An empty line costs memory too.
    *octets += line.len() + 2;
    match *octets <= settings.capabilities_octets_max {
        true => Ok(()),
        false => Err(Broken::TooMuch),
    }
}
