//! TLS: certificate and key from their files, and what is negotiated.
//!
//! TLS 1.2 and 1.3 only (RFC 8996), by rustls with aws-lc-rs. ALPN: `pop3` is accepted, so is a
//! client that offers nothing; one that offers only other protocols gets the alert
//! `no_application_protocol`, so that a TLS session meant for a web server cannot be led here
//! (RFC 7301 §3.2). Sessions resume by tickets whose keys rotate and never touch a disk; early
//! data, which can be replayed, is not taken.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;
use crate::end_point;

/// Why certificate and key cannot be used. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there or cannot be read.
    #[error("cannot read the {what} {}: {source}; {remedy}", path.display())]
    Unreadable {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// A file is not PEM, or holds nothing of the kind.
    #[error("no {what} in {}: {why}; it must hold one in PEM (-----BEGIN …)", path.display())]
    Missing {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },
    /// Both were read, but do not belong together or cannot be used.
    #[error(
        "certificate {} and key {} cannot be used together: {why}; the first certificate in the \
         file must be the server's own, made for this key", certificate.display(), key.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        why: String,
    },
    /// The random source or the cryptography library fails.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Tls {
    /// Whether certificate and key can be served, by this process and now.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn check(&self) -> Result<(), TlsError> {
        load(self).map(|_| ())
    }
}

/// What accepts TLS connections, and how channels to it are known.
pub(crate) struct Acceptor {
    pub(crate) tls: TlsAcceptor,
    /// `tls-server-end-point` (RFC 5929 §4), if the certificate has one.
    pub(crate) end_point: Option<Vec<u8>>,
}

/// Reads certificate and key and makes what accepts TLS connections of them.
pub(crate) fn load(tls: &Tls) -> Result<Acceptor, TlsError> {
    let chain = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| explain("certificate", &tls.certificate, error))?;
    let Some(own) = chain.first() else {
        let error = pem::Error::NoItemsFound;
        return Err(explain("certificate", &tls.certificate, error));
    };
    let end_point = end_point::of(own);
    let key =
        PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| explain("key", &tls.key, error))?;
    let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Mismatch {
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
            why: error.to_string(),
        })?;
    config.alpn_protocols = vec![b"pop3".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(setup)?;
    // A client resumes with one ticket; a second one would only cost octets at each handshake.
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0;
    Ok(Acceptor {
        tls: TlsAcceptor::from(Arc::new(config)),
        end_point,
    })
}

/// The channel's `tls-exporter` (RFC 9266 §2). TLS 1.3 only: under TLS 1.2 it is safe only with the
/// extended master secret, and those who have that have the certificate's hash as well.
pub(crate) fn exporter(connection: &ServerConnection) -> Option<Vec<u8>> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    connection
        .export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None)
        .ok()
}

/// Whether this process can read the key now; asked again after it has become its user, because
/// otherwise the first reload would be the first to tell.
pub(crate) fn readable(tls: &Tls) -> Result<(), TlsError> {
    for (what, path) in [("certificate", &tls.certificate), ("key", &tls.key)] {
        std::fs::File::open(path).map_err(|error| explain(what, path, pem::Error::Io(error)))?;
    }
    Ok(())
}

/// TLS version and cipher suite as the log names them.
pub(crate) fn negotiated(connection: &ServerConnection) -> (&'static str, &'static str) {
    let version = connection.protocol_version();
    let suite = connection.negotiated_cipher_suite();
    (
        version.and_then(|v| v.as_str()).unwrap_or("unknown"),
        suite.and_then(|s| s.suite().as_str()).unwrap_or("unknown"),
    )
}

fn explain(what: &'static str, path: &Path, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::Unreadable {
            what,
            path: path.to_owned(),
            remedy: match source.kind() {
                io::ErrorKind::NotFound => "check the path in [tls]",
                io::ErrorKind::PermissionDenied => {
                    "let the server's user read it, for instance by its group"
                }
                _ => "check the file",
            },
            source,
        },
        error => TlsError::Missing {
            what,
            path: path.to_owned(),
            why: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn each_fault_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = write(dir.path(), "cert.pem", &own.cert.pem());
        let key = write(dir.path(), "key.pem", &own.signing_key.serialize_pem());
        let stranger = write(dir.path(), "other.pem", &other.signing_key.serialize_pem());
        let empty = write(dir.path(), "empty.pem", "");
        let junk = write(
            dir.path(),
            "junk.pem",
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
        );
        let absent = dir.path().join("absent.pem");
        let try_load = |certificate: &PathBuf, key: &PathBuf| {
            load(&Tls {
                certificate: certificate.clone(),
                key: key.clone(),
            })
            .map(|_| ())
        };
        assert!(try_load(&certificate, &key).is_ok());
        for (certificate, key, words) in [
            (&absent, &key, ["cannot read the certificate", "absent.pem"]),
            (&certificate, &absent, ["cannot read the key", "absent.pem"]),
            (&empty, &key, ["no certificate in", "empty.pem"]),
            (&certificate, &empty, ["no key in", "empty.pem"]),
            (&junk, &key, ["no certificate in", "junk.pem"]),
            (
                &certificate,
                &stranger,
                ["cannot be used together", "other.pem"],
            ),
        ] {
            let error = try_load(certificate, key).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains("PRIVATE"), "{error}");
        }
    }
}
