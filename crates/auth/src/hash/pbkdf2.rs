//! PBKDF2 (RFC 8018 §5.2): Dovecot's `{PBKDF2}`, which is with SHA-1, and the strings with SHA-256 and
//! SHA-512 that web applications keep.

use ::pbkdf2::pbkdf2_hmac;
use argon2::password_hash::phc;
use sasl::Secret;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::{HashError, PBKDF2_ROUNDS_MAX, Scheme};

/// A hash whose form and cost are right.
pub(super) struct Pbkdf2 {
    function: Function,
    rounds: u32,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Function {
    Sha1,
    Sha256,
    Sha512,
}

impl Pbkdf2 {
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let scheme = Scheme::Pbkdf2;
        let read = match text.strip_prefix("$1$") {
            Some(rest) => Self::read_dovecot(rest),
            None => Self::read_phc(text),
        };
        let hash = read.ok_or(HashError::Malformed { scheme })?;
        match hash.rounds {
            0 => Err(HashError::TooWeak {
                scheme,
                cost: "0 rounds".to_owned(),
            }),
            1..=PBKDF2_ROUNDS_MAX => Ok(hash),
            rounds => Err(HashError::TooCostly {
                scheme,
                cost: format!("{rounds} rounds"),
                limit: format!("{PBKDF2_ROUNDS_MAX} rounds"),
            }),
        }
    }

    /// `salt$rounds$hash`; the salt counts as it is written, the hash is hexadecimal.
    fn read_dovecot(rest: &str) -> Option<Self> {
        let mut fields = rest.split('$');
        let (salt, rounds, hash) = (fields.next()?, fields.next()?, fields.next()?);
        let expected: Option<Vec<u8>> = (0..hash.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok())
            .collect();
        let expected = expected?;
        let hex = hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        let whole = fields.next().is_none() && hex && expected.len() == Function::Sha1.octets();
        (whole && !salt.is_empty()).then_some(Self {
            function: Function::Sha1,
            rounds: rounds.parse().ok()?,
            salt: salt.into(),
            expected,
        })
    }

    /// `$pbkdf2-sha256$i=rounds,l=octets$salt$hash`. Python's passlib, from which most of these come,
    /// writes the bare number of rounds, and `.` for `+` in its base 64.
    fn read_phc(text: &str) -> Option<Self> {
        let mut fields = text.strip_prefix('$')?.split('$');
        let (name, rounds) = (fields.next()?, fields.next()?);
        let bare = rounds.bytes().all(|digit| digit.is_ascii_digit());
        let text = match (bare, fields.next(), fields.next(), fields.next()) {
            (true, Some(salt), Some(hash), None) => {
                let standard = |base64: &str| base64.replace('.', "+");
                format!("${name}$i={rounds}${}${}", standard(salt), standard(hash))
            }
            _ => text.to_owned(),
        };
        let hash = phc::PasswordHash::new(&text).ok()?;
        let function = match name {
            "pbkdf2-sha256" => Function::Sha256,
            "pbkdf2-sha512" => Function::Sha512,
            _ => return None,
        };
        let (salt, expected) = (hash.salt?.to_vec(), hash.hash?.as_bytes().to_vec());
        let octets = u32::try_from(expected.len()).ok();
        let lengths_agree = match hash.params.get("l") {
            Some(written) => written.decimal().ok() == octets,
            None => true,
        };
        let known = hash.params.iter().all(|(name, _)| {
            let name = name.as_str();
            name == "i" || name == "l"
        });
        // More would be more than one run of all rounds, and nobody makes it.
        let whole = hash.version.is_none()
            && (16..=function.octets()).contains(&expected.len())
            && lengths_agree
            && known;
        whole.then_some(Self {
            function,
            rounds: hash.params.get_decimal("i")?,
            salt,
            expected,
        })
    }

    pub(super) fn matches(&self, password: &Secret) -> bool {
        let (password, salt) = (password.expose(), &self.salt);
        let mut out = vec![0; self.expected.len()];
        match self.function {
            Function::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, self.rounds, &mut out),
            Function::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, self.rounds, &mut out),
            Function::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, self.rounds, &mut out),
        }
        out.ct_eq(&self.expected).into()
    }
}

impl Function {
    /// Octets of a digest.
    fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}
