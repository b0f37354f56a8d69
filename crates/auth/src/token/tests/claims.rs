//! What a token claims: each claim wrong once, and what may differ.

use super::*;

#[test]
fn each_claim_wrong_once() {
    let key = Key::p256("2026");
    let bench = Bench::knowing(&[&key]);
    let claim = |name: &str| TokenError::Claim(name.to_owned());
    for (name, value, why) in [
        (
            "iss",
            json!("https://id.dobbs.org/realms/other"),
            TokenError::Issuer,
        ),
        (
            "iss",
            json!("https://id.dobbs.org/realms/mail/"),
            TokenError::Issuer,
        ),
        ("iss", json!([ISSUER]), claim("iss")),
        ("iss", Value::Null, claim("iss")),
        ("aud", json!("imap"), TokenError::Audience),
        ("aud", json!("POP3"), TokenError::Audience),
        ("aud", json!([]), TokenError::Audience),
        ("aud", json!(["imap", "smtp"]), TokenError::Audience),
        ("aud", json!(["pop3", 3]), claim("aud")),
        ("aud", json!({"pop3": true}), claim("aud")),
        ("aud", Value::Null, claim("aud")),
        ("exp", json!(NOW - 60), TokenError::Expired),
        ("exp", json!(0), TokenError::Expired),
        ("exp", json!(-1), claim("exp")),
        ("exp", json!("1795651500"), claim("exp")),
        ("exp", json!(1e300), claim("exp")),
        ("exp", json!(1e19), claim("exp")),
        ("exp", Value::Null, claim("exp")),
        ("nbf", json!(NOW + 61), TokenError::Early),
        ("nbf", json!(NOW as f64 + 60.5), TokenError::Early),
        ("nbf", json!(true), claim("nbf")),
        ("iat", json!(NOW + 86_400), TokenError::Early),
        (
            "cnf",
            json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
            TokenError::Bound,
        ),
        ("email", json!(7), claim("email")),
        ("email", Value::Null, claim("email")),
        (
            "email",
            json!("../etc@dobbs.org"),
            TokenError::Account(NameError::Character('/')),
        ),
        ("email", json!(""), TokenError::Account(NameError::Empty)),
        ("email_verified", json!(false), TokenError::Unverified),
        ("email_verified", json!("true"), TokenError::Unverified),
        ("email_verified", Value::Null, TokenError::Unverified),
        ("scope", json!("openid profile"), TokenError::Scope),
        ("scope", json!("mailbox"), TokenError::Scope),
        ("scope", json!(""), TokenError::Scope),
        ("scope", json!(["openid"]), TokenError::Scope),
        ("scope", Value::Null, TokenError::Scope),
        ("scope", json!(1), claim("scope")),
    ] {
        let token = key.token("ES256", &with(name, value.clone()));
        assert_eq!(bench.verify(&token), Err(why), "{name}: {value}");
    }
}

#[test]
fn what_may_differ_is_accepted() {
    let key = Key::ed25519("2026");
    let bench = Bench::knowing(&[&key]);
    for (name, value) in [
        ("aud", json!(["imap", "pop3"])),
        ("scope", json!("mail")),
        ("scope", json!(["openid", "mail"])),
        ("scope", json!(["openid mail"])),
        // Within the leeway.
        ("exp", json!(NOW - 59)),
        ("exp", json!(NOW as f64 + 0.5)),
        ("nbf", json!(NOW + 60)),
        ("nbf", Value::Null),
        ("iat", json!(NOW + 60)),
        ("iat", Value::Null),
        ("sub", Value::Null),
    ] {
        let token = key.token("EdDSA", &with(name, value.clone()));
        let account = bench.account(&token);
        assert_eq!(account.as_deref(), Ok("mrose@dobbs.org"), "{name}: {value}");
    }
    let mut claims = with("scope", Value::Null);
    claims["scp"] = json!(["mail"]);
    assert!(bench.verify(&key.token("EdDSA", &claims)).is_ok());
    // `scope` says less than `scp`, and is the one that is registered.
    claims["scope"] = json!("openid");
    let token = key.token("EdDSA", &claims);
    assert_eq!(bench.verify(&token), Err(TokenError::Scope));
}

#[test]
fn the_account_claim_is_the_one_that_was_chosen() {
    let key = Key::ed25519("2026");
    let mut claims = good();
    claims["preferred_username"] = json!("mrose");
    claims["email_verified"] = json!(false);
    let token = key.token("EdDSA", &claims);
    for (claim, account) in [
        ("preferred_username", "mrose"),
        ("sub", "4f2c8a6e-0b1d-4c3e-9f57-2a6d8e1b7c90"),
    ] {
        let bench = Bench::with(&set(&[&key]), |settings| {
            settings.account_claim = claim.into();
        });
        assert_eq!(bench.account(&token).as_deref(), Ok(account));
    }
}

#[test]
fn every_scope_that_is_asked_for_must_be_there() {
    let key = Key::ed25519("2026");
    let bench = Bench::with(&set(&[&key]), |settings| settings.scope = "mail pop".into());
    let token = |scope: &str| key.token("EdDSA", &with("scope", json!(scope)));
    assert_eq!(bench.verify(&token("mail")), Err(TokenError::Scope));
    assert!(bench.verify(&token("pop openid mail")).is_ok());
}

#[test]
fn a_refused_client_learns_where_to_get_a_token_of_what_scope() {
    let key = Key::ed25519("2026");
    let hints = Bench::knowing(&[&key]).verifier.hints();
    assert_eq!(hints.scope.as_deref(), Some("mail"));
    let place = format!("{ISSUER}/.well-known/openid-configuration");
    assert_eq!(hints.openid_configuration, Some(place));
}

#[test]
fn no_error_shows_what_was_in_the_token() {
    let key = Key::ed25519("2026");
    let bench = Bench::knowing(&[&key]);
    for claim in [
        "iss",
        "aud",
        "exp",
        "nbf",
        "email",
        "email_verified",
        "scope",
        "cnf",
    ] {
        for value in [json!("s3cret value"), json!(["s3cret", 4711]), json!(4711)] {
            if let Err(error) = bench.verify(&key.token("EdDSA", &with(claim, value))) {
                let told = format!("{error} {error:?}");
                assert!(!told.contains("s3cret") && !told.contains("4711"), "{told}");
            }
        }
    }
}
