//! Standard output and standard error, without a panic when nobody reads them any more.
//!
//! `println!` panics when the pipe is closed (`restante user list | head -1`). Here a closed pipe
//! ends the command quietly, and a full disk below a redirected output is told.

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use crate::failure::{Code, Failure};

/// Writes to standard output.
///
/// # Errors
///
/// A quiet failure when the reader is gone, a told one when writing fails for another reason.
pub(crate) fn write(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_fmt(text)
        .and_then(|()| stdout.flush())
        .map_err(|error| unwritten(&error))
}

/// Standard output could not be written: a quiet failure when the reader is gone.
pub(crate) fn unwritten(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(Code::InputOutput),
        _ => Failure::new(
            Code::InputOutput,
            format!("standard output cannot be written: {}", plain(error)),
        ),
    }
}

/// Writes a note to standard error; when nobody reads it, nothing is lost.
pub(crate) fn tell(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Prints a line on standard output; the value is a `Result` to be passed on with `?`.
macro_rules! say {
    () => { $crate::output::write(format_args!("\n")) };
    ($format:literal $($rest:tt)*) => {
        $crate::output::write(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}

/// Prints a line on standard error.
macro_rules! note {
    ($format:literal $($rest:tt)*) => {
        $crate::output::tell(format_args!("{}\n", format_args!($format $($rest)*)))
    };
}

pub(crate) use {note, say};

/// An I/O error as people say it: `permission denied`, not `Permission denied (os error 13)`.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = without_numbers(&error.to_string());
    let mut letters = text.chars();
    match letters.next() {
        // An abbreviation at the front stays as it is.
        Some(first) if !letters.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text,
    }
}

/// A file that cannot be read, and why.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {}", path.display(), plain(error))
}

/// A text without the error numbers that the standard library puts behind the system's words.
pub(crate) fn without_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

/// A number of octets for people: `320 octets`, `1.5 MiB`.
pub(crate) fn octets(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if octets < 1024 {
        return count(octets, "octet", "octets");
    }
    let mut value = octets as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value.fract() >= 0.05 && value < 100.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A count with its noun: `1 message`, `2 messages`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_sizes_are_said_as_people_say_them() {
        let missing = io::Error::from_raw_os_error(2);
        assert_eq!(plain(&missing), "no such file or directory");
        assert_eq!(octets(1), "1 octet");
        assert_eq!(octets(320), "320 octets");
        assert_eq!(octets(1024), "1 KiB");
        assert_eq!(octets(52_428_800), "50 MiB");
        assert_eq!(octets(1_610_612_736), "1.5 GiB");
        assert_eq!(count(1, "message", "messages"), "1 message");
        assert_eq!(count(0, "message", "messages"), "0 messages");
    }
}
