//! The configuration: one TOML file, read into what the program does with it.
//!
//! Keys and their meaning are in `docs/defaults.md`. A key whose effect is not built yet is
//! refused, never ignored: whoever writes `quota` must not believe that one is kept.

mod auth;
mod client_certificates;
mod document;
mod front_ends;
mod in_place;
mod keeping;
mod listeners;
mod oauth;
mod pop3;
mod read;
mod smtp;
mod template;
pub(crate) mod values;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::auth::TokenSettings;

use maildrop::NativeSettings;

use crate::failure::{Code, Failure};
use crate::output::{self, note};

pub(crate) use document::{At, Document, Level, Problem, Section, TOP};
pub(crate) use in_place::{Form, InPlace, SystemUsers};
pub(crate) use template::PathTemplate;
pub(crate) use values::{EXPIRE_DAYS_MAX, octets, quota, say_duration, say_kept};

/// Where the configuration lies unless somebody says otherwise.
pub(crate) const DEFAULT_FILE: &str = "/etc/restante/restante.toml";

/// No configuration is larger; whatever is, is another file.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// How the log is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LogFormat {
    /// One line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// What one configuration file means.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) file: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Whom the server becomes after binding.
    pub(crate) user: Option<String>,
    /// What the server is told: names, listeners, certificate, limits.
    pub(crate) server: server::Config,
    /// What the store is told when it is opened.
    pub(crate) store: NativeSettings,
    /// Where mail is kept that other programs use as well; none: below the data directory.
    pub(crate) in_place: Option<InPlace>,
    /// The form of new unique-ids, as it was written.
    pub(crate) unique_id: String,
    /// Whether SCRAM verifiers are stored.
    pub(crate) scram: bool,
    /// Iterations of a SCRAM verifier.
    pub(crate) scram_iterations: u32,
    /// Whether verifiers of SCRAM-SHA-1 are stored, too.
    pub(crate) scram_sha1: bool,
    /// What a token must be that stands for a password; none is right without.
    pub(crate) tokens: Option<TokenSettings>,
    /// A refused login is answered so long after it arrived, at least.
    pub(crate) refusal_delay: Duration,
    /// `[log] format`.
    pub(crate) log: LogFormat,
}

/// The file that `-c`, the environment or the default names.
pub(crate) fn file(named: Option<&Path>) -> PathBuf {
    named.map(Path::to_owned).unwrap_or_else(|| {
        std::env::var_os("RESTANTE_CONFIG")
            .filter(|value| !value.is_empty())
            .map_or_else(|| PathBuf::from(DEFAULT_FILE), PathBuf::from)
    })
}

/// Reads a configuration and everything that is wrong with it.
///
/// # Errors
///
/// When the file cannot be read at all.
pub(crate) fn read(file: &Path) -> Result<(Option<Config>, Vec<Problem>), Failure> {
    let text = text(file)?;
    Ok(read::read(file, &text))
}

/// The configuration, if it can be used. What is doubtful about it is for `serve` and `check` to
/// tell, not for every command.
///
/// # Errors
///
/// EX_CONFIG, with everything printed that is wrong.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, Failure> {
    let (config, problems) = read(&file(named))?;
    config.ok_or_else(|| {
        tell(&problems);
        Failure::silent(Code::Config)
    })
}

/// The configuration as the server loads it: what is doubtful is printed, too.
///
/// # Errors
///
/// As [`load`].
pub(crate) fn load_to_serve(named: Option<&Path>) -> Result<Config, Failure> {
    let (config, problems) = read(&file(named))?;
    tell(&problems);
    config.ok_or_else(|| Failure::silent(Code::Config))
}

fn tell(problems: &[Problem]) {
    for problem in problems {
        note!("{problem}");
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    let failure = |error: &io::Error| {
        let what = format!(
            "the configuration {} cannot be read: {}",
            file.display(),
            output::plain(error)
        );
        Failure::new(Code::Config, what).remedy(match error.kind() {
            io::ErrorKind::NotFound => {
                "write it (README.md shows one), or name another with -c FILE or $RESTANTE_CONFIG"
            }
            io::ErrorKind::PermissionDenied => {
                "run this as root or as the owner of the data directory"
            }
            _ => "name a readable file with -c FILE or $RESTANTE_CONFIG",
        })
    };
    let mut octets = Vec::new();
    fs::File::open(file)
        .and_then(|open| open.take(FILE_OCTETS_MAX + 1).read_to_end(&mut octets))
        .map_err(|error| failure(&error))?;
    if octets.len() as u64 > FILE_OCTETS_MAX {
        return Err(Failure::new(
            Code::Config,
            format!("{} is larger than 1 MiB", file.display()),
        )
        .remedy("name a configuration with -c FILE"));
    }
    String::from_utf8(octets).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good]
            .iter()
            .filter(|o| **o == b'\n')
            .count()
            + 1;
        Failure::new(
            Code::Config,
            format!("{}:{line}: this is not UTF-8", file.display()),
        )
        .remedy("save the file as UTF-8, or name another with -c FILE")
    })
}
