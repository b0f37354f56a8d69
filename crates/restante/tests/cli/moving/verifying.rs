//! `--verify`: what is not the same is found.

use std::fs;

use super::old::{Old, State};
use super::{MESSAGES, import};
use crate::accounts::with_bob;

/// What is changed at the old server, and what must be told of it.
type Plant = (fn(&mut State), &'static [&'static str]);

#[test]
fn every_planted_difference_is_found() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    let address = old.address("mrose");
    import(&site, &address, &[]).with(0);
    let ended = import(&site, &address, &["--verify"]).with(0);
    assert_eq!(
        ended.stdout,
        "The maildrop of bob is what 127.0.0.1 has: 3 messages, 117 octets.\n"
    );
    let heard = old.heard();
    assert!(heard.contains(&"UIDL".to_owned()), "{heard:?}");
    let plants: [Plant; 6] = [
        (
            |old| old.messages.push(("new".into(), "x\r\n".into())),
            &[
                "4 messages there, 3 here",
                "120 octets in all there, 117 here",
                "unique-id new is there and not here",
            ],
        ),
        (
            |old| drop(old.messages.remove(2)),
            &[
                "2 messages there, 3 here",
                "unique-id m!~ is here and not there",
            ],
        ),
        (
            |old| old.messages[2].1.push_str("x\r\n"),
            &[
                "120 octets in all there, 117 here",
                "message 3: 3 octets there, 0 here",
            ],
        ),
        (
            |old| old.messages[1].0 = "A".into(),
            &[
                "unique-id A is there and not here",
                "unique-id a is here and not there",
                "message 2: unique-id A there, a here",
            ],
        ),
        (
            |old| old.messages.swap(0, 1),
            &[
                "message 1: 46 octets there, 71 here",
                "message 1: unique-id a there, z here",
                "message 2: 71 octets there, 46 here",
                "message 2: unique-id z there, a here",
            ],
        ),
        (
            |old| old.messages = (0..20).map(|it| (it.to_string(), String::new())).collect(),
            &["20 messages there, 3 here", "and 20 more"],
        ),
    ];
    for (plant, differences) in plants {
        let old = Old::with(&MESSAGES);
        old.change(plant);
        let ended = import(&site, &old.address("mrose"), &["--verify"]).with(65);
        for difference in differences {
            assert!(
                ended.stderr.contains(&format!("bob: {difference}\n")),
                "{}",
                ended.stderr
            );
        }
        assert!(
            ended
                .stderr
                .contains("restante: the maildrop of bob is not what 127.0.0.1 has: "),
            "{}",
            ended.stderr
        );
        assert!(
            ended.stderr.contains("  this is not done: "),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn files_are_compared_with_what_an_import_would_bring() {
    let site = with_bob();
    let directory = site.path().join("Maildir");
    for part in ["new", "cur"] {
        fs::create_dir_all(directory.join(part)).unwrap();
    }
    fs::write(directory.join("new/1700000001.M1P1.host"), "one\n").unwrap();
    fs::write(directory.join("new/1700000002.M1P1.host"), "two\n").unwrap();
    let name = directory.to_str().unwrap();
    let verify = |code| import(&site, name, &["--verify"]).with(code);
    assert!(
        verify(65)
            .stderr
            .contains("bob: 2 messages there, 0 here\n")
    );
    import(&site, name, &[]).with(0);
    assert!(verify(0).stdout.ends_with("has: 2 messages, 10 octets.\n"));
    fs::write(directory.join("new/1700000002.M1P1.host"), "TWO\n").unwrap();
    assert!(
        verify(65)
            .stderr
            .contains("bob: message 2: another text there than here\n")
    );
    fs::rename(
        directory.join("new/1700000001.M1P1.host"),
        directory.join("new/1700000003.M1P1.host"),
    )
    .unwrap();
    let told = verify(65).stderr;
    assert!(
        told.contains("bob: unique-id 1700000003.M1P1.host is there and not here\n"),
        "{told}"
    );
    site.run(&["maildrop", "import", "eve", name, "--verify"], b"")
        .with(67);
}
