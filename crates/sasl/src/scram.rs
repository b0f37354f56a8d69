//! SCRAM-SHA-256 verifiers (RFC 5802 §3, RFC 7677): what a server keeps instead of a password.
//!
//! ```text
//! SaltedPassword = PBKDF2-HMAC-SHA-256(SASLprep(password), salt, iterations)
//! StoredKey      = SHA-256(HMAC(SaltedPassword, "Client Key"))
//! ServerKey      = HMAC(SaltedPassword, "Server Key")
//! ```
//!
//! A stolen verifier does not log in anywhere, but it can be guessed at, as any password hash can:
//! the iterations are the price of a guess.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Secret;

/// Fewest iterations that a server may use (RFC 7677 §4).
pub const ITERATIONS_MIN: u32 = 4096;

/// Octets of a salt that we make; one that is read may have another length.
pub const SALT_OCTETS: usize = 16;

/// What the server keeps of a password. `Debug` shows no key.
#[derive(Clone, Eq, PartialEq)]
pub struct Verifier {
    /// Sent to the client.
    pub salt: Vec<u8>,
    /// Sent to the client; at least [`ITERATIONS_MIN`].
    pub iterations: u32,
    /// Checks the client's proof.
    pub stored_key: [u8; 32],
    /// Makes the server's signature.
    pub server_key: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// No SCRAM verifier can be made of this password: it is empty, not UTF-8, or SASLprep refuses a
/// character of it (RFC 4013 §2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unpreparable;

impl Verifier {
    /// The verifier of a password. This is slow by intent: PBKDF2 of `iterations` rounds.
    ///
    /// # Errors
    ///
    /// [`Unpreparable`] if SASLprep has no form of the password.
    pub fn derive(password: &Secret, salt: &[u8], iterations: u32) -> Result<Self, Unpreparable> {
        let salted = salted_password(password, salt, iterations)?;
        let client_key = Zeroizing::new(hmac(&salted, b"Client Key"));
        Ok(Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: Sha256::digest(*client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        })
    }
}

/// `Hi(Normalize(password), salt, i)` of RFC 5802 §2.2, which is PBKDF2 with HMAC-SHA-256.
///
/// # Errors
///
/// [`Unpreparable`] if SASLprep has no form of the password.
pub fn salted_password(
    password: &Secret,
    salt: &[u8],
    iterations: u32,
) -> Result<Zeroizing<[u8; 32]>, Unpreparable> {
    let text = std::str::from_utf8(password.expose()).map_err(|_| Unpreparable)?;
    let prepared = Zeroizing::new(
        stringprep::saslprep(text)
            .map_err(|_| Unpreparable)?
            .into_owned(),
    );
    if prepared.is_empty() {
        return Err(Unpreparable);
    }
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(prepared.as_bytes(), salt, iterations, &mut *salted);
    Ok(salted)
}

/// HMAC-SHA-256, which RFC 5802 calls `HMAC(key, str)`.
pub fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Salt, in base64 `W22ZaJ0SNY7soEsUEjb6gQ==`, of the exchange in RFC 7677 §3.
    const SALT: [u8; 16] = 0x5b6d99689d12358eeca04b141236fa81_u128.to_be_bytes();

    /// The exchange of RFC 7677 §3: password `pencil`; the proof and the signature follow from the
    /// verifier and the three messages.
    #[test]
    fn the_exchange_of_rfc_7677() {
        let verifier = Verifier::derive(&Secret::new("pencil"), &SALT, 4096).unwrap();
        let messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

        // v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=
        let signature: [u8; 32] = [
            0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea,
            0x7e, 0x98, 0xc8, 0x54, 0x65, 0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2,
            0x39, 0x7d, 0xe4, 0x6e,
        ];
        assert_eq!(hmac(&verifier.server_key, messages.as_bytes()), signature);

        // p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=
        let proof: [u8; 32] = [
            0x74, 0x7c, 0xdb, 0x65, 0xaa, 0x56, 0x22, 0x4e, 0x23, 0x52, 0x13, 0x7e, 0x52, 0xd7,
            0xbd, 0xca, 0xd6, 0xa0, 0xf7, 0x38, 0xdf, 0x30, 0x78, 0x2c, 0xaa, 0x69, 0xa2, 0xcf,
            0xb0, 0x27, 0x75, 0x54,
        ];
        let mut client_key = hmac(&verifier.stored_key, messages.as_bytes());
        for (octet, proved) in client_key.iter_mut().zip(proof) {
            *octet ^= proved;
        }
        assert_eq!(
            <[u8; 32]>::from(Sha256::digest(client_key)),
            verifier.stored_key
        );
    }

    /// The examples of RFC 4013 §3, told by the keys that they give.
    #[test]
    fn passwords_are_prepared() {
        let derive = |text: &str| Verifier::derive(&Secret::new(text), &SALT, 4096);
        assert_eq!(derive("I\u{ad}X"), derive("IX"));
        assert_eq!(derive("\u{aa}"), derive("a"));
        assert_eq!(derive("\u{2168}"), derive("IX"));
        assert_ne!(derive("user"), derive("USER"));
        assert_eq!(derive("\u{7}"), Err(Unpreparable));
        assert_eq!(derive("\u{627}\u{31}"), Err(Unpreparable));
        assert_eq!(derive(""), Err(Unpreparable));
        assert_eq!(
            Verifier::derive(&Secret::new(vec![0xff, 0xfe]), &SALT, 4096),
            Err(Unpreparable)
        );
    }

    #[test]
    fn no_key_is_printed() {
        let verifier = Verifier::derive(&Secret::new("pencil"), &SALT, 4096).unwrap();
        assert_eq!(format!("{verifier:?}"), "Verifier { iterations: 4096, .. }");
    }
}
