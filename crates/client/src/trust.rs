//! Whose certificates are believed: those that the system's authorities vouch for, those of a file, or
//! one and no other.
//!
//! The system's authorities are read from the file in which each system keeps them, as openssl does;
//! `SSL_CERT_FILE` names another one.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest as _, Sha256};

/// Whose certificates are believed. A clone costs nothing.
#[derive(Clone, Debug)]
pub struct Trusted(pub(crate) Arc<ClientConfig>);

/// The SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it, with or
/// without colons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pin([u8; 32]);

/// Why nobody's certificates can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file of authorities cannot be read, or holds none.
    #[error("{}: {why}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system has no file of authorities where such files are.
    #[error(
        "the system has no list of certificate authorities; name a file, or pin the certificate"
    )]
    NoneFound,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Where systems keep the authorities: Debian and its kin, Fedora and its kin, SUSE, the BSDs.
const SYSTEM_FILES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Twenty times what the system's authorities need today.
const FILE_OCTETS_MAX: u64 = 4 << 20;

impl Trusted {
    /// Those whom the system's authorities vouch for.
    ///
    /// # Errors
    ///
    /// When no authorities are found, or their file cannot be read.
    pub fn system() -> Result<Self, TrustError> {
        if let Some(file) = std::env::var_os("SSL_CERT_FILE") {
            return Self::authorities(Path::new(&file));
        }
        let file = SYSTEM_FILES.iter().map(Path::new).find(|it| it.exists());
        Self::authorities(file.ok_or(TrustError::NoneFound)?)
    }

    /// Those whom the authorities of a PEM file vouch for, and nobody else.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no certificate.
    pub fn authorities(file: &Path) -> Result<Self, TrustError> {
        let failed = |why: String| TrustError::File {
            file: file.to_owned(),
            why,
        };
        let text = read(file).map_err(|error| failed(error.to_string()))?;
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
            .collect::<Result<_, pem::Error>>()
            .map_err(|error| failed(error.to_string()))?;
        let mut roots = RootCertStore::empty();
        // Of a hundred authorities one may be of a form that the library does not know.
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(failed("it holds no certificate".to_owned()));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::with(config))
    }

    /// The one server that has this certificate, whatever it says and however old it is.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn pinned(pin: Pin) -> Result<Self, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Pinned {
            pin,
            provider: Arc::clone(&provider),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self::with(config))
    }

    fn with(mut config: ClientConfig) -> Self {
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"pop3".to_vec()];
        Self(Arc::new(config))
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?
        .take(FILE_OCTETS_MAX + 1)
        .read_to_end(&mut text)?;
    match text.len() as u64 > FILE_OCTETS_MAX {
        true => Err(io::Error::other("larger than any list of authorities")),
        false => Ok(text),
    }
}

impl FromStr for Pin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let digits: Vec<u8> = text.bytes().filter(|&octet| octet != b':').collect();
        let mut pin = [0; 32];
        if digits.len() != 2 * pin.len() {
            return Err(NotAPin);
        }
        for (octet, pair) in pin.iter_mut().zip(digits.chunks(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16).ok_or(NotAPin);
            *octet = u8::try_from(value(pair[0])? << 4 | value(pair[1])?).map_err(|_| NotAPin)?;
        }
        Ok(Self(pin))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// A text that is no SHA-256 in hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a SHA-256 has 64 hexadecimal digits (openssl x509 -noout -fingerprint -sha256 prints it)")]
pub struct NotAPin;

/// What the server shows instead of what was pinned.
#[derive(Debug, thiserror::Error)]
#[error("its certificate is another than the pinned one; its SHA-256 is {0}")]
struct NotPinned(Pin);

/// What rustls says of a handshake, or what was said here.
pub(crate) fn explain(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|it| it.downcast_ref());
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(ours)))) => {
            ours.to_string()
        }
        _ => error.to_string(),
    }
}

/// Believes one certificate. That its owner holds the key is checked as with any other.
#[derive(Debug)]
struct Pinned {
    pin: Pin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: [u8; 32] = Sha256::digest(end_entity).into();
        match found == self.pin.0 {
            true => Ok(ServerCertVerified::assertion()),
            false => {
                Err(CertificateError::Other(OtherError(Arc::new(NotPinned(Pin(found))))).into())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            &"g0".repeat(32),
            &"\u{e4}".repeat(32),
        ] {
            assert_eq!(wrong.parse::<Pin>(), Err(NotAPin), "{wrong}");
        }
    }

    #[test]
    fn a_file_without_a_certificate_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("authorities.pem");
        for (text, why) in [
            ("", "it holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "it holds no certificate",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let told = Trusted::authorities(&file).unwrap_err().to_string();
            assert_eq!(told, format!("{}: {why}", file.display()));
        }
        assert!(Trusted::authorities(&directory.path().join("none")).is_err());
    }
}
