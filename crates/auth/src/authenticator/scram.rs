//! SCRAM: what is sent before anything is proved, and what is left to check afterwards.
//!
//! A name gets its verifier, or, if it has none or may not log in from there, one that looks like it
//! and that nobody knows the password of. Both come at an instant that is fixed when the question
//! arrives, so that neither what is said nor when tells who exists. A proof that is wrong is a login
//! that fails, with its delay (see `verify`).

use std::sync::Arc;
use std::time::Duration;

use sasl::scram::{Hash, Verifier};
use tokio::time::{Instant, sleep_until};

use super::{Authenticator, Denied, Proof, Refused, Verdict};
use crate::accounts::row::Row;
use crate::name::AccountName;
use crate::place::Peer;

/// A lookup is answered at a whole multiple of this after it arrived: longer than it takes to read a
/// row from the disk, and shorter than anybody notices.
const LOOKUP_TICK: Duration = Duration::from_millis(20);

impl Authenticator {
    /// What SCRAM goes on with when a name has been said.
    ///
    /// # Errors
    ///
    /// [`Denied::Unavailable`] when the accounts cannot be read, no sooner than the first refusal.
    pub async fn lookup(&self, user: &str, hash: Hash, peer: Peer) -> Result<Verifier, Denied> {
        let arrived = Instant::now();
        let row = match self.row(user).await {
            Ok(row) => row,
            Err(unavailable) => {
                let attempt = self.throttle.arrive(user, peer);
                sleep_until(self.throttle.unavailable_instant(&attempt)).await;
                return Err(unavailable);
            }
        };
        // Both are computed for every name.
        let imaginary = self.imaginary(user, hash);
        let real = row
            .filter(|row| row.obstacle(peer).is_none())
            .and_then(|row| row.scram.of(hash).cloned());
        let ticks = arrived
            .elapsed()
            .div_duration_f64(LOOKUP_TICK)
            .ceil()
            .max(1.0);
        sleep_until(arrived + LOOKUP_TICK.mul_f64(ticks)).await;
        Ok(real.unwrap_or(imaginary))
    }

    fn imaginary(&self, user: &str, hash: Hash) -> Verifier {
        // Names differ in case, accounts do not; so it must be with those that are none.
        let name = match AccountName::parse(user) {
            Ok(name) => name.to_string(),
            Err(_) => user.to_ascii_lowercase(),
        };
        let iterations = self.shared.accounts.scram_iterations();
        Verifier::imaginary(hash, &self.scram_secret, &name, iterations)
    }

    /// The proof was right. Is the verifier still that of the account, and may it log in?
    pub(super) fn check_proved(
        row: Option<Arc<Row>>,
        obstacle: Option<&'static str>,
        proved: &Verifier,
    ) -> Verdict {
        match (row, obstacle) {
            (Some(row), None) if row.scram.of(proved.hash()) == Some(proved) => {
                Verdict::Right(row, Proof::Exchange)
            }
            (row, obstacle) => Verdict::Wrong(Refused {
                why: obstacle
                    .unwrap_or("the password has changed meanwhile")
                    .into(),
                row,
                fingerprint: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use sasl::{Login, Secret};

    use super::super::{Settings, Shared};
    use super::*;
    use crate::accounts::{Change, Password, State};
    use crate::hash::{PasswordHash, Scheme};

    struct Setting {
        auth: Authenticator,
        _dir: tempfile::TempDir,
    }

    impl std::ops::Deref for Setting {
        type Target = Shared;
        fn deref(&self) -> &Shared {
            &self.auth.shared
        }
    }

    /// `bob`, password `redqueen`, with verifiers of both hashes.
    fn setting() -> Setting {
        let dir = tempfile::tempdir().unwrap();
        let auth = Authenticator::open(Settings {
            data: dir.path().into(),
            scram: true,
            scram_iterations: 4096,
            scram_sha1: true,
            refusal_delay: Duration::from_secs(2),
        })
        .unwrap();
        let password = Password::Clear(Secret::new("redqueen"));
        auth.accounts().add("bob", &password).unwrap();
        Setting { auth, _dir: dir }
    }

    fn peer() -> Peer {
        Peer::Address([192, 0, 2, 1].into())
    }

    fn proved(user: &str, authzid: Option<&str>, verifier: Verifier) -> Login {
        Login::Proved {
            user: user.into(),
            authzid: authzid.map(Into::into),
            verifier: Box::new(verifier),
        }
    }

    fn is_of(verifier: &Verifier, password: &str) -> bool {
        let password = Secret::new(password);
        let (hash, salt) = (verifier.hash(), verifier.salt());
        Verifier::derive(hash, &password, salt, verifier.iterations()).as_ref() == Ok(verifier)
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_gets_its_verifier_whatever_its_case() {
        let setting = setting();
        for hash in [Hash::Sha256, Hash::Sha1] {
            for name in ["bob", "BOB"] {
                let verifier = setting.auth.lookup(name, hash, peer()).await.unwrap();
                assert_eq!(verifier.hash(), hash);
                assert!(is_of(&verifier, "redqueen"));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_nobody_looks_like_somebody_and_takes_the_same() {
        let setting = setting();
        let mut salts = Vec::new();
        for name in ["bob", "nobody", "NoBody", "no name", "b\u{f6}b"] {
            let started = Instant::now();
            let verifier = setting
                .auth
                .lookup(name, Hash::Sha256, peer())
                .await
                .unwrap();
            assert_eq!(started.elapsed().as_millis() % 20, 0);
            assert!(!started.elapsed().is_zero());
            assert_eq!((verifier.salt().len(), verifier.iterations()), (16, 4096));
            salts.push(verifier.salt().to_vec());
        }
        assert_eq!(salts[1], salts[2]);
        assert_ne!(salts[1], salts[3]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_not_log_in_is_nobody() {
        let setting = setting();
        let change = Change {
            state: Some(State::Disabled),
            ..Change::default()
        };
        setting.accounts.set("bob", &change).unwrap();
        let verifier = setting
            .auth
            .lookup("bob", Hash::Sha256, peer())
            .await
            .unwrap();
        assert!(!is_of(&verifier, "redqueen"));
        // Neither does an imported hash give a verifier.
        let hash = PasswordHash::parse(
            Scheme::BlfCrypt,
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        );
        let imported = setting.accounts.add("eve", &Password::Hash(hash.unwrap()));
        assert!(!imported.unwrap().scram);
        setting
            .auth
            .lookup("eve", Hash::Sha256, peer())
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_counts_while_the_password_is_the_same() {
        let setting = setting();
        let verifier = setting
            .auth
            .lookup("bob", Hash::Sha256, peer())
            .await
            .unwrap();
        let login = || proved("bob", None, verifier.clone());
        let identity = setting.auth.verify(login(), peer()).await.unwrap();
        assert_eq!(identity.account(), "bob");
        let password = Password::Clear(Secret::new("redqueen"));
        setting.accounts.set_password("bob", &password).unwrap();
        // The same password, but another salt: another verifier.
        setting.auth.verify(login(), peer()).await.unwrap_err();
        let imaginary = setting
            .auth
            .lookup("eve", Hash::Sha256, peer())
            .await
            .unwrap();
        let login = proved("eve", None, imaginary);
        setting.auth.verify(login, peer()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_acts_for_somebody_else() {
        let setting = setting();
        let verifier = setting
            .auth
            .lookup("bob", Hash::Sha1, peer())
            .await
            .unwrap();
        for (authzid, right) in [("bob", true), ("BOB", true), ("eve", false), ("", false)] {
            let login = proved("bob", Some(authzid), verifier.clone());
            let verified = setting.auth.verify(login, peer()).await;
            assert_eq!(verified.is_ok(), right, "{authzid:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_proof_fails_like_a_wrong_password() {
        let setting = setting();
        for (count, name) in ["bob", "nobody"].into_iter().enumerate() {
            let started = Instant::now();
            let login = Login::Disproved { user: name.into() };
            setting.auth.verify(login, peer()).await.unwrap_err();
            assert!(started.elapsed() >= Duration::from_secs(2));
            let failures = setting.auth.throttle.address_failures(peer());
            assert!(failures > 0, "the throttle has not seen attempt {count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_token_is_right() {
        let setting = setting();
        assert!(!setting.auth.verifies_tokens());
        for token in ["", "t0ken"] {
            for user in [None, Some("bob".to_owned())] {
                let started = Instant::now();
                let login = Login::Token {
                    user,
                    token: Secret::new(token),
                    host: None,
                    port: None,
                };
                setting.auth.verify(login, peer()).await.unwrap_err();
                assert!(started.elapsed() >= Duration::from_secs(2));
            }
        }
    }
}
