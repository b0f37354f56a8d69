//! Accounts that were removed: what is left of them, and how they come back.

use serde_json::Value;

use crate::accounts::with_bob;
use crate::run::Site;
use crate::serving::{Client, Server, servable};

fn with_mail() -> Site {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"Subject: one\n\n").with(0);
    site
}

/// The rows of `user list --removed --json`.
fn removed(site: &Site) -> Vec<Value> {
    let list = site.run(&["user", "list", "--removed", "--json"], b"");
    let rows = list.with(0).stdout;
    rows.lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

#[test]
fn a_removed_account_comes_back_as_it_was() {
    let site = with_mail();
    let set = ["user", "set", "bob", "--quota", "1 GiB"];
    let before = site.run(&set, b"").with(0).stdout;
    site.run(&["user", "remove", "bob"], b"").with(0);
    site.run(&["deliver", "bob"], b"x\n").with(67);
    let list = site.run(&["user", "list", "--removed"], b"").with(0).stdout;
    assert!(list.starts_with("bob  removed 2"), "{list}");
    assert!(
        list.contains(", kept until 2") && list.contains(", maildrop "),
        "{list}"
    );
    // Whoever looks in a backup is told that he need not.
    let backup = site.path().join("backup");
    let backup = backup.to_str().unwrap();
    site.run(&["maildrop", "backup", backup], b"").with(0);
    let ended = site.run(&["maildrop", "restore", backup, "bob"], b"");
    assert_eq!(
        ended.with(67).stderr,
        "restante: the account bob was removed\n  bring it back first: restante user restore bob\n"
    );
    let ended = site.run(&["user", "restore", "Bob"], b"").with(0);
    assert_eq!(ended.stdout, "Account bob is back, with 1 message.\n");
    let shown = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    assert_eq!(shown, before);
    assert_eq!(removed(&site), [Value::Null; 0]);
    // His password, too.
    servable(&site);
    let server = Server::start(&site);
    let mut client = Client::connect(&server.pop3);
    client.ask("USER bob");
    assert!(client.ask("PASS redqueen").starts_with("+OK"));
    server.stop();
}

#[test]
fn of_several_removed_accounts_one_is_named() {
    let site = with_mail();
    let none = site.run(&["user", "restore", "bob"], b"").with(67);
    let said = "restante: no such account bob was removed in the last 30 days\n";
    assert!(none.stderr.starts_with(said), "{}", none.stderr);
    let add = || {
        let add = ["user", "add", "bob", "--stdin"];
        site.run(&add, b"redqueen\n").with(0);
    };
    site.run(&["user", "remove", "bob"], b"").with(0);
    add();
    let ended = site.run(&["user", "restore", "bob"], b"").with(65);
    assert_eq!(
        ended.stderr,
        "restante: there is a new account bob\n  rename it first: restante user rename bob NAME\n"
    );
    site.run(&["user", "remove", "bob"], b"").with(0);
    let ended = site.run(&["user", "restore", "bob"], b"").with(64);
    assert_eq!(
        ended.stderr,
        "restante: 2 accounts bob were removed\n  say which: --maildrop ID, as `restante user list \
         --removed` shows it\n"
    );
    let rows = removed(&site);
    assert_eq!(rows.len(), 2);
    let first = rows[0]["maildrop"].as_str().unwrap();
    let restore = ["user", "restore", "bob", "--maildrop", first];
    let ended = site.run(&restore, b"").with(0);
    assert_eq!(ended.stdout, "Account bob is back, with 1 message.\n");
}

#[test]
fn mail_that_a_session_held_is_deleted_by_the_same_command_afterwards() {
    let site = with_mail();
    servable(&site);
    let server = Server::start(&site);
    let mut client = Client::connect(&server.pop3);
    client.ask("USER bob");
    assert!(client.ask("PASS redqueen").starts_with("+OK"));
    let remove = ["user", "remove", "bob", "--delete-mail", "--yes"];
    let ended = site.run(&remove, b"").with(75);
    assert!(
        ended.stderr.starts_with(
            "restante: account bob is removed, but its mail is not deleted yet: the maildrop is in use \
             by a session\n  run this again"
        ),
        "{}",
        ended.stderr
    );
    assert_eq!(client.ask("STAT"), "+OK 1 16");
    assert!(client.ask("QUIT").starts_with("+OK"));
    server.stop();
    // It was to be deleted for good: half of it, or about to go, it is not given back.
    let list = site.run(&["user", "list", "--removed"], b"").with(0).stdout;
    assert!(list.contains(", its mail is being deleted, "), "{list}");
    assert_eq!(removed(&site)[0]["kept_until"], Value::Null);
    let ended = site.run(&["user", "restore", "bob"], b"").with(67);
    assert_eq!(
        ended.stderr,
        "restante: the mail of bob is being deleted, so the account does not come back\n  finish that \
         with `restante user remove bob --delete-mail`; then a backup may have both: restante maildrop \
         restore DIR bob\n"
    );
    let ended = site.run(&remove, b"").with(0);
    assert_eq!(
        ended.stdout,
        "Account bob and its mail (1 message) are deleted.\n"
    );
    assert_eq!(removed(&site), [Value::Null; 0]);
    assert_eq!(site.run(&["maildrop", "list"], b"").with(0).stdout, "");
    site.run(&remove, b"").with(67);
}
