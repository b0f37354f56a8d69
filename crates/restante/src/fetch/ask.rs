//! Questions to whoever sits at the terminal; where nobody does, nothing is asked.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use crate::failure::{Code, Failure};
use crate::output::{self, tell};

/// Longest answer that is read; the address of a login by OAuth is pasted as one.
const ANSWER_OCTETS_MAX: u64 = 32 * 1024;

/// Whether somebody can be asked.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a yes; anything else is a no.
///
/// # Errors
///
/// When the answer cannot be read.
pub(super) fn yes(question: &str) -> Result<bool, Failure> {
    tell(format_args!("{question} [y/N] "));
    let answer = line().map_err(|error| {
        let what = format!("the answer cannot be read: {}", output::plain(&error));
        Failure::new(Code::InputOutput, what)
    })?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// The next line that is typed, or pasted.
///
/// # Errors
///
/// When it cannot be read.
pub(super) fn line() -> io::Result<String> {
    let mut line = String::new();
    let stdin = io::stdin().lock();
    stdin.take(ANSWER_OCTETS_MAX).read_line(&mut line)?;
    Ok(line)
}
