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
