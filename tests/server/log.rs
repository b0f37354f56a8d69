//! The log: one line for each session, and never a secret.
//!
//! The log is the process's, so this is one test, and it tells its sessions by their users.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use server::{ClientAccount, Protocol};
use tracing_subscriber::fmt::MakeWriter;

use crate::certificates::{self, Authority};
use crate::harness::{PASSWORD, Server, Setup, wait_until};
use crate::keeping::{DAY, age, at_most, days, remove, start, sweep};
use crate::proxy;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Waits for a line with all of these words.
    fn find(&self, words: &[&str]) -> String {
        let mut found = None;
        wait_until(&format!("a line with {words:?}"), || {
            let text = self.text();
            let mut lines = text.lines();
            found = lines
                .find(|line| words.iter().all(|word| line.contains(word)))
                .map(ToOwned::to_owned);
            found.is_some()
        });
        found.unwrap()
    }
}

#[test]
fn one_line_tells_a_session_and_no_line_a_secret() {
    let lines = Lines::default();
    // Everything, at every level.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone())
        .init();
    let server = Server::start();
    for user in ["logged", "other"] {
        let password = auth::Password::Clear(sasl::Secret::new("s3cr3t-Pass"));
        server.auth.accounts().add(user, &password).unwrap();
        server.deliver(user, "Subject: private words\r\n\r\nmore private words\r\n");
    }

    let mut client = server.tls();
    client.ask("USER Logged", "+OK");
    client.ask("PASS s3cr3t-Pass", "+OK");
    client.ask("RETR 1", "+OK");
    let octets = client.text().len();
    client.ask("DELE 1", "+OK");
    client.ask("QUIT", "+OK");
    let line = lines.find(&["session ended", "user=\"logged\""]);
    for words in [
        "session{id=",
        "listener=\"pop3s 127.0.0.1:",
        "peer=\"127.0.0.1:",
        "tls=\"TLSv1_3\"",
        "cipher=\"TLS13_",
        "messages=1",
        &format!("octets={octets}"),
        "deleted=1",
        "left=0",
        "seconds=",
        "why=\"quit\"",
    ] {
        assert!(line.contains(words), "{words} in {line}");
    }

    let mut client = server.plain();
    client.ask("USER other", "+OK");
    client.ask("PASS s3cr3t-Pass", "+OK");
    drop(client);
    let line = lines.find(&["session ended", "user=\"other\""]);
    assert!(
        line.contains("left=1") && line.contains("why=\"lost\""),
        "{line}"
    );

    // Names that would forge or colour the log, and passwords that are wrong, or in wrong places.
    let mut client = server.plain();
    client.say("USER \x1b[31mroot\u{202e}\nINFO all is well");
    client.line();
    client.say("PASS s3cr3t-Pass1");
    client.line();
    client.say("PASS s3cr3t-Pass2");
    client.line();
    client.say("AUTH PLAIN AGJvYgBzM2NyM3QtUGFzczM=");
    client.line();
    client.say("XAUTH s3cr3t-Pass4");
    client.line();
    // Who is one field ahead types the password as the name.
    client.say("PASS");
    client.line();
    client.say("USER s3cr3t-Pass5");
    client.line();
    client.say("PASS x");
    client.line();
    drop(client);
    lines.find(&["login refused", "no such account"]);
    let line = lines.find(&["login refused", "bob"]);
    assert!(line.contains("INFO"), "{line}");

    // Octets of another charset: nobody compares them with anything.
    let mut client = server.plain();
    client.ask("USER bob", "+OK");
    client.send(b"PASS s3cr3t-Pass6\xfc\r\n");
    client.expect("-ERR [AUTH] password must be UTF-8");
    lines.find(&["login refused", "not UTF-8"]);
    drop(client);

    let mut client = server.lmtp();
    client.send(b"NOOP\n");
    client.reply("421 4.5.2");
    drop(client);
    lines.find(&["delivery session ended", "why=\"refused\""]);

    strangers_are_told(&lines);
    the_turned_away_are_told(&lines);
    recent_logins_are_told(&lines);
    front_ends_are_told(&lines);
    certificates_are_told(&lines);
    an_expired_certificate_is_told(&lines);
    damage_is_told(&lines);
    quota_and_expiry_are_told(&lines);

    let text = lines.text();
    assert!(!text.contains("s3cr3t-Pass"), "a password in the log");
    assert!(!text.contains("AGJvYgBz"), "a SASL response in the log");
    assert!(
        !text.contains("private words"),
        "a message's text in the log"
    );
    assert!(!text.contains(PASSWORD));
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'));
    for line in text.lines() {
        assert!(!line.starts_with("INFO all is well"), "{line}");
    }
}

/// A full server, whom it sends away, and who comes too often.
fn strangers_are_told(lines: &Lines) {
    let hour = auth::LoginDelay {
        delay: Duration::from_secs(3600),
        logins_max: 1.try_into().unwrap(),
    };
    let setup = Setup::new().with(|config| {
        config.limits.session_count_max = 2;
        config.login_delay = Some(hour);
    });
    let server = setup.start();
    let address = server.address(Protocol::Pop3);
    let mut first = proxy::from([127, 0, 0, 9], address);
    first.expect("+OK");
    let _second = server.plain();
    let mut third = server.plain();
    first.rest();
    lines.find(&["session ended", "peer=\"127.0.0.9:", "why=\"evicted\""]);
    let words = "session_count_max=2 evicted=1 turned_away=0";
    lines.find(&["WARN", "the server is full", words]);
    third.log_in("alice");
    third.ask("QUIT", "+OK");
    third.rest();
    let mut again = server.plain();
    again.ask("USER alice", "+OK");
    again.ask(&format!("PASS {PASSWORD}"), "-ERR [LOGIN-DELAY]");
    lines.find(&["INFO", "login too soon", "account=\"alice\""]);
}

/// Addresses, networks and deliveries that have no place left: a line each, however often they try.
fn the_turned_away_are_told(lines: &Lines) {
    let setup = Setup::new().with(|config| {
        config.limits.sessions_per_address_max = 1;
        config.limits.sessions_per_network_max = 2;
        config.limits.lmtp_session_count_max = 1;
    });
    let server = setup.start();
    let address = server.address(Protocol::Pop3);
    let attempt = || proxy::from([127, 0, 0, 11], address);
    let mut first = attempt();
    first.expect("+OK");
    for _ in 0..3 {
        attempt().expect("-ERR [SYS/TEMP]");
    }
    let own = "source=127.0.0.11 turned_away=1 sessions_per_address_max=1";
    lines.find(&["WARN", "connections turned away: this address", own]);
    let _delivery = server.lmtp();
    server.connect(Protocol::Lmtp).expect("421 4.3.2");
    let most = "turned_away=1 lmtp_session_count_max=1";
    lines.find(&["WARN", "deliveries turned away", most]);

    // Behind front ends, by a header and by XCLIENT.
    let server = proxy::start(|config| {
        config.limits.sessions_per_address_max = 1;
        config.limits.sessions_per_network_max = 2;
        config.listeners[0].front_ends.xclient = vec!["192.0.2.78".parse().unwrap()];
    });
    let begun = |client: &str| proxy::begun(&server, Protocol::Pop3, &proxy::line(client));
    let mut held: Vec<_> = ["2001:db8:7:7::1", "2001:db8:7:7::2"].map(begun).into();
    for client in &mut held {
        client.expect("+OK");
    }
    begun("2001:db8:7:7::3").expect("-ERR [SYS/TEMP]");
    let network = "source=2001:db8:7:7::/64 turned_away=1 sessions_per_network_max=2";
    lines.find(&["WARN", "connections turned away: this network", network]);
    let mut client = begun("192.0.2.78");
    client.expect("+OK [XCLIENT]");
    client.ask("XCLIENT ADDR=2001:db8:7:7::1", "-ERR [SYS/TEMP]");
    lines.find(&["WARN", "this address", "source=2001:db8:7:7::1 "]);

    let text = lines.text();
    let told = text
        .lines()
        .filter(|line| line.contains("source=127.0.0.11 "));
    assert_eq!(told.count(), 1);
}

/// Who has logged in as `recent:NAME`, and who has not.
fn recent_logins_are_told(lines: &Lines) {
    let setup = Setup::new().with(|config| config.access.recent = Some(DAY * 30));
    let server = setup.start();
    let password = auth::Password::Clear(sasl::Secret::new(PASSWORD));
    server.auth.accounts().add("lately", &password).unwrap();
    let session = |name: &str, words: &[&str]| {
        let mut client = server.plain();
        client.ask(&format!("USER {name}"), "+OK");
        client.ask(&format!("PASS {PASSWORD}"), "+OK");
        client.ask("QUIT", "+OK");
        lines.find(&[&["session ended", "user=\"lately\""], words].concat())
    };
    let line = session("lately", &[]);
    assert!(!line.contains("recent"), "{line}");
    session("recent:lately", &["recent=true"]);
}

/// By which certificate somebody has logged in, and why another one was of no use.
fn certificates_are_told(lines: &Lines) {
    let authority = Authority::new("users of dobbs.org");
    let server = certificates::start(&authority.asked(ClientAccount::Email), |_| {});
    let named = |names: &[&str], common_name: &str| {
        authority.client(|params| {
            params.subject_alt_names = names.iter().map(|name| certificates::mail(name)).collect();
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, common_name);
            params.serial_number = Some(rcgen::SerialNumber::from(0x5eed));
        })
    };
    let mut client = certificates::showing(&server, &named(&["bob@dobbs.org"], "Bob"));
    client.ask("AUTH EXTERNAL =", "+OK");
    client.ask("QUIT", "+OK");
    let shown = "certificate=\"CN=Bob serial 5eed sha256 ";
    lines.find(&[
        "client certificate verified",
        shown,
        "names=\"bob@dobbs.org\"",
    ]);
    lines.find(&[
        "session ended",
        "user=\"bob@dobbs.org\" mechanism=\"EXTERNAL\"",
        shown,
    ]);
    // By a password, whatever was shown.
    let mut client = certificates::showing(&server, &named(&["bob@dobbs.org"], "Bob"));
    client.log_in("alice");
    client.ask("QUIT", "+OK");
    let line = lines.find(&["session ended", "user=\"alice\""]);
    assert!(
        !line.contains("EXTERNAL") && !line.contains("certificate"),
        "{line}"
    );
    let hostile = "\x1b[31m\r\nINFO all is well \u{202e}";
    certificates::showing(&server, &named(&[], hostile)).ask("QUIT", "+OK");
    lines.find(&["stands for nobody", "[31m", "it has no e-mail address"]);
    let stranger = Authority::new("somebody else");
    certificates::refused(&server, &stranger.mail("bob@dobbs.org"));
    lines.find(&["client certificate refused", "UnknownIssuer", "sha256 "]);
    lines.find(&["session ended", "why=\"tls handshake\""]);
}

/// That the server's own certificate has expired; it is served all the same.
fn an_expired_certificate_is_told(lines: &Lines) {
    let setup = Setup::new();
    let files = setup.config.tls.clone().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap();
    std::fs::write(&files.certificate, own.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    let server = setup.start();
    let words = format!("{} expired on 2021-02-03", files.certificate.display());
    lines.find(&["ERROR", &words]);
    server.plain().ask("QUIT", "+OK");
}

/// Who a client is and who says so, and what is wrong with a front end.
fn front_ends_are_told(lines: &Lines) {
    let server = proxy::start(|config| {
        config.listeners[0].front_ends.xclient = vec!["192.0.2.77".parse().unwrap()];
    });
    let password = auth::Password::Clear(sasl::Secret::new(PASSWORD));
    server.auth.accounts().add("behind", &password).unwrap();
    let begun = |octets: &[u8]| proxy::begun(&server, Protocol::Pop3, octets);
    let mut client = begun(&proxy::line("203.0.113.7"));
    client.expect("+OK");
    client.log_in("behind");
    client.ask("QUIT", "+OK");
    let line = lines.find(&["session ended", "user=\"behind\""]);
    for words in ["peer=\"203.0.113.7:51234\"", "via=\"127.0.0.1:"] {
        assert!(line.contains(words), "{words} in {line}");
    }
    assert_eq!(line.matches("peer=").count(), 1, "{line}");

    let mut client = begun(&proxy::line("203.0.113.8"));
    client.expect("+OK");
    client.ask("USER behind", "+OK");
    client.ask("PASS wrong", "-ERR");
    lines.find(&["login refused", "behind", "peer=203.0.113.8"]);

    // By XCLIENT, from a front end behind a balancer.
    let mut client = begun(&proxy::line("192.0.2.77"));
    client.expect("+OK [XCLIENT]");
    client.ask("XCLIENT ADDR=203.0.113.9 PORT=9 SESSION=xyz+2Bz", "+OK");
    client.log_in("behind");
    client.ask("QUIT", "+OK");
    lines.find(&["client named by a front end", "session=xyz+z"]);
    let line = lines.find(&["session ended", "peer=\"203.0.113.9:9\""]);
    assert!(line.contains("via=\"127.0.0.1:"), "{line}");

    // What an operator has to see, and what he has not.
    drop(begun(b""));
    let octets = b"HELO \x1b[31mred\r\n";
    assert_eq!(begun(octets).rest(), b"");
    // Other tests have front ends of their own.
    let listener = format!("listener=\"pop3 {}\"", server.address(Protocol::Pop3));
    let line = lines.find(&["without a sound PROXY header", &listener]);
    for words in [
        " WARN ",
        "why=what came is no PROXY header",
        "via=\"127.0.0.1:",
        "send-proxy",
        "proxy_protocol",
    ] {
        assert!(line.contains(words), "{words} in {line}");
    }
    assert!(!line.contains("peer="), "nobody's word for it: {line}");
    let text = lines.text();
    let told = text
        .lines()
        .filter(|line| line.contains("without a sound PROXY header") && line.contains(&listener));
    assert_eq!(told.count(), 1);
}

/// Whose message is damaged, and where it lies.
fn damage_is_told(lines: &Lines) {
    let server = start(|_| {});
    for text in ["Subject: one\r\n\r\n", "Subject: two\r\n\r\n"] {
        server.deliver("bob", text);
    }
    let id = server.maildrop("bob");
    let path = server.maildrops.path(id).unwrap();
    let mut octets = std::fs::read(&path).unwrap();
    let place = octets.windows(3).position(|octets| octets == b"one");
    octets[place.unwrap()] ^= 1;
    std::fs::write(&path, octets).unwrap();
    let mut client = server.plain().logged_in("bob");
    client.ask("RETR 1", "-ERR [SYS/PERM]");
    let line = lines.find(&["message damaged"]);
    let maildrop = format!("maildrop={id}");
    for words in ["ERROR", "account=\"bob\"", &maildrop, "number=1", "what="] {
        assert!(line.contains(words), "{words} in {line}");
    }
}

/// What is deleted that nobody deleted, what is not although it is time, and what does not come in.
fn quota_and_expiry_are_told(lines: &Lines) {
    let server = start(|keeping| {
        keeping.expire = days(1);
        keeping.octets = at_most(1234);
    });
    let password = auth::Password::Clear(sasl::Secret::new(PASSWORD));
    server.auth.accounts().add("rip", &password).unwrap();
    server.deliver("rip", "Subject: x\r\n\r\n");
    age(&server, "rip", &[2]);
    let octets = server
        .maildrops
        .summary(server.maildrop("rip"))
        .unwrap()
        .octets;
    let mut client = server.lmtp();
    client.ask("MAIL FROM:<a@example.com> SIZE=2000", "250");
    client.ask("RCPT TO:<rip>", "452 4.2.2");
    client.ask("RCPT TO:<rip@dobbs.org>", "452 4.2.2");
    let line = lines.find(&["message not delivered: maildrop is full", "account=\"rip\""]);
    for words in [" INFO ", "octets=2000", "quota_octets=1234", "maildrop="] {
        assert!(line.contains(words), "{words} in {line}");
    }
    let long_ago = SystemTime::now() - DAY * 77;
    server.auth.accounts().set_swept(long_ago).unwrap();
    sweep(&server);
    let line = lines.find(&["the clock has jumped forward", "days_forward=77"]);
    assert!(
        line.contains("ERROR") && line.contains("hours_to_wait=24"),
        "{line}"
    );
    assert_eq!(server.messages("rip"), 1);

    let server = start(|keeping| keeping.expire = days(1));
    for account in ["rip", "gone"] {
        server.auth.accounts().add(account, &password).unwrap();
        server.deliver(account, "Subject: x\r\n\r\n");
    }
    let gone = format!("maildrop={}", server.maildrop("gone"));
    remove(&server, "gone", auth::REMOVED_KEPT);
    age(&server, "rip", &[2]);
    sweep(&server);
    let line = lines.find(&["the account was removed: its maildrop is deleted", &gone]);
    assert!(line.contains(" INFO ") && line.contains("account=\"gone\""));
    let line = lines.find(&["mail has expired and is deleted", "account=\"rip\""]);
    let octets = format!("octets={octets}");
    for words in [" INFO ", "messages=1", &octets, "maildrop="] {
        assert!(line.contains(words), "{words} in {line}");
    }
    lines.find(&[
        "sweep ended",
        "maildrops=3",
        "messages=1",
        &octets,
        "failed=0",
        "purged=1",
    ]);
}
