//! LIST and UIDL of a whole maildrop, checked against STAT and against what they were.

use std::collections::HashSet;

use pop3::client::{scan_line, unique_id_line};
use pop3::{Command, MessageNumber, Octets};

use crate::conversation::Conversation;
use crate::error::BenchError;

/// Number of lines of a listing, and a checksum of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ListingSum {
    pub(crate) lines: u64,
    checksum: u32,
}

impl ListingSum {
    fn new() -> Self {
        Self {
            lines: 0,
            checksum: 0,
        }
    }

    fn add(&mut self, line: &[u8]) {
        self.lines += 1;
        self.checksum = crc32c::crc32c_append(self.checksum, line);
        self.checksum = crc32c::crc32c_append(self.checksum, b"\n");
    }
}

/// The sizes of all messages, from the first to the last that STAT counts.
pub(crate) fn sizes(
    conversation: &mut Conversation,
    (messages, octets): (u64, Octets),
) -> Result<(Vec<Octets>, ListingSum), BenchError> {
    let mut sizes = Vec::new();
    let mut sum = ListingSum::new();
    conversation.ask(&Command::List(None))?;
    conversation.lines(|line| {
        sum.add(line);
        let (number, octets) = scan_line(line)
            .filter(|(number, _)| number.index() == sizes.len())
            .ok_or_else(|| odd("LIST", line, sizes.len()))?;
        debug_assert_eq!(number.index(), sizes.len());
        sizes.push(octets);
        Ok(())
    })?;
    let total: u64 = sizes.iter().map(|octets| octets.0).sum();
    match (sum.lines, total) == (messages, octets.0) {
        true => Ok((sizes, sum)),
        false => Err(BenchError::wrong(format!(
            "LIST has {} messages with {total} octets, and STAT says {messages} with {octets}",
            sum.lines
        ))),
    }
}

/// That there is a unique-id for each message, and no two are the same.
pub(crate) fn unique_ids(
    conversation: &mut Conversation,
    messages: u64,
) -> Result<ListingSum, BenchError> {
    let mut ids = HashSet::new();
    let mut sum = ListingSum::new();
    conversation.ask(&Command::Uidl(None))?;
    conversation.lines(|line| {
        let place = ids.len();
        sum.add(line);
        let (_, id) = unique_id_line(line)
            .filter(|(number, _)| number.index() == place)
            .ok_or_else(|| odd("UIDL", line, place))?;
        match ids.insert(id.clone()) {
            true => Ok(()),
            false => Err(BenchError::wrong(format!(
                "two messages have the unique-id {id}"
            ))),
        }
    })?;
    counted("UIDL", sum, messages)
}

/// The sum of a listing, of which nothing else is looked at; it must have so many lines.
pub(crate) fn sum(
    conversation: &mut Conversation,
    command: &Command,
    messages: u64,
) -> Result<ListingSum, BenchError> {
    let mut sum = ListingSum::new();
    conversation.ask(command)?;
    conversation.lines(|line| {
        sum.add(line);
        Ok(())
    })?;
    counted(command.keyword().name(), sum, messages)
}

/// The number of the message at a place counted from 0, if there can be so many.
pub(crate) fn number(place: usize) -> Option<MessageNumber> {
    MessageNumber::new(u32::try_from(place).ok()?.checked_add(1)?)
}

fn counted(command: &str, sum: ListingSum, messages: u64) -> Result<ListingSum, BenchError> {
    match sum.lines == messages {
        true => Ok(sum),
        false => Err(BenchError::wrong(format!(
            "{command} has {} lines, and STAT says {messages} messages",
            sum.lines
        ))),
    }
}

fn odd(command: &str, line: &[u8], place: usize) -> BenchError {
    BenchError::wrong(format!(
        "{command} has the line \"{}\" where message {} is due",
        line.escape_ascii(),
        place + 1
    ))
}
