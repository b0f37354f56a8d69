//! What sessions see and may do, as the command line knows it.

use std::fs;

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Ended, Site};
use crate::serving::{Client, Server, servable};

/// The first two rows of what `user show` says of an account's terms.
fn shown(ended: Ended) -> String {
    let text = ended.with(0).stdout;
    let (_, access) = text.split_once("\ndeletions").unwrap();
    let (access, _) = access.split_once("\nquota").unwrap();
    format!("deletions{access}")
}

/// What it says of how long mail is kept.
fn mail(site: &Site) -> String {
    let text = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    let mut rows = text.lines();
    rows.find(|row| row.starts_with("mail "))
        .unwrap()
        .to_owned()
}

#[test]
fn an_account_says_for_itself_what_its_sessions_see_and_do() {
    let site = with_bob();
    let show = || shown(site.run(&["user", "show", "bob"], b""));
    assert_eq!(
        show(),
        "deletions delete mail (default)\nshows     all messages (default)"
    );
    for (disposition, number, said) in [
        (
            "hide",
            "1",
            "deletions hide mail from later sessions\nshows     the newest 1 message",
        ),
        (
            "keep",
            "all",
            "deletions change nothing\nshows     all messages",
        ),
        (
            "read-only",
            "100000",
            "deletions are refused\nshows     the newest 100000 messages",
        ),
        (
            "delete",
            "default",
            "deletions delete mail\nshows     all messages (default)",
        ),
    ] {
        let set = [
            "user",
            "set",
            "bob",
            "--disposition",
            disposition,
            "--messages-shown",
            number,
        ];
        assert_eq!(shown(site.run(&set, b"")), said);
        assert_eq!(show(), said);
    }
    let set = ["user", "set", "bob", "--disposition", "default"];
    site.run(&set, b"").with(0);
    let add = [
        "user",
        "add",
        "eve",
        "--stdin",
        "--disposition",
        "read-only",
        "--messages-shown",
        "7",
    ];
    site.run(&add, b"adam\n").with(0);
    let list = site.run(&["user", "list", "--json"], b"").with(0).stdout;
    let rows: Vec<serde_json::Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0]["disposition"], "delete");
    assert_eq!(rows[0]["messages_shown"], serde_json::Value::Null);
    assert_eq!(rows[0]["default"]["disposition"], true);
    assert_eq!(rows[1]["disposition"], "read-only");
    assert_eq!(rows[1]["messages_shown"], 7);
    assert_eq!(rows[1]["default"]["disposition"], false);
    assert_eq!(rows[1]["default"]["messages_shown"], false);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_done() {
    let site = with_bob();
    let before = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    for (option, value, remedy) in [
        (
            "--disposition",
            "hidden",
            "give delete, hide, keep, read-only, or default",
        ),
        ("--messages-shown", "0", "give a number, or all, or default"),
        (
            "--messages-shown",
            "-1",
            "give a number, or all, or default",
        ),
    ] {
        let asked = format!("{option}={value}");
        let ended = site.run(&["user", "set", "bob", "--disable", &asked], b"");
        assert_eq!(
            ended.with(64).stderr,
            format!("restante: {option} cannot be {value:?}\n  {remedy}\n")
        );
    }
    let contrary = "restante: mail cannot be kept when it is deleted and go when it is retrieved\n  \
         add --expire never, or give --disposition hide\n";
    let both = [
        "user",
        "set",
        "bob",
        "--disposition",
        "keep",
        "--expire",
        "retrieved",
    ];
    assert_eq!(site.run(&both, b"").with(64).stderr, contrary);
    assert_eq!(
        site.run(&["user", "show", "bob"], b"").with(0).stdout,
        before
    );
    // One after the other is the same, in either order.
    let set = |option: &str, value: &str, code| {
        let set = ["user", "set", "bob", option, value];
        site.run(&set, b"").with(code).stderr
    };
    set("--expire", "retrieved", 0);
    assert_eq!(set("--disposition", "keep", 64), contrary);
    let read_only = "restante: mail cannot go when it is retrieved where nothing can be deleted\n  \
         add --expire never, or give --disposition hide\n";
    assert_eq!(set("--disposition", "read-only", 64), read_only);
    set("--disposition", "hide", 0);
    assert_eq!(mail(&site), "mail      is hidden after retrieval");
    set("--expire", "never", 0);
    assert_eq!(mail(&site), "mail      is kept");
    set("--disposition", "keep", 0);
    assert_eq!(set("--expire", "retrieved", 64), contrary);
    set("--disposition", "read-only", 0);
    assert_eq!(set("--expire", "retrieved", 64), read_only);
    // Whatever the configuration has come to say meanwhile, an account can be disabled.
    let text = fs::read_to_string(site.config()).unwrap();
    let expiring = text.replace("[maildrop]\n", "[maildrop]\nexpire = \"after retrieval\"\n");
    set("--expire", "default", 0);
    fs::write(site.config(), &expiring).unwrap();
    site.run(&["user", "set", "bob", "--disable"], b"").with(0);
    // An account that is only read is an exception among others, and is said to be one.
    set("--disposition", "read-only", 0);
    assert_eq!(mail(&site), "mail      is kept: no session takes it away");
    let json = ["user", "show", "bob", "--json"];
    let json = site.run(&json, b"").with(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["expire_days"], serde_json::Value::Null);
    fs::write(site.config(), &text).unwrap();
    let add = [
        "user",
        "add",
        "eve",
        "--stdin",
        "--disposition",
        "keep",
        "--expire",
        "retrieved",
    ];
    assert_eq!(site.run(&add, b"x\n").with(64).stderr, contrary);
    site.run(&["user", "show", "eve"], b"").with(67);
}

#[test]
fn hidden_mail_is_there_for_the_operator_and_comes_back() {
    let text = format!("{CONFIGURATION}\n[pop3]\ndisposition = \"hide\"\n");
    let site = Site::with(&text);
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    servable(&site);
    for text in ["one\n", "second\n", "the third\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let server = Server::start(&site);
    let session = |commands: &[&str]| {
        let mut client = Client::connect(&server.pop3);
        let login = ["USER bob", "PASS redqueen"];
        let said = login.iter().chain(commands).map(|command| {
            let said = client.ask(command);
            assert!(said.starts_with("+OK"), "{command}: {said}");
            said
        });
        said.collect::<Vec<_>>().pop().unwrap()
    };
    session(&["DELE 1", "DELE 3", "QUIT"]);
    assert_eq!(session(&["STAT"]), "+OK 1 8");

    let list = || site.run(&["maildrop", "list", "bob"], b"").with(0).stdout;
    let all = list();
    let rows: Vec<Vec<&str>> = all
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows.len(), 3, "{all}");
    for (row, octets, hidden) in [(0, "5", true), (1, "8", false), (2, "11", true)] {
        assert_eq!(rows[row][1], octets);
        assert_eq!(rows[row].get(3), hidden.then_some(&"hidden"));
    }
    let json = site
        .run(&["maildrop", "list", "bob", "--json"], b"")
        .with(0);
    assert_eq!(json.stdout.matches("\"hidden\":true").count(), 2);
    // It counts, is whole, is shown and exported, and what the account holds says so.
    let maildrops = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert_eq!(maildrops, "bob  3 messages      24 octets     2 hidden\n");
    let user = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    let used = "used      24 octets, 3 messages\nhidden    2 messages of them\n";
    assert!(user.ends_with(used), "{user}");
    site.run(&["maildrop", "verify", "bob"], b"").with(0);
    let first = ["maildrop", "show", "bob", rows[0][2]];
    assert_eq!(site.run(&first, b"").with(0).stdout, "one\r\n");
    let mbox = site.path().join("bob.mbox");
    let to = mbox.to_str().unwrap();
    let export = ["maildrop", "export", "bob", to, "--format", "mboxrd"];
    let ended = site.run(&export, b"").with(0);
    assert!(ended.stdout.starts_with("3 messages exported"));
    assert!(fs::read_to_string(&mbox).unwrap().contains("the third"));
    // So it is in a backup, and hidden when that comes back.
    let backup = site.path().join("backup");
    let backup = backup.to_str().unwrap();
    site.run(&["maildrop", "backup", backup], b"").with(0);
    site.run(&["maildrop", "restore", backup, "bob"], b"")
        .with(0);
    site.run(&["maildrop", "compact", "bob"], b"").with(0);
    assert_eq!(list(), all);

    let undelete = |arguments: &[&str], code| {
        let words: Vec<_> = [&["maildrop", "undelete", "bob"], arguments].concat();
        site.run(&words, b"").with(code)
    };
    let there = undelete(&[], 0).stdout;
    let expected = format!(
        "{}             5  hidden\n{}            11  hidden\n",
        rows[0][2], rows[2][2]
    );
    assert_eq!(there, expected);
    assert_eq!(
        undelete(&[rows[0][2]], 0).stdout,
        "1 message is back in the maildrop of bob.\n"
    );
    assert_eq!(session(&["STAT"]), "+OK 2 13");
    // What is shown is not hidden.
    let unknown = undelete(&[rows[1][2]], 65).stderr;
    assert!(unknown.contains("has no deleted or hidden"), "{unknown}");
    undelete(&["--all"], 0);
    assert_eq!(
        session(&["STAT", "QUIT"]),
        "+OK dewey POP3 server signing off (3 messages left)"
    );
    assert_eq!(
        undelete(&[], 0).stderr,
        "Nothing of bob can be brought back.\n"
    );
    server.stop();
}

/// What was hidden when it was deleted is seen when it comes back.
#[test]
fn what_was_hidden_and_then_deleted_comes_back_to_be_seen() {
    let text = CONFIGURATION.replace("[maildrop]\n", "[maildrop]\nundelete = \"7 days\"\n");
    let text = format!("{text}\n[pop3]\ndisposition = \"hide\"\nrecent = \"30 days\"\n");
    let site = Site::with(&text);
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    servable(&site);
    site.run(&["deliver", "bob"], b"one\n").with(0);
    let server = Server::start(&site);
    let session = |name: &str, commands: &[&str]| {
        let mut client = Client::connect(&server.pop3);
        client.ask(&format!("USER {name}"));
        client.ask("PASS redqueen");
        let said = commands.iter().map(|command| client.ask(command));
        said.collect::<Vec<_>>().pop().unwrap()
    };
    session("bob", &["DELE 1", "QUIT"]);
    assert_eq!(session("bob", &["STAT"]), "+OK 0 0");
    let delete = ["user", "set", "bob", "--disposition", "delete"];
    site.run(&delete, b"").with(0);
    session("recent:bob", &["DELE 1", "QUIT"]);
    let list = ["maildrop", "undelete", "bob", "--json"];
    let row = site.run(&list, b"").with(0).stdout;
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert!(row["deleted"].is_string(), "{row}");
    assert_eq!(row["hidden"], true, "{row}");
    let ended = site.run(&["maildrop", "undelete", "bob", "--all"], b"");
    assert_eq!(
        ended.with(0).stdout,
        "1 message is back in the maildrop of bob.\n"
    );
    assert_eq!(session("bob", &["STAT"]), "+OK 1 5");
    server.stop();
}

#[test]
fn what_was_hidden_is_hidden_when_it_is_salvaged() {
    let text = format!("{CONFIGURATION}\n[pop3]\ndisposition = \"hide\"\n");
    let site = Site::with(&text);
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    servable(&site);
    for text in ["one\n", "second\n"] {
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let server = Server::start(&site);
    let mut client = Client::connect(&server.pop3);
    for command in ["USER bob", "PASS redqueen", "DELE 1", "QUIT"] {
        assert!(client.ask(command).starts_with("+OK"));
    }
    server.stop();
    let list = || site.run(&["maildrop", "list", "bob"], b"").with(0).stdout;
    let before = list();
    assert_eq!(before.matches("  hidden\n").count(), 1);
    let saved = site.path().join("saved");
    let saved = saved.to_str().unwrap();
    site.run(&["maildrop", "salvage", "bob", saved], b"")
        .with(0);
    let path = site.maildrop("bob");
    fs::remove_file(path).unwrap();
    site.run(&["maildrop", "restore", saved, "bob"], b"")
        .with(0);
    assert_eq!(list(), before);
}
