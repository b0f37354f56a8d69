//! One message from a program on this machine, as `restante deliver` takes it on standard input.
//!
//! The answer is an exit code of sysexits.h, which is what mail transfer agents understand. One
//! code has to speak for all recipients, so the rule is: **rather twice than never.**
//!
//! - Nothing is delivered to anybody until every recipient is known and the text has been read to
//!   its end; so most failures happen while nobody has the message yet.
//! - Then it is delivered to each recipient, whatever happens to the others; a maildrop that has it
//!   already gets no second copy. Those that failed are named on standard error, and the code is the
//!   worst of all.
//! - When some have it and one failed for now, the code is `EX_TEMPFAIL`: a caller that tries again
//!   with all recipients gives a second copy to those who had it. A caller that cannot have that
//!   names one recipient a call (Postfix: `destination_recipient_limit = 1`).

use std::io::{self, Read, Write};

use maildrop::{DeliverError, Draft, Maildrops, Measure};

use crate::normalise::{FromLine, Plain};
use crate::{Arrival, HOPS_MAX, NotDelivered, QuotaExceeded, Recipient, RecipientRefusal, Trace};

/// How it ended, as sysexits.h counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Every recipient has the message, durably.
    Ok,
    /// The command line is wrong.
    Usage,
    /// The message cannot be taken, now or later: it is too large.
    DataErr,
    /// A recipient does not exist, or is disabled.
    NoUser,
    /// The message cannot be taken: it is in a loop.
    Unavailable,
    /// The maildrop is full, and it was asked that this be final. Mail transfer agents take this code
    /// for the state of the maildrop (5.2.x), where EX_UNAVAILABLE would blame the service.
    CantCreate,
    /// Try again later; some of several recipients may have it already.
    TempFail,
    /// Who runs this may not deliver.
    NoPerm,
    /// The configuration is wrong.
    Config,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Usage => 64,
            Self::DataErr => 65,
            Self::NoUser => 67,
            Self::Unavailable => 69,
            Self::CantCreate => 73,
            Self::TempFail => 75,
            Self::NoPerm => 77,
            Self::Config => 78,
        }
    }

    /// The worse of the two: what may pass by itself is worse than what will not, because the
    /// caller must not give up then.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Ok => 0,
            Self::TempFail => 2,
            _ => 1,
        };
        match rank(other) > rank(self) {
            true => other,
            false => self,
        }
    }
}

impl From<RecipientRefusal> for Exit {
    fn from(why: RecipientRefusal) -> Self {
        match why {
            RecipientRefusal::Unknown | RecipientRefusal::Disabled => Self::NoUser,
            RecipientRefusal::Unavailable
            | RecipientRefusal::Full
            | RecipientRefusal::Broken
            | RecipientRefusal::Later
            | RecipientRefusal::Forbidden => Self::TempFail,
        }
    }
}

impl Exit {
    fn of(why: &DeliverError, quota_exceeded: QuotaExceeded) -> Self {
        match (why, quota_exceeded) {
            (DeliverError::OverQuota, QuotaExceeded::Permanent) => Self::CantCreate,
            // A damaged maildrop is for the operator to mend; the message waits at the sender.
            _ => Self::TempFail,
        }
    }
}

/// What the caller said beside the recipients.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-f`: the envelope sender, with or without angle brackets; empty or `<>`: the null sender.
    /// If it is given, Return-Path and Delivered-To are put before the text.
    pub sender: Option<String>,
    /// `--from-line`: whether a leading mbox `From ` line is dropped.
    pub from_line: FromLine,
    /// Largest message in octets as `LIST` would count them, without trace headers; 0: no limit.
    pub message_octets_max: u64,
    /// What becomes of a message that does not fit into its recipient's maildrop.
    pub quota_exceeded: QuotaExceeded,
}

/// Most octets read at once.
const PIECE_OCTETS: usize = 64 * 1024;

/// Asks for every address; the recipients, if all are known. Those that are not are named on
/// `complaints`.
///
/// # Errors
///
/// The exit code; nothing has been delivered, nor read.
pub fn resolve(
    addresses: &[String],
    mut recipient: impl FnMut(&str) -> Result<Recipient, RecipientRefusal>,
    complaints: &mut impl Write,
) -> Result<Vec<Recipient>, Exit> {
    let (mut recipients, mut exit) = (Vec::new(), Exit::Ok);
    for address in addresses {
        match recipient(address) {
            Ok(recipient) => recipients.push(recipient),
            Err(why) => {
                let text = match why {
                    RecipientRefusal::Unknown => "no such account",
                    RecipientRefusal::Disabled => "account is disabled",
                    RecipientRefusal::Unavailable => "accounts are unavailable, try again later",
                    RecipientRefusal::Full => "maildrop is full",
                    RecipientRefusal::Broken => "maildrop is unavailable, try again later",
                    RecipientRefusal::Later | RecipientRefusal::Forbidden => "not from this sender",
                };
                complain(complaints, address, text);
                exit = exit.worse(why.into());
            }
        }
    }
    match exit {
        Exit::Ok if recipients.is_empty() => {
            complain(complaints, "deliver", "no recipient is named");
            Err(Exit::Usage)
        }
        Exit::Ok => Ok(recipients),
        exit => Err(exit),
    }
}

/// Reads one message to its end and delivers it to every recipient; a maildrop that several
/// recipients share gets it once. Blocks. What went wrong is written to `complaints`, a line each.
/// `at_us`: now, in µs since the beginning of 1970.
pub fn deliver(
    maildrops: &Maildrops,
    recipients: &[Recipient],
    input: &mut impl Read,
    options: &Options,
    at_us: i64,
    complaints: &mut impl Write,
) -> Exit {
    let mut draft = maildrops.draft();
    let measure = match read(&mut draft, input, options) {
        Ok(measure) => measure,
        Err(why) => {
            complain(complaints, "deliver", &why.text());
            return why.exit(options.quota_exceeded);
        }
    };
    let sender = options.sender.as_deref().map(|sender| {
        let inner = sender
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        inner.unwrap_or(sender)
    });
    let arrival = Arrival {
        sender,
        trace: Trace::Local,
        at_us,
    };
    let (mut exit, mut have_it) = (Exit::Ok, Vec::new());
    for recipient in recipients {
        let result = crate::deliver_once(
            maildrops,
            &mut draft,
            &measure,
            recipient,
            &arrival,
            &mut have_it,
        );
        if let Some(Err(why)) = result {
            complain_of(complaints, recipient, &why);
            exit = exit.worse(Exit::of(&why.worst(), options.quota_exceeded));
        }
    }
    exit
}

/// Why there is no draft to deliver.
enum NoDraft {
    Input(io::Error),
    Draft(DeliverError),
    TooLarge(u64),
    Loop,
}

impl NoDraft {
    fn exit(&self, quota_exceeded: QuotaExceeded) -> Exit {
        match self {
            Self::Input(_) => Exit::TempFail,
            Self::Draft(why) => Exit::of(why, quota_exceeded),
            Self::TooLarge(_) => Exit::DataErr,
            Self::Loop => Exit::Unavailable,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Input(why) => format!("cannot read the message: {why}"),
            Self::Draft(why) => with_causes(why),
            Self::TooLarge(max) => format!("message is larger than {max} octets"),
            Self::Loop => format!("message is in a loop: more than {HOPS_MAX} Received fields"),
        }
    }
}

fn read(draft: &mut Draft, input: &mut impl Read, options: &Options) -> Result<Measure, NoDraft> {
    let mut text = Plain::new(options.from_line);
    let mut piece = vec![0; PIECE_OCTETS];
    let mut stored = Vec::with_capacity(PIECE_OCTETS + PIECE_OCTETS / 8);
    loop {
        let octets = match input.read(&mut piece) {
            Ok(0) => break,
            Ok(octets) => octets,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(NoDraft::Input(why)),
        };
        stored.clear();
        text.take(&piece[..octets], &mut stored);
        check(&text, options)?;
        draft.append(&stored).map_err(NoDraft::Draft)?;
    }
    stored.clear();
    let measure = text.finish(&mut stored);
    if options.message_octets_max != 0 && measure.octets > options.message_octets_max {
        return Err(NoDraft::TooLarge(options.message_octets_max));
    }
    draft.append(&stored).map_err(NoDraft::Draft)?;
    Ok(measure)
}

fn check(text: &Plain, options: &Options) -> Result<(), NoDraft> {
    if text.gauge().hops() > HOPS_MAX {
        return Err(NoDraft::Loop);
    }
    match text.gauge().is_over(options.message_octets_max) {
        true => Err(NoDraft::TooLarge(options.message_octets_max)),
        false => Ok(()),
    }
}

/// The error and what caused it, on one line.
fn with_causes(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(why) = cause {
        text.push_str(": ");
        text.push_str(&why.to_string());
        cause = why.source();
    }
    text
}

/// A line for each reason. Whose accounts are behind an address is not told: agents put these lines into what
/// they send back.
fn complain_of(complaints: &mut impl Write, recipient: &Recipient, why: &NotDelivered) {
    let mut told = Vec::new();
    for (_, why) in &why.failures {
        let text = with_causes(why);
        if !told.contains(&text) {
            complain(complaints, &recipient.address, &text);
            told.push(text);
        }
    }
}

/// One line; what is not plain is escaped, so that no name can play tricks with a terminal. If
/// nobody reads complaints, the exit code still tells.
fn complain(complaints: &mut impl Write, about: &str, text: &str) {
    let about: String = about.chars().take(256).collect();
    let _ = writeln!(
        complaints,
        "{}: {}",
        about.escape_debug(),
        text.escape_debug()
    );
}

#[cfg(test)]
mod tests;
