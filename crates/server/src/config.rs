//! What a server is told: listeners, TLS, limits. Plain values; every default is a safe one.
//!
//! Reading them from a file is the program's business; so is where `data` lies. Here the values
//! have their types, their units and their reasons. A key whose effect is not built yet is
//! refused, never ignored: a setting that somebody relies on must not be silently without effect.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::units;

/// Everything that the server needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The machine's full name, in the greetings and in `Received` lines.
    pub hostname: String,
    /// How the server signs off (`dewey` in "dewey POP3 server signing off").
    pub name: String,
    /// Domains whose local parts are accounts, beside `hostname`.
    pub domains: Vec<String>,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Certificate and key; without them there is no STLS and no `pop3s`.
    pub tls: Option<Tls>,
    /// Limits, each by its name.
    pub limits: Limits,
    /// How long a login waits for a maildrop that another session holds, before `[IN-USE]`.
    pub lock_wait: Duration,
}

impl Default for Config {
    /// No listener, no TLS: a server that is safe and of no use until it is told more.
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            name: "localhost".to_owned(),
            domains: Vec::new(),
            listeners: Vec::new(),
            tls: None,
            limits: Limits::default(),
            lock_wait: Duration::from_secs(5),
        }
    }
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// POP3 in clear, with STLS if there is a certificate (RFC 1939, RFC 2595).
    Pop3,
    /// POP3 inside TLS from the first octet (RFC 8314 §3.3).
    Pop3s,
    /// Delivery (RFC 2033). Whoever can connect can deliver: keep it to a Unix socket or loopback.
    Lmtp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Lmtp => "lmtp",
        })
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "pop3" => Ok(Self::Pop3),
            "pop3s" => Ok(Self::Pop3s),
            "lmtp" => Ok(Self::Lmtp),
            "admin" => Err(D::Error::custom(
                "protocol \"admin\" is not available in this version",
            )),
            other => Err(D::Error::custom(format!(
                "unknown protocol {:?}: write \"pop3\", \"pop3s\" or \"lmtp\"",
                other.chars().take(40).collect::<String>()
            ))),
        }
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// `host:port`; every address that the host name has. `[::]` takes IPv4 connections too.
    Tcp(String),
    /// `unix:PATH`; a stale socket of a dead server is replaced.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const REMEDY: &str = "write \"host:port\", such as \"[::]:995\", or \"unix:PATH\"";
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err(format!("{text:?} names no path: {REMEDY}")),
                _ => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        if text.starts_with("systemd:") {
            return Err("sockets from systemd are not available in this version".to_owned());
        }
        if text.parse::<SocketAddr>().is_ok() {
            return Ok(Self::Tcp(text.to_owned()));
        }
        match text.rsplit_once(':') {
            // An IPv6 address without brackets would be read as a strange host name.
            Some((host, port))
                if !host.is_empty() && !host.contains(':') && port.parse::<u16>().is_ok() =>
            {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err(format!("{text:?} is not an address: {REMEDY}")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// May a password travel without TLS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum PlaintextLogin {
    /// No: USER, APOP and the like are refused at their first line and not announced.
    #[default]
    Never,
    /// Only if both ends of the TCP connection are this machine.
    Loopback,
    /// Yes. Everybody on the way can read the password.
    Always,
}

/// One place where the server listens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where.
    pub address: Address,
    /// May a password travel without TLS; counts for `pop3` only.
    #[serde(default)]
    pub plaintext_login: PlaintextLogin,
    /// Permissions of a Unix socket, in octal (`"0660"`): who may write to it may connect.
    #[serde(default = "mode_default", deserialize_with = "mode")]
    pub mode: u32,
    /// Group of a Unix socket, by name; the group of the process if it is not given.
    #[serde(default)]
    pub group: Option<String>,
    /// Networks whose PROXY header is believed. Not available in this version: only `[]` is taken.
    #[serde(default, deserialize_with = "proxy_protocol")]
    pub proxy_protocol: (),
}

impl Listener {
    /// A listener with safe defaults.
    pub fn new(protocol: Protocol, address: Address) -> Self {
        Self {
            protocol,
            address,
            plaintext_login: PlaintextLogin::Never,
            mode: mode_default(),
            group: None,
            proxy_protocol: (),
        }
    }
}

/// Where certificate and key lie, in PEM. Read at start and at every reload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, then the certificates that lead to its root.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// Limits of the server, each by its name. The reasons for the defaults are in `docs/defaults.md`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most POP3 sessions at a time; more are answered `-ERR [SYS/TEMP]`.
    pub session_count_max: usize,
    /// Most POP3 sessions at a time from one IPv4 address or one IPv6 /64; 0: no limit. LMTP is not
    /// counted: its client is our own mail transfer agent.
    pub sessions_per_address_max: usize,
    /// Most LMTP sessions at a time; more are answered `421 4.3.2`. Apart from
    /// `session_count_max`, so that a flood of readers does not stop delivery.
    pub lmtp_session_count_max: usize,
    /// Longest POP3 command line in octets, CRLF included. RFC 2449 §4 asks for at least 255.
    pub command_octets_max: usize,
    /// Largest message in octets that LMTP takes; announced as SIZE (RFC 1870).
    #[serde(deserialize_with = "units::octets")]
    pub message_octets_max: u64,
    /// Most recipients of one message; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub recipients_max: usize,
    /// From connection to login; a session without login is not worth more.
    #[serde(deserialize_with = "units::duration")]
    pub authorization_timeout: Duration,
    /// The same while more than 80 % of `session_count_max` are taken.
    #[serde(deserialize_with = "units::duration")]
    pub authorization_timeout_crowded: Duration,
    /// Silence after login before the session ends without UPDATE; at least 10 minutes
    /// (RFC 1939 §3).
    #[serde(deserialize_with = "units::duration")]
    pub idle_timeout: Duration,
    /// How long a write may wait for a client that does not read.
    #[serde(deserialize_with = "units::duration")]
    pub write_timeout: Duration,
    /// How long a peer may leave data or keep-alive probes unanswered before it counts as dead and
    /// its maildrop is free again (TCP_USER_TIMEOUT). Linux counts a receive window that stays
    /// closed so long as no answer, so over TCP this also ends a client that has stopped reading.
    #[serde(deserialize_with = "units::duration")]
    pub dead_peer_timeout: Duration,
    /// How long a TLS handshake may take.
    #[serde(deserialize_with = "units::duration")]
    pub handshake_timeout: Duration,
    /// Silence of an LMTP client; at least 5 minutes (RFC 5321 §4.5.3.2.7).
    #[serde(deserialize_with = "units::duration")]
    pub lmtp_timeout: Duration,
    /// How long open sessions may go on after SIGTERM.
    #[serde(deserialize_with = "units::duration")]
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_count_max: 10_000,
            sessions_per_address_max: 20,
            lmtp_session_count_max: 500,
            command_octets_max: 512,
            message_octets_max: 50 << 20,
            recipients_max: 100,
            authorization_timeout: Duration::from_secs(180),
            authorization_timeout_crowded: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(600),
            dead_peer_timeout: Duration::from_secs(180),
            handshake_timeout: Duration::from_secs(10),
            lmtp_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// What cannot work, each with its remedy. Empty: the configuration can be served.
    ///
    /// Touches neither disk nor network.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let limits = &self.limits;
        if self.listeners.is_empty() {
            faults.push("there is no [[listener]]: the server would listen nowhere".to_owned());
        }
        for listener in &self.listeners {
            let Listener {
                protocol, address, ..
            } = listener;
            match (protocol, &self.tls, listener.plaintext_login) {
                (Protocol::Pop3s, None, _) => faults.push(format!(
                    "listener {protocol} {address} needs [tls] with certificate and key"
                )),
                (Protocol::Pop3, None, PlaintextLogin::Never) => faults.push(format!(
                    "nobody could log in at listener {protocol} {address}: plaintext_login is \
                     \"never\" and there is no [tls]; add [tls] with certificate and key, or \
                     plaintext_login = \"loopback\""
                )),
                _ => {}
            }
        }
        // These texts go into replies, where a space or a control octet would say something else.
        for (key, value) in [("hostname", &self.hostname), ("name", &self.name)] {
            let well_formed = (1..=255).contains(&value.len())
                && value
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || b"-._:[]".contains(&octet));
            if !well_formed {
                faults.push(format!(
                    "{key} is {:?}: write 1 to 255 letters, digits, dots and hyphens",
                    value.chars().take(40).collect::<String>()
                ));
            }
        }
        if limits.command_octets_max < 255 {
            faults.push("command_octets_max is below 255, which RFC 2449 §4 asks for".to_owned());
        }
        if limits.command_octets_max > 64 << 10 {
            faults
                .push("command_octets_max is above 65536: strangers would fill memory".to_owned());
        }
        for (key, value) in [
            ("session_count_max", limits.session_count_max),
            ("lmtp_session_count_max", limits.lmtp_session_count_max),
            ("recipients_max", limits.recipients_max),
        ] {
            if value == 0 {
                faults.push(format!(
                    "{key} is 0: nothing could be done; write at least 1"
                ));
            }
        }
        for (key, value) in [
            ("authorization_timeout", limits.authorization_timeout),
            (
                "authorization_timeout_crowded",
                limits.authorization_timeout_crowded,
            ),
            ("idle_timeout", limits.idle_timeout),
            ("write_timeout", limits.write_timeout),
            ("dead_peer_timeout", limits.dead_peer_timeout),
            ("handshake_timeout", limits.handshake_timeout),
            ("lmtp_timeout", limits.lmtp_timeout),
        ] {
            if value.is_zero() {
                faults.push(format!("{key} is 0: every session would end at once"));
            }
        }
        faults
    }

    /// What works but should be known: settings below what an RFC asks for, or unsafe ones.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.limits.idle_timeout < Duration::from_secs(600) {
            remarks.push("idle_timeout is below the 10 minutes of RFC 1939 §3".to_owned());
        }
        if self.limits.lmtp_timeout < Duration::from_secs(300) {
            remarks.push("lmtp_timeout is below the 5 minutes of RFC 5321 §4.5.3.2.7".to_owned());
        }
        if self.limits.recipients_max < 100 {
            remarks.push("recipients_max is below the 100 of RFC 5321 §4.5.3.1.8".to_owned());
        }
        for listener in &self.listeners {
            let address = &listener.address;
            if listener.protocol == Protocol::Pop3
                && listener.plaintext_login == PlaintextLogin::Always
            {
                remarks.push(format!(
                    "listener pop3 {address} lets passwords travel in clear"
                ));
            }
            let reachable = match address {
                Address::Unix(_) => false,
                Address::Tcp(text) => match text.parse::<SocketAddr>() {
                    Ok(address) => !address.ip().to_canonical().is_loopback(),
                    Err(_) => !text.starts_with("localhost:"),
                },
            };
            if listener.protocol == Protocol::Lmtp && reachable {
                remarks.push(format!(
                    "listener lmtp {address} takes mail from everybody who can reach it"
                ));
            }
        }
        remarks
    }
}

/// Owner and group may connect.
fn mode_default() -> u32 {
    0o660
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(mode),
        _ => Err(D::Error::custom(
            "mode is not octal permissions: write a string such as \"0660\"",
        )),
    }
}

fn proxy_protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Vec::<String>::deserialize(deserializer)?.is_empty() {
        true => Ok(()),
        false => Err(D::Error::custom(
            "proxy_protocol is not available in this version: leave it out or write []",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    fn listener(keys: &[(&str, &str)]) -> Result<Listener, String> {
        let keys = keys.iter().copied();
        let map = MapDeserializer::<_, Error>::new(keys);
        Listener::deserialize(map).map_err(|error| error.to_string())
    }

    #[test]
    fn a_listener_has_safe_defaults() {
        let read = listener(&[("protocol", "pop3"), ("address", "[::]:110")]).unwrap();
        assert_eq!(read.protocol, Protocol::Pop3);
        assert_eq!(read.address, Address::Tcp("[::]:110".to_owned()));
        assert_eq!(read.plaintext_login, PlaintextLogin::Never);
        assert_eq!(read.mode, 0o660);
    }

    #[test]
    fn what_is_not_built_and_what_does_not_exist_is_refused() {
        for (key, value, words) in [
            ("protocol", "admin", "not available in this version"),
            ("protocol", "imap", "unknown protocol"),
            ("address", "systemd:pop3", "not available in this version"),
            ("address", "::1:110", "is not an address"),
            ("address", "localhost", "is not an address"),
            ("address", "localhost:99999", "is not an address"),
            ("address", "unix:", "names no path"),
            ("mode", "rw", "octal"),
            ("mode", "1777", "octal"),
            ("plaintext_login", "sometimes", "unknown variant"),
            ("colour", "red", "unknown field"),
        ] {
            let mut keys = vec![("protocol", "pop3"), ("address", "127.0.0.1:110")];
            keys.retain(|(name, _)| *name != key);
            keys.push((key, value));
            let error = listener(&keys).unwrap_err();
            assert!(error.contains(words), "{key} = {value}: {error}");
        }
        let networks: MapDeserializer<'_, _, Error> =
            MapDeserializer::new([("proxy_protocol", vec!["10.0.0.0/8"])].into_iter());
        let error = Listener::deserialize(networks).unwrap_err().to_string();
        assert!(error.contains("not available in this version"), "{error}");
    }

    #[test]
    fn limits_are_read_by_name_and_unknown_ones_refused() {
        let read = |key: &'static str, value: &'static str| {
            Limits::deserialize(MapDeserializer::<_, Error>::new(
                [(key, value)]
                    .into_iter()
                    .map(|(k, v)| (k, v.into_deserializer())),
            ))
        };
        let limits: Limits = read("idle_timeout", "20m").unwrap();
        assert_eq!(limits.idle_timeout, Duration::from_secs(1200));
        assert_eq!(limits.session_count_max, 10_000);
        let limits = read("message_octets_max", "1 GiB").unwrap();
        assert_eq!(limits.message_octets_max, 1 << 30);
        assert!(read("idle_timeout", "20").is_err());
        assert!(read("idle_time", "20m").is_err());
    }

    #[test]
    fn a_configuration_that_would_end_every_session_is_a_fault() {
        let mut config = Config {
            listeners: vec![Listener::new(
                Protocol::Lmtp,
                "127.0.0.1:24".parse().unwrap(),
            )],
            ..Config::default()
        };
        assert_eq!(config.faults(), Vec::<String>::new());
        assert_eq!(config.remarks(), Vec::<String>::new());
        config.limits.idle_timeout = Duration::ZERO;
        config.limits.command_octets_max = 100;
        config.hostname = "two words".to_owned();
        let faults = config.faults().join("; ");
        for words in [
            "idle_timeout is 0",
            "RFC 2449 §4",
            "hostname is \"two words\"",
        ] {
            assert!(faults.contains(words), "{faults}");
        }
        assert!(config.remarks().join("; ").contains("RFC 1939 §3"));
    }
}
