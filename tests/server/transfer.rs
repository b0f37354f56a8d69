//! STARTTLS where mail comes in, and SMTP over sockets: what the world may do here, and what not.

use server::{Listener, Protocol};

use crate::harness::{Client, Server, Setup, tls_client};

fn smtp(setup: Setup) -> Setup {
    setup.with(|config| {
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::new(Protocol::Smtp, address);
        config.listeners.push(listener);
        // Nobody answers there, which is known at once.
        config.smtp.judgement.resolvers = vec!["127.0.0.1:1".parse().unwrap()];
        config.smtp.tolls.delayed_from = 0;
    })
}

fn greeted(server: &Server) -> Client {
    let mut client = server.connect(Protocol::Smtp);
    client.expect("220 mailgate.dobbs.org ESMTP");
    client.say("EHLO test.example");
    client.reply("250");
    client
}

#[test]
fn mail_from_the_world_comes_in_clear_and_inside_tls() {
    let server = smtp(Setup::new()).start();
    let mut client = greeted(&server);
    client.deliver(
        "sender@example.com",
        &["bob@dobbs.org", "alice@dobbs.org"],
        b"hello\r\n",
    );
    client.expect("250 2.0.0 delivered");
    client.ask("STARTTLS", "220 2.0.0");
    let mut client = client.start_tls(&server);
    client.ask("MAIL FROM:<sender@example.com>", "503 5.5.1");
    client.say("EHLO test.example");
    assert!(
        !client
            .reply("250")
            .iter()
            .any(|line| line.contains("STARTTLS"))
    );
    client.deliver("", &["bob@dobbs.org"], b"again\r\n");
    client.expect("250 2.0.0 delivered");
    client.ask("QUIT", "221");
    assert_eq!((server.messages("bob"), server.messages("alice")), (2, 1));
    let mut reader = server.plain().logged_in("bob");
    for (number, protocol) in [(1, "with ESMTP\r\n"), (2, "with ESMTPS\r\n")] {
        reader.ask(&format!("RETR {number}"), "+OK");
        let text = String::from_utf8(reader.text()).unwrap();
        assert!(text.contains(protocol), "{text}");
    }
}

#[test]
fn lmtp_has_starttls_over_tcp_and_not_without_a_certificate() {
    let server = Server::start();
    let mut client = server.lmtp();
    client.ask("STARTTLS", "220 2.0.0");
    let mut client = client.start_tls(&server);
    client.say("LHLO test.example");
    client.reply("250");
    client.deliver("sender@example.com", &["bob"], b"hello\r\n");
    client.reply("250");
    assert_eq!(server.messages("bob"), 1);

    let bare = Setup::new().with(|config| {
        config.tls = None;
        config
            .listeners
            .retain(|listener| listener.protocol != Protocol::Pop3s);
    });
    let server = bare.start();
    let mut client = server.lmtp();
    client.ask("STARTTLS", "502 5.5.1");
    client.say("LHLO test.example");
    assert!(
        !client
            .reply("250")
            .iter()
            .any(|line| line.contains("STARTTLS"))
    );
}

/// NO STARTTLS (USENIX Security 2021): whatever came in clear behind the command is never executed.
#[test]
fn what_is_behind_starttls_closes_the_connection() {
    let server = smtp(Setup::new()).start();
    let transaction = "MAIL FROM:<a@b>\r\nRCPT TO:<bob@dobbs.org>\r\nDATA\r\nx\r\n.\r\n";
    for protocol in [Protocol::Lmtp, Protocol::Smtp] {
        let hello = match protocol {
            Protocol::Lmtp => "LHLO x\r\n",
            _ => "EHLO x\r\n",
        };
        for behind in [transaction, "QUIT\r\n", "\r\n", "N", "STARTTLS\r\n", "\0"] {
            for pieces in [
                vec![format!("STARTTLS\r\n{behind}")],
                vec![format!("{hello}STARTTLS\r\n{behind}{hello}")],
                vec![hello.to_owned(), format!("STARTTLS\r\n{behind}")],
            ] {
                let mut client = server.connect(protocol);
                for piece in &pieces {
                    client.send(piece.as_bytes());
                }
                let said = String::from_utf8_lossy(&client.rest()).into_owned();
                let (_, after) = said.split_once("220 2.0.0 begin TLS\r\n").unwrap();
                assert_eq!(after, "", "{behind:?}");
            }
        }
    }
    assert_eq!(server.messages("bob"), 0);
}

/// A TLS session that was meant for another service cannot be led here (RFC 7301 §3.2).
#[test]
fn only_the_names_of_mail_transfer_are_taken_by_alpn() {
    let server = smtp(Setup::new()).start();
    let certificate = &server.config.tls.as_ref().unwrap().certificate;
    for (alpn, taken) in [
        (&[][..], true),
        (&[&b"smtp"[..]], true),
        (&[&b"lmtp"[..]], true),
        (&[&b"pop3"[..]], false),
        (&[&b"http/1.1"[..], b"h2"], false),
    ] {
        let mut client = greeted(&server);
        client.ask("STARTTLS", "220 2.0.0");
        let begun = client.start_tls_with(tls_client(certificate, alpn));
        assert_eq!(begun.is_ok(), taken, "{alpn:?}");
    }
}

/// Every way in which relays were open that is known: nobody who is not here gets anything.
#[test]
fn nothing_is_relayed() {
    let server = smtp(Setup::new()).start();
    let victim = "carol@elsewhere.example";
    let recipients = [
        "<carol@elsewhere.example>",
        "<carol%elsewhere.example@dobbs.org>",
        "<carol%elsewhere.example@mailgate.dobbs.org>",
        "<carol%elsewhere.example@[127.0.0.1]>",
        "<carol%elsewhere.example>",
        "<\"carol@elsewhere.example\">",
        "<\"carol%elsewhere.example\">",
        "<\"carol@elsewhere.example\"@dobbs.org>",
        "<\"carol%elsewhere.example\"@dobbs.org>",
        "<@dobbs.org:carol@elsewhere.example>",
        "<@[127.0.0.1]:carol@elsewhere.example>",
        "<elsewhere.example!carol>",
        "<elsewhere.example!carol@dobbs.org>",
        "<elsewhere.example!carol@[127.0.0.1]>",
        "<carol@elsewhere.example@dobbs.org>",
        "<bob@dobbs.org@elsewhere.example>",
        "<bob@dobbs.org>,<carol@elsewhere.example>",
        "<bob@dobbs.org,carol@elsewhere.example>",
        "<bob@dobbs.org> <carol@elsewhere.example>",
        "<bob@dobbs.org>\tcarol@elsewhere.example",
        "carol@elsewhere.example",
        "<|/bin/sh>",
        "</etc/passwd>",
        "<:include:/etc/passwd>",
        "<bob@dobbs.org.elsewhere.example>",
        "<bob@elsewhere.example>",
    ];
    let senders = [
        "a@example.com",
        "",
        "bob@dobbs.org",
        "bob@[127.0.0.1]",
        victim,
        "bob",
    ];
    for sender in senders {
        for some in recipients.chunks(10) {
            let mut client = greeted(&server);
            client.ask(&format!("MAIL FROM:<{sender}>"), "250");
            for recipient in some {
                client.ask(&format!("RCPT TO:{recipient}"), "5");
            }
            client.ask("DATA", "503 5.5.1");
            client.ask("BDAT 0 LAST", "503 5.5.1");
            client.ask("AUTH PLAIN AGJvYgByZWRxdWVlbg==", "502");
        }
    }
    assert_eq!((server.messages("bob"), server.messages("alice")), (0, 0));
}

#[test]
fn an_address_has_as_many_sessions_as_one_may_have() {
    let setup = smtp(Setup::new());
    let setup = setup.with(|config| config.limits.smtp_sessions_per_address_max = 2);
    let server = setup.start();
    let (_first, second) = (greeted(&server), greeted(&server));
    let mut third = server.connect(Protocol::Smtp);
    let said = String::from_utf8(third.rest()).unwrap();
    assert!(said.starts_with("421 4.3.2 mailgate.dobbs.org"), "{said}");
    drop(second);
    crate::harness::wait_until("a place is free", || {
        server.connect(Protocol::Smtp).line().starts_with("220")
    });
}

/// One reply has to do for all: the sender must not be told yes, and nobody may get a copy each time.
#[test]
fn nobody_gets_what_one_recipient_has_no_room_for() {
    let server = smtp(Setup::new()).native().with(|config| {
        config.keeping.octets = crate::keeping::at_most(1500);
    });
    let server = server.start();
    let mut client = greeted(&server);
    client.deliver("a@example.com", &["alice@dobbs.org"], &line(800));
    client.expect("250 2.0.0");
    for _ in 0..3 {
        client.deliver(
            "a@example.com",
            &["bob@dobbs.org", "alice@dobbs.org"],
            &line(500),
        );
        client.expect("452 4.2.2");
    }
    assert_eq!((server.messages("bob"), server.messages("alice")), (0, 1));
    // With its size declared she is refused alone, and bob gets it once.
    client.ask("MAIL FROM:<a@example.com> SIZE=400", "250");
    client.ask("RCPT TO:<bob@dobbs.org>", "250");
    client.ask("RCPT TO:<alice@dobbs.org>", "452 4.2.2");
    client.ask("DATA", "354");
    client.send(b"z\r\n.\r\n");
    client.expect("250 2.0.0");
    assert_eq!((server.messages("bob"), server.messages("alice")), (1, 1));
}

/// Otherwise one upload fills a maildrop with as many copies as a stranger can think of addresses.
#[test]
fn a_maildrop_gets_a_message_once_by_however_many_addresses() {
    let server = smtp(Setup::new()).start();
    let mut client = greeted(&server);
    let recipients = [
        "bob@dobbs.org",
        "bob+1@dobbs.org",
        "BOB@dobbs.org",
        "alice@dobbs.org",
        "bob",
    ];
    client.deliver("a@example.com", &recipients, b"x\r\n");
    client.expect("250 2.0.0");
    assert_eq!((server.messages("bob"), server.messages("alice")), (1, 1));
}

fn line(octets: usize) -> Vec<u8> {
    [&b"x".repeat(octets)[..], b"\r\n"].concat()
}

#[test]
fn a_message_in_chunks_is_the_same_message() {
    let server = smtp(Setup::new()).native().start();
    let text = b"Subject: x\r\n\r\n.\r\n..two\r\nlast\r\n".repeat(50_000);
    let mut client = greeted(&server);
    client.ask("MAIL FROM:<a@example.com>", "250");
    client.ask("RCPT TO:<bob@dobbs.org>", "250");
    let mut chunks = text.chunks(300_001).peekable();
    while let Some(chunk) = chunks.next() {
        let last = if chunks.peek().is_none() { " LAST" } else { "" };
        client.send(format!("BDAT {}{last}\r\n", chunk.len()).as_bytes());
        client.send(chunk);
        client.expect("250 2.0.0");
    }
    let mut reader = server.plain().logged_in("bob");
    reader.ask("RETR 1", "+OK");
    assert!(reader.text().ends_with(&text));
}
