//! The session without I/O, and a socket: commands go out while replies come in.
//!
//! Reading never waits for writing: a server that is blocked because nobody reads what it says does not
//! read commands either, and both would wait for ever (RFC 2449 §6.6).

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pop3::Command;
use pop3::client::{Event, Session};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use zeroize::Zeroize as _;

use crate::error::ClientError;
use crate::stream::Stream;

/// Octets of input that are held. An event needs a line at most, of a quarter of this
/// ([`pop3::client::Settings::line_octets_max`]).
const INPUT_OCTETS: usize = 256 << 10;

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
}

impl Conversation {
    pub(crate) fn new(stream: Stream, session: Session) -> Self {
        Self {
            stream,
            session,
            input: vec![0; INPUT_OCTETS].into_boxed_slice(),
            from: 0,
            to: 0,
            output: Vec::new(),
            text: Vec::new(),
        }
    }

    /// What has been read and means nothing yet, and the parts: for the beginning of TLS.
    pub(crate) fn into_parts(self) -> (Stream, Session, Vec<u8>) {
        let left_over = self.input[self.from..self.to].to_vec();
        (self.stream, self.session, left_over)
    }

    /// Puts a command into the output; it goes out with the next wait.
    pub(crate) fn send(&mut self, command: &Command) -> Result<(), ClientError> {
        Ok(self.session.send(command, &mut self.output)?)
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

    /// The next thing that the server says. What it hands on of a text is in `text` then, and gone with
    /// the next call.
    pub(crate) async fn next(&mut self, awaited: &'static str) -> Result<Event, ClientError> {
        self.text.clear();
        loop {
            let input = &self.input[self.from..self.to];
            let read = self.session.read(input, &mut self.text)?;
            self.from += read.consumed;
            if let Some(event) = read.event {
                return Ok(event);
            }
            self.turn(awaited).await?;
        }
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
