//! What becomes of messages whose header is not ASCII (RFC 6856 §2.1).
//!
//! To a client that has said UTF8 they are sent as they are. To others they are refused, or sent
//! with a surrogate of their header. The size of what is sent so is not in the listing, and nobody
//! reads a message to find it out before somebody asks for its size.

use super::manner::Mode;
use crate::reply::Refusal;
use crate::{Command, Header, MessageNumber, ScanListing};

/// What the operator wants to be sent to clients that have not said UTF8.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Utf8Messages {
    /// The message with a surrogate of its header (RFC 6858).
    #[default]
    Surrogate,
    /// `-ERR [UTF8]`.
    Refuse,
}

/// Most surrogates that are measured for STAT and LIST. Whatever has more shows the others with
/// their own sizes, which RFC 6856 §2.1 allows: a login must not cost the reading of a large maildrop.
const MEASURED_MAX: usize = 4096;

/// What becomes of them in this session.
#[derive(Debug)]
pub(super) enum Headers {
    /// They are sent as they are.
    AsStored,
    /// They are refused.
    Refused,
    /// Surrogates are sent.
    Surrogates {
        /// Those whose size nobody has asked for, ascending.
        unmeasured: Vec<MessageNumber>,
    },
}

impl Headers {
    pub(super) fn new(mode: Mode, messages: Utf8Messages, listing: &ScanListing) -> Self {
        match (mode, messages) {
            (Mode::Utf8, _) => Self::AsStored,
            (Mode::Ascii, Utf8Messages::Refuse) => Self::Refused,
            (Mode::Ascii, Utf8Messages::Surrogate) => Self::Surrogates {
                unmeasured: listing.internationalised().to_vec(),
            },
        }
    }

    /// Sends them as they are from now on. Too late once the size of a surrogate was shown: sizes stay
    /// what they were (RFC 1939 §5).
    pub(super) fn send_as_stored(&mut self, listing: &ScanListing) -> Result<(), Refusal> {
        match self {
            Self::Surrogates { unmeasured }
                if unmeasured.len() < listing.internationalised().len() =>
            {
                Err(Refusal::Utf8AfterSize)
            }
            _ => {
                *self = Self::AsStored;
                Ok(())
            }
        }
    }

    /// With which header an internationalised message is sent; none: it is refused.
    pub(super) fn sent(&self) -> Option<Header> {
        match self {
            Self::AsStored => Some(Header::AsStored),
            Self::Refused => None,
            Self::Surrogates { .. } => Some(Header::Surrogate),
        }
    }

    /// Which messages must be measured before a command can be answered. No message is given twice,
    /// and sizes that were shown stay what they were.
    pub(super) fn unmeasured_for(&mut self, command: &Command) -> Option<Vec<MessageNumber>> {
        let Self::Surrogates { unmeasured } = self else {
            return None;
        };
        if unmeasured.is_empty() {
            return None;
        }
        match command {
            Command::Stat | Command::List(None) => {
                let mut all = std::mem::take(unmeasured);
                all.truncate(MEASURED_MAX);
                Some(all)
            }
            Command::List(Some(number)) | Command::Retr(number) => {
                let place = unmeasured.binary_search(number).ok()?;
                Some(vec![unmeasured.remove(place)])
            }
            _ => None,
        }
    }
}
