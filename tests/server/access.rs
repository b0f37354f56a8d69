//! What sessions see and may do, over sockets: `recent:` names, the newest messages, and what becomes
//! of what is deleted.

use std::time::{Duration, Instant};

use auth::{Change, Disposition, Expire, Quota};
use sasl::client::{ChannelBinding, Exchange};
use sasl::scram::Hash;
use sasl::{Secret, base64};
use server::Access;

use crate::harness::{Client, PASSWORD, Server, Setup};
use crate::keeping::{DAY, age, at_most};

/// A server on the native store.
fn start(change: impl FnOnce(&mut Access)) -> Server {
    let setup = Setup::new().native();
    setup.with(|config| change(&mut config.access)).start()
}

/// So many messages for bob, each of another size.
fn deliver(server: &Server, messages: usize) {
    for number in 1..=messages {
        let text = format!("Subject: {number}\r\n\r\n{}\r\n", "x".repeat(number));
        server.deliver("bob", &text);
    }
}

fn set(server: &Server, change: Change) {
    server.auth.accounts().set("bob", &change).unwrap();
}

fn disposition(disposition: Disposition) -> Change {
    Change {
        disposition: Some(Some(disposition)),
        ..Change::default()
    }
}

/// The numbers in the subjects of what a session is shown, in its order; and it all fits together.
fn seen(client: &mut Client) -> Vec<String> {
    client.ask("UIDL", "+OK");
    let ids = String::from_utf8(client.text()).unwrap();
    client.ask("LIST", "+OK");
    let sizes = String::from_utf8(client.text()).unwrap();
    assert_eq!(ids.lines().count(), sizes.lines().count());
    let octets = |line: &str| -> u64 { line.split(' ').nth(1).unwrap().parse().unwrap() };
    let total: u64 = sizes.lines().map(octets).sum();
    let stat = format!("+OK {} {total}", sizes.lines().count());
    client.ask("STAT", &stat);
    let mut subjects = Vec::new();
    for (line, number) in sizes.lines().zip(1..) {
        assert!(line.starts_with(&format!("{number} ")));
        client.ask(&format!("RETR {number}"), "+OK");
        let text = client.text();
        assert_eq!(text.len() as u64, octets(line));
        let text = String::from_utf8(text).unwrap();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
        subjects.push(subject.unwrap().to_owned());
    }
    subjects
}

/// The same of a session of its own.
fn listed(server: &Server, name: &str) -> Vec<String> {
    let mut client = server.plain().logged_in(name);
    let seen = seen(&mut client);
    quit(client);
    seen
}

/// How many messages the maildrop holds, hidden ones too.
fn held(server: &Server) -> u64 {
    let summary = server.maildrops.summary(server.maildrop("bob"));
    summary.unwrap().messages
}

fn quit(mut client: Client) -> String {
    let said = client.ask("QUIT", "+OK");
    assert!(client.closed());
    said
}

#[test]
fn recent_mail_is_shown_to_who_asks_for_it() {
    let server = start(|access| access.recent = Some(30 * DAY));
    deliver(&server, 4);
    age(&server, "bob", &[400, 31, 29, 0]);
    assert_eq!(listed(&server, "bob"), ["1", "2", "3", "4"]);
    for name in ["recent:bob", "RECENT:Bob"] {
        let mut client = server.plain();
        client.ask(&format!("USER {name}"), "+OK");
        let said = client.ask(&format!("PASS {PASSWORD}"), "+OK");
        // Its octets depend on what LMTP adds.
        assert!(
            said.starts_with("+OK maildrop shows 2 messages ("),
            "{said}"
        );
        assert_eq!(seen(&mut client), ["3", "4"]);
        assert_eq!(quit(client), "+OK dewey POP3 server signing off");
    }
    let mut client = server.plain().logged_in("recent:bob");
    client.ask("DELE 1", "+OK message 1 deleted");
    quit(client);
    assert_eq!(listed(&server, "bob"), ["1", "2", "4"]);
}

#[test]
fn every_way_to_log_in_knows_the_prefix() {
    let server = start(|access| access.recent = Some(30 * DAY));
    deliver(&server, 2);
    age(&server, "bob", &[31, 29]);
    let apop = Secret::new(PASSWORD);
    server.auth.accounts().set_apop("bob", &apop).unwrap();
    let plain = |user: &str, authzid: &str| {
        let response = format!("{authzid}\0{user}\0{PASSWORD}");
        format!("AUTH PLAIN {}", base64::encode(response.as_bytes()))
    };
    for login in [
        plain("recent:bob", ""),
        plain("recent:bob", "recent:bob"),
        plain("recent:bob", "bob"),
    ] {
        let mut client = server.plain();
        client.ask(&login, "+OK");
        assert_eq!(seen(&mut client), ["2"], "{login}");
        quit(client);
    }
    let mut client = server.plain();
    client.ask(&plain("recent:bob", "recent:alice"), "-ERR [AUTH]");

    let mut client = server.connect(server::Protocol::Pop3);
    let greeting = client.line();
    let timestamp = greeting.rsplit(' ').next().unwrap();
    let digest = sasl::apop::digest(timestamp, &apop);
    let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
    client.ask(&format!("APOP recent:bob {digest}"), "+OK");
    assert_eq!(seen(&mut client), ["2"]);
    quit(client);

    // The name with its prefix is what the proof is made of.
    let mut client = server.plain();
    let secret = Secret::new(PASSWORD);
    let nonce = "fyko+d2lbbFgONRv9qkxdawL";
    let mut exchange = Exchange::scram(
        Hash::Sha256,
        ChannelBinding::Unsupported,
        "recent:bob",
        &secret,
        nonce,
    )
    .unwrap();
    let first = exchange.initial_response().unwrap();
    client.say(&format!(
        "AUTH SCRAM-SHA-256 {}",
        base64::encode(first.expose())
    ));
    loop {
        let line = client.line();
        let Some(challenge) = line.strip_prefix("+ ") else {
            assert!(line.starts_with("+OK"), "{line}");
            break;
        };
        let challenge = base64::decode(challenge.as_bytes()).unwrap();
        let answer = exchange.step(&challenge).unwrap();
        client.say(&base64::encode(answer.expose()));
    }
    exchange.finish().unwrap();
    assert_eq!(seen(&mut client), ["2"]);
}

#[test]
fn the_prefix_is_nobodys_name_while_it_is_off() {
    let server = start(|_| {});
    deliver(&server, 1);
    let mut client = server.plain();
    client.ask("USER recent:bob", "+OK");
    client.ask(&format!("PASS {PASSWORD}"), "-ERR [AUTH]");
    // The rest of the same connection goes on as it began; a later one knows it.
    let mut config = server.config.clone();
    config.access.recent = Some(DAY);
    server.reload(config);
    crate::harness::wait_until("the prefix is known", || {
        let mut client = server.plain();
        client.ask("USER recent:bob", "+OK");
        client.say(&format!("PASS {PASSWORD}"));
        client.line().starts_with("+OK")
    });
    client.ask("USER recent:bob", "+OK");
    client.ask(&format!("PASS {PASSWORD}"), "-ERR [AUTH]");
}

#[test]
fn a_wrong_password_under_the_prefix_looks_like_any_other() {
    let server = start(|access| access.recent = Some(DAY));
    for name in [
        "recent:bob",
        "recent:nobody",
        "recent:",
        "recent:recent:bob",
    ] {
        let mut client = server.plain();
        client.ask(&format!("USER {name}"), "+OK");
        let started = Instant::now();
        client.ask("PASS wrong", "-ERR [AUTH] wrong user name or password");
        assert!(started.elapsed() >= Duration::from_millis(300), "{name}");
    }
}

#[test]
fn the_newest_messages_are_shown_and_older_ones_when_they_are_gone() {
    let server = start(|access| access.messages_shown = at_most(2));
    deliver(&server, 5);
    let mut client = server.plain().logged_in("bob");
    assert_eq!(seen(&mut client), ["4", "5"]);
    // A view does not change while it is open (RFC 1939 §5).
    server.deliver("bob", "Subject: 6\r\n\r\n");
    assert_eq!(seen(&mut client), ["4", "5"]);
    client.ask("DELE 1", "+OK message 1 deleted");
    client.ask("DELE 2", "+OK message 2 deleted");
    client.ask("DELE 3", "-ERR no such message");
    assert_eq!(quit(client), "+OK dewey POP3 server signing off");
    assert_eq!(listed(&server, "bob"), ["3", "6"]);
    for (shown, subjects) in [
        (Some(at_most(1)), &["6"][..]),
        (Some(Quota::Unlimited), &["1", "2", "3", "6"]),
        (None, &["3", "6"]),
    ] {
        let change = Change {
            messages_shown: Some(shown),
            ..Change::default()
        };
        set(&server, change);
        assert_eq!(listed(&server, "bob"), subjects);
    }
}

#[test]
fn what_is_hidden_stays_and_recent_sessions_see_it() {
    let server = start(|access| {
        access.disposition = Disposition::Hide;
        access.recent = Some(30 * DAY);
    });
    deliver(&server, 3);
    age(&server, "bob", &[400, 20, 10]);
    let mut client = server.plain().logged_in("bob");
    client.ask("DELE 1", "+OK message 1 hidden, not deleted");
    client.ask("DELE 3", "+OK message 3 hidden, not deleted");
    assert_eq!(quit(client), "+OK dewey POP3 server signing off");
    assert_eq!(listed(&server, "bob"), ["2"]);
    assert_eq!(listed(&server, "recent:bob"), ["2", "3"]);
    assert_eq!(held(&server), 3);
    // Who leaves without QUIT hides nothing.
    let mut client = server.plain().logged_in("bob");
    client.ask("DELE 1", "+OK message 1 hidden");
    drop(client);
    crate::harness::wait_until("the maildrop is free", || {
        server.maildrops.open(server.maildrop("bob")).is_ok()
    });
    assert_eq!(listed(&server, "bob"), ["2"]);
    // An operator shows it again.
    let id = server.maildrop("bob");
    let hidden = server.maildrops.hidden(id).unwrap();
    let uids: Vec<_> = hidden.iter().map(|it| it.uid).collect();
    assert_eq!(server.maildrops.unhide(id, &uids).unwrap(), uids);
    assert_eq!(listed(&server, "bob"), ["1", "2", "3"]);
}

#[test]
fn what_was_retrieved_is_hidden_where_mail_expires_so() {
    let server = start(|access| access.disposition = Disposition::Hide);
    deliver(&server, 2);
    set(
        &server,
        Change {
            expire: Some(Some(Expire::Retrieved)),
            ..Change::default()
        },
    );
    let mut client = server.plain().logged_in("bob");
    client.ask("RETR 1", "+OK");
    client.text();
    quit(client);
    assert_eq!(listed(&server, "bob"), ["2"]);
    assert_eq!(held(&server), 2);
}

#[test]
fn nothing_is_deleted_where_mail_is_kept_or_only_read() {
    let server = start(|_| {});
    deliver(&server, 2);
    for (kind, dele, left) in [
        (
            Disposition::Keep,
            "+OK message 1 left out until QUIT, not deleted",
            "+OK dewey POP3 server signing off (2 messages left)",
        ),
        (
            Disposition::ReadOnly,
            "-ERR nothing can be deleted in this maildrop",
            "+OK dewey POP3 server signing off (2 messages left)",
        ),
    ] {
        let change = Change {
            expire: Some(Some(Expire::Retrieved)),
            ..disposition(kind)
        };
        set(&server, change);
        let mut client = server.plain();
        client.ask("CAPA", "+OK");
        let capabilities = String::from_utf8(client.text()).unwrap();
        // Alice's mail is kept for ever, and bob's least is no more than what he says.
        assert!(capabilities.contains("EXPIRE 0 USER"), "{capabilities}");
        let mut client = client.logged_in("bob");
        client.ask("CAPA", "+OK");
        let capabilities = String::from_utf8(client.text()).unwrap();
        assert!(capabilities.contains("EXPIRE NEVER\r\n"), "{capabilities}");
        client.ask("RETR 2", "+OK");
        client.text();
        assert_eq!(client.ask("DELE 1", ""), dele);
        assert_eq!(quit(client), left);
        assert_eq!(listed(&server, "bob"), ["1", "2"]);
    }
    set(&server, disposition(Disposition::Delete));
    let mut client = server.plain().logged_in("bob");
    client.ask("DELE 1", "+OK message 1 deleted");
    quit(client);
    assert_eq!(held(&server), 1);
}

#[test]
fn nobody_is_promised_that_all_mail_goes_at_retrieval_where_none_does() {
    let server = start(|access| access.disposition = Disposition::ReadOnly);
    for name in ["bob", "alice"] {
        let change = Change {
            expire: Some(Some(Expire::Retrieved)),
            ..Change::default()
        };
        server.auth.accounts().set(name, &change).unwrap();
    }
    let mut client = server.plain();
    client.ask("CAPA", "+OK");
    let capabilities = String::from_utf8(client.text()).unwrap();
    assert!(capabilities.contains("EXPIRE 0 USER\r\n"), "{capabilities}");
    let mut client = client.logged_in("bob");
    client.ask("CAPA", "+OK");
    let capabilities = String::from_utf8(client.text()).unwrap();
    assert!(capabilities.contains("EXPIRE NEVER\r\n"), "{capabilities}");
}
