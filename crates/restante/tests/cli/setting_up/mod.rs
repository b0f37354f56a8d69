//! `restante fetch`: from nothing to an account, and everything that looks after it.

#[path = "../../../../client/src/tests/authorization.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod authorization;
mod beginning;
mod daemon;
mod destinations;
mod doctor;
mod endings;
mod issuer;
mod logins;
mod relay;
mod tokens;
mod units;
mod utf8;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::demonstration::Demo;
use crate::run::{Ended, finish, program};

/// Somebody's home directory, in which nothing is.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// The program, as its owner starts it.
    pub(crate) fn program(&self) -> Command {
        let mut command = program();
        for name in [
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "XDG_RUNTIME_DIR",
            "STATE_DIRECTORY",
            "SSH_CONNECTION",
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "DBUS_SESSION_BUS_ADDRESS",
            "SSL_CERT_FILE",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.0.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Ended {
        self.end(self.program().args(arguments), input)
    }

    pub(crate) fn end(&self, command: &mut Command, input: &str) -> Ended {
        let mut ended = finish(command, input.as_bytes());
        ended.stdout = self.unplace(&ended.stdout);
        ended.stderr = self.unplace(&ended.stderr);
        ended
    }

    pub(crate) fn unplace(&self, text: &str) -> String {
        text.replace(&self.0.path().display().to_string(), "HOME")
    }

    /// An account of a demo's bob.
    pub(crate) fn set_up(&self, server: &Server) {
        let address = server.address();
        self.run(
            &["fetch", "setup", &address, "--pin", "--stdin"],
            "redqueen\n",
        )
        .with(0);
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path(".config/restante/fetch.toml")
    }

    pub(crate) fn state(&self, below: &str) -> PathBuf {
        self.path(".local/state/restante/fetch").join(below)
    }
}

/// A demo's server: bob, password redqueen, two messages.
pub(crate) struct Server(Demo);

impl Server {
    pub(crate) fn start() -> Self {
        Self(Demo::start(&[]))
    }

    fn word(&self, after: &str) -> &str {
        let (_, rest) = self.0.said.split_once(after).unwrap();
        rest.split([',', '\n']).next().unwrap().trim()
    }

    /// The port of POP3S.
    pub(crate) fn port(&self) -> &str {
        self.word("POP3S ").rsplit(':').next().unwrap()
    }

    pub(crate) fn address(&self) -> String {
        format!("bob@localhost:{}", self.port())
    }

    /// The port without TLS.
    pub(crate) fn clear_port(&self) -> &str {
        self.word("POP3  ").rsplit(':').next().unwrap()
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        Path::new(self.word("data ")).join("certificate.pem")
    }

    /// The SHA-256 of its certificate, by openssl; none where that is not there.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(self.certificate());
        let output = openssl.output().ok()?;
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, hexadecimal) = text.trim().split_once('=')?;
        Some(hexadecimal.replace(':', "").to_ascii_lowercase())
    }

    /// Another message for bob.
    pub(crate) fn deliver(&self) {
        self.deliver_text("Subject: new\\n\\nNew.\\n");
    }

    /// A message of this text for bob, as printf takes it.
    pub(crate) fn deliver_text(&self, text: &str) {
        let deliver = format!(
            "printf '{text}' | {} -c {} deliver bob",
            env!("CARGO_BIN_EXE_restante"),
            Path::new(self.word("data "))
                .join("restante-demo.toml")
                .display()
        );
        finish(Command::new("sh").args(["-c", &deliver]), b"").with(0);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// How many messages a Maildir has.
pub(crate) fn count(maildir: &Path) -> usize {
    fs::read_dir(maildir.join("new")).map_or(0, Iterator::count)
}
