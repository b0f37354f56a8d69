//! Which messages are in an mbox, by what they hold.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};

use sha2::{Digest as _, Sha256};

use super::quote::Quoter;
use crate::destination::{Form, Text};

/// A line of a header in which a program takes notes.
const NOTES: [&[u8]; 8] = [
    b"status:",
    b"x-status:",
    b"x-keywords:",
    b"x-uid:",
    b"x-imap:",
    b"x-imapbase:",
    b"content-length:",
    b"lines:",
];

/// How often each message is there.
#[derive(Debug, Default)]
pub(super) struct Present(HashMap<[u8; 32], u32>);

/// Sees a message line by line, without its postmark and without the empty line behind it.
#[derive(Default)]
struct Eye {
    hash: Sha256,
    is_body: bool,
    /// Empty lines that belong to the message if another line comes.
    empty: usize,
    skips: bool,
}

impl Eye {
    fn line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if line.is_empty() {
            self.is_body = true;
            self.empty += 1;
            return;
        }
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if !self.is_body {
            let noted = |name: &[u8]| {
                let start = line.get(..name.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(name))
            };
            self.skips = match is_folded {
                true => self.skips,
                false => NOTES.iter().any(|name| noted(name)),
            };
            if self.skips {
                return;
            }
        }
        for _ in 0..std::mem::take(&mut self.empty) {
            self.hash.update(b"\n");
        }
        self.hash.update(line);
        self.hash.update(b"\n");
    }

    /// What the message holds; a fresh one begins.
    fn blink(&mut self) -> [u8; 32] {
        std::mem::take(self).hash.finalize().into()
    }
}

impl Present {
    /// Looks through an mbox.
    pub(super) fn of(file: &mut File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let mut present = Self::default();
        let mut lines = BufReader::with_capacity(256 << 10, file);
        let (mut line, mut eye) = (Vec::new(), Eye::default());
        let (mut is_inside, mut was_empty) = (false, true);
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if was_empty && line.starts_with(b"From ") {
                if std::mem::replace(&mut is_inside, true) {
                    *present.0.entry(eye.blink()).or_default() += 1;
                }
                eye = Eye::default();
                was_empty = false;
                continue;
            }
            was_empty = line == b"\n";
            eye.line(&line);
        }
        if is_inside {
            *present.0.entry(eye.blink()).or_default() += 1;
        }
        Ok(present)
    }

    /// Whether this message is there; it is not there once more then.
    pub(super) fn take(&mut self, text: &mut Text) -> io::Result<bool> {
        if self.0.is_empty() {
            return Ok(false);
        }
        let (mut quoter, mut eye, mut line) = (Quoter::default(), Eye::default(), Vec::new());
        let mut see = |octets: &[u8]| {
            for part in octets.split_inclusive(|&octet| octet == b'\n') {
                line.extend_from_slice(part);
                if part.ends_with(b"\n") {
                    eye.line(&line);
                    line.clear();
                }
            }
            Ok(())
        };
        text.pieces(Form::Local, |piece| quoter.take(piece, &mut see))?;
        quoter.end(&mut see)?;
        let Some(number) = self.0.get_mut(&eye.blink()) else {
            return Ok(false);
        };
        let is_there = *number > 0;
        *number = number.saturating_sub(1);
        Ok(is_there)
    }
}
