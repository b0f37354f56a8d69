//! The hash functions of SCRAM, and what they give.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A hash function that SCRAM may use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Hash {
    /// RFC 5802. For this use it is not broken, but nothing new should begin with it.
    Sha1,
    /// RFC 7677.
    Sha256,
}

impl Hash {
    /// Octets of a digest.
    pub fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// `H(text)`.
    pub fn digest(self, text: &[u8]) -> Key {
        match self {
            Self::Sha1 => Key::of(self, &Sha1::digest(text)),
            Self::Sha256 => Key::of(self, &Sha256::digest(text)),
        }
    }

    /// `HMAC(key, text)`.
    pub fn hmac(self, key: &[u8], text: &[u8]) -> Key {
        const ANY: &str = "HMAC takes a key of any length";
        match self {
            Self::Sha1 => {
                let mut mac = Hmac::<Sha1>::new_from_slice(key).expect(ANY);
                mac.update(text);
                Key::of(self, &mac.finalize().into_bytes())
            }
            Self::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(ANY);
                mac.update(text);
                Key::of(self, &mac.finalize().into_bytes())
            }
        }
    }

    /// `Hi(password, salt, iterations)`, which is PBKDF2.
    pub(super) fn iterate(self, password: &[u8], salt: &[u8], iterations: u32) -> Key {
        let mut key = Key::of(self, &[0; 32][..self.octets()]);
        let octets = &mut key.octets[..self.octets()];
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, octets),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, octets),
        }
        key
    }
}

/// As many octets as a hash gives. Zeroed on drop, compared in constant time, never printed.
#[derive(Clone)]
pub struct Key {
    octets: Zeroizing<[u8; 32]>,
    hash: Hash,
}

impl Key {
    /// The key of these octets; none if they are not as many as the hash has.
    pub fn new(hash: Hash, octets: &[u8]) -> Option<Self> {
        (octets.len() == hash.octets()).then(|| Self::of(hash, octets))
    }

    fn of(hash: Hash, octets: &[u8]) -> Self {
        let mut key = Self {
            octets: Zeroizing::new([0; 32]),
            hash,
        };
        key.octets[..hash.octets()].copy_from_slice(octets);
        key
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// The octets.
    pub fn expose(&self) -> &[u8] {
        &self.octets[..self.hash.octets()]
    }

    /// The octets, each XORed with that of another key of the same hash.
    pub(super) fn xor(&self, other: &Self) -> Self {
        let mut key = self.clone();
        for (octet, other) in key.octets.iter_mut().zip(&*other.octets) {
            *octet ^= other;
        }
        key
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && bool::from(self.octets.ct_eq(&*other.octets))
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
