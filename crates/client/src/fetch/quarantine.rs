//! Messages that a destination will not have: kept as they are, beside the reason.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use crate::destination::{Form, Message, Text};

/// A directory for such messages; it is made when there is one.
#[derive(Clone, Debug)]
pub(super) struct Quarantine(pub(super) PathBuf);

impl Quarantine {
    /// Keeps a message, as NAME.eml, and why, as NAME.txt.
    pub(super) fn keep(&self, message: &Message, why: &str, text: &mut Text) -> io::Result<()> {
        self.make()?;
        let mut file = File::create(self.0.join(format!("{}.eml", message.name)))?;
        text.pieces(Form::Local, |piece| file.write_all(piece))?;
        file.sync_all()?;
        self.explain(message, why)
    }

    /// Keeps why alone, of a message that has not come.
    pub(super) fn explain(&self, message: &Message, why: &str) -> io::Result<()> {
        self.make()?;
        let reason = format!("{} {}\n{why}\n", message.account, message.key);
        std::fs::write(self.0.join(format!("{}.txt", message.name)), reason)
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
    }
}
