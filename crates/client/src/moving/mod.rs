//! Moving in from another program: what its configuration **and its seen-state** mean for us.
//!
//! Whoever changes the program and leaves the seen-state behind retrieves a whole maildrop again. So both are read: accounts
//! become tables of our configuration, and the unique-ids that the other program has delivered become [`Seen`]. Nothing is
//! written, nothing is run and nobody is asked over the network; what has no equal here is told in a [`Note`], with what to do.
//!
//! ```no_run
//! use client::moving::{Program, Surroundings};
//!
//! # fn run() -> Result<(), client::moving::MovingError> {
//! let around = Surroundings::of_home("/home/mrose".into(), "mrose".to_owned());
//! let moved = Program::Mpop.moved(None, &around)?;
//! for account in &moved.accounts {
//!     println!("{}\n# {} messages are known", account.toml, account.seen.len());
//! }
//! for note in &moved.notes {
//!     println!("{note}");
//! }
//! # Ok(()) }
//! ```

mod account;
mod fetchmail;
mod getmail;
#[cfg(test)]
mod home;
mod mpop;
mod names;
mod netrc;
mod notes;
mod provider;
mod read;
mod seen;
mod table;
mod thunderbird;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use account::{MovedAccount, Password};
pub use notes::Note;
pub use seen::{Seen, SeenState, Spelling};

/// What another program's files mean for us.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// Its accounts that retrieve by POP3, in the order of its configuration.
    pub accounts: Vec<MovedAccount>,
    /// What of it has no equal here, in the order in which it was found.
    pub notes: Vec<Note>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// A program whose files can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    /// `~/.mpoprc` and `~/.mpop_uidls/*`.
    Mpop,
    /// `~/.fetchmailrc` and `~/.fetchids`.
    Fetchmail,
    /// `getmailrc` and `oldmail-*`, of `~/.config/getmail` or `~/.getmail`.
    Getmail,
    /// `prefs.js` and each `popstate.dat` of a profile.
    Thunderbird,
}

/// What a program's files are read with: whose they are, and which names are no longer free.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The home directory, for `~` and for where files usually are.
    pub home: PathBuf,
    /// Where configurations are: `$XDG_CONFIG_HOME`.
    pub config_home: PathBuf,
    /// The name of the user, to whom fetchmail delivers what it is not told whom to deliver to.
    pub user: String,
    /// Where passwords will be that the other program has in clear in its configuration, each in a file of its own.
    pub secrets: PathBuf,
    /// Names that an account must not get: those that are configured already, and those of commands.
    pub taken: Vec<String>,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum MovingError {
    /// None of the usual files is there.
    #[error(
        "{program} has no configuration here (looked for {}); name its file",
        list(looked_for)
    )]
    NotFound {
        /// Whose.
        program: Program,
        /// Where they were looked for.
        looked_for: Vec<PathBuf>,
    },
    /// A file or a directory cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is none of that program's.
    #[error("{}: {why}", file.display())]
    Unusable {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

impl Surroundings {
    /// Those of somebody whose files are where they usually are.
    pub fn of_home(home: PathBuf, user: String) -> Self {
        let config_home = home.join(".config");
        Self {
            secrets: config_home.join("restante"),
            taken: Vec::new(),
            home,
            config_home,
            user,
        }
    }

    /// A file name as these programs have it, in which `~` is the home directory.
    fn expanded(&self, name: &str) -> PathBuf {
        match name.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => self.home.join(name),
        }
    }
}

impl Program {
    /// Reads the program's files: those that are where they usually are, or those of `path`, which is its configuration or
    /// the directory where that is.
    ///
    /// # Errors
    ///
    /// When there is no configuration, or it cannot be read at all.
    pub fn moved(self, path: Option<&Path>, around: &Surroundings) -> Result<Moved, MovingError> {
        match self {
            Self::Mpop => mpop::moved(path, around),
            Self::Fetchmail => fetchmail::moved(path, around),
            Self::Getmail => getmail::moved(path, around),
            Self::Thunderbird => thunderbird::moved(path, around),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mpop => "mpop",
            Self::Fetchmail => "fetchmail",
            Self::Getmail => "getmail",
            Self::Thunderbird => "thunderbird",
        })
    }
}

/// A name that is none of a program whose files can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("mail can be moved in from mpop, fetchmail, getmail and thunderbird")]
pub struct NotAProgram;

impl FromStr for Program {
    type Err = NotAProgram;

    fn from_str(text: &str) -> Result<Self, NotAProgram> {
        [
            Self::Mpop,
            Self::Fetchmail,
            Self::Getmail,
            Self::Thunderbird,
        ]
        .into_iter()
        .find(|program| program.to_string() == text)
        .ok_or(NotAProgram)
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}
