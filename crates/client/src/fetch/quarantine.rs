//! Messages that a destination will not have: kept as they are, beside the reason.
//!
//! A copy is for whoever looks into it; the message itself stays on the server. So a directory that is full, or cannot be written, costs
//! the copy and never the message, and that there is none is told.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::destination::{Form, Message, Text};

/// So many octets such messages have at most, unless somebody says otherwise: a server may send what nobody takes for ever.
pub const QUARANTINE_OCTETS: u64 = 256 << 20;

/// There are at most so many of them, however small.
pub(super) const MESSAGES_MAX: usize = 1000;

/// A directory for such messages; it is made when there is one.
#[derive(Debug)]
pub(super) struct Quarantine {
    directory: PathBuf,
    octets_max: u64,
    /// What is there; none: nobody has looked yet.
    used: Option<Used>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    octets: u64,
    messages: usize,
}

impl Quarantine {
    pub(super) fn new(directory: &Path, octets_max: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            octets_max,
            used: None,
        }
    }

    /// Keeps a message, as NAME.eml, and why, as NAME.txt.
    ///
    /// # Errors
    ///
    /// Why there is no copy, in words.
    pub(super) fn keep(
        &mut self,
        message: &Message,
        why: &str,
        text: &mut Text,
    ) -> Result<(), String> {
        self.put(message, why, message.octets.0, |file| {
            let mut file = File::create(file)?;
            text.pieces(Form::Local, |piece| file.write_all(piece))?;
            file.sync_all()
        })
    }

    /// Keeps why alone, of a message that has not come.
    ///
    /// # Errors
    ///
    /// Why it is not kept, in words.
    pub(super) fn explain(&mut self, message: &Message, why: &str) -> Result<(), String> {
        self.put(message, why, 0, |_| Ok(()))
    }

    /// Makes the files of a message of so many octets, if there is room.
    fn put(
        &mut self,
        message: &Message,
        why: &str,
        octets: u64,
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), String> {
        let here = self.directory.display().to_string();
        let unwritten =
            |error: &io::Error| format!("no copy of it is kept: {here} cannot be written: {error}");
        let used = match self.used {
            Some(used) => used,
            None => used(&self.directory).map_err(|error| unwritten(&error))?,
        };
        let [text, reason] =
            ["eml", "txt"].map(|kind| self.directory.join(format!("{}.{kind}", message.name)));
        // One that was refused before is kept once.
        let before = [&text, &reason].map(|file| fs::metadata(file).map_or(0, |found| found.len()));
        let because = format!("{} {}\n{why}\n", message.account, message.key);
        let there = used.octets.saturating_sub(before.iter().sum());
        let now = Used {
            octets: (there.saturating_add(octets)).saturating_add(because.len() as u64),
            messages: used.messages + usize::from(before[1] == 0),
        };
        if now.messages > MESSAGES_MAX || now.octets > self.octets_max {
            self.used = Some(used);
            return Err(format!(
                "no copy of it is kept: {here} is full ({} of {MESSAGES_MAX} messages, {} of {} octets); look what is there, and delete it",
                used.messages, used.octets, self.octets_max
            ));
        }
        let written = write(&text).and_then(|()| fs::write(&reason, because));
        if let Err(error) = written {
            // Half a message says nothing.
            let _ = fs::remove_file(&text);
            self.used = None;
            return Err(unwritten(&error));
        }
        self.used = Some(now);
        Ok(())
    }
}

/// What is there in a directory, which is made if it is not. Who has put more there than would be kept is not counted to the end.
fn used(directory: &Path) -> io::Result<Used> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut used = Used::default();
    for found in fs::read_dir(directory)? {
        let found = found?;
        used.octets = used.octets.saturating_add(found.metadata()?.len());
        // Each message has a reason.
        used.messages += usize::from(found.path().extension().is_some_and(|it| it == "txt"));
        if used.messages > MESSAGES_MAX {
            break;
        }
    }
    Ok(used)
}
