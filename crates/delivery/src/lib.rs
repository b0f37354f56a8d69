//! A message becomes a record: normalise, measure, put the trace headers before it, append, sync.
//!
//! - [`normalise`] brings a text into the stored wire form while it streams in, and measures it;
//! - [`deliver()`] puts that text, behind its trace headers, at the end of each maildrop of a
//!   recipient; when it returns, the message is durable;
//! - [`lmtp`] is the server's side of LMTP (RFC 2033) and SMTP (RFC 5321), without any I/O;
//! - [`pipe`] is one message on standard input, with the exit codes of sysexits.h.

mod date;
pub mod lmtp;
pub mod normalise;
pub mod pipe;
mod recipient;
mod trace;

use std::io;

use maildrop::{DeliverError, Delivered, Draft, Envelope, MaildropId, Maildrops, Measure, flags};

pub use recipient::{Account, NotDelivered, Recipient};
pub use trace::{Arrival, Trace};

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
    /// Its maildrop cannot be used now: 451 4.3.0, EX_TEMPFAIL.
    Broken,
    /// Greylisting: nothing of this sender has been seen from there (SMTP only): 451 4.7.1.
    Later,
    /// The sender's domain does not let this client send for it (SMTP only; RFC 7208): 550 5.7.23.
    Forbidden,
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

/// Delivers a draft to one recipient: to each of its accounts in turn, each maildrop once. Blocks.
///
/// `measure` is of the draft's text alone. The same draft can go to any number of recipients, one
/// call each; every one gets trace headers of its own. Once this has returned `Ok`, the message
/// is durable in every maildrop and may be acknowledged; it is what came of the first account.
///
/// If there are several, nobody gets it before all have been asked whether it fits: a maildrop that is
/// full would otherwise give the others a copy with each attempt of the sender.
///
/// # Errors
///
/// See [`NotDelivered`]; nothing of the message is visible then to those who have not got it.
pub fn deliver(
    maildrops: &Maildrops,
    draft: &mut Draft,
    measure: &Measure,
    recipient: &Recipient,
    arrival: &Arrival<'_>,
) -> Result<Delivered, NotDelivered> {
    let accounts = recipient.maildrops_once();
    // A record whose length belies its measure would be wrong for ever, so a driver that lost part
    // of the text is stopped here.
    if draft.len() != measure.octets + u64::from(measure.stuffed) {
        let lost = || io::Error::other("the draft is not the text that was measured");
        let failed = |account: &Account| (account.clone(), DeliverError::Unavailable(lost()));
        return Err(NotDelivered {
            failures: accounts.into_iter().map(failed).collect(),
            delivered: Vec::new(),
        });
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
    if accounts.len() > 1 {
        let failures = recipient.misfits(maildrops, envelope.prefix.len() as u64 + measure.octets);
        if !failures.is_empty() {
            return Err(NotDelivered {
                failures,
                delivered: Vec::new(),
            });
        }
    }
    let (mut first, mut delivered, mut failures) = (None, Vec::new(), Vec::new());
    for account in accounts {
        match maildrops.deliver(&account.addressee(), draft, &measure, &envelope) {
            Ok(record) => {
                delivered.push(account.maildrop);
                first.get_or_insert(record);
            }
            Err(why) => failures.push((account.clone(), why)),
        }
    }
    match first {
        Some(first) if failures.is_empty() => Ok(first),
        _ => Err(NotDelivered {
            failures,
            delivered,
        }),
    }
}

/// As [`deliver()`], but to no maildrop that is among `have_it`; those that get it are added. None: all of the
/// recipient's have it already.
pub(crate) fn deliver_once(
    maildrops: &Maildrops,
    draft: &mut Draft,
    measure: &Measure,
    recipient: &Recipient,
    arrival: &Arrival<'_>,
    have_it: &mut Vec<MaildropId>,
) -> Option<Result<Delivered, NotDelivered>> {
    let fresh = recipient.without(have_it)?;
    let result = deliver(maildrops, draft, measure, &fresh, arrival);
    match &result {
        Ok(_) => have_it.extend(fresh.accounts.iter().map(|account| account.maildrop)),
        Err(why) => have_it.extend_from_slice(&why.delivered),
    }
    Some(result)
}
