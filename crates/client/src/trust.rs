//! Whose certificates are believed: those that authorities vouch for, the system's or those of a file, or
//! pinned ones and no others; and which certificate of ours is shown to a server that asks for one.
//!
//! The system's authorities are read from the file in which each system keeps them, as openssl does;
//! `SSL_CERT_FILE` names another one.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, OtherError, RootCertStore};
use zeroize::Zeroizing;

use crate::pin::Pin;
use crate::pinned::Pinned;

/// Whose certificates are believed, ready for use. A clone costs nothing.
#[derive(Clone, Debug)]
pub struct Trusted {
    pub(crate) config: Arc<ClientConfig>,
    /// What the configuration asks; it can be asked without a connection that depends on it.
    pub(crate) verifier: Arc<dyn ServerCertVerifier>,
}

/// Whose certificates are believed. The default is the system's authorities.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The PEM file of the authorities; none: the system's.
    pub authorities: Option<PathBuf>,
    /// A PEM file of authorities beyond those.
    pub more_authorities: Option<PathBuf>,
    /// If there are any: the servers that have one of these certificates or keys, whatever an authority
    /// says and however old the certificate is, and nobody else.
    pub pins: Vec<Pin>,
    /// What is shown to a server that asks who we are.
    pub own: Option<OwnCertificate>,
}

/// A certificate of ours and its key.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// The PEM file of the certificate, and of those between it and an authority.
    pub certificate: PathBuf,
    /// The PEM file of the key, which may be the same file.
    pub key: PathBuf,
}

/// Why nobody's certificates can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read, or does not hold what it should.
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
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// When no authorities are found, or a file cannot be read or does not hold what it should.
    pub fn new(trust: &Trust) -> Result<Self, TrustError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match trust.pins.as_slice() {
            [] => {
                let roots = Arc::new(roots(trust)?);
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()
                    .map_err(|error| rustls::Error::General(error.to_string()))?
            }
            pins => Arc::new(Pinned {
                pins: pins.to_vec(),
                provider: Arc::clone(&provider),
            }),
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier));
        let mut config = match &trust.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let (chain, key) = own.read()?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|error| failed(&own.key, &error))?
            }
        };
        // A session that is taken up again is a name by which its two connections are known to be one's.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"pop3".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            verifier,
        })
    }

    /// Those whom the system's authorities vouch for.
    ///
    /// # Errors
    ///
    /// When no authorities are found, or their file cannot be read.
    pub fn system() -> Result<Self, TrustError> {
        Self::new(&Trust::default())
    }

    /// Those whom the authorities of a PEM file vouch for, and nobody else.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or holds no certificate.
    pub fn authorities(file: &Path) -> Result<Self, TrustError> {
        Self::new(&Trust {
            authorities: Some(file.to_owned()),
            ..Trust::default()
        })
    }

    /// The one server that has this certificate or this key.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn pinned(pin: Pin) -> Result<Self, TrustError> {
        Self::new(&Trust {
            pins: vec![pin],
            ..Trust::default()
        })
    }
}

/// The authorities of all files.
fn roots(trust: &Trust) -> Result<RootCertStore, TrustError> {
    let file = match &trust.authorities {
        Some(file) => file.clone(),
        None => system_file()?,
    };
    let mut roots = RootCertStore::empty();
    for file in [Some(&file), trust.more_authorities.as_ref()]
        .into_iter()
        .flatten()
    {
        // Of a hundred authorities one may be of a form that the library does not know.
        let (added, _) = roots.add_parsable_certificates(certificates(file)?);
        if added == 0 {
            return Err(failed(file, &"it holds no certificate"));
        }
    }
    Ok(roots)
}

/// The file of the system's authorities.
pub(crate) fn system_file() -> Result<PathBuf, TrustError> {
    if let Some(file) = std::env::var_os("SSL_CERT_FILE") {
        return Ok(file.into());
    }
    let file = SYSTEM_FILES.iter().map(Path::new).find(|it| it.exists());
    file.map(Path::to_owned).ok_or(TrustError::NoneFound)
}

impl OwnCertificate {
    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TrustError> {
        let chain = certificates(&self.certificate)?;
        let text = Zeroizing::new(read(&self.key).map_err(|error| failed(&self.key, &error))?);
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
            pem::Error::NoItemsFound => failed(
                &self.key,
                &"it holds no key that can be read (one with a passphrase cannot)",
            ),
            error => failed(&self.key, &error),
        })?;
        Ok((chain, key))
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let text = read(file).map_err(|error| failed(file, &error))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, pem::Error>>()
        .map_err(|error| failed(file, &error))?;
    match certificates.is_empty() {
        true => Err(failed(file, &"it holds no certificate")),
        false => Ok(certificates),
    }
}

fn failed(file: &Path, why: &dyn std::fmt::Display) -> TrustError {
    TrustError::File {
        file: file.to_owned(),
        why: why.to_string(),
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(file)?
        .take(FILE_OCTETS_MAX + 1)
        .read_to_end(&mut text)?;
    match text.len() as u64 > FILE_OCTETS_MAX {
        true => Err(io::Error::other("larger than any list of certificates")),
        false => Ok(text),
    }
}

/// What rustls says of a handshake, or what was said here.
pub(crate) fn explain(error: &io::Error) -> String {
    match error.get_ref().and_then(|it| it.downcast_ref()) {
        Some(cause) => explain_tls(cause),
        None => error.to_string(),
    }
}

/// The same, of rustls itself.
pub(crate) fn explain_tls(cause: &rustls::Error) -> String {
    match cause {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(ours))) => {
            ours.to_string()
        }
        _ => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_certificate_of_ours_needs_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let (file, key) = (
            directory.path().join("own.pem"),
            directory.path().join("key.pem"),
        );
        let made = rcgen::generate_simple_self_signed(vec!["mrose".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap();
        let trust = Trust {
            authorities: Some(file.clone()),
            own: Some(OwnCertificate {
                certificate: file.clone(),
                key: key.clone(),
            }),
            ..Trust::default()
        };
        std::fs::write(&file, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        assert!(
            Trusted::new(&trust)
                .unwrap()
                .config
                .client_auth_cert_resolver
                .has_certs()
        );
        for wrong in [
            other.serialize_pem(),
            made.cert.pem(),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
                .to_owned(),
        ] {
            std::fs::write(&key, wrong).unwrap();
            let told = Trusted::new(&trust).unwrap_err().to_string();
            assert!(told.starts_with(&key.display().to_string()), "{told}");
        }
    }
}
