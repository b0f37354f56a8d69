//! A text into a command, and what the command says, up to an instant: neither waits for the other.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, ChildStdin};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::destination::{Form, Text};

/// So much of what a command says is kept.
const SAID_OCTETS_MAX: usize = 4 << 10;

/// A running command's ends of ours.
#[derive(Debug)]
pub(super) struct Feed {
    process: OwnedFd,
    input: Option<ChildStdin>,
    errors: Option<ChildStderr>,
    said: Vec<u8>,
}

/// What became of a text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fed {
    All,
    /// The command has closed its input, or ended; it may have read what it needs.
    NotAll,
    TooSlow,
}

/// Why a text was not written to its end.
enum Unwritten {
    Spool(io::Error),
    Stopped(Fed),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Spool(error)
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    input: bool,
    ended: bool,
}

impl Feed {
    pub(super) fn new(child: &mut Child) -> io::Result<Self> {
        let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let (input, errors) = (child.stdin.take(), child.stderr.take());
        if let Some(input) = &input {
            fcntl_setfl(input, fcntl_getfl(input)? | OFlags::NONBLOCK)?;
        }
        if let Some(errors) = &errors {
            fcntl_setfl(errors, fcntl_getfl(errors)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            process,
            input,
            errors,
            said: Vec::new(),
        })
    }

    /// Writes the text, and closes the command's input.
    pub(super) fn give(&mut self, text: &mut Text, until: Instant) -> io::Result<Fed> {
        let written = text.pieces(Form::Local, |piece| self.write(piece, until));
        self.input = None;
        match written {
            Ok(()) => Ok(Fed::All),
            Err(Unwritten::Stopped(fed)) => Ok(fed),
            Err(Unwritten::Spool(error)) => Err(error),
        }
    }

    fn write(&mut self, mut piece: &[u8], until: Instant) -> Result<(), Unwritten> {
        while !piece.is_empty() {
            let Some(input) = &mut self.input else {
                return Err(Unwritten::Stopped(Fed::NotAll));
            };
            match input.write(piece) {
                Ok(octets) => piece = &piece[octets..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.wait(until)? {
                    None => return Err(Unwritten::Stopped(Fed::TooSlow)),
                    // What it has started may hold its input open, and read nothing.
                    Some(ready) if ready.ended && !ready.input => {
                        return Err(Unwritten::Stopped(Fed::NotAll));
                    }
                    Some(_) => {}
                },
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Err(Unwritten::Stopped(Fed::NotAll));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for the command's end; false if the time is over first.
    pub(super) fn ended(&mut self, until: Instant) -> io::Result<bool> {
        loop {
            match self.wait(until)? {
                None => return Ok(false),
                Some(ready) if ready.ended => {
                    // What it said last is in the pipe still; what others say who hold it open is not waited for.
                    self.listen();
                    return Ok(true);
                }
                Some(_) => {}
            }
        }
    }

    /// Waits for anything, and takes what the command says; none when the time is over.
    fn wait(&mut self, until: Instant) -> io::Result<Option<Ready>> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let limit = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut polled = vec![PollFd::new(&self.process, PollFlags::IN)];
        polled.extend(self.input.iter().map(|it| PollFd::new(it, PollFlags::OUT)));
        polled.extend(self.errors.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        match poll(&mut polled, Some(&limit)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Some(Ready::default())),
            Err(error) => return Err(error.into()),
        }
        let happened = |place: usize| polled.get(place).is_some_and(|it| !it.revents().is_empty());
        let ready = Ready {
            ended: happened(0),
            input: self.input.is_some() && happened(1),
        };
        if self.errors.is_some() && happened(polled.len() - 1) {
            self.listen();
        }
        Ok(Some(ready))
    }

    /// Takes what the command has said, and keeps the beginning.
    fn listen(&mut self) {
        let Some(errors) = &mut self.errors else {
            return;
        };
        let mut piece = [0; 4096];
        // A command that never stops talking must not keep us from looking at the clock.
        for _ in 0..16 {
            match errors.read(&mut piece) {
                Ok(0) => {
                    self.errors = None;
                    return;
                }
                Ok(octets) => {
                    let room = SAID_OCTETS_MAX.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&piece[..octets.min(room)]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.errors = None;
                    return;
                }
            }
        }
    }

    /// The beginning of what the command has said.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}
