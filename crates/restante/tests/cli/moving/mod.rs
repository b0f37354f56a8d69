//! `restante maildrop import` from a live POP3 server, of lists of accounts, and `--verify`.

mod again;
mod hostile;
mod lists;
mod old;
mod verifying;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::accounts::with_bob;
use crate::run::{Ended, Site};
use crate::serving::{Server, servable};
use old::Old;

const FIRST: &str =
    "Received: by old; Mon, 23 Nov 2026 08:24:39 +0000\r\nSubject: 1\r\n\r\n..one\r\n";
const MESSAGES: [(&str, &str); 3] = [
    ("z", FIRST),
    ("a", "Date: Sun, 22 Nov 2026 08:24:39 +0000\r\n\r\ntwo\r\n"),
    ("m!~", ""),
];

fn import(site: &Site, source: &str, options: &[&str]) -> Ended {
    let mut words = vec!["maildrop", "import", "bob", source, "--stdin", "--insecure"];
    words.extend(options);
    site.run(&words, b"redqueen\n")
}

/// What is told before a login in clear.
const IN_CLEAR: &str = "bob: the password of mrose and the mail come from 127.0.0.1 in clear; whoever is between reads them\n";

/// The messages of bob: unique-id and octets.
fn messages(site: &Site) -> Vec<(String, u64)> {
    let ended = site
        .run(&["maildrop", "list", "bob", "--json"], b"")
        .with(0);
    let lines = ended.stdout.lines().map(|line| {
        let it: serde_json::Value = serde_json::from_str(line).unwrap();
        let unique_id = it["unique_id"].as_str().unwrap().to_owned();
        (unique_id, it["octets"].as_u64().unwrap())
    });
    lines.collect()
}

fn ids(site: &Site) -> Vec<String> {
    messages(site).into_iter().map(|it| it.0).collect()
}

#[test]
fn everything_stays_what_it_was_and_comes_once() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    let address = old.address("mrose");
    let ended = import(&site, &address, &[]).with(0);
    assert_eq!(
        ended.stdout,
        "3 messages imported into the maildrop of bob, 0 there already.\n\
         3 unique-ids are from 127.0.0.1, 0 new.\n"
    );
    assert_eq!(ended.stderr, IN_CLEAR);
    let heard = old.heard();
    assert!(heard.contains(&"USER mrose".to_owned()), "{heard:?}");
    assert!(!heard.iter().any(|line| line.starts_with("DELE")));
    assert_eq!(
        messages(&site),
        [("z".into(), 71), ("a".into(), 46), ("m!~".into(), 0)]
    );
    let shown = site.run(&["maildrop", "show", "bob", "1"], b"").with(0);
    assert_eq!(shown.stdout, FIRST.replace("..one", ".one"));

    let mbox = site.path().join("mbox").display().to_string();
    let export = ["maildrop", "export", "bob", &mbox, "--format", "mboxrd"];
    site.run(&export, b"").with(0);
    let exported = fs::read_to_string(&mbox).unwrap();
    // The third tells nothing of when it came.
    for date in [
        "Mon Nov 23 08:24:39 2026\nReceived: ",
        "Sun Nov 22 08:24:39 2026\nDate: ",
    ] {
        assert!(exported.contains(date), "{exported}");
    }

    // Once more, with one that has come since.
    old.change(|old| {
        old.messages
            .push(("later".into(), "Subject: 4\r\n\r\n".into()))
    });
    let ended = import(&site, &address, &[]).with(0);
    assert_eq!(
        ended.stdout,
        "1 message imported into the maildrop of bob, 3 there already.\n\
         1 unique-id is from 127.0.0.1, 0 new.\n"
    );
    let heard = old.heard();
    assert!(!heard.contains(&"RETR 1".to_owned()) && heard.contains(&"RETR 4".to_owned()));
    assert_eq!(ids(&site), ["z", "a", "m!~", "later"]);
}

#[test]
fn an_interrupted_import_goes_on_where_it_stopped() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    for (cut, code, there) in [(Some(1), 75, 1), (Some(1), 75, 2), (None, 0, 3)] {
        old.change(|old| old.cut_after = cut);
        let ended = import(&site, &old.address("mrose"), &[]).with(code);
        if code != 0 {
            let told = "restante: the import stopped after 1 message: the connection ended where a message was due";
            assert!(ended.stderr.contains(told), "{}", ended.stderr);
            assert!(ended.stderr.contains("run this again"), "{}", ended.stderr);
        }
        assert_eq!(ids(&site).len(), there);
    }
    assert_eq!(ids(&site), ["z", "a", "m!~"]);
    import(&site, &old.address("mrose"), &["--verify"]).with(0);
}

#[test]
fn a_message_that_comes_late_is_told_to_be_out_of_order() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    old.change(|old| old.damaged = Some(2));
    let ended = import(&site, &old.address("mrose"), &[]).with(65);
    assert!(
        ended.stderr.contains("message 2: -ERR damaged; left out\n"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("1 message was left out"),
        "{}",
        ended.stderr
    );
    old.change(|old| old.damaged = None);
    let ended = import(&site, &old.address("mrose"), &[]).with(0);
    let told = "message 2 is before some that are in the maildrop of bob already, and comes behind them now\n";
    assert_eq!(ended.stderr, format!("{IN_CLEAR}{told}"));
    assert_eq!(ids(&site), ["z", "m!~", "a"]);
    let ended = import(&site, &old.address("mrose"), &["--verify"]).with(65);
    assert!(
        ended
            .stderr
            .contains("bob: message 2: unique-id a there, m!~ here\n"),
        "{}",
        ended.stderr
    );
    // It says what mends that, and that does.
    let told =
        "another import mends no order. Empty the maildrop first (restante user remove bob, ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    site.run(&["user", "remove", "bob"], b"").with(0);
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    import(&site, &old.address("mrose"), &[]).with(0);
    import(&site, &old.address("mrose"), &["--verify"]).with(0);
}

#[test]
fn who_cannot_log_in_or_trust_is_told_what_to_do() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    let address = old.address("mrose");
    let words = ["maildrop", "import", "bob", address.as_str()];
    let ended = site
        .run(
            &[&words[..], &["--stdin", "--insecure"]].concat(),
            b"wrong\n",
        )
        .with(77);
    assert_eq!(
        ended.stderr,
        format!(
            "{IN_CLEAR}restante: the login was refused: -ERR [AUTH] no\n  check user name and password at that server\n"
        )
    );
    assert!(!old.heard().contains(&"STAT".to_owned()));
    // STLS is not done without unless that is asked for.
    let pin = "0".repeat(64);
    let ended = site
        .run(
            &[&words[..], &["--stdin", "--pin", &pin]].concat(),
            b"redqueen\n",
        )
        .with(69);
    assert!(
        ended.stderr.contains("it refuses STLS: -ERR unknown"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--insecure"), "{}", ended.stderr);
    assert_eq!(old.heard(), ["STLS"]);
    // What would be pinned is not there.
    for trust in [["--pin", &pin], ["--trust", "/nonexistent"]] {
        let ended = import(&site, &address, &trust).with(64);
        assert!(
            ended
                .stderr
                .starts_with("restante: --insecure leaves no certificate of 127.0.0.1 to look at"),
            "{}",
            ended.stderr
        );
    }
    assert!(old.heard().is_empty());
    let ended = site.run(&words, b"").with(64);
    assert!(ended.stderr.contains("no terminal"), "{}", ended.stderr);
    let ended = site
        .run(
            &["maildrop", "import", "bob", "pop3s://mrose:redqueen@old"],
            b"",
        )
        .with(64);
    assert!(
        ended.stderr.contains("a password belongs into a file"),
        "{}",
        ended.stderr
    );
    let ended = site.run(
        &[
            "maildrop",
            "import",
            "bob",
            "pop3://mrose@127.0.0.1:1",
            "--stdin",
            "--insecure",
        ],
        b"redqueen\n",
    );
    let ended = ended.with(75);
    assert!(
        ended
            .stderr
            .contains("127.0.0.1:1 cannot be reached: Connection refused\n"),
        "{}",
        ended.stderr
    );
    assert!(ids(&site).is_empty());
}

#[test]
fn unique_ids_that_cannot_be_kept_stop_the_import_unless_they_shall_be_new() {
    for (change, told) in [
        (
            (|old| old.no_uidl = true) as fn(&mut old::State),
            "the server has no unique-ids: -ERR unknown",
        ),
        (
            |old| old.messages[1].0 = "z".into(),
            "message 2 has the unique-id of another one: z",
        ),
        (
            |old| old.messages[1].0 = "a b".into(),
            "message 2 has a unique-id that none may be (RFC 1939 §7): a b",
        ),
    ] {
        let (site, old) = (with_bob(), Old::with(&MESSAGES));
        old.change(change);
        for options in [&[][..], &["--verify"]] {
            let ended = import(&site, &old.address("mrose"), options).with(65);
            assert!(
                ended
                    .stderr
                    .starts_with(&format!("{IN_CLEAR}restante: {told}\n")),
                "{}",
                ended.stderr
            );
            assert!(
                ended.stderr.contains("--unique-ids new"),
                "{}",
                ended.stderr
            );
            assert!(ids(&site).is_empty());
        }
        // Known by their octets then, two that are alike too.
        let new = ["--unique-ids", "new"];
        old.change(|old| old.messages.push(old.messages[0].clone()));
        import(&site, &old.address("mrose"), &new).with(0);
        let first = ids(&site);
        assert_eq!(first.len(), 4);
        let ended = import(&site, &old.address("mrose"), &new).with(0);
        assert_eq!(
            ended.stdout,
            "0 messages imported into the maildrop of bob, 4 there already.\n"
        );
        assert_eq!(ids(&site), first);
        import(
            &site,
            &old.address("mrose"),
            &["--verify", "--unique-ids", "new"],
        )
        .with(0);
    }
}

#[test]
fn a_server_that_counts_otherwise_is_told_of_and_does_not_pass() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    old.change(|old| old.counts_more = 1);
    let ended = import(&site, &old.address("mrose"), &[]).with(0);
    assert_eq!(
        ended.stderr,
        format!(
            "{IN_CLEAR}3 messages have other sizes than LIST says: that server counts otherwise\n"
        )
    );
    assert_eq!(ids(&site), ["z", "a", "m!~"]);
    let ended = import(&site, &old.address("mrose"), &["--verify"]).with(65);
    assert!(
        ended
            .stderr
            .contains("bob: message 3: 1 octets there, 0 here\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn our_own_server_can_be_left_too() {
    let (here, there) = (with_bob(), with_bob());
    servable(&there);
    for number in 0..50 {
        let text = format!("Subject: {number}\n\n.{}\n", "x\n".repeat(number * 40));
        there.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    let server = Server::start(&there);
    let address = format!("pop3://bob@{}", server.pop3);
    import(&here, &address, &[]).with(0);
    let ended = import(&here, &address, &["--verify"]).with(0);
    assert!(
        ended
            .stdout
            .starts_with("The maildrop of bob is what 127.0.0.1 has: 50 messages, ")
    );
    assert_eq!(ids(&here), ids(&there));
    for number in ["1", "50"] {
        let show = |site: &Site| {
            site.run(&["maildrop", "show", "bob", number], b"")
                .with(0)
                .stdout
        };
        assert_eq!(show(&here), show(&there));
    }
    server.stop();
}

#[test]
fn no_more_comes_in_than_the_account_may_hold() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    site.run(&["user", "set", "bob", "--quota-messages", "1"], b"")
        .with(0);
    let ended = import(&site, &old.address("mrose"), &[]).with(73);
    assert!(
        ended.stderr.contains("more than the account may hold"),
        "{}",
        ended.stderr
    );
    assert_eq!(ids(&site), ["z"]);
    import(&site, &old.address("mrose"), &["--no-quota"]).with(0);
    assert_eq!(ids(&site), ["z", "a", "m!~"]);
}

/// A file for nobody else.
fn private(site: &Site, name: &str, text: &str) -> String {
    let file = site.path().join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file.display().to_string()
}
