//! Many accounts by one list.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::old::Old;
use super::{MESSAGES, ids, private};
use crate::accounts::with_bob;
use crate::run::{Ended, Site};

fn with_eve() -> Site {
    let site = with_bob();
    site.run(&["user", "add", "eve", "--stdin"], b"whiteknight\n")
        .with(0);
    site
}

fn list(site: &Site, lines: &str, options: &[&str]) -> Ended {
    let file = private(site, "accounts.txt", lines);
    let mut words = vec!["maildrop", "import", "--insecure", "--accounts", &file];
    words.extend(options);
    site.run(&words, b"")
}

#[test]
fn an_account_that_fails_does_not_keep_the_others_from_theirs() {
    let (site, old) = (with_eve(), Old::with(&MESSAGES));
    let (right, wrong) = (
        private(&site, "right", "redqueen\n"),
        private(&site, "wrong", "x\n"),
    );
    let mbox = site.path().join("an mbox");
    fs::write(&mbox, "From bob Mon Nov 23 08:24:39 2026\n\nhello\n").unwrap();
    let (mrose, mbox) = (old.address("mrose"), mbox.display());
    let lines = format!(
        "# account source password\n\neve {mrose} {wrong}\nnobody {mrose} {right}\n\
         bob  {mrose}  {right}\neve\t{mbox}\n"
    );
    let ended = list(&site, &lines, &[]).with(65);
    assert_eq!(
        ended.stdout,
        "3 messages imported into the maildrop of bob, 0 there already.\n\
         3 unique-ids are from 127.0.0.1, 0 new.\n\
         1 message imported into the maildrop of eve, 0 there already.\n\
         2 accounts done, 2 failed.\n\
         eve: the login was refused: -ERR [AUTH] no\n\
         nobody: there is no account nobody\n"
    );
    assert!(
        ended.stderr.contains("\neve (1 of 4) failed: "),
        "{}",
        ended.stderr
    );
    let advice = "\n  check user name and password at that server\n";
    assert!(ended.stderr.contains(advice), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("restante: 2 accounts failed\n"),
        "{}",
        ended.stderr
    );

    // Mended, and run again: what was done stays.
    let lines = format!("bob {mrose}\neve\t{mbox}\n");
    let ended = list(&site, &lines, &["--password-file", &right]).with(0);
    assert!(
        ended
            .stdout
            .contains("0 messages imported into the maildrop of bob, 3 there already.")
    );
    assert!(
        ended.stdout.ends_with("2 accounts done, 0 failed.\n"),
        "{}",
        ended.stdout
    );
    assert_eq!(ids(&site), ["z", "a", "m!~"]);

    let ended = list(&site, &lines, &["--password-file", &right, "--verify"]).with(0);
    assert!(
        ended
            .stdout
            .contains("The maildrop of bob is what 127.0.0.1 has: 3 messages, ")
    );
    old.change(|old| old.messages.swap(0, 1));
    let ended = list(&site, &lines, &["--password-file", &right, "--verify"]).with(65);
    assert!(
        ended.stdout.ends_with(
            "1 account done, 1 failed.\n\
             bob: the maildrop of bob is not what 127.0.0.1 has: 4 differences\n"
        ),
        "{}",
        ended.stdout
    );
    for told in [
        "\n  this is not done: ",
        "\n  nobody is to be sent here whose maildrop is not what the source has\n",
    ] {
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

#[test]
fn what_may_pass_by_itself_has_a_code_of_its_own() {
    let (site, old) = (with_eve(), Old::with(&MESSAGES));
    old.change(|old| old.cut_after = Some(1));
    let right = private(&site, "right", "redqueen\n");
    let lines = format!("bob {0}\neve {0}\n", old.address("mrose"));
    let ended = list(&site, &lines, &["--password-file", &right]).with(75);
    assert!(
        ended.stdout.contains("0 accounts done, 2 failed.\n"),
        "{}",
        ended.stdout
    );
    // What to do about both is said once.
    let advice = "\n  run this again: what is there already is skipped\n";
    assert_eq!(ended.stderr.matches(advice).count(), 1, "{}", ended.stderr);
}

#[test]
fn a_wrong_line_stops_everything_before_it_begins() {
    let (site, old) = (with_eve(), Old::with(&MESSAGES));
    let address = old.address("mrose");
    let open = private(&site, "open", "redqueen\n");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    let right = private(&site, "right", "redqueen\n");
    for (line, told, code) in [
        (
            format!("eve {address} {open}"),
            "open can be read by others\n  chmod 600 DIR/open",
            77,
        ),
        (
            format!("eve {address} DIR/none"),
            "DIR/none cannot be read: no such file",
            66,
        ),
        (format!("eve {address}"), "no password for mrose", 64),
        (
            "eve".to_owned(),
            "not an account, a source and perhaps a password file",
            65,
        ),
        (
            format!("eve {address} {right} more"),
            "not an account, a source and",
            65,
        ),
        (
            "eve pop3s://host".to_owned(),
            "pop3s://host: it names no user",
            64,
        ),
        (
            "eve pop3s://bob:redqueen@old".to_owned(),
            "pop3s://old: a password belongs into a file",
            64,
        ),
        (
            format!("eve /var/mail/eve {right}"),
            "/var/mail/eve is no POP3 server",
            65,
        ),
    ] {
        let lines = format!("bob {address} {right}\n{line}\n")
            .replace("DIR", &site.path().display().to_string());
        let ended = list(&site, &lines, &[]).with(code);
        assert!(
            ended
                .stderr
                .starts_with("restante: DIR/accounts.txt, line 2: "),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
        assert!(!ended.stderr.contains("redqueen"), "{}", ended.stderr);
    }
    assert!(
        list(&site, "# nobody\n", &[])
            .with(65)
            .stderr
            .contains("names no account")
    );
    let ended = site
        .run(&["maildrop", "import", "--accounts", "/nonexistent"], b"")
        .with(66);
    assert!(
        ended.stderr.contains("/nonexistent cannot be read"),
        "{}",
        ended.stderr
    );
    // The password of all is no less one than that of one.
    let lines = format!("bob {address}\n");
    let ended = list(&site, &lines, &["--password-file", &open]).with(77);
    assert!(
        ended.stderr.contains("open can be read by others\n"),
        "{}",
        ended.stderr
    );
    assert!(old.heard().is_empty() && ids(&site).is_empty());
    // One or many, and never half of one.
    for words in [&["bob"][..], &[], &["bob", "/x", "--accounts", "/y"]] {
        site.run(&[&["maildrop", "import"], words].concat(), b"")
            .with(64);
    }
}
