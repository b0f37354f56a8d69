//! The session without I/O, and a socket: commands go out while replies come in.
//!
//! Reading never waits for writing: a server that is blocked because nobody reads what it says does not
//! read commands either, and both would wait for ever (RFC 2449 §6.6).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pop3::client::{CannotSend, Capabilities, Event, Session};
use pop3::{Command, Keyword};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use zeroize::Zeroize as _;

use crate::error::ClientError;
use crate::stream::Stream;
use crate::trace::{Line, Listener, Trace};

/// Octets of input that are held. An event needs a line at most, of a quarter of this
/// ([`pop3::client::Settings::line_octets_max`]).
const INPUT_OCTETS: usize = 256 << 10;

/// What has become of UTF8 (RFC 6856 §2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Utf8 {
    Unsaid,
    /// It has not been answered.
    Due,
    Accepted,
    Refused,
}

/// A connection, its session and its buffers.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) stream: Stream,
    pub(crate) session: Session,
    input: Box<[u8]>,
    /// Where in `input` lies what was read and is not done with.
    from: usize,
    to: usize,
    /// What is to be written.
    pub(crate) output: Vec<u8>,
    /// What the last event has handed on of a text.
    pub(crate) text: Vec<u8>,
    /// How often CAPA was asked by the way and has not been answered.
    capa_due: usize,
    /// Its answers; none: it was refused.
    pub(crate) told: Vec<Option<Capabilities>>,
    pub(crate) utf8: Utf8,
    /// What was sent before anybody wanted to send it.
    unclaimed: VecDeque<Command>,
    /// What was, and nobody wants to know.
    unwanted: VecDeque<Keyword>,
    /// Who wants to see it.
    listener: Option<Listener>,
}

impl Conversation {
    pub(crate) fn new(stream: Stream, session: Session, trace: Option<Trace>) -> Self {
        Self {
            stream,
            session,
            input: vec![0; INPUT_OCTETS].into_boxed_slice(),
            from: 0,
            to: 0,
            output: Vec::new(),
            text: Vec::new(),
            capa_due: 0,
            told: Vec::new(),
            utf8: Utf8::Unsaid,
            unclaimed: VecDeque::new(),
            unwanted: VecDeque::new(),
            listener: trace.map(Listener::new),
        }
    }

    /// What has been read and means nothing yet, and the parts: for the beginning of TLS.
    pub(crate) fn into_parts(self) -> (Stream, Session, Vec<u8>) {
        let left_over = self.input[self.from..self.to].to_vec();
        (self.stream, self.session, left_over)
    }

    /// Puts a command into the output; it goes out with the next wait. What was sent ahead is not sent again.
    pub(crate) fn send(&mut self, command: &Command) -> Result<(), ClientError> {
        if self.unclaimed.front() == Some(command) {
            self.unclaimed.pop_front();
            return Ok(());
        }
        self.put(Line::Command, |session, output| {
            session.send(command, output)
        })
    }

    /// Sends a command that will be wanted: whoever sends it first after this finds its reply, and if
    /// something else is sent first, nobody does.
    pub(crate) fn send_ahead(&mut self, command: Command) -> Result<(), ClientError> {
        self.write(Line::Command, |session, output| {
            session.send(&command, output)
        })?;
        self.unclaimed.push_back(command);
        Ok(())
    }

    /// Lets a line be put into the output by the session or for it.
    pub(crate) fn put<T>(
        &mut self,
        kind: Line,
        line: impl FnOnce(&mut Session, &mut Vec<u8>) -> Result<T, CannotSend>,
    ) -> Result<T, ClientError> {
        let unwanted = self.unclaimed.drain(..);
        self.unwanted.extend(unwanted.map(|it| it.keyword()));
        self.write(kind, line)
    }

    fn write<T>(
        &mut self,
        kind: Line,
        line: impl FnOnce(&mut Session, &mut Vec<u8>) -> Result<T, CannotSend>,
    ) -> Result<T, ClientError> {
        let before = self.output.len();
        let outcome = line(&mut self.session, &mut self.output)?;
        if let Some(listener) = &self.listener {
            listener.trace.sent(&self.output[before..], kind);
        }
        Ok(outcome)
    }

    /// Sends a command, and waits for the first event of its reply.
    pub(crate) async fn ask(
        &mut self,
        command: &Command,
        awaited: &'static str,
    ) -> Result<Event, ClientError> {
        self.send(command)?;
        self.next(awaited).await
    }

    /// Asks for the capabilities by the way: the answer is found in `told` when it has come, and nobody
    /// needs to wait for it.
    pub(crate) fn ask_for_capabilities(&mut self) -> Result<(), ClientError> {
        self.send(&Command::Capa)?;
        self.capa_due += 1;
        Ok(())
    }

    /// Says UTF8 by the way. A server that refuses it goes on as if it had not been said.
    pub(crate) fn say_utf8(&mut self) -> Result<(), ClientError> {
        self.send(&Command::Utf8)?;
        self.utf8 = Utf8::Due;
        Ok(())
    }

    /// Waits for what was asked by the way, and for nothing else.
    pub(crate) async fn settle(&mut self) -> Result<(), ClientError> {
        loop {
            let awaited = match (self.capa_due, self.utf8) {
                (0, Utf8::Due) => "the reply to UTF8",
                (0, _) => return Ok(()),
                _ => "the reply to CAPA",
            };
            let event = self.event(awaited).await?;
            if self.by_the_way(event).is_some() {
                return Err(pop3::client::Broken::OutOfStep.into());
            }
        }
    }

    /// The next thing that the server says. What it hands on of a text is in `text` then, and gone with
    /// the next call.
    pub(crate) async fn next(&mut self, awaited: &'static str) -> Result<Event, ClientError> {
        loop {
            let event = self.event(awaited).await?;
            if let Some(event) = self.by_the_way(event) {
                return Ok(event);
            }
        }
    }

    /// Keeps what was asked by the way; hands on what was not.
    fn by_the_way(&mut self, event: Event) -> Option<Event> {
        match &event {
            Event::Accepted {
                to: Keyword::Utf8, ..
            } => {
                self.utf8 = Utf8::Accepted;
                return None;
            }
            Event::Refused {
                to: Keyword::Utf8, ..
            } => {
                self.utf8 = Utf8::Refused;
                return None;
            }
            _ if self.capa_due == 0 => return Some(event),
            _ => {}
        }
        let answer = match event {
            Event::Accepted {
                to: Keyword::Capa, ..
            } => return None,
            Event::Refused {
                to: Keyword::Capa, ..
            } => None,
            Event::Capabilities(capabilities) => Some(capabilities),
            other => return Some(other),
        };
        self.capa_due -= 1;
        self.told.push(answer);
        None
    }

    async fn event(&mut self, awaited: &'static str) -> Result<Event, ClientError> {
        self.text.clear();
        loop {
            let input = &self.input[self.from..self.to];
            let read = match (self.session.read(input, &mut self.text), &self.listener) {
                (Err(broken), Some(listener)) => {
                    listener.trace.garbage(input);
                    return Err(broken.into());
                }
                (read, _) => read?,
            };
            if let Some(listener) = &mut self.listener {
                listener.hear(&input[..read.consumed], &read);
            }
            self.from += read.consumed;
            match read.event {
                Some(event) if self.wants(&event, read.answered) => return Ok(event),
                Some(_) => {}
                None => self.turn(awaited).await?,
            }
        }
    }

    /// Whether anybody does.
    fn wants(&mut self, event: &Event, answered: Option<Keyword>) -> bool {
        let Some(&unwanted) = self.unwanted.front() else {
            return true;
        };
        let of = match event {
            Event::Totals { .. } => Keyword::Stat,
            Event::Size { .. } => Keyword::List,
            Event::UniqueId { .. } => Keyword::Uidl,
            Event::Accepted { to, .. }
            | Event::Refused { to, .. }
            | Event::Unreadable { to, .. }
            | Event::ListingEnds { to } => *to,
            _ => return true,
        };
        if of == unwanted && answered.is_some() {
            self.unwanted.pop_front();
        }
        of != unwanted
    }

    /// Writes what can be written until something has been read.
    async fn turn(&mut self, awaited: &'static str) -> Result<(), ClientError> {
        self.input.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        let read = poll_fn(|cx| self.poll_turn(cx)).await;
        match read {
            Ok(0) => Err(lost(awaited, io::ErrorKind::UnexpectedEof.into())),
            Ok(octets) => {
                self.to += octets;
                Ok(())
            }
            Err(error) => Err(lost(awaited, error)),
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.output.is_empty() {
            match stream.as_mut().poll_write(cx, &self.output)? {
                // A socket that takes nothing will take nothing later.
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(octets) => {
                    // It may have been a password.
                    self.output[..octets].zeroize();
                    self.output.drain(..octets);
                }
                Poll::Pending => break,
            }
        }
        // TLS holds octets back; that they cannot go now is no reason not to read.
        if let Poll::Ready(Err(error)) = stream.as_mut().poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        let mut room = ReadBuf::new(&mut self.input[self.to..]);
        match stream.poll_read(cx, &mut room) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(room.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn lost(awaited: &'static str, source: io::Error) -> ClientError {
    ClientError::Lost { awaited, source }
}
