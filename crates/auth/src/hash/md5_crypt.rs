//! MD5-crypt, `$1$`: read so that accounts as old as that can move in, and never made.
//!
//! No kept crate has it. The rules are those of FreeBSD's `crypt-md5.c`, from which all others
//! come: a thousand rounds, whatever the hash says, which is a fraction of a millisecond.

use base64ct::{Base64ShaCrypt, Encoding as _};
use md5::{Digest as _, Md5};
use sasl::Secret;
use subtle::ConstantTimeEq as _;

use super::{HashError, Scheme};

const ROUNDS: usize = 1000;
const SALT_OCTETS_MAX: usize = 8;

/// In which order the digest's octets are written.
const ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

/// A hash whose form is right.
pub(super) struct Md5Crypt<'a> {
    salt: &'a [u8],
    expected: Vec<u8>,
}

impl<'a> Md5Crypt<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, HashError> {
        let read = || {
            let (salt, hash) = text.strip_prefix("$1$")?.split_once('$')?;
            let expected = Base64ShaCrypt::decode_vec(hash).ok()?;
            let whole = salt.len() <= SALT_OCTETS_MAX && expected.len() == ORDER.len();
            whole.then_some(Self {
                salt: salt.as_bytes(),
                expected,
            })
        };
        read().ok_or(HashError::Malformed {
            scheme: Scheme::Md5Crypt,
        })
    }

    pub(super) fn matches(&self, password: &Secret) -> bool {
        let digest = self.digest(password.expose());
        ORDER.map(|at| digest[at]).ct_eq(&self.expected[..]).into()
    }

    fn digest(&self, password: &[u8]) -> [u8; 16] {
        let salt = self.salt;
        let mut digest = md5(&[password, salt, password]);
        let mut first = Md5::new();
        first.update(password);
        first.update(b"$1$");
        first.update(salt);
        for part in password.chunks(digest.len()) {
            first.update(&digest[..part.len()]);
        }
        // A NUL for each 1 in the password's length, the password's first octet for each 0: surely
        // not what was meant, but it is what all of them do.
        let mut length = password.len();
        while length > 0 {
            match length & 1 {
                1 => first.update([0]),
                _ => first.update(&password[..1]),
            }
            length >>= 1;
        }
        digest = first.finalize().into();
        for round in 0..ROUNDS {
            let odd = round % 2 == 1;
            let salt: &[u8] = if round % 3 == 0 { b"" } else { salt };
            let again: &[u8] = if round % 7 == 0 { b"" } else { password };
            digest = match odd {
                true => md5(&[password, salt, again, &digest]),
                false => md5(&[&digest, salt, again, password]),
            };
        }
        digest
    }
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
