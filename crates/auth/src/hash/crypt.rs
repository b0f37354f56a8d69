//! SHA-crypt and bcrypt: crypt(3) strings that others' code reads and computes whole, once their form
//! and their cost are checked here.

use bcrypt::HashParts;
use sasl::Secret;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};

use super::{BCRYPT_COST_MAX, HashError, SHA_CRYPT_ROUNDS_MAX, Scheme};

/// Checks `$6$` if the scheme is [`Scheme::Sha512Crypt`], otherwise `$5$`.
pub(super) fn check_sha(scheme: Scheme, text: &str) -> Result<(), HashError> {
    let malformed = || HashError::Malformed { scheme };
    // Digits of 6 bits hold the 512 or 256 of the hash and a few more, which must be 0.
    let (prefix, digits, last) = match scheme {
        Scheme::Sha512Crypt => ("$6$", 86, &['.', '/', '0', '1'][..]),
        _ => ("$5$", 43, &SHA256_LAST[..]),
    };
    let rest = text.strip_prefix(prefix).ok_or_else(malformed)?;
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or_else(malformed)?;
            (rounds.parse().map_err(|_| malformed())?, rest)
        }
        None => (sha_crypt::Params::RECOMMENDED_ROUNDS, rest),
    };
    let (salt, hash) = rest.split_once('$').ok_or_else(malformed)?;
    let is_digit = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/';
    if salt.is_empty() || salt.len() > 16 || hash.len() != digits {
        return Err(malformed());
    }
    if !salt.chars().chain(hash.chars()).all(is_digit) || !hash.ends_with(last) {
        return Err(malformed());
    }
    if rounds > SHA_CRYPT_ROUNDS_MAX {
        return Err(HashError::TooCostly {
            scheme,
            cost: format!("rounds={rounds}"),
            limit: format!("rounds={SHA_CRYPT_ROUNDS_MAX}"),
        });
    }
    if rounds < sha_crypt::Params::ROUNDS_MIN {
        return Err(HashError::TooWeak {
            scheme,
            cost: format!("rounds={rounds}"),
        });
    }
    Ok(())
}

/// The digits below 16.
const SHA256_LAST: [char; 16] = [
    '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D',
];

/// Whether the password is that of a hash which [`check_sha`] has let pass.
pub(super) fn matches_sha(text: &str, password: &Secret) -> bool {
    // The string says which of the two functions it is.
    ShaCrypt::SHA512
        .verify_password(password.expose(), text)
        .is_ok()
}

pub(super) fn check_bcrypt(text: &str) -> Result<(), HashError> {
    let scheme = Scheme::BlfCrypt;
    // `$2x$` marks hashes of a faulty implementation, which ours would not reproduce.
    let known = ["$2a$", "$2b$", "$2y$"];
    if !known.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(HashError::Malformed { scheme });
    }
    let parts: HashParts = text.parse().map_err(|_| HashError::Malformed { scheme })?;
    match parts.get_cost() {
        cost @ ..4 => Err(HashError::TooWeak {
            scheme,
            cost: format!("cost {cost}"),
        }),
        4..=BCRYPT_COST_MAX => Ok(()),
        cost => Err(HashError::TooCostly {
            scheme,
            cost: format!("cost {cost}"),
            limit: format!("cost {BCRYPT_COST_MAX}"),
        }),
    }
}
