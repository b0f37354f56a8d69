//! Credentials that were verified lately.
//!
//! A program that looks for mail every few minutes must not cost a slow hash each time: of a poll it would
//! be 99 % of the cost (docs/scaling.md). The cache
//! keeps HMAC-SHA-256(key of this process, account id ‖ account version ‖ stored hash ‖ password) of
//! successes only, so it holds no password, and any change of the account's row makes its entries useless. The
//! stored hash tells apart what a version alone does not: an account brought back from a backup has a version again
//! that it had before. An
//! entry lives an hour from when the hash was computed, however often it is used.
//! 250,000 entries take about 30 MB.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashlink::LruCache;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sasl::Secret;
use sha2::Sha256;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// How long a verified credential counts.
pub const CREDENTIAL_AGE_MAX: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Credentials {
    key: Zeroizing<[u8; 32]>,
    verified: Mutex<LruCache<Credential, Instant>>,
}

/// What identifies a password of an account at a version, to this process only.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Credential([u8; 32]);

impl Credentials {
    pub(crate) fn new(count_max: usize) -> std::io::Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key)?;
        Ok(Self {
            key,
            verified: Mutex::new(LruCache::new(count_max)),
        })
    }

    /// Of an account whose password is stored like this; `stored` is as a row has it.
    pub(crate) fn credential(
        &self,
        id: i64,
        version: i64,
        stored: &str,
        password: &Secret,
    ) -> Credential {
        let length = (stored.len() as u64).to_be_bytes();
        Credential(self.mac(&[
            &id.to_be_bytes(),
            &version.to_be_bytes(),
            &length,
            stored.as_bytes(),
            password.expose(),
        ]))
    }

    /// Tells one wrong password from another, for the throttle. Never 0.
    pub(crate) fn fingerprint(&self, name: &str, password: &Secret) -> u32 {
        let name = name.to_ascii_lowercase();
        let length = (name.len() as u64).to_be_bytes();
        let mac = self.mac(&[b"wrong", &length, name.as_bytes(), password.expose()]);
        u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]]).max(1)
    }

    pub(crate) fn contains(&self, credential: &Credential) -> bool {
        let mut verified = self.lock();
        match verified.get(credential) {
            Some(at) if at.elapsed() < CREDENTIAL_AGE_MAX => true,
            Some(_) => {
                verified.remove(credential);
                false
            }
            None => false,
        }
    }

    pub(crate) fn insert(&self, credential: Credential) {
        self.lock().insert(credential, Instant::now());
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.key).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Credential, Instant>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_success_counts_from_the_hash_not_from_its_last_use() {
        let cache = Credentials::new(10).unwrap();
        let credential = cache.credential(1, 1, "$", &Secret::new("redqueen"));
        assert!(!cache.contains(&credential));
        cache.insert(credential);
        tokio::time::advance(CREDENTIAL_AGE_MAX - Duration::from_secs(1)).await;
        assert!(cache.contains(&credential));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!cache.contains(&credential));
        assert_eq!(cache.lock().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn another_account_version_password_or_process_is_another_credential() {
        let cache = Credentials::new(10).unwrap();
        let secret = Secret::new("redqueen");
        let credential = cache.credential(1, 1, "$", &secret);
        assert!(credential == cache.credential(1, 1, "$", &secret));
        assert!(credential != cache.credential(2, 1, "$", &secret));
        assert!(credential != cache.credential(1, 2, "$", &secret));
        assert!(credential != cache.credential(1, 1, "$$", &secret));
        assert!(credential != cache.credential(1, 1, "$", &Secret::new("redquee")));
        assert!(credential != Credentials::new(10).unwrap().credential(1, 1, "$", &secret));
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_is_bounded() {
        let cache = Credentials::new(10).unwrap();
        for id in 0..1000 {
            cache.insert(cache.credential(id, 1, "$", &Secret::new("x")));
        }
        assert_eq!(cache.lock().len(), 10);
    }

    #[test]
    fn fingerprints_tell_wrong_passwords_apart() {
        let cache = Credentials::new(10).unwrap();
        let of = |name: &str, text: &str| cache.fingerprint(name, &Secret::new(text));
        assert_eq!(of("bob", "x"), of("BOB", "x"));
        assert_ne!(of("bob", "x"), of("bob", "y"));
        assert_ne!(of("bo", "bx"), of("bob", "x"));
    }
}
