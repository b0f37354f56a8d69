//! Servers that do not know a command.

use super::Home;
use super::server::{Answer, Foreign};

const TWO: [(&str, &str); 2] = [
    ("a", "Subject: one\r\n\r\none\r\n"),
    ("b", "Subject: two\r\n\r\ntwo\r\n"),
];

fn without_top(command: &str) -> Answer {
    match command.split(' ').next() {
        Some("TOP") => Answer::Say("-ERR what?\r\n".to_owned()),
        _ => Answer::Usual,
    }
}

#[test]
fn without_headers_since_is_refused_and_says_what_to_do() {
    let server = Foreign::start(&TWO, without_top);
    let home = Home::new(&[("work", &server)]);
    let refused = home.fetch(&["work", "--since", "30d"]).with(76);
    assert_eq!(
        refused.stderr,
        "restante: work: the server does not show headers (TOP), so nothing tells how old its messages are\n  \
         run this without --since; --limit N fetches only so many at a time\n"
    );
    assert_eq!(home.count("work"), 0);
    home.fetch(&["work"]).with(0);
    assert_eq!((home.count("work"), server.ids().len()), (2, 2));
}

#[test]
fn a_message_is_got_under_a_new_unique_id_if_that_is_said() {
    let five = |ids: [&'static str; 5]| ids.map(|id| (id, TWO[0].1));
    let server = Foreign::start(&five(["a", "b", "c", "d", "e"]), without_top);
    let home = Home::new(&[("work", &server)]);
    home.fetch(&["mark-seen", "work", "--all"]).with(0);
    server.replace(&five(["v", "w", "x", "y", "z"]));
    let refused = home.fetch(&["get", "work", "2"]).with(78);
    assert!(
        refused.stderr.contains("it has given them new unique-ids"),
        "{}",
        refused.stderr
    );
    home.fetch(&["get", "work", "2", "--accept-new-ids"])
        .with(0);
    assert_eq!(home.count("work"), 1);
    // All the others are new from then on.
    home.fetch(&["work"]).with(0);
    assert_eq!(home.count("work"), 5);
}

/// Neither unique-ids nor headers.
fn with_numbers_only(command: &str) -> Answer {
    match command {
        "UIDL" => Answer::Say("-ERR what?\r\n".to_owned()),
        _ => without_top(command),
    }
}

#[test]
fn by_its_number_alone_a_message_is_looked_at_and_deleted_within_one_session() {
    let server = Foreign::start(&TWO, with_numbers_only);
    let home = Home::new(&[("work", &server)]);
    let listed = home.fetch(&["list", "work", "--headers"]).with(0);
    assert_eq!(
        (listed.stdout.as_str(), listed.stderr.as_str()),
        (
            "     1            21  new                 -\n     2            21  new                 -\n",
            "2 messages have neither a unique-id (UIDL) nor a header that is shown (TOP): the numbers are those of this session only\n"
        )
    );
    let json = home.fetch(&["list", "work", "--json"]).with(0).stdout;
    assert!(
        json.starts_with("{\"number\":1,\"uidl\":null,") || json.contains("\"uidl\":null"),
        "{json}"
    );
    let shown = home.fetch(&["show", "work", "2"]).with(0);
    assert_eq!(shown.stdout, "Subject: two\n\ntwo\n");
    home.fetch(&["show", "work", "3"]).with(65);
    // Nobody could know what was fetched of it.
    for arguments in [
        &["work"][..],
        &["get", "work", "1"],
        &["mark-seen", "work", "--all"],
    ] {
        let refused = home.fetch(arguments).with(76);
        assert_eq!(
            refused.stderr,
            "restante: work: the server knows neither unique-ids (UIDL) nor headers alone (TOP): nobody could know its messages \
             again\n  restante fetch list work and show work N look at what is there; delete work N, at a terminal, deletes \
             what you have\n"
        );
    }
    assert_eq!((home.count("work"), server.ids().len()), (0, 2));
    let refused = home.fetch(&["delete", "work", "1", "--yes"]).with(65);
    assert!(
        refused
            .stderr
            .contains("so a number may be another message's by now\n  run it at a terminal"),
        "{}",
        refused.stderr
    );
    let question =
        "Delete 1 message from the server, 1 of which you do not have? Type yes to go on:";
    let kept = home
        .at_terminal("delete work 1", &[(question, "no")])
        .with(64);
    assert!(kept.stdout.contains("        one\n"), "{}", kept.stdout);
    assert_eq!(server.ids(), ["a", "b"]);
    home.at_terminal("delete work 1", &[(question, "yes")])
        .with(0);
    assert_eq!(server.ids(), ["b"]);
}

#[test]
fn a_listing_knows_a_unique_id_that_is_another_messages_now_as_fetching_does() {
    fn usual(_: &str) -> Answer {
        Answer::Usual
    }
    let server = Foreign::start(&TWO, usual);
    let home = Home::new(&[("work", &server)]);
    home.fetch(&["work"]).with(0);
    server.replace(&[("a", "Subject: another\r\n\r\nanother\r\n"), TWO[1]]);
    let listed = home.fetch(&["list", "work"]).with(0).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].contains("  new                 c:"), "{listed}");
    assert!(
        lines[1].contains("  fetched ") && lines[1].ends_with("  u:b"),
        "{listed}"
    );
    // What the listing calls it, everything else calls it, too.
    let key = lines[0].split_whitespace().last().unwrap();
    home.fetch(&["get", "work", key]).with(0);
    assert_eq!(home.count("work"), 3);
    let listed = home.fetch(&["list", "work"]).with(0).stdout;
    assert!(!listed.contains("new") && listed.contains(key), "{listed}");
    home.fetch(&["delete", "work", key, "--yes"]).with(0);
    assert_eq!(server.ids(), ["b"]);
}
