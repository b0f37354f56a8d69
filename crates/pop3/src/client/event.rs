//! What a server has said, with its meaning.

use super::capabilities::Capabilities;
use super::dialogue::Challenge;
use super::listing::ForeignId;
use super::status::Status;
use crate::{Keyword, MessageNumber, Octets};

/// What a server has said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The first line of the connection; [`Status::timestamp`] is what APOP needs.
    Greeting(Status),
    /// The first line, and the server wants no session now.
    TurnedAway(Status),
    /// The whole answer to CAPA.
    Capabilities(Capabilities),
    /// The whole answer to AUTH without a mechanism: names in upper case.
    Mechanisms(Vec<String>),
    /// STLS was accepted: begin TLS, then [`Session::start_tls`](super::Session::start_tls).
    TlsReady,
    /// The server asks on, in an exchange; see [`Exchange`](super::Exchange).
    Challenge(Challenge),
    /// The maildrop is open and ours.
    LoggedIn(Status),
    /// Another command was accepted; of a listing, this is the first line.
    Accepted {
        /// The command.
        to: Keyword,
        /// What was said.
        status: Status,
    },
    /// A command was refused.
    Refused {
        /// The command.
        to: Keyword,
        /// The message that it was about.
        number: Option<MessageNumber>,
        /// What was said, with the response code.
        status: Status,
    },
    /// The drop listing (STAT).
    Totals {
        /// Number of messages.
        messages: u64,
        /// Sum of their sizes.
        octets: Octets,
    },
    /// A scan listing: the answer to LIST of one message, or a line of that to LIST.
    Size {
        /// The message.
        number: MessageNumber,
        /// Its size, as the server counts.
        octets: Octets,
    },
    /// A unique-id listing: the answer to UIDL of one message, or a line of that to UIDL.
    UniqueId {
        /// The message.
        number: MessageNumber,
        /// Its unique-id.
        id: ForeignId,
    },
    /// An answer to STAT, LIST or UIDL, or a line of one, that holds no such thing.
    Unreadable {
        /// The command.
        to: Keyword,
        /// What was said; what is not printable is U+FFFD.
        text: String,
    },
    /// A listing is complete.
    ListingEnds {
        /// LIST or UIDL.
        to: Keyword,
    },
    /// A message begins, or the top of one.
    TextBegins {
        /// Which.
        number: MessageNumber,
        /// The size that is said here, if one is.
        announced: Option<Octets>,
    },
    /// So many octets of the message were handed on, not counting stuffing.
    Text(Octets),
    /// The message is complete; its last octets may just have been handed on.
    TextEnds {
        /// Which.
        number: MessageNumber,
        /// How many octets it had in all, counted as LIST should have.
        octets: Octets,
    },
    /// A message is marked as deleted; it is deleted when [`Event::SignedOff`] comes.
    Deleted(MessageNumber),
    /// QUIT was accepted: what was marked is deleted.
    SignedOff(Status),
}
