//! Verifiers (RFC 5802 §3): what a server keeps instead of a password.
//!
//! ```text
//! SaltedPassword = PBKDF2(SASLprep(password), salt, iterations)
//! StoredKey      = H(HMAC(SaltedPassword, "Client Key"))
//! ServerKey      = HMAC(SaltedPassword, "Server Key")
//! ```
//!
//! A stolen verifier does not log in anywhere, but it can be guessed at, as any password hash can:
//! the iterations are the price of a guess.

use std::fmt;

use super::{Hash, ITERATIONS_MIN, Key};
use crate::{Secret, prepare};

/// Octets of a salt that we make; one that is read may have another length.
pub const SALT_OCTETS: usize = 16;

/// What the server keeps of a password. `Debug` shows no key.
#[derive(Clone, Eq, PartialEq)]
pub struct Verifier {
    /// The hash function.
    hash: Hash,
    /// Sent to the client.
    salt: Vec<u8>,
    /// Sent to the client; at least [`ITERATIONS_MIN`].
    iterations: u32,
    /// Checks the client's proof.
    stored_key: Key,
    /// Makes the server's signature.
    server_key: Key,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// No SCRAM verifier can be made of this password: it is empty, not UTF-8, or SASLprep refuses a
/// character of it (RFC 4013 §2.3). Or the iterations are fewer than [`ITERATIONS_MIN`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unpreparable;

impl Verifier {
    /// The verifier of a password. This is slow by intent: PBKDF2 of `iterations` rounds.
    ///
    /// # Errors
    ///
    /// [`Unpreparable`] if SASLprep has no form of the password.
    pub fn derive(
        hash: Hash,
        password: &Secret,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, Unpreparable> {
        let salted = salted_password(hash, password, salt, iterations)?;
        let client_key = hash.hmac(salted.expose(), b"Client Key");
        let stored_key = hash.digest(client_key.expose());
        let server_key = hash.hmac(salted.expose(), b"Server Key");
        Self::new(salt.to_vec(), iterations, stored_key, server_key).ok_or(Unpreparable)
    }

    /// A verifier that was kept; none if no client could use it: the keys are of two hashes, the
    /// iterations are too few, or there is no salt.
    pub fn new(salt: Vec<u8>, iterations: u32, stored_key: Key, server_key: Key) -> Option<Self> {
        let hash = stored_key.hash();
        let usable = hash == server_key.hash() && iterations >= ITERATIONS_MIN && !salt.is_empty();
        usable.then_some(Self {
            hash,
            salt,
            iterations,
            stored_key,
            server_key,
        })
    }

    /// What a name gets that has no verifier: it looks like one, is the same each time, and nobody
    /// knows a password of it. `secret` must be the server's own, for who knows it can tell.
    pub fn imaginary(hash: Hash, secret: &[u8], name: &str, iterations: u32) -> Self {
        let derive = |what: &str| hash.hmac(secret, format!("{what}\0{name}").as_bytes());
        Self {
            hash,
            salt: derive("salt").expose()[..SALT_OCTETS].to_vec(),
            iterations: iterations.max(ITERATIONS_MIN),
            // Of no client key: to find one is to invert the hash.
            stored_key: derive("stored key"),
            server_key: derive("server key"),
        }
    }

    /// The hash function.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The salt, which is sent to the client.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iterations, which are sent to the client.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// What checks the client's proof.
    pub fn stored_key(&self) -> &Key {
        &self.stored_key
    }

    /// What makes the server's signature.
    pub fn server_key(&self) -> &Key {
        &self.server_key
    }
}

/// `Hi(Normalize(password), salt, i)` of RFC 5802 §2.2; the password is prepared as a stored string.
///
/// # Errors
///
/// [`Unpreparable`] if SASLprep has no form of the password.
pub fn salted_password(
    hash: Hash,
    password: &Secret,
    salt: &[u8],
    iterations: u32,
) -> Result<Key, Unpreparable> {
    let text = str::from_utf8(password.expose()).map_err(|_| Unpreparable)?;
    let prepared = prepare::stored(text).map_err(|_| Unpreparable)?;
    let prepared = Secret::new(prepared.as_bytes());
    Ok(hash.iterate(prepared.expose(), salt, iterations))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; 16] = 0x5b6d99689d12358eeca04b141236fa81_u128.to_be_bytes();

    fn derive(password: impl Into<Vec<u8>>) -> Result<Verifier, Unpreparable> {
        Verifier::derive(Hash::Sha256, &Secret::new(password), &SALT, 4096)
    }

    /// The examples of RFC 4013 §3, told by the keys that they give.
    #[test]
    fn passwords_are_prepared() {
        assert_eq!(derive("I\u{ad}X"), derive("IX"));
        assert_eq!(derive("\u{aa}"), derive("a"));
        assert_eq!(derive("\u{2168}"), derive("IX"));
        assert_ne!(derive("user"), derive("USER"));
        assert_eq!(derive("\u{7}"), Err(Unpreparable));
        assert_eq!(derive("\u{627}\u{31}"), Err(Unpreparable));
        assert_eq!(derive(""), Err(Unpreparable));
        assert_eq!(derive(vec![0xff, 0xfe]), Err(Unpreparable));
    }

    #[test]
    fn no_key_is_printed() {
        let verifier = derive("pencil").unwrap();
        assert_eq!(
            format!("{verifier:?}"),
            "Verifier { hash: Sha256, iterations: 4096, .. }"
        );
    }

    #[test]
    fn a_verifier_that_no_client_could_use_is_none() {
        let right = derive("pencil").unwrap();
        let keys = || (right.stored_key().clone(), right.server_key().clone());
        let (stored, server) = keys();
        assert!(Verifier::new(SALT.to_vec(), 4095, stored, server).is_none());
        let (stored, server) = keys();
        assert!(Verifier::new(Vec::new(), 4096, stored, server).is_none());
        let (stored, _) = keys();
        assert!(Verifier::new(SALT.to_vec(), 4096, stored, Hash::Sha1.digest(b"")).is_none());
        let (stored, server) = keys();
        assert_eq!(
            Verifier::new(SALT.to_vec(), 4096, stored, server),
            Some(right)
        );
        assert_eq!(Key::new(Hash::Sha256, &[0; 20]), None);
    }

    #[test]
    fn an_imaginary_verifier_is_the_same_each_time_for_a_name() {
        let imagine = |secret: &[u8], name| Verifier::imaginary(Hash::Sha1, secret, name, 5000);
        let bob = imagine(b"s", "bob");
        assert_eq!(bob, imagine(b"s", "bob"));
        assert_eq!((bob.salt().len(), bob.iterations()), (SALT_OCTETS, 5000));
        for other in [imagine(b"s", "bo"), imagine(b"t", "bob")] {
            assert_ne!(bob.salt(), other.salt());
            assert_ne!(bob.stored_key(), other.stored_key());
        }
    }
}
