//! Keys of the tests, and messages signed with them by the crate's own signer.

use std::sync::LazyLock;

use base64ct::{Base64, Encoding};
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner, Done};
use rcgen::{KeyPair, PublicKeyData};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::dns::{Answer, txt};

/// Made once: an RSA key takes a while.
static RSA: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());
static ED25519: LazyLock<Vec<u8>> = LazyLock::new(|| Ed25519Key::generate_pkcs8().unwrap());

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Rsa,
    Ed25519,
}

fn key(kind: Kind) -> DkimKey {
    match kind {
        Kind::Rsa => {
            let der = RSA.serialize_der();
            let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
            DkimKey::Rsa(RsaKey::from_key_der(der).unwrap())
        }
        Kind::Ed25519 => DkimKey::Ed25519(Ed25519Key::from_pkcs8_der(&ED25519).unwrap()),
    }
}

/// The record of the public key.
pub(super) fn record(kind: Kind) -> Answer {
    let (name, octets) = match kind {
        Kind::Rsa => ("rsa", RSA.subject_public_key_info()),
        Kind::Ed25519 => {
            let key = Ed25519Key::from_pkcs8_der(&ED25519).unwrap();
            ("ed25519", key.public_key())
        }
    };
    let octets = Base64::encode_string(&octets);
    txt(&format!("v=DKIM1; k={name}; p={octets}"))
}

/// A signer of `From` and `Subject` for this domain, with the selector `s1`.
pub(super) fn signer(
    kind: Kind,
    domain: &str,
    body: Canonicalization,
) -> DkimSigner<DkimKey, Done> {
    DkimSigner::from_key(key(kind))
        .domain(domain)
        .selector("s1")
        .headers(["From", "Subject"])
        .body_canonicalization(body)
}

/// The message behind its signature.
pub(super) fn signed(signer: &DkimSigner<DkimKey, Done>, message: &str) -> String {
    signer.sign(message.as_bytes()).unwrap().to_header() + message
}
