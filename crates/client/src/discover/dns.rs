//! What is asked of the DNS: by the system's resolver, or a stand-in of the tests.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::proto::rr::{Name, RData};

/// Time of a query to one resolver.
const QUERY_TIMEOUT: Duration = Duration::from_secs(4);

/// Records of an answer that are looked at.
const RECORDS_MAX: usize = 20;

/// An SRV record (RFC 2782).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// In lower case and without the last dot; empty for the root.
    pub(super) target: String,
}

/// The DNS. Names end with a dot, so that no search list is gone through.
pub(super) trait Dns {
    /// The SRV records of a name, or why there are none.
    fn srv(&self, name: String) -> impl Future<Output = Result<Vec<Srv>, String>>;
    /// The host that takes a domain's mail first, in the form of [`Srv::target`].
    fn mx(&self, name: String) -> impl Future<Output = Result<String, String>>;
    /// Whether a name has an address.
    fn is_there(&self, name: String) -> impl Future<Output = bool>;
}

/// The resolver of the system.
pub(super) struct Lookup(TokioResolver);

impl Lookup {
    pub(super) fn new() -> Result<Self, String> {
        let mut builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = 2;
        options.use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Self(resolver))
    }
}

impl Dns for Lookup {
    async fn srv(&self, name: String) -> Result<Vec<Srv>, String> {
        let answer = self.0.srv_lookup(name).await.map_err(|error| why(&error))?;
        let records = answer.answers().iter();
        let records = records.filter_map(|record| match &record.data {
            RData::SRV(record) => Some(Srv {
                priority: record.priority,
                weight: record.weight,
                port: record.port,
                target: host(&record.target),
            }),
            _ => None,
        });
        Ok(records.take(RECORDS_MAX).collect())
    }

    async fn mx(&self, name: String) -> Result<String, String> {
        let answer = self.0.mx_lookup(name).await.map_err(|error| why(&error))?;
        let records = answer.answers().iter();
        let records = records.filter_map(|record| match &record.data {
            RData::MX(record) => Some((record.preference, host(&record.exchange))),
            _ => None,
        });
        let first = records.take(RECORDS_MAX).min();
        first
            .map(|(_, exchange)| exchange)
            .ok_or_else(|| "there is none".to_owned())
    }

    async fn is_there(&self, name: String) -> bool {
        self.0.lookup_ip(name).await.is_ok()
    }
}

fn why(error: &hickory_resolver::net::NetError) -> String {
    match error.is_nx_domain() || error.is_no_records_found() {
        true => "there is none".to_owned(),
        false => error.to_string(),
    }
}

fn host(name: &Name) -> String {
    let name = name.to_ascii().to_ascii_lowercase();
    name.trim_end_matches('.').to_owned()
}
