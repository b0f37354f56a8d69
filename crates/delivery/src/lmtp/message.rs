//! A message whose end has come, on its way into the maildrops.

use maildrop::{Delivered, Draft, Maildrops, Measure};

use super::Dialect;
use crate::{Arrival, NotDelivered, Recipient, Trace};

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
    /// What the driver has found out about the sender: an Authentication-Results field (RFC 8601) with its
    /// CRLF in stored form, or nothing.
    pub authentication_results: String,
}

impl Message {
    /// Delivers the draft to every recipient, one after the other. Blocks. The results are those
    /// that [`Session::delivered`](super::Session::delivered) wants, once each failure is reduced to its
    /// [`worst`](NotDelivered::worst). `at_us`: now, in µs since the beginning of 1970.
    pub fn deliver(
        &self,
        maildrops: &Maildrops,
        draft: &mut Draft,
        at_us: i64,
    ) -> Vec<Result<Delivered, NotDelivered>> {
        let arrival = Arrival {
            sender: Some(&self.sender),
            trace: Trace::Transfer {
                received: &self.received,
                authentication_results: &self.authentication_results,
            },
            at_us,
        };
        if self.dialect == Dialect::Smtp {
            return self.deliver_once(maildrops, draft, &arrival);
        }
        let deliver =
            |recipient| crate::deliver(maildrops, draft, &self.measure, recipient, &arrival);
        self.recipients.iter().map(deliver).collect()
    }

    /// From the world a maildrop gets a message once, by however many of its addresses: copies cost a stranger
    /// nothing.
    fn deliver_once(
        &self,
        maildrops: &Maildrops,
        draft: &mut Draft,
        arrival: &Arrival<'_>,
    ) -> Vec<Result<Delivered, NotDelivered>> {
        let misfits = self.misfits(maildrops, arrival);
        if !misfits.is_empty() {
            return misfits.into_iter().map(Err).collect();
        }
        let (mut results, mut have_it) = (Vec::new(), Vec::new());
        let mut last: Option<Delivered> = None;
        for recipient in &self.recipients {
            let result = crate::deliver_once(
                maildrops,
                draft,
                &self.measure,
                recipient,
                arrival,
                &mut have_it,
            );
            match result {
                None => results.extend(last.clone().map(Ok)),
                Some(result) => {
                    last = result.as_ref().ok().cloned().or(last);
                    results.push(result);
                }
            }
        }
        results
    }

    /// Where one reply has to do for all, nobody gets a message that one of them has no room for: a sender
    /// that tries again would give it to the others twice.
    fn misfits(&self, maildrops: &Maildrops, arrival: &Arrival<'_>) -> Vec<NotDelivered> {
        let misfits = self.recipients.iter().map(|recipient| {
            let prefix = arrival.prefix(&recipient.address).len() as u64;
            recipient.misfits(maildrops, self.measure.octets + prefix)
        });
        misfits
            .filter(|failures| !failures.is_empty())
            .map(|failures| NotDelivered {
                failures,
                delivered: Vec::new(),
            })
            .collect()
    }
}
