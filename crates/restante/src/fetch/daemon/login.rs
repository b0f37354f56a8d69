//! The files in which the logins of an account are kept: one that has ended is seen to be there again.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::fetch::auth;
use crate::fetch::place::Place;
use crate::fetch::settings::Account;

/// Between two looks at such a file.
const LOOK: Duration = Duration::from_secs(2);

/// What tells one state of a file from the next, which is another file that was renamed into its place.
type State = Option<(u64, i64, i64)>;

/// Files of logins, as they were.
pub(super) struct Login(Vec<(PathBuf, State)>);

impl Login {
    /// Those of an account, as they are now.
    pub(super) fn of(account: &Account, place: &Place) -> Self {
        // A provider that is none is told with every session.
        let held = auth::held(account).unwrap_or_default();
        let files = held
            .iter()
            .filter_map(|held| held.tokens(place).file().map(ToOwned::to_owned));
        Self(files.map(|file| (file.clone(), state(&file))).collect())
    }

    /// Waits until one of them is another; where nobody waits for a login, for ever.
    pub(super) async fn changed(login: Option<Self>) {
        let Some(Self(files)) = login.filter(|login| !login.0.is_empty()) else {
            return std::future::pending().await;
        };
        while files.iter().all(|(file, before)| state(file) == *before) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn state(file: &PathBuf) -> State {
    let found = fs::metadata(file).ok()?;
    Some((found.ino(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_replaced_is_seen_and_one_that_is_not_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("work.tokens");
        let login = || Login(vec![(file.clone(), state(&file))]);
        let (long, short) = (Duration::from_secs(60), Duration::from_millis(50));
        for text in ["", "one", "two"] {
            let before = login();
            let new = directory.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &file).unwrap();
            tokio::time::timeout(long, Login::changed(Some(before)))
                .await
                .unwrap();
        }
        let waited = tokio::time::timeout(short, Login::changed(Some(login()))).await;
        assert!(waited.is_err());
        assert!(
            tokio::time::timeout(short, Login::changed(None))
                .await
                .is_err()
        );
    }
}
