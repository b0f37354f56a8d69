//! APOP secrets at rest: AES-256-GCM under a key beside `accounts.db`.
//!
//! APOP needs the secret itself (RFC 1939 §7), so it cannot be hashed. The key lies in a file of its
//! own, so that a copy of the database alone does not tell the secrets. Stored form: nonce (12
//! octets, random) ‖ ciphertext ‖ tag (16). The account's id is the associated data, so a secret that
//! is copied to another row does not decrypt.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use sasl::Secret;
use zeroize::Zeroizing;

use super::AccountsError;

/// The key's name in the data directory.
pub(super) const FILE: &str = "accounts.key";
const NONCE: usize = 12;

pub(crate) struct ApopKey(Aes256Gcm);

impl ApopKey {
    /// Reads the key; none if there is no file.
    pub(crate) fn read(data: &Path) -> Result<Option<Self>, AccountsError> {
        let path = data.join(FILE);
        let file = match OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(AccountsError::Io { path, source }),
        };
        let mut octets = Zeroizing::new(Vec::with_capacity(64));
        file.take(33)
            .read_to_end(&mut octets)
            .map_err(AccountsError::io(&path))?;
        match Aes256Gcm::new_from_slice(&octets) {
            Ok(cipher) => Ok(Some(Self(cipher))),
            Err(_) => Err(AccountsError::Key(path)),
        }
    }

    /// Reads the key, or makes it if there is none. Of two processes that do so at once, both get
    /// the same key.
    pub(super) fn read_or_make(data: &Path) -> Result<Self, AccountsError> {
        if let Some(key) = Self::read(data)? {
            return Ok(key);
        }
        let path = data.join(FILE);
        make(data, &path).map_err(AccountsError::io(&path))?;
        Self::read(data)?.ok_or(AccountsError::Key(path))
    }

    pub(super) fn encrypt(&self, id: i64, secret: &Secret) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)?;
        let payload = Payload {
            msg: secret.expose(),
            aad: &id.to_be_bytes(),
        };
        let sealed = self
            .0
            .encrypt(&nonce.into(), payload)
            .expect("a secret is far shorter than AES-GCM's limit");
        Ok([&nonce[..], &sealed].concat())
    }

    /// The secret, unless the stored octets are not of this key and account.
    pub(crate) fn decrypt(&self, id: i64, stored: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = stored.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: &id.to_be_bytes(),
        };
        let secret = self.0.decrypt(&(*nonce).into(), payload).ok()?;
        Some(Secret::new(secret))
    }
}

/// Writes a key under another name, makes it durable, then links it to its name, which fails if
/// somebody was faster.
fn make(data: &Path, path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)?;
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix)?;
    let draft: PathBuf = data.join(format!("{FILE}.{:016x}", u64::from_be_bytes(suffix)));
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&*key)?;
        file.sync_all()?;
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        }
    })();
    // Whatever happened, the draft is of no use any more.
    let removed = std::fs::remove_file(&draft);
    written?;
    removed?;
    File::open(data)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_comes_back_for_its_own_account_only() {
        let dir = tempfile::tempdir().unwrap();
        let key = ApopKey::read_or_make(dir.path()).unwrap();
        let secret = Secret::new("tanstaaf");
        let stored = key.encrypt(7, &secret).unwrap();
        assert!(!stored.windows(8).any(|w| w == b"tanstaaf"));
        assert!(key.decrypt(7, &stored).unwrap().same(&secret));
        assert!(key.decrypt(8, &stored).is_none());
        assert!(key.decrypt(7, &stored[1..]).is_none());
        assert!(key.decrypt(7, b"").is_none());
        assert_ne!(key.encrypt(7, &secret).unwrap(), stored);
    }

    #[test]
    fn the_key_is_made_once_and_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ApopKey::read(dir.path()).unwrap().is_none());
        let stored = ApopKey::read_or_make(dir.path())
            .unwrap()
            .encrypt(1, &Secret::new("x"))
            .unwrap();
        make(dir.path(), &dir.path().join(FILE)).unwrap();
        let again = ApopKey::read(dir.path()).unwrap().unwrap();
        assert!(again.decrypt(1, &stored).is_some());
        let mode = dir
            .path()
            .join(FILE)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_key_of_another_size_is_told() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, 31, 33, 4096] {
            std::fs::write(dir.path().join(FILE), vec![1; size]).unwrap();
            assert!(matches!(
                ApopKey::read_or_make(dir.path()),
                Err(AccountsError::Key(_))
            ));
        }
    }
}
