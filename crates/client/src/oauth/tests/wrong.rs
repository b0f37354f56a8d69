//! Replies that are none of OAuth, and servers that are not who they should be.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::tests::authorization::Misbehaviour;

/// What comes of asking a server for new tokens that does this.
fn refreshed(misbehaviour: Misbehaviour, reply_timeout: Duration) -> OauthError {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("work.json");
    drop(logged_in(&provider(&server), directory.path()));
    let before = std::fs::read(&file).unwrap();
    server.state().next = [Some(misbehaviour)].into();
    let settings = Settings {
        reply_timeout,
        ..settings(&server)
    };
    let mut tokens = Tokens::open(
        directory.path(),
        "work",
        &Provider::new("own", settings).unwrap(),
    );
    let why = tokens.access(true).unwrap_err();
    if !why.needs_login() {
        assert_eq!(std::fs::read(&file).unwrap(), before, "{why}");
        // The refresh token was not lost: the server is well again, and gives another.
        let mut tokens = Tokens::open(directory.path(), "work", &provider(&server));
        tokens.access(true).unwrap();
    }
    why
}

fn says(status: u16, kind: &'static str, text: &str) -> Misbehaviour {
    Misbehaviour::Says(status, kind, text.to_owned())
}

#[test]
fn what_passes_by_itself_says_so() {
    let patient = Duration::from_secs(60);
    let json = "application/json";
    for (misbehaviour, told) in [
        (says(500, "text/html", "<h1>oops"), "status 500"),
        (
            says(503, json, "{\"error\":\"invalid_grant\"}"),
            "status 503",
        ),
        (says(429, json, "{}"), "status 429"),
        (
            says(400, json, "{\"error\":\"temporarily_unavailable\"}"),
            "temporarily_unavailable",
        ),
        (says(400, json, ""), "not one of OAuth"),
        (says(400, json, "{\"error\":17}"), "not one of OAuth"),
        (
            says(200, json, "{\"access_token\":\"access-9\""),
            "not one of OAuth",
        ),
        (says(200, json, "not JSON at all"), "not one of OAuth"),
        (says(200, json, ""), "not one of OAuth"),
        (says(200, json, "[[[[[[[["), "not one of OAuth"),
        (
            says(200, "text/html", "<h1>Log in to the hotel"),
            "not one of OAuth",
        ),
        (
            says(200, json, "{\"token_type\":\"Bearer\"}"),
            "not one of OAuth",
        ),
        (
            says(
                200,
                json,
                "{\"access_token\":\"\",\"token_type\":\"Bearer\"}",
            ),
            "not one of OAuth",
        ),
        (
            says(
                200,
                json,
                "{\"access_token\":\"a\\u0001b\",\"token_type\":\"Bearer\"}",
            ),
            "not one of OAuth",
        ),
        (
            says(200, json, "{\"access_token\":\"a\",\"token_type\":\"mac\"}"),
            "no bearer token",
        ),
        (Misbehaviour::Endless, "longer than 262144 octets"),
        (Misbehaviour::NoHttp, "does not answer properly"),
    ] {
        let shape = format!("{misbehaviour:?}");
        let why = refreshed(misbehaviour, patient);
        assert!(why.to_string().contains(told), "{shape}: {why}");
        assert!(why.may_pass(), "{shape}: {why}");
        // What came may be a token, so it is not shown.
        assert!(!format!("{why} {why:?}").contains("access-9"), "{why:?}");
    }
    for slow in [Misbehaviour::Drips, Misbehaviour::Silent] {
        let why = refreshed(slow, Duration::from_millis(500));
        assert_eq!(why.to_string(), "localhost takes too long");
        assert!(why.may_pass());
    }
}

#[test]
fn what_does_not_pass_says_so() {
    let patient = Duration::from_secs(60);
    let json = "application/json";
    for (misbehaviour, told) in [
        (
            says(401, json, "{\"error\":\"invalid_client\"}"),
            "invalid_client",
        ),
        (
            says(400, json, "{\"error\":\"invalid_scope\"}"),
            "invalid_scope",
        ),
        (
            says(
                400,
                json,
                "{\"error\":\"unknown\\u001b[2J\",\"error_description\":\"a\\r\\n b\"}",
            ),
            "unknown[2J: a b",
        ),
        (says(301, json, ""), "sends us to nowhere"),
    ] {
        let why = refreshed(misbehaviour, patient);
        assert!(why.to_string().contains(told), "{why}");
        assert!(!why.may_pass() && !why.needs_login(), "{why}");
    }
    for code in ["invalid_grant", "interaction_required", "consent_required"] {
        let text = format!("{{\"error\":\"{code}\"}}");
        let why = refreshed(says(400, json, &text), patient);
        assert!(matches!(why, OauthError::Dead { .. }), "{why}");
    }
}

#[test]
fn no_redirect_is_followed() {
    let thief = AuthorizationServer::start();
    let to = format!("{}?refresh_token=refresh-1", thief.url("token"));
    let why = refreshed(Misbehaviour::SendsTo(to), Duration::from_secs(60));
    assert_eq!(
        why.to_string(),
        format!(
            "localhost sends us to {}, and that is not followed; write the right address into the configuration",
            thief.url("token")
        )
    );
    assert!(!why.may_pass());
    assert_eq!(thief.state().asked.len(), 0);
}

#[test]
fn a_server_that_is_not_there_may_come_back() {
    let server = AuthorizationServer::start();
    let directory = tempfile::tempdir().unwrap();
    let mut tokens = logged_in(&provider(&server), directory.path());
    drop(server);
    let why = tokens.access(true).unwrap_err();
    assert!(why.may_pass(), "{why}");
    assert!(
        why.to_string().starts_with("localhost cannot be reached: "),
        "{why}"
    );
}

#[test]
fn a_server_must_show_a_certificate_that_is_believed() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("authority.pem");
    std::fs::write(&authority, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let server = AuthorizationServer::start_tls(Arc::new(config));
    let with = |authorities, host: &str| {
        let mut settings = Settings {
            authorities,
            ..settings(&server)
        };
        for url in [
            &mut settings.endpoints.token,
            &mut settings.endpoints.authorize,
        ] {
            *url = url.replace("localhost", host);
        }
        settings.endpoints.device = DeviceFlow::At(server.url("device").replace("localhost", host));
        let provider = Provider::new("own", settings).unwrap();
        crate::oauth::device::login_with(&provider, |_| {}, |_| {})
    };
    let login = with(Some(authority.clone()), "localhost").unwrap();
    assert!(login.0.status().has_refresh_token);
    // Its certificate is for another name, or nobody vouches for it.
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let strangers = directory.path().join("stranger.pem");
    std::fs::write(&strangers, stranger.cert.pem()).unwrap();
    for (authorities, host) in [(&authority, "127.0.0.1"), (&strangers, "localhost")] {
        let why = with(Some(authorities.clone()), host).unwrap_err();
        assert!(
            why.to_string()
                .starts_with(&format!("no TLS with {host}: ")),
            "{why}"
        );
        assert!(!why.may_pass());
    }
    assert_eq!(server.state().asked.len(), 2);
    let none = with(Some(directory.path().join("none.pem")), "localhost");
    assert!(none.unwrap_err().to_string().contains("none.pem"));
}
