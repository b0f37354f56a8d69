//! Mboxes in place, chosen by the configuration.

use std::fs;

use crate::run::{CONFIGURATION, Site};

const MBOXES: &str = "store = \"mbox\"\n[mbox]\npath = \"DIR/mail/{local}\"\n";

fn site_with(mbox: &str) -> Site {
    let site = Site::with(&CONFIGURATION.replace("allow_volatile = true\n", mbox));
    fs::create_dir(site.path().join("mail")).unwrap();
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    site
}

fn listed(site: &Site) -> Vec<String> {
    let list = site.run(&["maildrop", "list", "bob"], b"").with(0).stdout;
    let octets = list.lines().map(|line| line.split_whitespace().nth(1));
    octets.map(|octets| octets.unwrap().to_owned()).collect()
}

#[test]
fn mail_is_delivered_listed_and_shown_where_others_find_it() {
    let site = site_with(MBOXES);
    assert!(listed(&site).is_empty());
    let path = site.run(&["maildrop", "path", "bob"], b"").with(0).stdout;
    assert_eq!(path, "DIR/mail/bob\n");
    let letter = b"Subject: a\nStatus: RO\n\nFrom here\n";
    site.run(&["deliver", "-f", "frop@dobbs.org", "bob"], letter)
        .with(0);
    let file = site.path().join("mail/bob");
    let text = fs::read_to_string(&file).unwrap();
    let (mark, message) = text.split_once('\n').unwrap();
    assert!(mark.starts_with("From frop@dobbs.org "), "{mark}");
    assert!(
        message.ends_with("Subject: a\nX-Original-Status: RO\n\n>From here\n\n"),
        "{message}"
    );
    // Another program appends one, and notes something.
    let other = "From alice Fri Nov 27 10:00:00 2026\nSubject: b\nStatus: RO\n\n\n";
    fs::write(&file, format!("{text}{other}")).unwrap();
    let octets = listed(&site);
    assert_eq!((octets.len(), &*octets[1]), (2, "14"), "{octets:?}");
    let shown = site.run(&["maildrop", "show", "bob", "1"], b"").with(0);
    assert!(
        shown.stdout.ends_with("\r\n\r\nFrom here\r\n"),
        "{}",
        shown.stdout
    );
    let refused = site.run(&["maildrop", "verify", "bob"], b"").with(64);
    assert!(
        refused
            .stderr
            .contains("Maildirs and mboxes are not verified")
    );
}

#[test]
fn a_configuration_of_mboxes_is_checked() {
    for (maildrop, complaint) in [
        ("store = \"mbox\"\n", "where the maildrops are is not said"),
        (
            "store = \"mbox\"\n[mbox]\npath = \"/var/mail/{local}\"\nvariant = \"mboxxd\"\n",
            "did you mean \"mboxrd\"?",
        ),
        (
            "store = \"mbox\"\n[mbox]\npath = \"/var/mail/{local}\"\nwrite_locks = [\"flock\"]\n",
            "\"flock\" is no lock of mboxes",
        ),
        (
            "store = \"mbox\"\n[mbox]\npath = \"/var/mail/{local}\"\nread_locks = []\n",
            "`read_locks` names no lock",
        ),
        (
            "store = \"maildir\"\n[maildir]\npath = \"/v/{name}\"\n[mbox]\npath = \"/m/{name}\"\n",
            "[mbox] means nothing while `store` is another",
        ),
    ] {
        let site = Site::with(&CONFIGURATION.replace("allow_volatile = true\n", maildrop));
        let ended = site.run(&["check"], b"").with(78);
        assert!(ended.stderr.contains(complaint), "{}", ended.stderr);
    }
    let told = site_with(MBOXES).run(&["check"], b"").with(0).stdout;
    assert!(
        told.contains("store       mboxes in place, DIR/mail/{local}\n"),
        "{told}"
    );
    assert!(
        told.contains("unique-ids  hashes of the messages\n"),
        "{told}"
    );
}

#[test]
fn nobody_is_called_like_the_lock_of_another_and_no_foreign_file_is_touched() {
    let site = site_with(MBOXES);
    site.run(&["user", "add", "bob.lock", "--stdin"], b"redqueen\n")
        .with(0);
    site.run(&["deliver", "bob.lock"], b"Subject: a\n\n")
        .with(75);
    assert!(!site.path().join("mail/bob.lock").exists());
    // A second name of a file that somebody wants to have written.
    let other = site.path().join("other");
    fs::write(&other, "").unwrap();
    fs::hard_link(&other, site.path().join("mail/bob")).unwrap();
    let refused = site.run(&["deliver", "bob"], b"Subject: a\n\n").with(75);
    assert!(refused.stderr.contains("hard link"), "{}", refused.stderr);
    assert_eq!(fs::read(&other).unwrap(), b"");
}
