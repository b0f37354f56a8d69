//! One blocking conversation with the server: the session without I/O, and a socket.

use std::io::{Read as _, Write as _};

use pop3::client::{Dialogue, Said, Settings, Status};
use pop3::wire::Form;
use pop3::{Command, Octets};

use crate::BenchError;
use crate::target::{Stream, Target};

/// Octets of one read.
const READ_OCTETS: usize = 64 << 10;

pub(crate) struct Conversation {
    stream: Stream,
    dialogue: Dialogue,
    input: Vec<u8>,
    /// Octets at the front of the input that are done with.
    done: usize,
    output: Vec<u8>,
    text: Vec<u8>,
}

impl Conversation {
    /// Connects and reads the greeting.
    pub(crate) fn open(target: &Target) -> Result<Self, BenchError> {
        let settings = Settings {
            form: Form::Plain,
            ..Settings::default()
        };
        let mut conversation = Self {
            stream: target.connect()?,
            dialogue: Dialogue::new(settings),
            input: Vec::with_capacity(READ_OCTETS),
            done: 0,
            output: Vec::new(),
            text: Vec::new(),
        };
        loop {
            match conversation.hear(|said| match said {
                Said::Greeting(status) => Some(status.is_ok()),
                _ => None,
            })? {
                Some(Some(true)) => return Ok(conversation),
                Some(_) => return Err(BenchError::Wrong("no +OK for a greeting".to_owned())),
                None => conversation.fill()?,
            }
        }
    }

    /// Connects and logs in.
    pub(crate) fn log_in(target: &Target, user: &str) -> Result<Self, BenchError> {
        let mut conversation = Self::open(target)?;
        conversation.ask(&Command::User(user.to_owned()))?;
        conversation.ask(&Command::Pass(target.password.clone()))?;
        Ok(conversation)
    }

    /// Sends a command and waits for the `+OK` of its reply.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Status, BenchError> {
        self.queue(command)?;
        self.flush()?;
        self.status()
    }

    /// Puts a command into the output.
    pub(crate) fn queue(&mut self, command: &Command) -> Result<(), BenchError> {
        Ok(self.dialogue.send(command, &mut self.output)?)
    }

    /// Sends what is in the output.
    pub(crate) fn flush(&mut self) -> Result<(), BenchError> {
        self.stream.write_all(&self.output)?;
        self.stream.flush()?;
        self.output.clear();
        Ok(())
    }

    /// Waits for the next status line, which must be `+OK`.
    pub(crate) fn status(&mut self) -> Result<Status, BenchError> {
        loop {
            match self.hear(|said| match said {
                Said::Reply { to, status, .. } => Some((to.keyword.name(), status)),
                _ => None,
            })? {
                Some(Some((_, status))) if status.is_ok() => return Ok(status),
                Some(Some((command, status))) => {
                    return Err(BenchError::Refused {
                        command,
                        status: status.to_string(),
                    });
                }
                Some(None) => {
                    return Err(BenchError::Wrong(
                        "no status line where one is due".to_owned(),
                    ));
                }
                None => self.fill()?,
            }
        }
    }

    /// Reads the lines of a multi-line reply to its end.
    pub(crate) fn lines(
        &mut self,
        mut line: impl FnMut(&[u8]) -> Result<(), BenchError>,
    ) -> Result<(), BenchError> {
        loop {
            match self.hear(|said| match said {
                Said::Line(text) => line(text).map(|()| false),
                Said::End(_) => Ok(true),
                _ => Err(BenchError::Wrong(
                    "no line of a listing where one is due".to_owned(),
                )),
            })? {
                Some(ended) => {
                    if ended? {
                        return Ok(());
                    }
                }
                None => self.fill()?,
            }
        }
    }

    /// Reads a message's text to its end and counts its octets.
    pub(crate) fn text(&mut self) -> Result<Octets, BenchError> {
        let mut octets = 0;
        loop {
            let ended = self.hear(|said| match said {
                Said::Text(_) => Ok(false),
                Said::End(_) => Ok(true),
                _ => Err(BenchError::Wrong(
                    "no text of a message where it is due".to_owned(),
                )),
            })?;
            octets += self.text.len() as u64;
            self.text.clear();
            match ended {
                Some(ended) => {
                    if ended? {
                        return Ok(Octets(octets));
                    }
                }
                None => self.fill()?,
            }
        }
    }

    /// Hands what is said next to a function, if the input holds it.
    fn hear<R>(&mut self, hear: impl FnOnce(Said<'_>) -> R) -> Result<Option<R>, BenchError> {
        let (consumed, said) = self
            .dialogue
            .read(&self.input[self.done..], &mut self.text)?;
        let heard = said.map(hear);
        self.done += consumed;
        Ok(heard)
    }

    /// Reads more input.
    fn fill(&mut self) -> Result<(), BenchError> {
        self.input.drain(..self.done);
        self.done = 0;
        let kept = self.input.len();
        self.input.resize(kept + READ_OCTETS, 0);
        let read = self.stream.read(&mut self.input[kept..]);
        self.input
            .truncate(kept + read.as_ref().map_or(0, |octets| *octets));
        match read? {
            0 => Err(BenchError::Connection(
                std::io::ErrorKind::UnexpectedEof.into(),
            )),
            _ => Ok(()),
        }
    }
}
