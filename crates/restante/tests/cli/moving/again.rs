//! Imports that are run again, or beside each other: nothing comes twice, and nothing comes back.

use std::net::TcpListener;
use std::process::Stdio;

use super::old::Old;
use super::{MESSAGES, ids, import, private};
use crate::accounts::with_bob;
use crate::run::program;
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

#[test]
fn two_imports_into_one_maildrop_do_not_go_on_at_once() {
    let (site, old) = (with_bob(), Old::with(&MESSAGES));
    let password = private(&site, "password", "redqueen\n");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("pop3://mrose@{}", silent.local_addr().unwrap());
    let mut first = program()
        .args(["maildrop", "import", "bob", &address, "--insecure", "-c"])
        .arg(site.config())
        .args(["--password-file", &password])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (waits, _) = silent.accept().unwrap();
    let ended = import(&site, &old.address("mrose"), &[]).with(75);
    assert!(
        ended
            .stderr
            .contains("restante: another import into the maildrop of bob goes on\n"),
        "{}",
        ended.stderr
    );
    assert!(old.heard().is_empty());
    // Another maildrop is another matter.
    site.run(&["user", "add", "eve", "--stdin"], b"whiteknight\n")
        .with(0);
    let words = [
        "maildrop",
        "import",
        "eve",
        &old.address("mrose"),
        "--insecure",
    ];
    let words = [&words[..], &["--password-file", &password]].concat();
    site.run(&words, b"").with(0);
    drop(waits);
    assert_eq!(first.wait().unwrap().code(), Some(75));
    import(&site, &old.address("mrose"), &[]).with(0);
    assert_eq!(ids(&site), ["z", "a", "m!~"]);
}
