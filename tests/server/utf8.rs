//! Messages whose header is not ASCII, delivered and fetched over sockets, from both back ends.

use pop3::server::Utf8Messages;

use crate::harness::{Client, Server, Setup};

const MESSAGE: &[u8] =
    "From: Jörg <joerg@dobbs.org>\r\nSubject: naïve plan\r\n\r\n.Grüße\r\nzwei\r\n".as_bytes();

/// A server with two messages for bob, the second in ASCII.
fn server(native: bool, utf8_messages: Utf8Messages) -> Server {
    let mut setup = Setup::new();
    setup.native = native;
    setup.config.utf8_messages = utf8_messages;
    let server = setup.start();
    let mut client = server.lmtp();
    for text in [MESSAGE, b"Subject: plain\r\n\r\ntext\r\n"] {
        client.deliver("", &["bob"], text);
        client.reply("250");
    }
    server
}

/// Message 1 as a client gets it, and the size that LIST shows of it.
fn fetch(reader: &mut Client) -> (String, usize) {
    let listed = reader.ask("LIST 1", "+OK 1 ");
    let size = listed
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    reader.ask("RETR 1", &format!("+OK {size} octets"));
    (String::from_utf8(reader.text()).unwrap(), size)
}

#[test]
fn who_has_not_said_utf8_gets_a_surrogate_of_the_size_that_list_shows() {
    for native in [false, true] {
        let server = server(native, Utf8Messages::Surrogate);
        let mut reader = server.plain().logged_in("bob");
        let (text, size) = fetch(&mut reader);
        assert_eq!(text.len(), size);
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(header.is_ascii(), "{header}");
        assert!(header.starts_with("Return-Path: "), "{header}");
        let ends =
            "From: =?utf-8?Q?J=C3=B6rg?= <joerg@dobbs.org>\r\nSubject: =?utf-8?Q?na=C3=AFve?= plan";
        assert!(header.ends_with(ends), "{header}");
        assert_eq!(body, ".Grüße\r\nzwei\r\n");

        reader.ask("TOP 1 1", "+OK");
        let top = String::from_utf8(reader.text()).unwrap();
        assert_eq!(top, format!("{header}\r\n\r\n.Grüße\r\n"));
        reader.ask("RETR 2", "+OK");
        assert!(reader.text().ends_with(b"Subject: plain\r\n\r\ntext\r\n"));
        reader.ask("QUIT", "+OK");
    }
}

#[test]
fn who_has_said_utf8_gets_what_was_delivered() {
    for native in [false, true] {
        let server = server(native, Utf8Messages::Refuse);
        let mut reader = server.plain();
        reader.ask("UTF8", "+OK");
        let mut reader = reader.logged_in("bob");
        let (text, size) = fetch(&mut reader);
        assert_eq!(text.len(), size);
        assert!(text.ends_with(str::from_utf8(MESSAGE).unwrap()), "{text}");
    }
}

#[test]
fn an_operator_may_refuse_instead() {
    for native in [false, true] {
        let server = server(native, Utf8Messages::Refuse);
        let mut reader = server.plain().logged_in("bob");
        for command in ["RETR 1", "TOP 1 0", "LIST 1"] {
            reader.ask(command, "-ERR [UTF8] ");
        }
        reader.ask("RETR 2", "+OK");
    }
}

#[test]
fn a_large_body_follows_its_surrogate_header_whole() {
    let line = format!("{}\r\n", "x".repeat(70));
    let body = line.repeat(2000);
    let text = format!("Subject: naïve\r\n\r\n{body}");
    for native in [false, true] {
        let server = server(native, Utf8Messages::Surrogate);
        let mut client = server.lmtp();
        client.deliver("", &["alice"], text.as_bytes());
        client.reply("250");
        let mut reader = server.plain().logged_in("alice");
        let (text, size) = fetch(&mut reader);
        assert_eq!(text.len(), size);
        assert!(text.ends_with(&format!("Subject: =?utf-8?Q?na=C3=AFve?=\r\n\r\n{body}")));
        reader.ask("NOOP", "+OK");
    }
}
