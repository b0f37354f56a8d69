//! What certificate a server shows, whether it is believed or not.
//!
//! For whoever must decide whether to believe it: to pin it, or to see how long it is still good. The
//! handshake is done and nothing is said after it, so no credentials travel.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pop3::client::printable;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::time::timeout;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use crate::account::{Account, Transport};
use crate::error::ClientError;
use crate::patience::Patience;
use crate::pin::Pin;
use crate::reach::{agree_on_tls, connect, shake_hands};
use crate::trust;

/// Names of a certificate that are kept; hosters put a hundred into one.
const NAMES_MAX: usize = 200;

/// What a server shows. What is not printable in it is U+FFFD.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The SHA-256 of it.
    pub pin: Pin,
    /// The SHA-256 of its key; it stays the same if the certificate is renewed with the same key.
    pub key_pin: Pin,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// Whose it is, as it says itself.
    pub subject: String,
    /// Who has signed it.
    pub issuer: String,
    /// From when it is good.
    pub not_before: SystemTime,
    /// Until when it is good.
    pub not_after: SystemTime,
    /// Why it is not believed; none: it is.
    pub distrust: Option<String>,
}

/// The certificate that an account's server shows, and whether it is believed by what the account
/// believes. Nobody logs in.
///
/// # Errors
///
/// When there is no TLS, or no connection. That the certificate is not believed is none.
pub async fn certificate_of(
    account: &Account,
    patience: Patience,
) -> Result<Certificate, ClientError> {
    let awaited = "the certificate";
    timeout(patience.login, fetch(account, patience))
        .await
        .map_err(|_| ClientError::TooSlow { awaited })?
}

async fn fetch(account: &Account, patience: Patience) -> Result<Certificate, ClientError> {
    let none = |why: &str| ClientError::NoTls {
        server: account.server(),
        why: why.to_owned(),
    };
    let trusted = match &account.transport {
        Transport::Tls(trusted) | Transport::Stls(trusted) => trusted,
        Transport::InClear => return Err(none("none is asked for")),
    };
    let observer = Arc::new(Observer {
        verifier: Arc::clone(&trusted.verifier),
        seen: OnceLock::new(),
    });
    let config = observing(Arc::clone(&observer)).map_err(|error| none(&error.to_string()))?;
    let mut socket = connect(account, patience).await?;
    if let Transport::Stls(_) = account.transport {
        (socket, _) = agree_on_tls(account, socket).await?;
    }
    let shaken = shake_hands(account, &Arc::new(config), socket).await;
    match (observer.seen.get(), shaken) {
        // A server that wants a certificate of ours hangs up, and has shown its own before.
        (Some(seen), _) => {
            Certificate::read(seen).ok_or_else(|| none("its certificate cannot be read"))
        }
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(none("it shows no certificate")),
    }
}

fn observing(observer: Arc<Observer>) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(observer)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"pop3".to_vec()];
    Ok(config)
}

impl Certificate {
    fn read(seen: &Seen) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(&seen.certificate).ok()?;
        let validity = certificate.validity();
        let names = match certificate.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        Some(Self {
            pin: Pin::of_certificate(&seen.certificate),
            key_pin: Pin::of_key(&seen.certificate)?,
            names: names.into_iter().take(NAMES_MAX).collect(),
            subject: clean(&certificate.subject().to_string()),
            issuer: clean(&certificate.issuer().to_string()),
            not_before: time(validity.not_before),
            not_after: time(validity.not_after),
            distrust: seen.distrust.clone(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(clean(name)),
        GeneralName::IPAddress(octets) => match *octets {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            _ => {
                let octets: [u8; 16] = (*octets).try_into().ok()?;
                Some(std::net::Ipv6Addr::from(octets).to_string())
            }
        },
        _ => None,
    }
}

fn clean(text: &str) -> String {
    printable(text.as_bytes())
}

fn time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let span = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds < 0 {
        true => UNIX_EPOCH.checked_sub(span),
        false => UNIX_EPOCH.checked_add(span),
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// Asks whether a certificate is believed, keeps the answer, and goes on in any case. That the server
/// has its key is still looked at.
#[derive(Debug)]
struct Observer {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: OnceLock<Seen>,
}

#[derive(Debug)]
struct Seen {
    certificate: Vec<u8>,
    distrust: Option<String>,
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .verifier
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let _ = self.seen.set(Seen {
            certificate: end_entity.to_vec(),
            distrust: verified.err().map(|error| trust::explain_tls(&error)),
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
