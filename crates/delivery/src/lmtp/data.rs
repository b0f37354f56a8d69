//! The text of a message on its way through a session: from 354 to the terminator, or in chunks.

use maildrop::Measure;

use super::reply::Refusal;
use super::{Dialect, Recipient, Settings};
use crate::HOPS_MAX;
use crate::normalise::{Dotted, FromLine, Gauge, Plain};

/// Sender and recipients of one mail transaction (RFC 5321 §3.3).
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) sender: String,
    /// The size that the client declared (RFC 1870 §6); 0: none.
    pub(super) octets: u64,
    /// Whether addresses may go beyond ASCII (RFC 6531 §3.4).
    pub(super) utf8: bool,
    pub(super) recipients: Vec<Recipient>,
}

/// A message whose text is being read.
#[derive(Debug)]
pub(super) struct Incoming<Text> {
    envelope: Envelope,
    text: Text,
    /// Why the driver could not keep the text, if it could not.
    draft: Result<(), Refusal>,
}

/// Text behind DATA, which says itself where it ends.
pub(super) type Dots = Incoming<Dotted>;

/// Text behind BDAT, of which each command says how much follows: nothing in it is stuffed, and it
/// ends where the client says so (RFC 3030 §2). Line ends are put in order as everywhere.
pub(super) type Chunks = Incoming<Plain>;

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

/// A reader of text that measures it.
pub(super) trait Gauged {
    fn gauge(&self) -> &Gauge;
}

impl Gauged for Dotted {
    fn gauge(&self) -> &Gauge {
        self.gauge()
    }
}

impl Gauged for Plain {
    fn gauge(&self) -> &Gauge {
        self.gauge()
    }
}

impl<Text: Gauged> Incoming<Text> {
    fn of(envelope: Envelope, text: Text) -> Self {
        Self {
            envelope,
            text,
            draft: Ok(()),
        }
    }

    pub(super) fn draft_failed(&mut self, why: Refusal) {
        self.draft = Err(why);
    }

    /// Lets `read` read; what it has stored counts for as long as the message may be delivered.
    ///
    /// A message that is refused is read to its end all the same: there is no other way to find
    /// the next command (RFC 5321 §4.2.5).
    fn read<T>(
        &mut self,
        settings: &Settings,
        stored: &mut Vec<u8>,
        read: impl FnOnce(&mut Text, &mut Vec<u8>) -> T,
    ) -> (T, Taken) {
        let before = stored.len();
        let refused_before = self.refusal(settings).is_err();
        let done = read(&mut self.text, stored);
        let refused = self.refusal(settings).is_err();
        if refused {
            stored.truncate(before);
        }
        match refused && !refused_before {
            true => (done, Taken::Refused),
            false => (done, Taken::On),
        }
    }

    /// Whether the message as far as it is known may be delivered. The order does not depend on
    /// what came first, so neither does the reply on how the input was cut.
    pub(super) fn refusal(&self, settings: &Settings) -> Result<(), Refusal> {
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

impl Dots {
    pub(super) fn new(envelope: Envelope, settings: &Settings) -> Self {
        let text = match settings.dialect {
            Dialect::Lmtp => Dotted::default(),
            Dialect::Smtp => Dotted::of_stranger(&settings.hostname),
        };
        Self::of(envelope, text)
    }

    /// Reads text up to its end; appends its stored form for as long as it may be delivered.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        settings: &Settings,
        stored: &mut Vec<u8>,
    ) -> (usize, Taken) {
        let (taken, what) = self.read(settings, stored, |text, stored| text.take(input, stored));
        match taken.ended {
            true => (taken.consumed, Taken::Ended),
            false => (taken.consumed, what),
        }
    }

    pub(super) fn end(self, settings: &Settings) -> Ended {
        match self.refusal(settings) {
            Ok(()) => Ended::Whole(self.envelope, self.text.gauge().measure()),
            Err(why) => Ended::Refused(self.envelope, why),
        }
    }
}

impl Chunks {
    pub(super) fn new(envelope: Envelope, settings: &Settings) -> Self {
        let text = match settings.dialect {
            Dialect::Lmtp => Plain::new(FromLine::Keep),
            Dialect::Smtp => Plain::of_stranger(&settings.hostname),
        };
        Self::of(envelope, text)
    }

    /// Reads all of it; appends its stored form for as long as it may be delivered.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        settings: &Settings,
        stored: &mut Vec<u8>,
    ) -> Taken {
        let ((), what) = self.read(settings, stored, |text, stored| text.take(input, stored));
        what
    }

    /// The last chunk is there; appends what the text lacks.
    pub(super) fn end(self, settings: &Settings, stored: &mut Vec<u8>) -> Ended {
        if let Err(why) = self.refusal(settings) {
            return Ended::Refused(self.envelope, why);
        }
        let before = stored.len();
        let measure = self.text.finish(stored);
        let octets_max = settings.message_octets_max;
        match octets_max != 0 && measure.octets > octets_max {
            true => {
                stored.truncate(before);
                Ended::Refused(self.envelope, Refusal::TooLarge)
            }
            false => Ended::Whole(self.envelope, measure),
        }
    }
}
