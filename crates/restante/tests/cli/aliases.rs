//! `restante alias`, and mail for aliases.

use std::fs;

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Site};

/// A site with the accounts bob and ann.
fn with_two() -> Site {
    let site = with_bob();
    add(&site, "ann");
    site
}

fn add(site: &Site, name: &str) {
    site.run(&["user", "add", name, "--stdin"], b"redqueen\n")
        .with(0);
}

fn list(site: &Site) -> String {
    site.run(&["alias", "list"], b"").with(0).stdout
}

/// How many messages each account has, by name.
fn held(site: &Site) -> Vec<(String, u64)> {
    let listed = site.run(&["maildrop", "list", "--json"], b"").with(0);
    let mut held: Vec<_> = listed
        .stdout
        .lines()
        .map(|line| {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = object["account"].as_str().unwrap().to_owned();
            (name, object["messages"].as_u64().unwrap())
        })
        .collect();
    held.sort();
    held
}

#[test]
fn an_alias_is_made_listed_and_taken_away() {
    let site = with_two();
    let none = site.run(&["alias", "list"], b"").with(0);
    assert_eq!(none.stdout, "");
    assert!(
        none.stderr.contains("restante alias add"),
        "{}",
        none.stderr
    );
    let added = site
        .run(&["alias", "add", "Sales@Dobbs.ORG", "bob", "ANN"], b"")
        .with(0);
    assert_eq!(added.stdout, "sales@dobbs.org  bob, ann\n");
    for (alias, name) in [("@example.org", "ann"), ("büro@Bücher.example", "bob")] {
        site.run(&["alias", "add", alias, name], b"").with(0);
    }
    assert_eq!(
        list(&site),
        "@example.org                ann\n\
         büro@xn--bcher-kva.example  bob\n\
         sales@dobbs.org             bob, ann\n"
    );
    for star in ["*", "*@dobbs.org"] {
        let refused = site.run(&["alias", "add", star, "bob"], b"").with(65);
        assert!(
            refused.stderr.contains("without a star"),
            "{}",
            refused.stderr
        );
    }
    // Nothing of a file comes in whose last name is an alias.
    let many: String = (0..70).map(|n| format!("u{n}:{{PLAIN}}x\n")).collect();
    let import = format!("{many}sales@dobbs.org:{{PLAIN}}x\n");
    let refused = site
        .run(&["user", "import", "-"], import.as_bytes())
        .with(65);
    assert!(
        refused.stderr.contains("sales@dobbs.org is an alias"),
        "{}",
        refused.stderr
    );
    assert!(
        !site
            .run(&["user", "list"], b"")
            .with(0)
            .stdout
            .contains("u0")
    );
    let json = site.run(&["alias", "list", "bob", "--json"], b"").with(0);
    let first = json.stdout.lines().next().unwrap();
    let first: serde_json::Value = serde_json::from_str(first).unwrap();
    assert_eq!(first["alias"], "büro@xn--bcher-kva.example");
    assert_eq!(first["accounts"], serde_json::json!(["bob"]));
    assert_eq!(json.stdout.lines().count(), 2);

    let shown = site.run(&["user", "show", "bob"], b"").with(0).stdout;
    let row = "aliases   büro@xn--bcher-kva.example, sales@dobbs.org\n";
    assert!(shown.contains(row), "{shown}");
    let shown = site.run(&["user", "show", "ann", "--json"], b"").with(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(
        shown["aliases"],
        serde_json::json!(["@example.org", "sales@dobbs.org"])
    );

    let left = site
        .run(&["alias", "remove", "sales@dobbs.org", "bob"], b"")
        .with(0);
    assert_eq!(left.stdout, "sales@dobbs.org  ann\n");
    for alias in [
        "sales@dobbs.org",
        "@example.org",
        "BÜRO@xn--bcher-kva.example",
    ] {
        let gone = site.run(&["alias", "remove", alias], b"").with(0);
        assert!(gone.stdout.ends_with(" is gone.\n"), "{}", gone.stdout);
    }
    assert_eq!(list(&site), "");
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let site = with_two();
    site.run(&["alias", "add", "info", "bob"], b"").with(0);
    for (words, code, told) in [
        (
            &["alias", "add", "sales", "eve"][..],
            67,
            "there is no account eve",
        ),
        (
            &["alias", "add", "sales", "info"],
            65,
            "info is an alias itself\n  name the accounts",
        ),
        (
            &["alias", "add", "ann", "bob"],
            65,
            "restante user rename ann NAME",
        ),
        (&["alias", "add", "a b", "bob"], 65, "must not contain ' '"),
        (&["alias", "add", "sales"], 64, "ACCOUNT"),
        (&["alias", "remove", "sales"], 67, "there is no alias sales"),
        (
            &["alias", "remove", "info", "ann"],
            67,
            "info does not stand for ann",
        ),
        (&["alias", "list", "eve"], 67, "there is no account eve"),
        (
            &["user", "add", "info", "--stdin"],
            65,
            "restante alias remove info",
        ),
        // Before anybody is asked for a password.
        (&["user", "add", "info"], 65, "restante alias remove info"),
        (
            &["user", "rename", "bob", "info"],
            65,
            "restante alias remove info",
        ),
    ] {
        let ended = site.run(words, b"redqueen\n").with(code);
        assert!(ended.stderr.contains(told), "{words:?}: {}", ended.stderr);
    }
    assert_eq!(list(&site), "info  bob\n");
}

#[test]
fn an_alias_keeps_its_accounts_whatever_they_are_called() {
    let site = with_two();
    site.run(&["alias", "add", "sales", "bob", "ann"], b"")
        .with(0);
    site.run(&["user", "rename", "bob", "robert"], b"").with(0);
    assert_eq!(list(&site), "sales  robert, ann\n");
    site.run(&["user", "remove", "robert"], b"").with(0);
    assert_eq!(list(&site), "sales  ann, robert (removed)\n");
    site.run(&["deliver", "sales"], b"x\n").with(0);
    site.run(&["user", "restore", "robert"], b"").with(0);
    assert_eq!(list(&site), "sales  robert, ann\n");
    site.run(&["deliver", "sales"], b"x\n").with(0);
    let expected = [("ann".to_owned(), 2), ("robert".to_owned(), 1)];
    assert_eq!(held(&site), expected);
}

#[test]
fn mail_goes_to_everybody_behind_an_address_once() {
    let site = with_two();
    site.run(&["alias", "add", "sales", "bob", "ann"], b"")
        .with(0);
    site.run(&["alias", "add", "@dobbs.org", "ann"], b"")
        .with(0);
    let all = [
        "deliver",
        "sales+x@dobbs.org",
        "bob+y@dobbs.org",
        "zoe@dobbs.org",
    ];
    site.run(&all, b"x\n").with(0);
    let expected = [("ann".to_owned(), 1), ("bob".to_owned(), 1)];
    assert_eq!(held(&site), expected);
    // Who is disabled is left out, until all are.
    site.run(&["user", "set", "bob", "--disable"], b"").with(0);
    site.run(&["deliver", "sales"], b"x\n").with(0);
    site.run(&["user", "set", "ann", "--disable"], b"").with(0);
    let ended = site.run(&["deliver", "sales"], b"x\n").with(67);
    assert_eq!(ended.stderr, "sales: account is disabled\n");
    let expected = [("ann".to_owned(), 2), ("bob".to_owned(), 1)];
    assert_eq!(held(&site), expected);
}

#[test]
fn one_who_is_full_is_not_named_and_nobody_has_it() {
    let site = with_two();
    site.run(&["alias", "add", "sales", "bob", "ann"], b"")
        .with(0);
    site.run(&["user", "set", "ann", "--quota-messages", "1"], b"")
        .with(0);
    site.run(&["deliver", "sales"], b"x\n").with(0);
    let ended = site.run(&["deliver", "sales"], b"x\n").with(75);
    assert_eq!(ended.stderr, "sales: maildrop is full\n");
    let expected = [("ann".to_owned(), 1), ("bob".to_owned(), 1)];
    assert_eq!(held(&site), expected);
}

#[test]
fn a_table_is_imported_as_a_whole_or_not_at_all() {
    let site = with_two();
    let wrong = b"info: bob\nprog: |/bin/cat\nelse: x@example.org\n";
    fs::write(site.path().join("aliases"), wrong).unwrap();
    let file = site.place("DIR/aliases");
    let ended = site.run(&["alias", "import", &file], b"").with(65);
    for told in [
        "DIR/aliases: line 2: mail cannot be given to a program",
        "DIR/aliases: line 3: x@example.org is not an account",
        "restante: 2 lines are wrong; nothing was imported\n",
    ] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
    assert_eq!(list(&site), "");
    let table = b"# virtual(5)\npostmaster: root\nroot bob\nsales@dobbs.org ann@dobbs.org,\n bob\n";
    let ended = site.run(&["alias", "import", "-"], table).with(0);
    assert_eq!(ended.stdout, "3 aliases imported.\n");
    let expected = "postmaster       bob\nroot             bob\nsales@dobbs.org  bob, ann\n";
    assert_eq!(list(&site), expected);
    let ended = site.run(&["alias", "import", "/nonexistent"], b"").with(66);
    assert!(ended.stderr.contains("/nonexistent"), "{}", ended.stderr);
}

#[test]
fn the_separator_of_a_detail_is_configured() {
    let of = |separator: &str| {
        let key = format!("[delivery]\ndetail_separator = {separator:?}\n\n[maildrop]");
        let site = Site::with(&CONFIGURATION.replace("[maildrop]", &key));
        add(&site, "bob");
        site
    };
    let site = of("-+");
    for address in ["bob-x", "bob+x@dobbs.org"] {
        site.run(&["deliver", address], b"x\n").with(0);
    }
    let told = site.run(&["check"], b"").with(0).stdout;
    let row = "  detail      NAME-detail, NAME+detail are NAME's\n";
    assert!(told.contains(row), "{told}");
    let site = of("");
    site.run(&["deliver", "bob+x"], b"x\n").with(67);
    let told = site.run(&["check"], b"").with(0).stdout;
    assert!(told.contains("  detail      none"), "{told}");
    for wrong in ["@", "x", ".", "ö", " "] {
        let ended = of_wrong(wrong);
        let what = format!("`detail_separator` cannot be {wrong:?}");
        assert!(ended.contains(&what), "{ended}");
    }
}

fn of_wrong(separator: &str) -> String {
    let key = format!("[delivery]\ndetail_separator = {separator:?}\n\n[maildrop]");
    let site = Site::with(&CONFIGURATION.replace("[maildrop]", &key));
    site.run(&["check"], b"").with(78).stderr
}

#[test]
fn a_check_counts_aliases_and_misses_a_postmaster() {
    let site = with_two();
    let ended = site.run(&["check"], b"").with(0);
    assert!(
        ended.stdout.contains("  aliases     none\n"),
        "{}",
        ended.stdout
    );
    let told = "nobody is postmaster of mailgate.dobbs.org, dobbs.org, and RFC 5321 wants somebody to be\n  \
                restante alias add postmaster ACCOUNT\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    site.run(&["alias", "add", "@dobbs.org", "ann"], b"")
        .with(0);
    let ended = site.run(&["check"], b"").with(0);
    let row = "  aliases     1, of them 1 catch-all\n";
    assert!(ended.stdout.contains(row), "{}", ended.stdout);
    assert!(
        ended
            .stderr
            .contains("postmaster of mailgate.dobbs.org, and"),
        "{}",
        ended.stderr
    );
    site.run(&["alias", "add", "Postmaster", "bob"], b"")
        .with(0);
    let ended = site.run(&["check"], b"").with(0);
    assert!(!ended.stderr.contains("postmaster"), "{}", ended.stderr);
}

#[test]
fn a_domain_may_be_written_in_its_own_script() {
    let domains = r#"domains = ["dobbs.org", "Bücher.example"]"#;
    let site = Site::with(&CONFIGURATION.replace(r#"domains = ["dobbs.org"]"#, domains));
    add(&site, "bob");
    for address in ["bob@bücher.example", "bob@XN--BCHER-KVA.example"] {
        site.run(&["deliver", address], b"x\n").with(0);
    }
    let told = site.run(&["check"], b"").with(0).stdout;
    assert!(
        told.contains("dobbs.org, xn--bcher-kva.example\n"),
        "{told}"
    );
}

#[test]
fn a_backup_has_the_aliases() {
    let site = with_two();
    let backup = site.place("DIR/backup");
    for alias in ["info", "sales"] {
        site.run(&["alias", "add", alias, "bob", "ann"], b"")
            .with(0);
    }
    site.run(&["deliver", "sales"], b"x\n").with(0);
    site.run(&["maildrop", "backup", &backup], b"").with(0);
    // Of one account.
    site.run(&["user", "remove", "bob", "--delete-mail", "--yes"], b"")
        .with(0);
    assert_eq!(list(&site), "info   ann\nsales  ann\n");
    let ended = site
        .run(&["maildrop", "restore", &backup, "bob"], b"")
        .with(0);
    let told = "The account bob is back, and gets mail for info, sales.\n";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let mut lines: Vec<_> = list(&site).lines().map(str::to_owned).collect();
    assert!(
        lines
            .iter()
            .all(|line| line.contains("bob") && line.contains("ann"))
    );
    // Of everybody, into a directory that has nothing.
    fs::rename(site.path().join("data"), site.path().join("lost")).unwrap();
    fs::create_dir(site.path().join("data")).unwrap();
    site.run(&["maildrop", "restore", &backup, "--all"], b"")
        .with(0);
    lines = list(&site).lines().map(str::to_owned).collect();
    assert_eq!(lines, ["info   bob, ann", "sales  bob, ann"]);
}
