//! What comes of messages that are retrieved.

use pop3::client::Status;
use pop3::{MessageNumber, Octets};

/// What has come.
#[derive(Debug)]
pub enum Step<'a> {
    /// Octets of the text of the next message, as they travel: with CRLF, and dot-stuffed ([`pop3::wire`]), without the terminator line.
    Piece(&'a [u8]),
    /// That text is complete, or will not come.
    Ended(Retrieved),
    /// The server has marked a message as deleted.
    Deleted(MessageNumber),
    /// It has not.
    NotDeleted(MessageNumber, Status),
    /// There is nothing more to come.
    Done,
}

/// A message whose text has been handed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retrieved {
    /// Which.
    pub number: MessageNumber,
    /// How it arrived.
    pub arrival: Arrival,
}

/// How a message arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// With as many octets as LIST said.
    AsListed,
    /// Whole, and alone, with another number of octets: the server counts otherwise.
    CountedOtherwise {
        /// What LIST said.
        listed: Octets,
        /// What came.
        octets: Octets,
    },
    /// Perhaps another message's text: what was handed on must be thrown away. The message comes again.
    OutOfStep,
    /// The server does not give it.
    Refused(Status),
    /// Its text was not to be handed on any further. No other message comes then.
    Unwanted,
}
