//! From when to when the server's own certificate counts, and what is told of it.
//!
//! Nobody sees a certificate grow old until every client refuses it at once. So whoever looks at the
//! configuration is told two weeks before, and the log tells at the start, at each reload, and once a
//! day: of the certificate that is *served*, which is not always the one in the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, warn};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use crate::connection::draining;
use crate::control::Phase;
use crate::log::Escaped;
use crate::server::Live;

/// A certificate of the server that is out of its time, or will be soon. It is served all the same.
/// Each text says what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OutOfTime {
    /// Clients refuse it.
    #[error(
        "the certificate in {} expired on {date}, and clients refuse it; renew it, put it there, and \
         send SIGHUP", path.display()
    )]
    Expired {
        /// The file.
        path: PathBuf,
        /// Its last day, in UTC.
        date: String,
    },
    /// Clients refuse it as well.
    #[error(
        "the certificate in {} counts from {date} on, and clients refuse it until then; check this \
         machine's clock, or put the present certificate there", path.display()
    )]
    NotYet {
        /// The file.
        path: PathBuf,
        /// Its first day, in UTC.
        date: String,
    },
    /// Clients will refuse it.
    #[error(
        "the certificate in {} expires on {date}; renew it, put it there, and send SIGHUP", path.display()
    )]
    Soon {
        /// The file.
        path: PathBuf,
        /// Its last day, in UTC.
        date: String,
    },
    /// One behind it in the file. Clients may know another way to a CA that they trust.
    #[error(
        "the CA certificate {name} in {} has {date} for its last day, and some clients will refuse \
         the chain; put your CA's present chain behind the certificate", path.display()
    )]
    Chain {
        /// The file.
        path: PathBuf,
        /// Its subject.
        name: String,
        /// Its last day, in UTC.
        date: String,
    },
}

impl OutOfTime {
    /// Whether clients that look refuse the server now.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::NotYet { .. })
    }
}

/// When the certificates of a file count.
pub(crate) struct Validity {
    path: PathBuf,
    /// The server's own first, then its chain. What cannot be read is left out: it is TLS that says so.
    certificates: Vec<Certificate>,
}

struct Certificate {
    is_own: bool,
    name: String,
    from: ASN1Time,
    until: ASN1Time,
}

impl Validity {
    pub(crate) fn of(path: &Path, chain: &[CertificateDer<'_>]) -> Self {
        let certificates = chain.iter().enumerate().filter_map(|(place, der)| {
            let (_, certificate) = X509Certificate::from_der(der).ok()?;
            let validity = certificate.validity();
            Some(Certificate {
                is_own: place == 0,
                name: Escaped(&certificate.subject().to_string()).to_string(),
                from: validity.not_before,
                until: validity.not_after,
            })
        });
        Self {
            path: path.to_owned(),
            certificates: certificates.collect(),
        }
    }

    /// What is out of its time now, or will be within [`TOLD_BEFORE`].
    pub(crate) fn doubts(&self, now: SystemTime) -> Vec<OutOfTime> {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let now = seconds(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let soon = now.saturating_add(seconds(TOLD_BEFORE));
        let doubt = |certificate: &Certificate| {
            let path = self.path.clone();
            let until = certificate.until.timestamp();
            let date = day(certificate.until);
            match certificate.is_own {
                true if until < now => Some(OutOfTime::Expired { path, date }),
                true if certificate.from.timestamp() > now => Some(OutOfTime::NotYet {
                    path,
                    date: day(certificate.from),
                }),
                true if until < soon => Some(OutOfTime::Soon { path, date }),
                false if until < soon => Some(OutOfTime::Chain {
                    path,
                    name: certificate.name.clone(),
                    date,
                }),
                _ => None,
            }
        };
        self.certificates.iter().filter_map(doubt).collect()
    }

    /// Writes them into the log.
    pub(crate) fn tell(&self) {
        for doubt in self.doubts(SystemTime::now()) {
            match doubt.is_refused() {
                true => error!("{doubt}"),
                false => warn!("{doubt}"),
            }
        }
    }
}

/// Tells once a day of the certificate that is served, until the server drains.
pub(crate) async fn keep_told(mut live: watch::Receiver<Arc<Live>>, phase: watch::Receiver<Phase>) {
    loop {
        tokio::select! {
            () = draining(&phase) => return,
            () = sleep(TOLD_AGAIN) => {}
            // It was told by whoever read it.
            Ok(()) = live.changed() => continue,
        }
        if let Some(tls) = &live.borrow().tls {
            tls.validity.tell();
        }
    }
}

fn day(time: ASN1Time) -> String {
    time.to_datetime().date().to_string()
}

/// Whoever renews by hand has time for it, and whoever has it done by a program has seen it fail: those
/// renew a month before.
const TOLD_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// From one look to the next.
const TOLD_AGAIN: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate that counts in these years.
    fn made(name: &str, from: i32, until: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    /// What is told of a chain so many days before or after the beginning of 2030.
    fn told(chain: &[CertificateDer<'_>], days: i64) -> Vec<String> {
        let begins = date_time_ymd(2030, 1, 1).unix_timestamp();
        let now = UNIX_EPOCH + Duration::from_secs((begins + days * 86_400) as u64);
        let doubts = Validity::of(Path::new("cert.pem"), chain).doubts(now);
        let said = |doubt: &OutOfTime| {
            let text = doubt.to_string();
            let (what, remedy) = text.split_once("; ").unwrap();
            assert!(!remedy.is_empty(), "{text}");
            format!(
                "{} {what}",
                if doubt.is_refused() {
                    "error"
                } else {
                    "warning"
                }
            )
        };
        doubts.iter().map(said).collect()
    }

    #[test]
    fn the_last_day_is_told_two_weeks_before() {
        let chain = [made("mail", 2029, 2030)];
        assert_eq!(told(&chain, -15), [""; 0]);
        let soon = "warning the certificate in cert.pem expires on 2030-01-01";
        assert_eq!(told(&chain, -13), [soon]);
        assert_eq!(told(&chain, 0), [soon]);
        let over = "error the certificate in cert.pem expired on 2030-01-01, and clients refuse it";
        assert_eq!(told(&chain, 1), [over]);
    }

    #[test]
    fn one_that_does_not_count_yet_is_told() {
        let early = "error the certificate in cert.pem counts from 2031-01-01 on, and clients refuse it \
                     until then";
        assert_eq!(told(&[made("mail", 2031, 2040)], 0), [early]);
    }

    #[test]
    fn the_chain_is_looked_at_too() {
        let chain = [
            made("mail", 2020, 2040),
            made("one", 2020, 2030),
            made("two", 2020, 2031),
            CertificateDer::from(vec![0x30]),
        ];
        let old = "warning the CA certificate CN=one in cert.pem has 2030-01-01 for its last day, and \
                   some clients will refuse the chain";
        assert_eq!(told(&chain, -20), [""; 0]);
        assert_eq!(told(&chain, -1), [old]);
        assert_eq!(told(&chain, 100), [old]);
    }
}
