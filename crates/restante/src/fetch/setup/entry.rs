//! What is written into `fetch.toml`: the new account's section, behind all that is there.

use client::Pin;

use crate::failure::{Code, Failure};
use crate::fetch::present::Present;
use crate::fetch::settings::{self, Account, Tls};

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

impl Entry {
    /// What it means when it stands behind the rest.
    ///
    /// # Errors
    ///
    /// When it means nothing, which is our mistake or one of `[defaults]`.
    pub(super) fn account(&self, present: &Present) -> Result<Account, Failure> {
        let settings = present.with(&self.section())?;
        settings.account(&self.name).cloned()
    }

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
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

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
        let account = entry().account(&present).unwrap();
        assert_eq!((account.user.as_str(), account.port()), ("bo\"b", 995));
        present.write(&entry().section()).unwrap();
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
            let entry = Entry {
                tls,
                port,
                pin,
                ..entry()
            };
            let account = entry.account(&present).unwrap();
            assert_eq!((account.tls, account.port()), (tls, port));
            assert_eq!(account.pins.len(), usize::from(pin.is_some()));
        }
        present.write(&entry().section()).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}
