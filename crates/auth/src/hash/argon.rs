//! argon2id and argon2i (RFC 9106), in the strings of the PHC.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use sasl::Secret;
use subtle::ConstantTimeEq as _;

use super::{ARGON2_KIB_MAX, ARGON2_KIB_PASSES_MAX, HashError, Scheme};

/// glibc gives an allocation back at once only above this size: below it, the first one freed
/// raises the limit from which memory is mapped on its own. Reserving more than we touch costs
/// address space, not memory.
const RESERVED_BLOCKS_MIN: usize = 33 * 1024;

/// A hash whose form and cost are right.
pub(super) struct Argon {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: phc::Salt,
    expected: phc::Output,
}

impl Argon {
    pub(super) fn parse(scheme: Scheme, text: &str) -> Result<Self, HashError> {
        let argon = Self::read(scheme, text).ok_or(HashError::Malformed { scheme })?;
        let (kib, passes) = (argon.params.m_cost(), argon.params.t_cost());
        if kib > ARGON2_KIB_MAX {
            return Err(HashError::TooCostly {
                scheme,
                cost: format!("m={kib} KiB"),
                limit: format!("m={ARGON2_KIB_MAX}"),
            });
        }
        if argon.work() > ARGON2_KIB_PASSES_MAX {
            return Err(HashError::TooCostly {
                scheme,
                cost: format!("m={kib} KiB with t={passes}"),
                limit: format!("m × t = {ARGON2_KIB_PASSES_MAX}"),
            });
        }
        Ok(argon)
    }

    fn read(scheme: Scheme, text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let algorithm = match scheme {
            Scheme::Argon2id => Algorithm::Argon2id,
            Scheme::Argon2i => Algorithm::Argon2i,
            _ => return None,
        };
        let version = match hash.version {
            Some(version) => Version::try_from(version).ok()?,
            // Strings from before version 1.3 name none.
            None => Version::V0x10,
        };
        let params = Params::try_from(&hash).ok()?;
        let (salt, expected) = (hash.salt?, hash.hash?);
        let whole = hash.algorithm == algorithm.ident()
            && expected.as_bytes().len() >= 16
            && params.data().is_empty()
            && params.keyid().is_empty();
        whole.then_some(Self {
            algorithm,
            version,
            params,
            salt,
            expected,
        })
    }

    pub(super) fn matches(&self, password: &Secret) -> bool {
        let mut out = vec![0; self.expected.as_bytes().len()];
        compute(
            self.algorithm,
            self.version,
            &self.params,
            password,
            &self.salt,
            &mut out,
        )
        .is_ok()
            && out.ct_eq(self.expected.as_bytes()).into()
    }

    /// KiB times passes.
    pub(super) fn work(&self) -> u64 {
        u64::from(self.params.m_cost()) * u64::from(self.params.t_cost())
    }
}

/// The string of an argon2id hash of ours.
pub(super) fn text(params: &Params, salt: &[u8; 16], out: &[u8; 32]) -> String {
    phc::PasswordHash {
        algorithm: argon2::ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: phc::ParamsString::try_from(params).expect("three small numbers fit"),
        salt: Some(phc::Salt::new(salt).expect("16 octets are a salt")),
        hash: Some(phc::Output::new(out).expect("32 octets are an output")),
    }
    .to_string()
}

pub(super) fn argon2id(
    params: &Params,
    password: &Secret,
    salt: &[u8],
    out: &mut [u8],
) -> argon2::Result<()> {
    compute(
        Algorithm::Argon2id,
        Version::V0x13,
        params,
        password,
        salt,
        out,
    )
}

fn compute(
    algorithm: Algorithm,
    version: Version,
    params: &Params,
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
    Argon2::new(algorithm, version, params.clone()).hash_password_into_with_memory(
        password.expose(),
        salt,
        out,
        &mut blocks[..],
    )
}
