//! Where a demo keeps its data: a temporary directory, or one that the user names.
//!
//! An account whose password everybody knows must never get into a real data directory, so a
//! directory that holds anything else is refused.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::is_ours;
use crate::failure::{Code, Failure};
use crate::output;

/// The demo's configuration; a directory that holds it has been made by a demo.
pub(super) const MARK: &str = "restante-demo.toml";

/// Names in the certificate. The addresses are there for clients that are told to connect to them.
const NAMES: [&str; 4] = ["localhost", "mailgate.dobbs.org", "127.0.0.1", "::1"];

/// The demo's directory.
pub(super) struct Place {
    path: PathBuf,
    /// Removes the directory when it is dropped.
    temporary: Option<TempDir>,
}

impl Place {
    /// Makes the directory, and checks that nothing of others is in it.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or belongs to something else.
    pub(super) fn new(kept: Option<&Path>) -> Result<Self, Failure> {
        let Some(kept) = kept else {
            let temporary = tempfile::Builder::new()
                .prefix("restante-demo-")
                .tempdir()
                .map_err(|error| cannot_write(&std::env::temp_dir(), &error))?;
            return Ok(Self {
                path: temporary.path().to_owned(),
                temporary: Some(temporary),
            });
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(kept)
            .and_then(|()| fs::canonicalize(kept))
            .and_then(|path| Ok((fs::read_dir(&path)?.next().is_none(), path)))
            .map_err(|error| cannot_write(kept, &error))
            .and_then(|(empty, path)| match empty || is_ours(&path) {
                true => Ok(Self {
                    path,
                    temporary: None,
                }),
                false => Err(Failure::new(
                    Code::Usage,
                    format!("{} holds files that no demo has made", kept.display()),
                )
                .remedy("name a new directory: bob's password is known to everybody")),
            })
    }

    /// Where.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the data stays.
    pub(super) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    /// The kind of file system, if it is one that forgets at power-off and the user wanted the data
    /// kept.
    pub(super) fn forgets(&self) -> Option<&'static str> {
        /// `statfs` magic of file systems in memory (linux/magic.h).
        const KINDS: [(u64, &str); 2] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];
        if !self.is_kept() {
            return None;
        }
        let magic = rustix::fs::statfs(&self.path).ok()?.f_type as u64;
        KINDS
            .iter()
            .find(|(known, _)| *known == magic)
            .map(|(_, name)| *name)
    }

    /// The certificate that clients need to trust.
    pub(super) fn certificate(data: &Path) -> PathBuf {
        data.join("certificate.pem")
    }

    /// Makes certificate, key and configuration, and returns the configuration's file.
    ///
    /// # Errors
    ///
    /// When they cannot be made or written.
    pub(super) fn configuration(&self, free_ports: bool) -> Result<PathBuf, Failure> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(NAMES.map(str::to_owned)).map_err(|error| {
                Failure::new(
                    Code::Software,
                    format!("no certificate can be made: {error}"),
                )
            })?;
        let certificate = Self::certificate(&self.path);
        let key = self.path.join("key.pem");
        let file = self.path.join(MARK);
        let [pop3, pop3s, lmtp] = match free_ports {
            true => [0, 0, 0],
            false => [1110, 1995, 1024],
        };
        let text = format!(
            "# Made by `restante demo`. bob's password is known to everybody: serve no real mail with it.\n\
             hostname = \"mailgate.dobbs.org\"\n\
             name = \"dewey\"\n\
             data = {data}\n\
             domains = [\"dobbs.org\"]\n\n\
             [[listener]]\n\
             protocol = \"pop3\"\n\
             address = \"127.0.0.1:{pop3}\"\n\
             plaintext_login = \"loopback\"\n\n\
             [[listener]]\n\
             protocol = \"pop3s\"\n\
             address = \"127.0.0.1:{pop3s}\"\n\n\
             [[listener]]\n\
             protocol = \"lmtp\"\n\
             address = \"127.0.0.1:{lmtp}\"\n\n\
             [tls]\n\
             certificate = {certificate}\n\
             key = {key}\n\n\
             [maildrop]\n\
             allow_volatile = true\n\n\
             [auth]\n\
             scram_iterations = 4096\n",
            data = quoted(&self.path)?,
            certificate = quoted(&certificate)?,
            key = quoted(&key)?,
        );
        for (path, text) in [
            (&certificate, cert.pem()),
            (&key, signing_key.serialize_pem()),
            (&file, text),
        ] {
            write(path, &text).map_err(|error| cannot_write(path, &error))?;
        }
        Ok(file)
    }
}

/// A path as a TOML text.
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| {
        Failure::new(Code::Usage, format!("{} is not UTF-8", path.display()))
            .remedy("name another directory")
    })?;
    Ok(toml::Value::from(text).to_string())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Code::CannotCreate,
        format!(
            "{} cannot be written: {}",
            path.display(),
            output::plain(error)
        ),
    )
    .remedy("keep the data elsewhere: restante demo --data DIR")
}
