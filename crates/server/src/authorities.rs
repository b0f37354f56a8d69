//! Client certificates: whose are believed, which are taken back, and what is said of one that is
//! neither.
//!
//! A client is asked and may decline: it logs in with a password then. One that shows a certificate that
//! is not in order (another authority's, expired, revoked, for servers only) ends in a fatal alert, which
//! tells its owner what is wrong (RFC 8446 §4.4.2.4 allows both); to go on as if nothing had been
//! shown would make "the certificate is revoked" look like "the password is wrong".
//!
//! With a list of revoked certificates every authority of a chain needs one, and each must be fresh: what
//! cannot be known is not believed (RFC 5280 §6.3.3).

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use tracing::info;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use crate::certificate::shown;
use crate::config::ClientCertificates;
use crate::log::Escaped;
use crate::tls::{TlsError, explain};

/// Whom a listener believes about its clients.
pub(crate) struct Authorities {
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// What is doubtful about the files, and what to do; they are used all the same.
    pub(crate) doubts: Vec<String>,
}

impl ClientCertificates {
    /// Whether the files can be used, by this process and now; comes back with what is doubtful about
    /// them all the same, and what to do.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn check(&self) -> Result<Vec<String>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        load(self, &provider).map(|authorities| authorities.doubts)
    }
}

/// Reads the authorities and what they have taken back.
pub(crate) fn load(
    asked: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Authorities, TlsError> {
    let mut doubts = Vec::new();
    let mut roots = RootCertStore::empty();
    let path = &asked.authorities;
    let authorities: Vec<CertificateDer<'static>> = read(AUTHORITY, path, AUTHORITIES_OCTETS_MAX)?;
    for authority in authorities {
        let expired = sound(&authority).map_err(|why| unusable(AUTHORITY, path, why))?;
        if let Some(name) = expired {
            doubts.push(format!(
                "the client CA {name} in {} has expired, and what it has signed still counts; take it \
                 out of the file",
                path.display()
            ));
        }
        roots
            .add(authority)
            .map_err(|error| unusable(AUTHORITY, path, error.to_string()))?;
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .allow_unauthenticated();
    if let Some(revoked) = &asked.revoked {
        let lists: Vec<CertificateRevocationListDer<'static>> =
            read(LIST, revoked, LISTS_OCTETS_MAX)?;
        doubts.extend(lists.iter().filter_map(|list| stale(list)).map(|issuer| {
            format!(
                "the list of revoked certificates of {issuer} in {} is past its next update, so no \
                 certificate of theirs is accepted; put a new list there and send SIGHUP",
                revoked.display()
            )
        }));
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    let verifier = builder.build().map_err(|error| match &asked.revoked {
        Some(revoked) => unusable(LIST, revoked, error.to_string()),
        None => unusable(AUTHORITY, path, error.to_string()),
    })?;
    Ok(Authorities {
        verifier: Arc::new(Telling(verifier)),
        doubts,
    })
}

/// The files, for whoever only wants to know whether they can be read.
pub(crate) fn files(asked: &ClientCertificates) -> impl Iterator<Item = (&'static str, &Path)> {
    let authorities = (AUTHORITY, asked.authorities.as_path());
    let revoked = asked.revoked.as_deref().map(|revoked| (LIST, revoked));
    std::iter::once(authorities).chain(revoked)
}

/// All of a kind that a file in PEM holds; one at least.
fn read<T: PemObject>(what: &'static str, path: &Path, max: u64) -> Result<Vec<T>, TlsError> {
    let explain = |error| explain(what, path, error);
    let file = File::open(path).map_err(|error| explain(pem::Error::Io(error)))?;
    let mut text = Vec::new();
    file.take(max + 1)
        .read_to_end(&mut text)
        .map_err(|error| explain(pem::Error::Io(error)))?;
    if text.len() as u64 > max {
        let why = format!("it is larger than {} KiB", max >> 10);
        return Err(unusable(what, path, why));
    }
    let all: Vec<T> = T::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(explain)?;
    match all.is_empty() {
        true => Err(explain(pem::Error::NoItemsFound)),
        false => Ok(all),
    }
}

/// Whether a certificate may sign others, which the library believes of every trust anchor; comes
/// back with its name if its time is over, at which the library does not look either.
fn sound(der: &[u8]) -> Result<Option<String>, String> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err("one of its certificates cannot be read".to_owned());
    };
    let name = || Escaped(&certificate.subject().to_string()).to_string();
    let signs = match certificate.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    if !certificate.is_ca() || !signs {
        return Err(format!("{} is not the certificate of a CA", name()));
    }
    let expired = certificate.validity().not_after < ASN1Time::now();
    Ok(expired.then(name))
}

/// Whose a list of revoked certificates is that should have been replaced by now.
fn stale(der: &[u8]) -> Option<String> {
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    let over = list.next_update()? < ASN1Time::now();
    over.then(|| Escaped(&list.issuer().to_string()).to_string())
}

fn unusable(what: &'static str, path: &Path, why: String) -> TlsError {
    TlsError::Unusable {
        what,
        path: path.to_owned(),
        why,
    }
}

/// Verifies, and tells of a refusal whose certificate it was and why: the peer gets an alert, and an
/// operator must be able to help its owner.
#[derive(Debug)]
struct Telling(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Telling {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.0
            .verify_client_cert(end_entity, intermediates, now)
            .inspect_err(|why| {
                info!(certificate = shown(end_entity), %why, "client certificate refused");
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

const AUTHORITY: &str = "client CA";
const LIST: &str = "list of revoked client certificates";

/// Some forty authorities. Their names go to every client that connects, in one message that holds 64
/// KiB; and a larger file is the system's list of everybody who may vouch for web servers.
const AUTHORITIES_OCTETS_MAX: u64 = 64 << 10;

/// Some hundred thousand certificates that were taken back.
const LISTS_OCTETS_MAX: u64 = 8 << 20;
