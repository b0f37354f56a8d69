//! No password, hash or key is in any log, at any level, whatever happens to a login.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth::{Authenticator, Denied, Password, PasswordHash, Peer, Scheme, Settings};
use sasl::{Login, Secret};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(octets)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        let octets = self.0.lock().expect("no writer panics");
        String::from_utf8_lossy(&octets).into_owned()
    }
}

#[tokio::test]
async fn logs_tell_what_happened_but_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let dir = tempfile::tempdir().unwrap();
    let auth = Authenticator::open(Settings {
        data: dir.path().into(),
        scram: true,
        scram_iterations: 4096,
        scram_sha1: false,
        refusal_delay: Duration::from_millis(1),
    })
    .unwrap();
    let accounts = auth.accounts();
    let bcrypt = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let hash = PasswordHash::parse(Scheme::BlfCrypt, bcrypt).unwrap();
    accounts.add("legacy", &Password::Hash(hash)).unwrap();
    accounts
        .add("bob", &Password::Clear(Secret::new("redqueen")))
        .unwrap();
    accounts.set_apop("bob", &Secret::new("tanstaaf")).unwrap();
    let login = |user: &str, secret: &str| Login::password(user, Secret::new(secret));
    let apop = |secret: &str| Login::Apop {
        user: "bob".into(),
        timestamp: "<1@h>".into(),
        digest: sasl::apop::digest("<1@h>", &Secret::new(secret)),
    };
    for right in [
        login("bob", "redqueen"),
        login("legacy", "U*U"),
        apop("tanstaaf"),
    ] {
        auth.verify(right, Peer::Local).await.unwrap();
    }
    for wrong in [
        login("bob", "jabberwock"),
        // People type their password where the name belongs.
        login("mysecretpassword", "bob"),
        login("bob\r\nFAKE LINE", "jabberwock"),
        apop("jabberwock"),
    ] {
        let answer = auth.verify(wrong, Peer::Local).await;
        assert!(matches!(answer, Err(Denied::Credentials)));
    }
    let begin = Instant::now();
    while !log.text().contains("password rehashed") {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", log.text());
        std::thread::sleep(Duration::from_millis(5));
    }
    let text = log.text();
    assert!(
        text.contains("login refused") && text.contains("wrong password"),
        "{text}"
    );
    assert!(text.contains(r#"account="legacy""#), "{text}");
    for secret in [
        "redqueen",
        "U*U",
        "tanstaaf",
        "jabberwock",
        "mysecretpassword",
        "FAKE",
        "$2y$",
        "$argon2id$",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
