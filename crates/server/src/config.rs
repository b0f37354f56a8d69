//! What a server is told: listeners, TLS, limits. Plain values; every default is a safe one.
//!
//! Reading them from a file, and telling with line and column what is wrong there, is the
//! program's business; so is where `data` lies. Here the values have their types, their units and
//! their reasons. What would be unsafe if it were served is refused by [`crate::bind()`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use auth::{Addressing, LoginDelay, State};
use delivery::RecipientRefusal;
use maildrop::MaildropId;
use pop3::server::Utf8Messages;
use pop3::{Language, Tolerances};
use sasl::Mechanism;

use crate::access::Access;
use crate::address::Address;
use crate::front::FrontEnds;
use crate::judgement;
use crate::keeping::Keeping;
use crate::limits::Tolls;

/// Everything that the server needs to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The machine's full name, in the greetings and in `Received` lines.
    pub hostname: String,
    /// How the server signs off (`dewey` in "dewey POP3 server signing off").
    pub name: String,
    /// Domains whose local parts are accounts, beside `hostname`.
    pub domains: Vec<String>,
    /// Characters of which the first in a local part begins the detail (`bob+lists`); none: there is no
    /// detail.
    pub detail_separator: String,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Certificate and key; without them there is no STLS and no `pop3s`.
    pub tls: Option<Tls>,
    /// Limits, each by its name.
    pub limits: Limits,
    /// How long a login waits for a maildrop that another session holds, before `[IN-USE]`.
    pub lock_wait: Duration,
    /// How maildrops are kept: quota and retention.
    pub keeping: Keeping,
    /// What sessions see of maildrops, and what becomes of what they delete.
    pub access: Access,
    /// The language that `LANG *` chooses (RFC 6856 §3.2).
    pub language: Language,
    /// What clients get that have not said UTF8 of a message whose header is not ASCII.
    pub utf8_messages: Utf8Messages,
    /// Which known odd clients are borne with.
    pub tolerances: Tolerances,
    /// How often an account may log in, announced as LOGIN-DELAY (RFC 2449 §6.5); none: as often as
    /// it likes.
    pub login_delay: Option<LoginDelay>,
    /// How mail is treated that strangers bring.
    pub smtp: Smtp,
    /// What AUTH may offer; each where it can work. Default: SCRAM-SHA-256 with and without channel
    /// binding, PLAIN, tokens if they can be verified, and EXTERNAL for who has shown a certificate.
    pub mechanisms: Vec<Mechanism>,
}

impl Config {
    /// What decides whose an address is, beside the accounts.
    pub fn addressing(&self) -> Addressing<'_> {
        Addressing {
            hostname: &self.hostname,
            domains: &self.domains,
            detail_separator: &self.detail_separator,
        }
    }

    /// The recipient that an address is, if mail for it is taken; `found`: whom the accounts name for it.
    ///
    /// # Errors
    ///
    /// When there is nobody, or all of them are disabled.
    pub fn accepts(
        &self,
        mut found: Vec<auth::Recipient>,
        address: &str,
    ) -> Result<delivery::Recipient, RecipientRefusal> {
        if found.is_empty() {
            return Err(RecipientRefusal::Unknown);
        }
        found.retain(|one| one.state == State::Enabled);
        let account = |one: auth::Recipient| delivery::Account {
            quota: self.keeping.quota(one.terms),
            name: one.account,
            maildrop: MaildropId(one.maildrop),
        };
        match found.is_empty() {
            true => Err(RecipientRefusal::Disabled),
            false => Ok(delivery::Recipient {
                address: address.to_owned(),
                accounts: found.into_iter().map(account).collect(),
            }),
        }
    }
}

impl Default for Config {
    /// No listener, no TLS: a server that is safe and of no use until it is told more.
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            name: "localhost".to_owned(),
            domains: Vec::new(),
            detail_separator: "+".to_owned(),
            listeners: Vec::new(),
            tls: None,
            limits: Limits::default(),
            lock_wait: Duration::from_secs(5),
            keeping: Keeping::default(),
            access: Access::default(),
            language: Language::default(),
            utf8_messages: Utf8Messages::default(),
            tolerances: Tolerances::default(),
            login_delay: None,
            smtp: Smtp::default(),
            mechanisms: vec![
                Mechanism::ScramSha256Plus,
                Mechanism::ScramSha256,
                Mechanism::External,
                Mechanism::OauthBearer,
                Mechanism::XOauth2,
                Mechanism::Plain,
            ],
        }
    }
}

/// How mail is treated that strangers bring.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Smtp {
    /// What SPF and DMARC decide, and whom they ask.
    pub judgement: judgement::Settings,
    /// How long a sender waits who is not known; none: nobody does.
    pub greylist: Option<Duration>,
    /// What a client pays for mistakes, such as recipients that we do not have.
    pub tolls: Tolls,
}

/// What is spoken on a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// POP3 in clear, with STLS if there is a certificate (RFC 1939, RFC 2595).
    Pop3,
    /// POP3 inside TLS from the first octet (RFC 8314 §3.1).
    Pop3s,
    /// Delivery (RFC 2033). Whoever can connect can deliver: keep it to a Unix socket or loopback.
    Lmtp,
    /// Mail from the world for the accounts that are here (RFC 5321). Nothing is passed on, and nobody
    /// logs in.
    Smtp,
}

impl Protocol {
    /// Whether mail comes in there, rather than being retrieved.
    pub fn transfers(self) -> bool {
        matches!(self, Self::Lmtp | Self::Smtp)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Lmtp => "lmtp",
            Self::Smtp => "smtp",
        })
    }
}

/// May a password travel without TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// What is spoken there.
    pub protocol: Protocol,
    /// Where.
    pub address: Address,
    /// May a password travel without TLS; counts for `pop3` only.
    pub plaintext_login: PlaintextLogin,
    /// Whom it believes about clients; counts for TCP only.
    pub front_ends: FrontEnds,
    /// Which certificates it asks its clients for, in TLS of its own; none: it asks nobody.
    pub client_certificates: Option<ClientCertificates>,
    /// Permissions of a Unix socket: who may write to it may connect.
    pub mode: u32,
    /// Group of a Unix socket, by name; the group of the process if it is not given.
    pub group: Option<String>,
}

impl Listener {
    /// A listener with safe defaults.
    pub fn new(protocol: Protocol, address: Address) -> Self {
        Self {
            protocol,
            address,
            plaintext_login: PlaintextLogin::Never,
            front_ends: FrontEnds::default(),
            client_certificates: None,
            mode: MODE,
            group: None,
        }
    }
}

/// Where certificate and key lie, in PEM. Read at start and at every reload.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, then the certificates that lead to its root.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// Which certificates of clients a listener believes, and whom they stand for (EXTERNAL, RFC 4422
/// appendix A). The files, in PEM, are read at start and at every reload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificates {
    /// The authorities that may vouch for users, and nobody else's.
    pub authorities: PathBuf,
    /// Their lists of certificates that were taken back. With this file every authority of a chain
    /// needs one that is not past its next update.
    pub revoked: Option<PathBuf>,
    /// What names the account.
    pub account: ClientAccount,
}

/// The part of a certificate that names the account, which must be there once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientAccount {
    /// The `rfc822Name` of the subject's alternative names (RFC 5280 §4.2.1.6): the whole address is
    /// the account's name.
    Email,
    /// The common name of the subject.
    CommonName,
}

/// Limits of the server, each by its name. The reasons for the defaults are in `docs/defaults.md`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most POP3 sessions at a time. For more, the oldest that have not logged in are ended; where
    /// all have, newcomers are answered `-ERR [SYS/TEMP]`.
    pub session_count_max: usize,
    /// Most POP3 sessions at a time from one address; 0: no limit. LMTP is not counted: its client
    /// is our own mail transfer agent.
    pub sessions_per_address_max: usize,
    /// Most POP3 sessions at a time from one IPv6 /64, whatever their addresses; 0: no limit.
    pub sessions_per_network_max: usize,
    /// Most POP3 sessions at a time in one maildrop; 0: no limit. A maildrop with messages has one
    /// session anyway (RFC 1939 §4); this is for those that have nothing to show. Beyond it logins are
    /// answered `-ERR [IN-USE]`.
    pub sessions_per_account_max: usize,
    /// Most LMTP sessions at a time; more are answered `421 4.3.2`. Apart from
    /// `session_count_max`, so that a flood of readers does not stop delivery.
    pub lmtp_session_count_max: usize,
    /// Most SMTP sessions at a time; more are answered `421 4.3.2`, as are those beyond the next two.
    pub smtp_session_count_max: usize,
    /// Most SMTP sessions at a time from one address; 0: no limit.
    pub smtp_sessions_per_address_max: usize,
    /// Most SMTP sessions at a time from one IPv6 /64, whatever their addresses; 0: no limit.
    pub smtp_sessions_per_network_max: usize,
    /// Longest POP3 command line in octets, CRLF included. RFC 2449 §4 asks for at least 255.
    pub command_octets_max: usize,
    /// Largest message in octets that LMTP and SMTP take; announced as SIZE (RFC 1870).
    pub message_octets_max: u64,
    /// Most recipients of one message; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub recipients_max: usize,
    /// From connection to login; a session without login is not worth more.
    pub authorization_timeout: Duration,
    /// The same while more than 80 % of `session_count_max` are taken.
    pub authorization_timeout_crowded: Duration,
    /// Silence after login before the session ends without UPDATE; at least 10 minutes
    /// (RFC 1939 §3).
    pub idle_timeout: Duration,
    /// How long a write may wait for a client that does not read.
    pub write_timeout: Duration,
    /// How long a peer may leave data or keep-alive probes unanswered before it counts as dead and
    /// its maildrop is free again (TCP_USER_TIMEOUT). Linux counts a receive window that stays
    /// closed so long as no answer, so over TCP this also ends a client that has stopped reading.
    pub dead_peer_timeout: Duration,
    /// How long a TLS handshake may take; also a PROXY header, from the connection on.
    pub handshake_timeout: Duration,
    /// Silence of an LMTP client; at least 5 minutes (RFC 5321 §4.5.3.2.7).
    pub lmtp_timeout: Duration,
    /// Silence of an SMTP client; the same.
    pub smtp_timeout: Duration,
    /// How long open sessions may go on after SIGTERM.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            session_count_max: 10_000,
            sessions_per_address_max: 20,
            sessions_per_network_max: 50,
            sessions_per_account_max: 10,
            lmtp_session_count_max: 500,
            smtp_session_count_max: 200,
            smtp_sessions_per_address_max: 10,
            smtp_sessions_per_network_max: 20,
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
            smtp_timeout: Duration::from_secs(300),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Permissions of a Unix socket: owner and group may connect.
const MODE: u32 = 0o660;
