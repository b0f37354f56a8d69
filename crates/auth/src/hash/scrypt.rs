//! scrypt (RFC 7914) as crypt(3) writes it, `$7$`, and as the PHC does, `$scrypt$`; and yescrypt,
//! `$y$`, which came of it.
//!
//! Both take memory as the hash says, so what it says is bounded before anything reads it as more
//! than numbers.

use argon2::password_hash::phc;
use base64ct::{Base64ShaCrypt, Encoding as _};
use sasl::Secret;
use subtle::ConstantTimeEq as _;
use yescrypt::Mode;

use super::{HashError, SCRYPT_BLOCKS_MAX, SCRYPT_LANES_MAX, SCRYPT_WORK_MAX, Scheme};

/// Octets of what N, r and p count.
const BLOCK_OCTETS: usize = 128;
/// How many octets every hash of crypt(3) has.
const CRYPT_OCTETS: usize = 32;

/// A hash whose form and cost are right.
pub(super) struct Scrypt {
    cost: Cost,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

/// A hash whose form and cost are right.
pub(super) struct Yescrypt {
    params: yescrypt::Params,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

/// RFC 7914 §2: N, r and p, of which the first is a power of 2.
#[derive(Clone, Copy)]
struct Cost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl Scrypt {
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let scheme = Scheme::Scrypt;
        let read = match text.strip_prefix("$7$") {
            Some(rest) => Self::read_crypt(rest),
            None => Self::read_phc(text),
        };
        let hash = read.ok_or(HashError::Malformed { scheme })?;
        hash.cost.check(scheme)?;
        Ok(hash)
    }

    /// One digit of log N, five of r, five of p, the salt as it is written, `$`, the hash.
    fn read_crypt(rest: &str) -> Option<Self> {
        let (settings, hash) = rest.split_once('$')?;
        let (numbers, salt) = settings.split_at_checked(11)?;
        let mut digits = numbers.bytes().map(digit);
        let log_n = digits.next()??;
        let mut number = || (0..5).try_fold(0, |sum, at| Some(sum | digits.next()?? << (6 * at)));
        let cost = Cost {
            log_n: u8::try_from(log_n).ok()?,
            r: number()?,
            p: number()?,
        };
        let expected = Base64ShaCrypt::decode_vec(hash).ok()?;
        let whole = expected.len() == CRYPT_OCTETS && salt.bytes().all(|c| c.is_ascii_graphic());
        whole.then_some(Self {
            cost,
            salt: salt.into(),
            expected,
        })
    }

    fn read_phc(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let number = |name| hash.params.get_decimal(name);
        let cost = Cost {
            log_n: u8::try_from(number("ln")?).ok()?,
            r: number("r")?,
            p: number("p")?,
        };
        let expected = hash.hash?.as_bytes().to_vec();
        let whole = hash.algorithm.as_str() == "scrypt"
            && hash.version.is_none()
            && hash.params.iter().count() == 3
            && expected.len() >= 16;
        whole.then_some(Self {
            cost,
            salt: hash.salt?.to_vec(),
            expected,
        })
    }

    pub(super) fn matches(&self, password: &Secret) -> bool {
        let Cost { log_n, r, p } = self.cost;
        let Ok(params) = scrypt::Params::new(log_n, r, p) else {
            return false;
        };
        let mut out = vec![0; self.expected.len()];
        self.cost.memory_is_there()
            && scrypt::scrypt(password.expose(), &self.salt, &params, &mut out).is_ok()
            && out.ct_eq(&self.expected).into()
    }
}

impl Yescrypt {
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let scheme = Scheme::Yescrypt;
        let hash = Self::read(text).ok_or(HashError::Malformed { scheme })?;
        let cost = hash.cost();
        cost.check(scheme)?;
        // Work that is not of N and r, other flavours, and lanes: it can all be written, but no
        // crypt(3) makes it.
        let usual = yescrypt::Params::new(Mode::Rw, hash.params.n(), cost.r, 1);
        match usual == Ok(hash.params) {
            true => Ok(hash),
            false => Err(HashError::Settings { scheme }),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix("$y$")?.split('$');
        let (params, salt, hash) = (fields.next()?, fields.next()?, fields.next()?);
        let expected = Base64ShaCrypt::decode_vec(hash).ok()?;
        let whole = fields.next().is_none() && expected.len() == CRYPT_OCTETS;
        whole.then_some(Self {
            params: params.parse().ok()?,
            salt: Base64ShaCrypt::decode_vec(salt).ok()?,
            expected,
        })
    }

    fn cost(&self) -> Cost {
        Cost {
            log_n: u8::try_from(self.params.n().ilog2()).expect("64 bits have few places"),
            r: self.params.r(),
            p: self.params.p(),
        }
    }

    pub(super) fn matches(&self, password: &Secret) -> bool {
        let mut out = [0; CRYPT_OCTETS];
        self.cost().memory_is_there()
            && yescrypt::yescrypt(password.expose(), &self.salt, &self.params, &mut out).is_ok()
            && out.ct_eq(&self.expected[..]).into()
    }
}

impl Cost {
    fn check(self, scheme: Scheme) -> Result<(), HashError> {
        let Self { log_n, r, p } = self;
        if log_n == 0 || r == 0 || p == 0 {
            return Err(HashError::Malformed { scheme });
        }
        let (r, p) = (u64::from(r), u64::from(p));
        let too_costly = |limit: String| HashError::TooCostly {
            scheme,
            cost: format!("N=2^{log_n}, r={r}, p={p}"),
            limit,
        };
        // 2^63 times 2^32 has room in 128 bits.
        let blocks = (1_u128 << log_n.min(64)) * u128::from(r);
        if blocks > u128::from(SCRYPT_BLOCKS_MAX) {
            return Err(too_costly(format!("N × r = {SCRYPT_BLOCKS_MAX}")));
        }
        if r * p > SCRYPT_LANES_MAX {
            return Err(too_costly(format!("r × p = {SCRYPT_LANES_MAX}")));
        }
        if blocks * u128::from(p) > u128::from(SCRYPT_WORK_MAX) {
            return Err(too_costly(format!("N × r × p = {SCRYPT_WORK_MAX}")));
        }
        Ok(())
    }

    /// Who computes it ends the process where memory cannot be had, so it is asked for first. Another
    /// thread may still take it in between.
    fn memory_is_there(self) -> bool {
        let octets = (1 << self.log_n) * self.r as usize * BLOCK_OCTETS;
        Vec::<u8>::new().try_reserve_exact(octets).is_ok()
    }
}

/// What a digit of crypt(3)'s base 64 stands for.
fn digit(digit: u8) -> Option<u32> {
    let value = match digit {
        b'.' => 0,
        b'/' => 1,
        b'0'..=b'9' => digit - b'0' + 2,
        b'A'..=b'Z' => digit - b'A' + 12,
        b'a'..=b'z' => digit - b'a' + 38,
        _ => return None,
    };
    Some(value.into())
}
