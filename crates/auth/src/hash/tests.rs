//! Vectors of the schemes' own authors and of libxcrypt, and what is refused.

use super::*;

fn hash(scheme: Scheme, text: &str) -> PasswordHash {
    PasswordHash::parse(scheme, text).unwrap()
}

/// The hash of some password.
fn digits() -> String {
    format!("{}.", "a".repeat(85))
}

fn is(scheme: Scheme, text: &str, password: impl Into<Vec<u8>>) -> bool {
    hash(scheme, text).verify(&Secret::new(password))
}

/// From the reference implementation's tests.
#[test]
fn argon2id_vectors() {
    for text in [
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ] {
        assert!(is(Scheme::Argon2id, text, "password"), "{text}");
        assert!(!is(Scheme::Argon2id, text, "passwore"), "{text}");
        assert!(!is(Scheme::Argon2id, text, ""), "{text}");
    }
}

/// From Drepper's "Unix crypt using SHA-256 and SHA-512", and libxcrypt for odd lengths.
#[test]
fn sha512_crypt_vectors() {
    let salted = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    let rounds = "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.";
    for (text, password) in [
        (salted, "Hello world!".to_string()),
        (rounds, "Hello world!".to_string()),
        (
            "$6$rounds=1000$x$MJIcXS1kfA/kPs33.THLC42/9GY7dX0E7LdTBIDSgwg8zsY7Kt2j0qkfjJBB2KAbbgucY4Ao3buFt3XTTOnub1",
            "redqueen".to_string(),
        ),
        (
            "$6$rounds=1000$xyz$I.JYKjyHoxjhfin7OAgISsNHDh7FqHw5PhkiRvkzvs3bcqp6HW/hPUXH1bR9Y/PACmhrN05iHhToyQFaOl3lM0",
            "a".repeat(64),
        ),
        (
            "$6$rounds=1000$xyz$JawGQd0ti6/FvDRPueVHNvlbGViGyavFw89G/cpGXPgXH7TpeyOlpIvPENNpd3xY4B8XR62uSWzHLpofWasEn0",
            "äöü".repeat(30),
        ),
    ] {
        assert!(is(Scheme::Sha512Crypt, text, password.as_str()), "{text}");
        assert!(!is(Scheme::Sha512Crypt, text, format!("{password}x")));
    }
}

/// From crypt_blowfish, and libxcrypt for the prefix `$2b$` and a password beyond 72 octets.
#[test]
fn bcrypt_vectors() {
    for version in ["2a", "2b", "2y"] {
        for (rest, password) in [
            (
                "$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
                "U*U",
            ),
            (
                "$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK",
                "U*U*",
            ),
            (
                "$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
                "U*U*U",
            ),
            (
                "$04$abcdefghijklmnopqrstuuHSdjSaoUy3bxM.n7mzYMJSaTlOOcYBi",
                "redqueen",
            ),
            (
                "$04$......................snhkfOsPMCE4R5KAMWT6icZLjqgPE0i",
                &"ÿ€".repeat(30),
            ),
        ] {
            let text = format!("${version}{rest}");
            assert!(is(Scheme::BlfCrypt, &text, password), "{text}");
            assert!(!is(Scheme::BlfCrypt, &text, "another"), "{text}");
        }
    }
}

#[test]
fn our_own_hashes_are_argon2id_of_19_mib() {
    let secret = Secret::new("redqueen");
    let own = PasswordHash::new(&secret).unwrap();
    assert!(own.text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(own.verify(&secret));
    assert!(!own.verify(&Secret::new("redqueeN")));
    assert!(!own.is_legacy());
    assert_ne!(own, PasswordHash::new(&secret).unwrap());
    assert_eq!(PasswordHash::stored(own.text()), Ok(own));
}

#[test]
fn what_is_worth_a_better_hash() {
    for (scheme, text, legacy) in [
        (
            Scheme::BlfCrypt,
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            true,
        ),
        (
            Scheme::Argon2id,
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            true,
        ),
        (
            Scheme::Argon2id,
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            false,
        ),
    ] {
        assert_eq!(hash(scheme, text).is_legacy(), legacy, "{text}");
    }
}

#[test]
fn absurd_costs_are_refused_before_anything_is_computed() {
    let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for (scheme, text, told) in [
        (
            Scheme::Argon2id,
            format!("$argon2id$v=19$m=4194304,t=1,p=1${tail}"),
            "the ARGON2ID hash costs too much to check: m=4194304 KiB; at most m=65536 is accepted",
        ),
        (
            Scheme::Argon2id,
            format!("$argon2id$v=19$m=65536,t=4000000,p=1${tail}"),
            "the ARGON2ID hash costs too much to check: m=65536 KiB with t=4000000; at most m × t = 786432 is accepted",
        ),
        (
            Scheme::Sha512Crypt,
            format!("$6$rounds=999999999$salt${}", digits()),
            "the SHA512-CRYPT hash costs too much to check: rounds=999999999; at most rounds=500000 is accepted",
        ),
        (
            Scheme::Sha512Crypt,
            format!("$6$rounds=10$salt${}", digits()),
            "the SHA512-CRYPT hash is too weak: rounds=10",
        ),
        (
            Scheme::BlfCrypt,
            "$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_string(),
            "the BLF-CRYPT hash costs too much to check: cost 31; at most cost 14 is accepted",
        ),
        (
            Scheme::BlfCrypt,
            "$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_string(),
            "the BLF-CRYPT hash is too weak: cost 3",
        ),
    ] {
        let error = PasswordHash::parse(scheme, &text).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn what_is_no_hash_is_refused() {
    let out = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let digits = digits();
    for (scheme, text) in [
        (Scheme::Argon2id, String::new()),
        (Scheme::Argon2id, "redqueen".into()),
        (
            Scheme::Argon2id,
            format!("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Argon2id,
            format!("$argon2id$v=20$m=256,t=2,p=1$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Argon2id,
            format!("$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Argon2id,
            format!("$argon2id$v=19$m=256,t=2,p=0$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Argon2id,
            format!("$argon2id$v=19$m=256,t=2,p=1$${out}"),
        ),
        (
            Scheme::Argon2id,
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".into(),
        ),
        (
            Scheme::Argon2id,
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$CTFhFQ".into(),
        ),
        (Scheme::Sha512Crypt, format!("$5$salt${digits}")),
        (Scheme::Sha512Crypt, format!("$6$salt${digits}a")),
        (Scheme::Sha512Crypt, format!("$6$salt${}", "a".repeat(86))),
        (Scheme::Sha512Crypt, format!("$6$${digits}")),
        (
            Scheme::Sha512Crypt,
            format!("$6$saltsaltsaltsalts${digits}"),
        ),
        (Scheme::Sha512Crypt, format!("$6$rounds=x$salt${digits}")),
        (Scheme::Sha512Crypt, format!("$6$sälz${digits}")),
        (
            Scheme::BlfCrypt,
            "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".into(),
        ),
        (
            Scheme::BlfCrypt,
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe".into(),
        ),
        (
            Scheme::BlfCrypt,
            "$2y$xx$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".into(),
        ),
    ] {
        let refused = PasswordHash::parse(scheme, &text);
        assert_eq!(refused, Err(HashError::Malformed { scheme }), "{text}");
    }
}

/// A hash that passes must also be computed: one that fails early would tell that it is special.
#[test]
fn a_wrong_password_costs_a_full_hash() {
    let text = format!("$6$rounds=100000$salt${}", digits());
    let begin = std::time::Instant::now();
    assert!(!is(Scheme::Sha512Crypt, &text, "wrong"));
    // 100,000 rounds take some 100 ms; not computing them takes microseconds.
    assert!(begin.elapsed() > std::time::Duration::from_millis(5));
}

/// SHA-512-crypt would hash half a megabyte of password for minutes.
#[test]
fn an_overlong_password_is_wrong_and_costs_no_more_than_any() {
    let text = format!("$6$rounds=500000$salt${}", digits());
    let begin = std::time::Instant::now();
    assert!(!is(Scheme::Sha512Crypt, &text, vec![b'x'; 500_000]));
    assert!(begin.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn a_hash_is_not_printed() {
    let own = hash(
        Scheme::BlfCrypt,
        "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    );
    assert_eq!(format!("{own:?}"), "PasswordHash(BLF-CRYPT)");
}

proptest::proptest! {
    /// A hash with any octet changed is refused, or another hash of bounded cost; never a panic.
    #[test]
    fn damaged_hashes_are_answered(which in 0_usize..3, at: proptest::sample::Index, with: char) {
        let (scheme, text) = [
            (Scheme::Argon2id, "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            (Scheme::Sha512Crypt, "$6$rounds=1000$x$MJIcXS1kfA/kPs33.THLC42/9GY7dX0E7LdTBIDSgwg8zsY7Kt2j0qkfjJBB2KAbbgucY4Ao3buFt3XTTOnub1"),
            (Scheme::BlfCrypt, "$2b$04$abcdefghijklmnopqrstuuHSdjSaoUy3bxM.n7mzYMJSaTlOOcYBi"),
        ][which];
        let mut octets: Vec<char> = text.chars().collect();
        let at = at.index(octets.len());
        octets[at] = with;
        let damaged: String = octets.into_iter().collect();
        match PasswordHash::parse(scheme, &damaged) {
            Ok(hash) => proptest::prop_assert_eq!(PasswordHash::stored(hash.text()), Ok(hash)),
            Err(error) => proptest::prop_assert!(!error.to_string().contains("$2b$04$abc")),
        }
    }
}

#[test]
fn a_password_is_right_as_it_was_hashed_and_in_every_form_of_ours() {
    // Hashed elsewhere, of what a German keyboard types; SASLprep makes a 2 of the ².
    let typed = Secret::new("hallo\u{b2}");
    let imported = bcrypt::hash(typed.expose(), 4).unwrap();
    let imported = PasswordHash::stored(&imported).unwrap();
    assert_eq!(imported.scheme(), Scheme::BlfCrypt);
    assert!(imported.verify(&typed));
    assert!(!imported.verify(&Secret::new("hallo2")));

    let ours = PasswordHash::new(&typed).unwrap();
    assert!(ours.verify(&typed) && ours.verify(&Secret::new("hallo2")));
    assert!(!ours.verify(&Secret::new("hallo3")));
}
