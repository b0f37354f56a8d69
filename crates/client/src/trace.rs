//! What is said, for somebody who wants to see it: each command and each status line, without secrets.
//!
//! Passwords, tokens, digests and every answer of an exchange are `…`; so are a server's challenges, which
//! hold a salt or worse. Of a message, a listing and the capabilities only their length is shown.

use std::fmt;
use std::sync::Arc;

use pop3::client::{Event, Read, printable};

/// Who says it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Heard {
    /// We.
    Client,
    /// The server.
    Server,
}

/// Where it goes. A clone goes to the same place.
#[derive(Clone)]
pub struct Trace(Arc<Take>);

type Take = dyn Fn(Heard, &str) + Send + Sync;

/// Octets of a line that are shown.
const LINE_OCTETS_MAX: usize = 1000;

/// Octets that are shown of what is no POP3.
const GARBAGE_OCTETS_MAX: usize = 80;

impl Trace {
    /// Hands each line, without its end, to this function. What is not printable in it is U+FFFD.
    pub fn new(take: impl Fn(Heard, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// What goes out.
    pub(crate) fn sent(&self, line: &[u8], kind: Line) {
        let line = line.trim_ascii_end();
        let shown = match kind {
            Line::Command => redacted(line),
            Line::Answer if matches!(line, b"" | b"*") => show(line),
            Line::Answer => "…".to_owned(),
        };
        (self.0)(Heard::Client, &shown);
    }

    fn heard(&self, shown: &str) {
        (self.0)(Heard::Server, shown);
    }

    /// What is not understood, and begins with this.
    pub(crate) fn garbage(&self, input: &[u8]) {
        let line = input.split(|&octet| octet == b'\n').next();
        let line = line.unwrap_or_default().trim_ascii_end();
        self.heard(&printable(&line[..line.len().min(GARBAGE_OCTETS_MAX)]));
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}

/// What kind of line goes out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Line {
    Command,
    /// The answer to a challenge.
    Answer,
}

/// A command without what must not be seen.
fn redacted(line: &[u8]) -> String {
    let shown = show(line);
    let (keyword, rest) = shown.split_once(' ').unwrap_or((&shown, ""));
    match keyword {
        "PASS" => "PASS …".to_owned(),
        "APOP" => match rest.rsplit_once(' ') {
            Some((user, _)) => format!("APOP {user} …"),
            None => "APOP …".to_owned(),
        },
        "AUTH" => match rest.split_once(' ') {
            Some((mechanism, _)) => format!("AUTH {mechanism} …"),
            None => shown,
        },
        _ => shown,
    }
}

fn show(line: &[u8]) -> String {
    printable(&line[..line.len().min(LINE_OCTETS_MAX)])
}

/// Hears what a server says, and counts what is not shown.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) trace: Trace,
    octets: u64,
}

impl Listener {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { trace, octets: 0 }
    }

    /// These octets meant that.
    pub(crate) fn hear(&mut self, octets: &[u8], read: &Read) {
        let is_whole = read.answered.is_some();
        match &read.event {
            None | Some(Event::Text(_)) => self.octets += octets.len() as u64,
            // Lines of a listing; alone they are a status line.
            Some(Event::Size { .. } | Event::UniqueId { .. } | Event::Unreadable { .. })
                if !is_whole =>
            {
                self.octets += octets.len() as u64;
            }
            Some(
                Event::TextEnds { .. }
                | Event::ListingEnds { .. }
                | Event::Capabilities(_)
                | Event::Mechanisms(_),
            ) => {
                self.octets += octets.len() as u64;
                self.trace.heard(&format!("({} octets)", self.octets));
                self.octets = 0;
            }
            Some(Event::Challenge(_)) => self.trace.heard("+ …"),
            Some(_) => self.trace.heard(&show(octets.trim_ascii_end())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for (line, shown) in [
            (&b"USER mrose"[..], "USER mrose"),
            (b"PASS red queen", "PASS …"),
            (b"PASS", "PASS …"),
            (
                b"APOP m rose c4c9334bac560ecc979e58001b3e22fb",
                "APOP m rose …",
            ),
            (b"APOP c4c9334bac560ecc979e58001b3e22fb", "APOP …"),
            (b"AUTH PLAIN AG1yb3NlAHJlZA==", "AUTH PLAIN …"),
            (b"AUTH XOAUTH2", "AUTH XOAUTH2"),
            (b"RETR 1", "RETR 1"),
            (b"USER \x1b[2J", "USER \u{fffd}[2J"),
        ] {
            assert_eq!(redacted(line), shown);
        }
    }
}
