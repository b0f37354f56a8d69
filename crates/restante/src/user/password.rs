//! Where passwords come from: the terminal, standard input or a file; never the command line,
//! where everybody on the machine can read it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};

use nix::sys::signal::{self, SigSet, Signal};
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use sasl::Secret;
use zeroize::Zeroizing;

use crate::args::PasswordSource;
use crate::failure::{Code, Failure};
use crate::output::{self, note};

/// Longest password in octets: what fits a PASS line of 512 octets.
const OCTETS_MAX: usize = 504;

/// The password that standard input or a file gives, if one of them shall.
///
/// # Errors
///
/// When there is none, when it can never be sent, or when its source cannot be read.
pub(crate) fn given(source: &PasswordSource) -> Result<Option<Secret>, Failure> {
    let octets = if let Some(file) = &source.password_file {
        let open = File::open(file).map_err(|error| {
            Failure::new(Code::NoInput, output::unreadable(file, &error))
                .remedy("name a file whose first line is the password")
        })?;
        first_line(open)?
    } else if source.stdin {
        first_line(io::stdin().lock())?
    } else {
        return Ok(None);
    };
    usable(octets).map(Some)
}

/// The password that was given; if none was, the terminal is asked, twice.
///
/// # Errors
///
/// When there is no terminal, when the two differ, or when what was typed is no password.
pub(super) fn or_asked_for(given: Option<Secret>, account: &str) -> Result<Secret, Failure> {
    match given {
        Some(secret) => Ok(secret),
        None => prompt(account),
    }
}

/// A password that is there already, and that the terminal is asked for once.
///
/// # Errors
///
/// When there is no terminal, or when what was typed is no password.
pub(crate) fn asked_for_once(whose: &str) -> Result<Secret, Failure> {
    usable(terminal()?.ask(&format!("Password of {whose}: "))?)
}

fn first_line(source: impl Read) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // All of it at once: a growing buffer would leave copies of its beginning behind.
    let mut line = Zeroizing::new(Vec::with_capacity(OCTETS_MAX + 3));
    BufReader::new(source.take(OCTETS_MAX as u64 + 3))
        .read_until(b'\n', &mut line)
        .map_err(|error| {
            Failure::new(
                Code::InputOutput,
                format!("the password cannot be read: {}", output::plain(&error)),
            )
        })?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

fn prompt(account: &str) -> Result<Secret, Failure> {
    let terminal = terminal()?;
    // Before it is typed a second time in vain.
    let once = usable(terminal.ask(&format!("Password for {account}: "))?)?;
    let again = terminal.ask("Once more: ")?;
    if once.expose() != again.as_slice() {
        return Err(
            Failure::new(Code::Data, "the two passwords differ; nothing was changed")
                .remedy("try again"),
        );
    }
    Ok(once)
}

fn terminal() -> Result<Quiet, Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::new(Code::Usage, "there is no terminal to ask for the password")
                .remedy("give it by --stdin or --password-file FILE"),
        );
    }
    Quiet::new().map_err(|error| unasked(&error))
}

fn unasked(error: &io::Error) -> Failure {
    let what = format!("the password cannot be asked for: {}", output::plain(error));
    Failure::new(Code::InputOutput, what).remedy("give it by --stdin or --password-file FILE")
}

/// A terminal that shows nothing of what is typed, from before anything is asked until the end.
/// `rpassword` asks first and then turns the echo off: who types in between would be seen.
struct Quiet(Termios);

impl Quiet {
    fn new() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        restore_when_ended(&before)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self(before))
    }

    fn ask(&self, prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        rpassword::prompt_password(prompt)
            .map(|text| Zeroizing::new(text.into_bytes()))
            .map_err(|error| match error.kind() {
                io::ErrorKind::Interrupted => self.given_up(),
                _ => unasked(&error),
            })
    }

    /// Control-C, which `rpassword` reads as a letter: it does what it does everywhere.
    fn given_up(&self) -> Failure {
        restore(&self.0);
        end_by(Signal::SIGINT);
        Failure::new(Code::Usage, "nothing was changed")
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        restore(&self.0);
    }
}

fn restore(before: &Termios) {
    // The terminal may be gone; then nobody types any more.
    let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, before);
}

/// Sees to it that a signal which ends the program gives the terminal back first: a shell would go on
/// without showing what is typed. A thread takes those signals from here on, and then lets each do what
/// it does.
fn restore_when_ended(before: &Termios) -> io::Result<()> {
    // Not SIGHUP, which is ignored under nohup: there it would end nothing, and show the password.
    let ending = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT]);
    ending.thread_block()?;
    let before = before.clone();
    let wait = move || {
        if let Ok(signal) = ending.wait() {
            restore(&before);
            note!("");
            end_by(signal);
        }
    };
    std::thread::Builder::new().spawn(wait).map(|_| ())
}

/// Ends the program as a signal does that nobody catches; comes back only if it is ignored.
fn end_by(signal: Signal) {
    let _ = SigSet::from_iter([signal]).thread_unblock();
    let _ = signal::raise(signal);
}

fn usable(octets: Zeroizing<Vec<u8>>) -> Result<Secret, Failure> {
    let wrong = |what: &str, remedy: &str| Err(Failure::new(Code::Data, what).remedy(remedy));
    match octets.len() {
        0 => wrong("the password is empty", "give one of at least one letter"),
        1..=OCTETS_MAX => match octets.iter().any(|octet| *octet < b' ' || *octet == 0x7f) {
            true => wrong(
                "the password has a control character in it",
                "no mail program could send it; choose another",
            ),
            false => Ok(Secret::new(octets.to_vec())),
        },
        _ => wrong(
            "the password is longer than 504 octets",
            "no mail program could send it; choose a shorter one",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        for (input, password) in [
            (&b"secret"[..], &b"secret"[..]),
            (b"secret\nmore", b"secret"),
            (b"secret\r\n", b"secret"),
            (b" two words \n", b" two words "),
        ] {
            let secret = first_line(input).and_then(usable).unwrap();
            assert_eq!(secret.expose(), password);
        }
        for wrong in [&b""[..], b"\n", b"a\x00b\n", b"a\rb\n", &[b'x'; 600]] {
            let failure = first_line(wrong).and_then(usable).unwrap_err();
            assert_eq!(failure.code(), Code::Data);
        }
    }
}
