//! Where a secret comes from: a command, the session's keyring, systemd, a file, a person.
//!
//! A secret in a configuration is read by backups and shown on screens, so a configuration names a
//! [`Source`] instead, and it is asked for when it is needed. All of this waits: call it where waiting is allowed.
//!
//! ```
//! use client::secret::Source;
//!
//! let source = Source::Command("printf 'redqueen\\nand more'".parse()?);
//! assert_eq!(source.secret(&mut client::secret::nobody)?.expose(), b"redqueen");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod credential;
mod environment;
mod error;
mod kept;
mod keyring;
mod private;
mod words;

use std::io;
use std::path::PathBuf;

use sasl::Secret;
use zeroize::Zeroizing;

pub use command::Command;
pub use error::SecretError;
pub(crate) use kept::Kept;
pub use keyring::Entry;
pub use words::NotACommand;

/// Longest secret in octets. A token of a large provider has some 4,000.
pub const SECRET_OCTETS_MAX: usize = 64 * 1024;

/// Where a secret comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The first line that a command writes.
    Command(Command),
    /// The keyring of the session (Secret Service over D-Bus).
    Keyring(Entry),
    /// A credential that systemd hands to the service (`LoadCredential=`), by its name.
    Credential(String),
    /// The first line of a file that only its owner can read.
    File(PathBuf),
    /// A line `NAME=value` of a file that only its owner can read.
    Environment {
        /// Which file.
        file: PathBuf,
        /// Which variable.
        name: String,
    },
    /// Whoever sits at the terminal, who is asked this.
    Prompt(String),
    /// The configuration itself. The caller says that another place is better.
    Literal(Secret),
}

/// Who is asked for a [`Source::Prompt`].
pub type Ask<'a> = dyn FnMut(&str) -> io::Result<Secret> + 'a;

/// Nobody is there to be asked, as in a service.
///
/// # Errors
///
/// Always.
pub fn nobody(_: &str) -> io::Result<Secret> {
    Err(io::Error::other("nobody is there to be asked"))
}

impl Source {
    /// The secret.
    ///
    /// # Errors
    ///
    /// When it is not there, is empty, may be read by others, or does not come in time.
    pub fn secret(&self, ask: &mut Ask<'_>) -> Result<Secret, SecretError> {
        let secret = match self {
            Self::Command(command) => return command.run(),
            Self::Keyring(entry) => return entry.secret(),
            Self::Credential(name) => credential::read(name)?,
            Self::File(file) => first_line(&private::read(file, SECRET_OCTETS_MAX)?),
            Self::Environment { file, name } => environment::read(file, name)?,
            Self::Prompt(question) => ask(question).map_err(SecretError::NotTold)?,
            Self::Literal(secret) => secret.clone(),
        };
        match secret.expose().is_empty() {
            true => Err(SecretError::Empty(self.to_string())),
            false => Ok(secret),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command(command) => write!(f, "the command {}", command.program()),
            Self::Keyring(entry) => write!(f, "the keyring's entry {entry}"),
            Self::Credential(name) => write!(f, "the credential {name}"),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Environment { file, name } => write!(f, "{name} in {}", file.display()),
            Self::Prompt(_) => f.write_str("the answer"),
            Self::Literal(_) => f.write_str("the secret in the configuration"),
        }
    }
}

/// What stands before the first line end.
fn first_line(octets: &Zeroizing<Vec<u8>>) -> Secret {
    let end = octets.iter().position(|&octet| octet == b'\n');
    let line = &octets[..end.unwrap_or(octets.len())];
    Secret::new(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests;
