//! One request to a provider, and its reply. Every wait has an end, a reply has a largest size, and no redirect is
//! followed: who is sent elsewhere with a refresh token gives it away.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use oauth2::url::Url;
use oauth2::{HttpRequest, HttpResponse, http};
use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::error::shown;
use super::provider::{Provider, is_loopback};
use crate::trust::{self, TrustError};

/// Largest reply. Two tokens of the largest provider have less than 20,000 octets.
const REPLY_OCTETS_MAX: u64 = 256 * 1024;
const HEADER_OCTETS_MAX: usize = 32 * 1024;

/// Why there is no reply that can be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The provider is not there, or went away; may pass by itself.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Its host.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// It took too long; may pass by itself.
    #[error("{0} takes too long")]
    TooSlow(String),
    /// It failed, or has too much to do; may pass by itself.
    #[error("{server} answers with status {status}")]
    Status {
        /// Its host.
        server: String,
        /// 429, or 500 and above.
        status: u16,
    },
    /// No HTTP, or more of it than any provider sends; may pass by itself.
    #[error("{server} does not answer properly: {why}")]
    Improper {
        /// Its host.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// It sends us elsewhere, where secrets are not sent.
    #[error(
        "{server} sends us to {to}, and that is not followed; write the right address into the configuration"
    )]
    Redirected {
        /// Its host.
        server: String,
        /// Where to, without what may be secret.
        to: String,
    },
    /// It cannot show that it is who it should be.
    #[error("no TLS with {server}: {why}")]
    NoTls {
        /// Its host.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// Nobody's certificates can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl HttpError {
    /// Whether the same may succeed later without anybody doing anything.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TooSlow(_)
            | Self::Status { .. }
            | Self::Improper { .. } => true,
            Self::Redirected { .. } | Self::NoTls { .. } | Self::Trust(_) => false,
        }
    }
}

/// What sends requests to one provider.
pub(super) struct Http {
    agent: Agent,
}

impl Http {
    pub(super) fn new(provider: &Provider) -> Result<Self, HttpError> {
        let settings = provider.settings();
        let config = Agent::config_builder()
            .tls_config(tls(provider)?)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(HEADER_OCTETS_MAX)
            .max_idle_connections(0)
            .user_agent(concat!("restante/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(settings.reply_timeout))
            // A host may have many addresses, of which the first ones do not answer.
            .timeout_connect(Some(settings.reply_timeout.min(Duration::from_secs(10))));
        Ok(Self {
            agent: config.build().new_agent(),
        })
    }

    /// Sends a request. A reply of the status 200 or 400 to 499 comes back, for OAuth says its errors by those.
    pub(super) fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = request.uri().to_string();
        let url = Url::parse(&url).ok();
        let server = url
            .as_ref()
            .and_then(Url::host_str)
            .unwrap_or("the provider");
        let server = server.to_owned();
        // What is on this machine is not reached by way of another one.
        let request = match url.as_ref().is_some_and(is_loopback) {
            true => self.agent.configure_request(request).proxy(None).build(),
            false => self.agent.configure_request(request).build(),
        };
        let reply = self.agent.run(request);
        let mut reply = reply.map_err(|error| explained(error, &server))?;
        let status = reply.status();
        if status.is_redirection() {
            let to = reply.headers().get(http::header::LOCATION);
            let to = to.and_then(|it| it.to_str().ok()).unwrap_or("nowhere");
            let to = shown(to.split(['?', '#']).next().unwrap_or_default());
            return Err(HttpError::Redirected { server, to });
        }
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            let status = status.as_u16();
            return Err(HttpError::Status { server, status });
        }
        let body = reply.body_mut().with_config().limit(REPLY_OCTETS_MAX);
        let body = body
            .read_to_vec()
            .map_err(|error| explained(error, &server))?;
        let (head, _) = reply.into_parts();
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// Whose certificates are believed.
fn tls(provider: &Provider) -> Result<TlsConfig, HttpError> {
    let settings = provider.settings();
    let file = match &settings.authorities {
        Some(file) => file.clone(),
        // A provider on this machine needs no authorities, and a small machine may have none.
        None if !needs_tls(provider) => return Ok(builder().build()),
        None => trust::system_file()?,
    };
    let roots = trust::certificates(&file)?;
    let roots: Vec<_> = roots
        .iter()
        .map(|root| Certificate::from_der(root).to_owned())
        .collect();
    Ok(builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .build())
}

fn builder() -> ureq::tls::TlsConfigBuilder {
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&[]))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
}

fn needs_tls(provider: &Provider) -> bool {
    let device = provider.device().ok().map(|it| it.url());
    let mut all = [Some(provider.token().url()), device, provider.revoke()]
        .into_iter()
        .flatten();
    all.any(|url| url.scheme() == "https")
}

fn explained(error: ureq::Error, server: &str) -> HttpError {
    let server = server.to_owned();
    match error {
        ureq::Error::Timeout(_) => HttpError::TooSlow(server),
        ureq::Error::Rustls(error) => HttpError::NoTls {
            server,
            why: error.to_string(),
        },
        ureq::Error::Io(error) => match error.get_ref().and_then(|it| it.downcast_ref()) {
            Some(inner @ rustls::Error::InvalidCertificate(_)) => HttpError::NoTls {
                server,
                why: inner.to_string(),
            },
            _ if error.kind() == std::io::ErrorKind::TimedOut => HttpError::TooSlow(server),
            _ => HttpError::Unreachable {
                server,
                why: error.to_string(),
            },
        },
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpError::Unreachable {
            server,
            why: error.to_string(),
        },
        ureq::Error::BodyExceedsLimit(_) => HttpError::Improper {
            server,
            why: format!("its reply is longer than {REPLY_OCTETS_MAX} octets"),
        },
        other => {
            let cause = other.source().map(|cause| format!(": {cause}"));
            HttpError::Improper {
                server,
                why: shown(&format!("{other}{}", cause.unwrap_or_default())),
            }
        }
    }
}
