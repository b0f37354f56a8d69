//! `restante deliver`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Site, SmallDisk, finish, program};

#[test]
fn a_message_is_delivered_and_comes_out_as_it_went_in() {
    let site = with_bob();
    let ended = site
        .run(&["deliver", "bob"], b"Subject: hello\n\n.dot\nlast")
        .with(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let shown = site
        .run(&["maildrop", "show", "bob", "1"], b"")
        .with(0)
        .stdout;
    assert_eq!(shown, "Subject: hello\r\n\r\n.dot\r\nlast\r\n");
}

#[test]
fn recipients_are_accounts_and_addresses_of_our_domains() {
    let site = with_bob();
    for recipient in ["bob", "BOB", "bob@dobbs.org", "bob@mailgate.dobbs.org"] {
        site.run(&["deliver", recipient], b"x\n").with(0);
    }
    for recipient in ["eve", "bob@example.org", "", "../bob", "bob@"] {
        let ended = site.run(&["deliver", recipient], b"x\n").with(67);
        assert!(
            ended.stderr.contains("no such account"),
            "{recipient}: {}",
            ended.stderr
        );
    }
    // One unknown recipient of two: nobody gets it.
    let ended = site.run(&["deliver", "bob", "eve"], b"x\n").with(67);
    assert_eq!(ended.stderr, "eve: no such account\n");
    let list = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert_eq!(list, "bob  4 messages      12 octets\n");
}

#[test]
fn the_sender_and_the_from_line_are_options() {
    let site = with_bob();
    let text = b"From somebody Mon Nov 23 08:00:00 2026\nSubject: x\n\n";
    site.run(
        &[
            "deliver",
            "-f",
            "eve@example.org",
            "--from-line",
            "bob@dobbs.org",
        ],
        text,
    )
    .with(0);
    site.run(&["deliver", "-f", "", "bob"], b"").with(0);
    let shown = site
        .run(&["maildrop", "show", "bob", "1"], b"")
        .with(0)
        .stdout;
    assert_eq!(
        shown,
        "Return-Path: <eve@example.org>\r\nDelivered-To: bob@dobbs.org\r\nSubject: x\r\n\r\n"
    );
    let shown = site
        .run(&["maildrop", "show", "bob", "2"], b"")
        .with(0)
        .stdout;
    assert_eq!(shown, "Return-Path: <>\r\nDelivered-To: bob\r\n");
}

/// Runs `deliver` with these words and shows what came of it.
fn delivered(words: &[&str]) -> String {
    let site = with_bob();
    site.run(&[&["deliver"], words].concat(), b"x\n").with(0);
    let list = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert!(list.starts_with("bob  1 message "), "{words:?}: {list}");
    site.run(&["maildrop", "show", "bob", "1"], b"")
        .with(0)
        .stdout
}

fn trace(sender: &str, address: &str) -> String {
    format!("Return-Path: <{sender}>\r\nDelivered-To: {address}\r\nx\r\n")
}

#[test]
fn it_is_called_like_the_delivery_agents_of_others() {
    for (words, sender, address) in [
        // Postfix pipe(8), Exim, fetchmail.
        (
            &["-f", "eve@example.org", "--", "bob@dobbs.org"][..],
            "eve@example.org",
            "bob@dobbs.org",
        ),
        // dovecot-lda, with the address as it was before an alias or a detail was taken off.
        (
            &[
                "-f",
                "eve@example.org",
                "-a",
                "bob+lists@dobbs.org",
                "-d",
                "bob",
                "-e",
                "-m",
                "INBOX",
            ],
            "eve@example.org",
            "bob+lists@dobbs.org",
        ),
        // procmail and maildrop.
        (
            &["-t", "-Y", "-f", "eve@example.org", "-d", "bob"],
            "eve@example.org",
            "bob",
        ),
        // mail.local and Cyrus.
        (&["-r", "eve@example.org", "bob"], "eve@example.org", "bob"),
        // The same recipient twice is one.
        (
            &["-f", "eve@example.org", "-d", "bob", "-d", "bob@dobbs.org"],
            "eve@example.org",
            "bob",
        ),
        // The null sender, and what others say for it.
        (&["-f", "", "bob"], "", "bob"),
        (&["-f", "<>", "bob"], "", "bob"),
        (
            &["-f", "<eve@example.org>", "bob"],
            "eve@example.org",
            "bob",
        ),
        (&["-f", "MAILER-DAEMON", "bob"], "MAILER-DAEMON", "bob"),
        // Addresses may begin like options.
        (
            &["-f", "--config@example.org", "--", "bob"],
            "--config@example.org",
            "bob",
        ),
    ] {
        assert_eq!(delivered(words), trace(sender, address), "{words:?}");
    }
    assert_eq!(delivered(&["-d", "bob"]), "x\r\n");
}

#[test]
fn strangers_addresses_are_no_mistakes_of_the_command_line() {
    let site = with_bob();
    for recipient in ["-x@dobbs.org", "--help", "-f"] {
        let ended = site.run(&["deliver", "--", recipient], b"x\n").with(67);
        assert_eq!(ended.stderr, format!("{recipient}: no such account\n"));
        site.run(&["deliver", "-d", recipient], b"x\n").with(67);
    }
    let config = site.config();
    let latin = |words: [&str; 3]| {
        let mut command = program();
        command.arg("-c").arg(&config).arg("deliver").args(words);
        command.arg(OsStr::from_bytes(b"j\xfcrgen@dobbs.org"));
        command
    };
    let ended = finish(&mut latin(["-f", "", "--"]), b"x\n").with(67);
    assert!(
        ended.stderr.ends_with("no such account\n"),
        "{}",
        ended.stderr
    );
    finish(&mut latin(["-d", "bob", "-f"]), b"x\n").with(0);
    let evil = "bob@dobbs.org\r\nX-Evil: yes";
    site.run(&["deliver", "-f", evil, "-a", evil, "bob"], b"x\n")
        .with(0);
    let shown = site.run(&["maildrop", "show", "bob", "2"], b"").with(0);
    let line = "bob@dobbs.org??X-Evil: yes";
    assert_eq!(shown.stdout, trace(line, line));
}

#[test]
fn what_cannot_be_done_is_said_and_no_mail_goes_back_for_it() {
    let site = with_bob();
    site.run(&["user", "add", "eve", "--stdin"], b"redqueen\n")
        .with(0);
    for (words, remedy) in [
        (&["-m", "Junk", "bob"][..], "leave -m out"),
        (
            &["-p", "/tmp/message", "bob"],
            "write <FILE in place of -p FILE",
        ),
        (
            &["-f", "", "-a", "bob@dobbs.org", "bob", "eve"],
            "name one recipient a call",
        ),
        (
            &["-f", "", "-a", "lists", "bob"],
            "write LOCAL@DOMAIN, or leave -a out",
        ),
        (&["-a", "bob@dobbs.org", "bob"], "--from <SENDER>"),
        (&["-k", "bob"], "unexpected argument '-k'"),
        (&["-d", "bob", "eve"], "name each by -d"),
        (&[], "<RECIPIENT>..."),
        // 0 would mean that it is on disk.
        (&["-h@dobbs.org"], ""),
        (&["-h"], ""),
        (&["-d", "bob", "--help"], ""),
    ] {
        let ended = site.run(&[&["deliver"], words].concat(), b"x\n").with(75);
        assert!(ended.stderr.contains(remedy), "{words:?}: {}", ended.stderr);
    }
    site.run(&["-V", "deliver", "bob"], b"x\n").with(75);
    site.run(&["deliver", "--help"], b"").with(0);
    let list = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert!(!list.contains("1 message"), "{list}");
}

#[test]
fn an_empty_message_is_a_message() {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"").with(0);
    let list = site.run(&["maildrop", "list", "bob"], b"").with(0).stdout;
    assert!(list.starts_with("     1             0  "), "{list}");
}

#[test]
fn a_message_that_is_too_large_is_refused_for_good() {
    let limit = "\n[limits]\nmessage_octets_max = \"64 KiB\"\n";
    let site = Site::with(&format!("{CONFIGURATION}{limit}"));
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    let ended = site.run(&["deliver", "bob"], &vec![b'x'; 70_000]).with(65);
    assert_eq!(
        ended.stderr,
        "deliver: message is larger than 65536 octets\n"
    );
    site.run(&["deliver", "bob"], &[b'x'; 60_000]).with(0);
}

#[test]
fn what_the_operator_must_mend_waits_at_the_sender() {
    let site = with_bob();
    fs::write(site.config(), "nonsense = 1\n").unwrap();
    site.run(&["deliver", "bob"], b"x").with(75);
    let ended = crate::run::run(&["-c", "/nonexistent", "deliver", "bob"], b"x").with(75);
    assert!(ended.stderr.contains("/nonexistent cannot be read"));
}

#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = SmallDisk::mounted("1m") else {
        return;
    };
    let data = disk.path().join("data");
    let site = Site::with(&CONFIGURATION.replace("DIR/data", data.to_str().unwrap()));
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    site.run(&["deliver", "bob"], b"first\n").with(0);
    let ended = site.run(&["deliver", "bob"], &vec![b'x'; 4 << 20]).with(75);
    assert!(ended.stderr.contains("no space left"), "{}", ended.stderr);
    // What was there is there, nothing of the other is, and a small one still fits.
    site.run(&["deliver", "bob"], b"second\n").with(0);
    let list = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert_eq!(list, "bob  2 messages      15 octets\n");
    site.run(&["maildrop", "verify"], b"").with(0);
}
