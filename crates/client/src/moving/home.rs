//! A home directory for tests.

use std::path::PathBuf;

use super::{Moved, Program, Surroundings};

pub(super) struct Home(tempfile::TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Puts a file there; its name.
    pub(super) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, content).unwrap();
        file
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn around(&self) -> Surroundings {
        Surroundings::of_home(self.0.path().to_owned(), "mrose".to_owned())
    }

    pub(super) fn moved(&self, program: Program) -> Moved {
        let moved = program.moved(None, &self.around()).unwrap();
        for account in &moved.accounts {
            assert!(
                account
                    .toml
                    .starts_with(&format!("[account.{}]\n", account.name))
            );
            let parsed: toml::Table = account.toml.parse().unwrap();
            // What the rest of the crate reads must be what it can read.
            let table = &parsed["account"][&account.name];
            let texts = |key: &str| -> Vec<String> {
                match table.get(key) {
                    None => Vec::new(),
                    Some(toml::Value::Array(all)) => all
                        .iter()
                        .map(|it| it.as_str().unwrap().to_owned())
                        .collect(),
                    Some(one) => vec![one.as_str().unwrap().to_owned()],
                }
            };
            assert_eq!(
                (texts("host"), texts("user")),
                (vec![account.host.clone()], vec![account.user.clone()])
            );
            assert!(
                texts("mechanism")
                    .iter()
                    .all(|it| it.parse::<crate::Way>().is_ok()),
                "{table}"
            );
            assert!(
                texts("pin")
                    .iter()
                    .all(|it| it.parse::<crate::Pin>().is_ok()),
                "{table}"
            );
            let deliver = match &table["deliver"] {
                toml::Value::Array(all) => all.clone(),
                one => vec![one.clone()],
            };
            for address in deliver
                .iter()
                .flat_map(|it| [it.get("lmtp"), it.get("smtp")])
                .flatten()
            {
                assert!(
                    address
                        .as_str()
                        .unwrap()
                        .parse::<crate::destination::Address>()
                        .is_ok(),
                    "{table}"
                );
            }
        }
        moved
    }

    /// A text in which the home directory is called `~`.
    pub(super) fn short(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().unwrap(), "~")
    }
}

/// The unique-ids of an account, as text.
pub(super) fn ids(moved: &Moved, account: usize) -> Vec<String> {
    moved.accounts[account]
        .seen
        .iter()
        .map(|it| it.id.to_string())
        .collect()
}

/// Whether a note tells of something.
pub(super) fn notes_of(moved: &Moved, what: &str) -> usize {
    moved
        .notes
        .iter()
        .filter(|it| it.to_string().contains(what))
        .count()
}
