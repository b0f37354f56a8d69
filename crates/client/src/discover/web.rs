//! What providers and Mozilla publish for mail programs, fetched.
//!
//! Only by HTTPS: who could change what comes in clear could name a server of his own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pop3::client::printable;
use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::who::Who;
use super::{Candidate, DiscoveryError, Source, autoconfig};
use crate::trust;

/// Time of a request, redirects and all.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest file; the largest known one has some 10,000 octets.
const FILE_OCTETS_MAX: u64 = 256 * 1024;
const HEADER_OCTETS_MAX: usize = 32 * 1024;
const REDIRECTS_MAX: u32 = 3;

/// Where the files are. `{domain}` stands for the domain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// On a host of the domain for this.
    pub(super) autoconfig: &'a str,
    /// On the host that is the domain.
    pub(super) well_known: &'a str,
    /// In Mozilla's list.
    pub(super) mozilla: &'a str,
}

impl Place<'static> {
    /// Where they are for everybody.
    pub(super) const REAL: Self = Self {
        autoconfig: "https://autoconfig.{domain}/mail/config-v1.1.xml",
        well_known: "https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
        mozilla: "https://autoconfig.thunderbird.net/v1.1/{domain}",
    };
}

/// Somebody who fetches them.
#[derive(Clone, Debug)]
pub(super) struct Web<'a> {
    agent: Agent,
    place: Place<'a>,
}

impl<'a> Web<'a> {
    pub(super) fn new(
        authorities: Option<&Path>,
        place: Place<'a>,
    ) -> Result<Self, DiscoveryError> {
        let file = match authorities {
            Some(file) => file.to_owned(),
            None => trust::system_file()?,
        };
        let roots: Vec<_> = trust::certificates(&file)?
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect();
        Ok(Self::with(&roots, place))
    }

    pub(super) fn with(roots: &[Certificate<'static>], place: Place<'a>) -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .root_certs(RootCerts::new_with_certs(roots))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            // A redirect out of it would be as good as none.
            .https_only(place.autoconfig.starts_with("https:"))
            .max_redirects(REDIRECTS_MAX)
            .http_status_as_error(false)
            .max_response_header_size(HEADER_OCTETS_MAX)
            .max_idle_connections(0)
            .user_agent(concat!("restante/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(REPLY_TIMEOUT));
        Self {
            agent: config.build().new_agent(),
            place,
        }
    }

    /// What the domain's provider says: on its own host, or else on the domain's.
    pub(super) async fn provider(&self, who: &Who) -> (Vec<Candidate>, Vec<String>) {
        let query = match who.address() {
            Some(address) => format!("?emailaddress={}", escaped(&address)),
            None => String::new(),
        };
        let urls = [self.place.autoconfig, self.place.well_known]
            .map(|place| place.replace("{domain}", &who.domain) + &query);
        let [first, second] = urls;
        // Together: a host that does not answer costs ten seconds.
        let (first, second) = tokio::join!(
            self.ask(who, first, Source::Provider),
            self.ask(who, second, Source::Provider),
        );
        let notes = [first.1, second.1].concat();
        match first.0.is_empty() {
            true => (second.0, notes),
            false => (first.0, notes),
        }
    }

    /// What Mozilla's list says of a domain. The address is none of its business.
    pub(super) async fn mozilla(&self, who: &Who, domain: &str) -> (Vec<Candidate>, Vec<String>) {
        let url = self.place.mozilla.replace("{domain}", domain);
        self.ask(who, url, Source::Mozilla).await
    }

    async fn ask(&self, who: &Who, url: String, source: Source) -> (Vec<Candidate>, Vec<String>) {
        let shown = url.split('?').next().unwrap_or_default().to_owned();
        let (candidates, note) = match self.fetch(url).await {
            Ok(text) => match autoconfig::read(&text, who, source) {
                Ok(candidates) => {
                    let note = format!("{} found", candidates.len());
                    (candidates, note)
                }
                Err(why) => (Vec::new(), why),
            },
            Err(why) => (Vec::new(), why),
        };
        (candidates, vec![format!("{shown}: {note}")])
    }

    async fn fetch(&self, url: String) -> Result<String, String> {
        let agent = self.agent.clone();
        let fetching = tokio::task::spawn_blocking(move || {
            let mut reply = agent.get(&url).call().map_err(|error| explained(&error))?;
            match reply.status().as_u16() {
                200 => {}
                404 => return Err("there is none".to_owned()),
                status => return Err(format!("it answers with status {status}")),
            }
            let body = reply.body_mut().with_config().limit(FILE_OCTETS_MAX);
            let octets = body.read_to_vec().map_err(|error| explained(&error))?;
            String::from_utf8(octets).map_err(|_| "it is not in UTF-8".to_owned())
        });
        fetching.await.map_err(|error| error.to_string())?
    }
}

fn explained(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "there is no such host".to_owned(),
        ureq::Error::Timeout(_) => "it takes too long".to_owned(),
        ureq::Error::BodyExceedsLimit(_) => {
            format!("it is longer than {FILE_OCTETS_MAX} octets")
        }
        error => printable(error.to_string().as_bytes()),
    }
}

/// As a part of a query (RFC 3986 §2.1).
fn escaped(text: &str) -> String {
    let escape = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(octet).to_string()
        }
        octet => format!("%{octet:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_value_of_a_query() {
        assert_eq!(escaped("b&o=b+x@a.example"), "b%26o%3Db%2Bx%40a.example");
        assert_eq!(escaped("\u{e4}"), "%C3%A4");
    }
}
