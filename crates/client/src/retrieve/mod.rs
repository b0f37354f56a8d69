//! Texts: asked for ahead, in a window of octets, and handed on in pieces as they come.
//!
//! A server that announces PIPELINING and does not mean it answers out of order, so that a text would get
//! another message's unique-id. What LIST said shows it: the first text of another size makes the window
//! narrow for good, what is on its way is thrown away, and that message is asked for again, alone. If
//! it has that size again, the server counts otherwise, and the text is the right one.

mod arrival;
mod deadline;

use std::collections::VecDeque;
use std::ops::ControlFlow;

use pop3::client::{Arrived, Event, Window};
use pop3::{Command, Keyword, MessageNumber, Octets};
use tokio::time::Instant;

use crate::ahead::{Ahead, DELETIONS};
use crate::connect::Maildrop;
use crate::error::ClientError;
use deadline::Deadline;

pub use arrival::{Arrival, Retrieved, Step};

/// Octets that a text may have beyond twice what LIST said, where it may be another's. A server that counts a line end as one
/// octet says half of it at the least.
const EXCESS_OCTETS: u64 = 64 << 10;
/// The same where it can be no other's: some servers list sizes that mean nothing. A text that does not end would fill the disk.
const EXCESS_OCTETS_ALONE: u64 = 64 << 20;

/// Octets of a text, whatever LIST says: a server that lists more than there can be would fill the disk too.
pub const TEXT_OCTETS_MAX: Octets = Octets(u32::MAX as u64);

const AWAITED: &str = "a message";

/// Octets that are reckoned for a header, whose size nobody says before it comes.
const HEADER_OCTETS: Octets = Octets(4 << 10);
/// Most octets of a header that are handed on, perhaps with some more of the piece that they came in.
pub const HEADER_OCTETS_MAX: usize = 1 << 20;

/// Messages that are being retrieved, and deleted meanwhile. Its `step` says what has come, its `next` hands out one text after the
/// other.
#[derive(Debug)]
pub struct Retrieval<'a> {
    maildrop: &'a mut Maildrop,
    part: Part,
    wanted: Vec<(MessageNumber, Octets)>,
    /// How many of them were handed out, or refused.
    done: usize,
    /// How many of them were asked for, some perhaps in vain.
    asked: usize,
    window: Window,
    /// What makes it wider.
    ahead: Ahead,
    pace: Pace,
    /// So many texts are on their way that are to be thrown away.
    skipping: usize,
    /// The text that is coming.
    coming: Option<Coming>,
    /// What is to be deleted and was not asked for yet.
    deletions: VecDeque<MessageNumber>,
    /// DELEs that were not answered.
    deleting: usize,
}

/// What of a message is retrieved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Whole,
    Header,
}

/// A text that is coming.
#[derive(Debug)]
struct Coming {
    deadline: Deadline,
    octets: u64,
    /// It is complete; so many octets it had.
    ended: Option<Octets>,
}

/// Whether commands are sent ahead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    Ahead,
    OneAtATime,
}

impl Maildrop {
    /// Retrieves these messages, each of which has the size that LIST said, in this order.
    pub fn retrieve(&mut self, wanted: Vec<(MessageNumber, Octets)>) -> Retrieval<'_> {
        self.retrieval(wanted, Part::Whole)
    }

    /// Retrieves the headers of these messages (`TOP n 0`, RFC 1939 §7), in this order.
    pub fn headers(&mut self, wanted: &[MessageNumber]) -> Retrieval<'_> {
        let wanted = wanted.iter().map(|&number| (number, HEADER_OCTETS));
        self.retrieval(wanted.collect(), Part::Header)
    }

    fn retrieval(&mut self, wanted: Vec<(MessageNumber, Octets)>, part: Part) -> Retrieval<'_> {
        let pace = match self.pipelines() {
            true => Pace::Ahead,
            false => Pace::OneAtATime,
        };
        Retrieval {
            maildrop: self,
            part,
            wanted,
            done: 0,
            asked: 0,
            window: Window::one_at_a_time(),
            ahead: Ahead::new(),
            pace,
            skipping: 0,
            coming: None,
            deletions: VecDeque::new(),
            deleting: 0,
        }
    }
}

impl Retrieval<'_> {
    /// The next message. Its text is handed on in pieces. If `take` breaks off, nothing more is read.
    ///
    /// # Errors
    ///
    /// When the connection fails, the server falls silent, or sends what cannot be.
    pub async fn next(
        &mut self,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Retrieved>, ClientError> {
        loop {
            let Some(number) = self.coming() else {
                return Ok(None);
            };
            match self.step().await? {
                Step::Piece(piece) => {
                    if take(piece).is_break() {
                        self.done = self.wanted.len();
                        let arrival = Arrival::Unwanted;
                        return Ok(Some(Retrieved { number, arrival }));
                    }
                }
                Step::Ended(retrieved) => return Ok(Some(retrieved)),
                Step::Deleted(_) | Step::NotDeleted(..) => {}
                Step::Done => return Ok(None),
            }
        }
    }

    /// Deletes a message, when there is room for that on the way. What comes of it, a later step says.
    pub fn delete(&mut self, number: MessageNumber) {
        self.deletions.push_back(number);
    }

    /// The message whose text comes next, or is coming.
    pub fn coming(&self) -> Option<MessageNumber> {
        self.wanted.get(self.done).map(|(number, _)| *number)
    }

    /// What comes next. To be called until there is nothing more to come; it may be dropped while it waits, and be called again.
    ///
    /// # Errors
    ///
    /// When the connection fails, the server falls silent, or sends what cannot be.
    pub async fn step(&mut self) -> Result<Step<'_>, ClientError> {
        loop {
            if let Some(octets) = self.coming.as_mut().and_then(|coming| coming.ended.take()) {
                self.coming = None;
                if let Some(retrieved) = self.ended(octets) {
                    return Ok(Step::Ended(retrieved));
                }
            }
            self.ask_ahead()?;
            if self.window.outstanding() == 0 && self.deleting == 0 {
                return Ok(Step::Done);
            }
            let deadline = match &mut self.coming {
                Some(coming) => &mut coming.deadline,
                None => {
                    let deadline = Deadline::new(self.maildrop);
                    let coming = Coming {
                        deadline,
                        octets: 0,
                        ended: None,
                    };
                    &mut self.coming.insert(coming).deadline
                }
            };
            match deadline.next(self.maildrop).await? {
                Event::TextBegins { .. } => {}
                Event::Text(octets) => {
                    let come = self.came(octets);
                    self.window.received(octets);
                    self.ahead.came(octets);
                    if self.is_handed_on(come)? {
                        return Ok(Step::Piece(&self.maildrop.conversation.text));
                    }
                }
                Event::TextEnds { octets, .. } => {
                    if let Some(coming) = &mut self.coming {
                        let last = octets.0.saturating_sub(coming.octets);
                        self.ahead.came(Octets(last));
                        coming.ended = Some(octets);
                    }
                    // Its last octets may have come with its end.
                    let is_more = !self.maildrop.conversation.text.is_empty();
                    if self.is_handed_on(octets.0)? && is_more {
                        return Ok(Step::Piece(&self.maildrop.conversation.text));
                    }
                }
                Event::Deleted(number) => {
                    self.dele_is_answered();
                    return Ok(Step::Deleted(number));
                }
                Event::Refused {
                    to: Keyword::Dele,
                    number: Some(number),
                    status,
                } => {
                    self.dele_is_answered();
                    return Ok(Step::NotDeleted(number, status));
                }
                Event::Refused { status, .. } => {
                    self.coming = None;
                    self.window.refused();
                    if self.skipping > 0 {
                        self.skipping -= 1;
                        continue;
                    }
                    if ClientError::passes(&status) {
                        // Without it the others would come before it.
                        return Err(ClientError::NotNow(status));
                    }
                    return Ok(Step::Ended(self.out(Arrival::Refused(status))));
                }
                _ => return Err(pop3::client::Broken::OutOfStep.into()),
            }
        }
    }

    /// Asks for as many messages as the window has room for, and for deletions.
    fn ask_ahead(&mut self) -> Result<(), ClientError> {
        let is_ahead = self.pace == Pace::Ahead;
        while let Some(&number) = self.deletions.front() {
            let has_room = match is_ahead {
                true => self.deleting < DELETIONS,
                false => self.deleting == 0 && self.window.outstanding() == 0,
            };
            if !has_room {
                break;
            }
            self.maildrop.conversation.send(&Command::Dele(number))?;
            self.deleting += 1;
            self.deletions.pop_front();
        }
        if !is_ahead && self.deleting > 0 {
            return Ok(());
        }
        let asked = self.done + self.window.outstanding();
        let rest = self.wanted.get(asked..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        if is_ahead {
            let now = Instant::now();
            self.ahead.asked(now);
            let (octets, commands) = self.ahead.most(now);
            self.window.widen(octets, commands);
        }
        let room = self.window.room(rest.iter().map(|(_, octets)| *octets));
        if room > 0 {
            self.asked = asked + room;
        }
        for &(number, octets) in &rest[..room] {
            let command = match self.part {
                Part::Whole => Command::Retr(number),
                Part::Header => Command::Top(number, 0),
            };
            self.maildrop.conversation.send(&command)?;
            self.window.sent(number, octets);
        }
        Ok(())
    }

    /// It comes between two texts, and the server is not slow with the second.
    fn dele_is_answered(&mut self) {
        self.deleting = self.deleting.saturating_sub(1);
        self.coming = None;
    }

    /// So many octets have come of this text, with these.
    fn came(&mut self, octets: Octets) -> u64 {
        let Some(coming) = &mut self.coming else {
            return octets.0;
        };
        coming.octets += octets.0;
        coming.deadline.extend(octets);
        coming.octets
    }

    /// A text is complete: which, and how it arrived. None if it was to be thrown away.
    fn ended(&mut self, octets: Octets) -> Option<Retrieved> {
        let arrived = self.window.arrived(octets);
        if self.skipping > 0 {
            self.skipping -= 1;
            return None;
        }
        let listed = self.wanted.get(self.done).map(|(_, listed)| *listed);
        let arrival = match (arrived, self.pace, self.part) {
            (Some(Arrived::AsListed), ..) | (_, _, Part::Header) => Arrival::AsListed,
            (_, Pace::Ahead, _) => Arrival::OutOfStep,
            (_, Pace::OneAtATime, _) => Arrival::CountedOtherwise {
                listed: listed.unwrap_or_default(),
                octets,
            },
        };
        Some(self.out(arrival))
    }

    /// The message that was due, and how it arrived.
    fn out(&mut self, arrival: Arrival) -> Retrieved {
        // A text comes only of what was asked for.
        let place = self.done.min(self.wanted.len().saturating_sub(1));
        let (number, _) = self.wanted[place];
        match arrival {
            Arrival::OutOfStep => {
                // From now on one at a time. What was asked for behind the message in doubt is thrown away.
                self.pace = Pace::OneAtATime;
                self.window.narrow();
                self.skipping = self.window.outstanding();
            }
            _ => self.done += 1,
        }
        Retrieved { number, arrival }
    }

    /// Whether what has come of a text is handed on. What is longer than this message can be is thrown away while it may be
    /// another one that was asked for, too: it will be seen to be out of step when it ends.
    fn is_handed_on(&self, come: u64) -> Result<bool, ClientError> {
        let (number, listed) = self.wanted[self.done.min(self.wanted.len() - 1)];
        if self.part == Part::Header {
            // What is longer is one message's fault, and keeps no other back.
            let before = come.saturating_sub(self.maildrop.conversation.text.len() as u64);
            // Some servers send the text behind the header, too.
            let max = most(self.maildrop.largest, EXCESS_OCTETS_ALONE);
            return match come <= max {
                true => Ok(self.skipping == 0 && before < HEADER_OCTETS_MAX as u64),
                false => Err(ClientError::Wrong(format!(
                    "the header of message {number} does not end after {max} octets"
                ))),
            };
        }
        let excess = match self.pace {
            Pace::OneAtATime if self.skipping == 0 => EXCESS_OCTETS_ALONE,
            _ => EXCESS_OCTETS,
        };
        if self.skipping == 0 && come <= most(listed, excess) {
            return Ok(true);
        }
        let asked = &self.wanted[self.done..self.asked.max(self.done)];
        let largest = asked.iter().map(|(_, octets)| *octets).max();
        let max = most(largest.unwrap_or(listed), excess);
        match come <= max {
            true => Ok(false),
            false => Err(ClientError::Endless {
                number,
                listed,
                come: Octets(max),
            }),
        }
    }
}

/// Most octets of a text of which LIST says so many.
fn most(listed: Octets, excess: u64) -> u64 {
    let most = listed.0.saturating_mul(2).saturating_add(excess);
    most.min(TEXT_OCTETS_MAX.0)
}
