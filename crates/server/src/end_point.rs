//! `tls-server-end-point`: the hash of a certificate by which a channel is known (RFC 5929 §4.1).
//!
//! The hash is that of the certificate's own signature; where that is MD5 or SHA-1 it is SHA-256. A
//! signature without a hash of its own, such as Ed25519, has no such binding.

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// The binding of a certificate in DER; none where RFC 5929 defines none.
pub(crate) fn of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (sequence, _) = element(certificate, SEQUENCE)?;
    let (_to_be_signed, rest) = element(sequence, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (oid, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    // PKCS #1 signatures are 1.2.840.113549.1.1, those of ECDSA 1.2.840.10045.4.
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: [u8; 6] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let hash = match (oid.strip_prefix(&RSA[..]), oid.strip_prefix(&ECDSA[..])) {
        // MD5, SHA-1 and SHA-256.
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Hash::Sha256,
        (Some([12]), _) | (_, Some([3, 3])) => Hash::Sha384,
        (Some([13]), _) | (_, Some([3, 4])) => Hash::Sha512,
        _ => return None,
    };
    Some(match hash {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The content of the element of a tag that DER begins with, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, length, rest @ ..] = der else {
        return None;
    };
    let (octets, rest) = match *length {
        short @ ..0x80 => (usize::from(short), rest),
        long => {
            let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if digits.is_empty() || digits.len() > 3 {
                return None;
            }
            let octets = digits
                .iter()
                .fold(0, |octets, digit| octets << 8 | usize::from(*digit));
            (octets, rest)
        }
    };
    (*found == tag).then_some(())?;
    rest.split_at_checked(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let p256 = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(of(&p256), Some(Sha256::digest(&p256).to_vec()));
        let p384 = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(of(&p384), Some(Sha384::digest(&p384).to_vec()));
        assert_eq!(of(&certificate(&rcgen::PKCS_ED25519)), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_binding() {
        let right = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        for cut in 0..right.len() {
            assert_eq!(of(&right[..cut]), None, "{cut}");
        }
        for junk in [
            &[0x30, 0x80][..],
            &[0x30, 0x84, 0, 0, 0, 1],
            &[0x31, 0],
            &[0x30],
        ] {
            assert_eq!(of(junk), None);
        }
    }
}
