//! Vectors of the schemes' own authors and of libxcrypt, and what is refused.

use super::*;

fn hash(scheme: Scheme, text: &str) -> PasswordHash {
    PasswordHash::parse(scheme, text).unwrap()
}

/// One of each scheme that is cheap, in the order of [`Scheme::ALL`]; what they are of is not known.
const ONE_OF_EACH: [&str; 9] = [
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$y$j7T$F5Jx5fExrKuPp53xLKQ..1$Y4/x.lpl7Is1AqFMIagL6WoHEMzmZ4FVs6N8LFnR3x4",
    "$7$4/..../....x$WK3u2HJbBsBR2UiUcyJ.aXDmD55LePPn.kEs2aZQi85",
    "$2b$04$abcdefghijklmnopqrstuuHSdjSaoUy3bxM.n7mzYMJSaTlOOcYBi",
    "$6$rounds=1000$x$MJIcXS1kfA/kPs33.THLC42/9GY7dX0E7LdTBIDSgwg8zsY7Kt2j0qkfjJBB2KAbbgucY4Ao3buFt3XTTOnub1",
    "$5$rounds=1000$x$5FCxfd9oBE1O5doVe73tqz5E06R7NGT6.Cv/fOVT914",
    "$1$UhzgTuVYr9ypoeAm$50$1916fe19fe94b0cfe38780a5adf2cbdb4490a734",
    "$1$C0UmNrxj$lCwQhHLNIbaoZf6rFjHYD/",
];

#[test]
fn a_hash_tells_its_scheme_and_a_scheme_its_name() {
    for (scheme, text) in Scheme::ALL.into_iter().zip(ONE_OF_EACH) {
        assert_eq!(Scheme::of(text), Some(scheme), "{text}");
        assert_eq!(PasswordHash::stored(text).unwrap().scheme(), scheme);
        assert_eq!(Scheme::named(&scheme.name().to_lowercase()), Some(scheme));
    }
    for text in [
        "",
        "$",
        "$6",
        "redqueen",
        "$gy$j9T$x$x",
        "$md5$x$x",
        "6$x$x",
        "$sha1$1$x$x",
    ] {
        assert_eq!(Scheme::of(text), None, "{text}");
    }
    assert_eq!(Scheme::named("ROT13"), None);
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

/// By Dovecot's `doveadm pw` and by Debian's crypt(3): as other servers have them.
#[test]
fn vectors_of_other_servers() {
    let (long, longer) = ("a".repeat(64), "x".repeat(130));
    for (scheme, text, password) in [
        (
            Scheme::Argon2id,
            "$argon2id$v=19$m=65536,t=3,p=1$OUsWHqbIIs54mm9jvXUe4w$Ej/i6K36PzCIGjk/K3gxHEAOeNA0TEhRjvDYkkLV+3Y",
            "redqueen",
        ),
        (
            Scheme::Argon2i,
            "$argon2i$v=19$m=32768,t=4,p=1$M6u1u7iaJctv4hBOpTqQTA$ElCL+8xwzoJaRxGJEcS5zAdlX/S2I8O65v08HyEN6FE",
            "redqueen",
        ),
        (
            Scheme::BlfCrypt,
            "$2y$05$WY.KLtBMD7ykKervc5nmQe5aRmRC6os6fxn6JWcvHurZx7eOQsuK6",
            "redqueen",
        ),
        (
            Scheme::Sha512Crypt,
            "$6$665eyB6qwvqdp3IK$v0joYq7tr.D5SEsUi/p65L.zoxv7NRvNDF.jDXDcnd4PFdrX1T7/Cdu.fb601BbB8SfYHzrp5We2suMfcHQyv/",
            "redqueen",
        ),
        (
            Scheme::Sha256Crypt,
            "$5$vkpNJCtwjJN4m17U$E2u9xw6x.8KPcDONz8CVJ.gFdCTHcbKC2zYrJdBb7l8",
            "redqueen",
        ),
        (
            Scheme::Sha256Crypt,
            "$5$rounds=1000$x$5FCxfd9oBE1O5doVe73tqz5E06R7NGT6.Cv/fOVT914",
            "bjørn € 9",
        ),
        (
            Scheme::Sha256Crypt,
            "$5$saltstring$iX71VynRG/8NIM7fbmflkRIDognHi.i7TbkmhVZvKDA",
            &longer,
        ),
        (
            Scheme::Yescrypt,
            "$y$j9T$saltsaltsaltsalt$eBwVRVnzyKVSxADzqpnPErqLvf1cnxbpgQe4Y9.uUmA",
            "redqueen",
        ),
        (
            Scheme::Yescrypt,
            "$y$j8T$$Y76ci4aemDeGfY/3mKzTZ3yvc0q77yrqMl/HVxz9h79",
            "bjørn € 9",
        ),
        (
            Scheme::Yescrypt,
            "$y$j7T$F5Jx5fExrKuPp53xLKQ..1$Y4/x.lpl7Is1AqFMIagL6WoHEMzmZ4FVs6N8LFnR3x4",
            &long,
        ),
        (
            Scheme::Yescrypt,
            "$y$jBT$saltsaltsaltsalt$AAxvXEIWnrnpD0QJBOm90DfAfYnLet1rB8dHqn9VlaC",
            "redqueen",
        ),
        (
            Scheme::Scrypt,
            "$7$CU..../....abcdefgh$ssqLJmkUdjUP16Xhhsz5DK4ibbC1Ix4ofPaH34gyDR4",
            "redqueen",
        ),
        (
            Scheme::Scrypt,
            "$7$96..../....SodiumChloride$0WsESRqyF6L2s.1vifTe4RGDi/h9KZCtReN3x/SZ4eC",
            "bjørn € 9",
        ),
        (
            Scheme::Scrypt,
            "$7$4/..../....x$WK3u2HJbBsBR2UiUcyJ.aXDmD55LePPn.kEs2aZQi85",
            &longer,
        ),
        (
            Scheme::Pbkdf2,
            "$1$UhzgTuVYr9ypoeAm$5000$1916fe19fe94b0cfe38780a5adf2cbdb4490a734",
            "redqueen",
        ),
        (
            Scheme::Pbkdf2,
            "$1$a/49mWXkIlcJkMSi$20000$8001989970e42c5f5cbacd332aea8892152b9074",
            "bjørn € 9",
        ),
        (
            Scheme::Md5Crypt,
            "$1$C0UmNrxj$lCwQhHLNIbaoZf6rFjHYD/",
            "redqueen",
        ),
        (
            Scheme::Md5Crypt,
            "$1$rZfZBBao$SDDK5O/92NYWUaPMdmXt80",
            "bjørn € 9 and much longer than sixteen octets",
        ),
        (Scheme::Md5Crypt, "$1$x$/8s54SnaGdD1Q4o96UmPN0", &long),
        (Scheme::Md5Crypt, "$1$$EN1rBRT8yEbybP0EBUyKG/", &longer),
    ] {
        assert_eq!(Scheme::of(text), Some(scheme), "{text}");
        assert!(is(scheme, text, password), "{text}");
        assert!(!is(scheme, text, format!("{password}x")), "{text}");
    }
}

/// By OpenSSL, in the forms of the PHC and of passlib; the last of scrypt is from passlib's manual.
#[test]
fn vectors_of_web_applications() {
    for text in [
        "$scrypt$ln=10,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$1NrpY4RSdHgKp01SnHj0tJtesfcUYHa/Jz+ixaLCsnY",
        "$scrypt$ln=12,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$PMyWKkRXxnrFN6a1YX7jn+Gw5jt3jZGQe5rCbMdaZCmMz7xcXD5BhTa/b8Ua2Icnnw942b5/zuwkCRKWG9uvRA",
        "$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$fM19X2/LIztjscjShmw7/dhfBgBqKqaKTotoQgYx6bs",
        "$pbkdf2-sha256$i=4096,l=32$MDEyMzQ1Njc4OWFiY2RlZg$fM19X2/LIztjscjShmw7/dhfBgBqKqaKTotoQgYx6bs",
        "$pbkdf2-sha256$4096$MDEyMzQ1Njc4OWFiY2RlZg$fM19X2/LIztjscjShmw7/dhfBgBqKqaKTotoQgYx6bs",
        "$pbkdf2-sha512$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$mU+8+bX5xWWadSErYPiYeiYuNgKxA0AkiKXDLucOzq81hr/bhJAdRm66FtGkZ5GxFLirxL8oC8uc0jaINIbFgA",
        "$pbkdf2-sha512$4096$MDEyMzQ1Njc4OWFiY2RlZg$mU.8.bX5xWWadSErYPiYeiYuNgKxA0AkiKXDLucOzq81hr/bhJAdRm66FtGkZ5GxFLirxL8oC8uc0jaINIbFgA",
    ] {
        let scheme = Scheme::of(text).unwrap();
        assert!(is(scheme, text, "redqueen"), "{text}");
        assert!(!is(scheme, text, "redqueeN"), "{text}");
    }
    let passlib =
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
    assert!(is(Scheme::Scrypt, passlib, "password"));
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
    for text in ONE_OF_EACH.into_iter().skip(1) {
        let scheme = Scheme::of(text).unwrap();
        assert!(hash(scheme, text).is_legacy(), "{text}");
    }
}

#[test]
fn absurd_costs_are_refused_before_anything_is_computed() {
    let tail = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let crypt = ".".repeat(43);
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
        (
            Scheme::Argon2i,
            format!("$argon2i$v=19$m=65537,t=1,p=1${tail}"),
            "the ARGON2I hash costs too much to check: m=65537 KiB; at most m=65536 is accepted",
        ),
        (
            Scheme::Sha256Crypt,
            format!("$5$rounds=500001$salt${}", "a".repeat(42) + "."),
            "the SHA256-CRYPT hash costs too much to check: rounds=500001; at most rounds=500000 is accepted",
        ),
        (
            Scheme::Yescrypt,
            format!("$y$jCT$salt${crypt}"),
            "the YESCRYPT hash costs too much to check: N=2^15, r=32, p=1; at most N × r = 524288 is accepted",
        ),
        (
            Scheme::Yescrypt,
            format!("$y$jjT$salt${crypt}"),
            "the YESCRYPT hash costs too much to check: N=2^48, r=32, p=1; at most N × r = 524288 is accepted",
        ),
        (
            Scheme::Yescrypt,
            // t and p: work and memory that are not of N and r.
            format!("$y$j9T/.$salt${crypt}"),
            "the YESCRYPT hash has settings that no crypt(3) makes; it should look like $y$j9T$<salt>$<43 characters>",
        ),
        (
            Scheme::Yescrypt,
            format!("$y$j9T.5$salt${crypt}"),
            "the YESCRYPT hash has settings that no crypt(3) makes; it should look like $y$j9T$<salt>$<43 characters>",
        ),
        (
            Scheme::Yescrypt,
            // Scrypt in yescrypt's clothes.
            format!("$y$.9T$salt${crypt}"),
            "the YESCRYPT hash has settings that no crypt(3) makes; it should look like $y$j9T$<salt>$<43 characters>",
        ),
        (
            Scheme::Scrypt,
            format!("$7$DU..../....salt${crypt}"),
            "the SCRYPT hash costs too much to check: N=2^15, r=32, p=1; at most N × r = 524288 is accepted",
        ),
        (
            Scheme::Scrypt,
            format!("$7$zzzzzzzzzzzsalt${crypt}"),
            "the SCRYPT hash costs too much to check: N=2^63, r=1073741823, p=1073741823; at most N × r = 524288 is accepted",
        ),
        (
            Scheme::Scrypt,
            format!("$7$/zz...zzzzzsalt${crypt}"),
            "the SCRYPT hash costs too much to check: N=2^1, r=4095, p=1073741823; at most r × p = 8192 is accepted",
        ),
        (
            Scheme::Scrypt,
            format!("$scrypt$ln=17,r=8,p=1${tail}"),
            "the SCRYPT hash costs too much to check: N=2^17, r=8, p=1; at most N × r = 524288 is accepted",
        ),
        (
            Scheme::Scrypt,
            format!("$scrypt$ln=255,r=4294967295,p=4294967295${tail}"),
            "the SCRYPT hash costs too much to check: N=2^255, r=4294967295, p=4294967295; at most N × r = 524288 is accepted",
        ),
        (
            Scheme::Scrypt,
            format!("$scrypt$ln=16,r=8,p=5${tail}"),
            "the SCRYPT hash costs too much to check: N=2^16, r=8, p=5; at most N × r × p = 2097152 is accepted",
        ),
        (
            Scheme::Pbkdf2,
            format!("$1$salt$4000000000${}", "0".repeat(40)),
            "the PBKDF2 hash costs too much to check: 4000000000 rounds; at most 1500000 rounds is accepted",
        ),
        (
            Scheme::Pbkdf2,
            format!("$pbkdf2-sha256$1500001${tail}"),
            "the PBKDF2 hash costs too much to check: 1500001 rounds; at most 1500000 rounds is accepted",
        ),
        (
            Scheme::Pbkdf2,
            format!("$pbkdf2-sha512$i=0${tail}"),
            "the PBKDF2 hash is too weak: 0 rounds",
        ),
    ] {
        let error = PasswordHash::parse(scheme, &text).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn what_is_no_hash_is_refused() {
    let out = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let (digits, crypt) = (digits(), ".".repeat(43));
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
        (
            Scheme::Argon2i,
            format!("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ${out}"),
        ),
        (Scheme::Sha256Crypt, format!("$5$salt${digits}")),
        (
            Scheme::Sha256Crypt,
            format!("$6$salt${}", "a".repeat(42) + "."),
        ),
        (Scheme::Sha256Crypt, format!("$5$salt${}", "a".repeat(43))),
        (Scheme::Yescrypt, format!("$y$j9T${crypt}")),
        (Scheme::Yescrypt, format!("$y$j9T$salt${crypt}.")),
        (Scheme::Yescrypt, format!("$y$j9T$salt${}z", &crypt[1..])),
        (Scheme::Yescrypt, format!("$y$j9T$s${crypt}")),
        (Scheme::Yescrypt, format!("$y$j9T$sält${crypt}")),
        (Scheme::Yescrypt, format!("$y$$salt${crypt}")),
        (Scheme::Yescrypt, format!("$y$j9T$salt${crypt}$")),
        (Scheme::Scrypt, format!("$7$CU..../...${crypt}")),
        (Scheme::Scrypt, format!("$7$CU..../...!salt${crypt}")),
        (Scheme::Scrypt, format!("$7$.U..../....salt${crypt}")),
        (Scheme::Scrypt, format!("$7$C........../....salt${crypt}")),
        (
            Scheme::Scrypt,
            format!("$7$CU..../....salt${}", &crypt[1..]),
        ),
        (Scheme::Scrypt, format!("$7$CU..../ä...salt${crypt}")),
        (
            Scheme::Scrypt,
            format!("$scrypt$ln=14,r=8$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Scrypt,
            format!("$scrypt$ln=14,r=8,p=1,q=1$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Scrypt,
            format!("$scrypt$ln=14,r=0,p=1$c29tZXNhbHQ${out}"),
        ),
        (Scheme::Scrypt, "$scrypt$ln=14,r=8,p=1$c29tZXNhbHQ".into()),
        (Scheme::Pbkdf2, format!("$1$salt$5000${}", "0".repeat(39))),
        (Scheme::Pbkdf2, format!("$1$salt$5000${}", "0".repeat(42))),
        (Scheme::Pbkdf2, format!("$1$salt$5000$+{}", "0".repeat(39))),
        (Scheme::Pbkdf2, format!("$1$salt$5000$ä{}", "0".repeat(38))),
        (Scheme::Pbkdf2, format!("$1$salt$-1${}", "0".repeat(40))),
        (Scheme::Pbkdf2, format!("$1$salt$5000${}$", "0".repeat(40))),
        (
            Scheme::Pbkdf2,
            format!("$pbkdf2-sha1$i=1000$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Pbkdf2,
            format!("$pbkdf2-sha256$i=1000,l=20$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Pbkdf2,
            format!("$pbkdf2-sha256$i=1000,x=20$c29tZXNhbHQ${out}"),
        ),
        (Scheme::Pbkdf2, format!("$pbkdf2-sha256$$c29tZXNhbHQ${out}")),
        (
            Scheme::Pbkdf2,
            format!("$pbkdf2-sha256$99999999999$c29tZXNhbHQ${out}"),
        ),
        (
            Scheme::Md5Crypt,
            "$1$saltsalts$lCwQhHLNIbaoZf6rFjHYD/".into(),
        ),
        (Scheme::Md5Crypt, "$1$salt$lCwQhHLNIbaoZf6rFjHYD".into()),
        (Scheme::Md5Crypt, "$1$salt$lCwQhHLNIbaoZf6rFjHYDz".into()),
        (Scheme::Md5Crypt, "$1$lCwQhHLNIbaoZf6rFjHYD/".into()),
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
    fn damaged_hashes_are_answered(
        which in 0_usize..ONE_OF_EACH.len(),
        at: proptest::sample::Index,
        with: char,
    ) {
        let text = ONE_OF_EACH[which];
        let scheme = Scheme::of(text).unwrap();
        let mut octets: Vec<char> = text.chars().collect();
        let at = at.index(octets.len());
        octets[at] = with;
        let damaged: String = octets.into_iter().collect();
        match PasswordHash::parse(scheme, &damaged) {
            Ok(hash) => proptest::prop_assert_eq!(PasswordHash::stored(hash.text()), Ok(hash)),
            Err(error) => proptest::prop_assert!(!error.to_string().contains(&text[text.len() - 8..])),
        }
    }
}

/// Neither as it is typed nor as SASLprep writes it may a password reach what bcrypt cuts off.
#[test]
fn bcrypt_does_not_see_all_of_a_long_password() {
    let of = |password: &Secret| {
        let hash = bcrypt::hash(password.expose(), 4).unwrap();
        let hash = PasswordHash::stored(&hash).unwrap();
        assert!(hash.verify(password));
        hash.sees_all_of(password)
    };
    // U+FB03 has 3 octets and becomes `ffi`; U+FDFA has 3 and becomes 33.
    for (text, all) in [
        ("x".repeat(71), true),
        ("x".repeat(72), false),
        ("x".repeat(73), false),
        ("\u{fb03}".repeat(23), true),
        ("\u{fb03}".repeat(24), false),
        ("\u{fdfa}".repeat(2), true),
        ("\u{fdfa}".repeat(3), false),
        ("\u{ad}".repeat(40) + "x", false),
    ] {
        assert_eq!(of(&Secret::new(&*text)), all, "{text}");
    }
    let long = Secret::new("x".repeat(100));
    for text in ONE_OF_EACH {
        let hash = PasswordHash::stored(text).unwrap();
        let is_bcrypt = hash.scheme() == Scheme::BlfCrypt;
        assert_eq!(hash.sees_all_of(&long), !is_bcrypt, "{text}");
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
