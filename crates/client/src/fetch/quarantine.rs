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
        let here = self.directory.display().to_string();
        let unwritten =
            |error: &io::Error| format!("no copy of it is kept: {here} cannot be written: {error}");
        self.make().map_err(|error| unwritten(&error))?;
        let file = self.directory.join(format!("{}.eml", message.name));
        // One that was refused before is kept once.
        let before = fs::metadata(&file).map_or(0, |found| found.len());
        let used = match self.used {
            Some(used) => used,
            None => used(&self.directory).map_err(|error| unwritten(&error))?,
        };
        let messages = used.messages + usize::from(before == 0);
        let octets = used.octets.saturating_sub(before);
        let octets = octets.saturating_add(message.octets.0);
        self.used = Some(used);
        if messages > MESSAGES_MAX || octets > self.octets_max {
            return Err(format!(
                "no copy of it is kept: {here} is full ({} messages, {} octets); look what is there, and delete it",
                used.messages, used.octets
            ));
        }
        let reason = self.directory.join(format!("{}.txt", message.name));
        if let Err(error) = write(&file, &reason, message, why, text) {
            // Half a message says nothing.
            let _ = fs::remove_file(&file);
            self.used = None;
            return Err(unwritten(&error));
        }
        self.used = Some(Used { octets, messages });
        Ok(())
    }

    /// Keeps why alone, of a message that has not come.
    pub(super) fn explain(&self, message: &Message, why: &str) -> io::Result<()> {
        self.make()?;
        let reason = self.directory.join(format!("{}.txt", message.name));
        explain(&reason, message, why)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
    }
}

fn write(
    file: &Path,
    reason: &Path,
    message: &Message,
    why: &str,
    text: &mut Text,
) -> io::Result<()> {
    let mut file = File::create(file)?;
    text.pieces(Form::Local, |piece| file.write_all(piece))?;
    file.sync_all()?;
    explain(reason, message, why)
}

fn explain(reason: &Path, message: &Message, why: &str) -> io::Result<()> {
    fs::write(
        reason,
        format!("{} {}\n{why}\n", message.account, message.key),
    )
}

/// What is there; who has put more there than would be kept is not counted to the end.
fn used(directory: &Path) -> io::Result<Used> {
    let mut used = Used::default();
    for found in fs::read_dir(directory)? {
        let found = found?;
        if found.path().extension().is_some_and(|it| it == "eml") {
            used.messages += 1;
            used.octets = used.octets.saturating_add(found.metadata()?.len());
        }
        if used.messages > MESSAGES_MAX {
            break;
        }
    }
    Ok(used)
}
