//! The client's side of a session: commands in, octets out; octets in, events out.
//!
//! Like the server's side it does no I/O. Commands may be sent before the replies to earlier ones
//! are read (RFC 2449 §6.6, PIPELINING), since each reply belongs to the oldest command that has
//! none.
//!
//! ```
//! use pop3::Command;
//! use pop3::client::{Event, Session};
//! use pop3::wire::Form;
//!
//! let mut session = Session::new(Form::Plain);
//! let (mut sent, mut text) = (Vec::new(), Vec::new());
//! session.send(&Command::Stat, &mut sent).unwrap();
//! assert_eq!(sent, b"STAT\r\n");
//!
//! let input = b"+OK POP3 server ready <1.2@mailgate.dobbs.org>\r\n+OK 2 320\r\n";
//! let first = session.read(input, &mut text).unwrap();
//! let Some(Event::Greeting(status)) = first.event else { panic!("it comes first") };
//! assert_eq!(status.timestamp(), Some("<1.2@mailgate.dobbs.org>"));
//! let second = session.read(&input[first.consumed..], &mut text).unwrap();
//! let Some(Event::Reply { status, .. }) = second.event else { panic!("STAT was sent") };
//! assert_eq!(status.stat().unwrap().0, 2);
//! ```

mod reply;

use std::collections::VecDeque;
use std::fmt;

use sasl::{Secret, base64};

use crate::wire::{Form, Frame, TextReader, frame};
use crate::{Command, Keyword, NotALine};

pub use reply::{Status, Verdict, scan_line, unique_id_line};

/// Longest line of a server in octets, line end included. RFC 2449 §4 asks for 512; a challenge
/// may be longer, and what is longer than this is no POP3 server.
pub const REPLY_OCTETS_MAX: usize = 65_536;

/// What comes after a status line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Follows {
    /// Nothing: the reply is complete.
    Nothing,
    /// [`Event::Line`]s up to [`Event::End`].
    Lines,
    /// [`Event::Text`]s up to [`Event::End`].
    Text,
}

/// What a server has said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// The first line of the connection.
    Greeting(Status),
    /// The status line of the reply to the oldest command that had none.
    Reply {
        /// That command.
        to: Keyword,
        /// The line.
        status: Status,
        /// Whether there is more.
        follows: Follows,
    },
    /// The server asks on, in an exchange; [`Session::respond`] or [`Session::cancel`].
    Challenge(Secret),
    /// A line of a multi-line reply, dot-stuffing and line end removed.
    Line(&'a [u8]),
    /// Octets of a message were appended.
    Text,
    /// The multi-line reply is complete; octets of a message may have been appended before.
    End,
}

/// What one call of [`Session::read`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Read<'a> {
    /// So many octets of the input are done with.
    pub consumed: usize,
    /// What they said; none if more input is needed.
    pub event: Option<Event<'a>>,
}

/// The server does not speak POP3 as we know it; the connection is of no more use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broken {
    /// A line that is neither `+OK` nor `-ERR` where one of them must be.
    NotAReply,
    /// A line of more than [`REPLY_OCTETS_MAX`] octets.
    LineTooLong,
    /// A reply to nothing.
    Unasked,
    /// A challenge that is not base 64.
    NotBase64,
    /// Octets that came in clear after the reply to STLS: somebody has put them there
    /// (RFC 2595 §4).
    BeforeTls,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAReply => "server said something that is no POP3 reply",
            Self::LineTooLong => "server sent a line that does not end",
            Self::Unasked => "server answered what was not asked",
            Self::NotBase64 => "server sent a challenge that is not base 64",
            Self::BeforeTls => "server sent octets in clear after the start of TLS",
        })
    }
}

impl std::error::Error for Broken {}

/// One session, from before the greeting to its end.
#[derive(Debug)]
pub struct Session {
    form: Form,
    reading: Reading,
    unanswered: VecDeque<Asked>,
}

/// A command that has no reply yet.
#[derive(Clone, Copy, Debug)]
struct Asked {
    keyword: Keyword,
    /// What comes after `+OK`.
    follows: Follows,
}

/// What the next octet belongs to.
#[derive(Debug)]
enum Reading {
    Greeting,
    Status,
    Lines,
    Text(TextReader),
}

impl Session {
    /// A session whose greeting has not come yet; messages will be handed on in this form.
    pub fn new(form: Form) -> Self {
        Self {
            form,
            reading: Reading::Greeting,
            unanswered: VecDeque::new(),
        }
    }

    /// Appends a command to what goes to the server.
    ///
    /// # Errors
    ///
    /// When no line can carry it.
    pub fn send(&mut self, command: &Command, out: &mut Vec<u8>) -> Result<(), NotALine> {
        out.extend_from_slice(command.to_line()?.expose());
        let follows = match command {
            Command::Capa | Command::AuthList | Command::List(None) | Command::Uidl(None) => {
                Follows::Lines
            }
            Command::Retr(_) | Command::Top(..) => Follows::Text,
            _ => Follows::Nothing,
        };
        self.unanswered.push_back(Asked {
            keyword: command.keyword(),
            follows,
        });
        Ok(())
    }

    /// Appends the answer to a challenge.
    pub fn respond(&self, response: &Secret, out: &mut Vec<u8>) {
        let text = Secret::new(base64::encode(response.expose()));
        out.extend_from_slice(text.expose());
        out.extend_from_slice(b"\r\n");
    }

    /// Gives an exchange up; the server will refuse the AUTH (RFC 5034 §4).
    pub fn cancel(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*\r\n");
    }

    /// Number of commands whose reply has not begun.
    pub fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Reads the next event off an input. What a message holds is appended to `text`.
    ///
    /// At most [`REPLY_OCTETS_MAX`] octets wait in the input without an event.
    ///
    /// # Errors
    ///
    /// When the server does not speak POP3.
    pub fn read<'a>(&mut self, input: &'a [u8], text: &mut Vec<u8>) -> Result<Read<'a>, Broken> {
        if let Reading::Text(reader) = &mut self.reading {
            if input.is_empty() {
                return Ok(Read {
                    consumed: 0,
                    event: None,
                });
            }
            let read = reader.read(input, text);
            let event = match read.ended {
                true => {
                    self.reading = Reading::Status;
                    Event::End
                }
                false => Event::Text,
            };
            return Ok(Read {
                consumed: read.consumed,
                event: Some(event),
            });
        }
        match frame(input, REPLY_OCTETS_MAX) {
            Frame::Unfinished => Ok(Read {
                consumed: 0,
                event: None,
            }),
            Frame::TooLong => Err(Broken::LineTooLong),
            Frame::Line { text, octets } => Ok(Read {
                consumed: octets,
                event: Some(self.line(text)?),
            }),
        }
    }

    fn line<'a>(&mut self, line: &'a [u8]) -> Result<Event<'a>, Broken> {
        match self.reading {
            Reading::Greeting => {
                let status = Status::parse(line).ok_or(Broken::NotAReply)?;
                self.reading = Reading::Status;
                Ok(Event::Greeting(status))
            }
            Reading::Lines => match line {
                b"." => {
                    self.reading = Reading::Status;
                    Ok(Event::End)
                }
                [b'.', unstuffed @ ..] => Ok(Event::Line(unstuffed)),
                _ => Ok(Event::Line(line)),
            },
            Reading::Status | Reading::Text(_) => self.reply(line),
        }
    }

    fn reply<'a>(&mut self, line: &[u8]) -> Result<Event<'a>, Broken> {
        let asked = *self.unanswered.front().ok_or(Broken::Unasked)?;
        if asked.keyword == Keyword::Auth && asked.follows == Follows::Nothing {
            // Some servers leave the space out of an empty challenge.
            let challenge = match line {
                b"+" => Some(&b""[..]),
                _ => line.strip_prefix(b"+ "),
            };
            if let Some(challenge) = challenge {
                let challenge = base64::decode(challenge).map_err(|_| Broken::NotBase64)?;
                return Ok(Event::Challenge(Secret::new(challenge)));
            }
        }
        let status = Status::parse(line).ok_or(Broken::NotAReply)?;
        self.unanswered.pop_front();
        let follows = match status.verdict {
            Verdict::Ok => asked.follows,
            Verdict::Refused => Follows::Nothing,
        };
        self.reading = match follows {
            Follows::Nothing => Reading::Status,
            Follows::Lines => Reading::Lines,
            Follows::Text => Reading::Text(TextReader::new(self.form)),
        };
        Ok(Event::Reply {
            to: asked.keyword,
            status,
            follows,
        })
    }

    /// TLS is about to start, after `+OK` to STLS; `left_over` is what the input still holds.
    ///
    /// # Errors
    ///
    /// When anything came after that reply, or was sent after the command: it was in clear, and
    /// must not be taken for what the server says inside TLS.
    pub fn start_tls(&mut self, left_over: &[u8]) -> Result<(), Broken> {
        match left_over.is_empty() && self.unanswered.is_empty() {
            true => Ok(()),
            false => Err(Broken::BeforeTls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageNumber;

    /// Everything that an input says, read in chunks of a size.
    fn events(session: &mut Session, input: &[u8], size: usize) -> Result<Vec<String>, Broken> {
        let (mut events, mut waiting, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for chunk in input.chunks(size) {
            waiting.extend_from_slice(chunk);
            loop {
                let Read { consumed, event } = session.read(&waiting, &mut text)?;
                let printed = match event {
                    None => break,
                    Some(Event::Greeting(status)) => format!("greeting {status}"),
                    Some(Event::Reply { to, status, .. }) => format!("{} {status}", to.name()),
                    Some(Event::Challenge(challenge)) => format!("{:?}", challenge.expose()),
                    Some(Event::Line(line)) => String::from_utf8_lossy(line).into_owned(),
                    Some(Event::Text) => String::new(),
                    Some(Event::End) => {
                        format!(
                            "end {:?}",
                            String::from_utf8(std::mem::take(&mut text)).unwrap()
                        )
                    }
                };
                if !printed.is_empty() {
                    events.push(printed);
                }
                waiting.drain(..consumed);
            }
        }
        assert!(waiting.is_empty());
        Ok(events)
    }

    fn asked(commands: &[Command]) -> Session {
        let mut session = Session::new(Form::Plain);
        for command in commands {
            session.send(command, &mut Vec::new()).unwrap();
        }
        session
    }

    #[test]
    fn replies_come_in_the_order_of_the_commands_however_they_are_split() {
        let first = MessageNumber::new(1).unwrap();
        let commands = [
            Command::User("bob".into()),
            Command::List(None),
            Command::List(Some(first)),
            Command::Retr(first),
            Command::Retr(first),
            Command::Capa,
            Command::Quit,
        ];
        let input = b"+OK ready\r\n+OK\r\n+OK 2 messages\r\n1 120\r\n2 200\r\n.\r\n+OK 1 120\r\n\
            +OK 7 octets\r\n..a\r\nb\r\n.\r\n-ERR message is deleted\r\n+OK\r\nTOP\r\n..x\r\n.\r\n\
            +OK bye\r\n";
        for size in [1, 2, 3, 7, input.len()] {
            let mut session = asked(&commands);
            let events = events(&mut session, input, size).unwrap();
            assert_eq!(
                events,
                [
                    "greeting +OK ready",
                    "USER +OK",
                    "LIST +OK 2 messages",
                    "1 120",
                    "2 200",
                    "end \"\"",
                    "LIST +OK 1 120",
                    "RETR +OK 7 octets",
                    "end \".a\\r\\nb\\r\\n\"",
                    "RETR -ERR message is deleted",
                    "CAPA +OK",
                    "TOP",
                    ".x",
                    "end \"\"",
                    "QUIT +OK bye",
                ]
            );
            assert_eq!(session.unanswered(), 0);
        }
    }

    #[test]
    fn an_exchange_goes_on_until_a_status_line() {
        let auth = Command::Auth {
            mechanism: "PLAIN".into(),
            initial_response: None,
        };
        let mut session = asked(&[auth]);
        let input = b"+OK ready\r\n+ \r\n+\r\n+ YQ==\r\n-ERR [AUTH] no\r\n";
        assert_eq!(
            events(&mut session, input, 1).unwrap(),
            [
                "greeting +OK ready",
                "[]",
                "[]",
                "[97]",
                "AUTH -ERR [AUTH] no"
            ]
        );
        let mut out = Vec::new();
        session.respond(&Secret::new("\0bob\0redqueen"), &mut out);
        session.cancel(&mut out);
        assert_eq!(out, b"AGJvYgByZWRxdWVlbg==\r\n*\r\n");
    }

    #[test]
    fn what_is_no_pop3_is_told() {
        for (input, broken) in [
            (&b"* OK IMAP4 ready\r\n"[..], Broken::NotAReply),
            (b"HTTP/1.1 400 Bad Request\r\n", Broken::NotAReply),
            (b"+OK\r\n+OK\r\n+OK\r\n", Broken::Unasked),
            (b"+OK\r\n+ERR\r\n", Broken::NotAReply),
            (b"+OK\r\n+ \r\n", Broken::NotAReply),
            (&[b'+'; REPLY_OCTETS_MAX], Broken::LineTooLong),
        ] {
            let mut session = asked(&[Command::Stat]);
            assert_eq!(events(&mut session, input, input.len()), Err(broken));
        }
    }

    #[test]
    fn nothing_sent_in_clear_counts_inside_tls() {
        let mut session = asked(&[Command::Stls]);
        let input = b"+OK ready\r\n+OK begin\r\n+OK injected\r\n";
        let mut read = 0;
        for _ in 0..2 {
            read += session
                .read(&input[read..], &mut Vec::new())
                .unwrap()
                .consumed;
        }
        assert_eq!(session.start_tls(&input[read..]), Err(Broken::BeforeTls));
        assert_eq!(session.start_tls(b""), Ok(()));
    }
}
