//! Who signed it: algorithms, keys, and signatures that are none.

use super::*;

#[test]
fn every_algorithm_of_the_list_is_accepted_with_a_key_of_its_kind() {
    let (rsa, p256) = (Key::rsa("rsa"), Key::p256("p256"));
    let (p384, ed25519) = (Key::p384("p384"), Key::ed25519("ed"));
    let bench = Bench::knowing(&[&rsa, &p256, &p384, &ed25519]);
    for (key, algorithm) in [
        (&rsa, "RS256"),
        (&rsa, "RS384"),
        (&rsa, "RS512"),
        (&rsa, "PS256"),
        (&rsa, "PS384"),
        (&rsa, "PS512"),
        (&p256, "ES256"),
        (&p384, "ES384"),
        (&ed25519, "EdDSA"),
    ] {
        let identity = bench.verify(&key.token(algorithm, &good())).unwrap();
        assert_eq!(identity.account.as_str(), "mrose@dobbs.org", "{algorithm}");
        assert_eq!(identity.expires, now() + Duration::from_secs(300));
    }
}

#[test]
fn a_public_key_is_never_the_secret_of_an_hmac() {
    let (rsa, ed25519) = (Key::rsa("rsa"), Key::ed25519("ed"));
    let jwks = set(&[&rsa, &ed25519]);
    let bench = Bench::with(&jwks, |_| {});
    let members: Value = serde_json::from_str(&jwks).unwrap();
    for (key, member, value) in [(&rsa, 0, "n"), (&ed25519, 1, "x")] {
        let jwk = &members["keys"][member];
        let text = jwk[value].as_str().unwrap();
        let octets = sasl::base64::decode(padded(text).as_bytes()).unwrap();
        let header = json!({"typ": "at+jwt", "alg": "HS256", "kid": key.id});
        for secret in [
            &octets,
            text.as_bytes(),
            jwk.to_string().as_bytes(),
            jwks.as_bytes(),
        ] {
            let token = hs256(secret, &header, &good());
            assert_eq!(bench.verify(&token), Err(TokenError::Algorithm));
        }
    }
}

fn padded(text: &str) -> String {
    let text = text.replace('-', "+").replace('_', "/");
    let missing = text.len().next_multiple_of(4) - text.len();
    text + &"=".repeat(missing)
}

#[test]
fn a_symmetric_key_in_the_file_is_no_key() {
    let key = Key::ed25519("2026");
    let secret = b"a secret of thirty-two octets at least";
    let mut jwks: Value = serde_json::from_str(&set(&[&key])).unwrap();
    let oct = json!({"kty": "oct", "alg": "HS256", "kid": "oct", "k": base64url(secret)});
    jwks["keys"].as_array_mut().unwrap().push(oct);
    let bench = Bench::with(&jwks.to_string(), |_| {});
    let token = hs256(secret, &json!({"alg": "HS256", "kid": "oct"}), &good());
    assert_eq!(bench.verify(&token), Err(TokenError::Algorithm));
    let token = key.sign("EdDSA", &json!({"alg": "EdDSA", "kid": "oct"}), &good());
    assert_eq!(bench.verify(&token), Err(TokenError::UnknownKey));
}

#[test]
fn no_signature_is_no_token() {
    let key = Key::rsa("2026");
    let bench = Bench::knowing(&[&key]);
    for none in [
        "none", "None", "NONE", "nOnE", "", "RS256 ", "rs256", "Ed448", "ES512",
    ] {
        for header in [json!({"alg": none}), json!({"alg": none, "kid": "2026"})] {
            let message = message(&header, &good());
            for token in [format!("{message}."), format!("{message}.AAAA")] {
                assert_eq!(bench.verify(&token), Err(TokenError::Header), "{none:?}");
            }
        }
    }
    let message = message(&json!({"alg": "RS256", "kid": "2026"}), &good());
    for signature in ["", "AAAA", &base64url(&[0; 256]), &base64url(&[0xff; 256])] {
        let token = format!("{message}.{signature}");
        assert_eq!(bench.verify(&token), Err(TokenError::Signature));
    }
}

#[test]
fn a_token_that_was_changed_is_not_believed() {
    let (key, other) = (Key::p256("2026"), Key::p256("2026"));
    let bench = Bench::knowing(&[&key]);
    let token = key.token("ES256", &good());
    assert_eq!(
        bench.verify(&other.token("ES256", &good())),
        Err(TokenError::Signature)
    );
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let claims = base64url(with("email", json!("bob@dobbs.org")).to_string().as_bytes());
    let forged = format!("{header}.{claims}.{signature}");
    assert_eq!(bench.verify(&forged), Err(TokenError::Signature));
    // One bit anywhere: another character of the alphabet in each place in turn.
    for place in 0..token.len() {
        let mut octets = token.clone().into_bytes();
        octets[place] = if octets[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(octets).unwrap();
        assert!(bench.verify(&changed).is_err(), "octet {place}");
    }
}

#[test]
fn a_key_counts_for_its_own_algorithm_and_use_only() {
    let (p256, p384, rsa) = (Key::p256("a"), Key::p384("b"), Key::rsa("c"));
    let (signing, encrypting) = (Key::rsa("d"), Key::rsa("e"));
    let (wrapping, oaep) = (Key::rsa("f"), Key::rsa("g"));
    let mut keys: Vec<Value> = [&p256, &p384, &rsa, &signing, &encrypting, &wrapping, &oaep]
        .map(Key::jwk)
        .into();
    keys[2]["alg"] = json!("PS256");
    keys[3]["key_ops"] = json!(["verify"]);
    keys[4]["use"] = json!("enc");
    keys[5]["key_ops"] = json!(["wrapKey"]);
    keys[6]["alg"] = json!("RSA-OAEP");
    let bench = Bench::with(&json!({ "keys": keys }).to_string(), |_| {});
    assert!(bench.verify(&rsa.token("PS256", &good())).is_ok());
    assert!(bench.verify(&signing.token("RS256", &good())).is_ok());
    let header = |algorithm: &str, id: &str| json!({"alg": algorithm, "kid": id});
    for (token, why) in [
        (rsa.token("RS256", &good()), TokenError::Algorithm),
        (
            p384.sign("ES384", &header("ES256", "b"), &good()),
            TokenError::Algorithm,
        ),
        (
            p256.sign("ES256", &header("EdDSA", "a"), &good()),
            TokenError::Algorithm,
        ),
        (
            p256.sign("ES256", &header("RS256", "a"), &good()),
            TokenError::Algorithm,
        ),
        (encrypting.token("RS256", &good()), TokenError::UnknownKey),
        (wrapping.token("RS256", &good()), TokenError::UnknownKey),
        (oaep.token("RS256", &good()), TokenError::UnknownKey),
    ] {
        assert_eq!(bench.verify(&token), Err(why));
    }
}

#[test]
fn the_kid_names_the_key() {
    let (old, new, rsa) = (Key::ed25519("old"), Key::ed25519("new"), Key::rsa("rsa"));
    let bench = Bench::knowing(&[&old, &new, &rsa]);
    assert!(bench.verify(&old.token("EdDSA", &good())).is_ok());
    assert!(bench.verify(&new.token("EdDSA", &good())).is_ok());
    let signed = |header: Value| new.sign("EdDSA", &header, &good());
    for (header, why) in [
        (json!({"alg": "EdDSA", "kid": "old"}), TokenError::Signature),
        (
            json!({"alg": "EdDSA", "kid": "newer"}),
            TokenError::UnknownKey,
        ),
        (json!({"alg": "EdDSA", "kid": ""}), TokenError::UnknownKey),
        (json!({"alg": "EdDSA", "kid": 1}), TokenError::Header),
        (json!({"alg": "EdDSA"}), TokenError::NoKeyNamed),
    ] {
        assert_eq!(bench.verify(&signed(header.clone())), Err(why), "{header}");
    }
    // Where nothing is left to choose, no kid is needed.
    let token = rsa.sign("RS256", &json!({"alg": "RS256"}), &good());
    assert!(bench.verify(&token).is_ok());
    let twice = Bench::knowing(&[&old, &Key::ed25519("old")]);
    let token = old.token("EdDSA", &good());
    assert_eq!(twice.verify(&token), Err(TokenError::UnknownKey));
}

#[test]
fn keys_of_the_senders_choice_are_not_read() {
    let (key, mine) = (Key::ed25519("2026"), Key::ed25519("mine"));
    let bench = Bench::knowing(&[&key]);
    let header = json!({"alg": "EdDSA", "jwk": mine.jwk(), "jku": "https://evil.example/jwks"});
    let token = mine.sign("EdDSA", &header, &good());
    assert_eq!(bench.verify(&token), Err(TokenError::Signature));
}
