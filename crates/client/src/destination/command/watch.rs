//! What a command says until it ends, up to an instant.

use std::io::{self, ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// So much of what a command says is kept.
const SAID_OCTETS_MAX: usize = 4 << 10;

/// A running command, and our end of its standard error.
#[derive(Debug)]
pub(super) struct Watch {
    process: OwnedFd,
    errors: Option<ChildStderr>,
    said: Vec<u8>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Happened {
    Ended,
    Else,
}

impl Watch {
    pub(super) fn new(child: &mut Child) -> io::Result<Self> {
        let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let errors = child.stderr.take();
        if let Some(errors) = &errors {
            fcntl_setfl(errors, fcntl_getfl(errors)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            process,
            errors,
            said: Vec::new(),
        })
    }

    /// Waits for the command's end; false if the time is over first.
    pub(super) fn ended(&mut self, until: Instant) -> io::Result<bool> {
        loop {
            match self.wait(until)? {
                None => return Ok(false),
                Some(Happened::Ended) => {
                    // What it said last is in the pipe still; what others say who hold it open is not waited for.
                    self.listen();
                    return Ok(true);
                }
                Some(Happened::Else) => {}
            }
        }
    }

    /// Waits for anything, and takes what the command says; none when the time is over.
    fn wait(&mut self, until: Instant) -> io::Result<Option<Happened>> {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let limit = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut polled = vec![PollFd::new(&self.process, PollFlags::IN)];
        polled.extend(self.errors.iter().map(|it| PollFd::new(it, PollFlags::IN)));
        match poll(&mut polled, Some(&limit)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Some(Happened::Else)),
            Err(error) => return Err(error.into()),
        }
        let happened = |place: usize| polled.get(place).is_some_and(|it| !it.revents().is_empty());
        let (ended, says) = (happened(0), happened(1));
        if says {
            self.listen();
        }
        Ok(Some(match ended {
            true => Happened::Ended,
            false => Happened::Else,
        }))
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
