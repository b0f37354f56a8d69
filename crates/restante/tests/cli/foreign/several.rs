//! One run of many accounts: servers that go wrong keep nobody from the mail of the others.

use std::collections::BTreeMap;

use super::Home;
use super::server::{Answer, Foreign, Manner, lines};

const THREE: [(&str, &str); 3] = [
    ("a", "Subject: one\r\n\r\none\r\n"),
    ("b", "Subject: two\r\n\r\n.two\r\n"),
    ("c", "Subject: three\r\n\r\nthree\r\n"),
];

/// Each server that goes wrong: its account, what it does, how it must end (0: it is got on with), and what is said.
const WRONG: [(&str, Manner, u64, &str); 11] = [
    (
        "garbage",
        |command| match command {
            "LIST" => Answer::Say("+OK\r\n\x01\u{7f} 9 9 9\r\n1 one\r\n.\r\n".to_owned()),
            _ => Answer::Usual,
        },
        76,
        "contradicts itself: LIST was answered with",
    ),
    (
        "babble",
        |command| match command {
            "" => Answer::Say("220 smtp.example.org ESMTP\r\n".to_owned()),
            _ => Answer::Usual,
        },
        76,
        "no POP3 reply",
    ),
    (
        "early",
        |command| match command.split(' ').next() {
            Some("RETR") => Answer::Close("+OK\r\nSubject: ha".to_owned()),
            _ => Answer::Usual,
        },
        75,
        "the connection ended where a message was due",
    ),
    (
        "endless",
        |command| match command {
            "" => Answer::Endless("+OK "),
            _ => Answer::Usual,
        },
        76,
        "a line that does not end",
    ),
    (
        "heap",
        |command| match command {
            "UIDL" => Answer::Endless("1 a\r\n"),
            _ => Answer::Usual,
        },
        76,
        "no POP3 reply",
    ),
    (
        "drip",
        |command| match command {
            "" => Answer::Drip,
            _ => Answer::Usual,
        },
        75,
        "the login did not come in time",
    ),
    (
        "locked",
        |command| match command.split(' ').next() {
            Some("PASS") => Answer::Say("-ERR no\r\n".to_owned()),
            _ => Answer::Usual,
        },
        77,
        "the login was refused: -ERR no",
    ),
    (
        "count",
        |command| match command {
            "STAT" => Answer::Say("+OK 4 17\r\n".to_owned()),
            _ => Answer::Usual,
        },
        76,
        "STAT says 4 messages, LIST says 3",
    ),
    (
        "legion",
        |command| match command {
            "STAT" => Answer::Say("+OK 4000000000 17\r\n".to_owned()),
            _ => Answer::Usual,
        },
        76,
        "more than 1000000 are not listed",
    ),
    (
        "sizes",
        |command| match command {
            "LIST" => Answer::Say(lines("1 7\r\n2 99999999999\r\n3 0\r\n")),
            _ => Answer::Usual,
        },
        0,
        "",
    ),
    (
        "repeated",
        |command| match command {
            "UIDL" => Answer::Say(lines("1 same\r\n2 same\r\n3 same\r\n")),
            _ => Answer::Usual,
        },
        0,
        "",
    ),
];

#[test]
fn servers_that_go_wrong_cost_the_others_nothing() {
    let usual: Manner = |_| Answer::Usual;
    let mut servers = vec![("first", Foreign::start(&THREE, usual))];
    for (name, manner, ..) in WRONG {
        servers.push((name, Foreign::start(&THREE, manner)));
    }
    servers.push(("last", Foreign::start(&THREE, usual)));
    let home = Home::new(&[]);
    let accounts: Vec<(&str, &Foreign)> = servers.iter().map(|(name, it)| (*name, it)).collect();
    home.configure(&accounts, "timeout = \"3s\"\n");
    let ended = home.fetch(&["--json"]).with(77);
    let mut ends = BTreeMap::new();
    for line in ended.stdout.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let account = event["account"].as_str().unwrap().to_owned();
        if event["event"] == "done" || event["event"] == "error" {
            assert!(ends.insert(account, event).is_none(), "told once: {line}");
        }
    }
    assert_eq!(ends.len(), accounts.len(), "{ends:#?}");
    for name in ["first", "last"] {
        assert_eq!(
            (&ends[name]["event"], &ends[name]["new"]),
            (&"done".into(), &3.into())
        );
        assert_eq!(home.count(name), 3);
    }
    for (name, _, code, says) in WRONG {
        let end = &ends[name];
        assert_eq!(end["code"].as_u64().unwrap_or(0), code, "{name}: {end}");
        if code == 0 {
            assert_eq!(
                (end["new"].as_u64(), home.count(name)),
                (Some(3), 3),
                "{name}: {end}"
            );
            continue;
        }
        let (what, remedy) = (
            end["what"].as_str().unwrap(),
            end["remedy"].as_str().unwrap(),
        );
        assert!(
            what.starts_with(&format!("{name}: ")) && what.contains(says),
            "{what}"
        );
        assert!(!remedy.is_empty(), "{name}");
    }
    // Of all of them nothing is lost: what is deleted is what was delivered, and that is nothing.
    assert!(servers.iter().all(|(_, server)| server.ids().len() == 3));
    assert_eq!(ended.stderr, "");
}
