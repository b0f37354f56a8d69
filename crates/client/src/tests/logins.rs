//! Connecting and logging in.

use super::server::Server;
use super::{PATIENCE, account, block_on, login, open};
use crate::{Account, ClientError, Credentials, Kind, Patience, Pin, Transport, Trusted, connect};
use sasl::Secret;
use std::time::Duration;

/// What comes of a login, as a person reads it.
fn told(port: u16, transport: Transport) -> String {
    match block_on(connect(&account(port, transport), PATIENCE)) {
        Ok(_) => "logged in".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn user_and_pass_in_clear_only_if_that_is_asked_for() {
    let server = Server::start(login("USER\nUIDL"));
    assert_eq!(told(server.port, Transport::InClear), "logged in");
    server.done();
}

#[test]
fn a_server_that_knows_no_capa_is_logged_into() {
    let server = Server::start(
        "S: +OK\nC: CAPA\nS: -ERR what\nC: USER mrose\nS: +OK\nC: PASS redqueen\nS: +OK\n",
    );
    assert_eq!(told(server.port, Transport::InClear), "logged in");
    server.done();
}

#[test]
fn stls_is_used_and_what_was_said_in_clear_is_forgotten() {
    let script = "S: +OK <1.2@old>\nC: STLS\nS: +OK\nTLS\nC: CAPA\nS: +OK\nS: SASL PLAIN\nS: .\n\
                  C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\nS: +OK\nC: CAPA\nS: +OK\nS: .\n";
    let server = Server::start(script);
    let trusted = Trusted::authorities(&server.authority()).unwrap();
    assert_eq!(told(server.port, Transport::Stls(trusted)), "logged in");
    server.done();
}

#[test]
fn no_password_without_the_tls_that_was_asked_for() {
    for (script, why) in [
        (
            "S: +OK\nC: STLS\nS: -ERR no\nWAIT\n",
            "it refuses STLS: -ERR no",
        ),
        (
            "S: +OK\nC: STLS\nRAW +OK\\n+OK injected\\n\nWAIT\n",
            "server sent octets in clear after the start of TLS",
        ),
        (
            "S: +OK\nC: STLS\nS: +OK\nS: this is no TLS\nWAIT\n",
            "no TLS with localhost",
        ),
    ] {
        let server = Server::start(script);
        let trusted = Trusted::authorities(&server.authority()).unwrap();
        let told = told(server.port, Transport::Stls(trusted));
        assert!(told.contains(why), "{told}");
        server.done();
    }
}

#[test]
fn a_certificate_is_believed_by_authority_or_by_pin() {
    let script = format!("TLS\n{}", login("USER"));
    let server = Server::start(script.as_str());
    let pinned = Trusted::pinned(server.pin()).unwrap();
    assert_eq!(told(server.port, Transport::Tls(pinned)), "logged in");
    server.done();

    let server = Server::start(script.as_str());
    let trusted = Trusted::authorities(&server.authority()).unwrap();
    assert_eq!(told(server.port, Transport::Tls(trusted)), "logged in");
    server.done();
}

#[test]
fn a_certificate_that_is_not_believed_gets_no_password() {
    let other: Pin = "00".repeat(32).parse().unwrap();
    let server = Server::start("TLS\nS: +OK\n");
    let shown = server.pin();
    let told_ = told(server.port, Transport::Tls(Trusted::pinned(other).unwrap()));
    let why = format!("its certificate is another than the pinned one; its SHA-256 is {shown}");
    assert!(told_.ends_with(&why), "{told_}");

    let server = Server::start("TLS\nS: +OK\n");
    let stranger = Server::start("");
    let trusted = Trusted::authorities(&stranger.authority()).unwrap();
    let told_ = told(server.port, Transport::Tls(trusted));
    assert!(told_.contains("invalid peer certificate"), "{told_}");
}

#[test]
fn refusals_say_whether_to_try_again() {
    for (reply, kind) in [
        ("-ERR [AUTH] no", Kind::Auth),
        ("-ERR no", Kind::Auth),
        ("-ERR [IN-USE] another session", Kind::Busy),
        ("-ERR [LOGIN-DELAY] not yet", Kind::Busy),
        ("-ERR [SYS/TEMP] the disk", Kind::Temporary),
        ("-ERR [SYS/PERM] the disk", Kind::Permanent),
    ] {
        let script = login("USER");
        let (before, _) = script.split_once("PASS redqueen\n").unwrap();
        let script = format!("{before}PASS redqueen\nS: {reply}\n");
        let server = Server::start(script);
        let error = block_on(open(server.port, PATIENCE)).unwrap_err();
        assert_eq!(error.kind(), kind, "{reply}");
        assert_eq!(error.status().unwrap().to_string(), reply);
        assert!(error.to_string().ends_with(reply), "{error}");
        server.done();
    }
    let server = Server::start("S: -ERR too many connections\n");
    assert!(
        block_on(open(server.port, PATIENCE))
            .unwrap_err()
            .may_pass()
    );
}

#[test]
fn a_server_that_cannot_prove_itself_is_no_server_of_ours() {
    let script =
        "S: +OK\nC: CAPA\nS: +OK\nS: SASL CRAM-MD5 PLAIN\nS: .\nC: AUTH CRAM-MD5\nS: +OK\n";
    let server = Server::start(script);
    let error = block_on(open(server.port, PATIENCE)).unwrap_err();
    assert!(matches!(error, ClientError::Impostor(_)), "{error}");
    server.done();
}

#[test]
fn a_server_with_nothing_in_common_is_named() {
    let server = Server::start("S: +OK\nC: CAPA\nS: +OK\nS: SASL GSSAPI NTLM\nS: .\nWAIT\n");
    let error = block_on(open(server.port, PATIENCE)).unwrap_err();
    assert!(
        error.to_string().ends_with("(it offers GSSAPI, NTLM)"),
        "{error}"
    );
    server.done();
}

#[test]
fn nobody_waits_for_ever() {
    let patience = Patience {
        login: Duration::from_millis(200),
        ..PATIENCE
    };
    for script in ["WAIT\n", "S: +OK\nC: CAPA\nS: +OK\nRAW USER\nWAIT\n"] {
        let server = Server::start(script);
        let error = block_on(open(server.port, patience)).unwrap_err();
        assert!(matches!(error, ClientError::TooSlow { .. }), "{error}");
        server.done();
    }
    let error = block_on(open(1, PATIENCE)).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[test]
fn what_does_not_end_is_not_kept() {
    for (script, why) in [
        ("REPEAT x\n", "server sent a line that does not end"),
        (
            "S: 220 smtp.example.org ESMTP\nWAIT\n",
            "server said something that is no POP3 reply",
        ),
        (
            "S: +OK\nC: CAPA\nS: +OK\nREPEAT X-ANYTHING\\n\n",
            "server sent a list that does not end",
        ),
    ] {
        let server = Server::start(script);
        let error = block_on(open(server.port, PATIENCE)).unwrap_err();
        assert_eq!(error.to_string(), why);
        server.done();
    }
}

/// A login by AUTH where the server has SCRAM and PLAIN, with a password of one's choice.
fn scram_login(secret: &str, script: &str) -> Result<(), ClientError> {
    let capa = "C: CAPA\nS: +OK\nS: SASL SCRAM-SHA-256 PLAIN\nS: .\n";
    let server = Server::start(format!("S: +OK\n{capa}{script}"));
    let account = Account {
        credentials: Credentials::Password(Secret::new(secret)),
        ..account(server.port, Transport::InClear)
    };
    let outcome = block_on(connect(&account, PATIENCE)).map(drop);
    server.done();
    outcome
}

/// What follows a login by PLAIN.
const AFTER: &str = "S: +OK\nC: CAPA\nS: +OK\nS: .\n";

#[test]
fn a_password_that_scram_cannot_have_is_sent() {
    // A mark that changes how text is shown (RFC 3454 §C.8) is prohibited.
    let secret = "\u{200e}red";
    let plain = "C: AUTH PLAIN AG1yb3NlAOKAjnJlZA==\n";
    scram_login(secret, &format!("{plain}{AFTER}")).unwrap();

    let server = Server::start("S: +OK\nC: CAPA\nS: +OK\nS: SASL SCRAM-SHA-256\nS: .\nWAIT\n");
    let account = Account {
        credentials: Credentials::Password(Secret::new(secret)),
        ..account(server.port, Transport::InClear)
    };
    let error = block_on(connect(&account, PATIENCE)).unwrap_err();
    let told = "(it offers SCRAM-SHA-256; the password holds characters that SCRAM cannot use)";
    assert!(error.to_string().ends_with(told), "{error}");
    server.done();
}

#[test]
fn a_server_that_says_what_is_wrong_has_refused_the_login() {
    // `e=invalid-proof` where the server's signature is due.
    let refusal =
        "SCRAM s=c2FsdHNhbHQ=,i=4096\nPROOF\nS: + ZT1pbnZhbGlkLXByb29m\nC: *\nS: -ERR [AUTH] no\n";
    let plain = "C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\n";
    let error =
        scram_login("redqueen", &format!("{refusal}{plain}S: -ERR [AUTH] no\n")).unwrap_err();
    assert!(matches!(error, ClientError::LoginRefused(_)), "{error}");
    scram_login("redqueen", &format!("{refusal}{plain}{AFTER}")).unwrap();
}

#[test]
fn a_server_that_wants_too_few_iterations_is_logged_into_the_next_way() {
    let few = "SCRAM s=c2FsdHNhbHQ=,i=1000\nC: *\nS: -ERR cancelled\n";
    let plain = "C: AUTH PLAIN AG1yb3NlAHJlZHF1ZWVu\n";
    scram_login("redqueen", &format!("{few}{plain}{AFTER}")).unwrap();
}
