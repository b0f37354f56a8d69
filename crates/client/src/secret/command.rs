//! A command that writes a secret, such as `pass show mail/work`.
//!
//! It is started without a shell, reads nothing from us, and is given a minute. It stays in our process group, so that
//! what asks for a passphrase at the terminal may do so.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sasl::Secret;
use zeroize::Zeroizing;

use super::words::{self, NotACommand};
use super::{SECRET_OCTETS_MAX, SecretError, first_line};

/// Time for a person to type a passphrase.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// As much of its standard error as a person reads; what follows is read and forgotten.
const TOLD_OCTETS_MAX: usize = 2048;

const PIECE_OCTETS: usize = 4096;

/// Between two looks whether it has ended, where no pipe tells.
const LOOK: Duration = Duration::from_millis(20);

/// A program and its arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command(Vec<String>);

impl Command {
    /// A command of these words; the first is the program.
    ///
    /// # Errors
    ///
    /// When there is no first word.
    pub fn new(words: Vec<String>) -> Result<Self, NotACommand> {
        match words.first().is_none_or(String::is_empty) {
            true => Err(NotACommand::Empty),
            false => Ok(Self(words)),
        }
    }

    /// The first word: all that messages show, for others may be nobody's business.
    pub fn program(&self) -> &str {
        &self.0[0]
    }

    /// Runs it; the first line that it writes is the secret.
    ///
    /// # Errors
    ///
    /// When it cannot be started, fails, takes longer than a minute, or writes no line or too much.
    pub fn run(&self) -> Result<Secret, SecretError> {
        self.run_within(ANSWER_TIMEOUT)
    }

    pub(super) fn run_within(&self, limit: Duration) -> Result<Secret, SecretError> {
        let not_run = |source| SecretError::NotRun {
            program: self.program().to_owned(),
            source,
        };
        let mut child = std::process::Command::new(self.program())
            .args(&self.0[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_run)?;
        let mut answer = Answer::of(&mut child);
        let status = self.attend(&mut child, &mut answer, limit);
        if status.is_err() {
            // It is not waited for any longer, whatever it does; nor do zombies stay.
            let _ = child.kill();
            let _ = child.wait();
        }
        let status = status?;
        if !status.success() {
            return Err(SecretError::Failed {
                program: self.program().to_owned(),
                how: status.to_string(),
                told: shown(&answer.told),
            });
        }
        let secret = first_line(&answer.said);
        match secret.expose().is_empty() {
            true => Err(SecretError::Empty(format!("what {} wrote", self.program()))),
            false => Ok(secret),
        }
    }

    /// Reads what it writes until it has ended.
    fn attend(
        &self,
        child: &mut Child,
        answer: &mut Answer,
        limit: Duration,
    ) -> Result<ExitStatus, SecretError> {
        let failed = |source| SecretError::NotRun {
            program: self.program().to_owned(),
            source,
        };
        let deadline = Instant::now() + limit;
        loop {
            // In this order: what it wrote before its end is in the pipes by then. That nothing holds
            // them open any more is not waited for, since it may have left a servant behind.
            let ended = child.try_wait().map_err(failed)?;
            let came = answer.read(ended.is_none()).map_err(failed)?;
            if answer.said.len() > SECRET_OCTETS_MAX {
                return Err(SecretError::TooLong(format!(
                    "what {} wrote",
                    self.program()
                )));
            }
            match ended {
                Some(status) if !came => return Ok(status),
                _ if Instant::now() > deadline => {
                    return Err(SecretError::TooSlow(self.program().to_owned()));
                }
                _ => {}
            }
        }
    }
}

impl FromStr for Command {
    type Err = NotACommand;

    /// Splits a text as a shell splits it, without a shell.
    fn from_str(text: &str) -> Result<Self, NotACommand> {
        Self::new(words::split(text)?)
    }
}

/// What a command writes.
struct Answer {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    said: Zeroizing<Vec<u8>>,
    told: Vec<u8>,
}

impl Answer {
    fn of(child: &mut Child) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            // Never grown, for a buffer that moves leaves the secret behind.
            said: Zeroizing::new(Vec::with_capacity(SECRET_OCTETS_MAX + PIECE_OCTETS)),
            told: Vec::new(),
        }
    }

    /// Takes what is there, after a short wait if `patient`; whether there was anything.
    fn read(&mut self, patient: bool) -> io::Result<bool> {
        let wait = match patient {
            true => LOOK,
            false => Duration::ZERO,
        };
        if self.stdout.is_none() && self.stderr.is_none() {
            sleep(wait);
            return Ok(false);
        }
        let (says, tells) = ready(self.stdout.as_ref(), self.stderr.as_ref(), wait)?;
        let mut piece = Zeroizing::new([0; PIECE_OCTETS]);
        let mut came = false;
        if says {
            let count = take(&mut self.stdout, &mut piece[..])?;
            self.said.extend_from_slice(&piece[..count]);
            came |= count > 0;
        }
        if tells {
            let count = take(&mut self.stderr, &mut piece[..])?;
            let room = TOLD_OCTETS_MAX - self.told.len();
            self.told.extend_from_slice(&piece[..count.min(room)]);
            came |= count > 0;
        }
        Ok(came)
    }
}

/// Which of two pipes can be read, or have ended.
fn ready(
    stdout: Option<&ChildStdout>,
    stderr: Option<&ChildStderr>,
    wait: Duration,
) -> io::Result<(bool, bool)> {
    let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
    let stdout = stdout.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
    let stderr = stderr.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN));
    let says = usize::from(stdout.is_some());
    let mut pipes: Vec<PollFd<'_>> = stdout.into_iter().chain(stderr).collect();
    match poll(&mut pipes, Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let moved = |pipe: Option<&PollFd<'_>>| pipe.is_some_and(|it| !it.revents().is_empty());
    Ok((says == 1 && moved(pipes.first()), moved(pipes.get(says))))
}

/// Reads once; a pipe that has ended is closed.
fn take<P: Read>(pipe: &mut Option<P>, piece: &mut [u8]) -> io::Result<usize> {
    let Some(open) = pipe else {
        return Ok(0);
    };
    let count = open.read(piece)?;
    if count == 0 {
        *pipe = None;
    }
    Ok(count)
}

/// What a command told, on one line and without what would move a terminal's cursor.
fn shown(told: &[u8]) -> String {
    let text = String::from_utf8_lossy(told);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join("; ");
    line.chars().filter(|it| !it.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command::new(["sh", "-c", script].map(str::to_owned).to_vec()).unwrap()
    }

    #[test]
    fn the_first_line_is_the_secret() {
        for (script, secret) in [
            ("echo redqueen", "redqueen"),
            ("printf redqueen", "redqueen"),
            ("printf 'redqueen\\r\\nuser: mrose\\n'", "redqueen"),
            ("echo ' red queen '; echo noise >&2", " red queen "),
            // A servant that it leaves behind holds the pipes open.
            ("sleep 90 & echo redqueen", "redqueen"),
            ("exec 2>&-; echo redqueen", "redqueen"),
            ("echo redqueen; exec >&- 2>&-; sleep 0.1", "redqueen"),
            (
                "head -c 60000 /dev/zero | tr '\\0' x; echo",
                &"x".repeat(60_000),
            ),
            // It reads nothing from us.
            ("cat; echo redqueen", "redqueen"),
        ] {
            let found = shell(script).run().unwrap();
            assert_eq!(found.expose(), secret.as_bytes(), "{script}");
        }
    }

    #[test]
    fn what_fails_says_why() {
        for (script, why) in [
            (
                "echo no such entry >&2; printf '\\033[2J' >&2; echo x; exit 3",
                "sh failed (exit status: 3): no such entry; [2J",
            ),
            ("exit 1", "sh failed (exit status: 1)"),
            ("kill -9 $$", "sh failed (signal: 9 (SIGKILL))"),
            ("true", "what sh wrote is empty"),
            ("echo; echo redqueen", "what sh wrote is empty"),
            ("cat /dev/zero", "what sh wrote is longer than 65536 octets"),
        ] {
            assert_eq!(shell(script).run().unwrap_err().to_string(), why);
        }
        let told = shell("head -c 9999999 /dev/zero | tr '\\0' x >&2; exit 1");
        let told = told.run().unwrap_err().to_string();
        assert_eq!(
            told.len(),
            "sh failed (exit status: 1): ".len() + TOLD_OCTETS_MAX
        );
        let none = "/nowhere/pass show mail".parse::<Command>().unwrap();
        let why = none.run().unwrap_err().to_string();
        assert!(why.starts_with("/nowhere/pass cannot be run: "), "{why}");
        assert_eq!("''".parse::<Command>(), Err(NotACommand::Empty));
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!(
            "echo $$ > {}; echo redqueen; exec sleep 600",
            file.display()
        );
        let late = shell(&script)
            .run_within(Duration::from_millis(500))
            .unwrap_err();
        assert_eq!(late.to_string(), "sh takes too long");
        assert!(late.may_pass());
        let pid = std::fs::read_to_string(file).unwrap();
        let process = std::path::Path::new("/proc").join(pid.trim());
        assert!(!process.exists(), "it goes on");
    }
}
