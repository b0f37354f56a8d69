//! What is told of messages that have come although something went wrong.

use std::fs;

use super::Home;
use super::server::{Answer, Foreign};
use crate::run::SmallDisk;

const TWO: [(&str, &str); 2] = [
    ("a", "Subject: one\r\n\r\none\r\n"),
    ("b", "Subject: two\r\n\r\ntwo\r\n"),
];

fn usual(_: &str) -> Answer {
    Answer::Usual
}

fn refuses_quit(command: &str) -> Answer {
    match command {
        "QUIT" => Answer::Close("-ERR some deleted messages not removed\r\n".to_owned()),
        _ => Answer::Usual,
    }
}

const DELETES: &str = "keep = false\ndelete_at_once = true\n";

#[test]
fn a_refused_quit_does_not_hide_what_was_fetched() {
    let server = Foreign::start(&TWO, refuses_quit);
    let home = Home::new(&[]);
    let told = home.path("told");
    let hook = format!(
        "on_new = [\"sh\", \"-c\", \"echo {{count}} >>{}\"]\n",
        told.display()
    );
    home.configure(&[("work", &server)], &format!("{DELETES}{hook}"));
    let failed = home.fetch(&["work", "--verbose"]).with(76);
    assert_eq!(
        failed.stdout,
        "work: 2 new messages (42 octets), and then it failed\n"
    );
    assert!(
        failed.stderr.contains("some deleted messages not removed"),
        "{}",
        failed.stderr
    );
    assert_eq!(home.count("work"), 2);
    assert_eq!(fs::read_to_string(told).unwrap(), "2\n");
    let status = home.fetch(&["status"]).with(0).stdout;
    assert!(
        status.contains("             2 new messages before that\n"),
        "{status}"
    );

    let home = Home::new(&[]);
    home.configure(&[("work", &server)], DELETES);
    let failed = home.fetch(&["work", "--json"]).with(76);
    let last: serde_json::Value =
        serde_json::from_str(failed.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["code"], &last["new"], &last["octets"]),
        (&"error".into(), &76.into(), &2.into(), &42.into())
    );
}

/// Where a destination takes nothing.
fn refusing(server: &Foreign, more: &str) -> Home {
    let home = Home::new(&[]);
    home.configure(&[("work", server)], more);
    let text = fs::read_to_string(home.path("fetch.toml")).unwrap();
    let here = home.path("work").display().to_string();
    let maildir = format!("{{ maildir = \"{here}\" }}");
    let text = text.replace(&maildir, "{ command = [\"sh\", \"-c\", \"exit 65\"] }");
    fs::write(home.path("fetch.toml"), text).unwrap();
    home
}

#[test]
fn what_is_refused_stays_on_the_server_and_has_a_copy_where_there_is_room() {
    let server = Foreign::start(&TWO, usual);
    let home = refusing(
        &server,
        "keep = false\ndelete_at_once = true\nquarantine_max = \"180\"\n",
    );
    let told = home.fetch(&["work"]).with(0).stderr;
    let full = "; no copy of it is kept: HERE/state/work.quarantine is full (1 of 1000 messages, ";
    assert_eq!(
        (
            told.matches(" stays on the server: ").count(),
            told.matches(full).count()
        ),
        (2, 1),
        "{told}"
    );
    assert_eq!(server.ids(), ["a", "b"]);
    let copies = || {
        fs::read_dir(home.path("state/work.quarantine"))
            .unwrap()
            .count()
    };
    assert_eq!(copies(), 2);
    let status = home.fetch(&["status"]).with(0).stdout;
    assert!(
        status.contains("  kept as HERE/state/work.quarantine/"),
        "{status}"
    );
    assert!(
        status.contains("  no copy of it is kept; it is on the server\n"),
        "{status}"
    );
    // It is not fetched again and again.
    assert_eq!(home.fetch(&["work"]).with(0).stderr, "");
    assert_eq!(copies(), 2);
    let wrong = refusing(&server, "quarantine_max = \"much\"\n");
    wrong.fetch(&["work"]).with(78);
}

#[test]
fn a_disk_that_is_full_is_named() {
    let Some(disk) = SmallDisk::mounted("256k") else {
        return;
    };
    let large = format!(
        "Subject: large\r\n\r\n{}",
        "0123456789abcdef\r\n".repeat(100_000)
    );
    let server = Foreign::start(&[("a", &large)], usual);
    let home = Home::new(&[("work", &server)]);
    let state = disk.path().display().to_string();
    let text = fs::read_to_string(home.path("fetch.toml")).unwrap();
    let text = text.replace(&home.path("state").display().to_string(), &state);
    fs::write(home.path("fetch.toml"), text).unwrap();
    let failed = home.fetch(&["work"]).with(74);
    let first = format!(
        "restante: work: the rest of a large message cannot be kept in {state}: No space left on device\n"
    );
    assert!(failed.stderr.starts_with(&first), "{}", failed.stderr);
    assert!(
        failed.stderr.contains("\n  make room there"),
        "{}",
        failed.stderr
    );
    assert_eq!(server.ids(), ["a"]);
}
