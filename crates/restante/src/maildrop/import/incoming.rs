//! A text on its way from another server: normalised, measured, and looked at for its date.

use std::ops::ControlFlow;
use std::time::SystemTime;

use delivery::normalise::Dotted;
use maildrop::{DeliverError, Draft, Measure};
use sha2::{Digest as _, Sha256};

use super::dated::Head;
use super::present::Print;

/// A text that is coming in.
pub(super) struct Incoming {
    draft: Draft,
    text: Dotted,
    hash: Sha256,
    head: Head,
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
            head: Head::default(),
            stored: Vec::new(),
            failed: None,
        }
    }

    /// Takes octets as they travel. Breaks off when the store cannot take them: it will take no more.
    pub(super) fn take(&mut self, wire: &[u8]) -> ControlFlow<()> {
        self.stored.clear();
        self.text.take(wire, &mut self.stored);
        self.hash.update(&self.stored);
        self.head.take(&self.stored);
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
                received_us: self.head.received_us(SystemTime::now()),
                draft: self.draft,
            }),
        }
    }
}
