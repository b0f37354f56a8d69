//! What holds in an open maildrop, told by whoever opens it.

use crate::{Disposition, Expire};

/// The rules of one maildrop.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// How long its mail is kept. With [`Expire::Retrieved`] QUIT does with what was retrieved what it
    /// does with what is marked (RFC 2449 §6.7).
    pub expire: Expire,
    /// What becomes of what is marked.
    pub disposition: Disposition,
}

impl Rules {
    /// How long mail is kept, as it is announced: a maildrop from which no session takes anything
    /// away keeps what was retrieved, whatever else is wanted.
    pub(super) fn expire(self) -> Expire {
        match self.expire {
            Expire::Retrieved if !self.disposition.takes_away() => Expire::Never,
            expire => expire,
        }
    }
}

impl From<Expire> for Rules {
    fn from(expire: Expire) -> Self {
        Self {
            expire,
            ..Self::default()
        }
    }
}
