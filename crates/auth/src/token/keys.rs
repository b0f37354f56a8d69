//! The keys of an issuer: a JWK Set (RFC 7517 §5), and which of them a token means.
//!
//! A key is used only with the algorithms of its own kind, so that no token can have a public key
//! taken for the secret of an HMAC (RFC 8725 §2.1, §3.1). What is not understood is left out, as
//! §5 asks: one new kind of key must not lock out everybody.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde_json::Value;

use super::error::{JwksError, TokenError};

// Lists of our own: what the library adds one day is not accepted before somebody has looked.
const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

/// The keys of one file that may have signed a token.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    ignored: usize,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithms: &'static [Algorithm],
    /// The only one, if the key says so itself.
    only: Option<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JWK Set.
    ///
    /// # Errors
    ///
    /// [`JwksError::Malformed`], without any of the text: a key set may hold private keys by mistake.
    pub(super) fn parse(text: &[u8]) -> Result<Self, JwksError> {
        let value: Value = serde_json::from_slice(text).map_err(|error| JwksError::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
        let Some(members) = value.get("keys").and_then(Value::as_array) else {
            return Err(JwksError::Malformed { line: 0, column: 0 });
        };
        let keys: Vec<Key> = members.iter().filter_map(Key::read).collect();
        let ignored = members.len() - keys.len();
        Ok(Self { keys, ignored })
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many keys were left out: encryption, symmetric, too short, or of a kind not known here.
    pub(super) fn ignored(&self) -> usize {
        self.ignored
    }

    /// The one key that a header means.
    ///
    /// A `kid` that nobody has is refused although another key might fit, and so is a token that
    /// leaves a choice: trying keys in turn would let any of them stand for any issuer's purpose.
    pub(super) fn select(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&DecodingKey, TokenError> {
        let named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        if !self.keys.iter().any(|key| named(&key)) {
            return Err(TokenError::UnknownKey);
        }
        let mut fitting = self
            .keys
            .iter()
            .filter(named)
            .filter(|key| key.may_verify(algorithm));
        match (fitting.next(), fitting.next(), id) {
            (Some(key), None, _) => Ok(&key.key),
            (None, _, _) => Err(TokenError::Algorithm),
            (Some(_), Some(_), None) => Err(TokenError::NoKeyNamed),
            (Some(_), Some(_), Some(_)) => Err(TokenError::UnknownKey),
        }
    }
}

impl Key {
    /// A key that may verify signatures; none for all else.
    fn read(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let common = &jwk.common;
        if let Some(purpose) = &common.public_key_use
            && *purpose != PublicKeyUse::Signature
        {
            return None;
        }
        if let Some(operations) = &common.key_operations
            && !operations.contains(&KeyOperations::Verify)
        {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let octets = key.try_get_as_bytes().map(<[u8]>::len);
        let algorithms = match (&jwk.algorithm, octets) {
            (AlgorithmParameters::RSA(_), _) => is_sound_rsa(&key).then_some(RSA)?,
            // An uncompressed point: 4, x, y.
            (AlgorithmParameters::EllipticCurve(point), Ok(65))
                if point.curve == EllipticCurve::P256 =>
            {
                P256
            }
            (AlgorithmParameters::EllipticCurve(point), Ok(97))
                if point.curve == EllipticCurve::P384 =>
            {
                P384
            }
            (AlgorithmParameters::OctetKeyPair(pair), Ok(32))
                if pair.curve == EllipticCurve::Ed25519 =>
            {
                ED25519
            }
            _ => return None,
        };
        let only = match common.key_algorithm {
            None => None,
            Some(named) => {
                let named = Algorithm::try_from(named).ok()?;
                Some(algorithms.contains(&named).then_some(named)?)
            }
        };
        Some(Self {
            id: common.key_id.clone(),
            algorithms,
            only,
            key,
        })
    }

    fn may_verify(&self, algorithm: Algorithm) -> bool {
        self.only.is_none_or(|only| only == algorithm) && self.algorithms.contains(&algorithm)
    }
}

/// From 2048 bits (RFC 7518 §3.3, §3.5) to 8192, above which a signature costs too much to check.
fn is_sound_rsa(key: &DecodingKey) -> bool {
    let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() else {
        return false;
    };
    let zeros = n.iter().take_while(|&&octet| octet == 0).count();
    let bits = n[zeros..].first().map_or(0, |first| {
        8 * (n.len() - zeros) - first.leading_zeros() as usize
    });
    (2048..=8192).contains(&bits)
}
