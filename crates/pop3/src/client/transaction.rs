//! The TRANSACTION state, seen by the client (RFC 1939 §5).

use super::collecting::{size, unique_id, unreadable};
use super::dialogue::{Asked, Follows};
use super::error::{Broken, CannotSend};
use super::event::Event;
use super::settings::Settings;
use super::status::Status;
use crate::{Keyword, MessageNumber};

/// The maildrop is open.
#[derive(Debug)]
pub(super) struct Transaction;

impl Transaction {
    /// Whether a command of this keyword may be sent now.
    pub(super) fn permit(&self, keyword: Keyword) -> Result<(), CannotSend> {
        match keyword {
            Keyword::User
            | Keyword::Pass
            | Keyword::Apop
            | Keyword::Auth
            | Keyword::Stls
            | Keyword::Utf8 => Err(CannotSend::LoggedIn),
            _ => Ok(()),
        }
    }

    /// A command was accepted.
    pub(super) fn accepted(
        &self,
        to: Asked,
        status: Status,
        settings: &Settings,
    ) -> Result<Event, Broken> {
        let text = status.text.as_bytes();
        match (to.keyword, to.number, to.follows) {
            (Keyword::Stat, ..) => Ok(match status.stat() {
                Some((messages, octets)) => Event::Totals { messages, octets },
                None => unreadable(to.keyword, text),
            }),
            (Keyword::List, Some(asked), _) => same(asked, size(text, settings)?),
            (Keyword::Uidl, Some(asked), _) => same(asked, unique_id(text, settings)?),
            (Keyword::Dele, Some(number), _) => Ok(Event::Deleted(number)),
            (_, Some(number), Follows::Text) => Ok(Event::TextBegins {
                number,
                announced: status.announced(),
            }),
            _ => Ok(Event::Accepted {
                to: to.keyword,
                status,
            }),
        }
    }
}

/// An answer about another message than was asked for is the answer to another command.
fn same(asked: MessageNumber, event: Event) -> Result<Event, Broken> {
    match &event {
        Event::Size { number, .. } | Event::UniqueId { number, .. } if *number != asked => {
            Err(Broken::OutOfStep)
        }
        _ => Ok(event),
    }
}
