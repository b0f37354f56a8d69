//! Messages that somebody names: by the number that they have in this session, or by what they are known by in every one.

use std::fmt;
use std::str::FromStr;

use pop3::MessageNumber;

use super::report::FetchError;
use crate::ledger::Key;

/// The only messages that a session fetches.
#[derive(Clone, Debug)]
pub struct Only {
    /// Which.
    pub wanted: Vec<Wanted>,
    /// What becomes of those that were delivered before.
    pub had: Had,
}

/// What becomes of messages that were delivered before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Had {
    /// They are not fetched ([`Planned::had`](super::Planned::had) has them).
    Left,
    /// They are delivered once more.
    Again,
}

/// A message that somebody names.
///
/// ```
/// use client::fetch::Wanted;
///
/// assert!(matches!("3".parse(), Ok(Wanted::Number(_))));
/// assert!(matches!("u:QhdPYR".parse(), Ok(Wanted::Key(_))));
/// assert!("three".parse::<Wanted>().is_err());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// By its number in the session that is to come.
    Number(MessageNumber),
    /// By its key.
    Key(Key),
}

impl Wanted {
    /// Its number, where the server lists messages with these keys, some perhaps without one.
    ///
    /// # Errors
    ///
    /// [`FetchError::NotThere`] if it is none of them.
    pub fn find<'k>(
        &self,
        mut keys: impl ExactSizeIterator<Item = Option<&'k Key>>,
    ) -> Result<MessageNumber, FetchError> {
        let listed = keys.len();
        let place = match self {
            Self::Number(number) => Some(number.index()).filter(|&place| place < listed),
            Self::Key(wanted) => keys.position(|key| key == Some(wanted)),
        };
        place
            .and_then(MessageNumber::from_index)
            .ok_or_else(|| FetchError::NotThere {
                wanted: self.to_string(),
                listed,
            })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{}", number.get()),
            Self::Key(key) => write!(f, "{key}"),
        }
    }
}

/// A text that names no message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it is neither a message-number nor a key that begins with u: or c:")]
pub struct NotAMessage;

impl FromStr for Wanted {
    type Err = NotAMessage;

    fn from_str(text: &str) -> Result<Self, NotAMessage> {
        if let Ok(key) = text.parse() {
            return Ok(Self::Key(key));
        }
        let number: usize = text.parse().map_err(|_| NotAMessage)?;
        let place = number.checked_sub(1).ok_or(NotAMessage)?;
        MessageNumber::from_index(place)
            .map(Self::Number)
            .ok_or(NotAMessage)
    }
}
