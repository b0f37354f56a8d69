//! A message whose end has come, on its way into the maildrops.

use maildrop::{DeliverError, Delivered, Draft, Maildrops, Measure};

use super::Dialect;
use crate::{Arrival, Recipient, Trace};

/// A message whose end has come, with everything that delivering it needs.
#[derive(Debug)]
pub struct Message {
    /// How it came.
    pub dialect: Dialect,
    /// Envelope sender; empty: the null sender.
    pub sender: String,
    /// Accepted recipients, in the order of their RCPT; one reply each.
    pub recipients: Vec<Recipient>,
    /// What is known of the text.
    pub measure: Measure,
    /// The Received field's value up to `for`: `from … by … with LMTP`.
    pub received: String,
}

impl Message {
    /// Delivers the draft to every recipient, one after the other. Blocks. The results are those
    /// that [`Session::delivered`] wants. `at_us`: now, in µs since the beginning of 1970.
    pub fn deliver(
        &self,
        maildrops: &Maildrops,
        draft: &mut Draft,
        at_us: i64,
    ) -> Vec<Result<Delivered, DeliverError>> {
        let arrival = Arrival {
            sender: Some(&self.sender),
            trace: Trace::Transfer(&self.received),
            at_us,
        };
        if self.dialect == Dialect::Smtp
            && let Some(results) = self.misfits(maildrops, &arrival)
        {
            return results;
        }
        let deliver =
            |recipient| crate::deliver(maildrops, draft, &self.measure, recipient, &arrival);
        self.recipients.iter().map(deliver).collect()
    }

    /// Where one reply has to do for all, nobody gets a message that one of them has no room for: a sender
    /// that tries again would give it to the others twice. None: it fits everywhere.
    fn misfits(
        &self,
        maildrops: &Maildrops,
        arrival: &Arrival<'_>,
    ) -> Option<Vec<Result<Delivered, DeliverError>>> {
        let fits = |recipient: &Recipient| {
            let prefix = arrival.prefix(&recipient.address).len() as u64;
            maildrops.fits(&recipient.addressee(), self.measure.octets + prefix)
        };
        let misfits: Vec<_> = self
            .recipients
            .iter()
            .filter_map(|recipient| fits(recipient).err())
            .map(Err)
            .collect();
        (!misfits.is_empty()).then_some(misfits)
    }
}
