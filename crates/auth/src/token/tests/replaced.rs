//! The key set on disk: what is no key set, and what happens when it is replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;

/// A key set on disk and the verifier that reads it.
struct Place {
    directory: TempDir,
    verifier: TokenVerifier,
}

impl Place {
    fn with(keys: &[&Key]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jwks.json");
        fs::write(&file, set(keys)).unwrap();
        let verifier = TokenVerifier::open(settings(&file)).unwrap();
        Self {
            directory,
            verifier,
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("jwks.json")
    }

    /// As an operator should: a new file, renamed over the old one.
    fn replace(&self, text: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, self.file()).unwrap();
    }

    fn verify(&self, key: &Key) -> Result<(), TokenError> {
        let token = Secret::new(key.token("EdDSA", &good()));
        self.verifier.verify(&token, now()).map(drop)
    }
}

#[test]
fn keys_rotate_with_the_file() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let place = Place::with(&[&old]);
    assert_eq!(place.verify(&old), Ok(()));
    assert_eq!(place.verify(&new), Err(TokenError::UnknownKey));
    place.replace(&set(&[&old, &new]));
    assert_eq!(place.verify(&new), Ok(()));
    assert_eq!(place.verify(&old), Ok(()));
    place.replace(&set(&[&new]));
    assert_eq!(place.verify(&old), Err(TokenError::UnknownKey));
    // Written into the same file, which then has another size and time.
    fs::write(place.file(), set(&[&old, &new])).unwrap();
    assert_eq!(place.verify(&old), Ok(()));
}

#[test]
fn a_broken_new_file_keeps_the_old_keys() {
    let (old, new) = (Key::ed25519("old"), Key::ed25519("new"));
    let place = Place::with(&[&old]);
    let whole = set(&[&new]);
    let long = format!(
        "{whole}{}",
        " ".repeat(usize::try_from(JWKS_OCTETS_MAX).unwrap())
    );
    for broken in [
        "",
        "{",
        &whole[..whole.len() - 1],
        "[]",
        "{\"keys\": 7}",
        "null",
        &long,
    ] {
        place.replace(broken);
        assert_eq!(place.verify(&old), Ok(()), "{broken:.20}");
        assert_eq!(place.verify(&new), Err(TokenError::UnknownKey));
    }
    fs::remove_file(place.file()).unwrap();
    assert_eq!(place.verify(&old), Ok(()));
    fs::create_dir(place.file()).unwrap();
    assert_eq!(place.verify(&old), Ok(()));
    fs::remove_dir(place.file()).unwrap();
    // And what is whole again counts.
    place.replace(&whole);
    assert_eq!(place.verify(&new), Ok(()));
    assert_eq!(place.verify(&old), Err(TokenError::UnknownKey));
}

#[test]
fn a_broken_new_file_is_told_once() {
    let old = Key::ed25519("old");
    let place = Place::with(&[&old]);
    place.replace("{");
    let log = logged(|| {
        for _ in 0..3 {
            place.verify(&old).unwrap();
        }
    });
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(
        log.contains("the old keys stay") && log.contains("line 1"),
        "{log}"
    );
    let log = logged(|| {
        place.replace(&set(&[&old]));
        place.verify(&old).unwrap();
        place.verify(&old).unwrap();
    });
    assert_eq!(
        log.matches("key set of tokens replaced").count(),
        1,
        "{log}"
    );
    let token = old.token("EdDSA", &good());
    assert!(!log.contains(&token[..20]), "{log}");
}

#[test]
fn a_broken_new_file_is_read_once() {
    use rustix::fs::inotify;

    let old = Key::ed25519("old");
    let place = Place::with(&[&old]);
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    let opened = |body: &dyn Fn()| {
        inotify::add_watch(&watch, place.file(), inotify::WatchFlags::OPEN).unwrap();
        body();
        let mut space = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&watch, &mut space);
        let mut count = 0;
        while let Ok(event) = events.next() {
            count += usize::from(event.events().contains(inotify::ReadFlags::OPEN));
        }
        count
    };
    let three_tokens = || (0..3).for_each(|_| place.verify(&old).unwrap());
    assert_eq!(opened(&three_tokens), 0, "what is known is not read");
    place.replace("{");
    assert_eq!(opened(&three_tokens), 1);
    // It has changed, so it may be better.
    fs::write(place.file(), "[]").unwrap();
    assert_eq!(opened(&three_tokens), 1);
    // What is whole is read and counts, and what is broken after it is looked at anew.
    place.replace(&set(&[&old]));
    assert_eq!(opened(&three_tokens), 1);
    place.replace("{");
    assert_eq!(opened(&three_tokens), 1);
}

#[test]
fn an_empty_set_takes_every_key_back() {
    let old = Key::ed25519("old");
    let place = Place::with(&[&old]);
    place.replace("{\"keys\": []}");
    assert_eq!(place.verify(&old), Err(TokenError::UnknownKey));
}

#[test]
fn what_is_no_key_set_does_not_open() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jwks.json");
    let opened = || TokenVerifier::open(settings(&file)).map(drop);
    assert!(matches!(opened(), Err(JwksError::Unreadable(_))));
    let short = json!({"kty": "RSA", "n": base64url(&[0xc5; 128]), "e": "AQAB"});
    let huge = json!({"kty": "RSA", "n": base64url(&[0xc5; 1025]), "e": "AQAB"});
    let zeros =
        json!({"kty": "RSA", "n": base64url(&[&[0; 128][..], &[0xc5; 128]].concat()), "e": "AQAB"});
    let cut = json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"});
    let curve = json!({"kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA"});
    let ed448 = json!({"kty": "OKP", "crv": "Ed448", "x": "AAAA"});
    let secret = json!({"kty": "oct", "k": "c2VjcmV0"});
    for key in [
        short,
        huge,
        zeros,
        cut,
        curve,
        ed448,
        secret,
        json!({}),
        json!(7),
    ] {
        fs::write(&file, json!({"keys": [key]}).to_string()).unwrap();
        let refused = opened();
        assert!(
            matches!(refused, Err(JwksError::NoKey)),
            "{key}: {refused:?}"
        );
    }
    for (text, place) in [("{\"keys\":\n  [}", (2, 4)), ("[]", (0, 0)), ("{}", (0, 0))] {
        fs::write(&file, text).unwrap();
        let Err(JwksError::Malformed { line, column }) = opened() else {
            panic!("{text}");
        };
        assert_eq!((line, column), place, "{text}");
    }
    fs::write(
        &file,
        " ".repeat(usize::try_from(JWKS_OCTETS_MAX).unwrap() + 1),
    )
    .unwrap();
    assert!(matches!(opened(), Err(JwksError::TooLong)));
    fs::write(&file, set(&[&Key::ed25519("2026")])).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(opened(), Err(JwksError::Writable)));
    fs::remove_file(&file).unwrap();
    // Nobody writes into the pipe: opening it must not wait for that.
    let pipe = rustix::fs::CWD;
    rustix::fs::mkfifoat(pipe, &file, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    assert!(matches!(opened(), Err(JwksError::NotAFile)));
}

/// What was logged meanwhile by this thread.
fn logged(body: impl FnOnce()) -> String {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, body);
    let octets = log.0.lock().unwrap().clone();
    String::from_utf8(octets).unwrap()
}
