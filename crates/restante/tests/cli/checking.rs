//! `restante check` of what lies in the data directory, and of whose it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Site};

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
    site.run(
        &["user", "passwd", "bob", "--apop", "--stdin"],
        b"tanstaaf\n",
    )
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

#[test]
fn what_the_servers_user_cannot_use_is_told() {
    if !geteuid().is_root() {
        println!("SKIPPED: only root can become somebody else");
        return;
    }
    let site = Site::with(&format!("user = \"nobody\"\n{CONFIGURATION}"));
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(site.path(), 0o755);
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    mode(&site.config(), 0o600);
    let ended = site.run(&["check"], b"").with(0);
    let told = "warning: the server's user cannot read DIR/restante.toml again after a SIGHUP: \
                permission denied\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    mode(&site.config(), 0o644);
    let ended = site.run(&["check"], b"").with(0);
    assert!(!ended.stderr.contains("SIGHUP"), "{}", ended.stderr);

    let nobody = User::from_name("nobody").unwrap().unwrap().uid.as_raw();
    let data = site.path().join("data");
    chown(&data, Some(nobody + 1), None).unwrap();
    let ended = site.run(&["check"], b"").with(78);
    let told = format!(
        "the data directory DIR/data is uid {}'s, and the server runs as nobody\n  give it to the \
         server's user: chown -R nobody DIR/data; or correct `user`\n",
        nobody + 1
    );
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
}
