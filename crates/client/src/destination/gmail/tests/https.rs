//! The same over HTTPS, as Gmail itself is reached, and what each of its answers does to a message.

use super::*;
use crate::destination::script::identity;

/// A stand-in that shows a certificate, and the file of who vouches for it.
struct StandIn {
    base: String,
    thread: JoinHandle<Vec<Request>>,
    directory: tempfile::TempDir,
}

impl StandIn {
    fn start(answers: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = identity(&directory.path().join("authority.pem"));
        let (base, thread) = start_with(answers, Some(Arc::new(tls)));
        Self {
            base,
            thread,
            directory,
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            authorities: Some(self.directory.path().join("authority.pem")),
            ..settings(&self.base)
        }
    }

    fn done(self) -> Vec<Request> {
        self.thread.join().unwrap()
    }
}

/// An error in the form that Google's APIs have.
fn error(status: &str, reason: &str) -> String {
    let code = &status[..3];
    let text = format!(
        r#"{{"error":{{"code":{code},"message":"{reason} it is","errors":[{{"domain":"usageLimits","reason":"{reason}"}}]}}}}"#
    );
    answer(status, "Content-Type: application/json\r\n", &text)
}

#[test]
fn a_request_is_whole_and_says_what_the_api_asks_for() {
    let server = StandIn::start(&[WELL]);
    let mut gmail = Gmail::new(server.settings(), tokens().0).unwrap();
    let (mut text, _directory) = text(WIRE);
    gmail.deliver(&message(), &mut text).unwrap();
    let requests = server.done();
    let [request] = requests.as_slice() else {
        panic!("{} requests", requests.len())
    };
    let (path, query) = request.line.split_once('?').unwrap();
    assert_eq!(path, "POST /upload/gmail/v1/users/me/messages/import");
    let query = query.strip_suffix(" HTTP/1.1").unwrap();
    let query: Vec<_> = query.split('&').collect();
    assert_eq!(
        query,
        [
            "uploadType=multipart",
            "internalDateSource=dateHeader",
            "neverMarkSpam=false",
            "processForCalendar=false"
        ]
    );
    assert_eq!(request.field("authorization"), "Bearer token-0");
    assert!(request.field("host").starts_with("localhost:"));
    assert!(request.field("user-agent").starts_with("restante/"));
    let octets = request.body.len().to_string();
    assert_eq!(request.field("content-length"), octets);
    // A length and chunks would be two ways to say where it ends.
    let chunked = |it: &String| it.starts_with("transfer-encoding:");
    assert!(!request.fields.iter().any(chunked));
    let body = String::from_utf8(request.body.clone()).unwrap();
    let crlf = String::from_utf8(CRLF.to_vec()).unwrap();
    assert!(body.contains(&format!("Content-Type: message/rfc822\r\n\r\n{crlf}\r\n--")));
}

#[test]
fn a_token_is_shown_to_nobody_whom_nobody_vouches_for() {
    let server = StandIn::start(&[WELL]);
    let other = StandIn::start(&[]);
    let mut gmail = Gmail::new(
        Settings {
            authorities: other.settings().authorities,
            ..server.settings()
        },
        tokens().0,
    )
    .unwrap();
    let (mut text, _directory) = text(WIRE);
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::Unusable(why) if why.contains("TLS")),
        "{why}"
    );
    drop(gmail);
    assert!(server.done().is_empty());
}

#[test]
fn a_token_that_is_over_is_renewed_once_and_the_message_sent_again() {
    let over = error("401 Unauthorized", "authError");
    let server = StandIn::start(&[&over, WELL, &over, &over]);
    let (tokens, asked) = tokens();
    let mut gmail = Gmail::new(server.settings(), tokens).unwrap();
    let (mut text, _directory) = text(WIRE);
    gmail.deliver(&message(), &mut text).unwrap();
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::NoLogin(why) if why == "Gmail answers with status 401: authError it is"),
        "{why}"
    );
    let ages = [Age::Any, Age::New, Age::Any, Age::New];
    assert_eq!(*asked.lock().unwrap(), ages);
    let requests = server.done();
    let shown: Vec<_> = requests
        .iter()
        .map(|it| it.field("authorization").replace("Bearer ", ""))
        .collect();
    assert_eq!(shown, ["token-0", "token-1", "token-1", "token-2"]);
    // All of the text goes each time, though it was read before.
    let texts = requests.iter().map(|it| {
        let ends = it.body.windows(CRLF.len()).any(|part| part == CRLF);
        (ends, it.body.len())
    });
    let texts: Vec<_> = texts.collect();
    assert!(
        texts.iter().all(|it| it.0 && it.1 == texts[0].1),
        "{texts:?}"
    );
}

#[test]
fn what_asks_too_much_waits_and_is_not_asked_meanwhile() {
    for (status, reason, fields, seconds) in [
        ("403 Forbidden", "rateLimitExceeded", "", 60),
        ("403 Forbidden", "userRateLimitExceeded", "", 60),
        (
            "429 Too Many Requests",
            "rateLimitExceeded",
            "Retry-After: 17\r\n",
            17,
        ),
        // Nobody waits for a week because of a line.
        (
            "429 Too Many Requests",
            "rateLimitExceeded",
            "Retry-After: 604800\r\n",
            3600,
        ),
        ("500 Internal Server Error", "backendError", "", 60),
        ("502 Bad Gateway", "backendError", "", 60),
        (
            "503 Service Unavailable",
            "backendError",
            "Retry-After: 5\r\n",
            5,
        ),
    ] {
        let said = error(status, reason).replace("Content-Type", &format!("{fields}Content-Type"));
        let server = StandIn::start(&[&said]);
        let (tokens, asked) = tokens();
        let mut gmail = Gmail::new(server.settings(), tokens).unwrap();
        let (mut text, _directory) = text(WIRE);
        let why = gmail.deliver(&message(), &mut text).unwrap_err();
        let code = &status[..3];
        let told = format!(
            "Gmail answers with status {code}: {reason} it is; it is asked again in {seconds} s at the soonest"
        );
        assert!(
            matches!(&why, NotDelivered::NotNow(why) if *why == told),
            "{why}"
        );
        // Nobody listens any more, and nobody is asked.
        assert_eq!(server.done().len(), 1);
        let why = gmail.deliver(&message(), &mut text).unwrap_err();
        assert!(
            matches!(&why, NotDelivered::NotNow(why) if why.starts_with("Gmail wants to be left alone for ")),
            "{why}"
        );
        // Another token would change nothing.
        assert_eq!(*asked.lock().unwrap(), [Age::Any], "{status}");
    }
}

#[test]
fn what_is_too_large_or_not_allowed_is_not_tried_again_and_others_are() {
    let large = answer("413 Request Entity Too Large", "", "");
    let forbidden = error("403 Forbidden", "insufficientPermissions");
    let server = StandIn::start(&[&large, WELL, &forbidden]);
    let mut gmail = Gmail::new(server.settings(), tokens().0).unwrap();
    let (mut text, _directory) = text(WIRE);
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(
        matches!(&why, NotDelivered::Refused(why) if why == "Gmail answers with status 413"),
        "{why}"
    );
    // The next one is of another size.
    gmail.deliver(&message(), &mut text).unwrap();
    let why = gmail.deliver(&message(), &mut text).unwrap_err();
    assert!(matches!(&why, NotDelivered::Unusable(_)), "{why}");
    assert_eq!(server.done().len(), 3);
}
