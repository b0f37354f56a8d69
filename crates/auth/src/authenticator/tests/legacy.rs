//! Accounts whose password another server hashed: refused like any other, let in, and rehashed.

use super::*;

/// One of each scheme but our own, all of the password `redqueen`: by Dovecot's `doveadm pw`, by
/// Debian's crypt(3), and by OpenSSL.
const LEGACY: [&str; 11] = [
    "$argon2i$v=19$m=32768,t=4,p=1$M6u1u7iaJctv4hBOpTqQTA$ElCL+8xwzoJaRxGJEcS5zAdlX/S2I8O65v08HyEN6FE",
    "$y$j9T$saltsaltsaltsalt$eBwVRVnzyKVSxADzqpnPErqLvf1cnxbpgQe4Y9.uUmA",
    "$7$96..../....SodiumChloride$ATIbjaRV5ExDkHXmilrMXDCRaK9JvwEzI8oKAY.TgbD",
    "$scrypt$ln=10,r=8,p=2$MDEyMzQ1Njc4OWFiY2RlZg$1NrpY4RSdHgKp01SnHj0tJtesfcUYHa/Jz+ixaLCsnY",
    "$2y$05$WY.KLtBMD7ykKervc5nmQe5aRmRC6os6fxn6JWcvHurZx7eOQsuK6",
    "$6$665eyB6qwvqdp3IK$v0joYq7tr.D5SEsUi/p65L.zoxv7NRvNDF.jDXDcnd4PFdrX1T7/Cdu.fb601BbB8SfYHzrp5We2suMfcHQyv/",
    "$5$vkpNJCtwjJN4m17U$E2u9xw6x.8KPcDONz8CVJ.gFdCTHcbKC2zYrJdBb7l8",
    "$1$UhzgTuVYr9ypoeAm$5000$1916fe19fe94b0cfe38780a5adf2cbdb4490a734",
    "$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$fM19X2/LIztjscjShmw7/dhfBgBqKqaKTotoQgYx6bs",
    "$pbkdf2-sha512$4096$MDEyMzQ1Njc4OWFiY2RlZg$mU.8.bX5xWWadSErYPiYeiYuNgKxA0AkiKXDLucOzq81hr/bhJAdRm66FtGkZ5GxFLirxL8oC8uc0jaINIbFgA",
    "$1$C0UmNrxj$lCwQhHLNIbaoZf6rFjHYD/",
];

#[tokio::test(start_paused = true)]
async fn every_legacy_hash_is_refused_alike_and_replaced_at_the_first_login() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Authenticator::open(settings(&dir, true)).unwrap();
    for (n, text) in (0..).zip(LEGACY) {
        let name = &format!("legacy{n}");
        let hash = PasswordHash::stored(text).unwrap();
        assert_ne!(hash.scheme(), Scheme::Argon2id, "{text}");
        let added = auth.accounts().add(name, &Password::Hash(hash)).unwrap();
        for (wrong, from) in [("redqueeN", 100), ("", 200)] {
            advance(Duration::from_secs(3600)).await;
            let answer = timed(&auth, password(name, wrong), peer(from + n)).await;
            assert_eq!(answer, refused(2), "{text}");
        }
        assert_eq!(auth.accounts().show(name).unwrap(), added, "{text}");

        advance(Duration::from_secs(3600)).await;
        let answer = timed(&auth, password(name, "redqueen"), peer(n)).await;
        assert_eq!(answer, AT_ONCE, "{text}");
        let account = auth.until(name, |account| account.password == Some(Scheme::Argon2id));
        assert_eq!((account.version, account.scram), (2, true), "{text}");

        // Beyond what is remembered, it is the new hash that is right, and stays.
        advance(crate::cache::CREDENTIAL_AGE_MAX).await;
        let answer = timed(&auth, password(name, "redqueen"), peer(n)).await;
        assert_eq!(answer, AT_ONCE, "{text}");
        assert_eq!(auth.accounts().show(name).unwrap(), account, "{text}");
    }
}

/// bcrypt looks at 72 octets: what is typed behind them, or left out, was never checked.
#[tokio::test(start_paused = true)]
async fn a_password_that_bcrypt_cuts_off_is_not_hashed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Authenticator::open(settings(&dir, true)).unwrap();
    let long = "x".repeat(75);
    for (n, (octets, upgraded)) in (0..).zip([(75, false), (72, false), (71, true)]) {
        let name = &format!("long{n}");
        let right = &long[..octets];
        let hash = PasswordHash::stored(&bcrypt::hash(right, 4).unwrap()).unwrap();
        let added = auth.accounts().add(name, &Password::Hash(hash)).unwrap();
        if !upgraded {
            for typed in [&format!("{long}y"), &long[..72]] {
                let answer = timed(&auth, password(name, typed), peer(n)).await;
                assert_eq!(answer, AT_ONCE, "{octets}: {typed}");
            }
        }
        let answer = timed(&auth, password(name, right), peer(n)).await;
        assert_eq!(answer, AT_ONCE, "{octets}");
        // An upgrade that is to come has begun before the answer.
        while !auth.shared.upgrading.lock().unwrap().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let account = auth.accounts().show(name).unwrap();
        match upgraded {
            true => assert_eq!(
                (account.password, account.scram),
                (Some(Scheme::Argon2id), true)
            ),
            false => assert_eq!(account, added, "{octets}"),
        }
    }
}
