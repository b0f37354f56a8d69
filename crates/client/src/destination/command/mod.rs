//! A command of the owner's that takes messages: one at a time on its standard input, no shell in between.
//!
//! Its standard input is a file without a name, and all of the message is in it before the command starts. The end of a pipe would be
//! there as well when this program is killed while it writes, and the command would take what it has read for a whole message.
//!
//! It gets `RESTANTE_ACCOUNT` (user@host), `RESTANTE_KEY` (what tells the message from every other one of the account) and
//! `RESTANTE_NAME` (40 hexadecimal digits that are the same whenever this message comes again) in its environment. What it writes to its standard output is
//! dropped; the beginning of what it writes to its standard error is told if it fails. What its exit status means is said at
//! [`sysexits`].

pub mod sysexits;
mod watch;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process_group};

use super::told::told;
use super::{Destination, Ended, Exactness, Form, Message, NotDelivered, Text, word};
use crate::account::Headers;
use watch::Watch;

/// How long a command may take for one message.
pub const TIME_LIMIT: Duration = Duration::from_secs(600);

/// How long it has to end by itself when it is told to.
const GRACE: Duration = Duration::from_secs(2);

/// A command as a destination.
#[derive(Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    name: String,
    limit: Duration,
}

impl Command {
    /// A program, by its path or as `PATH` finds it, and its arguments.
    ///
    /// # Errors
    ///
    /// When there is no program.
    pub fn new(words: &[String], limit: Duration) -> Result<Self, NotDelivered> {
        let no_program = || NotDelivered::Unusable("the command has no program".to_owned());
        let (program, arguments) = words.split_first().ok_or_else(no_program)?;
        if program.is_empty() || words.iter().any(|it| it.contains('\0')) {
            return Err(no_program());
        }
        Ok(Self {
            program: program.into(),
            arguments: arguments.iter().map(OsString::from).collect(),
            name: word("command", &words.join(" ")),
            limit,
        })
    }

    fn told(&self) -> std::path::Display<'_> {
        Path::new(&self.program).display()
    }

    /// Where the program is.
    fn found(&self) -> Option<PathBuf> {
        let given = Path::new(&self.program);
        let runs = |path: &PathBuf| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        if given.components().count() > 1 || given.is_absolute() {
            return Some(given.to_owned()).filter(runs);
        }
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path)
            .map(|directory| directory.join(given))
            .find(runs)
    }

    fn start(&self, message: &Message, text: File) -> io::Result<Child> {
        Process::new(&self.program)
            .args(&self.arguments)
            .env("RESTANTE_ACCOUNT", &message.account)
            .env("RESTANTE_KEY", message.key.to_string())
            .env("RESTANTE_NAME", &message.name)
            .stdin(text)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // So that it can be ended with all that it has started.
            .process_group(0)
            .spawn()
    }

    /// Ends what takes too long, and all that it has started.
    fn stop(child: &mut Child, watch: &mut Watch) -> io::Result<()> {
        let group = Pid::from_child(child);
        // The child is not waited for yet, so its number is nobody else's.
        let _ = kill_process_group(group, Signal::TERM);
        if !watch.ended(Instant::now() + GRACE)? {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.wait().map(drop)
    }
}

impl Destination for Command {
    fn name(&self) -> &str {
        &self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::OneInDoubt
    }

    fn headers(&self) -> Headers {
        Headers::Utf8
    }

    fn open(&mut self, _ended: Ended) -> Result<(), NotDelivered> {
        match self.found() {
            Some(_) => Ok(()),
            None => Err(NotDelivered::Unusable(format!(
                "{} is no program that can be run",
                self.told()
            ))),
        }
    }

    fn deliver(&mut self, message: &Message, text: &mut Text) -> Result<(), NotDelivered> {
        let file = text
            .file(Form::Local)
            .map_err(|error| NotDelivered::io("no room for the text of a message", &error))?;
        let mut child = self
            .start(message, file)
            .map_err(|error| NotDelivered::io(format!("{} cannot be run", self.told()), &error))?;
        let until = Instant::now() + self.limit;
        let mut watch = Watch::new(&mut child).map_err(|error| {
            let _ = child.kill();
            let _ = child.wait();
            NotDelivered::io("the command cannot be watched", &error)
        })?;
        let status = watch.ended(until).and_then(|ended| match ended {
            true => child.wait().map(Some),
            false => Ok(None),
        });
        match status {
            Ok(Some(status)) => {
                let said = told(&watch.said());
                sysexits::verdict(&self.told().to_string(), status, &said)
            }
            Ok(None) => {
                // Whether it could be stopped or not, it is not waited for any longer.
                let _ = Self::stop(&mut child, &mut watch);
                let said = told(&watch.said());
                let limit = self.limit.as_secs();
                let why = format!(
                    "{} has not ended in {limit} s, and was stopped",
                    self.told()
                );
                Err(NotDelivered::NotNow(sysexits::with(why, &said)))
            }
            Err(error) => {
                let _ = Self::stop(&mut child, &mut watch);
                Err(NotDelivered::io(
                    format!("{} cannot be waited for", self.told()),
                    &error,
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests;
