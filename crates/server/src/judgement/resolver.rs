//! The DNS that the judge asks: the machine's resolver, or those that the configuration names.
//!
//! What is asked is chosen by strangers, so all of it is bounded: the time of a query, the number of
//! answers that are kept and for how long. The answers of one resolver are believed as they are; it
//! should be one on this machine or in this network.

use std::net::SocketAddr;
use std::time::Duration;

use mail_auth::MessageAuthenticator;
use mail_auth::hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use mail_auth::hickory_resolver::system_conf::read_system_conf;

/// Why there is no judge.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// `/etc/resolv.conf` cannot be read or names nobody.
    #[error("the system's DNS resolver: {0}")]
    System(String),
    /// No resolver can be made of what was configured.
    #[error("DNS resolver: {0}")]
    Configured(String),
}

/// Asks these servers; none: those of `/etc/resolv.conf`.
pub(super) fn resolver(servers: &[SocketAddr]) -> Result<MessageAuthenticator, ResolverError> {
    let (config, options) = match servers {
        [] => read_system_conf().map_err(|error| ResolverError::System(error.to_string()))?,
        servers => {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            (config, ResolverOpts::default())
        }
    };
    MessageAuthenticator::new(config, bounded(options))
        .map_err(|error| ResolverError::Configured(error.to_string()))
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn bounded(mut options: ResolverOpts) -> ResolverOpts {
    options.timeout = QUERY_TIMEOUT;
    options.attempts = 1;
    options.cache_size = ANSWERS_MAX;
    options.positive_max_ttl = Some(Duration::from_secs(3600));
    options.negative_max_ttl = Some(Duration::from_secs(600));
    // Names of mail are names of the DNS, and are asked as they are.
    options.use_hosts_file = ResolveHosts::Never;
    options
}

/// One query to one server. Resolvers on the way to a slow server need some seconds; two tries fit
/// into [`super::JUDGING_TIMEOUT`].
const QUERY_TIMEOUT: Duration = Duration::from_secs(4);

/// Answers that are kept. One may have 64 KiB, so this is also 64 MiB at the worst; most have some
/// hundred octets.
const ANSWERS_MAX: u64 = 1024;
