//! Nonces of a connection: each new, none to be foreseen by who has seen others.
//!
//! There is no randomness here: whoever drives the exchanges gives 32 random octets for a
//! connection, and the nonces follow from them.

use zeroize::Zeroizing;

use crate::base64;
use crate::scram::Hash;

/// Octets of a seed.
pub const SEED_OCTETS: usize = 32;

/// The nonces of one connection. `Debug` does not show what they follow from.
#[derive(Clone)]
pub struct Nonces {
    seed: Zeroizing<[u8; SEED_OCTETS]>,
    made: u64,
}

impl Nonces {
    /// Those of a random seed.
    pub fn new(seed: [u8; SEED_OCTETS]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            made: 0,
        }
    }

    /// A nonce that there was not before: 24 characters of base 64, 144 bits.
    #[expect(clippy::should_implement_trait, reason = "they never end")]
    pub fn next(&mut self) -> String {
        let count = self.made.to_be_bytes();
        self.made += 1;
        base64::encode(&Hash::Sha256.hmac(&*self.seed, &count).expose()[..18])
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nonce_comes_twice_and_none_ends_an_attribute() {
        let mut nonces = Nonces::new([7; 32]);
        let mut other = Nonces::new([8; 32]);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            for nonce in [nonces.next(), other.next()] {
                assert_eq!(nonce.len(), 24);
                assert!(!nonce.contains([',', '=']));
                assert!(seen.insert(nonce));
            }
        }
        assert_eq!(format!("{nonces:?}"), "Nonces { .. }");
    }
}
