//! What a session must know of an mbox: where each message is, how long, and how it is called.
//!
//! A unique-id must not change as long as the message is there (RFC 1939 §7), whatever other programs write
//! into their fields of the header and whatever messages go before it. So it is a hash of what a client sees
//! of the message, and of the moment in its postmark: SHA-256, since a sender could make two messages that a
//! weaker one takes for the same. Messages that are the same down to that moment are counted, `-2` and so on.
//! If the first of such twins goes, the next one gets its name: an mbox has no place for more.
//!
//! Where the operator says that a file can be trusted ([`Names`]), messages are called as its last server did.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io;

use pop3::UniqueId;
use sha2::{Digest, Sha256};

use super::index::{IndexError, Message, field, index};
use super::journal;
use super::lines::{Lines, ReadAt};
use super::{Shown, Variant};
use crate::error::StoreError;
use crate::native::media::{File, Stat};
use crate::native::now_us;
use crate::plain::{self, Measured};

/// Whose unique-ids a file's messages have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Names {
    /// Ours. What a header says could be a sender's.
    #[default]
    Own,
    /// Those of `X-UIDL`, as qpopper wrote them.
    XUidl,
}

/// What identifies a message.
pub(super) type Sum = [u8; 20];

/// A message of an mbox.
#[derive(Clone, Debug)]
pub(super) struct Surveyed {
    pub(super) message: Message,
    pub(super) measured: Measured,
    pub(super) sum: Sum,
    pub(super) unique_id: UniqueId,
}

/// An mbox as it is at a moment.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) messages: Vec<Surveyed>,
    pub(super) stat: Stat,
    /// Whether a later change would show in `stat`: one within the same tick of a file system's clock may not.
    pub(super) is_settled: bool,
}

impl Survey {
    /// About how much memory this takes.
    pub(super) fn octets(&self) -> usize {
        let heap = |it: &Surveyed| {
            let mark = it.message.postmark.as_ref();
            it.unique_id.as_bytes().len() + mark.map_or(0, |mark| mark.sender().len())
        };
        size_of_val::<[Surveyed]>(&self.messages) + self.messages.iter().map(heap).sum::<usize>()
    }
}

/// Its owner could have us read holes for days, under the locks of the site.
const FILE_OCTETS_MAX: u64 = 64 << 30;

/// What the file system's clock tells apart, at the coarsest.
const TICK_US: i64 = 2_000_000;

/// What the index reads from.
pub(super) struct Octets<'f, F>(pub(super) &'f F);

impl<F: File> ReadAt for Octets<'_, F> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
}

/// The messages of a file, which nobody changes meanwhile.
///
/// # Errors
///
/// What the disk says; `Damaged` if the file is no mbox of this dialect.
pub(super) fn messages<F: File>(file: &F, variant: Variant) -> Result<Vec<Message>, StoreError> {
    index(&Octets(file), variant).map_err(|error| match error {
        IndexError::Unavailable(error) => StoreError::Io(error),
        IndexError::NoMbox(offset) => StoreError::Damaged(format!(
            "it is no mbox of this dialect: at octet {offset} no message has begun"
        )),
    })
}

/// Looks through a file, which nobody changes meanwhile.
///
/// # Errors
///
/// As [`messages`].
pub(super) fn survey<F: File>(
    file: &F,
    variant: Variant,
    names: Names,
) -> Result<Survey, StoreError> {
    let stat = file.stat()?;
    if stat.len > FILE_OCTETS_MAX {
        return Err(StoreError::Damaged(format!(
            "it is longer than any mbox: {} octets",
            stat.len
        )));
    }
    let found = messages(file, variant)?;
    let mut taken = HashSet::with_capacity(found.len());
    let mut twins: HashMap<Sum, u64> = HashMap::new();
    let mut messages = Vec::with_capacity(found.len());
    for message in found {
        let range = (message.text.start, message.text.end);
        let measured = plain::measure(file, range, Some(Shown::new(variant)))?;
        let sum = sum(file, &message, variant)?;
        let given = match names {
            Names::Own => None,
            Names::XUidl => header(file, &message, b"X-UIDL")?.and_then(|id| UniqueId::new(&id)),
        };
        let given = given.filter(|id| !taken.contains(id.as_bytes()));
        let unique_id = given.unwrap_or_else(|| {
            loop {
                let twin = twins.entry(sum).or_default();
                *twin += 1;
                let id = own(&sum, *twin);
                if !taken.contains(id.as_bytes()) {
                    break id;
                }
            }
        });
        taken.insert(unique_id.as_bytes().to_vec());
        messages.push(Surveyed {
            message,
            measured,
            sum,
            unique_id,
        });
    }
    Ok(Survey {
        messages,
        is_settled: is_settled(&stat),
        stat,
    })
}

/// Whether a later change of a file would show.
pub(super) fn is_settled(stat: &Stat) -> bool {
    let age_ns = i128::from(now_us()) * 1000 - stat.changed_ns;
    age_ns > i128::from(TICK_US) * 1000
}

/// The name of a message of our own making.
pub(super) fn own(sum: &Sum, twin: u64) -> UniqueId {
    let mut text = String::with_capacity(2 * sum.len());
    for octet in sum {
        let _ = write!(text, "{octet:02x}");
    }
    if twin > 1 {
        let _ = write!(text, "-{twin}");
    }
    UniqueId::new(text.as_bytes()).expect("40 hexadecimal digits and a number are a unique-id")
}

/// Of what a client sees of a message, and the moment in its postmark.
///
/// # Errors
///
/// What the disk says; `UnexpectedEof` where the file is shorter than it was.
pub(super) fn sum<F: File>(file: &F, message: &Message, variant: Variant) -> io::Result<Sum> {
    let mut sum = Sha256::new();
    let received_us = message.postmark.as_ref().map(|mark| mark.received_us);
    sum.update(received_us.unwrap_or(0).to_le_bytes());
    let (mut shown, mut seen) = (Shown::new(variant), Vec::new());
    journal::for_each_piece(file, message.text.clone(), |_, piece| {
        seen.clear();
        shown.take(piece, &mut seen);
        sum.update(&seen);
        Ok(())
    })?;
    seen.clear();
    shown.finish(&mut seen);
    sum.update(&seen);
    let mut first = Sum::default();
    first.copy_from_slice(&sum.finalize()[..20]);
    Ok(first)
}

/// The value of a field in the header of a message.
fn header<F: File>(file: &F, message: &Message, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let octets = Octets(file);
    let mut lines = Lines::new(&octets);
    lines.seek(message.text.start);
    while let Some(line) = lines.next()? {
        if line.is_empty() || line.start >= message.text.end {
            break;
        }
        if let Some(value) = field(&line.head, name) {
            return Ok(Some(value.to_vec()));
        }
    }
    Ok(None)
}
