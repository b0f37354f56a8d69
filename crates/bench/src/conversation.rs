//! One blocking conversation with the server: the session without I/O, and a socket.
//!
//! What a client usually forgives is an error here: a line that ends with LF alone, a message that
//! goes on after the octets that LIST said, a connection that ends where something is due.

use std::io::{self, Read as _, Write as _};

use pop3::client::{Dialogue, Said, Settings, Status};
use pop3::wire::Form;
use pop3::{Command, Octets};

use crate::error::BenchError;
use crate::target::{Seat, Stream};
use crate::verify::Inspector;

/// Octets of the first read, and of the longest one. A session that only polls pays for no large
/// buffer, and large messages do not pay for small reads.
const READ_OCTETS_MIN: usize = 4 << 10;
const READ_OCTETS_MAX: usize = 256 << 10;

pub(crate) struct Conversation {
    stream: Stream,
    dialogue: Dialogue,
    input: Vec<u8>,
    /// Where in `input` lies what was read and is not done with.
    from: usize,
    to: usize,
    output: Vec<u8>,
    text: Vec<u8>,
}

impl Conversation {
    /// Connects and reads the greeting.
    pub(crate) fn open(seat: &Seat<'_>) -> Result<Self, BenchError> {
        let settings = Settings {
            form: Form::Stuffed,
            ..Settings::default()
        };
        let mut conversation = Self {
            stream: seat.connect()?,
            dialogue: Dialogue::new(settings),
            input: vec![0; READ_OCTETS_MIN],
            from: 0,
            to: 0,
            output: Vec::new(),
            text: Vec::new(),
        };
        loop {
            match conversation.hear(|said| match said {
                Said::Greeting(status) => Some(status.is_ok()),
                _ => None,
            })? {
                Some(Some(true)) => return Ok(conversation),
                Some(_) => return Err(BenchError::wrong("no +OK for a greeting")),
                None => conversation.fill("a greeting")?,
            }
        }
    }

    /// Connects and logs in.
    pub(crate) fn log_in(seat: &Seat<'_>) -> Result<Self, BenchError> {
        let mut conversation = Self::open(seat)?;
        conversation.ask(&Command::User(seat.user().to_owned()))?;
        conversation.ask(&Command::Pass(seat.password().clone()))?;
        Ok(conversation)
    }

    /// Whether TLS was resumed from an earlier session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.stream.is_resumed()
    }

    /// Protocol and cipher suite of TLS.
    pub(crate) fn cipher(&self) -> Option<String> {
        self.stream.cipher()
    }

    /// Sends a command and waits for the `+OK` of its reply.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Status, BenchError> {
        self.queue(command)?;
        self.flush()?;
        self.status()
    }

    /// Asks for the number of messages and the sum of their octets.
    pub(crate) fn stat(&mut self) -> Result<(u64, Octets), BenchError> {
        let status = self.ask(&Command::Stat)?;
        status
            .stat()
            .ok_or_else(|| BenchError::wrong(format!("STAT was answered {status}")))
    }

    /// Whether the server says that commands may be sent ahead (RFC 2449 §6.6).
    pub(crate) fn pipelines(&mut self) -> Result<bool, BenchError> {
        match self.ask(&Command::Capa) {
            Ok(_) => {}
            // Older than CAPA.
            Err(BenchError::Refused { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let mut says = false;
        self.lines(|line| {
            says |= line.eq_ignore_ascii_case(b"PIPELINING");
            Ok(())
        })?;
        Ok(says)
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
                Some(None) => return Err(BenchError::wrong("no status line where one is due")),
                None => self.fill("a status line")?,
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
                _ => Err(BenchError::wrong("no line of a listing where one is due")),
            })? {
                Some(ended) => {
                    if ended? {
                        return Ok(());
                    }
                }
                None => self.fill("the terminator of a listing")?,
            }
        }
    }

    /// Reads a message's text to its end, shows the inspector every octet of it as it travels, and
    /// counts them as LIST does. More than `octets_max` are read by nobody.
    pub(crate) fn text(
        &mut self,
        inspector: &mut Inspector,
        octets_max: Option<Octets>,
    ) -> Result<Octets, BenchError> {
        let mut octets = 0;
        loop {
            let (consumed, said) = self
                .dialogue
                .read(&self.input[self.from..self.to], &mut self.text)?;
            let (heard, ended) = match said {
                None => (false, None),
                Some(Said::Text(more)) => {
                    octets += more.0;
                    (true, None)
                }
                Some(Said::End(all)) => {
                    octets = all.0;
                    (true, Some(all))
                }
                Some(_) => {
                    return Err(BenchError::wrong("no text of a message where it is due"));
                }
            };
            self.from += consumed;
            let seen = inspector.see(&self.text);
            self.text.clear();
            seen.map_err(BenchError::Wrong)?;
            if let Some(max) = octets_max.filter(|max| octets > max.0) {
                return Err(BenchError::wrong(format!(
                    "it goes on after the {max} octets that LIST says"
                )));
            }
            match ended {
                Some(octets) => return Ok(octets),
                None if !heard || self.from == self.to => {
                    self.fill("the terminator of a message")?;
                }
                None => {}
            }
        }
    }

    /// Hands what is said next to a function, if the input holds it. Whatever it is, it is a line.
    fn hear<R>(&mut self, hear: impl FnOnce(Said<'_>) -> R) -> Result<Option<R>, BenchError> {
        let input = &self.input[self.from..self.to];
        let (consumed, said) = self.dialogue.read(input, &mut self.text)?;
        if said.is_some() && !input[..consumed].ends_with(b"\r\n") {
            let line = input[..consumed].escape_ascii();
            return Err(BenchError::wrong(format!(
                "a line that does not end with CRLF: {line}"
            )));
        }
        let heard = said.map(hear);
        self.from += consumed;
        Ok(heard)
    }

    /// Reads more input, since something is due that is not there yet.
    fn fill(&mut self, due: &str) -> Result<(), BenchError> {
        if self.from > 0 {
            self.input.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
        }
        if self.to == self.input.len() && self.input.len() < READ_OCTETS_MAX {
            self.input.resize(self.input.len() * 2, 0);
        }
        match self.stream.read(&mut self.input[self.to..]) {
            Ok(0) => Err(BenchError::wrong(format!(
                "the connection ended where {due} was due"
            ))),
            Ok(octets) => {
                self.to += octets;
                // A full buffer: more is on its way.
                if self.to == self.input.len() && self.input.len() < READ_OCTETS_MAX {
                    self.input.resize(self.input.len() * 2, 0);
                }
                Ok(())
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Err(BenchError::wrong(format!("silence where {due} was due")))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
                ) =>
            {
                Err(BenchError::wrong(format!(
                    "the connection was cut where {due} was due"
                )))
            }
            Err(error) => Err(error.into()),
        }
    }
}
