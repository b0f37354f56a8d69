//! `restante maildrop`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::unistd::geteuid;

use crate::accounts::with_bob;
use crate::run::Site;

#[test]
fn messages_are_listed_and_shown_by_number_and_unique_id() {
    let site = with_bob();
    for text in ["Subject: 1\n\none\n", "Subject: 2\n\ntwo\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let list = site.run(&["maildrop", "list", "bob"], b"").with(0).stdout;
    let lines: Vec<Vec<_>> = list
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0][0], lines[0][1]), ("1", "19"));
    let unique_id = lines[1][2];
    let shown = site
        .run(&["maildrop", "show", "bob", unique_id], b"")
        .with(0)
        .stdout;
    assert_eq!(shown, "Subject: 2\r\n\r\ntwo\r\n");
    let json = site
        .run(&["maildrop", "list", "bob", "--json"], b"")
        .with(0)
        .stdout;
    let json: serde_json::Value = serde_json::from_str(json.lines().nth(1).unwrap()).unwrap();
    assert_eq!(json["unique_id"], unique_id);
    assert_eq!(json["octets"], 19);
    let ended = site.run(&["maildrop", "show", "bob", "3"], b"").with(65);
    assert_eq!(
        ended.stderr,
        "restante: the maildrop of bob has no message \"3\"\n  see what it has: restante maildrop list bob\n"
    );
    let ended = site.run(&["maildrop", "list", "eve"], b"").with(67);
    assert!(ended.stderr.contains("there is no account eve"));
}

#[test]
fn damage_is_found_and_not_handed_out() {
    let site = with_bob();
    for text in ["Subject: 1\n\none\n", "Subject: 2\n\ntwo\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let ended = site.run(&["maildrop", "verify", "bob"], b"").with(0);
    assert_eq!(
        ended.stdout,
        "2 messages in 1 maildrop read: every octet is as it was delivered.\n"
    );
    let path = site.maildrop("bob");
    let mut octets = fs::read(&path).unwrap();
    let place = octets
        .windows(3)
        .position(|octets| octets == b"one")
        .unwrap();
    octets[place] ^= 1;
    fs::write(&path, octets).unwrap();
    let ended = site.run(&["maildrop", "verify"], b"").with(65);
    assert!(ended.stderr.contains("bob: byte "), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 damage found"), "{}", ended.stderr);
    site.run(&["maildrop", "show", "bob", "1"], b"").with(65);
    let shown = site
        .run(&["maildrop", "show", "bob", "2"], b"")
        .with(0)
        .stdout;
    assert_eq!(shown, "Subject: 2\r\n\r\ntwo\r\n");
}

#[test]
fn a_file_that_others_can_read_is_told_and_no_damage() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"Subject: 1\n\none\n")
        .with(0);
    let told = site.run(&["maildrop", "path", "bob"], b"").with(0).stdout;
    let path = site.place(told.trim());
    let json = || -> serde_json::Value {
        let ended = site.run(&["maildrop", "verify", "--json"], b"").with(0);
        assert_eq!(ended.stderr, "");
        serde_json::from_str(&ended.stdout).unwrap()
    };
    assert_eq!(json()["warnings"], serde_json::json!([]));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let warning = format!("its mode is 0644; chmod 600 {}", told.trim());
    let ended = site.run(&["maildrop", "verify"], b"").with(0);
    assert_eq!(ended.stderr, format!("warning: bob: {warning}\n"));
    assert_eq!(
        ended.stdout,
        "1 message in 1 maildrop read: every octet is as it was delivered.\n"
    );
    assert_eq!(json()["warnings"], serde_json::json!([warning]));
    if geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let ended = site.run(&["maildrop", "verify"], b"").with(0);
        assert_eq!(
            ended.stderr,
            format!(
                "warning: bob: it belongs to uid 12345; chown 0 {}\n",
                told.trim()
            )
        );
    }
}

#[test]
fn who_comes_upon_a_torn_tail_or_a_gap_says_so() {
    let site = with_bob();
    for text in ["Subject: 1\n\none\n", "Subject: 2\n\ntwo\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let path = site.maildrop("bob");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let ended = site.run(&["maildrop", "list", "bob"], b"").with(0);
    let told = &ended.stderr;
    assert!(told.contains("torn tail cut, copy kept"), "{told}");
    let ended = site.run(&["maildrop", "list", "bob"], b"").with(0);
    assert_eq!(ended.stderr, "", "it is told once");

    let mut gap = whole;
    gap[4096] ^= 1;
    fs::write(&path, &gap).unwrap();
    let ended = site.run(&["deliver", "bob"], b"Subject: 3\n\n").with(0);
    let told = &ended.stderr;
    assert!(told.contains("maildrop is damaged"), "{told}");
}

#[test]
fn one_file_that_cannot_be_read_does_not_hide_another() {
    let site = with_bob();
    site.run(&["user", "add", "alice", "--stdin"], b"tea\n")
        .with(0);
    for account in ["alice", "bob"] {
        site.run(&["deliver", account], b"Subject: 1\n\none\n")
            .with(0);
    }
    fs::remove_file(site.maildrop("alice")).unwrap();
    fs::create_dir(site.maildrop("alice")).unwrap();
    let ended = site.run(&["maildrop", "list"], b"").with(74);
    assert!(ended.stdout.starts_with("bob  "), "{}", ended.stdout);
    assert!(ended.stderr.starts_with("alice: "), "{}", ended.stderr);
    let ended = site.run(&["maildrop", "verify"], b"").with(74);
    assert!(ended.stderr.contains("alice: "), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("1 message in 1 maildrop read; 1 maildrop cannot be read"),
        "{}",
        ended.stderr
    );
    let mut octets = fs::read(site.maildrop("bob")).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    fs::write(site.maildrop("bob"), octets).unwrap();
    let ended = site.run(&["maildrop", "verify"], b"").with(65);
    assert!(ended.stderr.contains("alice: "), "{}", ended.stderr);
    assert!(ended.stderr.contains("bob: byte "), "{}", ended.stderr);
}

fn maildir(site: &Site) -> std::path::PathBuf {
    let directory = site.path().join("Maildir");
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(directory.join(part)).unwrap();
    }
    for (name, text) in [
        ("new/1700000002.M2P1.host", "Subject: third\n\n.\n"),
        ("new/1700000002.M1P1.host,S=16", "Subject: second\n"),
        ("cur/1700000001.P1.host:2,S", "Subject: first\r\n\r\nno end"),
        ("cur/1700000003.P1.host:2,", ""),
        ("tmp/1700000000.P1.host", "not delivered yet"),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    directory
}

fn import(site: &Site, directory: &Path) -> crate::run::Ended {
    site.run(
        &["maildrop", "import", "bob", directory.to_str().unwrap()],
        b"",
    )
}

#[test]
fn a_maildir_comes_in_in_order_and_only_once() {
    let site = with_bob();
    let directory = maildir(&site);
    let ended = import(&site, &directory).with(0);
    assert_eq!(
        ended.stdout,
        "4 messages imported into the maildrop of bob, 0 there already.\n\
         4 unique-ids are from the names of the files, 0 new.\n"
    );
    assert_eq!(
        unique_ids(&site),
        [
            "1700000001.P1.host",
            "1700000002.M1P1.host,S=16",
            "1700000002.M2P1.host",
            "1700000003.P1.host"
        ]
    );
    assert_eq!(ended.stderr, "");
    let show = |number| {
        site.run(&["maildrop", "show", "bob", number], b"")
            .with(0)
            .stdout
    };
    assert_eq!(show("1"), "Subject: first\r\n\r\nno end\r\n");
    assert_eq!(show("2"), "Subject: second\r\n");
    assert_eq!(show("3"), "Subject: third\r\n\r\n.\r\n");
    assert_eq!(show("4"), "");

    // Again, with a message more, one that is the same as another, and one that has moved.
    fs::write(
        directory.join("new/1700000009.P1.host"),
        "Subject: second\n",
    )
    .unwrap();
    fs::rename(
        directory.join("new/1700000002.M2P1.host"),
        directory.join("cur/1700000002.M2P1.host:2,S"),
    )
    .unwrap();
    let ended = import(&site, &directory).with(0);
    assert_eq!(
        ended.stdout,
        "1 message imported into the maildrop of bob, 4 there already.\n\
         1 unique-id is from the names of the files, 0 new.\n"
    );
    assert_eq!(show("5"), "Subject: second\r\n");
}

/// The unique-ids of bob's messages, in their order.
fn unique_ids(site: &Site) -> Vec<String> {
    let ended = site
        .run(&["maildrop", "list", "bob", "--json"], b"")
        .with(0);
    let ids = ended.stdout.lines().map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        message["unique_id"].as_str().unwrap().to_owned()
    });
    ids.collect()
}

#[test]
fn unique_ids_and_order_stay_what_the_last_server_gave() {
    let lists = [
        (
            "courierpop3dsizelist",
            "/3 4 1700000000\n1700000003.P1.host:2, 0 3:1700000000:0\n1700000001.P1.host 28 9:0:0\n",
            &[
                "UID9",
                "1700000002.M1P1.host,S=16",
                "1700000002.M2P1.host",
                "UID3-1700000000",
            ],
        ),
        (
            "dovecot-uidlist",
            "3 V1700000000 N9 G0\n2 :1700000003.P1.host:2,S\n3 :1700000002.M1P1.host,S=16\n\
             7 Pown O1 :1700000002.M2P1.host\n8 :1700000001.P1.host\n",
            &[
                "own",
                "000000026553f100",
                "000000036553f100",
                "000000086553f100",
            ],
        ),
    ];
    for (file, list, expected) in lists {
        let site = with_bob();
        let directory = maildir(&site);
        fs::write(directory.join(file), list).unwrap();
        let ended = import(&site, &directory).with(0);
        assert!(ended.stdout.contains(file), "{}", ended.stdout);
        let found = unique_ids(&site);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            // What a server has not seen has no name yet that a client could know.
            let is_new = file.starts_with("courier") && expected.contains('M');
            assert!(
                found == expected || is_new && found.contains('.'),
                "{found} {expected}"
            );
        }
    }
}

#[test]
fn an_mbox_comes_in_as_its_dialect_says() {
    const MARK: &str = "From frop@dobbs.org Mon Nov 23 08:24:39 2026\n";
    let text = "Subject: a\nStatus: RO\n\n>From here\n>>From there\n";
    for (dialect, expected) in [
        (None, "Subject: a\r\n\r\nFrom here\r\n>From there\r\n"),
        (
            Some("mboxo"),
            "Subject: a\r\n\r\n>From here\r\n>>From there\r\n",
        ),
    ] {
        let site = with_bob();
        let mbox = site.path().join("mbox");
        fs::write(&mbox, format!("{MARK}{text}\n{MARK}Subject: b\n\nno end")).unwrap();
        let mut words = vec!["maildrop", "import", "bob", mbox.to_str().unwrap()];
        words.extend(dialect.iter().flat_map(|dialect| ["--mbox", dialect]));
        let ended = site.run(&words, b"").with(0);
        assert_eq!(
            ended.stdout,
            "2 messages imported into the maildrop of bob, 0 there already.\n"
        );
        let show = |number| {
            let ended = site.run(&["maildrop", "show", "bob", number], b"");
            ended.with(0).stdout
        };
        assert_eq!(show("1"), expected);
        assert_eq!(show("2"), "Subject: b\r\n\r\nno end\r\n");
        let ended = site.run(&words, b"").with(0);
        assert_eq!(
            ended.stdout,
            "0 messages imported into the maildrop of bob, 2 there already.\n"
        );
    }
}

#[test]
fn a_file_that_is_no_mbox_is_refused() {
    let site = with_bob();
    let file = site.path().join("letter");
    fs::write(&file, "Subject: a\n\nno mbox\n").unwrap();
    let words = ["maildrop", "import", "bob", file.to_str().unwrap()];
    let ended = site.run(&words, b"").with(66);
    assert_eq!(
        ended.stderr,
        "restante: DIR/letter cannot be read: it is no mbox of this dialect: at octet 0 no message has begun\n  \
         say which dialect it is (--mbox), or name another file\n"
    );
}

#[test]
fn a_list_that_makes_no_sense_stops_the_import() {
    let site = with_bob();
    let directory = maildir(&site);
    fs::write(directory.join("dovecot-uidlist"), "3 V1 N9\n2 :a\nx\n").unwrap();
    let ended = import(&site, &directory).with(65);
    assert_eq!(
        ended.stderr,
        "restante: DIR/Maildir/dovecot-uidlist: line 3: a uid and the name of a file are expected\n  \
         mend it or take an older copy of it; or say where unique-ids come from otherwise \
         (--unique-ids): clients retrieve everything again if they are others\n"
    );
    assert!(unique_ids(&site).is_empty());
    let directory = directory.to_str().unwrap();
    let new = [
        "maildrop",
        "import",
        "bob",
        directory,
        "--unique-ids",
        "new",
    ];
    let ended = site.run(&new, b"").with(0);
    assert_eq!(
        ended.stdout,
        "4 messages imported into the maildrop of bob, 0 there already.\n"
    );
    // One that is asked for and is not there.
    let courier = [
        "maildrop",
        "import",
        "bob",
        directory,
        "--unique-ids",
        "courier",
    ];
    let ended = site.run(&courier, b"").with(65);
    assert!(
        ended.stderr.contains("courierpop3dsizelist: "),
        "{}",
        ended.stderr
    );
    // A directory that has none.
    let none = site.path().join("none");
    fs::create_dir(&none).unwrap();
    let none = none.to_str().unwrap();
    let files = ["maildrop", "import", "bob", none, "--unique-ids", "files"];
    let ended = site.run(&files, b"").with(66);
    assert!(ended.stderr.contains("is no Maildir"), "{}", ended.stderr);
    let format = [
        "maildrop",
        "import",
        "bob",
        directory,
        "--uidl-format",
        "%m",
    ];
    let ended = site.run(&format, b"").with(64);
    assert!(ended.stderr.contains("octet 0"), "{}", ended.stderr);
}

#[test]
fn messages_that_came_under_other_unique_ids_are_told() {
    let site = with_bob();
    let directory = maildir(&site);
    let name = directory.to_str().unwrap();
    let new = ["maildrop", "import", "bob", name, "--unique-ids", "new"];
    site.run(&new, b"").with(0);
    let ended = import(&site, &directory).with(0);
    assert!(
        ended
            .stderr
            .contains("4 messages are there already under another unique-id"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_unique_id_that_two_messages_have_is_given_to_the_first_only() {
    let site = with_bob();
    let directory = maildir(&site);
    let list = "3 V1 N9\n2 Pone :1700000001.P1.host\n3 Pone :1700000003.P1.host\n";
    fs::write(directory.join("dovecot-uidlist"), list).unwrap();
    let ended = import(&site, &directory).with(0);
    assert!(
        ended
            .stderr
            .contains("another message has the unique-id one"),
        "{}",
        ended.stderr
    );
    assert!(
        ended
            .stdout
            .ends_with("1 unique-id is from dovecot-uidlist, 3 new.\n"),
        "{}",
        ended.stdout
    );
    let ids = unique_ids(&site);
    assert_eq!(ids.iter().filter(|id| *id == "one").count(), 1, "{ids:?}");
}

#[test]
fn a_large_import_leaves_an_index_for_the_first_login() {
    let site = with_bob();
    let directory = site.path().join("mail");
    fs::create_dir(&directory).unwrap();
    for n in 0..600 {
        fs::write(
            directory.join(format!("{n}.eml")),
            format!("Subject: {n}\n\n"),
        )
        .unwrap();
    }
    import(&site, &directory).with(0);
    let index = Path::new(&site.maildrop("bob")).with_extension("rsx");
    assert!(index.exists(), "{}", index.display());
    site.run(&["maildrop", "verify", "bob"], b"").with(0);
}

#[test]
fn a_directory_of_eml_files_comes_in_and_what_is_none_is_named() {
    let site = with_bob();
    let directory = site.path().join("mail");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a.eml"), "Subject: a\n\n").unwrap();
    fs::write(directory.join("b.EML"), "Subject: b\n\n").unwrap();
    fs::write(directory.join("notes.txt"), "no message").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.join("evil.eml")).unwrap();
    let ended = import(&site, &directory).with(65);
    assert_eq!(
        ended.stdout,
        "2 messages imported into the maildrop of bob, 0 there already.\n"
    );
    assert_eq!(
        ended.stderr,
        "DIR/mail/evil.eml: not a regular file; left out
restante: 1 file was left out; see above
  mend them and run this again: what is there already is skipped
"
    );
}

#[test]
fn what_cannot_be_imported_is_told() {
    let site = with_bob();
    let ended = import(&site, Path::new("/nonexistent")).with(66);
    assert_eq!(
        ended.stderr,
        "restante: /nonexistent cannot be read: no such file or directory
  name a Maildir (with new/ and cur/), an mbox file, or a directory of .eml files
"
    );
    import(&site, &site.config()).with(66);
    let directory = maildir(&site);
    let arguments = ["maildrop", "import", "eve", directory.to_str().unwrap()];
    site.run(&arguments, b"").with(67);
}

#[test]
fn a_verification_is_told_to_programs_too() {
    let site = with_bob();
    for text in ["Subject: 1\n\none\n", "Subject: 2\n\ntwo\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let path = site.maildrop("bob");
    let verify = |code| {
        let ended = site.run(&["maildrop", "verify", "--json"], b"").with(code);
        let object: serde_json::Value = serde_json::from_str(ended.stdout.trim()).unwrap();
        assert_eq!(object["account"], "bob");
        assert!(path.contains(object["maildrop"].as_str().unwrap()));
        object
    };
    let object = verify(0);
    assert_eq!(object["messages"], 2);
    assert_eq!(object["octets_read"], fs::metadata(&path).unwrap().len());
    assert_eq!(object["damages"], serde_json::json!([]));
    let mut octets = fs::read(&path).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    fs::write(&path, octets).unwrap();
    let object = verify(65);
    assert_eq!(
        object["damages"],
        serde_json::json!([{
            "offset": 4096 + 64 + 24,
            "uid": 2,
            "what": "the checksum of the text is wrong",
        }])
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let object = verify(74);
    assert!(object["error"].as_str().unwrap().contains("directory"));
}
