//! Replies matched to commands, without a look at what they mean.
//!
//! Each reply belongs to the oldest command that has none (RFC 2449 §6.6, PIPELINING).
//! [`Session`](super::Session) is what a client wants; this is for programs that show or measure
//! what really travels.
//!
//! ```
//! use pop3::Command;
//! use pop3::client::{Dialogue, Said, Settings};
//!
//! let mut dialogue = Dialogue::new(Settings::default());
//! let (mut sent, mut text) = (Vec::new(), Vec::new());
//! dialogue.send(&Command::Stat, &mut sent).unwrap();
//! assert_eq!(sent, b"STAT\r\n");
//!
//! let input = b"+OK POP3 server ready <1.2@mailgate.dobbs.org>\r\n+OK 2 320\r\n";
//! let (consumed, said) = dialogue.read(input, &mut text).unwrap();
//! assert!(matches!(said, Some(Said::Greeting(status)) if status.is_ok()));
//! let (_, said) = dialogue.read(&input[consumed..], &mut text).unwrap();
//! let Some(Said::Reply { status, .. }) = said else { panic!("STAT was sent") };
//! assert_eq!(status.stat().unwrap().0, 2);
//! ```

use std::collections::VecDeque;

use sasl::{Secret, base64};

use super::error::Broken;
use super::settings::Settings;
use super::status::{Status, Verdict};
use super::text::Reader;
use crate::wire::{Frame, frame};
use crate::{Command, Keyword, MessageNumber, NotALine, Octets};

/// What comes after a status line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Follows {
    /// Nothing: the reply is complete.
    Nothing,
    /// [`Said::Line`]s up to [`Said::End`].
    Lines,
    /// [`Said::Text`]s up to [`Said::End`].
    Text,
}

/// A command, as far as its reply needs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Its first word.
    pub keyword: Keyword,
    /// The message it is about.
    pub number: Option<MessageNumber>,
    /// What comes after `+OK`.
    pub follows: Follows,
}

/// What a server has said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said<'a> {
    /// The first line of the connection.
    Greeting(Status),
    /// The status line of the reply to the oldest command that had none.
    Reply {
        /// That command.
        to: Asked,
        /// The line.
        status: Status,
        /// Whether there is more.
        follows: Follows,
    },
    /// The server asks on, in an exchange; [`Dialogue::respond`] or [`Dialogue::cancel`].
    Challenge(Challenge),
    /// A line of a multi-line reply, dot-stuffing and line end removed.
    Line(&'a [u8]),
    /// So many octets of a message were appended, not counting stuffing.
    Text(Octets),
    /// The multi-line reply is complete. So many octets had the text in all, the last of which may
    /// just have been appended; lines have none.
    End(Octets),
}

/// What a server asks in an exchange (RFC 5034 §4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Challenge {
    /// The octets, base 64 removed; often there are none.
    Octets(Secret),
    /// It is not base 64; there is nothing to say to it but [`Dialogue::cancel`].
    NotBase64,
}

/// One connection, from before the greeting to its end.
#[derive(Debug)]
pub struct Dialogue {
    settings: Settings,
    reading: Reading,
    unanswered: VecDeque<Asked>,
}

/// What the next octet belongs to.
#[derive(Debug)]
enum Reading {
    Greeting,
    Status,
    Lines(Asked),
    Text(Asked, Reader, u64),
}

impl Dialogue {
    /// A connection whose greeting has not come yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            reading: Reading::Greeting,
            unanswered: VecDeque::new(),
        }
    }

    /// A connection inside TLS that STLS has begun: there is no second greeting.
    pub(super) fn greeted(settings: Settings) -> Self {
        Self {
            settings,
            reading: Reading::Status,
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
            Command::Capa
            | Command::AuthList
            | Command::Lang(None)
            | Command::List(None)
            | Command::Uidl(None) => Follows::Lines,
            Command::Retr(_) | Command::Top(..) => Follows::Text,
            _ => Follows::Nothing,
        };
        let number = match command {
            Command::Retr(number)
            | Command::Top(number, _)
            | Command::Dele(number)
            | Command::List(Some(number))
            | Command::Uidl(Some(number)) => Some(*number),
            _ => None,
        };
        self.unanswered.push_back(Asked {
            keyword: command.keyword(),
            number,
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

    /// The commands whose reply has not begun, oldest first.
    pub fn unanswered(&self) -> impl DoubleEndedIterator<Item = Asked> + ExactSizeIterator {
        self.unanswered.iter().copied()
    }

    /// The command whose multi-line reply has begun and not ended.
    pub fn in_reply_to(&self) -> Option<Asked> {
        match self.reading {
            Reading::Lines(asked) | Reading::Text(asked, ..) => Some(asked),
            Reading::Greeting | Reading::Status => None,
        }
    }

    /// Reads the next thing off an input; returns how much of the input is done with, and what it
    /// said, if a whole thing was there. What a message holds is appended to `text`.
    ///
    /// At most [`Settings::line_octets_max`] octets wait in the input without anything said.
    ///
    /// # Errors
    ///
    /// When the server does not speak POP3.
    pub fn read<'a>(
        &mut self,
        input: &'a [u8],
        text: &mut Vec<u8>,
    ) -> Result<(usize, Option<Said<'a>>), Broken> {
        if input.is_empty() {
            return Ok((0, None));
        }
        if let Reading::Text(_, reader, octets) = &mut self.reading {
            let read = reader.read(input, text);
            *octets += read.octets as u64;
            let said = match read.ended {
                true => {
                    let octets = Octets(*octets);
                    self.reading = Reading::Status;
                    Said::End(octets)
                }
                false => Said::Text(Octets(read.octets as u64)),
            };
            return Ok((read.consumed, Some(said)));
        }
        match frame(input, self.settings.line_octets_max) {
            Frame::Unfinished => Ok((0, None)),
            Frame::TooLong => Err(Broken::LineTooLong),
            Frame::Line { text, octets } => Ok((octets, Some(self.line(text)?))),
        }
    }

    fn line<'a>(&mut self, line: &'a [u8]) -> Result<Said<'a>, Broken> {
        match self.reading {
            Reading::Greeting => {
                let status = Status::parse(line).ok_or(Broken::NotAReply)?;
                self.reading = Reading::Status;
                Ok(Said::Greeting(status))
            }
            Reading::Lines(_) => match line {
                b"." => {
                    self.reading = Reading::Status;
                    Ok(Said::End(Octets(0)))
                }
                [b'.', unstuffed @ ..] => Ok(Said::Line(unstuffed)),
                _ => Ok(Said::Line(line)),
            },
            Reading::Status | Reading::Text(..) => self.reply(line),
        }
    }

    fn reply<'a>(&mut self, line: &[u8]) -> Result<Said<'a>, Broken> {
        let Some(&asked) = self.unanswered.front() else {
            return Err(unasked(line));
        };
        // "+ERR" and "+OK" are read first: no challenge that is base 64 looks like them.
        let Some(status) = Status::parse(line) else {
            return match line {
                // Some servers leave the space out.
                [b'+', challenge @ ..] if asked.is_exchange() => {
                    Ok(Said::Challenge(Challenge::read(challenge)))
                }
                _ => Err(Broken::NotAReply),
            };
        };
        self.unanswered.pop_front();
        let follows = match status.verdict {
            Verdict::Ok => asked.follows,
            Verdict::Refused => Follows::Nothing,
        };
        self.reading = match follows {
            Follows::Nothing => Reading::Status,
            Follows::Lines => Reading::Lines(asked),
            Follows::Text => {
                let reader = Reader::new(self.settings.form, self.settings.line_ends);
                Reading::Text(asked, reader, 0)
            }
        };
        Ok(Said::Reply {
            to: asked,
            status,
            follows,
        })
    }
}

impl Asked {
    /// Whether it is an AUTH that begins an exchange, and none that lists mechanisms.
    pub(super) fn is_exchange(self) -> bool {
        self.keyword == Keyword::Auth && self.follows == Follows::Nothing
    }
}

impl Challenge {
    fn read(text: &[u8]) -> Self {
        match base64::decode(text.trim_ascii()) {
            Ok(octets) => Self::Octets(Secret::new(octets)),
            Err(_) => Self::NotBase64,
        }
    }
}

/// A line that answers nothing. Servers that end a session by themselves often say so.
fn unasked(line: &[u8]) -> Broken {
    match Status::parse(line) {
        Some(status) if status.verdict == Verdict::Refused => Broken::Ended(status),
        Some(_) => Broken::Unasked,
        None => Broken::NotAReply,
    }
}

#[cfg(test)]
mod tests;
