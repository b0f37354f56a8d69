//! `.fetchids`: `USER@HOST UNIQUE-ID`, for all accounts in one file.
//!
//! The host is the name of the poll, or that of `via`, as it is written in the configuration; it is compared without regard to
//! case, and so is the user. There are users whose names hold spaces.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::moving::MovingError;
use crate::moving::notes::Notes;
use crate::moving::read::{self, Line};
use crate::moving::seen::{Collected, Seen, SeenState};

/// The unique-ids of each account of a file.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<Vec<u8>, Vec<Seen>>);

impl Ids {
    /// Reads what a file says of accounts, each a user and a host.
    pub(super) fn read(
        file: &Path,
        accounts: &[(String, String)],
        notes: &mut Notes<'_>,
    ) -> Result<Self, MovingError> {
        let mut found: HashMap<Vec<u8>, Collected> = accounts
            .iter()
            .map(|(user, host)| (key(user, host), Collected::default()))
            .collect();
        let mut strangers = 0_usize;
        read::lines(file, |number, line| {
            let Line::Whole(line) = line else {
                strangers += 1;
                return;
            };
            let line = line.trim_ascii();
            let whose = memchr::memchr_iter(b' ', line)
                .find(|&end| found.contains_key(&line[..end].to_ascii_lowercase()));
            match whose
                .and_then(|end| Some((end, found.get_mut(&line[..end].to_ascii_lowercase())?)))
            {
                Some((end, collected)) => {
                    let id = line[end..].trim_ascii();
                    let id = id.split(u8::is_ascii_whitespace).next().unwrap_or(id);
                    collected.add(number, id, None, SeenState::Delivered);
                }
                None if line.is_empty() => {}
                None => strangers += 1,
            }
        })?;
        if strangers > 0 {
            notes.about(
                format!("{strangers} lines of .fetchids are of no account that is configured"),
                "they are left out; fetchmail keeps what it knew of accounts that are gone",
            );
        }
        Ok(Self(
            found
                .into_iter()
                .map(|(key, collected)| (key, collected.into_list(notes)))
                .collect(),
        ))
    }

    /// Those of an account.
    pub(super) fn of(&self, user: &str, host: &str) -> &[Seen] {
        self.0.get(&key(user, host)).map_or(&[], Vec::as_slice)
    }
}

/// Where the file is: where the configuration says, or beside it, or in the home directory.
pub(super) fn file(configured: Option<PathBuf>, beside: &Path, home: &Path) -> Option<PathBuf> {
    let usual = [beside.parent().unwrap_or(beside), home].map(|it| it.join(".fetchids"));
    configured.into_iter().chain(usual).find(|it| it.is_file())
}

fn key(user: &str, host: &str) -> Vec<u8> {
    format!("{user}@{host}").into_bytes().to_ascii_lowercase()
}
