//! `fetch.toml` as it is, and sections that are written behind all that is there.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::files;
use super::settings::{self, Settings};
use crate::config::Problem;
use crate::failure::{Code, Failure};
use crate::output::{self, note};

/// The file as it is, and what it means.
#[derive(Debug)]
pub(super) struct Present {
    /// Where it is written: what it leads to, if it is a link.
    file: PathBuf,
    text: String,
    /// None: there is no file yet.
    mode: Option<u32>,
    pub(super) settings: Settings,
}

impl Present {
    /// Reads what is there; nothing is as good.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is wrong, which has been told then.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, Failure> {
        let file = settings::file(named);
        match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (settings, problems) = settings::parse(&file, "");
                Ok(Self {
                    settings: usable(settings, &problems)?,
                    file,
                    text: String::new(),
                    mode: None,
                })
            }
            Err(error) => Err(
                Failure::new(Code::Config, output::unreadable(&file, &error))
                    .remedy("name another file with -c FILE"),
            ),
            Ok(found) => {
                let settings = settings::load(Some(&file))?;
                let unreadable =
                    |error| Failure::new(Code::Config, output::unreadable(&file, &error));
                Ok(Self {
                    text: fs::read_to_string(&file).map_err(unreadable)?,
                    mode: Some(found.permissions().mode() & 0o777),
                    file: fs::canonicalize(&file).map_err(unreadable)?,
                    settings,
                })
            }
        }
    }

    /// What it means with these sections behind it; what is doubtful about that is not told.
    ///
    /// # Errors
    ///
    /// When it means nothing.
    pub(super) fn with(&self, sections: &str) -> Result<Settings, Failure> {
        let (settings, problems) = self.meant(sections);
        usable(settings, &problems)
    }

    /// What it means with these sections behind it, and what is wrong with that.
    pub(super) fn meant(&self, sections: &str) -> (Option<Settings>, Vec<Problem>) {
        settings::parse(&self.file, &with(&self.text, sections))
    }

    /// Writes it with these sections behind it; durable when it returns. Nobody else needs to read a new file.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then the old one is there still.
    pub(super) fn write(&self, sections: &str) -> Result<(), Failure> {
        let _alone = self.alone()?;
        // Whoever has written meanwhile keeps his sections.
        let before = self.read_again()?;
        let text = with(&before, sections);
        if before != self.text && settings::parse(&self.file, &text).0.is_none() {
            let what = format!(
                "{} was changed meanwhile, and does not go with what was to be added",
                self.file.display()
            );
            return Err(Failure::new(Code::Temporary, what)
                .remedy("see what is in it now, and run this again"));
        }
        files::put(&self.file, text.as_bytes(), self.mode.unwrap_or(0o600))
            .map_err(|error| self.unwritten(&error))
    }
}

/// A file with sections behind all that is there.
fn with(before: &str, sections: &str) -> String {
    let mut text = before.to_owned();
    if text.is_empty() {
        text.push_str("# From where mail is fetched: restante fetch. Each account is a section.\n");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    format!("{text}\n{sections}")
}

/// Longer than anybody takes to write the file.
const ALONE_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two attempts to be alone with it.
const ALONE_LOOK: Duration = Duration::from_millis(20);

impl Present {
    fn unreadable(&self, error: &io::Error) -> Failure {
        Failure::new(Code::Config, output::unreadable(&self.file, error))
    }

    fn read_again(&self) -> Result<String, Failure> {
        match fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read.map_err(|error| self.unreadable(&error)),
        }
    }

    /// Alone with the file, as long as what comes back is there. The file itself is replaced, so its directory is what is locked.
    fn alone(&self) -> Result<File, Failure> {
        let directory = self.file.parent().unwrap_or_else(|| Path::new("/"));
        let opened = files::directory(directory).and_then(|()| File::open(directory));
        let directory = opened.map_err(|error| self.unwritten(&error))?;
        let until = Instant::now() + ALONE_TIMEOUT;
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(directory),
                Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(ALONE_LOOK),
                Err(TryLockError::WouldBlock) => {
                    let what = format!("another program is writing {}", self.file.display());
                    return Err(Failure::new(Code::Temporary, what)
                        .remedy("wait until it has ended, and run this again"));
                }
                // Some file systems of the network lock no directories.
                Err(TryLockError::Error(_)) => return Ok(directory),
            }
        }
    }

    fn unwritten(&self, error: &io::Error) -> Failure {
        let what = format!(
            "{} cannot be written: {}",
            self.file.display(),
            output::plain(error)
        );
        Failure::new(Code::CannotCreate, what)
            .remedy("make room or give rights there, or name another file with -c FILE")
    }
}

fn usable(settings: Option<Settings>, problems: &[Problem]) -> Result<Settings, Failure> {
    settings.ok_or_else(|| {
        for problem in problems {
            note!("{problem}");
        }
        Failure::silent(Code::Config)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str) -> String {
        format!(
            "[account.{name}]\nhost = \"localhost\"\nuser = \"bob\"\ndeliver = {{ maildir = \"/Mail\" }}\n"
        )
    }

    #[test]
    fn whoever_writes_last_keeps_what_others_have_written_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("below/fetch.toml");
        let all: Vec<Present> = (0..3)
            .map(|_| Present::read(Some(&file)).unwrap())
            .collect();
        all[0].write(&section("one")).unwrap();
        all[1].write(&section("two")).unwrap();
        let settings = settings::load(Some(&file)).unwrap();
        let names: Vec<&str> = settings
            .accounts
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["one", "two"]);
        // One that is there already is not written twice.
        let before = fs::read_to_string(&file).unwrap();
        let refused = all[2].write(&section("two")).unwrap_err();
        assert_eq!(refused.code(), Code::Temporary);
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
    }
}
