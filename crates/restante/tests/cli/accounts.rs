//! `restante user`.

use std::fs;

use crate::run::Site;

/// A site with the account bob.
pub(crate) fn with_bob() -> Site {
    let site = Site::new();
    let ended = site
        .run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    assert_eq!(ended.stdout, "Account bob is made.\n");
    assert_eq!(ended.stderr, "");
    site
}

#[test]
fn an_account_is_made_shown_changed_renamed_and_removed() {
    let site = with_bob();
    assert_eq!(site.run(&["user", "list"], b"").with(0).stdout, "bob\n");
    let shown = site.run(&["user", "show", "Bob"], b"").with(0).stdout;
    for line in [
        "account   bob\n",
        "state     enabled\n",
        "expires   never\n",
        "from      everywhere\n",
        "password  ARGON2ID\n",
        "SCRAM     verifier stored\n",
        "APOP      no\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert!(!shown.contains("argon2id$"), "no hash is printed");

    let set = [
        "user",
        "set",
        "bob",
        "--disable",
        "--expires",
        "2027-01-31",
        "--from",
        "192.0.2.0/24",
    ];
    let shown = site.run(&set, b"").with(0).stdout;
    for line in [
        "state     disabled\n",
        "expires   2027-01-31T00:00:00Z\n",
        "from      192.0.2.0/24\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    let json = site
        .run(&["user", "show", "bob", "--json"], b"")
        .with(0)
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["account"], "bob");
    assert_eq!(json["enabled"], false);
    assert_eq!(json["networks"][0], "192.0.2.0/24");
    assert_eq!(
        site.run(&["user", "list"], b"").with(0).stdout,
        "bob  disabled\n"
    );
    let set = [
        "user",
        "set",
        "bob",
        "--enable",
        "--expires",
        "never",
        "--from",
        "everywhere",
    ];
    assert!(
        site.run(&set, b"")
            .with(0)
            .stdout
            .contains("from      everywhere\n")
    );

    let before = json["maildrop"].clone();
    site.run(&["user", "rename", "bob", "robert@dobbs.org"], b"")
        .with(0);
    let json = site.run(&["user", "list", "--json"], b"").with(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["account"], "robert@dobbs.org");
    assert_eq!(json["maildrop"], before);

    let removed = site
        .run(&["user", "remove", "robert@dobbs.org"], b"")
        .with(0)
        .stdout;
    assert!(removed.starts_with("Account robert@dobbs.org is removed; its maildrop stays until 2"));
    let list = site.run(&["user", "list"], b"").with(0);
    assert_eq!(list.stdout, "");
    assert_eq!(
        list.stderr,
        "There is no account yet; make one: restante user add NAME\n"
    );
}

#[test]
fn what_cannot_be_done_is_told_with_its_exit_code() {
    let site = with_bob();
    for (arguments, input, code, said) in [
        (
            &["user", "add", "bob", "--stdin"][..],
            "x\n",
            65,
            "there is an account bob already",
        ),
        (
            &["user", "add", "a b", "--stdin"],
            "x\n",
            65,
            "must not contain ' '",
        ),
        (
            &["user", "add", "eve", "--stdin"],
            "",
            65,
            "the password is empty",
        ),
        (
            &["user", "add", "eve", "--stdin"],
            "\u{7f}\n",
            65,
            "control character",
        ),
        (
            &["user", "add", "eve", "--password-file", "/nonexistent"],
            "",
            66,
            "no such file",
        ),
        (
            &["user", "add", "eve"],
            "x\n",
            64,
            "there is no terminal to ask for the password",
        ),
        (
            &["user", "passwd", "eve", "--stdin"],
            "x\n",
            67,
            "there is no account eve",
        ),
        (&["user", "show", "eve"], "", 67, "there is no account eve"),
        (
            &["user", "remove", "eve"],
            "",
            67,
            "there is no account eve",
        ),
        (
            &["user", "rename", "eve", "adam"],
            "",
            67,
            "there is no account eve",
        ),
        (
            &["user", "set", "eve", "--enable"],
            "",
            67,
            "there is no account eve",
        ),
        (
            &["user", "set", "bob", "--expires", "tomorrow"],
            "",
            64,
            "is not a day",
        ),
        (
            &["user", "set", "bob", "--from", "home"],
            "",
            64,
            "is not a network",
        ),
        (
            &["user", "remove", "bob", "--delete-mail"],
            "bob\n",
            64,
            "no terminal",
        ),
    ] {
        let ended = site.run(arguments, input.as_bytes()).with(code);
        assert!(
            ended.stderr.contains(said),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(
            ended.stderr.starts_with("restante: "),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
    assert_eq!(site.run(&["user", "list"], b"").with(0).stdout, "bob\n");
}

#[test]
fn passwords_come_from_files_too_and_apop_has_its_own() {
    let site = with_bob();
    let file = site.path().join("password");
    fs::write(&file, "new password\nsecond line\n").unwrap();
    let file = file.to_str().unwrap();
    let ended = site
        .run(&["user", "passwd", "bob", "--password-file", file], b"")
        .with(0);
    assert_eq!(ended.stdout, "The password of bob is set.\n");
    let ended = site
        .run(
            &["user", "passwd", "bob", "--apop", "--stdin"],
            b"tanstaaf\n",
        )
        .with(0);
    assert_eq!(
        ended.stdout,
        "The APOP secret of bob is set; its password is the same.\n"
    );
    assert_eq!(
        site.run(&["user", "list"], b"").with(0).stdout,
        "bob  APOP\n"
    );
    let shown = site
        .run(&["user", "set", "bob", "--no-apop"], b"")
        .with(0)
        .stdout;
    assert!(shown.contains("APOP      no\n"));
    let ended = site
        .run(&["user", "add", "eve", "--apop", "--stdin"], b"apple\n")
        .with(0);
    assert!(
        ended
            .stderr
            .starts_with("warning: an APOP secret can be read back")
    );
}

#[test]
fn accounts_are_imported_or_every_wrong_line_is_named() {
    let site = with_bob();
    let wrong = b"eve:{PLAIN}apple\nno colon here\nadam:{ROT13}nccyr\neve:{PLAIN}again\n";
    let ended = site.run(&["user", "import", "-"], wrong).with(65);
    assert_eq!(
        ended.stderr,
        "-: line 2: a line looks like name:{SCHEME}secret or, with a hash of crypt(3), name:$6$…
-: line 3 (adam): the scheme {ROT13} is not supported; supported are PLAIN, CRYPT, ARGON2ID, ARGON2I, \
YESCRYPT, SCRYPT, BLF-CRYPT, SHA512-CRYPT, SHA256-CRYPT, PBKDF2, MD5-CRYPT
-: line 4: eve is on line 1 already
restante: 3 lines are wrong; nothing was imported
  correct them, or take them out, and try again; `restante user add` makes an account with a new password
"
    );
    assert_eq!(site.run(&["user", "list"], b"").with(0).stdout, "bob\n");

    let file = site.path().join("passwd");
    let lines = "# from the old server\neve:{PLAIN}apple\n\nBob:{PLAIN}other\nadam:{SHA512-CRYPT}\
        $6$saltstring$NLRUL86eHUo2ZO8QVxG4CWwtUUOc.hzqPQ.86VCt3PKoDr\
        2AnYuyCS6aGxyyJcPqGBPi3frbZTBXq9SUYzy/E.:1000:1000::/home/adam::\n";
    fs::write(&file, lines).unwrap();
    let ended = site
        .run(&["user", "import", "--apop", file.to_str().unwrap()], b"")
        .with(0);
    assert_eq!(ended.stdout, "2 accounts imported, 1 there already.\n");
    assert_eq!(
        ended.stderr,
        "DIR/passwd: line 4: bob exists already and stays as it is
DIR/passwd: left out, since accounts here have no such thing: gid (1 line), home (1 line), uid (1 line)
warning: 1 APOP secret can be read back by whoever has the data directory
"
    );
    assert_eq!(
        site.run(&["user", "list"], b"").with(0).stdout,
        "adam\nbob\neve   APOP\n"
    );
    let ended = site.run(&["user", "import", "/nonexistent"], b"").with(66);
    assert!(
        ended
            .stderr
            .contains("/nonexistent cannot be read: no such file or directory")
    );
}

#[test]
fn accounts_of_a_shadow_file_come_as_they_are_there() {
    let site = with_bob();
    let file = site.path().join("shadow");
    let yescrypt = "$y$j9T$saltsaltsaltsalt$eBwVRVnzyKVSxADzqpnPErqLvf1cnxbpgQe4Y9.uUmA";
    let lines = format!(
        "daemon:*:19000:0:99999:7:::\nbob:!{yescrypt}:19000:0:99999:7:::\n\
         eve:!{yescrypt}:19000:0:99999:7:::\nadam:{yescrypt}:19000:0:90:7:30:20000:\n\
         alice:{yescrypt}:19000:0:90:7:::\n"
    );
    fs::write(&file, lines).unwrap();
    let ended = site
        .run(&["user", "import", file.to_str().unwrap()], b"")
        .with(0);
    assert_eq!(ended.stdout, "3 accounts imported, 1 there already.\n");
    assert_eq!(
        ended.stderr,
        "DIR/shadow: line 2: bob exists already and stays as it is
DIR/shadow: line 3: eve is locked there, so it is disabled here
DIR/shadow: line 5: alice is to have a new password there, which POP3 cannot ask for; here the old one stays
DIR/shadow: line 1: daemon is locked and has no password, so it is left out
DIR/shadow: left out, since accounts here have no such thing: age of the password (4 lines)
"
    );
    let shown = |name: &str| site.run(&["user", "show", name], b"").with(0).stdout;
    let (eve, adam) = (shown("eve"), shown("adam"));
    assert!(
        eve.contains("disabled") && eve.contains("YESCRYPT"),
        "{eve}"
    );
    assert!(
        adam.contains("2022-05-08") && adam.contains("YESCRYPT"),
        "{adam}"
    );
}

#[test]
fn mail_is_deleted_with_its_account_when_that_is_asked_for() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"Subject: hello\n\nworld\n")
        .with(0);
    let path = site.maildrop("bob");
    assert!(fs::exists(&path).unwrap());
    let ended = site
        .run(&["user", "remove", "bob", "--delete-mail", "--yes"], b"")
        .with(0);
    assert_eq!(
        ended.stdout,
        "Account bob and its mail (1 message) are deleted.\n"
    );
    assert!(!fs::exists(&path).unwrap());
    assert_eq!(site.run(&["maildrop", "list"], b"").with(0).stdout, "");
    site.run(&["deliver", "bob"], b"x").with(67);
}

#[test]
fn a_reader_of_the_list_that_goes_away_is_no_panic() {
    let site = with_bob();
    let mut child = crate::run::program()
        .args(["user", "list", "-c"])
        .arg(site.config())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_damaged_database_is_told() {
    let site = with_bob();
    fs::write(site.path().join("data/accounts.db"), vec![b'x'; 8192]).unwrap();
    let _ = fs::remove_file(site.path().join("data/accounts.db-wal"));
    let ended = site.run(&["user", "list"], b"").with(65);
    assert!(
        ended
            .stderr
            .contains("is damaged or not a database of accounts"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("\n  restore it from a backup\n"),
        "{}",
        ended.stderr
    );
    // The message must wait at its sender, not go back to its writer.
    site.run(&["deliver", "bob"], b"x").with(75);
}
