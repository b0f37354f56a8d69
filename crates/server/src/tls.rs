//! TLS: certificate and key from their files, and what is negotiated.
//!
//! TLS 1.2 and 1.3 only (RFC 8996), by rustls with aws-lc-rs. ALPN: `pop3` is accepted, so is a
//! client that offers nothing; one that offers only other protocols gets the alert
//! `no_application_protocol`, so that a TLS session meant for a web server cannot be led here
//! (RFC 7301 §3.2). Where mail comes in, `lmtp` and `smtp` take the place of `pop3`. Sessions resume by tickets whose keys rotate and never touch a disk; early
//! data, which can be replayed, is not taken.
//!
//! In TLS 1.3 the greeting leaves with the server's half of the handshake (RFC 8446 §4.4.4), before the client
//! has proved that it is there now: whoever connects may have it, and nothing else is said so early. It costs
//! the client no round trip then, and nobody a write and a wake-up. In TLS 1.2 it leaves with the server's last
//! words, which come after the client's.
//!
//! Where clients are asked for certificates they are greeted after the handshake, and no session resumes: a resumed one brings the client's
//! certificate back as it was (RFC 8446 §2.2), and nobody looks again whether it has been revoked or has
//! expired since, or whether its authority still counts.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use crate::config::{ClientCertificates, Listener, Tls};
use crate::validity::{OutOfTime, Validity};
use crate::{authorities, end_point};

/// Why certificates and keys cannot be used. Each names the file and what to do.
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
    /// What is asked of clients cannot be.
    #[error(
        "the {what} in {} cannot be used: {why}; put the certificates of your CAs and their own lists there, in \
         PEM and nothing else", path.display()
    )]
    Unusable {
        /// `client CA`, or the list of revoked certificates.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
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
    /// Whether certificate and key can be served, by this process and now; comes back with what is out
    /// of its time, or will be soon.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn check(&self) -> Result<Vec<OutOfTime>, TlsError> {
        let own = Own::read(self)?;
        own.acceptor(None, &[POP3])?;
        Ok(own.validity().doubts(SystemTime::now()))
    }
}

/// What accepts TLS connections, and how channels to it are known.
pub(crate) struct Acceptor {
    pub(crate) tls: TlsAcceptor,
    /// `tls-server-end-point` (RFC 5929 §4), if the certificate has one.
    pub(crate) end_point: Option<Vec<u8>>,
}

/// What accepts TLS connections at each listener.
pub(crate) struct Acceptors {
    /// Of the certificate that they show.
    pub(crate) validity: Validity,
    /// Where mail comes in, behind STARTTLS.
    pub(crate) transfer: Acceptor,
    /// Where nobody is asked for a certificate.
    asking_nobody: Acceptor,
    /// Where clients are asked, for each that is asked of them. Nothing of a TLS session is shared
    /// between two of them.
    asking: Vec<(ClientCertificates, Acceptor)>,
}

impl Acceptors {
    /// The one for a listener that asks this. None is missing: a reload does not change listeners.
    pub(crate) fn of(&self, asked: Option<&ClientCertificates>) -> Option<&Acceptor> {
        let Some(asked) = asked else {
            return Some(&self.asking_nobody);
        };
        let mut asking = self.asking.iter();
        asking.find_map(|(known, acceptor)| (known == asked).then_some(acceptor))
    }
}

/// Reads certificate and key, and what listeners ask of clients, and makes what accepts TLS
/// connections of them.
pub(crate) fn load(tls: &Tls, listeners: &[Listener]) -> Result<Acceptors, TlsError> {
    let own = Own::read(tls)?;
    let mut asking: Vec<(ClientCertificates, Acceptor)> = Vec::new();
    for asked in listeners
        .iter()
        .filter_map(|l| l.client_certificates.as_ref())
    {
        if asking.iter().any(|(known, _)| known == asked) {
            continue;
        }
        let authorities = authorities::load(asked, &own.provider)?;
        for doubt in authorities.doubts {
            warn!(doubt, "client certificates: a file is past its time");
        }
        let acceptor = own.acceptor(Some(authorities.verifier), &[POP3])?;
        asking.push((asked.clone(), acceptor));
    }
    let asking_nobody = own.acceptor(None, &[POP3])?;
    let transfer = own.acceptor(None, &[LMTP, SMTP])?;
    let validity = own.validity();
    validity.tell();
    Ok(Acceptors {
        validity,
        transfer,
        asking_nobody,
        asking,
    })
}

const POP3: &[u8] = b"pop3";
// Not registered, but what clients offer that offer something; nobody's who means a web server.
const LMTP: &[u8] = b"lmtp";
const SMTP: &[u8] = b"smtp";

/// The server's own certificate and key.
struct Own<'a> {
    files: &'a Tls,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    end_point: Option<Vec<u8>>,
    provider: Arc<CryptoProvider>,
}

impl<'a> Own<'a> {
    fn read(files: &'a Tls) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| explain("certificate", &files.certificate, error))?;
        let Some(own) = chain.first() else {
            let error = pem::Error::NoItemsFound;
            return Err(explain("certificate", &files.certificate, error));
        };
        Ok(Self {
            end_point: end_point::of(own),
            key: PrivateKeyDer::from_pem_file(&files.key)
                .map_err(|error| explain("key", &files.key, error))?,
            provider: Arc::new(aws_lc_rs::default_provider()),
            files,
            chain,
        })
    }

    fn validity(&self) -> Validity {
        Validity::of(&self.files.certificate, &self.chain)
    }

    /// What accepts connections with them; `verifier`: of clients' certificates; `protocols`: by ALPN.
    fn acceptor(
        &self,
        verifier: Option<Arc<dyn ClientCertVerifier>>,
        protocols: &[&[u8]],
    ) -> Result<Acceptor, TlsError> {
        let setup = |error: rustls::Error| TlsError::Setup(error.to_string());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(setup)?;
        let asks = verifier.is_some();
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|error| TlsError::Mismatch {
                certificate: self.files.certificate.clone(),
                key: self.files.key.clone(),
                why: error.to_string(),
            })?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config.max_early_data_size = 0;
        if asks {
            // Neither by tickets nor by what we remember: see the head of this file.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            config.send_half_rtt_data = true;
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(setup)?;
            // A client resumes with one ticket; a second one would only cost octets at each handshake.
            config.send_tls13_tickets = 1;
        }
        Ok(Acceptor {
            tls: TlsAcceptor::from(Arc::new(config)),
            end_point: self.end_point.clone(),
        })
    }
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

/// Whether this process can read the files now; asked again after it has become its user, because
/// otherwise the first reload would be the first to tell.
pub(crate) fn readable(tls: &Tls, listeners: &[Listener]) -> Result<(), TlsError> {
    let own = [
        ("certificate", tls.certificate.as_path()),
        ("key", tls.key.as_path()),
    ];
    let asked = listeners.iter().flat_map(|l| &l.client_certificates);
    for (what, path) in own.into_iter().chain(asked.flat_map(authorities::files)) {
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

/// What is wrong with a file that cannot be read, or does not hold what it should.
pub(crate) fn explain(what: &'static str, path: &Path, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::Unreadable {
            what,
            path: path.to_owned(),
            remedy: match source.kind() {
                io::ErrorKind::NotFound if matches!(what, "certificate" | "key") => {
                    "check the path in [tls]"
                }
                io::ErrorKind::NotFound => "check the path in this [[listener]]",
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
            let tls = Tls {
                certificate: certificate.clone(),
                key: key.clone(),
            };
            tls.check()
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
