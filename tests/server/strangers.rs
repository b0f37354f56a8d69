//! Mail from strangers over SMTP, with a DNS of our own: what is said of it, what is refused, and what
//! they pay who guess.

use std::net::SocketAddr;
use std::time::Duration;

use server::judgement::OnFail;
use server::{Config, Listener, Protocol, Tolls};

use crate::harness::{Client, Server, Setup};

#[path = "../../crates/server/src/judgement/tests/dns.rs"]
#[allow(dead_code, reason = "the judge's own tests use the rest")]
mod dns;

use dns::{Answer, Dns, txt};

/// A DNS server and what it runs in.
struct Names {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Names {
    fn new(table: &[(&str, Answer)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = runtime.block_on(async { Dns::new(table).await.address });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

fn start(names: &Names, change: impl FnOnce(&mut Config)) -> Server {
    let setup = Setup::new().with(|config| {
        let address = "127.0.0.1:0".parse().unwrap();
        config
            .listeners
            .push(Listener::new(Protocol::Smtp, address));
        config.smtp.judgement.resolvers = vec![names.address];
        change(config);
    });
    setup.start()
}

fn greeted(server: &Server) -> Client {
    let mut client = server.connect(Protocol::Smtp);
    client.expect("220");
    client.say("EHLO mail.example.org");
    client.reply("250");
    client
}

fn text(server: &Server) -> String {
    let mut reader = server.plain().logged_in("bob");
    reader.ask("RETR 1", "+OK");
    String::from_utf8(reader.text()).unwrap()
}

const FORGED: &[u8] = b"Authentication-Results: mailgate.dobbs.org; dmarc=pass\r\n\
    From: Millie <mrose@example.org>\r\nSubject: tea\r\n\r\nAt five.\r\n";

#[test]
fn what_is_found_out_stands_in_the_header_and_nobody_else_can_say_it() {
    let names = Names::new(&[
        ("example.org", txt("v=spf1 ip4:127.0.0.1 -all")),
        ("_dmarc.example.org", txt("v=DMARC1; p=reject")),
    ]);
    let server = start(&names, |_| {});
    let mut client = greeted(&server);
    client.deliver("mrose@example.org", &["bob@dobbs.org"], FORGED);
    client.expect("250 2.0.0");
    let text = text(&server).replace("\r\n\t", " ").replace("\r\n ", " ");
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].starts_with("Return-Path: <mrose@example.org>"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("Delivered-To: bob@dobbs.org"),
        "{text}"
    );
    assert!(
        lines[2].starts_with("Authentication-Results: mailgate.dobbs.org;"),
        "{text}"
    );
    for result in ["spf=pass", "dkim=none", "dmarc=pass"] {
        assert!(lines[2].contains(result), "{text}");
    }
    assert!(lines[3].starts_with("Received: "), "{text}");
    assert!(
        lines[4].starts_with("X-Forged-Authentication-Results: "),
        "{text}"
    );
}

#[test]
fn a_message_in_chunks_is_judged_like_any_other() {
    let names = Names::new(&[("example.org", txt("v=spf1 -all"))]);
    let server = start(&names, |_| {});
    let mut client = greeted(&server);
    client.ask("MAIL FROM:<mrose@example.org>", "250");
    client.ask("RCPT TO:<bob@dobbs.org>", "250");
    for (piece, last) in [(&FORGED[..20], ""), (&FORGED[20..], " LAST")] {
        client.send(format!("BDAT {}{last}\r\n", piece.len()).as_bytes());
        client.send(piece);
        client.expect("250 2.0.0");
    }
    let text = text(&server);
    assert!(text.contains("spf=fail"), "{text}");
    assert!(
        text.contains("\r\nX-Forged-Authentication-Results: "),
        "{text}"
    );
}

#[test]
fn spf_refuses_a_recipient_where_the_operator_wants_it() {
    let names = Names::new(&[
        ("example.org", txt("v=spf1 -all")),
        ("example.net", txt("v=spf1 ip4:127.0.0.1 -all")),
    ]);
    let server = start(&names, |config| config.smtp.judgement.spf = OnFail::Reject);
    let mut client = greeted(&server);
    client.ask("MAIL FROM:<mrose@example.org>", "250");
    client.ask("RCPT TO:<nobody@dobbs.org>", "550 5.1.1");
    client.ask("RCPT TO:<bob@dobbs.org>", "550 5.7.23");
    client.ask("RSET", "250");
    client.deliver("mrose@example.net", &["bob@dobbs.org"], b"x\r\n");
    client.expect("250 2.0.0");
    assert_eq!(server.messages("bob"), 1);
}

#[test]
fn dmarc_refuses_a_message_where_the_operator_wants_it() {
    let names = Names::new(&[("_dmarc.example.org", txt("v=DMARC1; p=reject"))]);
    let server = start(&names, |config| {
        config.smtp.judgement.dmarc = OnFail::Reject
    });
    let mut client = greeted(&server);
    client.deliver(
        "a@example.net",
        &["bob@dobbs.org", "alice@dobbs.org"],
        FORGED,
    );
    client.expect("550 5.7.1");
    client.deliver(
        "a@example.net",
        &["bob@dobbs.org"],
        b"From: a@example.net\r\n\r\n",
    );
    client.expect("250 2.0.0");
    assert_eq!((server.messages("bob"), server.messages("alice")), (1, 0));
}

/// P6: an error is told, and mail is never lost for it.
#[test]
fn a_dns_that_is_out_of_order_costs_no_mail() {
    let names = Names::new(&[
        ("example.org", Answer::Code(2)),
        ("_dmarc.example.org", Answer::Garbage),
    ]);
    let server = start(&names, |config| {
        config.smtp.judgement.spf = OnFail::Reject;
        config.smtp.judgement.dmarc = OnFail::Reject;
    });
    let mut client = greeted(&server);
    client.deliver("mrose@example.org", &["bob@dobbs.org"], FORGED);
    client.expect("250 2.0.0");
    assert!(text(&server).contains("spf=temperror"));
}

#[test]
fn a_stranger_comes_again_and_a_guesser_never_gets_onto_the_greylist() {
    let names = Names::new(&[]);
    let server = start(&names, |config| {
        config.smtp.greylist = Some(Duration::from_millis(300));
    });
    let mut client = greeted(&server);
    client.ask("MAIL FROM:<mrose@example.org>", "250");
    client.ask("RCPT TO:<nobody@dobbs.org>", "550 5.1.1");
    client.ask("RCPT TO:<bob@dobbs.org>", "451 4.7.1");
    client.ask("RCPT TO:<bob@dobbs.org>", "451 4.7.1");
    client.ask("DATA", "503 5.5.1");
    std::thread::sleep(Duration::from_millis(400));
    let mut client = greeted(&server);
    client.deliver("mrose@example.org", &["bob@dobbs.org"], b"x\r\n");
    client.expect("250 2.0.0");
    // Another sender begins anew.
    client.ask("MAIL FROM:<other@example.org>", "250");
    client.ask("RCPT TO:<bob@dobbs.org>", "451 4.7.1");
}

/// Whoever asks for names that nobody has waits, and then is not served: over all his connections.
#[test]
fn thousands_of_guesses_cost_the_guesser() {
    let names = Names::new(&[]);
    let server = start(&names, |config| {
        config.smtp.tolls = Tolls {
            delayed_from: 45,
            refused_from: 46,
            period: Duration::from_secs(600),
        };
    });
    let (mut answered, mut turned_away) = (0, 0);
    for connection in 0..100 {
        let mut client = server.connect(Protocol::Smtp);
        if client.line().starts_with("421 4.7.0") {
            turned_away += 1;
            continue;
        }
        client.say("EHLO x");
        client.reply("250");
        client.ask("MAIL FROM:<a@example.org>", "250");
        for guess in 0..30 {
            client.say(&format!("RCPT TO:<guess-{connection}-{guess}@dobbs.org>"));
        }
        let said = String::from_utf8(client.rest()).unwrap();
        answered += said.matches("550 5.1.1").count();
        assert!(said.contains("421 4.7.0"), "{said}");
    }
    assert_eq!((answered, turned_away), (46, 97));
    // LMTP's client is our own.
    server.deliver("bob", "x\r\n");
}
