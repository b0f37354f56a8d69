//! `restante maildrop backup` and `restore`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use crate::accounts::with_bob;
use crate::run::{Ended, Site, program};
use crate::serving::{Server, servable};

fn with_two() -> Site {
    let site = with_bob();
    site.run(&["user", "add", "alice", "--stdin"], b"tea\n")
        .with(0);
    deliver(&site, "bob", "1");
    deliver(&site, "bob", "2");
    deliver(&site, "alice", "3");
    site
}

fn deliver(site: &Site, account: &str, subject: &str) {
    let text = format!("Subject: {subject}\n\n{subject}\n");
    site.run(&["deliver", account], text.as_bytes()).with(0);
}

fn safe(site: &Site) -> String {
    site.path().join("safe").to_str().unwrap().to_owned()
}

fn backup(site: &Site, more: &[&str]) -> Ended {
    let safe = safe(site);
    site.run(&[&["maildrop", "backup", &safe], more].concat(), b"")
}

fn restore(site: &Site, more: &[&str]) -> Ended {
    let safe = safe(site);
    site.run(&[&["maildrop", "restore", &safe], more].concat(), b"")
}

fn list(site: &Site, account: &str) -> String {
    site.run(&["maildrop", "list", account], b"").with(0).stdout
}

fn objects(ended: &Ended) -> Vec<serde_json::Value> {
    let lines = ended.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_site_that_has_lost_everything_comes_back() {
    let site = with_two();
    let first = backup(&site, &[]).with(0);
    assert_eq!(first.stderr, "");
    assert_eq!(
        first.stdout,
        "2 maildrops are saved to DIR/safe: 8.2 KiB copied.\n"
    );
    let again = backup(&site, &["--json"]).with(0);
    for object in objects(&again) {
        assert_eq!(object["octets_copied"], 0);
        assert_eq!(object["damages"], serde_json::json!([]));
    }
    deliver(&site, "bob", "4");
    let third = objects(&backup(&site, &["bob", "--json"]).with(0));
    assert_eq!(third.len(), 1);
    assert_eq!(third[0]["account"], "bob");
    let copied = third[0]["octets_copied"].as_u64().unwrap();
    assert!((1..200).contains(&copied), "{copied}");
    let safe = site.path().join("safe");
    for name in ["accounts.db", "manifest"] {
        let mode = fs::metadata(safe.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let (bob, alice) = (list(&site, "bob"), list(&site, "alice"));
    let account = site.run(&["user", "show", "bob", "--json"], b"").stdout;

    fs::remove_dir_all(site.path().join("data")).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    for _ in 0..2 {
        let ended = restore(&site, &["--all", "--dry-run"]).with(0);
        assert_eq!(
            sorted(&ended.stderr),
            [
                "The account alice would come back.",
                "The account bob would come back."
            ]
        );
        assert_eq!(
            sorted(&ended.stdout),
            [
                "alice would have 1 message, 1 brought back.",
                "bob would have 3 messages, 3 brought back."
            ]
        );
        // Nothing is there that was not.
        let data = fs::read_dir(site.path().join("data")).unwrap();
        assert_eq!(data.count(), 0);
    }
    let ended = restore(&site, &["--all"]).with(0);
    assert_eq!(ended.stderr, "The accounts are back.\n");
    assert_eq!(
        sorted(&ended.stdout),
        [
            "alice has 1 message, 1 brought back.",
            "bob has 3 messages, 3 brought back."
        ]
    );
    assert_eq!(
        (list(&site, "bob"), list(&site, "alice")),
        (bob.clone(), alice)
    );
    let now = site.run(&["user", "show", "bob", "--json"], b"").stdout;
    assert_eq!(now, account);
    site.run(&["maildrop", "verify"], b"").with(0);
    // What comes now has another generation.
    deliver(&site, "bob", "5");
    let now = list(&site, "bob");
    let generation = |line: &str| {
        let id = line.split_whitespace().nth(2).unwrap();
        id.split('.').next().unwrap().to_owned()
    };
    let last = generation(now.lines().nth(3).unwrap());
    assert!(bob.lines().all(|line| generation(line) != last), "{now}");
}

#[test]
fn one_maildrop_comes_back_and_what_it_has_stays() {
    let site = with_two();
    backup(&site, &[]).with(0);
    let before = list(&site, "bob");
    fs::remove_file(site.maildrop("bob")).unwrap();
    deliver(&site, "bob", "4");
    let dry = restore(&site, &["bob", "--dry-run"]).with(0);
    assert_eq!(dry.stdout, "bob would have 3 messages, 2 brought back.\n");
    let ended = restore(&site, &["Bob"]).with(0);
    assert_eq!(ended.stdout, "bob has 3 messages, 2 brought back.\n");
    assert_eq!(
        ended.stderr,
        "The files that were replaced are kept in DIR/data/replaced; delete them when all is well.\n"
    );
    let now = list(&site, "bob");
    for line in before.lines() {
        let id = line.split_whitespace().nth(2).unwrap();
        assert!(now.contains(id), "{now}");
    }
    // Whether the file itself is an old copy cannot be seen, so it never goes on.
    let ended = restore(&site, &["bob"]).with(0);
    assert_eq!(ended.stdout, "bob has 3 messages, 0 brought back.\n");
    assert_eq!(
        ended.stderr,
        "1 maildrop lacked nothing, and got a new file all the same: the old one may have been an old \
         copy, and would have given unique-ids out again.\n\
         The files that were replaced are kept in DIR/data/replaced; delete them when all is well.\n"
    );
    let ended = restore(&site, &["eve"]).with(67);
    assert_eq!(
        ended.stderr,
        "restante: the backup has no maildrop of eve\n  \
         see what it has: restante maildrop restore DIR --all --dry-run\n"
    );
    restore(&site, &[]).with(64);
    restore(&site, &["bob", "--all"]).with(64);
}

#[test]
fn an_account_that_was_deleted_comes_back_with_its_mail() {
    let site = with_two();
    backup(&site, &[]).with(0);
    let before = list(&site, "bob");
    site.run(&["user", "remove", "bob", "--delete-mail", "--yes"], b"")
        .with(0);
    // It stays in the backup, until somebody says that it shall not.
    let ended = backup(&site, &[]).with(0);
    assert!(
        ended.stderr.starts_with("bob (") && ended.stderr.ends_with("its copy stays\n"),
        "{}",
        ended.stderr
    );
    let keep = site.path().join("keep");
    fs::create_dir(&keep).unwrap();
    fs::copy(
        site.path().join("safe/accounts.db"),
        keep.join("accounts.db"),
    )
    .unwrap();
    // The copy of the accounts is of now; mail alone comes back then.
    let json = objects(&restore(&site, &["--all", "--json"]).with(0));
    assert_eq!(json.len(), 2);
    assert!(
        json.iter()
            .any(|it| it["account"].is_null() && it["messages"] == 2)
    );
    site.run(&["maildrop", "rebuild"], b"").with(0);
    assert_eq!(list(&site, "bob"), before);
    site.run(&["user", "remove", "bob", "--delete-mail", "--yes"], b"")
        .with(0);
    backup(&site, &["--prune"]).with(0);
    restore(&site, &["bob"]).with(67);
}

#[test]
fn an_account_comes_back_out_of_the_copy() {
    let site = with_two();
    backup(&site, &[]).with(0);
    let account = site.run(&["user", "show", "bob"], b"").stdout;
    site.run(&["user", "remove", "bob", "--delete-mail", "--yes"], b"")
        .with(0);
    let ended = restore(&site, &["bob"]).with(0);
    assert_eq!(ended.stderr, "The account bob is back.\n");
    assert_eq!(ended.stdout, "bob has 2 messages, 2 brought back.\n");
    assert_eq!(site.run(&["user", "show", "bob"], b"").stdout, account);
}

#[test]
fn damage_is_told_and_does_not_stop_the_others() {
    let site = with_two();
    let path = site.maildrop("bob");
    let mut octets = fs::read(&path).unwrap();
    // Not of the last record: that would be a torn tail.
    octets[4096 + 64 + 3] ^= 1;
    fs::write(&path, octets).unwrap();
    let ended = backup(&site, &[]).with(65);
    assert!(
        ended.stdout.starts_with("2 maildrops are saved"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stderr.starts_with("bob: byte ")
            && ended.stderr.contains("the checksum of the text is wrong\n")
            && ended.stderr.contains("restante: 1 damage found\n"),
        "{}",
        ended.stderr
    );
    let ended = restore(&site, &["bob"]).with(65);
    assert!(
        ended.stderr.contains("it is not in the backup either\n"),
        "{}",
        ended.stderr
    );
    // It would be no more when it is run again.
    assert!(
        ended.stderr.ends_with(
            "restante: 1 message is lost: damaged here, and not in the backup\n  what is left of them is \
             in the files that were replaced: restante maildrop salvage FILE DIR; or another backup has \
             them\n"
        ),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.stdout, "bob has 1 message, 0 brought back.\n");
}

#[test]
fn help_shows_the_words_of_a_restore_in_their_order() {
    let help = program()
        .args(["maildrop", "restore", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let usage = "
Usage: restante maildrop restore [OPTIONS] <DIR> <ACCOUNT>...
       restante maildrop restore [OPTIONS] <DIR> --all
";
    assert!(help.contains(usage), "{help}");
}

#[test]
fn a_place_that_will_not_do_is_refused() {
    let site = with_two();
    let data = site.path().join("data/safe");
    let ended = site
        .run(&["maildrop", "backup", data.to_str().unwrap()], b"")
        .with(64);
    assert_eq!(
        ended.stderr,
        "restante: DIR/data/safe lies in the data directory\n  name a directory on another disk\n"
    );
    let other = site.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("letter.txt"), "x").unwrap();
    for (command, code, what) in [
        (
            "backup",
            73,
            "the directory holds something that is no backup\n  name an empty directory, or one \
             with a backup\n",
        ),
        ("restore", 73, "the directory holds no backup\n"),
    ] {
        let mut words = vec!["maildrop", command, other.to_str().unwrap()];
        if command == "restore" {
            words.push("--all");
        }
        let ended = site.run(&words, b"").with(code);
        assert!(ended.stderr.contains(what), "{}", ended.stderr);
    }
    restore(&site, &["--all"]).with(73);
}

#[test]
fn lost_accounts_are_made_from_the_files() {
    let site = with_two();
    let (bob, alice) = (list(&site, "bob"), list(&site, "alice"));
    let ended = site.run(&["maildrop", "rebuild"], b"").with(0);
    assert_eq!(ended.stdout, "Every maildrop has its account.\n");
    let lose = || {
        for name in ["accounts.db", "accounts.db-wal", "accounts.db-shm"] {
            let _ = fs::remove_file(site.path().join("data").join(name));
        }
    };
    lose();
    let dry = site.run(&["maildrop", "rebuild", "--dry-run"], b"").with(0);
    assert!(!site.path().join("data/accounts.db").exists());
    let ended = site.run(&["maildrop", "rebuild"], b"").with(0);
    assert_eq!(ended.stdout, dry.stdout);
    let lines: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!((lines[0][0], lines[0][2]), ("alice", "1"));
    assert_eq!((lines[1][0], lines[1][2]), ("bob", "2"));
    assert_eq!(
        ended.stderr,
        "2 accounts are made, without a password: restante user passwd NAME\n\
         aliases are in no maildrop: mail for those that are lost is refused until `restante alias add` makes them again\n"
    );
    assert_eq!((list(&site, "bob"), list(&site, "alice")), (bob, alice));
    site.run(&["user", "passwd", "bob", "--stdin"], b"redqueen\n")
        .with(0);

    // Two files of one name: nobody knows which.
    let old = site.maildrop("bob");
    let octets = fs::read(&old).unwrap();
    site.run(&["user", "remove", "bob", "--delete-mail", "--yes"], b"")
        .with(0);
    site.run(&["user", "add", "bob", "--stdin"], b"x\n").with(0);
    deliver(&site, "bob", "new");
    fs::write(&old, octets).unwrap();
    let ended = site.run(&["maildrop", "rebuild"], b"").with(65);
    assert!(
        ended
            .stderr
            .contains(": bob, 2 messages: the account has another maildrop; left alone\n"),
        "{}",
        ended.stderr
    );
    lose();
    let ended = site.run(&["maildrop", "rebuild"], b"").with(65);
    let told = ended.stderr.matches("another file names the same account");
    assert_eq!(told.count(), 2, "{}", ended.stderr);
    assert!(!ended.stdout.contains("bob"), "{}", ended.stdout);
}

#[test]
fn no_sender_is_told_no_such_account_when_all_accounts_are_lost() {
    senders_wait_after(|accounts| fs::remove_file(accounts).unwrap());
    // A copy that failed, or what is left of a restore that found no accounts.
    senders_wait_after(|accounts| fs::write(accounts, b"").unwrap());
}

/// Nobody is told for good that there is no account, until they are brought back.
fn senders_wait_after(lose: impl FnOnce(&std::path::Path)) {
    let site = with_two();
    servable(&site);
    for name in ["accounts.db-wal", "accounts.db-shm"] {
        let _ = fs::remove_file(site.path().join("data").join(name));
    }
    lose(&site.path().join("data/accounts.db"));
    let lost = "there are maildrops in DIR/data, but accounts.db is lost\n";
    let message = b"Subject: 4\n\n4\n";
    for (arguments, code) in [
        (&["deliver", "bob"][..], 75),
        (&["serve"], 65),
        (&["check"], 78),
        (&["user", "add", "carol", "--stdin"], 65),
        (&["maildrop", "verify"], 65),
    ] {
        let ended = site.run(arguments, message).with(code);
        assert!(
            ended.stderr.contains(lost),
            "{arguments:?}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains("restante maildrop rebuild"));
    }
    site.run(&["maildrop", "rebuild"], b"").with(0);
    site.run(&["deliver", "bob"], message).with(0);
}

#[test]
fn a_renamed_account_is_made_under_its_last_name() {
    let site = with_two();
    site.run(&["user", "rename", "bob", "robert@dobbs.org"], b"")
        .with(0);
    for name in ["accounts.db", "accounts.db-wal", "accounts.db-shm"] {
        let _ = fs::remove_file(site.path().join("data").join(name));
    }
    let ended = site.run(&["maildrop", "rebuild"], b"").with(0);
    assert!(
        ended.stdout.contains("robert@dobbs.org  "),
        "{}",
        ended.stdout
    );
    assert_eq!(list(&site, "robert@dobbs.org").lines().count(), 2);
    // A backup knows it, too.
    backup(&site, &[]).with(0);
    let manifest = fs::read_to_string(site.path().join("safe/manifest")).unwrap();
    assert!(
        manifest.contains("\"account\":\"robert@dobbs.org\""),
        "{manifest}"
    );
}

#[test]
fn a_removed_account_is_not_made_again() {
    let site = with_two();
    site.run(&["user", "remove", "bob"], b"").with(0);
    let ended = site.run(&["maildrop", "rebuild"], b"").with(65);
    assert!(
        ended
            .stderr
            .contains("the account bob was removed; left alone\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_session_is_not_disturbed() {
    let site = with_two();
    servable(&site);
    let server = Server::start(&site);
    backup(&site, &[]).with(0);
    let mut client = TcpStream::connect(&server.pop3).unwrap();
    client
        .write_all(b"USER bob\r\nPASS redqueen\r\nSTAT\r\n")
        .unwrap();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut line = String::new();
    for _ in 0..4 {
        line.clear();
        reader.read_line(&mut line).unwrap();
    }
    assert!(line.starts_with("+OK 2 "), "{line}");
    // A backup copies beside it; a restore of another maildrop goes through.
    deliver(&site, "bob", "4");
    backup(&site, &[]).with(0);
    let ended = restore(&site, &["--all"]).with(75);
    assert_eq!(ended.stdout, "alice has 1 message, 0 brought back.\n");
    assert!(
        ended
            .stderr
            .starts_with("bob: in use by a session; try again when it is over\n"),
        "{}",
        ended.stderr
    );
    client.write_all(b"QUIT\r\n").unwrap();
    line.clear();
    reader.read_to_string(&mut line).unwrap();
    restore(&site, &["bob"]).with(0);
    // The server sees the new file at the next login.
    let mut client = TcpStream::connect(&server.pop3).unwrap();
    client
        .write_all(b"USER bob\r\nPASS redqueen\r\nSTAT\r\nQUIT\r\n")
        .unwrap();
    line.clear();
    client.read_to_string(&mut line).unwrap();
    assert!(line.contains("+OK 3 "), "{line}");
    server.stop();
}
