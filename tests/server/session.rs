//! Sessions: the famous one on every channel, logins, locks, losses.

use std::time::{Duration, Instant};

use pop3::{Tolerance, Tolerances};
use server::{PlaintextLogin, Protocol};

use crate::harness::{Client, PASSWORD, Server, Setup, wait_until};

const FIRST: &str = "Subject: one\r\n\r\nfirst\r\n.with a dot\r\n";
const SECOND: &str = "Subject: two\r\n\r\nsecond\r\n";

/// The session that every reader of RFC 1939 knows, after the greeting.
fn famous_session(server: &Server, mut client: Client) {
    client.ask("USER bob", "+OK bob");
    let opened = client.ask(
        &format!("PASS {PASSWORD}"),
        "+OK bob's maildrop has 2 messages (",
    );
    let stat = client.ask("STAT", "+OK 2 ");
    let total: u64 = stat[6..].parse().unwrap();
    assert_eq!(
        opened,
        format!("+OK bob's maildrop has 2 messages ({total} octets)")
    );
    client.ask("LIST", &format!("+OK 2 messages ({total} octets)"));
    let listing = String::from_utf8(client.text()).unwrap();
    let sizes: Vec<u64> = listing
        .lines()
        .map(|line| line.split_once(' ').unwrap().1.parse().unwrap())
        .collect();
    assert_eq!(sizes.iter().sum::<u64>(), total);
    for (number, text) in [(1, FIRST), (2, SECOND)] {
        let size = sizes[number - 1];
        client.ask(&format!("RETR {number}"), &format!("+OK {size} octets"));
        let retrieved = client.text();
        assert_eq!(retrieved.len() as u64, size);
        assert!(retrieved.ends_with(text.as_bytes()));
        let deleted = format!("+OK message {number} deleted");
        assert_eq!(client.ask(&format!("DELE {number}"), "+OK"), deleted);
    }
    let farewell = client.ask("QUIT", "+OK");
    assert_eq!(
        farewell,
        "+OK dewey POP3 server signing off (maildrop empty)"
    );
    assert_eq!(client.rest(), b"");
    assert_eq!(server.messages("bob"), 0);
}

fn with_two_messages() -> Server {
    let server = Server::start();
    server.deliver("bob@dobbs.org", FIRST);
    server.deliver("bob@dobbs.org", SECOND);
    server
}

#[test]
fn the_famous_session_in_clear() {
    let server = with_two_messages();
    famous_session(&server, server.plain());
}

#[test]
fn the_famous_session_after_stls() {
    let server = with_two_messages();
    let mut client = server.plain();
    client.ask("STLS", "+OK");
    famous_session(&server, client.start_tls(&server));
}

#[test]
fn the_famous_session_inside_tls() {
    let server = with_two_messages();
    famous_session(&server, server.tls());
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_and_take_the_same() {
    let server = Server::start();
    let mut replies = Vec::new();
    for user in ["bob", "nobody"] {
        let mut client = server.plain();
        client.ask(&format!("USER {user}"), "+OK");
        let start = Instant::now();
        replies.push(client.ask("PASS wrong", "-ERR [AUTH]"));
        assert!(start.elapsed() >= Duration::from_millis(290), "{user}");
    }
    assert_eq!(replies[0], replies[1]);
}

#[test]
fn passwords_stay_at_home_where_they_may_not_travel() {
    let setup = Setup::new().with(|config| {
        config.listeners[0].plaintext_login = PlaintextLogin::Never;
    });
    let server = setup.start();
    let mut client = server.plain();
    client.ask("USER bob", "-ERR");
    client.ask("CAPA", "+OK");
    let capabilities = String::from_utf8(client.text()).unwrap();
    assert!(capabilities.contains("STLS\r\n"), "{capabilities}");
    assert!(!capabilities.contains("USER"), "{capabilities}");
    client.ask("STLS", "+OK");
    client.start_tls(&server).log_in("bob");
}

#[test]
fn odd_clients_are_borne_with_as_configured() {
    let setup = Setup::new().with(|config| {
        config.tolerances = Tolerances::NONE.with(Tolerance::Last);
    });
    let server = setup.start();
    let mut client = server.plain();
    client.send(b"CAPA\n");
    client.expect("-ERR a line must end with CRLF");
    client.ask("AUTH", "-ERR");
    let mut client = client.logged_in("bob");
    client.ask("LAST", "+OK 0");
    client.ask("UTF8", "-ERR");
    let mut config = server.config.clone();
    config.tolerances = Tolerances::default().with(Tolerance::Utf8AfterLogin);
    server.reload(config);
    // Sessions that are open go on as they began.
    client.ask("LAST", "+OK 0");
    wait_until("the new configuration counts", || {
        let mut client = server.plain();
        client.say("AUTH");
        client.line().starts_with("+OK")
    });
    let mut client = server.plain().logged_in("alice");
    client.send(b"UTF8\n");
    client.expect("+OK");
    client.ask("LAST", "-ERR unknown command");
}

#[test]
fn a_second_session_waits_a_moment_and_is_told_in_use() {
    let server = with_two_messages();
    let holder = server.plain().logged_in("bob");
    let mut second = server.plain();
    second.ask("USER bob", "+OK");
    let start = Instant::now();
    second.ask(&format!("PASS {PASSWORD}"), "-ERR [IN-USE]");
    assert!(start.elapsed() >= Duration::from_millis(100));
    drop(holder);
    // The lock does not outlive its holder.
    wait_until("the maildrop is free", || {
        let mut again = server.plain();
        again.ask("USER bob", "+OK");
        again.say(&format!("PASS {PASSWORD}"));
        again.line().starts_with("+OK")
    });
}

#[test]
fn a_second_session_gets_the_maildrop_that_is_free_in_time() {
    let setup = Setup::new().with(|config| config.lock_wait = Duration::from_secs(5));
    let server = setup.start();
    server.deliver("bob", FIRST);
    let mut holder = server.plain().logged_in("bob");
    let mut second = server.plain();
    second.ask("USER bob", "+OK");
    second.say(&format!("PASS {PASSWORD}"));
    std::thread::sleep(Duration::from_millis(150));
    holder.ask("DELE 1", "+OK");
    holder.ask("QUIT", "+OK");
    second.expect("+OK bob's maildrop has 0 messages");
}

#[test]
fn a_lost_connection_deletes_nothing() {
    let server = with_two_messages();
    let mut client = server.plain().logged_in("bob");
    client.ask("DELE 1", "+OK");
    drop(client);
    // Half a command is none.
    let mut client = loop {
        let mut client = server.plain();
        client.ask("USER bob", "+OK");
        client.say(&format!("PASS {PASSWORD}"));
        if client.line().starts_with("+OK") {
            break client;
        }
    };
    client.ask("STAT", "+OK 2 ");
    client.ask("DELE 2", "+OK");
    client.send(b"QUIT");
    drop(client);
    wait_until("the session is over", || {
        server.maildrops.open(server.maildrop("bob")).is_ok()
    });
    assert_eq!(server.messages("bob"), 2);
}

#[test]
fn a_client_that_leaves_after_quit_has_deleted() {
    let server = with_two_messages();
    let mut client = server.plain().logged_in("bob");
    client.send(b"DELE 1\r\nQUIT\r\n");
    drop(client);
    wait_until("the deletion is done", || server.messages("bob") == 1);
}

#[test]
fn a_thousand_pipelined_commands_come_back_in_order() {
    let server = with_two_messages();
    let mut client = server.plain();
    let mut commands = format!("USER bob\r\nPASS {PASSWORD}\r\n");
    for _ in 0..250 {
        commands.push_str("NOOP\r\nUIDL 1\r\nRETR 2\r\nLIST 9\r\n");
    }
    commands.push_str("DELE 1\r\nQUIT\r\n");
    client.send(commands.as_bytes());
    client.expect("+OK bob");
    client.expect("+OK bob's maildrop has 2");
    for _ in 0..250 {
        assert_eq!(client.line(), "+OK");
        client.expect("+OK 1 ");
        client.expect("+OK ");
        assert!(client.text().ends_with(SECOND.as_bytes()));
        client.expect("-ERR");
    }
    client.expect("+OK message 1 deleted");
    client.expect("+OK dewey POP3 server signing off (1 message left)");
    assert_eq!(client.rest(), b"");
}

#[test]
fn octet_by_octet_is_the_same_as_all_at_once() {
    let server = with_two_messages();
    let commands = format!("USER bob\r\nPASS {PASSWORD}\r\nLIST\r\nTOP 1 0\r\nRSET\r\nQUIT\r\n");
    let mut whole = server.plain();
    whole.send(commands.as_bytes());
    let expected = whole.rest();
    let mut slow = server.plain();
    for octet in commands.as_bytes() {
        slow.send(&[*octet]);
    }
    assert_eq!(slow.rest(), expected);
}

#[test]
fn a_line_without_end_and_a_web_browser_are_shown_the_door() {
    let server = Server::start();
    let mut client = server.plain();
    client.send(&[b'x'; 100_000]);
    client.send(b"\r\n");
    client.expect("-ERR");
    client.ask("QUIT", "+OK");
    let mut browser = server.plain();
    browser.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let said = String::from_utf8(browser.rest()).unwrap();
    assert!(said.starts_with("-ERR"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_big_message_reaches_a_slow_reader_whole() {
    let server = Setup::new().native().start();
    let mut text = b"Subject: big\r\n\r\n".to_vec();
    for line in 0..120_000_u32 {
        text.extend_from_slice(format!("{line:08} .{}\r\n", "x".repeat(60)).as_bytes());
    }
    let mut lmtp = server.lmtp();
    lmtp.deliver("", &["bob"], &text);
    lmtp.reply("250");
    for mut client in [server.plain(), server.tls()] {
        wait_until("the maildrop is free", || {
            server.maildrops.open(server.maildrop("bob")).is_ok()
        });
        client.log_in("bob");
        client.ask("RETR 1", "+OK");
        std::thread::sleep(Duration::from_millis(300));
        let retrieved = client.text();
        assert!(retrieved.ends_with(&text));
        client.ask("QUIT", "+OK");
    }
}

#[test]
fn damage_is_told_and_never_sent() {
    let server = Setup::new().native().start();
    server.deliver("bob", FIRST);
    let big = format!("Subject: b\r\n\r\n{}", "0123456789\r\n".repeat(40_000));
    server.deliver("bob", &big);
    server.deliver("bob", SECOND);
    let path = server.maildrops.path(server.maildrop("bob")).unwrap();
    let mut file = std::fs::read(&path).unwrap();
    // One bit in the first message, and one near the end of the big one.
    let first = find(&file, b"first\r\n");
    file[first] ^= 1;
    let last = find(&file, b"Subject: two") - 2_000;
    file[last] ^= 1;
    std::fs::write(&path, &file).unwrap();

    let mut client = server.plain().logged_in("bob");
    client.ask("RETR 1", "-ERR [SYS/PERM]");
    client.ask("RETR 3", "+OK");
    assert!(client.text().ends_with(SECOND.as_bytes()));
    client.ask("DELE 3", "+OK");
    client.ask("RETR 2", "+OK");
    let cut = client.rest();
    assert!(cut.len() < big.len());
    assert!(!cut.ends_with(b"\r\n.\r\n"), "a damaged message has no end");
    assert!(!cut.windows(5).any(|line| line == b"-ERR "));
    assert_eq!(server.messages("bob"), 3, "a cut session deletes nothing");
}

#[test]
fn a_damaged_message_is_refused_however_many_replies_wait_before_it() {
    let server = Setup::new().native().start();
    server.deliver("bob", FIRST);
    server.deliver("bob", SECOND);
    let path = server.maildrops.path(server.maildrop("bob")).unwrap();
    let mut file = std::fs::read(&path).unwrap();
    let first = find(&file, b"first\r\n");
    file[first] ^= 1;
    std::fs::write(&path, &file).unwrap();

    let mut client = server.plain().logged_in("bob");
    let reply = client.ask("STAT", "+OK").len() + 2;
    // As many replies as may wait, so that the status line of the message is beyond that.
    let asked = (32 << 10) / reply;
    for command in ["RETR 1", "TOP 1 0"] {
        let batch = format!("{}{command}\r\n", "STAT\r\n".repeat(asked));
        client.send(batch.as_bytes());
        for _ in 0..asked {
            client.expect("+OK");
        }
        client.expect("-ERR [SYS/PERM]");
    }
    client.ask("RETR 2", "+OK");
    assert!(client.text().ends_with(SECOND.as_bytes()));
    client.ask("QUIT", "+OK");
}

fn find(text: &[u8], what: &[u8]) -> usize {
    text.windows(what.len())
        .position(|window| window == what)
        .unwrap()
}

#[test]
fn a_full_address_and_its_case_name_the_same_account() {
    let server = with_two_messages();
    let mut client = server.plain();
    client.ask("USER BOB", "+OK BOB");
    client.ask(&format!("PASS {PASSWORD}"), "+OK");
    assert_eq!(server.address(Protocol::Pop3).ip().to_string(), "127.0.0.1");
}
