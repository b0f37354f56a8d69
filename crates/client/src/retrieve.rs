//! Texts: asked for ahead, in a window of octets, and handed on in pieces as they come.
//!
//! A server that announces PIPELINING and does not mean it answers out of order, so that a text would get
//! another message's unique-id. What LIST said shows it: the first text of another size makes the window
//! narrow for good, what is on its way is thrown away, and that message is asked for again, alone. If
//! it has that size again, the server counts otherwise, and the text is the right one.

use std::ops::ControlFlow;
use std::time::Duration;

use pop3::client::{Arrived, Event, Status, Window};
use pop3::{Command, MessageNumber, Octets};
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect::Maildrop;
use crate::error::ClientError;

/// Octets that may be on their way: what a line of 1 Gbit/s holds at 32 ms.
const WINDOW_OCTETS: Octets = Octets(4 << 20);
/// Commands that may be on their way. They are some 3 KiB, which any server has room for.
const WINDOW_COMMANDS: usize = 256;

/// Octets that a text may have beyond twice what LIST said. A server that counts a line end as one
/// octet says half of it at the least; one whose text does not end would fill the disk.
const EXCESS_OCTETS: u64 = 64 << 10;

/// Octets of a text, whatever LIST says: a server that lists more than there can be would fill the disk too.
pub const TEXT_OCTETS_MAX: Octets = Octets(u32::MAX as u64);

const AWAITED: &str = "a message";

/// Messages that are being retrieved. Its `next` hands out one after the other.
#[derive(Debug)]
pub struct Retrieval<'a> {
    maildrop: &'a mut Maildrop,
    wanted: Vec<(MessageNumber, Octets)>,
    /// How many of them were handed out, or refused.
    done: usize,
    /// How many of them were asked for, some perhaps in vain.
    asked: usize,
    window: Window,
    pace: Pace,
}

/// A message whose text has been handed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retrieved {
    /// Which.
    pub number: MessageNumber,
    /// How it arrived.
    pub arrival: Arrival,
}

/// How a message arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// With as many octets as LIST said.
    AsListed,
    /// Whole, and alone, with another number of octets: the server counts otherwise.
    CountedOtherwise {
        /// What LIST said.
        listed: Octets,
        /// What came.
        octets: Octets,
    },
    /// Perhaps another message's text: what was handed on must be thrown away. The message comes again.
    OutOfStep,
    /// The server does not give it.
    Refused(Status),
    /// Its text was not to be handed on any further. No other message comes then.
    Unwanted,
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
        let (window, pace) = match self.pipelines() {
            true => (Window::new(WINDOW_OCTETS, WINDOW_COMMANDS), Pace::Ahead),
            false => (Window::one_at_a_time(), Pace::OneAtATime),
        };
        Retrieval {
            maildrop: self,
            wanted,
            done: 0,
            asked: 0,
            window,
            pace,
        }
    }
}

impl Retrieval<'_> {
    /// The next message. Its text is handed on in pieces, as it travels: with CRLF, and dot-stuffed
    /// ([`pop3::wire`]), without the terminator line. If `take` breaks off, nothing more is read.
    ///
    /// # Errors
    ///
    /// When the connection fails, the server falls silent, or sends what cannot be.
    pub async fn next(
        &mut self,
        mut take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Retrieved>, ClientError> {
        let Some(&(number, listed)) = self.wanted.get(self.done) else {
            return Ok(None);
        };
        self.ask_ahead()?;
        let arrival = self.text(number, listed, &mut take).await?;
        match arrival {
            Arrival::OutOfStep => self.fall_back().await?,
            Arrival::Unwanted => self.done = self.wanted.len(),
            _ => self.done += 1,
        }
        Ok(Some(Retrieved { number, arrival }))
    }

    /// Asks for as many messages as the window has room for.
    fn ask_ahead(&mut self) -> Result<(), ClientError> {
        let asked = self.done + self.window.outstanding();
        let rest = &self.wanted[asked..];
        let room = self.window.room(rest.iter().map(|(_, octets)| *octets));
        if room > 0 {
            self.asked = asked + room;
        }
        for &(number, octets) in &rest[..room] {
            self.maildrop.conversation.send(&Command::Retr(number))?;
            self.window.sent(number, octets);
        }
        Ok(())
    }

    /// Hands on one text, and asks for more while it comes.
    async fn text(
        &mut self,
        number: MessageNumber,
        listed: Octets,
        take: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Arrival, ClientError> {
        let mut deadline = Deadline::new(self.maildrop);
        let mut come = 0_u64;
        loop {
            match deadline.next(self.maildrop).await? {
                Event::TextBegins { .. } => {}
                Event::Text(octets) => {
                    come += octets.0;
                    if self.hand_on(number, come, listed, take)?.is_break() {
                        return Ok(Arrival::Unwanted);
                    }
                    self.window.received(octets);
                    deadline.extend(octets);
                    self.ask_ahead()?;
                }
                Event::TextEnds { octets, .. } => {
                    // Its last octets may have come with its end.
                    if self.hand_on(number, octets.0, listed, take)?.is_break() {
                        return Ok(Arrival::Unwanted);
                    }
                    return Ok(match (self.window.arrived(octets), self.pace) {
                        (Some(Arrived::AsListed), _) => Arrival::AsListed,
                        (_, Pace::Ahead) => Arrival::OutOfStep,
                        (_, Pace::OneAtATime) => Arrival::CountedOtherwise { listed, octets },
                    });
                }
                Event::Refused { status, .. } => {
                    self.window.refused();
                    return match ClientError::passes(&status) {
                        // Without it the others would come before it.
                        true => Err(ClientError::NotNow(status)),
                        false => Ok(Arrival::Refused(status)),
                    };
                }
                _ => return Err(pop3::client::Broken::OutOfStep.into()),
            }
        }
    }

    /// Hands on what has come of a text. What is longer than this message can be is thrown away while it may be
    /// another one that was asked for, too: it will be seen to be out of step when it ends.
    fn hand_on(
        &self,
        number: MessageNumber,
        come: u64,
        listed: Octets,
        take: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ClientError> {
        if come <= most(listed) {
            return Ok(take(&self.maildrop.conversation.text));
        }
        let asked = &self.wanted[self.done..self.asked];
        let largest = asked.iter().map(|(_, octets)| *octets).max();
        match largest.is_some_and(|largest| come <= most(largest)) {
            true => Ok(ControlFlow::Continue(())),
            false => Err(ClientError::Wrong(format!(
                "message {number} has {} octets by LIST, and does not end after {}",
                listed.0,
                most(largest.unwrap_or(listed))
            ))),
        }
    }

    /// From now on one at a time. What was asked for behind the message in doubt is read and thrown away.
    async fn fall_back(&mut self) -> Result<(), ClientError> {
        self.pace = Pace::OneAtATime;
        self.window.narrow();
        let behind = self.done + 1;
        for place in behind..behind + self.window.outstanding() {
            let (number, listed) = self.wanted[place];
            self.text(number, listed, &mut |_| ControlFlow::Continue(()))
                .await?;
        }
        Ok(())
    }
}

/// Most octets of a text of which LIST says so many.
fn most(listed: Octets) -> u64 {
    let most = listed.0.saturating_mul(2).saturating_add(EXCESS_OCTETS);
    most.min(TEXT_OCTETS_MAX.0)
}

/// When a text must be here. Each octet moves it, so that a long text may take its time, and one that
/// comes by drops may not.
struct Deadline {
    at: Instant,
    silence: Duration,
    octets_per_second_min: u64,
}

impl Deadline {
    fn new(maildrop: &Maildrop) -> Self {
        Self {
            at: Instant::now() + maildrop.patience.silence,
            silence: maildrop.patience.silence,
            octets_per_second_min: maildrop.patience.octets_per_second_min.max(1),
        }
    }

    fn extend(&mut self, octets: Octets) {
        let millis = octets.0.saturating_mul(1000) / self.octets_per_second_min;
        // So that it stays a time whatever comes.
        self.at += Duration::from_millis(millis).min(Duration::from_secs(86_400));
    }

    async fn next(&self, maildrop: &mut Maildrop) -> Result<Event, ClientError> {
        let too_slow = |_| ClientError::TooSlow { awaited: AWAITED };
        let next = timeout(self.silence, maildrop.conversation.next(AWAITED));
        timeout_at(self.at, next)
            .await
            .map_err(too_slow)?
            .map_err(too_slow)?
    }
}
