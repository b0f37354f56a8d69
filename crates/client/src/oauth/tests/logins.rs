//! The ways to log in: what the person does, and what the server must see.

use std::cell::RefCell;
use std::net::TcpListener;
use std::thread::spawn;
use std::time::Duration;

use super::*;
use crate::oauth::device::login_with;
use crate::oauth::{DevicePrompt, LoggedOut, login_device, login_loopback};
use crate::secret::Source;
use crate::tests::authorization::{get, parameters};

/// Logs in by a code with these answers first: the prompt, the pauses, and what came of it.
fn by_device(
    server: &AuthorizationServer,
    answers: &[&'static str],
) -> (Option<DevicePrompt>, Vec<u64>, Result<Login, OauthError>) {
    server.state().device = answers.iter().copied().collect();
    let (mut prompt, pauses) = (None, RefCell::new(Vec::new()));
    let login = login_with(
        &provider(server),
        |it| prompt = Some(it.clone()),
        |pause| pauses.borrow_mut().push(pause.as_secs()),
    );
    (prompt, pauses.into_inner(), login)
}

#[test]
fn a_device_waits_as_long_as_it_is_told_to() {
    let server = AuthorizationServer::start();
    let pending = "authorization_pending";
    let (prompt, pauses, login) = by_device(&server, &[pending, pending, "slow_down", pending]);
    let status = login.unwrap().0.status();
    assert!(status.has_refresh_token);
    assert_eq!(status.scope.as_deref(), Some("mail offline_access"));
    // RFC 8628 §3.5: five seconds more from each slow_down on.
    assert_eq!(pauses, [5, 5, 10, 10]);
    let prompt = prompt.unwrap();
    assert_eq!(prompt.code, "WDJB-MJHT");
    assert_eq!(
        prompt.address,
        format!("http://127.0.0.1:{}/activate", server.port)
    );
    assert!(
        prompt
            .complete_address
            .unwrap()
            .ends_with("/activate?c=WDJB-MJHT")
    );
    assert_eq!(prompt.expires_in, Duration::from_secs(60));
    let asked = server.state().asked[0].clone();
    assert_eq!(asked.0, "/device");
    assert_eq!(asked.1["scope"], "mail offline_access");
    assert_eq!(asked.1["client_id"], "us");
}

#[test]
fn a_device_is_told_how_it_ends() {
    let server = AuthorizationServer::start();
    let ends = |answer| {
        by_device(&server, &["authorization_pending", answer])
            .2
            .unwrap_err()
    };
    assert!(matches!(ends("access_denied"), OauthError::Denied(_)));
    assert!(matches!(
        ends("authorization_declined"),
        OauthError::Denied(_)
    ));
    assert!(matches!(ends("expired_token"), OauthError::Expired));
    let refused = ends("invalid_grant");
    assert_eq!(
        refused.to_string(),
        "the provider refuses the request: invalid_grant: the server says invalid_grant"
    );
    assert!(!refused.may_pass() && !refused.needs_login());
    // A server that never ends it does not keep us waiting for ever.
    server.state().device_times = (1, 0);
    server.state().device = std::iter::repeat_n("authorization_pending", 100_000).collect();
    let late = login_device(&provider(&server), |_| {}).unwrap_err();
    assert!(matches!(late, OauthError::Expired), "{late}");
    // Nor one that says to ask again next year.
    server.state().device_times = (900, 30_000_000);
    let (_, pauses, _) = by_device(&server, &["authorization_pending"]);
    assert_eq!(pauses, [60]);
}

#[test]
fn a_device_asks_again_where_the_server_fails_for_a_while() {
    use crate::tests::authorization::Misbehaviour::{Says, SendsTo};
    let server = AuthorizationServer::start();
    let down = || Some(Says(503, "text/html", "<html>".to_owned()));
    server.state().next = [None, down(), down()].into();
    let (_, pauses, login) = by_device(&server, &["authorization_pending"]);
    login.unwrap();
    assert_eq!(pauses, [10, 20, 20]);
    // What does not pass is not asked again for ten minutes.
    server.state().next = [None, Some(SendsTo(server.url("token")))].into();
    let (_, pauses, login) = by_device(&server, &[]);
    let why = login.unwrap_err();
    assert!(why.to_string().contains("that is not followed"), "{why}");
    assert_eq!(pauses, [0; 0]);
}

#[test]
fn the_browser_of_this_machine_comes_back_by_itself() {
    let server = AuthorizationServer::start();
    for redirect in [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}",
        "http://localhost:{port}/cb",
    ] {
        let settings = Settings {
            redirect: redirect.to_owned(),
            login_hint: Some("mrose@example.org".to_owned()),
            ..settings(&server)
        };
        server.state().redirect = redirect.replace(":{port}", "");
        let provider = Provider::new("own", settings).unwrap();
        let mut browser = None;
        let login = login_loopback(&provider, 0, |address| {
            assert_eq!(parameters(address)["login_hint"], "mrose@example.org");
            let address = address.to_owned();
            browser = Some(spawn(move || {
                let back = browse(&address);
                let (at, _) = back.split_once('?').unwrap();
                let host = &at[..at.rfind(|it: char| it.is_ascii_digit()).unwrap() + 1];
                let state = &parameters(&back)["state"];
                // Whoever else comes there changes nothing.
                for (target, status) in [
                    ("/favicon.ico", "404"),
                    ("/other?code=1&state=2", "404"),
                    ("/", "404"),
                ] {
                    let (head, _) = get(&format!("{host}{target}"));
                    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
                }
                for query in [
                    "code=stolen".to_owned(),
                    "code=stolen&state=".to_owned(),
                    "error=access_denied&state=guessed".to_owned(),
                    format!("state={state}"),
                    format!("code=a&code=b&state={state}"),
                ] {
                    let (head, _) = get(&format!("{at}?{query}"));
                    assert!(head.starts_with("HTTP/1.1 400"), "{query}: {head}");
                }
                get(&back)
            }));
        });
        assert!(login.unwrap().0.status().has_refresh_token);
        let (head, page) = browser.unwrap().join().unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert!(page.contains("you may close this window"), "{page}");
    }
    assert_eq!(server.live_logins(), 3);
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let server = AuthorizationServer::start();
    server.state().person_agrees = false;
    let refused = login_loopback(&provider(&server), 0, |address| {
        let address = address.to_owned();
        spawn(move || get(&browse(&address)));
    });
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the login was refused: access_denied: the person said no"
    );
    let hasty = Settings {
        login_timeout: Duration::from_millis(200),
        ..settings(&server)
    };
    let hasty = Provider::new("own", hasty).unwrap();
    // Browsers open connections ahead, on which they say nothing.
    let mut idle = Vec::new();
    let late = login_loopback(&hasty, 0, |address| {
        let redirect = parameters(address)["redirect_uri"].clone();
        let port: u16 = redirect
            .rsplit(':')
            .next()
            .unwrap()
            .trim_matches('/')
            .parse()
            .unwrap();
        idle = (0..40)
            .map(|_| std::net::TcpStream::connect(("127.0.0.1", port)))
            .collect();
    });
    assert!(matches!(late, Err(OauthError::Expired)));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let why = login_loopback(&hasty, port, |_| panic!("the port is taken")).unwrap_err();
    let why = why.to_string();
    assert!(why.starts_with(&format!(
        "cannot wait for the browser at 127.0.0.1:{port}: "
    )));
}

/// The code as the address has it.
fn raw_code(back: &str) -> String {
    let (_, rest) = back.split_once("code=").unwrap();
    rest.split('&').next().unwrap().to_owned()
}

#[test]
fn what_is_pasted_may_be_the_address_its_query_or_the_code() {
    let server = AuthorizationServer::start();
    let provider = provider(&server);
    let paste = |of: &dyn Fn(&str) -> String| {
        let at = RefCell::new(String::new());
        let keep = |address: &str| *at.borrow_mut() = address.to_owned();
        login_pasted(&provider, keep, || Ok(of(&browse(&at.borrow()))))
    };
    paste(&|back| format!(" {back}\n")).unwrap();
    paste(&|back| format!("{back}#_=_")).unwrap();
    paste(&|back| back.split_once('?').unwrap().1.to_owned()).unwrap();
    paste(&|back| raw_code(back)).unwrap();
    paste(&|back| back.split_once("/?").unwrap().0.to_owned() + "/?code=" + &raw_code(back))
        .unwrap();
    let wrong = |of: &dyn Fn(&str) -> String| paste(of).unwrap_err().to_string();
    let other = |back: &str| {
        let state = parameters(back)["state"].clone();
        back.replace(&state, "another")
    };
    let not_ours = "that is not the answer to this login";
    assert_eq!(
        wrong(&other),
        format!("{not_ours} (its state is another one); begin again")
    );
    for text in [
        "http://127.0.0.1/",
        "I saw no code",
        "http://127.0.0.1/?a=b",
        &"x".repeat(20_000),
    ] {
        let why = wrong(&|_| text.to_owned());
        assert!(why.starts_with(not_ours), "{why}");
    }
    assert_eq!(
        wrong(&|_| "  ".to_owned()),
        "nothing was pasted: the line is empty"
    );
    assert!(wrong(&|_| "invented".to_owned()).contains("invalid_grant"));
    server.state().person_agrees = false;
    assert!(wrong(&str::to_owned).contains("the person said no"));
}

#[test]
fn a_code_is_of_no_use_to_anybody_else_and_of_none_twice() {
    let server = AuthorizationServer::start();
    let provider = provider(&server);
    // Two logins at once; the code of the first is pasted into the second.
    let stolen = RefCell::new(String::new());
    let at = RefCell::new(String::new());
    let keep = |address: &str| *at.borrow_mut() = address.to_owned();
    let first = login_pasted(&provider, keep, || {
        *stolen.borrow_mut() = browse(&at.borrow());
        Ok(stolen.borrow().clone())
    });
    let thief = login_pasted(&provider, |_| {}, || Ok(raw_code(&stolen.borrow())));
    assert!(first.is_ok());
    let why = thief.unwrap_err().to_string();
    assert!(why.contains("invalid_grant"), "{why}");
    assert_eq!(
        server.live_logins(),
        0,
        "the server ends what was made of a stolen code"
    );
    // The same with a code that nobody has used: only PKCE is in the way.
    let unused = RefCell::new(String::new());
    let _ = login_pasted(&provider, keep, || {
        *unused.borrow_mut() = raw_code(&browse(&at.borrow()));
        Ok(String::new())
    });
    let thief = login_pasted(&provider, |_| {}, || Ok(unused.borrow().clone()));
    assert!(thief.unwrap_err().to_string().contains("invalid_grant"));
}

#[test]
fn a_client_secret_is_shown_where_there_is_one() {
    let server = AuthorizationServer::start();
    server.state().client_secret = Some("not so secret".to_owned());
    let why = log_in(&provider(&server)).unwrap_err();
    assert!(matches!(why, OauthError::Refused(_)), "{why}");
    let settings = Settings {
        client_secret: Some(Source::Literal(sasl::Secret::new("not so secret"))),
        ..settings(&server)
    };
    let with_secret = Provider::new("own", settings).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&with_secret, directory.path());
    tokens.access(true).unwrap();
    assert!(matches!(tokens.log_out(), Ok(LoggedOut::Revoked)));
    assert!(!format!("{with_secret:?}").contains("not so secret"));
}
