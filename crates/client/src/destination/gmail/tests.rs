//! Gmail's API as a stand-in speaks it.

mod https;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::destination::script::{self, message, text};

const WIRE: &[u8] = b"From: a@b\r\n\r\n..\r\nb\r\n";
const CRLF: &[u8] = b"From: a@b\r\n\r\n.\r\nb\r\n";
const WELL: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"id\":\"17a\"}";

/// A request as it came.
struct Request {
    line: String,
    /// In small letters.
    fields: Vec<String>,
    body: Vec<u8>,
}

impl Request {
    fn field(&self, name: &str) -> &str {
        let field = |line: &&String| line.starts_with(&format!("{name}:"));
        let mut found = self.fields.iter().filter(field);
        let line = found.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(found.next().is_none(), "{name} twice");
        line[name.len() + 1..].trim()
    }
}

/// A connection, inside TLS or not.
trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// Answers each request by the next of the answers; one that is empty closes the connection.
fn start(answers: &[&str]) -> (String, JoinHandle<Vec<Request>>) {
    start_with(answers, None)
}

/// The same, inside TLS. A connection on which there is none gives no request.
fn start_with(
    answers: &[&str],
    tls: Option<Arc<ServerConfig>>,
) -> (String, JoinHandle<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = match &tls {
        Some(_) => format!("https://localhost:{port}"),
        None => format!("http://127.0.0.1:{port}"),
    };
    let answers: Vec<String> = answers.iter().map(|it| (*it).to_owned()).collect();
    let thread = spawn(move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (socket, _) = listener.accept().unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            let stream: Box<dyn Both> = match &tls {
                Some(tls) => {
                    let inside = ServerConnection::new(Arc::clone(tls)).unwrap();
                    Box::new(StreamOwned::new(inside, socket))
                }
                None => Box::new(socket),
            };
            let mut stream = BufReader::new(stream);
            if stream.fill_buf().is_err() {
                continue;
            }
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let mut request = Request {
                line: lines.remove(0),
                fields: lines,
                body: Vec::new(),
            };
            for field in &mut request.fields {
                let (name, value) = field.split_once(':').unwrap();
                *field = format!("{}:{value}", name.to_ascii_lowercase());
            }
            request.body = vec![0; request.field("content-length").parse().unwrap()];
            stream.read_exact(&mut request.body).unwrap();
            requests.push(request);
            if answer == "WAIT" {
                let _ = stream.read_to_end(&mut Vec::new());
            } else {
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
                stream.get_mut().flush().unwrap();
            }
        }
        requests
    });
    (base, thread)
}

fn settings(base: &str) -> Settings {
    let long = Duration::from_secs(15);
    Settings {
        base: base.to_owned(),
        limits: Limits {
            connect: long,
            reply: long,
            block: long,
            end: long,
            idle: long,
        },
        ..Settings::new("mrose@gmail.com")
    }
}

/// Tokens, each of its own name, and for which of them a new one was asked for.
fn tokens() -> (Tokens, Arc<Mutex<Vec<Age>>>) {
    script::tokens(|new| Secret::new(format!("token-{new}")))
}

fn answer(status: &str, fields: &str, text: &str) -> String {
    let octets = text.len();
    format!(
        "HTTP/1.1 {status}\r\n{fields}Content-Length: {octets}\r\nConnection: close\r\n\r\n{text}"
    )
}

/// What becomes of a message that gets this answer.
fn fares(answer: &str) -> Result<(), NotDelivered> {
    let (base, server) = start(&[answer]);
    let mut gmail = Gmail::new(settings(&base), tokens().0).unwrap();
    let (mut text, _directory) = text(WIRE);
    let outcome = gmail.deliver(&message(), &mut text);
    server.join().unwrap();
    outcome
}

#[test]
fn a_message_is_imported_with_its_octets_and_labels() {
    let large = b"..a line of a large text\r\n".repeat(100_000);
    let crlf = b".a line of a large text\r\n".repeat(100_000);
    let (base, server) = start(&[WELL, WELL]);
    let mut settings = settings(&base);
    settings.labels.push("Label \"7\"".into());
    settings.spam = Spam::Never;
    let (tokens, asked) = tokens();
    let mut gmail = Gmail::new(settings, tokens).unwrap();
    assert_eq!(gmail.name(), "gmail:mrose@gmail.com");
    gmail.open(Ended::InOrder).unwrap();
    for wire in [WIRE, &large] {
        let (mut text, _directory) = text(wire);
        gmail.deliver(&message(), &mut text).unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), [Age::Any; 3]);
    assert!(!format!("{gmail:?}").contains("token-"));
    let requests = server.join().unwrap();
    for (request, expected) in requests.iter().zip([CRLF, &crlf]) {
        let path = "POST /upload/gmail/v1/users/me/messages/import?uploadType=multipart&\
            internalDateSource=dateHeader&neverMarkSpam=true&processForCalendar=false HTTP/1.1";
        assert_eq!(request.line, path);
        assert_eq!(request.field("authorization"), "Bearer token-0");
        let kind = request.field("content-type");
        let boundary = kind.strip_prefix("multipart/related; boundary=").unwrap();
        assert_eq!(boundary.len(), 40);
        let labels = r#"{"labelIds":["INBOX","UNREAD","Label \"7\""]}"#;
        let head = format!(
            "--{boundary}\r\nContent-Type: application/json\r\n\r\n{labels}\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        assert!(request.body == [head.as_bytes(), expected, tail.as_bytes()].concat());
    }
}

#[test]
fn a_token_that_is_refused_is_asked_for_anew_once() {
    let not = answer(
        "401 Unauthorized",
        "",
        r#"{"error":{"message":"Invalid Credentials"}}"#,
    );
    let (base, server) = start(&[&not, WELL, &not, &not]);
    let (tokens, asked) = tokens();
    let mut gmail = Gmail::new(settings(&base), tokens).unwrap();
    let (mut text, _directory) = text(WIRE);
    gmail.deliver(&message(), &mut text).unwrap();
    let refused = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&refused, NotDelivered::NoLogin(why) if why.ends_with("401: Invalid Credentials"))
    );
    assert_eq!(
        *asked.lock().unwrap(),
        [Age::Any, Age::New, Age::Any, Age::New]
    );
    let came: Vec<_> = server.join().unwrap();
    let came: Vec<_> = came.iter().map(|it| it.field("authorization")).collect();
    assert_eq!(
        came,
        [
            "Bearer token-0",
            "Bearer token-1",
            "Bearer token-1",
            "Bearer token-2"
        ]
    );
}

#[test]
fn gmail_is_left_alone_when_it_asks_for_it() {
    let later = answer("429 Too Many Requests", "Retry-After: 1000\r\n", "");
    let (base, server) = start(&[&later]);
    let mut gmail = Gmail::new(settings(&base), tokens().0).unwrap();
    let (mut text, _directory) = text(WIRE);
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::NotNow(why) if why.contains("in 1000 s")),
        "{why}"
    );
    server.join().unwrap();
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::NotNow(why) if why.contains("left alone")),
        "{why}"
    );
}

#[test]
fn what_becomes_of_a_message_says_gmail() {
    let refused = fares(&answer(
        "400 Bad Request",
        "",
        r#"{"error":{"message":"no From"}}"#,
    ));
    assert!(matches!(refused, Err(NotDelivered::Refused(why)) if why.ends_with("400: no From")));
    let elsewhere = fares(&answer(
        "302 Found",
        "Location: http://localhost:1/\r\n",
        "",
    ));
    assert!(matches!(elsewhere, Err(NotDelivered::Unusable(_))));
    let broken = fares(&answer("503 Service Unavailable", "", "<html>"));
    assert!(matches!(broken, Err(NotDelivered::NotNow(_))));
    for cut in ["", "HTTP/1.1 2", "220 ESMTP\r\n"] {
        let why = fares(cut).unwrap_err();
        assert!(
            matches!(&why, NotDelivered::NotNow(why) if why.contains("may come twice")),
            "{why}"
        );
    }
    // The status is there, so the text does not matter.
    fares("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").unwrap();
}

#[test]
fn every_wait_has_an_end() {
    let (base, server) = start(&["WAIT"]);
    let mut settings = settings(&base);
    settings.limits.end = Duration::from_millis(200);
    let mut gmail = Gmail::new(settings, tokens().0).unwrap();
    let (mut text, _directory) = text(WIRE);
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::NotNow(why) if why.contains("may come twice")),
        "{why}"
    );
    drop(gmail);
    server.join().unwrap();
}

#[test]
fn what_cannot_go_there_is_told_before_anything_is_sent() {
    let nobody = settings("http://127.0.0.1:1");
    let mut gmail = Gmail::new(nobody.clone(), tokens().0).unwrap();
    let (mut text, _directory) = text(WIRE);
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::NotNow(why) if why.contains("cannot be reached")),
        "{why}"
    );
    gmail.octets_max = CRLF.len() as u64 - 1;
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(matches!(why, NotDelivered::Refused(_)), "{why}");
    let none: Tokens = Box::new(|_| Err(NotDelivered::NoLogin("log in anew".to_owned())));
    let mut gmail = Gmail::new(nobody, none).unwrap();
    let why = gmail.open(Ended::InOrder).unwrap_err();
    assert!(matches!(&why, NotDelivered::NoLogin(why) if why == "log in anew"));
    let odd: Tokens = Box::new(|_| Ok(Secret::new("a\r\nHost: b")));
    let mut gmail = Gmail::new(settings("http://127.0.0.1:1"), odd).unwrap();
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::Unusable(why) if !why.contains("Host")),
        "{why}"
    );
    for clear in [
        "http://gmail.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost@example.org",
        "ftp://localhost",
    ] {
        let refused = Gmail::new(settings(clear), tokens().0);
        assert!(matches!(refused, Err(NotDelivered::Unusable(_))), "{clear}");
    }
}
