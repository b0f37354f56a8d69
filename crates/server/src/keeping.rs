//! How maildrops are kept: how much each may hold, what becomes of more, and for how long.
//!
//! The configuration says it for all; an account may say otherwise for itself, and then that counts.

use std::time::Duration;

use auth::{Expire, Quota, Terms};
use delivery::QuotaExceeded;

/// How maildrops are kept, unless an account says otherwise. A reload changes it, but for `grace`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Keeping {
    /// How many octets a maildrop may hold.
    pub octets: Quota,
    /// How many messages it may hold.
    pub messages: Quota,
    /// What the sender is told of a message that does not fit.
    pub quota_exceeded: QuotaExceeded,
    /// When mail is deleted that its owner leaves; announced as EXPIRE (RFC 2449 §6.7).
    pub expire: Expire,
    /// How long the store keeps what was deleted, so that an operator can bring it back: the sweep
    /// has the space given back afterwards. What the store is told when it is opened.
    pub grace: Duration,
    /// From the end of a sweep, which deletes what has expired, to the beginning of the next.
    pub sweep_interval: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            octets: Quota::Unlimited,
            messages: Quota::Unlimited,
            quota_exceeded: QuotaExceeded::Temporary,
            expire: Expire::Never,
            grace: Duration::ZERO,
            sweep_interval: Duration::from_secs(6 * 3600),
        }
    }
}

impl Keeping {
    /// What the maildrop of an account may hold that says this for itself.
    pub fn quota(&self, own: Terms) -> maildrop::Quota {
        maildrop::Quota {
            octets: own.octets.unwrap_or(self.octets).limit(),
            messages: own.messages.unwrap_or(self.messages).limit(),
        }
    }

    /// How long the mail of an account is kept that says this for itself.
    pub fn expire(&self, own: Option<Expire>) -> Expire {
        own.unwrap_or(self.expire)
    }
}
