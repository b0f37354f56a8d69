//! A text on its way from another server: normalised, measured, and looked at for its date.

use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use delivery::normalise::Dotted;
use maildrop::{DeliverError, Draft, Measure};
use sha2::{Digest as _, Sha256};

use super::present::Print;

/// So much of a text is looked at for its date.
const HEAD_OCTETS_MAX: usize = 64 * 1024;

/// A text that is coming in.
pub(super) struct Incoming {
    draft: Draft,
    text: Dotted,
    hash: Sha256,
    /// Its beginning.
    head: Vec<u8>,
    stored: Vec<u8>,
    /// Why the store could not take it.
    failed: Option<DeliverError>,
}

/// A text that has come in.
pub(super) struct Whole {
    pub(super) draft: Draft,
    pub(super) measure: Measure,
    pub(super) print: Print,
    pub(super) received_us: Option<i64>,
}

impl Incoming {
    pub(super) fn new(draft: Draft) -> Self {
        Self {
            draft,
            text: Dotted::default(),
            hash: Sha256::new(),
            head: Vec::new(),
            stored: Vec::new(),
            failed: None,
        }
    }

    /// Takes octets as they travel. Breaks off when the store cannot take them: it will take no more.
    pub(super) fn take(&mut self, wire: &[u8]) -> ControlFlow<()> {
        self.stored.clear();
        self.text.take(wire, &mut self.stored);
        self.hash.update(&self.stored);
        let room = HEAD_OCTETS_MAX - self.head.len();
        self.head
            .extend_from_slice(&self.stored[..self.stored.len().min(room)]);
        self.failed = self.draft.append(&self.stored).err();
        match self.failed {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    pub(super) fn finish(self) -> Result<Whole, DeliverError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(Whole {
                measure: self.text.gauge().measure(),
                print: self.hash.finalize().into(),
                received_us: received_us(&self.head),
                draft: self.draft,
            }),
        }
    }
}

/// When a message came in, in µs since 1970.
fn received_us(head: &[u8]) -> Option<i64> {
    let received = client::dated::received(head, SystemTime::now())?;
    let since = received.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok()
}
