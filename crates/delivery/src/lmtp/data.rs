//! The text of a message on its way through a session: from 354 to the terminator.

use maildrop::Measure;

use super::reply::Refusal;
use super::{Recipient, Settings};
use crate::HOPS_MAX;
use crate::normalise::Dotted;

/// Sender and recipients of one mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) sender: String,
    /// The size that the client declared (RFC 1870 §6); 0: none.
    pub(super) octets: u64,
    pub(super) recipients: Vec<Recipient>,
}

/// A message whose text is being read.
#[derive(Debug)]
pub(super) struct Incoming {
    envelope: Envelope,
    text: Dotted,
    /// Why the driver could not keep the text, if it could not.
    draft: Result<(), Refusal>,
}

/// How a message's text ended.
#[derive(Debug)]
pub(super) enum Ended {
    Whole(Envelope, Measure),
    Refused(Envelope, Refusal),
}

/// What one piece of input did.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Taken {
    /// The text goes on.
    On,
    /// It goes on, but will not be delivered: what is kept of it can go.
    Refused,
    /// It has ended.
    Ended,
}

impl Incoming {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            text: Dotted::default(),
            draft: Ok(()),
        }
    }

    /// Reads text; appends its stored form for as long as it may be delivered.
    ///
    /// A message that is refused is read to its end all the same: there is no other way to find
    /// the next command (RFC 5321 §4.2.5).
    pub(super) fn take(
        &mut self,
        input: &[u8],
        settings: &Settings,
        stored: &mut Vec<u8>,
    ) -> (usize, Taken) {
        let before = stored.len();
        let refused_before = self.refusal(settings).is_err();
        let taken = self.text.take(input, stored);
        let refused = self.refusal(settings).is_err();
        if refused {
            stored.truncate(before);
        }
        let what = match taken.ended {
            true => Taken::Ended,
            false if refused && !refused_before => Taken::Refused,
            false => Taken::On,
        };
        (taken.consumed, what)
    }

    pub(super) fn draft_failed(&mut self, why: Refusal) {
        self.draft = Err(why);
    }

    pub(super) fn end(self, settings: &Settings) -> Ended {
        match self.refusal(settings) {
            Ok(()) => Ended::Whole(self.envelope, self.text.gauge().measure()),
            Err(why) => Ended::Refused(self.envelope, why),
        }
    }

    /// Whether the message as far as it is known may be delivered. The order does not depend on
    /// what came first, so neither does the reply on how the input was cut.
    fn refusal(&self, settings: &Settings) -> Result<(), Refusal> {
        let gauge = self.text.gauge();
        if gauge.hops() > HOPS_MAX {
            return Err(Refusal::Loop);
        }
        if gauge.is_over(settings.message_octets_max) {
            return Err(Refusal::TooLarge);
        }
        self.draft
    }
}
