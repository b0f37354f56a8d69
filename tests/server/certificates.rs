//! Certificates of clients over real TLS: who is named by one, and who is not (EXTERNAL).

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth::{Change, Password, State};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion, version};
use sasl::{Secret, base64};
use server::{ClientAccount, ClientCertificates, Config, FrontEndTls, Listener, Protocol};
use tempfile::TempDir;

use crate::harness::{Client, PASSWORD, Server, Setup, Stream, wait_until};
use crate::proxy;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

const POP3S: Protocol = Protocol::Pop3s;

/// Whom a client has a certificate and a key of.
pub(crate) type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(crate) struct Authority {
    own: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::of(CertifiedIssuer::self_signed(Self::params(name), key).unwrap())
    }

    /// An authority that this one vouches for.
    fn below(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::of(CertifiedIssuer::signed_by(Self::params(name), key, &self.own).unwrap())
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn of(own: CertifiedIssuer<'static, KeyPair>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), own.pem()).unwrap();
        Self { own, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate for a client, as sound as can be but for what `change` does to it.
    pub(crate) fn client(&self, change: impl FnOnce(&mut CertificateParams)) -> Shown {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.own).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        (vec![certificate.der().clone()], key)
    }

    /// Whom an e-mail address names.
    pub(crate) fn mail(&self, address: &str) -> Shown {
        self.client(|params| params.subject_alt_names = vec![mail(address)])
    }

    /// What a listener asks for, without a list of what was taken back.
    pub(crate) fn asked(&self, account: ClientAccount) -> ClientCertificates {
        ClientCertificates {
            authorities: self.path("ca.pem"),
            revoked: None,
            account,
        }
    }

    /// Takes these serial numbers back, in a list that counts until a day of this year.
    fn revoke(&self, path: &Path, serials: &[u64], until_year: i32) {
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(until_year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.own).unwrap();
        std::fs::write(path, list.pem().unwrap()).unwrap();
    }
}

pub(crate) fn mail(address: &str) -> SanType {
    SanType::Rfc822Name(Ia5String::try_from(address).unwrap())
}

/// A server whose POP3 listeners ask for this, with an account `bob@dobbs.org` beside the usual ones.
pub(crate) fn start(asked: &ClientCertificates, change: impl FnOnce(&mut Config)) -> Server {
    let setup = Setup::new().with(|config| {
        for listener in &mut config.listeners {
            if listener.protocol != Protocol::Lmtp {
                listener.client_certificates = Some(asked.clone());
            }
        }
        change(config);
    });
    let server = setup.start();
    let password = Password::Clear(Secret::new(PASSWORD));
    server
        .auth
        .accounts()
        .add("bob@dobbs.org", &password)
        .unwrap();
    server
}

/// A TLS client that shows this, or nothing.
fn client(
    server: &Server,
    shown: Option<&Shown>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let tls = server.config.tls.as_ref().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let own = CertificateDer::from_pem_file(&tls.certificate).unwrap();
    roots.add(own).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match shown {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// A connection inside TLS, with this certificate, whose greeting has been read.
pub(crate) fn showing(server: &Server, shown: &Shown) -> Client {
    let config = client(server, Some(shown), rustls::ALL_VERSIONS);
    let mut client = server.connect(POP3S).start_tls_with(config).unwrap();
    client.expect("+OK POP3 server ready");
    client
}

/// What comes of a handshake that must fail: the alert.
fn alert(connection: Client, config: ClientConfig) -> String {
    match connection.start_tls_with(config) {
        Err(alert) => alert,
        // In TLS 1.3 the client's part is over before the server has looked at the certificate.
        Ok(mut client) => match std::io::Read::read(&mut client.stream, &mut [0; 64]) {
            Ok(octets) => panic!("{octets} octets and no alert"),
            Err(alert) => alert.to_string(),
        },
    }
}

/// This certificate must be refused.
pub(crate) fn refused(server: &Server, shown: &Shown) -> String {
    let config = client(server, Some(shown), rustls::ALL_VERSIONS);
    alert(server.connect(POP3S), config)
}

/// Whether EXTERNAL is announced.
fn offers(client: &mut Client) -> bool {
    let mut lists = ["CAPA", "AUTH"].map(|command| {
        client.ask(command, "+OK");
        let list = String::from_utf8(client.text()).unwrap();
        let mut words = list.split_whitespace();
        words.any(|word| word == "EXTERNAL")
    });
    lists.sort();
    assert_eq!(lists[0], lists[1], "CAPA and AUTH say the same");
    lists[0]
}

const UNREADABLE: &str = "-ERR not a message of this mechanism";
const WRONG: &str = "-ERR [AUTH] wrong user name or password, or the account may not log in";

#[test]
fn a_certificate_names_the_account_and_external_logs_in() {
    let authority = Authority::new("users of dobbs.org");
    let server = start(&authority.asked(ClientAccount::Email), |_| {});
    let bob = authority.mail("Bob@dobbs.org");
    server.deliver("bob@dobbs.org", "Subject: x\r\n\r\n");
    for version in VERSIONS {
        for stls in [false, true] {
            let mut connection = match stls {
                false => server.connect(POP3S),
                true => server.plain(),
            };
            if stls {
                assert!(
                    !offers(&mut connection),
                    "in clear nobody has shown anything"
                );
                connection.ask("AUTH EXTERNAL =", "-ERR mechanism is not possible");
                connection.ask("STLS", "+OK");
            }
            let config = client(&server, Some(&bob), &[version]);
            let mut client = connection.start_tls_with(config).unwrap();
            if !stls {
                client.expect("+OK POP3 server ready");
            }
            // The certificate alone logs nobody in (RFC 8314 §3.1, RFC 2595 §4).
            client.ask("STAT", "-ERR");
            assert!(offers(&mut client));
            let greeted = "+OK bob@dobbs.org's maildrop has 1 message (";
            client.ask("AUTH EXTERNAL =", greeted);
            assert!(
                server
                    .maildrops
                    .open(server.maildrop("bob@dobbs.org"))
                    .is_err()
            );
            client.ask("QUIT", "+OK");
        }
    }
}

#[test]
fn nobody_acts_for_somebody_else() {
    let authority = Authority::new("users of dobbs.org");
    let server = start(&authority.asked(ClientAccount::Email), |_| {});
    let bob = authority.mail("bob@dobbs.org");
    for (authzid, answer) in [
        ("bob@dobbs.org", "+OK bob@dobbs.org's"),
        ("BOB@Dobbs.org", "+OK bob@dobbs.org's"),
        ("alice", WRONG),
        ("bob", WRONG),
        ("bob@dobbs.org ", WRONG),
        // As SASLprep has it (RFC 5034 §4).
        ("\u{ff42}o\u{ad}b@dobbs.org", "+OK bob@dobbs.org's"),
        (
            "\u{ff22}\u{ff2f}\u{ff22}\u{ff20}dobbs.org",
            "+OK bob@dobbs.org's",
        ),
        ("b\u{43e}b@dobbs.org", WRONG),
        ("bob@dobbs.org\0", UNREADABLE),
        ("bob@dobbs.org\r\n", WRONG),
        ("\u{202e}bob@dobbs.org", WRONG),
        ("\u{ad}", WRONG),
    ] {
        let mut client = showing(&server, &bob);
        let response = base64::encode(authzid.as_bytes());
        client.ask(&format!("AUTH EXTERNAL {response}"), answer);
        client.ask("QUIT", "+OK");
    }
    let mut client = showing(&server, &bob);
    client.ask("AUTH EXTERNAL", "+ ");
    client.ask("", "+OK bob@dobbs.org's");
}

#[test]
fn who_shows_none_is_asked_for_a_password() {
    let authority = Authority::new("users of dobbs.org");
    let server = start(&authority.asked(ClientAccount::Email), |_| {});
    let mut client = server.tls();
    assert!(!offers(&mut client));
    client.ask("AUTH EXTERNAL =", "-ERR mechanism is not possible");
    client.log_in("bob");
    // With a certificate passwords are as good as ever, for every account.
    let mut client = showing(&server, &authority.mail("bob@dobbs.org"));
    client.log_in("alice");
}

#[test]
fn who_is_asked_for_a_certificate_hears_nothing_before_it_is_verified() {
    let authority = Authority::new("users of dobbs.org");
    let server = start(&authority.asked(ClientAccount::Email), |_| {});
    let config = client(&server, None, rustls::ALL_VERSIONS);
    let (early, mut client) = server.connect(POP3S).said_early(config);
    assert_eq!(early, "");
    client.expect("+OK");
    client.ask("FROB", "-ERR");
}

#[test]
fn a_listener_that_asks_nobody_knows_no_external() {
    let server = Server::start();
    let authority = Authority::new("users of dobbs.org");
    let mut client = showing(&server, &authority.mail("bob"));
    assert!(!offers(&mut client));
    client.ask("AUTH EXTERNAL =", "-ERR unknown mechanism");
}

#[test]
fn a_certificate_that_is_not_in_order_ends_in_an_alert() {
    let authority = Authority::new("users of dobbs.org");
    let mut asked = authority.asked(ClientAccount::Email);
    let list = authority.path("crl.pem");
    authority.revoke(&list, &[7], 2100);
    asked.revoked = Some(list);
    let server = start(&asked, |_| {});
    let bob = |change: fn(&mut CertificateParams)| {
        authority.client(|params| {
            params.subject_alt_names = vec![mail("bob@dobbs.org")];
            change(params);
        })
    };
    // The same name, another key.
    let impostor = Authority::new("users of dobbs.org");
    let stranger = Authority::new("somebody else");
    for (shown, told) in [
        (
            bob(|params| {
                params.not_before = date_time_ymd(2020, 1, 1);
                params.not_after = date_time_ymd(2021, 1, 1);
            }),
            "CertificateExpired",
        ),
        (
            bob(|params| params.not_before = date_time_ymd(2099, 1, 1)),
            "CertificateExpired",
        ),
        (
            bob(|params| params.serial_number = Some(SerialNumber::from(7))),
            "CertificateRevoked",
        ),
        (
            bob(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "UnsupportedCertificate",
        ),
        (
            bob(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "",
        ),
        (impostor.mail("bob@dobbs.org"), ""),
        (stranger.mail("bob@dobbs.org"), "UnknownCA"),
    ] {
        for version in VERSIONS {
            for stls in [false, true] {
                let connection = match stls {
                    false => server.connect(POP3S),
                    true => {
                        let mut connection = server.plain();
                        connection.ask("STLS", "+OK");
                        connection
                    }
                };
                let alert = alert(connection, client(&server, Some(&shown), &[version]));
                assert!(alert.contains("fatal alert"), "{alert}");
                assert!(alert.contains(told), "{alert}, not {told}");
            }
        }
    }
    showing(&server, &bob(|_| {})).ask("AUTH EXTERNAL =", "+OK");
}

#[test]
fn a_list_that_is_old_or_somebody_elses_lets_nobody_in() {
    let authority = Authority::new("users of dobbs.org");
    let stranger = Authority::new("somebody else");
    let list = authority.path("crl.pem");
    let mut asked = authority.asked(ClientAccount::Email);
    asked.revoked = Some(list.clone());
    let shown = authority.mail("bob@dobbs.org");
    authority.revoke(&list, &[], 2026);
    let old = start(&asked, |_| {});
    stranger.revoke(&list, &[], 2100);
    let strangers = start(&asked, |_| {});
    for server in [old, strangers] {
        let alert = refused(&server, &shown);
        assert!(alert.contains("fatal alert"), "{alert}");
        // Everybody else is served.
        server.tls().log_in("bob");
    }
}

#[test]
fn every_authority_of_a_chain_needs_a_list() {
    let root = Authority::new("dobbs.org");
    let users = root.below("users of dobbs.org");
    let (mut chain, key) = users.mail("bob@dobbs.org");
    chain.push(users.own.der().clone());
    let shown = (chain, key);
    let mut asked = root.asked(ClientAccount::Email);
    let server = start(&asked, |_| {});
    showing(&server, &shown).ask("AUTH EXTERNAL =", "+OK");
    let alone = (shown.0[..1].to_vec(), shown.1.clone_key());
    assert!(refused(&server, &alone).contains("UnknownCA"));

    let (of_root, of_users) = (root.path("root.pem"), root.path("users.pem"));
    root.revoke(&of_root, &[], 2100);
    users.revoke(&of_users, &[], 2100);
    let [of_root, of_users] = [of_root, of_users].map(|path| std::fs::read(path).unwrap());
    let list = root.path("crl.pem");
    asked.revoked = Some(list.clone());
    for (lists, whole) in [
        ([&of_root[..], b""], false),
        ([&of_users[..], b""], false),
        ([&of_root[..], &of_users], true),
    ] {
        std::fs::write(&list, lists.concat()).unwrap();
        let server = start(&asked, |_| {});
        match whole {
            true => {
                showing(&server, &shown).ask("AUTH EXTERNAL =", "+OK");
            }
            false => assert!(refused(&server, &shown).contains("fatal alert")),
        }
    }
}

#[test]
fn a_certificate_that_names_nobody_is_good_for_nothing() {
    let authority = Authority::new("users of dobbs.org");
    let common_name = |name: &'static str| {
        authority.client(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
        })
    };
    let with = |names: Vec<SanType>| authority.client(|params| params.subject_alt_names = names);
    let foreign_use = authority.client(|params| {
        params.subject_alt_names = vec![mail("bob@dobbs.org")];
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    });
    for (part, shown) in [
        (ClientAccount::Email, with(vec![])),
        (ClientAccount::Email, common_name("bob")),
        (ClientAccount::Email, common_name("bob@dobbs.org")),
        (ClientAccount::Email, with(vec![mail("bob")])),
        (
            ClientAccount::Email,
            with(vec![mail("bob@dobbs.org"), mail("alice@dobbs.org")]),
        ),
        (ClientAccount::Email, with(vec![mail("bob@dobbs.org\0")])),
        (ClientAccount::Email, foreign_use),
        (ClientAccount::CommonName, with(vec![mail("bob@dobbs.org")])),
        (ClientAccount::CommonName, common_name("Bob Dobbs")),
    ] {
        let server = start(&authority.asked(part), |_| {});
        let mut client = showing(&server, &shown);
        assert!(!offers(&mut client));
        client.ask("AUTH EXTERNAL =", "-ERR mechanism is not possible");
        client.log_in("bob");
    }
    let server = start(&authority.asked(ClientAccount::CommonName), |_| {});
    let mut client = showing(&server, &common_name("Bob"));
    client.ask("AUTH EXTERNAL =", "+OK bob's");
}

#[test]
fn an_account_that_may_not_log_in_is_refused_like_a_wrong_password() {
    let authority = Authority::new("users of dobbs.org");
    let disabled = Change {
        state: Some(State::Disabled),
        ..Change::default()
    };
    let elsewhere = Change {
        networks: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        ..Change::default()
    };
    for (name, change) in [
        ("nobody@dobbs.org", None),
        ("bob@dobbs.org", Some(disabled)),
        ("bob@dobbs.org", Some(elsewhere)),
    ] {
        let server = start(&authority.asked(ClientAccount::Email), |_| {});
        if let Some(change) = change {
            server.auth.accounts().set(name, &change).unwrap();
        }
        let mut client = showing(&server, &authority.mail(name));
        assert!(
            offers(&mut client),
            "nothing tells that there is no such account"
        );
        let start = Instant::now();
        client.ask("AUTH EXTERNAL =", WRONG);
        assert!(start.elapsed() >= Duration::from_millis(300));
        // It counts like one, too: the next refusal takes longer.
        let start = Instant::now();
        client.ask("AUTH EXTERNAL =", WRONG);
        assert!(start.elapsed() >= Duration::from_millis(590));
    }
}

fn kind(server: &Server, place: usize, config: &ClientConfig) -> Option<HandshakeKind> {
    let socket = TcpStream::connect(server.addresses(POP3S)[place]).unwrap();
    let client = Client::new(Stream::Tcp(socket));
    let mut client = client.start_tls_with(config.clone()).unwrap();
    client.expect("+OK POP3 server ready");
    // The answer comes after the tickets, if there are any.
    client.ask("QUIT", "+OK");
    let Stream::Tls(stream) = &client.stream else {
        panic!("a TLS stream");
    };
    stream.conn.handshake_kind()
}

/// A listener of its own that asks this.
fn another(asked: Option<ClientCertificates>) -> Listener {
    let mut listener = Listener::new(POP3S, "127.0.0.1:0".parse().unwrap());
    listener.client_certificates = asked;
    listener
}

#[test]
fn no_session_brings_a_certificate_back() {
    let authority = Authority::new("users of dobbs.org");
    let list = authority.path("crl.pem");
    authority.revoke(&list, &[], 2100);
    let mut asked = authority.asked(ClientAccount::Email);
    asked.revoked = Some(list.clone());
    let server = start(&asked, |_| {});
    let bob = authority.client(|params| {
        params.subject_alt_names = vec![mail("bob@dobbs.org")];
        params.serial_number = Some(SerialNumber::from(7));
    });
    let configs = VERSIONS.map(|version| client(&server, Some(&bob), &[version]));
    for config in &configs {
        for _ in 0..3 {
            assert_eq!(kind(&server, 0, config), Some(HandshakeKind::Full));
        }
    }
    // Nor without one, where it would be of use to nobody else either.
    let config = client(&server, None, rustls::ALL_VERSIONS);
    for _ in 0..3 {
        assert_eq!(kind(&server, 0, &config), Some(HandshakeKind::Full));
    }
    authority.revoke(&list, &[7], 2100);
    server.reload(server.config.clone());
    wait_until("the new list counts", || {
        let connection = server.connect(POP3S);
        let config = configs[1].clone();
        let Ok(mut client) = connection.start_tls_with(config) else {
            return true;
        };
        std::io::Read::read(&mut client.stream, &mut [0; 64]).is_err()
    });
    for config in configs {
        let alert = alert(server.connect(POP3S), config);
        assert!(alert.contains("CertificateRevoked"), "{alert}");
    }
}

#[test]
fn a_certificate_and_a_session_count_at_their_own_listener_only() {
    let staff = Authority::new("staff");
    let students = Authority::new("students");
    let server = start(&staff.asked(ClientAccount::Email), |config| {
        let students = students.asked(ClientAccount::CommonName);
        config.listeners.push(another(Some(students)));
        config.listeners.push(another(None));
    });
    let (asks_staff, asks_students, asks_nobody) = (0, 1, 2);
    let bob = staff.mail("bob@dobbs.org");
    for version in VERSIONS {
        let config = client(&server, Some(&bob), &[version]);
        kind(&server, asks_staff, &config);
        let socket = TcpStream::connect(server.addresses(POP3S)[asks_students]).unwrap();
        let connection = Client::new(Stream::Tcp(socket));
        let alert = alert(connection, config);
        assert!(alert.contains("UnknownCA"), "{alert}");
        // A session that began where nobody is asked goes on there and nowhere else.
        let config = client(&server, None, &[version]);
        let (full, resumed) = (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed));
        for (place, expected) in [
            (asks_nobody, full),
            (asks_nobody, resumed),
            (asks_staff, full),
            (asks_students, full),
        ] {
            assert_eq!(kind(&server, place, &config), expected, "{place}");
        }
    }
}

#[test]
fn a_reload_brings_new_authorities_and_a_broken_file_changes_nothing() {
    let old = Authority::new("old");
    let new = Authority::new("new");
    let asked = old.asked(ClientAccount::Email);
    let server = start(&asked, |_| {});
    let logs_in = |shown: &Shown| {
        let config = client(&server, Some(shown), rustls::ALL_VERSIONS);
        let mut client = server.connect(POP3S).start_tls_with(config).unwrap();
        if std::io::Read::read(&mut client.stream, &mut [0; 512]).is_err() {
            return false;
        }
        client.ask("AUTH EXTERNAL =", "+OK");
        client.ask("QUIT", "+OK");
        true
    };
    let (before, after) = (old.mail("bob@dobbs.org"), new.mail("bob@dobbs.org"));
    assert!(logs_in(&before) && !logs_in(&after));
    for broken in [
        "",
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
    ] {
        std::fs::write(&asked.authorities, broken).unwrap();
        let mut config = server.config.clone();
        config.name = "louie".to_owned();
        server.reload(config);
    }
    std::fs::write(&asked.authorities, new.own.pem()).unwrap();
    let mut config = server.config.clone();
    config.name = "huey".to_owned();
    server.reload(config);
    wait_until("the new authority counts", || {
        let mut client = server.tls();
        let line = client.ask("QUIT", "+OK");
        assert!(!line.contains("louie"), "a broken file counts for nothing");
        line.contains("huey")
    });
    assert!(!logs_in(&before) && logs_in(&after));
}

#[test]
fn a_front_ends_word_is_no_certificate() {
    let authority = Authority::new("users of dobbs.org");
    let server = start(&authority.asked(ClientAccount::CommonName), |config| {
        for listener in &mut config.listeners {
            listener.front_ends.proxy_protocol = vec!["127.0.0.1".parse().unwrap()];
        }
        config.listeners[0].front_ends.client_tls = FrontEndTls::Believed;
    });
    // TLS with a certificate of `bob` that the balancer has verified: it says so, and that is all.
    let common_name = b"\x22\0\x03bob";
    let mut part = vec![0x20, 0, 5 + 6, 1 | 2 | 4, 0, 0, 0, 0];
    part.extend_from_slice(common_name);
    let header = proxy::block_v4([192, 0, 2, 7], &part);
    let mut client = proxy::begun(&server, Protocol::Pop3, &header);
    client.expect("+OK POP3 server ready");
    assert!(!offers(&mut client));
    client.ask("AUTH EXTERNAL =", "-ERR mechanism is not possible");
    client.ask("STLS", "-ERR");
    client.log_in("bob");
    // Through a balancer that passes TLS on, the certificate is the client's own.
    let alice = authority.client(|params| {
        params.distinguished_name.push(DnType::CommonName, "alice");
    });
    let connection = proxy::begun(&server, POP3S, &header);
    let config = self::client(&server, Some(&alice), rustls::ALL_VERSIONS);
    let mut client = connection.start_tls_with(config).unwrap();
    client.expect("+OK POP3 server ready");
    client.ask("AUTH EXTERNAL =", "+OK alice's");
}

#[test]
fn a_front_ends_certificate_is_not_its_clients() {
    let authority = Authority::new("users of dobbs.org");
    let server = start(&authority.asked(ClientAccount::Email), |config| {
        for listener in &mut config.listeners {
            listener.front_ends.xclient = vec!["127.0.0.1".parse().unwrap()];
        }
    });
    let config = client(
        &server,
        Some(&authority.mail("bob@dobbs.org")),
        rustls::ALL_VERSIONS,
    );
    let mut client = server.connect(POP3S).start_tls_with(config).unwrap();
    client.expect("+OK [XCLIENT] POP3 server ready");
    client.ask("XCLIENT ADDR=192.0.2.7", "+OK");
    assert!(!offers(&mut client));
    client.ask("AUTH EXTERNAL =", "-ERR mechanism is not possible");
    client.log_in("bob");
}

#[test]
fn what_cannot_be_asked_is_refused_at_the_start() {
    let authority = Authority::new("users of dobbs.org");
    let leaf = authority.mail("bob@dobbs.org");
    let leaf = pem("CERTIFICATE", &leaf.0[0]);
    let many = authority.own.pem().repeat(200);
    let other = authority.own.pem().replace("CERTIFICATE", "X509 CRL");
    let error = |change: &dyn Fn(&mut ClientCertificates)| {
        let mut asked = authority.asked(ClientAccount::Email);
        change(&mut asked);
        let setup = Setup::new().with(|config| {
            config.listeners[1].client_certificates = Some(asked);
        });
        server::bind(&setup.config).err().unwrap().to_string()
    };
    let file = authority.path("other.pem");
    let authorities = |text: &str| {
        std::fs::write(&file, text).unwrap();
        error(&|asked| asked.authorities.clone_from(&file))
    };
    for (found, told) in [
        (
            error(&|asked| asked.authorities = "/nowhere.pem".into()),
            "cannot read the client CA",
        ),
        (authorities(""), "no client CA in"),
        (authorities(&leaf), "is not the certificate of a CA"),
        (authorities(&many), "larger than 64 KiB"),
        (
            error(&|asked| asked.revoked = Some("/nowhere.pem".into())),
            "cannot read the list of revoked client certificates",
        ),
        (
            error(&|asked| asked.revoked = Some(asked.authorities.clone())),
            "no list of revoked client certificates in",
        ),
        (
            {
                std::fs::write(&file, other).unwrap();
                error(&|asked| asked.revoked = Some(file.clone()))
            },
            "the list of revoked client certificates in",
        ),
    ] {
        assert!(found.contains(told), "{found}, not {told}");
        assert!(found.contains(".pem"), "{found}");
    }
    let asked = authority.asked(ClientAccount::Email);
    let unservable = |change: &dyn Fn(&mut Config)| {
        let setup = Setup::new().with(change);
        server::bind(&setup.config).err().unwrap().to_string()
    };
    let told = unservable(&|config| config.listeners[2].client_certificates = Some(asked.clone()));
    assert!(
        told.contains("cannot ask for client certificates"),
        "{told}"
    );
    let told = unservable(&|config| {
        config.listeners.truncate(1);
        config.listeners[0].client_certificates = Some(asked.clone());
        config.tls = None;
    });
    assert!(told.contains("needs [tls] to ask for client"), "{told}");
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
