//! What is no token at all.

use std::sync::LazyLock;

use super::*;

#[test]
fn other_kinds_of_jwt_are_no_access_tokens() {
    let key = Key::ed25519("2026");
    let bench = Bench::knowing(&[&key]);
    let signed = |header: Value| bench.verify(&key.sign("EdDSA", &header, &good()));
    for kind in ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"] {
        assert!(
            signed(json!({"alg": "EdDSA", "typ": kind})).is_ok(),
            "{kind}"
        );
    }
    assert!(signed(json!({"alg": "EdDSA"})).is_ok());
    for kind in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JOSE", ""] {
        let refused = signed(json!({"alg": "EdDSA", "typ": kind}));
        assert_eq!(refused, Err(TokenError::Kind), "{kind}");
    }
    for names in [json!(["exp"]), json!(["b64"]), json!([])] {
        let refused = signed(json!({"alg": "EdDSA", "crit": names, "b64": false}));
        assert_eq!(refused, Err(TokenError::Critical));
    }
}

#[test]
fn what_is_not_a_token_is_refused() {
    let key = Key::ed25519("2026");
    let bench = Bench::knowing(&[&key]);
    let token = key.token("EdDSA", &good());
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c.d.e",
        " ",
        "\0.\0.\0",
        "ü.ü.ü",
        "null.null.null",
        &format!("{token}="),
        &format!("{token}\r\n"),
        &format!(" {token}"),
        &format!("{token}.x"),
        &token.replace('.', ".."),
        &token.replace('.', "+"),
        "ya29.opaque-token_of/another+kind",
    ] {
        let refused = bench.verify(text);
        let expected = matches!(refused, Err(TokenError::Shape | TokenError::Header));
        assert!(expected, "{text:?}: {refused:?}");
    }
    // Signed, and yet no claims: another shape of JSON, deep JSON, no JSON.
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    for payload in ["[]", "null", "\"x\"", "7", "{\"a\":", "", &deep] {
        let header = base64url(br#"{"alg":"EdDSA","kid":"2026"}"#);
        let message = format!("{header}.{}", base64url(payload.as_bytes()));
        let signed = format!("{message}.{}", key.signature("EdDSA", message.as_bytes()));
        assert_eq!(
            bench.verify(&signed),
            Err(TokenError::Shape),
            "{payload:.20}"
        );
    }
}

#[test]
fn a_token_has_at_most_16_kib() {
    let key = Key::ed25519("2026");
    let bench = Bench::knowing(&[&key]);
    let sized = |length: usize| key.token("EdDSA", &with("x", json!("x".repeat(length))));
    // Three octets of a claim are four of the token.
    let room = TOKEN_OCTETS_MAX - sized(0).len();
    let longest = (room * 3 / 4 - 4..)
        .map(sized)
        .take_while(|token| token.len() <= TOKEN_OCTETS_MAX)
        .last()
        .unwrap();
    assert!(longest.len() > TOKEN_OCTETS_MAX - 4);
    assert!(bench.verify(&longest).is_ok());
    let longer = sized(room * 3 / 4 + 4);
    assert_eq!(bench.verify(&longer), Err(TokenError::TooLong));
}

proptest::proptest! {
    /// Whatever comes is refused without a panic, with or without a good part in it.
    #[test]
    fn garbage_is_refused(
        octets in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..400),
        text in "[A-Za-z0-9_.-]{0,200}",
        header in "\\PC{0,60}",
        place in 0_usize..10,
    ) {
        static BENCH: LazyLock<(Bench, String)> = LazyLock::new(|| {
            let key = Key::ed25519("2026");
            let token = key.token("EdDSA", &good());
            (Bench::knowing(&[&key]), token)
        });
        let (bench, token) = &*BENCH;
        let parts: Vec<&str> = token.split('.').collect();
        let mut patched: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        patched[place % 3] = text.clone();
        let json = [
            format!("{{\"alg\":\"EdDSA\",\"kid\":{header:?}}}"),
            format!("{{\"alg\":{header:?}}}"),
            header,
        ];
        let refused = |octets: &[u8]| {
            bench.verifier.verify(&Secret::new(octets), now()).is_err()
        };
        proptest::prop_assert!(refused(&octets));
        proptest::prop_assert!(refused(text.as_bytes()));
        proptest::prop_assert!(refused(patched.join(".").as_bytes()));
        for json in json {
            let header = base64url(json.as_bytes());
            let token = [header.as_str(), parts[1], parts[2]].join(".");
            proptest::prop_assert!(refused(token.as_bytes()));
        }
    }
}
