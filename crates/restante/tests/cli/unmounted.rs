//! A data directory without accounts: it may be new, or where a file system should be mounted.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use crate::accounts::with_bob;
use crate::run::Site;
use crate::serving::{Client, Server, servable};

const NONE: &str = "restante: there are no accounts in DIR/data
  is its file system mounted? (a new installation begins with `restante user add`)
";

/// A site as after a boot at which the data directory was not mounted: the place is there, and empty.
fn unmounted() -> Site {
    let site = with_bob();
    site.run(&["deliver", "bob"], b"Subject: 1\n\n").with(0);
    fs::rename(site.path().join("data"), site.path().join("disk")).unwrap();
    fs::create_dir(site.path().join("data")).unwrap();
    site
}

fn mount(site: &Site) {
    fs::remove_dir_all(site.path().join("data")).unwrap();
    fs::rename(site.path().join("disk"), site.path().join("data")).unwrap();
}

#[test]
fn no_tool_takes_an_empty_place_for_a_store_without_mail() {
    let site = unmounted();
    let commands: [(&[&str], i32); 9] = [
        (&["deliver", "bob"], 75),
        (&["maildrop", "list"], 74),
        (&["maildrop", "verify"], 74),
        (&["maildrop", "backup", "safe"], 74),
        (&["maildrop", "compact"], 74),
        (&["maildrop", "undelete", "bob"], 74),
        (&["user", "list"], 74),
        (&["user", "show", "bob"], 74),
        (&["user", "passwd", "bob", "--stdin"], 74),
    ];
    let data = site.path().join("data");
    for (arguments, code) in commands {
        let ended = site.run(arguments, b"x\n").with(code);
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", NONE));
        assert_eq!(
            fs::read_dir(&data).unwrap().count(),
            0,
            "looking makes nothing"
        );
    }
    let ended = site.run(&["check"], b"").with(0);
    assert!(
        ended.stderr.contains(
            "warning: there are no accounts in DIR/data yet
  make one: restante user add NAME; or is its file system not mounted?
"
        ),
        "{}",
        ended.stderr
    );
    fs::remove_dir_all(&data).unwrap();
    for (arguments, code) in commands {
        let ended = site.run(arguments, b"x\n").with(code);
        assert_eq!(ended.stderr, NONE);
        assert!(!data.exists());
    }
    fs::create_dir(&data).unwrap();
    mount(&site);
    site.run(&["deliver", "bob"], b"Subject: 2\n\n").with(0);
    let list = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert!(list.starts_with("bob  2 messages "), "{list}");
}

/// What LMTP says to a recipient.
fn rcpt(site: &Site, recipient: &str) -> String {
    let mut socket = UnixStream::connect(site.path().join("lmtp")).unwrap();
    write!(
        socket,
        "LHLO a.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<{recipient}>\r\nQUIT\r\n"
    )
    .unwrap();
    let lines = BufReader::new(socket).lines().map(Result::unwrap);
    let replies: Vec<String> = lines.filter(|line| line.as_bytes()[3] == b' ').collect();
    // The greeting, LHLO, MAIL, RCPT, QUIT.
    assert_eq!(replies.len(), 5, "{replies:?}");
    replies[3].clone()
}

fn login(server: &Server, user: &str, password: &str) -> String {
    let mut client = Client::connect(&server.pop3);
    client.ask(&format!("USER {user}"));
    client.ask(&format!("PASS {password}"))
}

#[test]
fn a_server_without_accounts_refuses_nobody_for_good() {
    let site = unmounted();
    servable(&site);
    let server = Server::start(&site);
    for recipient in ["bob", "bob@dobbs.org", "bob@example.org"] {
        assert_eq!(
            rcpt(&site, recipient),
            "451 4.3.0 accounts are unavailable, try again later"
        );
    }
    let refused = login(&server, "bob", "redqueen");
    assert!(refused.starts_with("-ERR [SYS/TEMP] "), "{refused}");
    // It has made a database by now, and that is none with accounts in it.
    assert_eq!(site.run(&["deliver", "bob"], b"x").with(75).stderr, NONE);
    assert_eq!(site.run(&["maildrop", "verify"], b"").with(74).stderr, NONE);
    site.run(&["check"], b"").with(0);

    // The first account of a new installation counts at once.
    site.run(&["user", "add", "alice", "--stdin"], b"tea\n")
        .with(0);
    assert!(rcpt(&site, "alice").starts_with("250 "));
    assert!(rcpt(&site, "bob").starts_with("550 5.1.1 "));
    assert!(login(&server, "alice", "tea").starts_with("+OK "));
    assert!(login(&server, "bob", "redqueen").starts_with("-ERR [AUTH] "));
    site.run(&["user", "remove", "alice", "--delete-mail", "--yes"], b"")
        .with(0);
    assert!(rcpt(&site, "alice").starts_with("550 5.1.1 "));
    let log = server.stop();
    assert_eq!(
        log.matches("there are no accounts: mail waits at its sender")
            .count(),
        1,
        "{log}"
    );

    mount(&site);
    let server = Server::start(&site);
    assert!(login(&server, "bob", "redqueen").starts_with("+OK bob's maildrop has 1 message "));
    assert!(!server.stop().contains("there are no accounts"));
}
