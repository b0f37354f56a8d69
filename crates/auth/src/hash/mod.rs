//! Password hashes: argon2id (RFC 9106) for our own, and what other servers have for those that are
//! imported (see [`Scheme`]).
//!
//! A [`PasswordHash`] is parsed and its cost checked before it is ever computed, so a stored hash
//! cannot ask for more memory or time than the limits below.

mod argon;
mod crypt;
mod md5_crypt;
mod pbkdf2;
mod scheme;
mod scrypt;

use std::fmt;

use argon2::Params;
use sasl::{Secret, prepare};

use argon::Argon;
use md5_crypt::Md5Crypt;
use pbkdf2::Pbkdf2;
use scrypt::{Scrypt, Yescrypt};

pub use scheme::Scheme;

/// Memory of our own argon2id hashes in KiB, with two passes and one lane (OWASP's advice; about
/// 20 ms of one core).
pub const ARGON2_KIB: u32 = 19 * 1024;
/// Passes of our own argon2id hashes.
pub const ARGON2_PASSES: u32 = 2;
/// Most memory in KiB that an imported argon2 hash may ask for. The pool's memory is at most its
/// threads times this.
pub const ARGON2_KIB_MAX: u32 = 64 * 1024;
/// Most work that an imported argon2 hash may ask for: KiB times passes (about a second).
pub const ARGON2_KIB_PASSES_MAX: u64 = 12 * 64 * 1024;
/// Highest cost of an imported bcrypt hash (about a second).
pub const BCRYPT_COST_MAX: u32 = 14;
/// So many octets of a password count for bcrypt.
const BCRYPT_OCTETS: usize = 72;
/// Most rounds of an imported SHA-crypt hash (less than a second for usual passwords).
pub const SHA_CRYPT_ROUNDS_MAX: u32 = 500_000;
/// Most blocks of 128 octets that an imported scrypt or yescrypt hash may ask for, N × r: 64 MiB, as
/// much as argon2.
pub const SCRYPT_BLOCKS_MAX: u64 = 512 * 1024;
/// Most work that an imported scrypt hash may ask for: N × r × p (about a second).
pub const SCRYPT_WORK_MAX: u64 = 4 * SCRYPT_BLOCKS_MAX;
/// Most blocks beside those, r × p: 1 MiB, where others have a few KiB.
pub const SCRYPT_LANES_MAX: u64 = 8 * 1024;
/// Most rounds of an imported PBKDF2 hash (a second and a half with SHA-512, the slowest; OWASP asks
/// for 1,300,000 with SHA-1).
pub const PBKDF2_ROUNDS_MAX: u32 = 1_500_000;
/// Longest password in octets: SHA-512-crypt's work grows with the square of it, and no POP3 line
/// carries more.
pub const PASSWORD_OCTETS_MAX: usize = 512;

/// A password's hash in the form that `accounts.db` keeps: a PHC or a crypt(3) string.
/// `Debug` shows the scheme only.
#[derive(Clone, Eq, PartialEq)]
pub struct PasswordHash {
    scheme: Scheme,
    text: Box<str>,
}

/// Why a text is not a hash that we can use. Holds nothing of the hash.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HashError {
    /// Not well formed.
    #[error("this is not a {scheme} hash, which looks like {example}", example = scheme.example())]
    Malformed {
        /// What it should have been.
        scheme: Scheme,
    },
    /// Computing it would take too much memory or time.
    #[error("the {scheme} hash costs too much to check: {cost}; at most {limit} is accepted")]
    TooCostly {
        /// The scheme.
        scheme: Scheme,
        /// What the hash asks for.
        cost: String,
        /// What is accepted.
        limit: String,
    },
    /// Not of the kind that crypt(3) makes, so that its cost cannot be told.
    #[error("the {scheme} hash has settings that no crypt(3) makes; it should look like {example}", example = scheme.example())]
    Settings {
        /// The scheme.
        scheme: Scheme,
    },
    /// Weaker than anything that may be kept.
    #[error("the {scheme} hash is too weak: {cost}")]
    TooWeak {
        /// The scheme.
        scheme: Scheme,
        /// What the hash asks for.
        cost: String,
    },
}

impl PasswordHash {
    /// Hashes a password with argon2id, 19 MiB, two passes, one lane and a random salt; in the form
    /// that SASLprep gives it (RFC 4013), as a password that is shown is compared.
    ///
    /// # Errors
    ///
    /// When the system has no randomness or no memory to give.
    pub fn new(password: &Secret) -> std::io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        // What SASLprep refuses is hashed as it is.
        let prepared = prepare::stored_secret(password);
        let password = prepared.as_ref().unwrap_or(password);
        let params = Params::new(ARGON2_KIB, ARGON2_PASSES, 1, Some(32))
            .expect("our own parameters are in argon2's range");
        let mut out = [0; 32];
        argon::argon2id(&params, password, &salt, &mut out)
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::OutOfMemory))?;
        Ok(Self {
            scheme: Scheme::Argon2id,
            text: argon::text(&params, &salt, &out).into(),
        })
    }

    /// Checks the form and the cost of a hash of a known scheme.
    ///
    /// # Errors
    ///
    /// See [`HashError`].
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, HashError> {
        match scheme {
            Scheme::Argon2id | Scheme::Argon2i => Argon::parse(scheme, text).map(drop)?,
            Scheme::BlfCrypt => crypt::check_bcrypt(text)?,
            Scheme::Sha512Crypt | Scheme::Sha256Crypt => crypt::check_sha(scheme, text)?,
            Scheme::Yescrypt => Yescrypt::parse(text).map(drop)?,
            Scheme::Scrypt => Scrypt::parse(text).map(drop)?,
            Scheme::Pbkdf2 => Pbkdf2::parse(text).map(drop)?,
            Scheme::Md5Crypt => Md5Crypt::parse(text).map(drop)?,
        }
        Ok(Self {
            scheme,
            text: text.into(),
        })
    }

    /// Reads a hash back from `accounts.db`; its prefix tells the scheme.
    pub(crate) fn stored(text: &str) -> Result<Self, HashError> {
        Self::parse(Scheme::of(text).unwrap_or(Scheme::Argon2id), text)
    }

    /// Whether the password is the one that was hashed, as it was typed or as SASLprep writes it: our
    /// own hashes are of the prepared form (RFC 6856 §2.2), those of others of whatever came. Slow by
    /// intent; twice as slow where the forms differ, as is the check of an account that is not there.
    pub fn verify(&self, password: &Secret) -> bool {
        if password.expose().is_empty() || password.expose().len() > PASSWORD_OCTETS_MAX {
            spend(password);
            return false;
        }
        let as_typed = self.matches(password);
        as_typed | other_form(password).is_some_and(|prepared| self.matches(&prepared))
    }

    fn matches(&self, password: &Secret) -> bool {
        let text = &*self.text;
        match self.scheme {
            Scheme::Argon2id | Scheme::Argon2i => {
                Argon::parse(self.scheme, text).is_ok_and(|hash| hash.matches(password))
            }
            Scheme::BlfCrypt => bcrypt::verify(password.expose(), text).unwrap_or(false),
            Scheme::Sha512Crypt | Scheme::Sha256Crypt => crypt::matches_sha(text, password),
            Scheme::Yescrypt => Yescrypt::parse(text).is_ok_and(|hash| hash.matches(password)),
            Scheme::Scrypt => Scrypt::parse(text).is_ok_and(|hash| hash.matches(password)),
            Scheme::Pbkdf2 => Pbkdf2::parse(text).is_ok_and(|hash| hash.matches(password)),
            Scheme::Md5Crypt => Md5Crypt::parse(text).is_ok_and(|hash| hash.matches(password)),
        }
    }

    /// Whether [`Self::verify`] looks at all of a password. bcrypt looks at 72 octets: a longer text that
    /// it takes may end in anything, and one of just so many may be the beginning of the password.
    pub(crate) fn sees_all_of(&self, password: &Secret) -> bool {
        let is_short = |form: &Secret| form.expose().len() < BCRYPT_OCTETS;
        self.scheme != Scheme::BlfCrypt
            || is_short(password) && other_form(password).as_ref().is_none_or(is_short)
    }

    /// How the password is hashed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether a hash of our own would be better: another scheme, or cheaper to guess.
    pub fn is_legacy(&self) -> bool {
        match self.scheme {
            Scheme::Argon2id => Argon::parse(self.scheme, &self.text).map_or(true, |hash| {
                hash.work() < u64::from(ARGON2_KIB) * u64::from(ARGON2_PASSES)
            }),
            Scheme::Argon2i
            | Scheme::BlfCrypt
            | Scheme::Sha512Crypt
            | Scheme::Sha256Crypt
            | Scheme::Yescrypt
            | Scheme::Scrypt
            | Scheme::Pbkdf2
            | Scheme::Md5Crypt => true,
        }
    }

    /// The hash as `accounts.db` keeps it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({})", self.scheme)
    }
}

/// Does the work of checking one of our own hashes, for accounts that have none or do not exist.
pub(crate) fn spend(password: &Secret) {
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, 1, Some(32))
        .expect("our own parameters are in argon2's range");
    let octets = password.expose();
    let short = Secret::new(&octets[..octets.len().min(PASSWORD_OCTETS_MAX)]);
    for password in [Some(&short), other_form(&short).as_ref()]
        .into_iter()
        .flatten()
    {
        let mut out = [0; 32];
        // No memory: then a real check would have failed as early.
        let _ = argon::argon2id(&params, password, &[0; 16], &mut out);
        std::hint::black_box(out);
    }
}

/// What SASLprep makes of a password, if that is something else.
fn other_form(password: &Secret) -> Option<Secret> {
    let prepared = prepare::query_secret(password).ok()?;
    (!prepared.same(password)).then_some(prepared)
}

#[cfg(test)]
mod tests;
