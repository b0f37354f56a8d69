//! Quota and retention, as the command line knows them.

use std::fs;

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Ended, Site};
use crate::serving::{Client, Server, servable};

/// A site that keeps mail like this, with the account bob.
fn keeping(lines: &str) -> Site {
    let text = CONFIGURATION.replace("[maildrop]\n", &format!("[maildrop]\n{lines}\n"));
    let site = Site::with(&text);
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    site
}

/// What `user show` says of how mail is kept.
fn shown(ended: Ended) -> String {
    let text = ended.with(0).stdout;
    let (_, keeping) = text.split_once("\nquota").unwrap();
    format!("quota{keeping}")
}

#[test]
fn terms_are_set_and_shown_and_left_to_the_configuration_again() {
    let site = keeping("quota = \"1 KiB\"\nexpire = \"30 days\"");
    let show = |name| shown(site.run(&["user", "show", name], b""));
    assert_eq!(
        show("bob"),
        "quota     1 KiB (default)
messages  no limit (default)
mail      is deleted after 30 days (default)
used      0 octets (0 %), 0 messages
"
    );
    site.run(&["deliver", "bob"], &[b'x'; 510]).with(0);
    let set = [
        "user",
        "set",
        "bob",
        "--quota",
        "2 KiB",
        "--quota-messages",
        "3",
    ];
    assert_eq!(
        shown(site.run(&set, b"")),
        "quota     2 KiB
messages  at most 3
mail      is deleted after 30 days (default)
used      512 octets (25 %), 1 message (33 %)
"
    );
    let set = ["user", "set", "bob", "--quota", "none", "--expire", "never"];
    assert_eq!(
        shown(site.run(&set, b"")),
        "quota     no limit
messages  at most 3
mail      is kept until its owner deletes it
used      512 octets, 1 message (33 %)
"
    );
    let json = site
        .run(&["user", "show", "bob", "--json"], b"")
        .with(0)
        .stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["quota_octets"], serde_json::Value::Null);
    assert_eq!(json["quota_messages"], 3);
    assert_eq!(json["expire_days"], serde_json::Value::Null);
    let default = &json["default"];
    assert_eq!(default["quota_octets"], false);
    assert_eq!(default["quota_messages"], false);
    assert_eq!(default["expire_days"], false);
    let used = &json["used"];
    assert_eq!(
        (&used["octets"], &used["messages"]),
        (&512.into(), &1.into())
    );
    assert_eq!(used["octets_percent"], serde_json::Value::Null);
    assert_eq!(used["messages_percent"], 33);
    let set = [
        "user",
        "set",
        "bob",
        "--quota",
        "default",
        "--quota-messages",
        "default",
        "--expire",
        "retrieved",
    ];
    assert_eq!(
        shown(site.run(&set, b"")),
        "quota     1 KiB (default)
messages  no limit (default)
mail      is deleted after retrieval
used      512 octets (50 %), 1 message
"
    );
    let json = site.run(&["user", "list", "--json"], b"").with(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["quota_octets"], 1024);
    assert_eq!(json["default"]["quota_octets"], true);
    assert_eq!(json["expire_days"], 0);
    assert_eq!(json.get("used"), None);

    // An account is made on its terms at once.
    let add = [
        "user", "add", "eve", "--stdin", "--quota", "1 GiB", "--expire", "1",
    ];
    let ended = site.run(&add, b"adam\n").with(0);
    assert_eq!(ended.stdout, "Account eve is made.\n");
    assert!(show("eve").starts_with(
        "quota     1 GiB
messages  no limit (default)
mail      is deleted after 1 day
"
    ));
}

#[test]
fn terms_that_cannot_be_are_refused_before_anything_is_done() {
    let site = with_bob();
    let before = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    for (option, value, remedy) in [
        (
            "--quota",
            "0",
            "give a size such as \"500 MiB\", or none, or default",
        ),
        (
            "--quota",
            "many",
            "give a size such as \"500 MiB\", or none, or default",
        ),
        (
            "--quota-messages",
            "-1",
            "give a number, or none, or default",
        ),
        (
            "--quota-messages",
            "0",
            "give a number, or none, or default",
        ),
        (
            "--expire",
            "0",
            "give a number of days, or never, or retrieved, or default",
        ),
        (
            "--expire",
            "36501",
            "give a number of days, or never, or retrieved, or default",
        ),
        (
            "--expire",
            "30 days",
            "give a number of days, or never, or retrieved, or default",
        ),
    ] {
        let option_and_value = format!("{option}={value}");
        let ended = site.run(&["user", "set", "bob", "--disable", &option_and_value], b"");
        assert_eq!(
            ended.with(64).stderr,
            format!("restante: {option} cannot be {value:?}\n  {remedy}\n")
        );
        let ended = site.run(
            &["user", "add", "eve", "--stdin", &option_and_value],
            b"x\n",
        );
        ended.with(64);
    }
    let after = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    assert_eq!(after, before);
    site.run(&["user", "show", "eve"], b"").with(67);
    // Something must be asked for.
    let ended = site.run(&["user", "set", "bob"], b"").with(64);
    assert!(ended.stderr.contains("--quota <SIZE>"), "{}", ended.stderr);
}

#[test]
fn a_maildrop_that_cannot_be_read_hides_no_account() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"x\n").with(0);
    let path = site.maildrop("bob");
    fs::write(path, "no maildrop").unwrap();
    let ended = site.run(&["user", "show", "bob"], b"").with(0);
    assert!(ended.stdout.starts_with("account   bob\n"));
    assert!(!ended.stdout.contains("\nused"));
    assert!(
        ended
            .stderr
            .contains("the maildrop of bob cannot be read: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_message_that_does_not_fit_waits_or_is_refused() {
    for (policy, code) in [("temporary", 75), ("permanent", 73)] {
        let site = keeping(&format!("quota = \"10\"\nquota_exceeded = {policy:?}"));
        site.run(&["deliver", "bob"], b"12345678").with(0);
        let ended = site.run(&["deliver", "bob"], b"").with(0);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
        let ended = site.run(&["deliver", "bob"], b"x\n").with(code);
        assert_eq!(ended.stderr, "bob: maildrop is full\n");
        let list = site.run(&["maildrop", "list"], b"").with(0).stdout;
        assert_eq!(list, "bob  2 messages      10 octets\n");
    }
}

#[test]
fn an_import_stops_at_the_quota_unless_it_is_told_not_to() {
    let site = keeping("quota_messages = 2");
    let letters = site.path().join("letters");
    fs::create_dir(&letters).unwrap();
    for name in ["1.eml", "2.eml", "3.eml"] {
        fs::write(letters.join(name), format!("Subject: {name}\n")).unwrap();
    }
    let letters = letters.to_str().unwrap();
    let ended = site
        .run(&["maildrop", "import", "bob", letters], b"")
        .with(73);
    assert_eq!(
        ended.stderr,
        "restante: the import stopped after 2 messages: the next is more than the account may hold
  add --no-quota, or give the account more (restante user set ACCOUNT --quota SIZE), and run this \
again: what is there already is skipped
"
    );
    let again = ["maildrop", "import", "bob", letters, "--no-quota"];
    let ended = site.run(&again, b"").with(0);
    assert_eq!(
        ended.stdout,
        "1 message imported into the maildrop of bob, 2 there already.\n"
    );
    let shown = shown(site.run(&["user", "show", "bob"], b""));
    assert!(shown.contains(", 3 messages (150 %)\n"), "{shown}");
}

#[test]
fn deleted_mail_counts_only_where_that_is_wanted() {
    for (in_quota, used) in [
        (false, "used      7 octets (7 %), 1 message"),
        (true, "used      14 octets (14 %), 2 messages"),
    ] {
        let site = keeping(&format!(
            "quota = \"100\"\nundelete = \"7 days\"\nundelete_in_quota = {in_quota}"
        ));
        servable(&site);
        for _ in 0..2 {
            site.run(&["deliver", "bob"], b"hello\n").with(0);
        }
        // A line end has two octets.
        let one = site.run(&["maildrop", "list"], b"").with(0).stdout;
        assert_eq!(one, "bob  2 messages      14 octets\n");
        let server = Server::start(&site);
        let mut client = Client::connect(&server.pop3);
        for command in ["USER bob", "PASS redqueen", "DELE 1"] {
            assert!(client.ask(command).starts_with("+OK"));
        }
        let goodbye = client.ask("QUIT");
        assert!(goodbye.ends_with("(1 message left)"), "{goodbye}");
        server.stop();
        let shown = shown(site.run(&["user", "show", "bob"], b""));
        let (_, rest) = shown.split_once("\nused").unwrap();
        assert_eq!(
            format!("used{rest}"),
            format!("{used}\ndeleted   7 octets, 1 message, can be brought back\n")
        );
    }
}
