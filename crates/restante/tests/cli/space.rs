//! `restante maildrop undelete`, `compact`, and what `list` says about space.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::accounts::with_bob;
use crate::run::{CONFIGURATION, Site, SmallDisk};
use crate::serving::{Client, Server, servable};

/// A site whose owner has deleted the first two of three messages.
fn with_deleted() -> Site {
    let site = with_bob();
    for subject in ["one", "two", "three"] {
        let text = format!("Subject: {subject}\n\n{}\n", "x".repeat(9000));
        site.run(&["deliver", "bob"], text.as_bytes()).with(0);
    }
    servable(&site);
    let server = Server::start(&site);
    let mut client = TcpStream::connect(&server.pop3).unwrap();
    client
        .write_all(b"USER bob\r\nPASS redqueen\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n")
        .unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("+OK").count(), 6, "{said}");
    server.stop();
    site
}

fn ids(site: &Site, words: &[&str]) -> Vec<String> {
    let listed = site.run(words, b"").with(0).stdout;
    let objects = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    objects
        .map(|object| object["unique_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_was_deleted_comes_back_one_by_one_or_all() {
    let site = with_deleted();
    let deleted = ids(&site, &["maildrop", "undelete", "bob", "--json"]);
    assert_eq!(deleted.len(), 2);
    let listed = site.run(&["maildrop", "undelete", "bob"], b"").with(0);
    let words: Vec<&str> = listed
        .stdout
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!((words[0], words[1]), (deleted[0].as_str(), "9018"));
    assert!(words[2].ends_with('Z'), "{}", words[2]);

    let ended = site
        .run(
            &["maildrop", "undelete", "bob", &deleted[1], "nothing"],
            b"",
        )
        .with(65);
    assert_eq!(ended.stdout, "1 message is back in the maildrop of bob.\n");
    assert_eq!(
        ended.stderr,
        "restante: the maildrop of bob has no deleted or hidden \"nothing\"
  see what there is: restante maildrop undelete bob
"
    );
    let ended = site
        .run(&["maildrop", "undelete", "bob", "a", "b"], b"")
        .with(65);
    assert_eq!(ended.stdout, "");
    assert_eq!(
        ended.stderr,
        "restante: the maildrop of bob has no deleted or hidden \"a\", \"b\"
  see what there is: restante maildrop undelete bob
"
    );
    let ended = site
        .run(&["maildrop", "undelete", "bob", "--all"], b"")
        .with(0);
    assert_eq!(ended.stdout, "1 message is back in the maildrop of bob.\n");
    let now = ids(&site, &["maildrop", "list", "bob", "--json"]);
    assert_eq!(
        now[..2],
        deleted[..],
        "with their unique-ids, where they were"
    );
    let shown = site.run(&["maildrop", "show", "bob", "2"], b"").with(0);
    assert!(shown.stdout.starts_with("Subject: two\r\n"));
    let ended = site.run(&["maildrop", "undelete", "bob"], b"").with(0);
    assert_eq!(ended.stderr, "Nothing of bob can be brought back.\n");
    site.run(&["maildrop", "undelete", "bob", "x", "--all"], b"")
        .with(64);
}

#[test]
fn space_is_listed_and_given_back() {
    let site = with_deleted();
    let list = || {
        let listed = site
            .run(&["maildrop", "list", "--json"], b"")
            .with(0)
            .stdout;
        serde_json::from_str::<serde_json::Value>(&listed).unwrap()
    };
    let before = list();
    assert_eq!(
        (&before["messages"], &before["octets"]),
        (&1.into(), &9020.into())
    );
    let reclaimable = before["reclaimable_octets"].as_u64().unwrap();
    assert!(reclaimable > 16_000, "{before}");
    let text = site.run(&["maildrop", "list"], b"").with(0).stdout;
    assert!(text.contains(" reclaimable\n"), "{text}");
    let ended = site.run(&["maildrop", "compact", "bob"], b"").with(0);
    assert!(
        ended.stdout.ends_with(" KiB of the disk given back.\n"),
        "{}",
        ended.stdout
    );
    let after = list();
    assert_eq!(after["messages"], 1);
    assert!(after["disk_octets"].as_u64() < before["disk_octets"].as_u64());
    // Nothing of it can come back now.
    let ended = site
        .run(&["maildrop", "undelete", "bob", "--all"], b"")
        .with(0);
    assert_eq!(
        ended.stdout,
        "0 messages are back in the maildrop of bob.\n"
    );

    let path = site.maildrop("bob");
    let mut octets = fs::read(&path).unwrap();
    octets[0] ^= 1;
    fs::write(&path, octets).unwrap();
    for more in [&[][..], &["--all"], &["x"]] {
        let ended = site
            .run(&[&["maildrop", "undelete", "bob"], more].concat(), b"")
            .with(65);
        assert!(
            ended
                .stderr
                .starts_with("restante: the maildrop of bob is damaged: ")
                && ended
                    .stderr
                    .ends_with("\n  restante maildrop verify bob tells more\n"),
            "{}",
            ended.stderr
        );
    }
    let ended = site.run(&["maildrop", "compact"], b"").with(65);
    assert!(
        ended.stderr.ends_with(
            "restante: 1 maildrop is as before; see above\n  restante maildrop verify tells more\n"
        ),
        "{}",
        ended.stderr
    );
}

#[test]
fn compaction_waits_a_moment_for_who_has_the_maildrop() {
    let site = with_deleted();
    let server = Server::start(&site);
    let mut held = Client::connect(&server.pop3);
    held.ask("USER bob");
    assert!(held.ask("PASS redqueen").starts_with("+OK "));
    let begun = Instant::now();
    let ended = site.run(&["maildrop", "compact"], b"").with(75);
    assert!(begun.elapsed() >= Duration::from_secs(5));
    assert_eq!(
        ended.stderr,
        "bob: in use by a session, or by the server's housekeeping after one
restante: 1 maildrop is as before; see above
  try again when nobody is logged in
"
    );
    assert_eq!(ended.stdout, "0 octets of the disk given back.\n");
    let ended = thread::scope(|scope| {
        let compact = scope.spawn(|| site.run(&["maildrop", "compact"], b""));
        thread::sleep(Duration::from_secs(1));
        drop(held);
        compact.join().unwrap()
    });
    let ended = ended.with(0);
    assert_ne!(ended.stdout, "0 octets of the disk given back.\n");
    server.stop();
}

#[test]
fn what_the_reserve_was_given_up_for_is_told() {
    let Some(disk) = SmallDisk::mounted("8m") else {
        return;
    };
    let data = disk.path().join("data");
    let text = CONFIGURATION.replace("DIR/data", data.to_str().unwrap());
    let site = Site::with(&text.replace("[maildrop]\n", "[maildrop]\nreserve = \"2 MiB\"\n"));
    site.run(&["user", "add", "bob", "--stdin"], b"redqueen\n")
        .with(0);
    site.run(&["deliver", "bob"], b"Subject: 1\n\n").with(0);
    servable(&site);
    let mut server = Server::start(&site);
    server.until("reserve for a full disk is set aside");
    server.stop();
    let mut filler = fs::File::create(disk.path().join("filler")).unwrap();
    while filler.write_all(&[0; 4096]).is_ok() {}
    let ended = site.run(&["maildrop", "list"], b"").with(0);
    assert!(
        ended.stderr.contains(
            "disk is full; a piece of the reserve was given up purpose=\"opening the accounts\" \
             octets_left=1048576"
        ),
        "{}",
        ended.stderr
    );
    drop(filler);
}
