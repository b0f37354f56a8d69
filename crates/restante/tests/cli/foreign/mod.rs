//! `restante fetch` from servers that are not ours, lack something, or go wrong.

mod ending;
mod lacking;
mod server;
mod several;

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Ended, finish, program};
use crate::terminal::script;
use server::Foreign;

/// Somebody who fetches from such servers.
struct Home(tempfile::TempDir);

impl Home {
    /// With an account for each of these servers.
    fn new(accounts: &[(&str, &Foreign)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.configure(accounts, "");
        home
    }

    /// Says more of each account.
    fn configure(&self, accounts: &[(&str, &Foreign)], more: &str) {
        let here = self.0.path().display();
        let mut text = format!("state = \"{here}/state\"\n");
        for (name, server) in accounts {
            text.push_str(&format!(
                "[account.{name}]\nhost = \"127.0.0.1\"\nport = {}\nuser = \"bob\"\ntls = \"none\"\ninsecure = true\n\
                 auth = {{ password_command = [\"echo\", \"redqueen\"] }}\ndeliver = {{ maildir = \"{here}/{name}\" }}\n{more}",
                server.port
            ));
        }
        fs::write(self.path("fetch.toml"), text).unwrap();
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn fetch(&self, arguments: &[&str]) -> Ended {
        let mut ended = finish(
            program()
                .arg("-c")
                .arg(self.path("fetch.toml"))
                .arg("fetch")
                .args(arguments),
            b"",
        );
        let place = self.0.path().display().to_string();
        for text in [&mut ended.stdout, &mut ended.stderr] {
            *text = text.replace(&place, "HERE");
        }
        ended
    }

    /// At a terminal, with these answers.
    fn at_terminal(&self, arguments: &str, answers: &[(&str, &str)]) -> Ended {
        let config = self.path("fetch.toml");
        let program = env!("CARGO_BIN_EXE_restante");
        let line = format!("{program} -c {} fetch {arguments}", config.display());
        script(&line, answers)
    }

    /// How many messages an account's Maildir has.
    fn count(&self, name: &str) -> usize {
        fs::read_dir(self.path(name).join("new")).map_or(0, Iterator::count)
    }
}
