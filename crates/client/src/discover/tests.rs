//! Searches in a DNS and a web of the test's own.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use super::*;

/// What a DNS says.
#[derive(Default)]
struct Zone {
    srv: HashMap<&'static str, Vec<Srv>>,
    mx: Option<&'static str>,
    there: Vec<&'static str>,
}

impl Dns for Zone {
    async fn srv(&self, name: String) -> Result<Vec<Srv>, String> {
        let records = self.srv.get(name.as_str());
        records.cloned().ok_or_else(|| "there is none".to_owned())
    }

    async fn mx(&self, _name: String) -> Result<String, String> {
        let exchange = self.mx.map(str::to_owned);
        exchange.ok_or_else(|| "there is none".to_owned())
    }

    async fn is_there(&self, name: String) -> bool {
        self.there.contains(&name.as_str())
    }
}

/// A server of files: by path, with the head of the reply. Keeps what it was asked for.
struct Files {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Files {
    fn start(files: &[(&'static str, String)]) -> Self {
        let listener = TcpListener::bind("localhost:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (files, kept) = (files.to_vec(), Arc::clone(&asked));
        spawn(move || {
            for socket in listener.incoming() {
                let mut reader = BufReader::new(socket.unwrap());
                let mut line = String::new();
                let _ = reader.read_line(&mut line);
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let mut head = String::new();
                while reader.read_line(&mut head).unwrap_or(0) > 2 {
                    head.clear();
                }
                let file = path.split('?').next().unwrap_or_default();
                let reply = files.iter().find(|(name, _)| *name == file);
                let none = "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let reply = reply.map_or(none, |(_, reply)| reply.as_str());
                kept.lock().unwrap().push(path);
                let _ = reader.get_mut().write_all(reply.as_bytes());
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

fn found(xml: &str) -> String {
    let octets = xml.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {octets}\r\nConnection: close\r\n\r\n{xml}")
}

/// A file with these servers.
fn config(servers: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n\
         <emailProvider id=\"example.org\"><domain>example.org</domain>{servers}</emailProvider>\n</clientConfig>\n"
    )
}

fn server(kind: &str, host: &str, port: &str, socket: &str, rest: &str) -> String {
    format!(
        "<incomingServer type=\"{kind}\"><hostname>{host}</hostname><port>{port}</port>\
         <socketType>{socket}</socketType>{rest}</incomingServer>"
    )
}

fn look(address: &str, zone: &Zone, files: &Files) -> Findings {
    let base = format!("http://localhost:{}", files.port);
    let (autoconfig, well_known, mozilla) = (
        format!("{base}/autoconfig.{{domain}}"),
        format!("{base}/{{domain}}"),
        format!("{base}/mozilla/{{domain}}"),
    );
    let place = Place {
        autoconfig: &autoconfig,
        well_known: &well_known,
        mozilla: &mozilla,
    };
    let web = Web::with(&[], place);
    let who = Who::parse(address).unwrap();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(search(&who, zone, &web))
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv {
        priority,
        weight,
        port,
        target: target.to_owned(),
    }
}

/// Where, from whom, and whether it is sure.
fn summary(findings: &Findings) -> Vec<(String, Security, Source, Standing)> {
    let candidates = findings.candidates.iter();
    candidates
        .map(|it| {
            let place = format!("{}:{}", it.host, it.port);
            (place, it.security, it.source, it.standing)
        })
        .collect()
}

#[test]
fn records_come_in_their_order_and_those_that_lead_elsewhere_are_marked() {
    let zone = Zone {
        srv: HashMap::from([
            (
                "_pop3s._tcp.example.org.",
                vec![
                    srv(20, 0, 995, "late.example.org"),
                    srv(10, 1, 995, "light.example.org"),
                    srv(10, 9, 1995, "pop.example.net"),
                    srv(10, 5, 0, "no-port.example.org"),
                    srv(10, 5, 995, "not a host"),
                    srv(10, 0, 995, "notexample.org"),
                ],
            ),
            (
                "_pop3._tcp.example.org.",
                vec![srv(0, 0, 110, "example.org")],
            ),
        ]),
        there: vec!["pop.example.org."],
        ..Zone::default()
    };
    let findings = look("mrose@Example.org", &zone, &Files::start(&[]));
    let of = |place: &str, security, standing| (place.to_owned(), security, Source::Srv, standing);
    assert_eq!(
        summary(&findings),
        [
            of("pop.example.net:1995", Security::Tls, Standing::Ask),
            of("light.example.org:995", Security::Tls, Standing::Sure),
            of("notexample.org:995", Security::Tls, Standing::Ask),
            of("late.example.org:995", Security::Tls, Standing::Sure),
            of("example.org:110", Security::Stls, Standing::Sure),
        ]
    );
    for candidate in &findings.candidates {
        assert_eq!(candidate.users, ["mrose@example.org", "mrose"]);
    }
}

#[test]
fn what_the_provider_says_comes_before_mozilla_and_says_how_to_log_in() {
    let own = config(&[
        server("imap", "imap.example.org", "993", "SSL", ""),
        server(
            "pop3",
            " pop.%EMAILDOMAIN% ",
            "995",
            "SSL",
            "<username>%EMAILLOCALPART%-pop</username><authentication>OAuth2</authentication>\
             <authentication>password-encrypted</authentication><authentication>NTLM</authentication>",
        ),
        server("pop3", "pop.hoster.example", "110", "STARTTLS", "<username>%EMAILADDRESS%</username>"),
        server("pop3", "old.example.org", "110", "plain", "<username>%REALNAME%</username>"),
    ].concat());
    let mozilla = config(&server("pop3", "pop.mozilla.example", "995", "SSL", ""));
    let files = Files::start(&[
        ("/autoconfig.example.org", found(&own)),
        ("/mozilla/example.org", found(&mozilla)),
    ]);
    let zone = Zone {
        srv: HashMap::from([(
            "_pop3s._tcp.example.org.",
            vec![srv(0, 0, 995, "pop.mozilla.example")],
        )]),
        ..Zone::default()
    };
    let findings = look("m+rose@example.org", &zone, &files);
    let sure = Standing::Sure;
    assert_eq!(
        summary(&findings),
        [
            // Mozilla has said the same, with a certificate.
            (
                "pop.mozilla.example:995".to_owned(),
                Security::Tls,
                Source::Srv,
                sure
            ),
            (
                "pop.example.org:995".to_owned(),
                Security::Tls,
                Source::Provider,
                sure
            ),
            (
                "pop.hoster.example:110".to_owned(),
                Security::Stls,
                Source::Provider,
                sure
            ),
            (
                "old.example.org:110".to_owned(),
                Security::InClear,
                Source::Provider,
                sure
            ),
        ]
    );
    let [_, first, second, third] = &findings.candidates[..] else {
        panic!("there are four")
    };
    assert_eq!(first.users, ["m+rose-pop"]);
    let ways = [Authentication::OAuth2, Authentication::Proof];
    assert_eq!(first.authentication, ways);
    assert_eq!(second.users, ["m+rose@example.org"]);
    // What it is the file does not say.
    assert_eq!(third.users, ["m+rose@example.org", "m+rose"]);
    // Only the provider hears the address.
    assert_eq!(
        files.asked(),
        [
            "/autoconfig.example.org?emailaddress=m%2Brose%40example.org",
            "/example.org?emailaddress=m%2Brose%40example.org",
            "/mozilla/example.org",
        ]
    );
}

#[test]
fn a_domain_whose_mail_a_provider_takes_is_found_by_that_and_marked() {
    let xml = config(&server("pop3", "pop.hoster.co.uk", "995", "SSL", ""));
    let files = Files::start(&[("/mozilla/hoster.co.uk", found(&xml))]);
    let zone = Zone {
        mx: Some("mx1.in.hoster.co.uk"),
        ..Zone::default()
    };
    let findings = look("example.org", &zone, &files);
    let place = "pop.hoster.co.uk:995".to_owned();
    let expected = (place, Security::Tls, Source::MozillaByMx, Standing::Ask);
    assert_eq!(summary(&findings), [expected]);
    // Nobody was named.
    assert!(findings.candidates[0].users.is_empty());
}

#[test]
fn usual_names_are_guessed_if_nobody_says_anything_and_they_are_there() {
    let mut zone = Zone {
        there: vec!["example.org.", "mail.example.org."],
        ..Zone::default()
    };
    let findings = look("mrose@example.org", &zone, &Files::start(&[]));
    let guess = |place: &str| {
        (
            place.to_owned(),
            Security::Tls,
            Source::Guess,
            Standing::Sure,
        )
    };
    assert_eq!(
        summary(&findings),
        [guess("mail.example.org:995"), guess("example.org:995")]
    );
    // A domain that says that there is none is believed.
    zone.srv
        .insert("_pop3s._tcp.example.org.", vec![srv(0, 0, 0, "")]);
    let findings = look("mrose@example.org", &zone, &Files::start(&[]));
    assert_eq!(summary(&findings), []);
    let note = "SRV _pop3s._tcp: the domain says that there is none";
    assert!(
        findings.notes.iter().any(|it| it == note),
        "{:?}",
        findings.notes
    );
}

#[test]
fn files_that_are_none_find_nothing() {
    let deep = format!("<clientConfig>{}", "<a>".repeat(50_000));
    let entities =
        "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><clientConfig>&b;</clientConfig>";
    let long = format!("<clientConfig>{}</clientConfig>", " ".repeat(300_000));
    let page = "<!DOCTYPE html><html><body>not here</body></html>";
    let broken = config(
        &[
            server("pop3", "pop.example.org", "0", "SSL", ""),
            server("pop3", "pop.example.org", "99999", "SSL", ""),
            server("pop3", "pop.example.org", "995", "SSH", ""),
            server("pop3", "../etc", "995", "SSL", ""),
            server("pop3", "", "995", "SSL", ""),
            "<incomingServer type=\"pop3\"/>".to_owned(),
        ]
        .concat(),
    );
    for (reply, note) in [
        (found(page), "it is no such file"),
        (found(""), "it is no such file"),
        (found("<other/>"), "it is no such file"),
        (found(entities), "it is no such file"),
        (found(&deep), "it is no such file"),
        (found(&long), "it is longer than 262144 octets"),
        (found(&broken), "0 found"),
        (
            "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            "it answers with status 500",
        ),
        (
            "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
            "there is none",
        ),
        ("garbage".to_owned(), ""),
    ] {
        let files = Files::start(&[("/autoconfig.example.org", reply)]);
        let findings = look("mrose@example.org", &Zone::default(), &files);
        assert_eq!(summary(&findings), []);
        let told = findings.notes.iter();
        let told = told.filter(|it| it.contains("/autoconfig.example.org: "));
        let told: Vec<_> = told.collect();
        assert!(told.len() == 1 && told[0].ends_with(note), "{told:?}");
    }
}

#[test]
fn what_comes_in_clear_is_not_asked_for() {
    let place = Place {
        autoconfig: "https://localhost:1/{domain}",
        well_known: "http://localhost:1/{domain}",
        ..Place::REAL
    };
    let web = Web::with(&[], place);
    let who = Who::parse("mrose@example.org").unwrap();
    let (candidates, notes) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(web.provider(&who));
    assert!(candidates.is_empty());
    assert!(notes[1].contains("https"), "{notes:?}");
}

#[test]
fn a_search_can_be_a_task_of_its_own() {
    fn goes_elsewhere(_: impl Send) {}
    goes_elsewhere(discover("mrose@example.org", None));
}

#[test]
fn user_names_are_put_together_once() {
    let who = Who::parse("%EMAILDOMAIN%@example.org").unwrap();
    let xml = config(&server(
        "pop3",
        "pop.example.org",
        "995",
        "SSL",
        "<username>%EMAILLOCALPART%</username>",
    ));
    let candidates = autoconfig::read(&xml, &who, Source::Provider).unwrap();
    assert_eq!(candidates[0].users, ["%EMAILDOMAIN%"]);
}
