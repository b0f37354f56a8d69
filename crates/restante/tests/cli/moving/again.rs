//! Imports that are run again: nothing comes twice, and nothing comes back.

use super::old::Old;
use super::{MESSAGES, ids, import};
use crate::accounts::with_bob;
use crate::serving::{Client, Server, servable};

#[test]
fn what_its_owner_has_deleted_does_not_come_back() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    servable(&site);
    let address = old.address("mrose");
    import(&site, &address, &[]).with(0);
    let server = Server::start(&site);
    let mut client = Client::connect(&server.pop3);
    for command in ["USER bob", "PASS redqueen", "DELE 2", "QUIT"] {
        assert!(client.ask(command).starts_with("+OK"));
    }
    server.stop();
    old.heard();
    for _ in 0..2 {
        let ended = import(&site, &address, &[]).with(0);
        assert_eq!(
            ended.stdout,
            "0 messages imported into the maildrop of bob, 2 there already.\n\
             0 unique-ids are from 127.0.0.1, 0 new.\n"
        );
        assert!(
            ended
                .stderr
                .ends_with("\n1 message was here once and deleted since: left out\n"),
            "{}",
            ended.stderr
        );
        assert_eq!(ids(&site), ["z", "m!~"]);
    }
    assert!(!old.heard().iter().any(|line| line.starts_with("RETR")));
    // Who wants it all the same says so.
    import(&site, &address, &["--unique-ids", "new"]).with(0);
    assert_eq!(ids(&site).len(), 3);
    let ended = import(&site, &address, &["--unique-ids", "new"]).with(0);
    assert!(
        ended.stdout.starts_with("0 messages imported"),
        "{}",
        ended.stdout
    );
}

#[test]
fn what_came_in_under_other_unique_ids_is_known_by_its_octets() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    let address = old.address("mrose");
    import(&site, &address, &["--unique-ids", "new"]).with(0);
    site.run(&["deliver", "bob"], b"Subject: new\n\n").with(0);
    let first = ids(&site);
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
    let told = "3 messages are there already under another unique-id than the server names: ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let second = ids(&site);
    assert_eq!(&second[..4], first);
    assert_eq!(second[4..], ["later"]);
    import(&site, &address, &[]).with(0);
    assert_eq!(ids(&site), second);
}
