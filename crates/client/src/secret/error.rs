//! Why there is no secret.

use std::io;
use std::path::PathBuf;

/// Why there is no secret. No variant holds any octet of one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file cannot be read or written.
    #[error("{}: {source}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is none to keep a secret in: others can read it, or it is no file.
    #[error("{}: {why}", file.display())]
    NotPrivate {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// It is there, but there is nothing in it.
    #[error("{0} is empty")]
    Empty(String),
    /// It is longer than any secret.
    #[error("{0} is longer than {max} octets", max = super::SECRET_OCTETS_MAX)]
    TooLong(String),
    /// A file of variables has not this one.
    #[error("{}: no line sets {name}", file.display())]
    NoVariable {
        /// Which file.
        file: PathBuf,
        /// Which variable.
        name: String,
    },
    /// systemd handed no credentials over, or the name can be none.
    #[error("no credential {name}: {why}")]
    NoCredential {
        /// Its name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A command could not be started.
    #[error("{program} cannot be run: {source}")]
    NotRun {
        /// Its first word.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// A command ended without success.
    #[error("{program} failed ({how}){}", said(told))]
    Failed {
        /// Its first word.
        program: String,
        /// Exit status or signal.
        how: String,
        /// What it wrote to its standard error, as far as it can be shown.
        told: String,
    },
    /// A command, or the keyring, did not answer in time; may pass by itself.
    #[error("{0} takes too long")]
    TooSlow(String),
    /// The keyring cannot be reached, or does not open.
    #[error("the keyring cannot be used: {0}")]
    Keyring(String),
    /// The keyring is there, but has no such entry.
    #[error("the keyring has no entry {0}; store one with `restante fetch secret set`")]
    NoEntry(String),
    /// Nobody told it.
    #[error("the secret was not told: {0}")]
    NotTold(#[source] io::Error),
}

impl SecretError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::TooSlow(_))
    }
}

fn said(told: &str) -> String {
    match told.is_empty() {
        true => String::new(),
        false => format!(": {told}"),
    }
}
