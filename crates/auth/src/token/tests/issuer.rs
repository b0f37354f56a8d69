//! An issuer for tests: makes keys, shows them as a key set, and signs whatever it is told to.
//!
//! It signs with aws-lc-rs itself and not with the library that the verifier uses, so that it can
//! also make what that library would never make.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// A private key and its id.
pub(crate) struct Key {
    pub(crate) id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn rsa(id: &'static str) -> Self {
        let pair = Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
        Self { id, pair }
    }

    pub(crate) fn p256(id: &'static str) -> Self {
        Self::ec(id, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub(crate) fn p384(id: &'static str) -> Self {
        Self::ec(id, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn ec(
        id: &'static str,
        curve: &'static str,
        algorithm: &'static EcdsaSigningAlgorithm,
    ) -> Self {
        let pair = Pair::Ec(curve, EcdsaKeyPair::generate(algorithm).unwrap());
        Self { id, pair }
    }

    pub(crate) fn ed25519(id: &'static str) -> Self {
        let pair = Pair::Ed(Ed25519KeyPair::generate().unwrap());
        Self { id, pair }
    }

    /// The public half as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let (n, e) = (base64url(&public.n), base64url(&public.e));
                json!({"kty": "RSA", "use": "sig", "kid": self.id, "n": n, "e": e})
            }
            Pair::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let (x, y) = (base64url(x), base64url(y));
                json!({"kty": "EC", "crv": curve, "kid": self.id, "x": x, "y": y})
            }
            Pair::Ed(pair) => {
                let x = base64url(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x})
            }
        }
    }

    /// A token with these claims, signed as `algorithm` says.
    pub(crate) fn token(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({"typ": "at+jwt", "alg": algorithm, "kid": self.id});
        self.sign(algorithm, &header, claims)
    }

    /// A token whose header may say something else than how it was signed.
    pub(crate) fn sign(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.signature(algorithm, message.as_bytes());
        format!("{message}.{signature}")
    }

    /// The signature of anything, in base64url.
    pub(crate) fn signature(&self, algorithm: &str, octets: &[u8]) -> String {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(_, pair) => base64url(pair.sign(&random, octets).unwrap().as_ref()),
            Pair::Ed(pair) => base64url(pair.sign(octets).as_ref()),
            Pair::Rsa(pair) => {
                let encoding: &dyn RsaEncoding = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    other => panic!("RSA does not sign {other}"),
                };
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, octets, &mut signed).unwrap();
                base64url(&signed)
            }
        }
    }
}

/// A key set with the public halves of these.
pub(crate) fn set(keys: &[&Key]) -> String {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    json!({"keys": keys}).to_string()
}

/// A token by HMAC-SHA-256.
pub(crate) fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", base64url(signature.as_ref()))
}

/// What is signed: header and claims.
pub(crate) fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

pub(crate) fn base64url(octets: &[u8]) -> String {
    sasl::base64::encode(octets)
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}
