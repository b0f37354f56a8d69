//! Tokens of an authorisation server (OAUTHBEARER, XOAUTH2): whose they are, and whether that account
//! may log in.
//!
//! Without a [`TokenVerifier`] none is right, and [`Authenticator::verifies_tokens`] says so: a server
//! then does not announce the mechanisms. A token that comes all the same is refused like a wrong
//! password, at the same instant.

use std::sync::Arc;
use std::time::SystemTime;

use sasl::Secret;
use sasl::oauth::Hints;

use super::{Authenticator, Denied, Proof, Refused, Verdict, blocking, is_same};
use crate::place::Peer;
use crate::token::TokenVerifier;

/// What a client shows for itself.
pub(super) struct Shown {
    /// The name that it gives beside the token, which alone says who it is.
    pub(super) user: Option<String>,
    /// Empty if the client only asks which tokens are wanted (RFC 7628 §4.3).
    pub(super) token: Secret,
}

impl Authenticator {
    /// Takes tokens from now on, in place of passwords.
    #[must_use]
    pub fn with_tokens(mut self, verifier: TokenVerifier) -> Self {
        self.tokens = Some(Arc::new(verifier));
        self
    }

    /// Whether a token can be right here.
    pub fn verifies_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// What a client may be told about the tokens that are wanted.
    pub fn token_hints(&self) -> Hints {
        self.tokens
            .as_ref()
            .map(|verifier| verifier.hints())
            .unwrap_or_default()
    }

    /// Checks a token: whose it is, and whether that account may log in.
    pub(super) async fn check_token(&self, shown: Shown, peer: Peer) -> Result<Verdict, Denied> {
        let wrong = |why: String, row| {
            Ok(Verdict::Wrong(Refused {
                why: why.into(),
                row,
                fingerprint: None,
            }))
        };
        let Some(verifier) = &self.tokens else {
            return wrong("tokens are not verified here".to_owned(), None);
        };
        if shown.token.expose().is_empty() {
            return wrong("asks which tokens are wanted".to_owned(), None);
        }
        let (verifier, token) = (Arc::clone(verifier), shown.token);
        // The key set may have changed, and is read then.
        let verified = blocking(move || verifier.verify(&token, SystemTime::now())).await?;
        let name = match verified {
            Ok(identity) => identity.account,
            Err(why) => return wrong(why.to_string(), None),
        };
        let row = self.row(name.as_str()).await?;
        let named = shown.user.is_none_or(|user| is_same(&user, name.as_str()));
        match (row, named) {
            // The issuer has signed it, so it is nobody's password; an operator has to know whom to add.
            (None, _) => wrong(format!("no such account: the token names {name}"), None),
            (row, false) => wrong("the token is somebody else's".to_owned(), row),
            (Some(row), true) => match row.obstacle(peer) {
                None => Ok(Verdict::Right(row, Proof::Exchange)),
                Some(why) => wrong(why.to_owned(), Some(row)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sasl::Login;
    use serde_json::{Value, json};

    use super::*;
    use crate::accounts::{Change, Password, State};
    use crate::authenticator::Settings;
    use crate::token::tests::issuer::{Key, set};
    use crate::token::tests::{ISSUER, settings};

    struct Setting {
        auth: Authenticator,
        key: Key,
        _directory: tempfile::TempDir,
    }

    /// `bob` and `ann`, and an issuer that knows them by their mail addresses.
    fn setting() -> Setting {
        let directory = tempfile::tempdir().unwrap();
        let key = Key::ed25519("2026");
        let jwks = directory.path().join("jwks.json");
        std::fs::write(&jwks, set(&[&key])).unwrap();
        let auth = Authenticator::open(Settings {
            data: directory.path().join("data"),
            scram: false,
            scram_iterations: 4096,
            scram_sha1: false,
            refusal_delay: Duration::from_secs(2),
        })
        .unwrap()
        .with_tokens(TokenVerifier::open(settings(&jwks)).unwrap());
        let password = Password::Clear(Secret::new("redqueen"));
        for name in ["bob@dobbs.org", "ann@dobbs.org"] {
            auth.accounts().add(name, &password).unwrap();
        }
        Setting {
            auth,
            key,
            _directory: directory,
        }
    }

    impl Setting {
        fn token(&self, email: &str, scope: &str) -> String {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
            let claims: Value = json!({
                "iss": ISSUER, "aud": "pop3", "email": email, "email_verified": true,
                "scope": scope, "iat": now, "exp": now + 300,
            });
            self.key.token("EdDSA", &claims)
        }

        async fn log_in(&self, user: Option<&str>, token: &str) -> Result<String, Denied> {
            let login = Login::Token {
                user: user.map(Into::into),
                token: Secret::new(token),
                host: None,
                port: None,
            };
            let peer = Peer::Address([192, 0, 2, 1].into());
            let identity = self.auth.verify(login, peer).await?;
            Ok(identity.account().to_owned())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_opens_the_maildrop_of_whom_it_names() {
        let setting = setting();
        let token = setting.token("Bob@dobbs.org", "openid mail");
        for user in [None, Some("bob@dobbs.org"), Some("BOB@Dobbs.org")] {
            assert_eq!(setting.log_in(user, &token).await.unwrap(), "bob@dobbs.org");
        }
        assert_eq!(setting.auth.token_hints().scope.as_deref(), Some("mail"));
    }

    #[tokio::test(start_paused = true)]
    async fn whom_a_token_names_without_an_account_is_told() {
        let setting = setting();
        let shown = Shown {
            user: Some("bob@dobbs.org".to_owned()),
            token: Secret::new(setting.token("Nobody@dobbs.org", "mail")),
        };
        let verdict = setting.auth.check_token(shown, Peer::Local).await;
        let Ok(Verdict::Wrong(refused)) = verdict else {
            panic!("not refused");
        };
        let why = "no such account: the token names nobody@dobbs.org";
        assert_eq!(refused.why, why);
    }

    #[tokio::test(start_paused = true)]
    async fn no_other_token_opens_anything() {
        let setting = setting();
        let bob = setting.token("bob@dobbs.org", "mail");
        let mut forged = bob.clone();
        forged.pop();
        for (user, token) in [
            (Some("ann@dobbs.org"), bob.clone()),
            (Some("ann"), bob.clone()),
            (Some(""), bob.clone()),
            (None, forged),
            (None, setting.token("bob@dobbs.org", "openid")),
            (None, setting.token("nobody@dobbs.org", "mail")),
            (Some("bob@dobbs.org"), String::new()),
            (Some("bob@dobbs.org"), "redqueen".to_owned()),
        ] {
            let denied = setting.log_in(user, &token).await;
            assert!(
                matches!(denied, Err(Denied::Credentials)),
                "{user:?} {token}"
            );
        }
        setting
            .auth
            .accounts()
            .set(
                "bob@dobbs.org",
                &Change {
                    state: Some(State::Disabled),
                    ..Change::default()
                },
            )
            .unwrap();
        let denied = setting.log_in(None, &bob).await;
        assert!(matches!(denied, Err(Denied::Credentials)));
    }
}
