//! Password hashes: argon2id (RFC 9106) for our own, SHA-512-crypt and bcrypt for what is imported.
//!
//! A [`PasswordHash`] is parsed and its cost checked before it is ever computed, so a stored hash
//! cannot ask for more memory or time than the limits below.

use std::fmt;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sasl::{Secret, prepare};
use sha_crypt::PasswordVerifier as _;
use subtle::ConstantTimeEq as _;

/// Memory of our own argon2id hashes in KiB, with two passes and one lane (OWASP's advice; about
/// 20 ms of one core).
pub const ARGON2_KIB: u32 = 19 * 1024;
/// Passes of our own argon2id hashes.
pub const ARGON2_PASSES: u32 = 2;
/// Most memory in KiB that an imported argon2id hash may ask for. The pool's memory is at most its
/// threads times this.
pub const ARGON2_KIB_MAX: u32 = 64 * 1024;
/// Most work that an imported argon2id hash may ask for: KiB times passes (about a second).
pub const ARGON2_KIB_PASSES_MAX: u64 = 12 * 64 * 1024;
/// Highest cost of an imported bcrypt hash (about a second).
pub const BCRYPT_COST_MAX: u32 = 14;
/// Most rounds of an imported SHA-512-crypt hash (less than a second for usual passwords).
pub const SHA512_ROUNDS_MAX: u32 = 500_000;
/// Longest password in octets: SHA-512-crypt's work grows with the square of it, and no POP3 line
/// carries more.
pub const PASSWORD_OCTETS_MAX: usize = 512;

/// glibc gives an allocation back at once only above this size: below it, the first one freed
/// raises the limit from which memory is mapped on its own. Reserving more than we touch costs
/// address space, not memory.
const RESERVED_BLOCKS_MIN: usize = 33 * 1024;

/// A password's hash in the form that `accounts.db` keeps: a PHC or a crypt(3) string.
/// `Debug` shows the scheme only.
#[derive(Clone, Eq, PartialEq)]
pub struct PasswordHash {
    scheme: Scheme,
    text: Box<str>,
}

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash`
    Argon2id,
    /// `$6$salt$hash` or `$6$rounds=…$salt$hash`
    Sha512Crypt,
    /// `$2a$`, `$2b$` or `$2y$`
    BlfCrypt,
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
    /// Weaker than anything that may be kept.
    #[error("the {scheme} hash is too weak: {cost}")]
    TooWeak {
        /// The scheme.
        scheme: Scheme,
        /// What the hash asks for.
        cost: String,
    },
}

impl Scheme {
    /// The scheme's name as Dovecot writes it between braces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2id => "ARGON2ID",
            Self::Sha512Crypt => "SHA512-CRYPT",
            Self::BlfCrypt => "BLF-CRYPT",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Argon2id => "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>",
            Self::Sha512Crypt => "$6$<salt>$<86 characters>",
            Self::BlfCrypt => "$2y$10$<53 characters>",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
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
        argon2id(&params, Version::V0x13, password, &salt, &mut out)
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::OutOfMemory))?;
        let hash = phc::PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: phc::ParamsString::try_from(&params).expect("three small numbers fit"),
            salt: Some(phc::Salt::new(&salt).expect("16 octets are a salt")),
            hash: Some(phc::Output::new(&out).expect("32 octets are an output")),
        };
        Ok(Self {
            scheme: Scheme::Argon2id,
            text: hash.to_string().into(),
        })
    }

    /// Checks the form and the cost of a hash of a known scheme.
    ///
    /// # Errors
    ///
    /// See [`HashError`].
    pub fn parse(scheme: Scheme, text: &str) -> Result<Self, HashError> {
        match scheme {
            Scheme::Argon2id => check_argon2id(text)?,
            Scheme::Sha512Crypt => check_sha512(text)?,
            Scheme::BlfCrypt => check_bcrypt(text)?,
        }
        Ok(Self {
            scheme,
            text: text.into(),
        })
    }

    /// Reads a hash back from `accounts.db`; its prefix tells the scheme.
    pub(crate) fn stored(text: &str) -> Result<Self, HashError> {
        let scheme = match text {
            _ if text.starts_with("$6$") => Scheme::Sha512Crypt,
            _ if text.starts_with("$2") => Scheme::BlfCrypt,
            _ => Scheme::Argon2id,
        };
        Self::parse(scheme, text)
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
        match self.scheme {
            Scheme::Argon2id => verify_argon2id(&self.text, password),
            Scheme::Sha512Crypt => sha_crypt::ShaCrypt::SHA512
                .verify_password(password.expose(), &*self.text)
                .is_ok(),
            Scheme::BlfCrypt => bcrypt::verify(password.expose(), &self.text).unwrap_or(false),
        }
    }

    /// How the password is hashed.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether a hash of our own would be better: another scheme, or cheaper to guess.
    pub fn is_legacy(&self) -> bool {
        match self.scheme {
            Scheme::Argon2id => parse_argon2id(&self.text).is_none_or(|(_, params)| {
                work(&params) < u64::from(ARGON2_KIB) * u64::from(ARGON2_PASSES)
            }),
            Scheme::Sha512Crypt | Scheme::BlfCrypt => true,
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
        let _ = argon2id(&params, Version::V0x13, password, &[0; 16], &mut out);
        std::hint::black_box(out);
    }
}

/// What SASLprep makes of a password, if that is something else.
fn other_form(password: &Secret) -> Option<Secret> {
    let prepared = prepare::query_secret(password).ok()?;
    (!prepared.same(password)).then_some(prepared)
}

fn argon2id(
    params: &Params,
    version: Version,
    password: &Secret,
    salt: &[u8],
    out: &mut [u8],
) -> argon2::Result<()> {
    let count = params.block_count();
    let mut blocks: Vec<Block> = Vec::new();
    blocks
        .try_reserve_exact(count.max(RESERVED_BLOCKS_MIN))
        .map_err(|_| argon2::Error::OutOfMemory)?;
    blocks.resize(count, Block::new());
    Argon2::new(Algorithm::Argon2id, version, params.clone()).hash_password_into_with_memory(
        password.expose(),
        salt,
        out,
        &mut blocks[..],
    )
}

fn parse_argon2id(text: &str) -> Option<(phc::PasswordHash, Params)> {
    let hash = phc::PasswordHash::new(text).ok()?;
    let whole = hash.algorithm == argon2::ARGON2ID_IDENT && hash.salt.is_some();
    let params = Params::try_from(&hash).ok()?;
    (whole && hash.hash.is_some()).then_some((hash, params))
}

fn verify_argon2id(text: &str, password: &Secret) -> bool {
    let Some((hash, params)) = parse_argon2id(text) else {
        return false;
    };
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return false;
    };
    let version = match hash.version.map(Version::try_from) {
        Some(Ok(version)) => version,
        // Strings from before version 1.3 name none.
        None => Version::V0x10,
        Some(Err(_)) => return false,
    };
    let mut out = vec![0; expected.as_bytes().len()];
    argon2id(&params, version, password, &salt, &mut out).is_ok()
        && out.ct_eq(expected.as_bytes()).into()
}

/// KiB times passes.
fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

fn check_argon2id(text: &str) -> Result<(), HashError> {
    let scheme = Scheme::Argon2id;
    let (hash, params) = parse_argon2id(text).ok_or(HashError::Malformed { scheme })?;
    if hash.hash.is_none_or(|out| out.as_bytes().len() < 16)
        || hash.version.is_some_and(|v| Version::try_from(v).is_err())
        || !params.data().is_empty()
        || !params.keyid().is_empty()
    {
        return Err(HashError::Malformed { scheme });
    }
    if params.m_cost() > ARGON2_KIB_MAX {
        return Err(HashError::TooCostly {
            scheme,
            cost: format!("m={} KiB", params.m_cost()),
            limit: format!("m={ARGON2_KIB_MAX}"),
        });
    }
    if work(&params) > ARGON2_KIB_PASSES_MAX {
        return Err(HashError::TooCostly {
            scheme,
            cost: format!("m={} KiB with t={}", params.m_cost(), params.t_cost()),
            limit: format!("m × t = {ARGON2_KIB_PASSES_MAX}"),
        });
    }
    Ok(())
}

fn check_sha512(text: &str) -> Result<(), HashError> {
    let scheme = Scheme::Sha512Crypt;
    let malformed = || HashError::Malformed { scheme };
    let rest = text.strip_prefix("$6$").ok_or_else(malformed)?;
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or_else(malformed)?;
            (rounds.parse().map_err(|_| malformed())?, rest)
        }
        None => (sha_crypt::Params::RECOMMENDED_ROUNDS, rest),
    };
    let (salt, hash) = rest.split_once('$').ok_or_else(malformed)?;
    let is_digit = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/';
    if salt.is_empty() || salt.len() > 16 || hash.len() != 86 {
        return Err(malformed());
    }
    // 86 digits of 6 bits hold the 512 of the hash and 4 more, which must be 0.
    if !salt.chars().chain(hash.chars()).all(is_digit) || !hash.ends_with(['.', '/', '0', '1']) {
        return Err(malformed());
    }
    if rounds > SHA512_ROUNDS_MAX {
        return Err(HashError::TooCostly {
            scheme,
            cost: format!("rounds={rounds}"),
            limit: format!("rounds={SHA512_ROUNDS_MAX}"),
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

fn check_bcrypt(text: &str) -> Result<(), HashError> {
    let scheme = Scheme::BlfCrypt;
    // `$2x$` marks hashes of a faulty implementation, which ours would not reproduce.
    let known = ["$2a$", "$2b$", "$2y$"];
    if !known.iter().any(|prefix| text.starts_with(prefix)) {
        return Err(HashError::Malformed { scheme });
    }
    let parts: bcrypt::HashParts = text.parse().map_err(|_| HashError::Malformed { scheme })?;
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

#[cfg(test)]
mod tests;
