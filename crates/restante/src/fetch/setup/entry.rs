//! What is written into `fetch.toml`: the new account's section, behind all that is there.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use client::Pin;

use crate::failure::{Code, Failure};
use crate::fetch::files;
use crate::fetch::settings::{self, Account, Settings, Tls};
use crate::output::{self, note};

/// One account, as it is written.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) tls: Tls,
    pub(super) pin: Option<Pin>,
    /// The value of `auth`.
    pub(super) auth: String,
    pub(super) maildir: String,
    /// The value of `keep`.
    pub(super) keep: String,
}

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
                let settings = meant(&file, "")?;
                Ok(Self {
                    file,
                    text: String::new(),
                    mode: None,
                    settings,
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

    /// What the account means when it stands behind the rest.
    ///
    /// # Errors
    ///
    /// When it means nothing, which is our mistake or one of `[defaults]`.
    pub(super) fn with(&self, entry: &Entry) -> Result<Account, Failure> {
        let settings = meant(&self.file, &self.text(entry))?;
        settings.account(&entry.name).cloned()
    }

    fn text(&self, entry: &Entry) -> String {
        let mut text = self.text.clone();
        if text.is_empty() {
            text.push_str(
                "# From where mail is fetched: restante fetch. Each account is a section.\n",
            );
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        format!("{text}\n{}", entry.section())
    }

    /// Writes it; durable when it returns. Nobody else needs to read a new file.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then the old one is there still.
    pub(super) fn write(&self, entry: &Entry) -> Result<(), Failure> {
        let text = self.text(entry);
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

/// What a text means.
fn meant(file: &Path, text: &str) -> Result<Settings, Failure> {
    let (settings, problems) = settings::parse(file, text);
    match settings {
        Some(settings) => Ok(settings),
        None => {
            for problem in problems {
                note!("{problem}");
            }
            Err(Failure::silent(Code::Config))
        }
    }
}

impl Entry {
    pub(super) fn section(&self) -> String {
        let mut lines = vec![
            format!("[account.{}]", self.name),
            format!("host = {}", quoted(&self.host)),
        ];
        let usual = match self.tls {
            Tls::Implicit => 995,
            Tls::Stls | Tls::None => 110,
        };
        // Always where TLS is something else: [defaults] may say another port.
        if self.port != usual || self.tls != Tls::Implicit {
            lines.push(format!("port = {}", self.port));
        }
        lines.push(format!("user = {}", quoted(&self.user)));
        match self.tls {
            Tls::Implicit => {}
            Tls::Stls => lines.push("tls = \"starttls\"".to_owned()),
            Tls::None => lines.push("tls = \"none\"\ninsecure = true".to_owned()),
        }
        if let Some(pin) = &self.pin {
            lines.push(format!(
                "# Believed is the server that has this certificate, and no other.\npin = \"{pin}\""
            ));
        }
        lines.push(format!("auth = {}", self.auth));
        lines.push(format!(
            "deliver = {{ maildir = {} }}",
            quoted(&self.maildir)
        ));
        lines.push(format!(
            "# How long messages stay on the server: true, false, or a duration such as \"14d\".\nkeep = {}",
            self.keep
        ));
        lines.join("\n") + "\n"
    }
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// The value of `keep`, from the command line.
///
/// # Errors
///
/// When it says nothing that is known.
pub(super) fn keep(text: &str) -> Result<String, Failure> {
    match text {
        "true" | "false" => Ok(text.to_owned()),
        "until-deleted" => Ok(quoted(text)),
        text if settings::seconds(text).is_ok() => Ok(quoted(text)),
        text => Err(Failure::new(
            Code::Usage,
            format!("--keep {text:?} says nothing that is known"),
        )
        .remedy("write true, false, a duration such as 14d, or until-deleted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            name: "bob".to_owned(),
            host: "pop.example.org".to_owned(),
            port: 995,
            user: "bo\"b".to_owned(),
            tls: Tls::Implicit,
            pin: None,
            auth: "{ keyring = true }".to_owned(),
            maildir: "~/Mail/bob".to_owned(),
            keep: "\"14d\"".to_owned(),
        }
    }

    #[test]
    fn an_account_stands_behind_what_is_there_and_comments_stay() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("fetch.toml");
        let before = "# mine\nparallel = 2 # two";
        fs::write(&file, before).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("link.toml");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let present = Present::read(Some(&link)).unwrap();
        let account = present.with(&entry()).unwrap();
        assert_eq!((account.user.as_str(), account.port()), ("bo\"b", 995));
        present.write(&entry()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with(&format!("{before}\n\n[account.bob]\n")),
            "{text}"
        );
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640);
        assert!(
            Present::read(Some(&link))
                .unwrap()
                .settings
                .account("bob")
                .is_ok()
        );
    }

    #[test]
    fn every_kind_of_server_is_read_again_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("new/fetch.toml");
        let present = Present::read(Some(&file)).unwrap();
        for (tls, port) in [(Tls::Implicit, 1995), (Tls::Stls, 110), (Tls::None, 1110)] {
            let pin = (tls != Tls::None).then(|| Pin::of_certificate(b"x"));
            let account = present
                .with(&Entry {
                    tls,
                    port,
                    pin,
                    ..entry()
                })
                .unwrap();
            assert_eq!((account.tls, account.port()), (tls, port));
            assert_eq!(account.pins.len(), usize::from(pin.is_some()));
        }
        present.write(&entry()).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}
