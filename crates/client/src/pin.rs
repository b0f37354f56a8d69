//! Pins: the one certificate, or the one key, that a server must show.
//!
//! A pin of the key outlives the certificate: who renews it and keeps the key is still believed.
//!
//! ```
//! use client::Pin;
//!
//! let hexadecimal: Pin = format!("spki:{}", "00".repeat(32)).parse().unwrap();
//! let base64 = format!("sha256//{}=", "A".repeat(43)).parse();
//! assert_eq!(base64, Ok(hexadecimal));
//! ```

use std::fmt;
use std::str::FromStr;

use sasl::base64;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::hex::Hex;

/// The SHA-256 of a certificate or of its key.
///
/// That of a certificate is written as `openssl x509 -noout -fingerprint -sha256` prints it, with or
/// without colons. That of a key (SubjectPublicKeyInfo, RFC 7469 §2.4) is `spki:` and hexadecimal digits,
/// or `sha256//` and base 64, as `curl --pinnedpubkey` takes it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Pin {
    of: Of,
    sum: [u8; 32],
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Of {
    Certificate,
    Key,
}

impl Pin {
    /// That of a certificate in DER.
    pub fn of_certificate(certificate: &[u8]) -> Self {
        Self {
            of: Of::Certificate,
            sum: Sha256::digest(certificate).into(),
        }
    }

    /// That of the key of a certificate in DER; none if there is none to be found.
    pub fn of_key(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Self {
            of: Of::Key,
            sum: Sha256::digest(certificate.tbs_certificate.subject_pki.raw).into(),
        })
    }

    /// Whether it is that of this certificate, or of its key.
    pub(crate) fn is_of(self, certificate: &[u8]) -> bool {
        match self.of {
            Of::Certificate => self == Self::of_certificate(certificate),
            Of::Key => Self::of_key(certificate) == Some(self),
        }
    }
}

impl FromStr for Pin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let (of, sum) = if let Some(rest) = text.strip_prefix("sha256/") {
            // With one slash or two: programs differ.
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            (Of::Key, base64::decode(rest.as_bytes()).ok())
        } else if let Some(digits) = text.strip_prefix("spki:") {
            (Of::Key, hexadecimal(digits))
        } else {
            (Of::Certificate, hexadecimal(text))
        };
        let sum = sum.and_then(|sum| sum.try_into().ok()).ok_or(NotAPin)?;
        Ok(Self { of, sum })
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|&digit| digit != ':');
    let values: Vec<u32> = digits
        .map(|digit| digit.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = values.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    });
    pairs.collect()
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of == Of::Key {
            f.write_str("spki:")?;
        }
        Hex(&self.sum).fmt(f)
    }
}

/// A text that is no SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a pin is a SHA-256 in 64 hexadecimal digits (openssl x509 -noout -fingerprint -sha256 prints it), or that of a key: \
     spki: and 64 digits, or sha256// and base 64"
)]
pub struct NotAPin;

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::PublicKeyData as _;

    #[test]
    fn pins_are_read_as_openssl_prints_them() {
        let plain = "00".repeat(31) + "fF";
        let colons = "00:".repeat(31) + "fF";
        let pin: Pin = plain.parse().unwrap();
        assert_eq!(colons.parse(), Ok(pin));
        assert_eq!(pin.to_string(), "00".repeat(31) + "ff");
        for wrong in [
            "",
            "00",
            &"0".repeat(63),
            &"0".repeat(65),
            &"0".repeat(66),
            &"g0".repeat(32),
            &"\u{e4}".repeat(32),
            &format!("spki:{}", "0".repeat(62)),
            "spki:",
            "sha256/",
            "sha256//AAAA",
            &format!("sha1//{}=", "A".repeat(43)),
        ] {
            assert_eq!(wrong.parse::<Pin>(), Err(NotAPin), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_pinned_in_two_ways_of_writing() {
        let digits = format!("spki:{}", "00".repeat(32));
        let pin: Pin = digits.parse().unwrap();
        assert_eq!(pin.to_string(), digits);
        for slashes in ["/", "//"] {
            let curl = format!("sha256{slashes}{}=", "A".repeat(43));
            assert_eq!(curl.parse(), Ok(pin));
        }
        assert_ne!("00".repeat(32).parse(), Ok(pin));
    }

    #[test]
    fn the_key_of_a_certificate_is_the_same_in_the_next_one() {
        let key = rcgen::KeyPair::generate().unwrap();
        let make = |name: &str| {
            let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
            parameters.self_signed(&key).unwrap().der().to_vec()
        };
        let (old, new) = (make("a.example"), make("b.example"));
        let pin = Pin::of_key(&old).unwrap();
        assert!(pin.is_of(&old) && pin.is_of(&new));
        assert!(!Pin::of_certificate(&old).is_of(&new));
        assert_eq!(Pin::of_key(b"no certificate"), None);
        // What rcgen thinks that the key is.
        let expected: [u8; 32] = Sha256::digest(key.subject_public_key_info()).into();
        assert_eq!(pin.sum, expected);
    }
}
