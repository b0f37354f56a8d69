//! What is asked of the DNS: by the system's resolver, or a stand-in of the tests.

use std::time::Duration;

use hickory_resolver::config::ResolveHosts;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::{ResolverBuilder, TokioResolver};

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
        let builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
        Self::with(builder)
    }

    fn with(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, MX, SRV};
    use hickory_resolver::proto::rr::{Record, RecordType};
    use std::net::{Ipv4Addr, UdpSocket};

    /// A resolver that knows one domain.
    fn resolver() -> Lookup {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut octets) {
                let asked = Message::from_vec(&octets[..length]).unwrap();
                let reply = answer(&asked).to_vec().unwrap();
                let _ = socket.send_to(&reply, from);
            }
        });
        let mut connection = ConnectionConfig::udp();
        connection.port = port;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let provider = TokioRuntimeProvider::default();
        Lookup::with(TokioResolver::builder_with_config(config, provider)).unwrap()
    }

    fn answer(asked: &Message) -> Message {
        let mut reply = asked.clone();
        reply.metadata.message_type = MessageType::Response;
        let query = asked.queries[0].clone();
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let srv = |target: &str| RData::SRV(SRV::new(1, 2, 995, name(target)));
        let found = match (query.name().to_ascii().as_str(), query.query_type()) {
            ("_pop3s._tcp.example.org.", RecordType::SRV) => {
                vec![srv("POP.Example.ORG."), srv("b.example.org.")]
            }
            ("_pop3._tcp.example.org.", RecordType::SRV) => vec![srv(".")],
            ("example.org.", RecordType::MX) => vec![
                RData::MX(MX::new(20, name("b.example.net."))),
                RData::MX(MX::new(10, name("A.example.net."))),
            ],
            ("pop.example.org.", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 1))],
            _ => Vec::new(),
        };
        if found.is_empty() {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        for data in found {
            reply.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        }
        reply
    }

    #[test]
    fn answers_are_read() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let dns = resolver();
            let srv = dns.srv("_pop3s._tcp.example.org.".into()).await.unwrap();
            let mut targets: Vec<_> = srv.iter().map(|it| it.target.as_str()).collect();
            targets.sort_unstable();
            assert_eq!(targets, ["b.example.org", "pop.example.org"]);
            assert_eq!((srv[0].priority, srv[0].weight, srv[0].port), (1, 2, 995));
            let none = dns.srv("_pop3._tcp.example.org.".into()).await.unwrap();
            assert_eq!(none[0].target, "");
            let exchange = dns.mx("example.org.".into()).await;
            assert_eq!(exchange.as_deref(), Ok("a.example.net"));
            assert!(dns.is_there("pop.example.org.".into()).await);
            assert!(!dns.is_there("mail.example.org.".into()).await);
            let missing = dns.srv("_pop3s._tcp.example.net.".into()).await;
            assert_eq!(missing, Err("there is none".to_owned()));
        });
    }
}
