//! `restante check` of what lies in the data directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::accounts::with_bob;

/// Every file below a directory, with its octets.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        match path.is_dir() {
            true => left.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path())),
            false => {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_check_changes_nothing_and_tells_of_an_older_database() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"Subject: 1\n\n").with(0);
    let data = site.path().join("data");
    let before = files(&data);
    let told = "warning: accounts.db is of an older version, and the next start or command brings it \
                up to this one\n";
    let ended = site.run(&["check"], b"").with(0);
    assert!(!ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(files(&data), before);
    // The version of its schema, as SQLite keeps it in the header of every database.
    let path = data.join("accounts.db");
    let mut octets = fs::read(&path).unwrap();
    octets[60..64].copy_from_slice(&2_u32.to_be_bytes());
    fs::write(&path, octets).unwrap();
    let before = files(&data);
    let ended = site.run(&["check"], b"").with(0);
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert_eq!(files(&data), before);
}

#[test]
fn a_lost_key_of_apop_secrets_is_told() {
    let site = with_bob();
    site.run(&["user", "passwd", "bob", "--apop", "--stdin"], b"tanstaaf\n")
        .with(0);
    site.run(&["check"], b"").with(0);
    fs::remove_file(site.path().join("data/accounts.key")).unwrap();
    let ended = site.run(&["check"], b"").with(78);
    assert!(
        ended.stderr.contains(
            "the APOP secrets of 1 account (bob, for one) cannot be read: accounts.key is gone, or is \
             another key\n  put the copy of accounts.key back; or set them anew: restante user passwd \
             --apop ACCOUNT\n"
        ),
        "{}",
        ended.stderr
    );
    site.run(&["user", "set", "bob", "--no-apop"], b"").with(0);
    site.run(&["check"], b"").with(0);
}
