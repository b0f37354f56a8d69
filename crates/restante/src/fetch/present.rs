//! `fetch.toml` as it is, and sections that are written behind all that is there.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

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
        settings::parse(&self.file, &self.text(sections))
    }

    fn text(&self, sections: &str) -> String {
        let mut text = self.text.clone();
        if text.is_empty() {
            text.push_str(
                "# From where mail is fetched: restante fetch. Each account is a section.\n",
            );
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        format!("{text}\n{sections}")
    }

    /// Writes it with these sections behind it; durable when it returns. Nobody else needs to read a new file.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then the old one is there still.
    pub(super) fn write(&self, sections: &str) -> Result<(), Failure> {
        let text = self.text(sections);
        files::put(&self.file, text.as_bytes(), self.mode.unwrap_or(0o600)).map_err(|error| {
            let what = format!(
                "{} cannot be written: {}",
                self.file.display(),
                output::plain(&error)
            );
            Failure::new(Code::CannotCreate, what)
                .remedy("make room or give rights there, or name another file with -c FILE")
        })
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
