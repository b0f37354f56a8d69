//! Logging in with a token, with a certificate, and by the one way that was asked for.

use super::server::Server;
use super::{PATIENCE, account, block_on};
use crate::{Account, ClientError, Credentials, Transport, Way, connect};
use sasl::{Mechanism, Secret, base64, oauth};

/// Logs in at a server that says this to CAPA, and then follows the script; in clear.
fn log_in(
    capabilities: &str,
    script: &str,
    change: impl FnOnce(&mut Account),
) -> Result<(), ClientError> {
    let server = Server::start(format!(
        "S: +OK ready <1896.6971@mailgate.dobbs.org>\nC: CAPA\nS: +OK\n{capabilities}S: .\n{script}"
    ));
    let mut account = account(server.port, Transport::InClear);
    change(&mut account);
    let outcome = block_on(connect(&account, PATIENCE)).map(drop);
    server.done();
    outcome
}

/// What follows every login.
const AFTER: &str = "C: CAPA\nS: +OK\nS: .\n";

fn token(account: &mut Account) {
    account.credentials = Credentials::Token(Secret::new("t0k"));
}

fn forced(way: &str) -> impl FnOnce(&mut Account) {
    let way: Way = way.parse().unwrap();
    move |account| account.way = Some(way)
}

fn xoauth2() -> String {
    base64::encode(oauth::xoauth2_message("mrose", &Secret::new("t0k")).expose())
}

#[test]
fn a_token_goes_by_xoauth2_in_two_lines_even_if_nobody_announces_it() {
    for capabilities in ["S: SASL PLAIN XOAUTH2\n", "S: USER\n", ""] {
        let script = format!(
            "C: AUTH XOAUTH2\nS: + \nC: {}\nS: +OK User successfully authenticated.\n{AFTER}",
            xoauth2()
        );
        log_in(capabilities, &script, token).unwrap();
    }
}

#[test]
fn a_token_goes_by_oauthbearer_where_there_is_one() {
    // The port is in the message, so the script takes what comes.
    let script = format!("AUTH OAUTHBEARER\nS: +OK\n{AFTER}");
    log_in("S: SASL XOAUTH2 OAUTHBEARER\n", &script, token).unwrap();

    // One that is too long for the line of AUTH waits until it is asked for.
    let script = format!("C: AUTH OAUTHBEARER\nS: +\nPROOF\nS: +OK\n{AFTER}");
    log_in("S: SASL OAUTHBEARER\n", &script, |account| {
        account.credentials = Credentials::Token(Secret::new("t".repeat(2000)));
    })
    .unwrap();
}

#[test]
fn a_refused_token_is_told_with_what_the_server_says_of_it() {
    let json = "{\"status\":\"401\",\x1b[2J\"scope\":\"https://mail.example.com/\"}";
    let challenge = base64::encode(json.as_bytes());
    for (capabilities, script) in [
        (
            "S: SASL XOAUTH2\n",
            format!(
                "C: AUTH XOAUTH2\nS: + \nC: {}\nS: + {challenge}\nC: \nS: -ERR no\n",
                xoauth2()
            ),
        ),
        (
            "S: SASL OAUTHBEARER\n",
            format!("AUTH OAUTHBEARER\nS: + {challenge}\nC: AQ==\nS: -ERR no\n"),
        ),
    ] {
        let error = log_in(capabilities, &script, token).unwrap_err();
        let ClientError::TokenRefused { explanation } = &error else {
            panic!("{error}")
        };
        let told =
            "{\"status\":\"401\",\u{fffd}[2J\"scope\":\"https://mail.example.com/\"} (-ERR no)";
        assert_eq!(explanation, told);
        assert!(!error.may_pass());
    }
    // A server that says it in one line.
    let script = format!(
        "C: AUTH XOAUTH2\nS: + \nC: {}\nS: -ERR Authentication failure\n",
        xoauth2()
    );
    let error = log_in("", &script, token).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server refused the token: -ERR Authentication failure"
    );
    // A server that says that all is well after all is none that is believed.
    let script = format!(
        "C: AUTH XOAUTH2\nS: + \nC: {}\nS: + {challenge}\nC: \nS: +OK\n",
        xoauth2()
    );
    let error = log_in("", &script, token).unwrap_err();
    assert!(matches!(error, ClientError::Impostor(_)), "{error}");
}

#[test]
fn a_token_that_cannot_be_looked_at_now_is_not_a_refused_one() {
    let script = format!(
        "C: AUTH XOAUTH2\nS: + \nC: {}\nS: -ERR [SYS/TEMP] later\n",
        xoauth2()
    );
    let error = log_in("", &script, token).unwrap_err();
    assert!(matches!(error, ClientError::NotNow(_)), "{error}");
}

#[test]
fn first_words_that_are_not_understood_are_said_when_asked_for() {
    let plain = "AG1yb3NlAHJlZHF1ZWVu";
    let script = format!(
        "C: AUTH PLAIN {plain}\nS: -ERR Syntax error in parameters\n\
         C: AUTH PLAIN\nS: +\nC: {plain}\nS: +OK\n{AFTER}"
    );
    log_in("S: SASL PLAIN\n", &script, forced("plain")).unwrap();

    let script = format!(
        "AUTH OAUTHBEARER\nS: -ERR Protocol error\nC: AUTH OAUTHBEARER\nS: + \nPROOF\nS: +OK\n{AFTER}"
    );
    log_in("S: SASL OAUTHBEARER\n", &script, token).unwrap();

    // A password that is wrong is not shown twice.
    for reply in ["-ERR [AUTH] syntax error", "-ERR invalid login"] {
        let script = format!("C: AUTH PLAIN {plain}\nS: {reply}\nWAIT\n");
        let error = log_in("S: SASL PLAIN\n", &script, forced("plain")).unwrap_err();
        assert!(matches!(error, ClientError::LoginRefused(_)), "{error}");
    }
}

#[test]
fn the_way_that_was_asked_for_is_gone_whatever_is_announced() {
    // The digest is that of `<1896.6971@mailgate.dobbs.org>redqueen`.
    let script = format!("C: APOP mrose {APOP}\nS: +OK\n{AFTER}");
    log_in("S: SASL PLAIN\nS: USER\n", &script, forced("apop")).unwrap();

    let script = format!("C: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\n{AFTER}");
    log_in("S: SASL SCRAM-SHA-256\n", &script, forced("user")).unwrap();

    let script = format!(
        "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: bXJvc2U=\nS: + UGFzc3dvcmQ6\nC: cmVkcXVlZW4=\nS: +OK\n{AFTER}"
    );
    log_in("", &script, forced("login")).unwrap();

    let error = log_in("", "WAIT\n", |account| {
        token(account);
        account.way = Some(Way::Auth(Mechanism::Plain));
    })
    .unwrap_err();
    assert!(matches!(error, ClientError::Unfit { .. }), "{error}");
}

const APOP: &str = "66fa9139d8c644661973fc5e3f989f18";

#[test]
fn a_timestamp_alone_makes_nobody_say_apop() {
    let script = format!("C: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\n{AFTER}");
    log_in("S: USER\n", &script, |_| ()).unwrap();
}

#[test]
fn a_certificate_logs_in_by_external() {
    let certificate = |account: &mut Account| account.credentials = Credentials::Certificate;
    let script = format!("C: AUTH EXTERNAL bXJvc2U=\nS: +OK\n{AFTER}");
    log_in("S: SASL EXTERNAL PLAIN\n", &script, certificate).unwrap();

    let script = format!("C: AUTH EXTERNAL =\nS: +OK\n{AFTER}");
    log_in("", &script, |account| {
        certificate(account);
        account.user = String::new();
    })
    .unwrap();
}

#[test]
fn a_server_that_asks_on_for_ever_asks_in_vain() {
    // One that does not wait for answers, and one that does.
    let asks = "S: + \nPROOF\n".repeat(2) + &"S: + \nC: *\n".repeat(62);
    for asks in ["REPEAT + VXNlcm5hbWU6\\n", &format!("{asks}S: + \nWAIT")] {
        let script = format!("C: AUTH LOGIN\n{asks}\n");
        let error = log_in("", &script, forced("login")).unwrap_err();
        assert_eq!(error.to_string(), "server sent a list that does not end");
    }
}
