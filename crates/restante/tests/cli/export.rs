//! `restante maildrop export`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::accounts::with_bob;
use crate::run::{Ended, Site};

/// Messages with everything that a format might trip over.
const LETTERS: [&str; 4] = [
    "Subject: quoted\n\nFrom here\n>From there\n>>From\n From no\n",
    "Subject: dots\n\n.\n..\n.sig\n\n",
    "Subject: carriage returns\n\na\rb\r\r\nc\r\n",
    "",
];

fn with_letters() -> Site {
    let site = with_bob();
    for letter in LETTERS {
        let ended = site.run(
            &["deliver", "-f", "frop@dobbs.org", "bob"],
            letter.as_bytes(),
        );
        assert_eq!(ended.with(0).stderr, "");
    }
    site
}

fn export(site: &Site, format: &str, to: &str) -> Ended {
    let to = site.path().join(to);
    let to = to.to_str().unwrap();
    site.run(&["maildrop", "export", "bob", to, "--format", format], b"")
}

fn texts(site: &Site, account: &str) -> Vec<String> {
    let list = site.run(&["maildrop", "list", account], b"").with(0).stdout;
    (1..=list.lines().count())
        .map(|number| {
            site.run(&["maildrop", "show", account, &number.to_string()], b"")
                .with(0)
                .stdout
        })
        .collect()
}

#[test]
fn a_maildir_comes_back_octet_by_octet() {
    let site = with_letters();
    let before = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let ended = export(&site, "maildir", "out").with(0);
    assert_eq!(
        ended.stdout,
        "4 messages exported from the maildrop of bob to DIR/out.\n"
    );
    assert_eq!(ended.stderr, "");
    let out = site.path().join("out");
    for part in ["tmp", "cur"] {
        assert_eq!(fs::read_dir(out.join(part)).unwrap().count(), 0);
    }
    let mut files: Vec<PathBuf> = fs::read_dir(out.join("new"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 4);
    for (file, text) in files.iter().zip(texts(&site, "bob")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let metadata = fs::metadata(file).unwrap();
        let sizes = format!(",S={},W={}", metadata.len(), text.len());
        assert!(name.ends_with(&sizes), "{name} {sizes}");
        assert!(name.contains(".mailgate.dobbs.org,"), "{name}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let seconds = u64::try_from(metadata.mtime()).unwrap();
        assert!(name.starts_with(&format!("{seconds}.M")), "{name}");
        assert!(seconds <= before && seconds + 600 > before);
    }
    let second = fs::read_to_string(&files[1]).unwrap();
    assert!(
        second.ends_with("\nSubject: dots\n\n.\n..\n.sig\n\n"),
        "{second}"
    );

    site.run(&["user", "add", "eve", "--stdin"], b"tea\n")
        .with(0);
    let import = ["maildrop", "import", "eve", out.to_str().unwrap()];
    site.run(&import, b"").with(0);
    assert_eq!(texts(&site, "eve"), texts(&site, "bob"));

    let ended = export(&site, "maildir", "out").with(73);
    assert_eq!(
        ended.stderr,
        "restante: DIR/out is there already\n  \
         nothing is replaced: name one that is not there yet, or move that one away\n"
    );
}

#[test]
fn an_mbox_has_quoted_lines_and_is_never_replaced() {
    let site = with_letters();
    export(&site, "mboxrd", "out.mbox").with(0);
    let mbox = fs::read_to_string(site.path().join("out.mbox")).unwrap();
    let mut starts = Vec::new();
    for line in mbox.lines() {
        if let Some(rest) = line.strip_prefix("From ") {
            starts.push(rest);
        }
    }
    assert_eq!(starts.len(), 4, "{mbox}");
    for start in starts {
        let words: Vec<&str> = start.split_whitespace().collect();
        assert_eq!(words.len(), 6, "{start}");
        assert_eq!(words[0], "frop@dobbs.org");
        assert!(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&words[1]));
    }
    let quoted = "\nSubject: quoted\n\n>From here\n>>From there\n>>From\n From no\n\nFrom frop@";
    assert!(mbox.contains(quoted), "{mbox}");
    assert!(mbox.contains("\na\rb\r\r\nc\n\nFrom "), "{mbox}");
    let ended = export(&site, "mboxrd", "out.mbox").with(73);
    assert_eq!(
        ended.stderr,
        "restante: DIR/out.mbox is there already\n  \
         nothing is replaced: name one that is not there yet, or move that one away\n"
    );
    let out = site.path().join("out.mbox");
    assert_eq!(fs::read_to_string(&out).unwrap(), mbox);
    site.run(&["user", "add", "eve", "--stdin"], b"tea\n")
        .with(0);
    let import = ["maildrop", "import", "eve", out.to_str().unwrap()];
    site.run(&import, b"").with(0);
    assert_eq!(texts(&site, "eve"), texts(&site, "bob"));
    let left = fs::read_dir(site.path()).unwrap();
    assert!(left.into_iter().all(|entry| {
        let name = entry.unwrap().file_name();
        !name.to_str().unwrap().starts_with(".restante")
    }));
}

#[test]
fn a_damaged_message_is_named_and_left_out() {
    let site = with_bob();
    for letter in [
        "Subject: 1\n\none\n",
        "Subject: 2\n\ntwo\n",
        "Subject: 3\n\n",
    ] {
        site.run(&["deliver", "bob"], letter.as_bytes()).with(0);
    }
    let path = site.maildrop("bob");
    let mut octets = fs::read(&path).unwrap();
    let place = octets.windows(3).position(|it| it == b"two").unwrap();
    octets[place] ^= 1;
    fs::write(&path, octets).unwrap();
    for (format, to) in [("mboxrd", "mbox"), ("maildir", "maildir")] {
        let ended = export(&site, format, to).with(65);
        assert!(ended.stdout.starts_with("2 messages exported"));
        assert!(
            ended
                .stderr
                .starts_with("message 2: the checksum of the text is wrong (record at"),
            "{}",
            ended.stderr
        );
        let end = "restante: 1 message was damaged and left out; see above\n  \
                   bring them back from a backup: restante maildrop restore\n";
        assert!(ended.stderr.ends_with(end), "{}", ended.stderr);
    }
    let mbox = fs::read_to_string(site.path().join("mbox")).unwrap();
    assert!(mbox.starts_with("From MAILER-DAEMON "), "{mbox}");
    assert!(mbox.contains("Subject: 1\n\none\n\nFrom "), "{mbox}");
    assert!(!mbox.contains("Subject: 2"), "{mbox}");
    let new = fs::read_dir(site.path().join("maildir/new")).unwrap();
    assert_eq!(new.count(), 2);
    let tmp = fs::read_dir(site.path().join("maildir/tmp")).unwrap();
    assert_eq!(tmp.count(), 0);
}

#[test]
fn where_nobody_can_write_is_told() {
    let site = with_letters();
    let ended = export(&site, "mboxrd", "no/such/place").with(73);
    assert_eq!(
        ended.stderr,
        "restante: DIR/no/such/place cannot be written: no such file or directory\n  \
         name a directory that is there and has room\n"
    );
}
