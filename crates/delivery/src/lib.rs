//! A message becomes a record: normalise, measure, put the trace headers before it, append, sync.
//!
//! - [`normalise`] brings a text into the stored wire form while it streams in, and measures it;
//! - [`deliver()`] puts that text, behind its trace headers, at the end of one maildrop; when it
//!   returns, the message is durable;
//! - [`lmtp`] is the server's side of LMTP (RFC 2033) and SMTP (RFC 5321), without any I/O;
//! - [`pipe`] is one message on standard input, with the exit codes of sysexits.h.

mod date;
pub mod lmtp;
pub mod normalise;
pub mod pipe;
mod trace;

use std::io;

use maildrop::{
    Addressee, DeliverError, Delivered, Draft, Envelope, MaildropId, Maildrops, Measure, Quota,
    flags,
};

pub use trace::{Arrival, Trace};

/// A recipient that the accounts know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recipient {
    /// The address as it was given, without angle brackets.
    pub address: String,
    /// The account's name.
    pub account: String,
    /// The id of its maildrop.
    pub maildrop: MaildropId,
    /// What the maildrop may hold.
    pub quota: Quota,
}

impl Recipient {
    /// Whose maildrop a message for this recipient goes to.
    pub fn addressee(&self) -> Addressee<'_> {
        Addressee {
            id: self.maildrop,
            account: &self.account,
            quota: self.quota,
        }
    }
}

/// Why a recipient is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecipientRefusal {
    /// No account of that name: 550 5.1.1, EX_NOUSER.
    Unknown,
    /// The account is disabled: 550 5.2.1, EX_NOUSER.
    Disabled,
    /// The accounts cannot be asked now: 451 4.3.0, EX_TEMPFAIL.
    Unavailable,
    /// The maildrop is full, or a message of the size that was declared would not fit: as
    /// [`QuotaExceeded`] says.
    Full,
    /// Not from this sender.
    Rejected(Rejection),
}

/// Why mail of somebody out in the world is not taken (SMTP only).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// Greylisting: nothing from there for this recipient has been seen before: 451 4.7.1.
    Later,
    /// The sender's domain says that this client may not send for it (RFC 7208): 550 5.7.23.
    Spf,
    /// The domain in From says that what fails is to be rejected (RFC 7489): 550 5.7.1.
    Dmarc,
    /// Names could not be looked up, and without them nothing is taken: 451 4.7.24.
    Unverified,
}

/// What the sender of a message is told that does not fit into its recipient's maildrop.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum QuotaExceeded {
    /// To try again: 452 4.2.2, EX_TEMPFAIL. The message waits until there is room, or for as long as
    /// the sender's queue keeps it.
    #[default]
    Temporary,
    /// That it will not be taken: 552 5.2.2, EX_CANTCREAT. Who wrote it hears of it at once.
    Permanent,
}

/// Most Received fields that a message may bring along; with more of them it is going round in
/// circles. RFC 5321 §6.3 asks for a threshold of at least 100.
pub const HOPS_MAX: u32 = 100;

/// Delivers a draft to one recipient. Blocks.
///
/// `measure` is of the draft's text alone. The same draft can go to any number of recipients, one
/// call each; every one gets trace headers of its own. Once this has returned `Ok`, the message
/// is durable and may be acknowledged.
///
/// # Errors
///
/// See [`DeliverError`]; nothing of the message is visible then.
pub fn deliver(
    maildrops: &Maildrops,
    draft: &mut Draft,
    measure: &Measure,
    recipient: &Recipient,
    arrival: &Arrival<'_>,
) -> Result<Delivered, DeliverError> {
    // A record whose length belies its measure would be wrong for ever, so a driver that lost part
    // of the text is stopped here.
    if draft.len() != measure.octets + u64::from(measure.stuffed) {
        let lost = io::Error::other("the draft is not the text that was measured");
        return Err(DeliverError::Unavailable(lost));
    }
    let prefix = arrival.prefix(&recipient.address);
    let mut measure = *measure;
    if !prefix.is_ascii() {
        measure.flags |= flags::HEADER_8BIT;
    }
    let envelope = Envelope {
        prefix,
        sender: arrival.sender.map(|sender| sender.as_bytes().to_vec()),
        received_us: Some(arrival.at_us),
        ..Envelope::default()
    };
    maildrops.deliver(&recipient.addressee(), draft, &measure, &envelope)
}
