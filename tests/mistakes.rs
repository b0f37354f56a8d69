//! Mistakes that other servers have shipped, each as a rule that ours keeps. What one dialogue can show
//! is a transcript; here is what holds for every command, or for many messages. The list of them is
//! in `docs/vulnerabilities.md`.

#![allow(clippy::unwrap_used, reason = "what fails here is a test")]

use pop3::server::{Channel, Connection, Passwords, Rules, Sasl, Stls};
use pop3::xclient::Speaker;
use pop3::{Expire, Promise, UniqueId};
use restante_tests::driver::{Account, Driver, Message, Reading, settings};
use sasl::nonce::Nonces;
use sasl::{Mechanism, Secret};

/// Somebody with so many messages of a size.
fn account(messages: usize, octets: u64) -> Account {
    let messages = (0..messages).map(|index| Message {
        text: format!("Subject: {index}\r\n\r\n.dot\r\n").into_bytes(),
        octets,
        unique_id: UniqueId::new(format!("id.{index}").into_bytes()).unwrap(),
        reading: Reading::Works,
        hidden: false,
    });
    Account {
        user: "bob".into(),
        password: Secret::new("redqueen"),
        digest: None,
        token: None,
        opening: None,
        committing: None,
        rules: Rules::default(),
        shown: usize::MAX,
        messages: messages.collect(),
    }
}

/// A connection to a server with that account, behind its greeting.
fn connected(account: Account, stls: Stls) -> Driver {
    let connection = Connection {
        channel: Channel::Plain,
        passwords: Passwords::Accepted,
        stls,
        speaker: Speaker::Client,
        timestamp: "<1.2@mailgate.dobbs.org>".into(),
        expire: Promise::All(Expire::Never),
        sasl: Sasl {
            mechanisms: Mechanism::ALL.to_vec(),
            ..Sasl::new(Nonces::new([0; 32]))
        },
    };
    let mut driver = Driver::new(settings(), connection, vec![account]);
    driver.said();
    driver
}

/// What comes back.
fn ask(driver: &mut Driver, line: &str) -> String {
    driver.receive(format!("{line}\r\n").as_bytes());
    String::from_utf8(driver.said()).unwrap()
}

fn logged_in(messages: usize, octets: u64) -> Driver {
    let mut driver = connected(account(messages, octets), Stls::NotOffered);
    ask(&mut driver, "USER bob");
    assert!(ask(&mut driver, "PASS redqueen").starts_with("+OK"));
    driver
}

/// The commands that name a message.
fn naming(number: &str) -> [String; 5] {
    [
        format!("LIST {number}"),
        format!("UIDL {number}"),
        format!("RETR {number}"),
        format!("TOP {number} 0"),
        format!("DELE {number}"),
    ]
}

/// smtp4dev announces a TOP that it has not, James hides one that it has until the login.
#[test]
fn what_capa_announces_is_there() {
    let mut driver = connected(account(1, 20), Stls::Offered);
    let capabilities = ask(&mut driver, "CAPA");
    let mut commands = 0;
    for line in capabilities.lines().skip(1).filter(|line| *line != ".") {
        let (tag, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let probes: Vec<String> = match tag {
            // Not commands, but ways of all of them.
            "RESP-CODES" | "AUTH-RESP-CODE" | "PIPELINING" | "EXPIRE" | "IMPLEMENTATION" => {
                continue;
            }
            "SASL" => arguments
                .split(' ')
                .map(|mechanism| format!("AUTH {mechanism} ="))
                .collect(),
            "TOP" => vec!["TOP 1 0".into()],
            "USER" => vec!["USER bob".into(), "PASS wrong".into()],
            command => vec![command.to_owned()],
        };
        for probe in probes {
            // Each in a session of its own.
            let mut driver = connected(account(1, 20), Stls::Offered);
            let said = ask(&mut driver, &probe);
            assert!(!said.contains("unknown"), "{line}: {probe}: {said}");
            commands += 1;
        }
    }
    assert!(commands >= 9, "{capabilities}");
}

/// Stalwart takes 0 for 1 and does what is asked with deleted messages.
#[test]
fn no_command_takes_a_number_that_is_none() {
    for number in ["0", "4", "00", "4294967296", "18446744073709551617", "-1"] {
        let mut driver = logged_in(3, 20);
        for command in naming(number) {
            let said = ask(&mut driver, &command);
            assert!(said.starts_with("-ERR "), "{command}: {said}");
        }
        assert_eq!(ask(&mut driver, "STAT"), "+OK 3 60\r\n");
    }
    let mut driver = logged_in(3, 20);
    ask(&mut driver, "DELE 2");
    for command in naming("2") {
        let said = ask(&mut driver, &command);
        assert_eq!(said, "-ERR message is deleted\r\n", "{command}");
    }
}

/// Courier and WildDuck number what is left anew, so that the next DELE takes another message.
#[test]
fn no_number_shifts_after_dele() {
    let mut driver = logged_in(4, 20);
    let before: Vec<_> = naming("4")[..4]
        .iter()
        .map(|command| ask(&mut driver, command))
        .collect();
    ask(&mut driver, "DELE 1");
    ask(&mut driver, "DELE 3");
    for (command, before) in naming("4").iter().zip(before) {
        assert_eq!(ask(&mut driver, command), before, "{command}");
    }
    assert!(ask(&mut driver, "LIST").ends_with("\r\n2 20\r\n4 20\r\n.\r\n"));
    assert!(ask(&mut driver, "UIDL").ends_with("\r\n2 id.1\r\n4 id.3\r\n.\r\n"));
}

/// Stalwart's sum of sizes has 32 bits, Cyrus prints one with `%u`. Ours has 64, and stops there.
#[test]
fn sizes_do_not_wrap() {
    let mut driver = logged_in(3, u64::MAX);
    assert_eq!(ask(&mut driver, "STAT"), "+OK 3 18446744073709551615\r\n");
    ask(&mut driver, "DELE 1");
    assert!(ask(&mut driver, "STAT").starts_with("+OK 2 "));
    assert_eq!(ask(&mut driver, "LIST 2"), "+OK 2 18446744073709551615\r\n");
    let mut driver = logged_in(100_000, u64::from(u32::MAX));
    assert_eq!(ask(&mut driver, "STAT"), "+OK 100000 429496729500000\r\n");
}

/// WildDuck shows the newest 250 messages, Mailpit 100.
#[test]
fn a_listing_is_whole() {
    let mut driver = logged_in(10_000, 20);
    for command in ["LIST", "UIDL"] {
        let listing = ask(&mut driver, command);
        assert_eq!(listing.lines().count(), 10_002, "{command}");
    }
}

/// hMailServer says `+ERR` and Stalwart `* BYE`; Stalwart left QUIT without an answer.
#[test]
fn every_command_has_one_answer_that_begins_with_one_of_two_words() {
    for command in [
        "", "x", "APOP", "AUTH x", "CAPA", "DELE 1", "DELE 9", "LANG de", "LANG x", "LIST", "NOOP",
        "PASS", "QUIT", "RETR 1", "RETR", "RSET", "STAT", "STLS", "TOP 1 1", "UIDL", "USER",
        "UTF8", "XCLIENT", "\0", "QUIT 1",
    ] {
        for mut driver in [
            connected(account(1, 20), Stls::NotOffered),
            logged_in(1, 20),
        ] {
            let said = ask(&mut driver, command);
            let status = said.lines().next().unwrap_or_default();
            let word = status.split(' ').next();
            assert!(matches!(word, Some("+OK" | "-ERR")), "{command}: {said}");
            let more = said.lines().count() > 1;
            assert_eq!(more, said.ends_with("\r\n.\r\n"), "{command}: {said}");
        }
    }
}
